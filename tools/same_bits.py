#!/usr/bin/env python3
"""Runs real models by two builds of lite_run (lite_runtime/app) and compares their outputs bit for bit.

usage: same_bits.py FOLDER NAME ... --programs PROGRAM PROGRAM     models are FOLDER/NAME.onnx (tools/models.py)

Each on plain C and every instruction set level that both builds find on this CPU. Needs the package installed.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import check_models
import cpu_levels
import numpy as np


def differences(model: check_models.Checked, programs: list[str], mask: int) -> list[str]:
    """What of the outputs differs, one entry an output."""
    first, second = (list(check_models.run_program(p, model.data, model.rounds, mask)) for p in programs)
    out = []
    for r, (calls, others) in enumerate(zip(first, second, strict=True)):
        for c, (a, b) in enumerate(zip(calls, others, strict=True)):
            for name, x in a.items():
                y = b[name]
                if x.shape != y.shape or x.dtype != y.dtype:
                    out.append(f"{name} of run {r}.{c}: {x.dtype} {x.shape} and {y.dtype} {y.shape}")
                elif x.tobytes() != y.tobytes():
                    d = np.abs(x.astype(np.float64) - y.astype(np.float64)).max() / max(np.abs(x).max(), 1e-30)
                    out.append(f"{name} of run {r}.{c}: by {d:.1e} of the largest value")
    return out


def main() -> int:
    ap = argparse.ArgumentParser(prog="same_bits.py", usage=__doc__)
    ap.add_argument("folder", type=Path)
    ap.add_argument("names", nargs="+")
    ap.add_argument("--programs", nargs=2, required=True)
    a = ap.parse_args()
    features = [check_models.cpu_features(p) for p in a.programs]
    levels = cpu_levels.levels({n: bit for n, bit in features[0].items() if features[1].get(n) == bit})
    failed = features[0] != features[1]
    if failed:
        print(f"the builds find {features[0]} and {features[1]} on this CPU")
    for name in a.names:
        model = check_models.prepare(a.folder / f"{name}.onnx", None, verify=False)
        for level, mask in levels.items():
            found = differences(model, a.programs, mask)
            print(f"{name}, {level}: {'; '.join(found[:3]) or 'the same bits'}", flush=True)
            failed |= bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
