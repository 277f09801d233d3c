/* What Python's headers read of pyconfig.h when only the limited API is used (Py_LIMITED_API), for every target of
 * tools/wheels.py: the file of the Python that runs the tool tells of this machine. Sizes are the compiler's. */
#ifndef Py_PYCONFIG_H
#define Py_PYCONFIG_H
#define SIZEOF_INT __SIZEOF_INT__
#define SIZEOF_LONG __SIZEOF_LONG__
#define SIZEOF_LONG_LONG __SIZEOF_LONG_LONG__
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__
#define SIZEOF_VOID_P __SIZEOF_POINTER__
#define SIZEOF_WCHAR_T __SIZEOF_WCHAR_T__
#define HAVE_LONG_LONG 1
#define HAVE_WCHAR_H 1
#define WITH_THREAD 1
#ifdef _WIN32
#define MS_WINDOWS
#define MS_WIN64 /* 32-bit Windows is no target */
#define NT_THREADS
/* Python is a DLL whose functions and data are reached through the table of imports */
#define Py_ENABLE_SHARED 1
#define HAVE_DECLSPEC_DLL
#else
#define SIZEOF_PID_T __SIZEOF_INT__
#define HAVE_SSIZE_T 1
#define HAVE_FORK 1
#define HAVE_UNISTD_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_SELECT_H 1
#endif
#endif
