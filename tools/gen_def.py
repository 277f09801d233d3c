#!/usr/bin/env python3
"""Write the module definition of the Windows DLL: it exports what the public headers declare, nothing of the C runtime.

usage: gen_def.py OUT_DEF HEADER...
"""
import re
import sys
from pathlib import Path


def main():
    out, *headers = sys.argv[1:]
    names = [n for h in headers for n in re.findall(r"^LR_API [^;(]*?\b(lr_\w+)\(", Path(h).read_text(), re.M)]
    if not names:
        sys.exit(f"gen_def.py: {', '.join(headers)}: no function marked LR_API")
    Path(out).write_text("EXPORTS\n" + "".join(f"  {n}\n" for n in sorted(names)))


main()
