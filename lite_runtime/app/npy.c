/* numpy's .npy files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

static const struct dtype DTYPES[] = {
    {LR_F32, "f32", "<f4", 4},   {LR_F16, "f16", "<f2", 2}, {LR_BF16, "bf16", "", 2},
    {LR_F64, "f64", "<f8", 8},   {LR_I8, "i8", "|i1", 1},   {LR_U8, "u8", "|u1", 1},
    {LR_I16, "i16", "<i2", 2},   {LR_U16, "u16", "<u2", 2}, {LR_I32, "i32", "<i4", 4},
    {LR_U32, "u32", "<u4", 4},   {LR_I64, "i64", "<i8", 8}, {LR_U64, "u64", "<u8", 8},
    {LR_BOOL, "bool", "|b1", 1}, {LR_I4, "i4", "", 1},      {LR_U4, "u4", "", 1},
    {0, "unknown", "", 1},
};

const struct dtype *dtype_of(int32_t code) {
  const struct dtype *d = DTYPES;
  while (d->code && d->code != code) d++;
  return d;
}

/* What follows `'key':` in the header, or NULL. */
static const char *after(const char *header, const char *key) {
  const char *p = strstr(header, key);
  if (!p) return NULL;
  p += strlen(key);
  while (*p == ' ' || *p == ':') p++;
  return p;
}

/* (1, 3, 64, 64) or (7,) or (): 0 when it is a shape of at most 8 dims. */
static int parse_shape(const char *p, lr_tensor *t) {
  if (!p || *p++ != '(') return 1;
  t->rank = 0;
  for (;;) {
    while (*p == ' ' || *p == ',') p++;
    if (*p == ')') return 0;
    char *end;
    long long n = strtoll(p, &end, 10);
    if (end == p || n < 0 || t->rank == LR_MAX_RANK) return 1;
    t->dims[t->rank++] = n;
    p = end;
  }
}

/* Fills dtype, rank, dims and bytes from the text of a header; 0 when it is one. */
static int parse_header(const char *header, lr_tensor *t) {
  const char *type = after(header, "'descr'"), *order = after(header, "'fortran_order'");
  if (!type || *type++ != '\'' || !order || parse_shape(after(header, "'shape'"), t)) return 1;
  const struct dtype *d = DTYPES;
  while (d->code && (!*d->npy || strncmp(type, d->npy, strlen(d->npy)))) d++;
  if (!d->code || (strncmp(order, "False", 5) && t->rank > 1)) return 1;
  t->dtype = d->code;
  uint64_t n = d->bytes;
  for (int32_t i = 0; i < t->rank; i++) {
    if (t->dims[i] && n > (uint64_t)SIZE_MAX / 2 / (uint64_t)t->dims[i]) return 1;
    n *= (uint64_t)t->dims[i];
  }
  t->bytes = (size_t)n;
  return 0;
}

static int read_header(FILE *f, lr_tensor *t) {
  unsigned char head[12];
  if (fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY", 6)) return 1;
  size_t n = head[8] | (size_t)head[9] << 8;
  if (head[6] > 1) {
    if (fread(head + 10, 1, 2, f) != 2) return 1;
    n |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
  }
  if (n > 65535) return 1;
  char *text = calloc(n + 1, 1);
  int bad = !text || fread(text, 1, n, f) != n || parse_header(text, t);
  free(text);
  return bad;
}

int npy_read(const char *path, lr_tensor *t) {
  FILE *f = open_file(path, "rb");
  if (!f) return fail("%s: cannot be opened", path);
  memset(t, 0, sizeof *t);
  int bad = 0;
  if (read_header(f, t))
    bad = fail("%s: is not an .npy file of little-endian numbers in C order", path);
  else if (!(t->data = malloc(t->bytes + 1)))
    bad = fail("%s: no memory for its %llu bytes", path, (unsigned long long)t->bytes);
  else if (fread(t->data, 1, t->bytes, f) != t->bytes || fgetc(f) != EOF)
    bad = fail("%s: is damaged, its size is not what its header says", path);
  fclose(f);
  if (bad) free(t->data), t->data = NULL;
  return bad;
}

static int write_to(FILE *f, const lr_tensor *t) {
  char dims[256] = "", header[512];
  size_t n = 0;
  for (int32_t i = 0; i < t->rank; i++)
    n += (size_t)snprintf(dims + n, sizeof dims - n, "%lld%s", (long long)t->dims[i],
                          t->rank == 1      ? ","
                          : i + 1 < t->rank ? ", "
                                            : "");
  snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
           dtype_of(t->dtype)->npy, dims);
  /* magic, version and length are 10 bytes; numpy wants all of it to fill whole lines of 64 */
  int32_t length = (int32_t)((10 + strlen(header) + 1 + 63) / 64 * 64 - 10);
  unsigned char head[10] = {
      0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(length & 255), (unsigned char)(length >> 8)};
  if (fwrite(head, 1, 10, f) != 10 || fprintf(f, "%-*s\n", (int)length - 1, header) != length) return 1;
  return t->bytes && fwrite(t->data, 1, t->bytes, f) != t->bytes;
}

int npy_write(const char *path, const lr_tensor *t) {
  if (!*dtype_of(t->dtype)->npy)
    return fail("%s: .npy files have no numbers of type %s", path, dtype_of(t->dtype)->name);
  char temporary[1100];
  if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
    return fail("%s: is too long a path", path);
  FILE *f = open_file(temporary, "wb");
  if (!f) return fail("%s: cannot be written", temporary);
  int bad = write_to(f, t);
  if (fclose(f) || bad) {
    remove_file(temporary);
    return fail("%s: cannot be written; is the disk full?", path);
  }
  if (!rename_file(temporary, path)) return 0;
  remove_file(temporary);
  return fail("%s: cannot be written", path);
}
