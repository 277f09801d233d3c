/* Threads with variables of emutls.c, whose memory is counted. Prints "well", or the line that is not. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int blocks; /* that live */
static void check(int ok, int line) {
  if (ok) return;
  printf("line %d\n", line);
  exit(1);
}
#define CHECK(e) check(!!(e), __LINE__)

int test_memalign(void **p, size_t alignment, size_t n) {
  atomic_fetch_add(&blocks, 1);
  return posix_memalign(p, alignment, n);
}
void *test_realloc(void *p, size_t n) {
  if (!p) atomic_fetch_add(&blocks, 1);
  return realloc(p, n);
}
void test_free(void *p) {
  if (p) atomic_fetch_sub(&blocks, 1);
  free(p);
}

static _Thread_local int zero, seven = 7;
static _Thread_local _Alignas(256) char wide[300];
static _Thread_local struct {
  int32_t a;
  double b[5];
} record = {3, {1, 2, 3, 4, 5}};
#define MANY(n) static _Thread_local int many_##n = n;
#define FOR_ALL(f)                                                                                         \
  f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15) f(16) f(17) f(18) f(19) \
      f(20)
FOR_ALL(MANY)

static pthread_key_t key;
static atomic_int ended;

/* Another library's destructor that uses a variable after the thread's function has returned. */
static void at_end(void *p) {
  CHECK(seven == 8 && p == &seven);
  atomic_fetch_add(&ended, 1);
}

static void *thread(void *arg) {
  CHECK(zero == 0 && seven == 7 && record.a == 3 && record.b[4] == 5);
  CHECK((uintptr_t)wide % 256 == 0);
  for (size_t i = 0; i < sizeof wide; i++) CHECK(!wide[i]);
  memset(wide, (int)(intptr_t)arg, sizeof wide);
#define ADD(n) many_##n += (int)(intptr_t)arg;
  FOR_ALL(ADD)
#define SAME(n) CHECK(many_##n == n + (int)(intptr_t)arg);
  FOR_ALL(SAME)
  CHECK(wide[299] == (char)(intptr_t)arg);
  seven++;
  CHECK(!pthread_setspecific(key, &seven));
  return NULL;
}

int main(void) {
  zero = 5;
  CHECK(!pthread_key_create(&key, at_end));
  for (int round = 0; round < 50; round++) {
    pthread_t threads[8];
    int before = atomic_load(&blocks);
    for (intptr_t i = 0; i < 8; i++) CHECK(!pthread_create(&threads[i], NULL, thread, (void *)(i + 1)));
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&blocks) == before); /* all that the threads had is free */
  }
  CHECK(atomic_load(&ended) == 400 && atomic_load(&blocks) == 2 && zero == 5 && seven == 7 && blocks == 3);
  puts("well");
  return 0;
}
