#!/usr/bin/env python3
"""Writes docs/ops.md from spec/, and docs/cli.md from the commands. A test proves that the committed files are current.

usage: gen_docs.py [--check] [ops.md | cli.md]      --check: exit code 1 when a file is not current

Needs the package installed with [convert] (tools/test.py makes .venv-test with it).
"""
from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
from spec.dtypes import DTYPES  # noqa: E402
from spec.ops import OPS, Attr, Op  # noqa: E402
from spec.postops import POSTOPS  # noqa: E402

HEAD = """# Operators

Made by `tools/gen_docs.py` from `spec/` and the frontend; do not edit. First the operators of ONNX that can be
converted, then those of `.lrm` files, which they become. `lite-opt check model.onnx` says whether a model uses them
in a way (attributes, types, ranks) that is supported, and all that is not.

Inputs: `b?` may be absent, `x*` stands for one or more. Attributes are 32-bit words in the file, in this order. "post":
the node may carry a post-op program, whose operands are the inputs after the operator's own. Images are channels-last.
"""

ONNX = """Found by trying random nodes of the table in `tests/graphs/rows/`: in which opsets one is converted, and with
which dtypes of the first input that has a choice (of the output, where no input has one; "all": f32 f16 f64 i8 u8 i16
u16 i32 u32 i64 u64 bool). The last column has reasons for which valid nodes of these dtypes were refused; `check` and
`convert` say the same words, with what to do. What is converted runs on the CPU; a device that the app brings takes
subgraphs (`DELEGATE`), of which the CPU stays the fallback. Operators that ONNX defines by others are here when all of
those are.
"""


MICROSOFT = """Operators of the domain `com.microsoft`, which onnxruntime's optimiser and quantiser and some exporters
write; `SimplifiedLayerNormalization`, and `LayerNormalization` before opset 17, also where they claim to be ONNX's own.
The other operators of the domain are refused. The dtypes are those of the first tensor with which a row of
`tests/ops/cases/` is converted, the reasons those of `tests/ops/microsoft_refused.py`. The truth of the tests is
onnxruntime without optimisation.

Quantised tensors are rounded as onnxruntime's kernels do it where the CPU has FMA: the same integers, but for one step
in at most a thousandth of them (QLinearSigmoid, QLinearSoftmax, QLinearAveragePool, where a result lies half-way
between two integers). DynamicQuantizeLSTM takes the range of the whole batch, as onnxruntime does with one thread.
MatMulNBits: its weights become f32 (f16 where A is) when the model is converted, or f16 with `--weights f16`; they take
4 to 8 times the bytes of the source, as f16 2 to 4 times. Attention of f16 is computed in f32.
"""


def default(a: Attr) -> str:
    return a.values[int(a.default)] if a.type == "enum" else f"{a.default:g}" if a.type == "f32" else str(a.default)


def operator(o: Op) -> str:
    lines = [f"### {o.name}", "", f"Code {o.code}. `{o.name}({', '.join(o.inputs.split())})` gives "
             f"`{', '.join(o.outputs.split())}`{'; post' if o.post else ''}.", ""]
    lines += [o.doc + ".", ""] if o.doc else []
    if o.attrs:
        lines += ["| attribute | type | default | |", "|---|---|---|---|"]
        for a in o.attrs:
            doc = "; ".join(x for x in (a.doc, ", ".join(a.values)) if x)
            lines.append(f"| {a.name} | {a.type} | {default(a)} | {doc.replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


def onnx_operators() -> list[str]:
    """The table of ONNX operators; needs the package installed with [convert]."""
    from op_support import DTYPES, support

    lines = ["| operator | opsets | dtypes | devices | refused, for example, because |", "|---|---|---|---|---|"]
    for s in support():
        dtypes = "all" if len(s.dtypes) == len(DTYPES) else " ".join(s.dtypes)
        why = "; ".join(s.limits).replace("|", "\\|")
        lines.append(f"| {s.op} | {s.opsets} | {dtypes} | cpu | {why} |")
    return lines


def microsoft_operators() -> list[str]:
    """The table of onnxruntime's operators."""
    from op_support import microsoft_support

    lines = ["| operator | dtypes | refused, for example, because |", "|---|---|---|"]
    return lines + ["| " + " | ".join([s.op, " ".join(s.dtypes), "; ".join(s.limits).replace("|", "\\|")]) + " |"
                    for s in microsoft_support()]


def operators() -> str:
    """The text of docs/ops.md."""
    out = [HEAD, "## Operators of ONNX", "", ONNX, *onnx_operators(), "", "## Operators of onnxruntime", "", MICROSOFT,
           *microsoft_operators(), "", "## Operators of .lrm files", ""]
    out += [operator(o) for o in OPS.values()]
    out += ["## Post-ops", "", "Opcodes of post-op programs (encoding: `spec/postops.py`); a, b, c are the sources.",
            "", "| code | name | sources | result | dtypes |", "|---|---|---|---|---|"]
    for p in POSTOPS.values():
        doc = p.doc.replace("|", "\\|")
        out.append(f"| {p.code} | {p.name} | {p.arity} | {doc}{' (bool)' if p.result else ''} | {' '.join(p.dtypes)} |")
    out += ["", "## Element types", "", "| code | name | bits |", "|---|---|---|"]
    out += [f"| {d.code} | {d.name} | {d.bits} |" for d in DTYPES.values()]
    return "\n".join(out) + "\n"


def command_line() -> str:
    """The text of docs/cli.md."""
    from cli_docs import text

    return text()


PAGES = {"ops.md": operators, "cli.md": command_line}


def main() -> int:
    check = "--check" in sys.argv[1:]
    old = []
    for name in [a for a in sys.argv[1:] if a != "--check"] or PAGES:
        path = ROOT / "docs" / name
        text = PAGES[name]()
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            old.append(name)
    for name in old:
        print(f"docs/{name} is not current; run: python3 tools/gen_docs.py {name}", file=sys.stderr)
    return bool(old)


if __name__ == "__main__":
    sys.exit(main())
