"""The counter of stack references sees a spilled accumulator, and nothing where there is none."""
from __future__ import annotations

from stack_references import functions, innermost_loops

ARM = """
0000000000000000 <kernel>:
   0:\tstp\tx29, x30, [sp, #-16]!
   4:\tldr\tq0, [x0], #16
   8:\tfmla\tv1.4s, v0.4s, v2.s[0]
   c:\tfmla\tv3.4s, v0.4s, v2.s[1]
  10:\t{instruction}
  14:\tsubs\tx3, x3, #0x1
  18:\tb.ne\t4 <kernel+0x4>  // b.any
  1c:\tldp\tx29, x30, [sp], #16
  20:\tret
"""
X86 = """
0000000000000000 <kernel>:
   0:\tpush   %rbp
   4:\tvbroadcastss (%rax,%rdx,4),%ymm0
   8:\tvfmadd231ps (%rcx),%ymm0,%ymm1
   c:\tvfmadd231ps 0x20(%rcx),%ymm0,%ymm2
  10:\t{instruction}
  14:\tcmp    %rdx,%rsi
  18:\tjne    4 <kernel+0x4>
  1c:\tret
"""


def counts(listing: str, instruction: str) -> tuple[int, int]:
    """Multiply-adds and stack references of the one loop."""
    (name, code), = functions(listing.replace("{instruction}", instruction)).items()
    (loop,) = innermost_loops(name, code)
    return loop.multiply_adds, loop.stack


def test_aarch64() -> None:
    assert counts(ARM, "nop") == (2, 0)
    assert counts(ARM, "str\tq1, [sp, #32]") == (2, 1)
    assert counts(ARM, "ldr\tx5, [sp, #8]") == (2, 1)  # pointers may not live there either
    assert counts(ARM, "ldr\tx5, [x29, #8]") == (2, 0)  # no frame: an ordinary register
    framed = ARM.replace("   4:", "   2:\tmov\tx29, sp\n   4:")
    assert counts(framed, "ldr\tx5, [x29, #8]") == (2, 1)


def test_x86() -> None:
    assert counts(X86, "nop") == (2, 0)
    assert counts(X86, "vmovaps %ymm1,-0x20(%rsp)") == (2, 1)
    assert counts(X86, "vmovaps ymm1,YMMWORD PTR [rsp+0x20]") == (2, 1)
    assert counts(X86, "mov    0x8(%rsp),%rdx") == (2, 0)
    assert counts(X86.replace("push   %rbp", "mov    %rsp,%rbp"), "vmovaps %ymm1,-0x20(%rbp)") == (2, 1)
