#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#ifdef _WIN32
#include "source_windows.h"
#else
#include <sys/mman.h>
#include <unistd.h>

typedef struct stat file_stat;
static int stat_fd(int fd, file_stat *st) { return fstat(fd, st); }
static int stat_path(const char *path, file_stat *st) { return stat(path, st); }
static int open_path(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }

static int64_t read_at(int fd, void *to, size_t n, uint64_t offset) {
  ssize_t k;
  do k = pread(fd, to, n, (off_t)offset);
  while (k < 0 && errno == EINTR);
  return k;
}

static uint64_t map_granularity(void) {
  long page = sysconf(_SC_PAGESIZE);
  return page > 0 ? (uint64_t)page : UINT64_MAX;
}

static void *map_file(int fd, uint64_t offset, size_t bytes) {
  void *map = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, (off_t)offset);
  return map == MAP_FAILED ? NULL : map;
}

static void unmap_file(void *map, size_t bytes) { munmap(map, bytes); }
#endif

enum { PIECE = 16 << 20 }; /* of one read */

static unsigned long long ull(uint64_t n) { return n; }

static void set_name(struct lr_source *s, const char *name) {
  size_t n = strlen(name), room = sizeof s->name - 4;
  if (n <= room)
    snprintf(s->name, sizeof s->name, "%s", name);
  else
    snprintf(s->name, sizeof s->name, "...%s", name + n - room);
}

static lr_status check_size(const struct lr_source *s, uint64_t bytes, lr_error *error) {
  if (!bytes)
    return lr_fail(error, LR_ERR_MODEL, "%s: the file is empty; convert or copy the model again", s->name);
  if (bytes > LR_MAX_BYTES || bytes > SIZE_MAX / 2)
    return lr_fail(error, LR_ERR_MODEL, "%s: %llu bytes are too large for a model on this machine", s->name,
                   ull(bytes));
  return LR_OK;
}

/* Memory that `bytes` bytes will be copied to. */
static lr_status make_copy(struct lr_source *s, uint64_t bytes, lr_error *error) {
  if (!(s->copy = s->alloc.alloc(s->alloc.user, (size_t)bytes, LR_ALIGN)))
    return lr_fail(error, LR_ERR_MEMORY, "%s: out of memory for a copy of %llu bytes", s->name, ull(bytes));
  s->data = s->copy;
  s->bytes = bytes;
  return LR_OK;
}

lr_status lr_source_memory(struct lr_source *s, const void *data, uint64_t bytes, lr_error *error) {
  set_name(s, "model");
  if (!data)
    return lr_fail(error, LR_ERR_ARGUMENT, "model: data is NULL; give the address of the model's bytes");
  LR_TRY(check_size(s, bytes, error));
  if ((uintptr_t)data % LR_ALIGN) {
    LR_TRY(make_copy(s, bytes, error));
    memcpy(s->copy, data, (size_t)bytes);
    return LR_OK;
  }
  s->data = data;
  s->bytes = bytes;
  return LR_OK;
}

lr_status lr_source_reader(struct lr_source *s, lr_read_fn read_fn, void *user, uint64_t bytes,
                           lr_error *error) {
  set_name(s, "model");
  if (!read_fn) return lr_fail(error, LR_ERR_ARGUMENT, "model: the read callback is NULL");
  LR_TRY(check_size(s, bytes, error));
  LR_TRY(make_copy(s, bytes, error));
  for (uint64_t at = 0; at < bytes; at += PIECE) {
    size_t n = (size_t)(bytes - at < PIECE ? bytes - at : PIECE);
    if (!read_fn(user, at, (uint8_t *)s->copy + at, n)) continue;
    lr_source_close(s);
    return lr_fail(error, LR_ERR_IO, "model: the read callback failed at byte %llu of %llu", ull(at),
                   ull(bytes));
  }
  return LR_OK;
}

