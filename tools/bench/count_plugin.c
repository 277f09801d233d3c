/* A plugin for qemu-user that counts what the guest executes: exact, however busy the machine is. For one
 * thread at a time. On exit it writes a line for each block of straight code to the file that `out=` names:
 *   TIMES ADDRESS FUNCTION N CODE    how often it ran; its first address; its N instructions, in hexadecimal
 * A block that was translated more than once has more than one line. FUNCTION is - where the guest has no
 * symbol.
 *
 * cc -O2 -fPIC -shared count_plugin.c -o count.so && qemu-aarch64 -plugin ./count.so,out=n.txt PROGRAM
 *
 * It needs no header of QEMU, which distributions do not package: what it uses of version 1 of the interface
 * is declared here, as QEMU documents it. Tried with QEMU 7.2; static builds have no plugins. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum { INLINE_ADD = 0 };
typedef void translated_fn(uint64_t id, struct qemu_plugin_tb *block);
typedef void exit_fn(uint64_t id, void *user);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_fn *callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *counter,
                                              uint64_t amount);
void qemu_plugin_register_atexit_cb(uint64_t id, exit_fn *callback, void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *instruction);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const qemu_info_t *info, int argc, char **argv);

struct block { /* stays where it is: translated code adds to `times` */
  struct block *next;
  uint64_t times, address;
  const char *function;
  size_t n, bytes;
  unsigned char code[];
};
static struct block *blocks;
static char path[4096];

static void on_translated(uint64_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  size_t n = qemu_plugin_tb_n_insns(tb), bytes = 0;
  for (size_t i = 0; i < n; i++) bytes += qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i));
  struct block *b = calloc(1, sizeof *b + bytes);
  if (!n || !b) abort(); /* a count that lacks a block would be wrong */
  for (size_t i = 0; i < n; i++) {
    const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
    size_t size = qemu_plugin_insn_size(instruction);
    memcpy(b->code + b->bytes, qemu_plugin_insn_data(instruction), size);
    b->bytes += size;
  }
  b->n = n;
  b->address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
  b->function = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
  b->next = blocks;
  blocks = b;
  qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD, &b->times, 1);
}

static void on_exit_of_guest(uint64_t id, void *user) {
  (void)id, (void)user;
  FILE *f = fopen(path, "w");
  if (!f) {
    perror(path);
    return;
  }
  for (const struct block *b = blocks; b; b = b->next) {
    if (!b->times) continue;
    fprintf(f, "%" PRIu64 " %" PRIx64 " %s %zu ", b->times, b->address,
            b->function && *b->function ? b->function : "-", b->n);
    for (size_t i = 0; i < b->bytes; i++) fprintf(f, "%02x", b->code[i]);
    fputc('\n', f);
  }
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
