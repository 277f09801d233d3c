"""The instruction set levels that tests run on: plain C, and each extension that a kernel is written for."""
from __future__ import annotations

import re
from pathlib import Path

KERNELS = Path(__file__).resolve().parent.parent / "kernels_generic" / "kernels.inc"
PORTABLE = 0x80000000  # LR_CPU_PORTABLE


def levels(features: dict[str, int]) -> dict[str, int]:
    """Name -> cpu_mask, from plain C to all that kernels can use; each level includes those before it.

    features: the bits of the CPU by name, lowest first, as of lite_runtime.cpu_features().
    """
    used, out, mask = set(re.findall(r"\bLR_CPU_(\w+)", KERNELS.read_text())), {"plain": PORTABLE}, 0
    for name, bit in features.items():
        mask |= bit
        if name in used:
            out[name] = mask
    return out
