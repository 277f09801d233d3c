/* Prints what a model takes and gives. usage: app MODEL.lrm */
#include <stdio.h>

#include <lite_runtime.h>

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: app MODEL.lrm\n"), 2;
  lr_error e;
  lr_model *model = NULL;
  if (lr_model_open(argv[1], NULL, &model, &e)) return fprintf(stderr, "app: %s\n", e.message), 1;
  static const char *const words[] = {"input", "output", "state"};
  for (int role = LR_INPUT; role <= LR_STATE; role++)
    for (int i = 0; i < lr_model_count(model, (lr_role)role); i++) {
      lr_tensor_info info;
      if (lr_model_info(model, (lr_role)role, i, &info, NULL) == LR_OK)
        printf("%s %s, rank %d\n", words[role], info.name, (int)info.rank);
    }
  lr_model_close(model);
  return 0;
}
