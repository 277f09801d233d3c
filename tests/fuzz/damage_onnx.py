#!/usr/bin/env python3
"""Damages ONNX models and converts them: each is converted or refused with one sentence, whatever was done to it.

usage: damage_onnx.py [--count N] [--seed S] [--only I] [--seconds S]      needs the package installed, with onnxruntime

Case I damages one of the models of seeds.py: even ones its bytes, odd ones its fields (numbers, names, types, inputs,
dims), so that the protobuf stays readable. A failure is any other exception than ConvertError, a message of several
lines for one problem, a conversion that takes longer than LIMIT, or a file that the runtime refuses. `--only I` repeats
one case with its traceback.
"""
from __future__ import annotations

import argparse
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import lite_runtime
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.frontend.tensors import has_controls

sys.path.insert(0, str(Path(__file__).resolve().parent))
import seeds  # noqa: E402

LIMIT = 10  # seconds
NUMBERS = [0, 1, -1, 2, 3, 7, 63, 127, 255, 65536, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, -(2**62)]


class TooSlow(BaseException):
    """Not an Exception, so that no handler takes it for one of its own."""


def models() -> list[onnx.ModelProto]:
    """The composed seeds, and every fortieth row of the operator tests."""
    rows = list(seeds.op_frame.rows())[::40]
    made = (seeds.op_frame.model(r, False, outputs=seeds.op_frame.reference(r)) for r in rows)
    return [*seeds.composed().values(), *made]


# ---- damage ----
def of_bytes(data: bytes, r: np.random.Generator) -> bytes:
    out = bytearray(data)
    for _ in range(int(r.integers(1, 5))):
        at, n = int(r.integers(len(out))), int(r.integers(1, 33))
        match int(r.integers(6)):
            case 0:
                out[at] ^= 1 << int(r.integers(8))
            case 1:
                out[at:at + n] = r.bytes(n)
            case 2:
                del out[at:at + n]
            case 3:
                out[at:at] = out[at:at + n]
            case 4:
                out[at] = int(r.integers(256))
            case _:
                del out[max(at, 1):]
        if not out:
            return b"\x08"
    return bytes(out)


def messages(m: Any) -> list[Any]:
    """A protobuf message and all messages in it."""
    found = [m]
    for f, value in m.ListFields():
        if f.type != f.TYPE_MESSAGE:
            continue
        for x in value if not hasattr(value, "ListFields") else [value]:
            found += messages(x)
    return found


def of_fields(data: bytes, r: np.random.Generator) -> bytes:
    model = onnx.ModelProto.FromString(data)
    every = messages(model)
    names = [n for m in every if isinstance(m, onnx.NodeProto) for n in (*m.input, *m.output, m.op_type)] or ["x"]
    for _ in range(int(r.integers(1, 4))):
        change(every[int(r.integers(len(every)))], names, r)
    return model.SerializeToString()


def change(m: Any, names: list[str], r: np.random.Generator) -> None:
    """One field of a message: another value, fewer or more elements, or gone."""
    fields = list(m.DESCRIPTOR.fields)
    f = fields[int(r.integers(len(fields)))]
    value = getattr(m, f.name)
    many = not isinstance(value, (int, float, str, bytes)) and not hasattr(value, "ListFields")
    try:
        if many and len(value) and r.integers(2):
            del value[int(r.integers(len(value)))]
        elif f.type == f.TYPE_MESSAGE:
            if many and len(value):
                value.append(value[int(r.integers(len(value)))])  # twice the same
            else:
                m.ClearField(f.name)
        else:
            new = scalar(f, names, r)
            if not many:
                setattr(m, f.name, new)
            elif len(value) and r.integers(3):
                value[int(r.integers(len(value)))] = new
            else:
                value.append(new)
    except (ValueError, TypeError, OverflowError):
        pass  # the field does not hold such a number


def scalar(f: Any, names: list[str], r: np.random.Generator) -> Any:
    if f.type in (f.TYPE_STRING, f.TYPE_BYTES):
        s = [*names[:40], "", "x" * 5000, "../../etc/passwd", "a\nb\x1b[31m"][int(r.integers(min(len(names), 40) + 4))]
        return s if f.type == f.TYPE_STRING else s.encode()
    if f.type in (f.TYPE_FLOAT, f.TYPE_DOUBLE):
        return [0.0, -1.0, 1e30, float("nan"), float("inf"), 1e-40][int(r.integers(6))]
    return NUMBERS[int(r.integers(len(NUMBERS)))]


# ---- one case ----
def attempt(data: bytes) -> str:
    """'converted', 'refused', or what went wrong."""
    start = time.monotonic()
    signal.alarm(LIMIT)
    try:
        lite_runtime.Model(lite_runtime.convert(data, verify=False))
        return "converted"
    except ConvertError as e:
        lines = str(e).splitlines()
        if not lines or any(has_controls(line) for line in lines):
            return f"a message with odd characters: {str(e)[:100]!r}"
        return "refused"
    except lite_runtime.OutOfMemoryError:
        return "refused"
    except lite_runtime.Error as e:
        return f"the runtime refuses it: {e}"
    except MemoryError:
        return "MemoryError"
    except TooSlow:
        return f"not done after {time.monotonic() - start:.0f} s"
    except Exception as e:
        return f"{type(e).__name__}: {str(e)[:200]} at {place(e)}"
    finally:
        signal.alarm(0)


def place(e: Exception) -> str:
    frame = traceback.extract_tb(e.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def on_alarm(number: int, frame: Any) -> None:
    raise TooSlow


def case(i: int, seed: int, sources: list[bytes]) -> bytes:
    r = np.random.default_rng([seed, i])
    return (of_fields if i % 2 else of_bytes)(sources[i // 2 % len(sources)], r)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    a = parser.parse_args()
    signal.signal(signal.SIGALRM, on_alarm)
    sources = [m.SerializeToString() for m in models()]
    if a.only is not None:
        lite_runtime.convert(case(a.only, a.seed, sources), verify=False)
        return 0
    counts: Counter[str] = Counter()
    failures = 0
    end = time.monotonic() + a.seconds
    for i in range(a.count):
        if time.monotonic() > end:
            break
        result = attempt(case(i, a.seed, sources))
        if result not in ("converted", "refused"):
            failures += 1
            print(f"--seed {a.seed} --only {i}: {result}", flush=True)
            result = "failed"
        counts[f"{'fields' if i % 2 else 'bytes'}: {result}"] += 1
    for name, n in sorted(counts.items()):
        print(f"{name:24} {n:8}")
    print(f"{sum(counts.values())} damaged ONNX models of {len(sources)} seeds; {failures} failures")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
