/* _Thread_local before API level 29, whose loader knows no TLS segments: the compiler asks __emutls_get_address for the
 * address of each variable. Each thread has a table of them, found by a key of the C library. */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 4 }; /* that bionic calls destructors of keys in, as long as they set values again */

/* One per variable, made by the compiler. */
struct variable {
  size_t bytes, alignment;
  uintptr_t number;    /* 0: not used yet; written once, under `lock` */
  const void *initial; /* NULL: zeros */
};

struct table {
  size_t count;
  int rounds;  /* of the destructor */
  void *at[1]; /* by number - 1; NULL: not touched by this thread yet */
};

void *__emutls_get_address(struct variable *v);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static int has_key;
static uintptr_t used; /* numbers given out, under `lock` */

/* Destructors of other keys may use variables: so this one comes back until the last round, when it frees. */
static void end_thread(void *p) {
  struct table *t = p;
  if (++t->rounds < ROUNDS && !pthread_setspecific(key, t)) return;
  for (size_t i = 0; i < t->count; i++) free(t->at[i]);
  free(t);
}

static void make_key(void) {
  if (pthread_key_create(&key, end_thread)) abort(); /* an access to a variable cannot fail in another way */
  has_key = 1;
}

/* Threads that end after dlclose must not call what is gone; what they had is lost. */
__attribute__((destructor)) static void unload(void) {
  if (has_key) pthread_key_delete(key);
}

static uintptr_t number_of(struct variable *v) {
  uintptr_t n = __atomic_load_n(&v->number, __ATOMIC_ACQUIRE);
  if (n) return n;
  pthread_once(&once, make_key);
  pthread_mutex_lock(&lock);
  if (!(n = v->number)) __atomic_store_n(&v->number, n = ++used, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&lock);
  return n;
}

static struct table *grow(struct table *t, uintptr_t number) {
  size_t before = t ? t->count : 0, count = number + 15;
  t = realloc(t, offsetof(struct table, at) + count * sizeof t->at[0]);
  if (!t) abort();
  if (!before) t->rounds = 0;
  memset(&t->at[before], 0, (count - before) * sizeof t->at[0]);
  t->count = count;
  if (pthread_setspecific(key, t)) abort();
  return t;
}

static void *copy_of(const struct variable *v) {
  void *p;
  if (posix_memalign(&p, v->alignment < sizeof p ? sizeof p : v->alignment, v->bytes ? v->bytes : 1)) abort();
  if (v->initial)
    memcpy(p, v->initial, v->bytes);
  else
    memset(p, 0, v->bytes);
  return p;
}

void *__emutls_get_address(struct variable *v) {
  uintptr_t n = number_of(v);
  struct table *t = pthread_getspecific(key);
  if (!t || t->count < n) t = grow(t, n);
  void **at = &t->at[n - 1];
  if (!*at) *at = copy_of(v);
  return *at;
}
