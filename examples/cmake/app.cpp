// Prints what a model takes and gives. usage: app MODEL.lrm
#include <cstdio>
#include <exception>

#include <lite_runtime.hpp>

int main(int argc, char **argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: app MODEL.lrm\n"), 2;
  try {
    const lite_runtime::Model model(argv[1]);
    for (const lr_role role : {LR_INPUT, LR_OUTPUT, LR_STATE})
      for (int i = 0; i < model.count(role); i++) {
        const lr_tensor_info info = model.info({role, i});
        std::printf("%s %s, rank %d\n",
                    role == LR_INPUT    ? "input"
                    : role == LR_OUTPUT ? "output"
                                        : "state",
                    info.name, static_cast<int>(info.rank));
      }
  } catch (const std::exception &e) {
    std::fprintf(stderr, "app: %s\n", e.what());
    return 1;
  }
}
