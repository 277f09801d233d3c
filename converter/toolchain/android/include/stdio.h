#pragma once
#include <stdarg.h>
#include <sys/types.h>

typedef struct __sFILE FILE;
#define BUFSIZ 1024
#define EOF (-1)
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

extern FILE *stdin, *stdout, *stderr;
#define stdin stdin
#define stdout stdout
#define stderr stderr

#define LR_PRINTS(format, first) __attribute__((__format__(printf, format, first)))
FILE *fopen(const char *restrict, const char *restrict);
FILE *fdopen(int, const char *);
int fclose(FILE *);
int feof(FILE *);
int ferror(FILE *);
int fflush(FILE *);
int fgetc(FILE *);
char *fgets(char *restrict, int, FILE *restrict);
int fileno(FILE *);
int fputc(int, FILE *);
int fputs(const char *restrict, FILE *restrict);
size_t fread(void *restrict, size_t, size_t, FILE *restrict);
size_t fwrite(const void *restrict, size_t, size_t, FILE *restrict);
int fseek(FILE *, long, int);
long ftell(FILE *);
int fseeko(FILE *, off_t, int) LR_OFF64(fseeko); /* the 64-bit names exist from API level 24 on */
off_t ftello(FILE *) LR_OFF64(ftello);
void rewind(FILE *);
void perror(const char *);
int putchar(int);
int puts(const char *);
int remove(const char *);
int rename(const char *, const char *);
int printf(const char *restrict, ...) LR_PRINTS(1, 2);
int fprintf(FILE *restrict, const char *restrict, ...) LR_PRINTS(2, 3);
int snprintf(char *restrict, size_t, const char *restrict, ...) LR_PRINTS(3, 4);
int vprintf(const char *restrict, va_list) LR_PRINTS(1, 0);
int vfprintf(FILE *restrict, const char *restrict, va_list) LR_PRINTS(2, 0);
int vsnprintf(char *restrict, size_t, const char *restrict, va_list) LR_PRINTS(3, 0);
int sscanf(const char *restrict, const char *restrict, ...) __attribute__((__format__(scanf, 2, 3)));
