/* A plugin for qemu-user that counts the instructions of the guest: exact, however busy the machine is.
 * For one thread at a time. On exit it writes the number to the file that `out=` names.
 *
 * cc -O2 -fPIC -shared count_plugin.c -o count.so && qemu-aarch64 -plugin ./count.so,out=n.txt PROGRAM
 *
 * It needs no header of QEMU, which distributions do not package: what it uses of version 1 of the interface
 * is declared here, as QEMU documents it. Tried with QEMU 7.2; static builds have no plugins. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
typedef struct qemu_info_t qemu_info_t;
enum { INLINE_ADD = 0 };
typedef void translated_fn(uint64_t id, struct qemu_plugin_tb *block);
typedef void exit_fn(uint64_t id, void *user);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_fn *callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *counter,
                                              uint64_t amount);
void qemu_plugin_register_atexit_cb(uint64_t id, exit_fn *callback, void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const qemu_info_t *info, int argc, char **argv);

static uint64_t instructions;
static char path[4096];

static void on_translated(uint64_t id, struct qemu_plugin_tb *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD, &instructions, qemu_plugin_tb_n_insns(block));
}

static void on_exit_of_guest(uint64_t id, void *user) {
  (void)id, (void)user;
  FILE *f = fopen(path, "w");
  if (!f) {
    perror(path);
    return;
  }
  fprintf(f, "%" PRIu64 "\n", instructions);
  fclose(f);
}

int qemu_plugin_install(uint64_t id, const qemu_info_t *info, int argc, char **argv) {
  (void)info;
  if (argc != 1 || strncmp(argv[0], "out=", 4) || strlen(argv[0] + 4) >= sizeof path) return -1;
  strcpy(path, argv[0] + 4);
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
  return 0;
}