static lr_status read_fd(struct lr_source *s, int fd, uint64_t offset, uint64_t bytes, lr_error *error) {
  LR_TRY(make_copy(s, bytes, error));
  for (uint64_t at = 0; at < bytes;) {
    int64_t k =
        read_at(fd, (uint8_t *)s->copy + at, (size_t)(bytes - at < PIECE ? bytes - at : PIECE), offset + at);
    if (k > 0) {
      at += (uint64_t)k;
      continue;
    }
    int why = errno;
    lr_source_close(s);
    if (!k)
      return lr_fail(error, LR_ERR_IO, "%s: the file ended at byte %llu while it was read", s->name,
                     ull(offset + at));
    return lr_fail(error, LR_ERR_IO, "%s: cannot read at byte %llu: %s", s->name, ull(offset + at),
                   strerror(why));
  }
  return LR_OK;
}

static lr_status hold_fd(struct lr_source *s, int fd, uint64_t offset, uint64_t bytes, lr_error *error) {
  if (offset % LR_ALIGN == 0) {
    uint64_t before = offset % map_granularity();
    void *map = map_file(fd, offset - before, (size_t)(bytes + before));
    if (map) {
      s->map = map;
      s->map_bytes = (size_t)(bytes + before);
      s->data = (const uint8_t *)map + before;
      s->bytes = bytes;
      return LR_OK;
    }
  }
  return read_fd(s, fd, offset, bytes,
                 error); /* also what cannot be mapped, as on some network file systems */
}

lr_status lr_source_fd(struct lr_source *s, int fd, uint64_t offset, uint64_t bytes, lr_error *error) {
  set_name(s, "model");
  LR_TRY(check_size(s, bytes, error));
  file_stat st;
  if (stat_fd(fd, &st))
    return lr_fail(error, LR_ERR_IO, "model: file descriptor %d: %s", fd, strerror(errno));
  if ((st.st_mode & S_IFMT) != S_IFREG)
    return lr_fail(error, LR_ERR_IO,
                   "model: file descriptor %d is not a regular file; use lr_model_open_reader", fd);
  uint64_t size = (uint64_t)st.st_size;
  if (offset > size || bytes > size - offset)
    return lr_fail(error, LR_ERR_IO,
                   "model: %llu bytes at %llu lie past the end of the file, which has %llu bytes", ull(bytes),
                   ull(offset), ull(size));
  return hold_fd(s, fd, offset, bytes, error);
}

static lr_status hold_path(struct lr_source *s, int fd, lr_error *error) {
  file_stat st;
  if (stat_fd(fd, &st))
    return lr_fail(error, LR_ERR_IO, "%s: cannot look at the file: %s", s->name, strerror(errno));
  LR_TRY(check_size(s, (uint64_t)st.st_size, error));
  return hold_fd(s, fd, 0, (uint64_t)st.st_size, error);
}

lr_status lr_source_path(struct lr_source *s, const char *path, lr_error *error) {
  if (!path) return lr_fail(error, LR_ERR_ARGUMENT, "model: path is NULL");
  set_name(s, path);
  file_stat st;
  if (stat_path(path, &st))
    return lr_fail(error, LR_ERR_IO, "%s: %s", s->name,
                   errno == ENOENT ? "no such file; check the path" : strerror(errno));
  if ((st.st_mode & S_IFMT) == S_IFDIR)
    return lr_fail(error, LR_ERR_IO, "%s: is a directory; give a .lrm file", s->name);
  if ((st.st_mode & S_IFMT) != S_IFREG) /* a pipe or device would block or never end */
    return lr_fail(error, LR_ERR_IO, "%s: is not a regular file; use lr_model_open_reader", s->name);
  int fd = open_path(path);
  if (fd < 0) return lr_fail(error, LR_ERR_IO, "%s: cannot open the file: %s", s->name, strerror(errno));
  lr_status status = hold_path(s, fd, error);
  close(fd);
  return status;
}

void lr_source_close(struct lr_source *s) {
  if (s->map) unmap_file(s->map, s->map_bytes);
  lr_free(&s->alloc, s->copy);
  s->map = s->copy = NULL;
  s->data = NULL;
}
