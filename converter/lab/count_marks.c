/* A plugin for qemu-user that counts the guest's instructions between markers, which are calls of getppid. At each
 * marker, and at the end, it writes a line to the file that `out=` names: how many were executed so far. Exact for a
 * guest of one thread. The interface is version 1 of QEMU's, declared here as QEMU documents it, because
 * distributions do not package its header; static builds of qemu have no plugins.
 *
 * cc -O2 -fPIC -shared count_marks.c -o count_marks.so
 * qemu-aarch64 -plugin ./count_marks.so,out=n.txt lite_run MODEL --threads 1 --instructions */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
typedef struct { /* the start of it */
  const char *target_name;
} qemu_info_t;
enum { INLINE_ADD = 0 };
typedef void translated_fn(uint64_t id, struct qemu_plugin_tb *block);
typedef void call_fn(uint64_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c,
                     uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h);
typedef void exit_fn(uint64_t id, void *user);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_fn *callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *counter,
                                              uint64_t amount);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, call_fn *callback);
void qemu_plugin_register_atexit_cb(uint64_t id, exit_fn *callback, void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const qemu_info_t *info, int argc, char **argv);

static uint64_t executed; /* translated code adds to it */
static int64_t getppid_number;
static FILE *out;

static void on_translated(uint64_t id, struct qemu_plugin_tb *block) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD, &executed, qemu_plugin_tb_n_insns(block));
}

static void on_call(uint64_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                    uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (number == getppid_number) fprintf(out, "%" PRIu64 "\n", executed);
}

static void on_exit_of_guest(uint64_t id, void *user) {
  (void)id, (void)user;
  fprintf(out, "%" PRIu64 "\n", executed);
  fclose(out);
}

int qemu_plugin_install(uint64_t id, const qemu_info_t *info, int argc, char **argv) {
  if (argc != 1 || strncmp(argv[0], "out=", 4) || !(out = fopen(argv[0] + 4, "w"))) return -1;
  /* arm and i386 have numbers of their own, x86-64 too; all others the common ones */
  const char *t = info->target_name;
  getppid_number = !strcmp(t, "arm") || !strcmp(t, "i386") ? 64 : !strcmp(t, "x86_64") ? 110 : 173;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_vcpu_syscall_cb(id, on_call);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
  return 0;
}
