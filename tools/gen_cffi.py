#!/usr/bin/env python3
"""Write the C source of the Python binding from the public headers.

usage: gen_cffi.py OUT_C HEADER...     takes what stands between `begin X` and `end X` comments of each header
"""
import re
import sys
from pathlib import Path

import cffi

# Python functions that the runtime calls back
CALLBACKS = 'extern "Python" void lr_py_step(void *user, const lr_step *step);'


def declarations(header):
    parts = re.findall(r"/\* begin \w+[^*]*\*/(.*?)/\* end \w+ \*/", header.read_text(), re.S)
    if not parts:
        sys.exit(f"gen_cffi.py: {header}: no part marked with 'begin' and 'end' comments")
    return "\n".join(parts).replace("LR_API ", "")


def main():
    out, *headers = sys.argv[1:]
    ffi = cffi.FFI()
    for h in headers:
        ffi.cdef(declarations(Path(h)))
    ffi.cdef(CALLBACKS)
    includes = "\n".join(f'#include "{Path(h).name}"' for h in headers)
    ffi.set_source("lite_runtime._lr", includes, py_limited_api=True)
    ffi.emit_c_code(out)


main()
