#!/usr/bin/env python3
"""Write the C source that links models into a library (lite_runtime/include/lite_models.h).

usage: embed.py OUT_C MODEL.lrm ...
"""
import hashlib
import re
import sys
from pathlib import Path

HEAD = """/* Generated. The assembler reads the files, which is much faster than arrays of numbers in C. */
#include "lite_models.h"

#include <string.h>
#if defined(__APPLE__)
#define SECTION ".section __TEXT,__const"
#define NAME(n) "_" n
#elif defined(_WIN32)
#define SECTION ".section .rdata,\\"dr\\""
#define NAME(n) n
#else
#define SECTION ".section .rodata"
#define NAME(n) n
#endif
#define MODEL(label, path) \\
  __asm__(SECTION "\\n.balign 64\\n.globl " NAME(label) "\\n" NAME(label) ":\\n.incbin \\"" path "\\"\\n.text\\n")
"""
TAIL = """
static const struct {
  const char *name;
  const unsigned char *data;
  size_t bytes;
} models[] = {
%s
};

const void *lr_embedded_model(const char *name, size_t *bytes) {
  for (size_t i = 0; name && i < sizeof models / sizeof models[0]; i++)
    if (!strcmp(models[i].name, name)) {
      if (bytes) *bytes = models[i].bytes;
      return models[i].data;
    }
  return NULL;
}

const char *lr_embedded_name(int32_t i) {
  return i >= 0 && (size_t)i < sizeof models / sizeof models[0] ? models[i].name : NULL;
}
"""


def quoted(text):
    """As C and assemblers write it. Codes for lines, and for what C takes for trigraphs."""
    return re.sub(r"[\x01-\x1f\x7f?]", lambda m: f"\\{ord(m[0]):03o}", text.replace("\\", "\\\\").replace('"', '\\"'))


def main():
    out, paths = Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]]
    text, rows = HEAD, []
    for i, path in enumerate(paths):
        data = path.read_bytes()
        # the hash is for compilers that keep results by their source: they do not see what the assembler reads
        text += f"\n/* {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()} */\n"
        text += f'MODEL("lr_model_{i}", "{quoted(quoted(path.resolve().as_posix()))}");\n'
        text += f'__attribute__((visibility("hidden"))) extern const unsigned char lr_model_{i}[];\n'
        rows.append(f'    {{"{quoted(path.stem)}", lr_model_{i}, {len(data)}}},')
    out.write_text(text + TAIL % "\n".join(rows), encoding="utf-8", errors="surrogateescape")


main()
