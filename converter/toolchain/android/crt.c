/* What begins and ends every library and program: CRT_SO, CRT_PROGRAM or CRT_END says which object this is.
 * The NDK's crtbegin_so.o, crtbegin_dynamic.o and crtend_android.o have these parts. */
#include <stdint.h>

#define SECTION(name) __attribute__((section(name), used))
typedef void (*function)(void);

#ifdef CRT_END
/* bionic walks a program's list up to the zero */
SECTION(".fini_array") static const function fini_end = 0;
#else

/* the oldest API level that this works with, for the loader and for tools */
SECTION(".note.android.ident")
_Alignas(4) static const struct {
  uint32_t name_bytes, data_bytes, type;
  char name[8];
  uint32_t api;
} ident = {8, 4, 1, "Android", __ANDROID_API__};

void *__dso_handle = &__dso_handle; /* hidden: each library has its own */

int __cxa_atexit(void (*)(void *), void *, void *);
void __cxa_finalize(void *);

static void call(void *f) { ((function)(uintptr_t)f)(); }
int atexit(function f) { return __cxa_atexit(call, (void *)(uintptr_t)f, &__dso_handle); }

#ifdef CRT_SO
/* before dlclose takes the code away */
__attribute__((destructor, used)) static void finalize(void) { __cxa_finalize(&__dso_handle); }
#endif

#ifdef CRT_PROGRAM
int main(int, char **, char **);
struct structors {
  const function *preinit, *init, *fini;
};
_Noreturn void __libc_init(void *, void (*)(void), int (*)(int, char **, char **), const struct structors *);

/* bionic skips a first entry of -1, and takes a list without it for none; lists of objects are put behind it */
SECTION(".fini_array") static const function fini_begin = (function)(intptr_t)-1;

SECTION(".text") static _Noreturn void start(void *stack) {
  const struct structors s = {0, 0, &fini_begin}; /* the loader calls a program's initialisers */
  __libc_init(stack, 0, main, &s);
}

#if defined(__aarch64__)
__asm__(".globl _start\n_start:\n bti j\n mov x29, #0\n mov x30, #0\n mov x0, sp\n b start\n");
#elif defined(__arm__)
__asm__(
    ".arm\n.globl _start\n.type _start, %function\n_start:\n mov lr, #0\n mov r0, sp\n blx start\n.thumb\n");
#elif defined(__x86_64__)
__asm__(".globl _start\n_start:\n xorl %ebp, %ebp\n movq %rsp, %rdi\n andq $-16, %rsp\n call start\n");
#endif
#endif
#endif
