"""dtype names of spec/dtypes.py and numpy's."""
from __future__ import annotations

import numpy as np

from ..spec.dtypes import BY_CODE, BY_NUMPY, DTYPES
from .errors import ConvertError

__all__ = ["BY_CODE", "DTYPES", "of_numpy", "to_numpy"]


def of_numpy(dtype: np.dtype) -> str:
    """Name of a numpy dtype; ConvertError when no tensor can have it."""
    d = BY_NUMPY.get(np.dtype(dtype).name)
    if d is None:
        raise ConvertError(f"dtype {np.dtype(dtype).name} is not supported; use one of {', '.join(BY_NUMPY)}")
    return d.name


def to_numpy(name: str) -> np.dtype:
    """numpy dtype of a name; ConvertError when numpy has none (bf16, i4, u4)."""
    d = DTYPES[name]
    if not d.numpy:
        raise ConvertError(f"dtype {name} has no numpy type")
    return np.dtype(d.numpy)
