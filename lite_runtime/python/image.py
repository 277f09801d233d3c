"""Pictures of cameras and decoders to the input of a model, in one pass, on numpy arrays.

    x = lite_runtime.image.to_input(frame, format="nv21", size=(320, 320), fit="crop", layout="nchw")
"""
from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._lr import ffi, lib
from .errors import ArgumentError, ArgumentTypeError, call, new_error, raise_status
from .model import check_int

# names of the C header's enums
FORMATS = {"nv21": 1, "nv12": 2, "i420": 3, "rgba": 4, "bgra": 5, "rgb": 6, "bgr": 7, "grey": 8}
_CHANNELS = {"rgba": 4, "bgra": 4, "rgb": 3, "bgr": 3, "grey": 1}
_COLOURS = {n: FORMATS[n] for n in ("rgb", "bgr", "grey")}
_FITS = {"stretch": 0, "crop": 1, "letterbox": 2}
_FILTERS = {"linear": 0, "nearest": 1}
_LAYOUTS = {"nhwc": 0, "nchw": 1}
_MATRICES = {"bt601": 0, "bt709": 1}
_RANGES = {"limited": 0, "full": 1}
_DTYPES = {np.dtype(np.float32): 1, np.dtype(np.float16): 2, np.dtype(np.uint8): 6}  # lr_dtype

LARGEST = 32768
Numbers = float | Sequence[float] | None
Shapes = tuple[tuple[int, ...], ...]  # that an array may have


class Plan:
    """What one kind of picture and one kind of input have in common; `run` may be called in many threads at once.

    format: nv21, nv12, i420, rgba, bgra, rgb, bgr or grey. source, size: (width, height) of the picture and of the
    input. matrix (bt601, bt709) and range (limited, full) are of YUV. crop: (x, y, width, height), the part of the
    picture that is used; rotate: degrees clockwise, 0, 90, 180 or 270; mirror: left and right change places; fit:
    stretch, crop (the largest centred part of the input's shape) or letterbox (all, with `pad` around it); filter:
    linear or nearest. The input has the elements (x - mean) / std of x from 0 to 255, of dtype f32, f16 or u8, with the
    channels of colour (rgb, bgr, grey); mean, std and pad (in 0 to 255) are one number or one for each of them, in its
    order.

    to_source, to_target: 2x3 matrices, from the input's coordinates to the picture's and back, in pixels whose centres
    are at halves. shape: of the input, with the batch of 1.
    """

    def __init__(self, format: str, source: tuple[int, int], size: tuple[int, int], *, dtype: Any = np.float32,
                 layout: str = "nhwc", colour: str = "rgb", mean: Numbers = None, std: Numbers = None,
                 fit: str = "stretch", pad: Numbers = None, crop: tuple[int, int, int, int] | None = None,
                 rotate: int = 0, mirror: bool = False, filter: str = "linear", matrix: str = "bt601",
                 range: str = "limited", cpu_mask: int | None = None) -> None:
        o = ffi.new("lr_image_options *", {"size": ffi.sizeof("lr_image_options")})
        o.format = _choice("format", format, FORMATS)
        o.width, o.height = _integers("source", source, "width, height")
        o.target_width, o.target_height = _integers("size", size, "width, height")
        o.matrix, o.range = _choice("matrix", matrix, _MATRICES), _choice("range", range, _RANGES)
        if crop is not None:
            o.crop_x, o.crop_y, o.crop_width, o.crop_height = _integers("crop", crop, "x, y, width, height")
            if o.crop_width < 1 or o.crop_height < 1:
                raise ArgumentError(f"image: crop is {crop!r}; give a width and a height of 1 or more")
        o.rotate = check_int("image", "rotate", rotate, -(2**31), 2**31 - 1)
        o.mirror = bool(mirror)
        o.fit, o.filter = _choice("fit", fit, _FITS), _choice("filter", filter, _FILTERS)
        o.target_format, o.layout = _choice("colour", colour, _COLOURS), _choice("layout", layout, _LAYOUTS)
        self.format, self.source, self.size = format, (o.width, o.height), (o.target_width, o.target_height)
        self.dtype = _dtype(dtype)
        o.dtype = _DTYPES[self.dtype]
        channels = _CHANNELS[colour]
        held = {n: _numbers(n, v, channels) for n, v in (("mean", mean), ("std", std), ("pad", pad))}
        o.mean, o.std, o.pad = held["mean"], held["std"], held["pad"]
        if cpu_mask is not None:
            o.cpu_mask = check_int("image", "cpu_mask", cpu_mask, 1, 2**32 - 1)
        out = ffi.new("lr_image **")
        call(lib.lr_image_open, o, out)
        self._ptr = ffi.gc(out[0], lib.lr_image_close)
        width, height = self.size
        self.shape = (1, height, width, channels) if layout == "nhwc" else (1, channels, height, width)
        to_source, to_target = ffi.new("lr_image_affine *"), ffi.new("lr_image_affine *")
        lib.lr_image_mapping(self._ptr, to_source, to_target)
        self.to_source, self.to_target = _matrix(to_source), _matrix(to_target)

    def run(self, picture: np.ndarray | Sequence[np.ndarray], out: np.ndarray | None = None) -> np.ndarray:
        """The input made of a picture, in `out` (of `shape`, or without its batch) or in a fresh array.

        picture: an array (height, width, channels) of u8, or (height, width) of grey; of YUV a sequence of its planes,
        or, where width and height are even, one array of height * 3 / 2 rows as OpenCV has it. Planes of pairs are
        (rows, columns, 2) or (rows, 2 * columns). Rows may lie apart (a slice of a larger array); other views are
        copied.
        """
        planes = self._planes(picture)
        if out is None:
            out = np.empty(self.shape, self.dtype)
        self._check_out(out, planes)
        c = ffi.new("lr_image_planes *")
        for i, p in enumerate(planes):
            c.plane[i] = ffi.cast("uint8_t *", p.ctypes.data)
            c.stride[i] = p.strides[0] if p.shape[0] > 1 else p[0].size
        error = new_error()
        if status := lib.lr_image_run(self._ptr, c, ffi.from_buffer(out), out.nbytes, 0, 0, error):
            raise_status(status, error)
        return out

    # ---- arrays ----
    def _planes(self, picture: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
        width, height = self.source
        if self.format in _CHANNELS:
            n = _CHANNELS[self.format]
            shape: Shapes = ((height, width, n), (height, width)) if n == 1 else ((height, width, n),)
            return self._checked([picture] if isinstance(picture, np.ndarray) else list(picture), [shape])
        half = ((height + 1) // 2, (width + 1) // 2)
        pairs = ((*half, 2), (half[0], 2 * half[1]))
        chroma: list[Shapes] = [(half,), (half,)] if self.format == "i420" else [pairs]
        shapes: list[Shapes] = [((height, width),), *chroma]
        if not isinstance(picture, np.ndarray):
            return self._checked(list(picture), shapes)
        if width % 2 or height % 2:
            raise ArgumentError(f"image: one array for a picture of {width} x {height} pixels; where a size is odd "
                                f"give its {len(shapes)} planes")
        whole = self._checked([picture], [((height * 3 // 2, width),)])[0]
        if self.format != "i420":
            return [whole[:height], whole[height:]]
        u, v = np.ascontiguousarray(whole[height:]).reshape(2, height // 2, width // 2)
        return [whole[:height], u, v]

    def _checked(self, given: list[Any], shapes: list[Shapes]) -> list[np.ndarray]:
        if len(given) != len(shapes):
            raise ArgumentError(f"image: {len(given)} planes are given; {self.format} has {len(shapes)}")
        planes = []
        for a, allowed in zip(given, shapes, strict=True):
            if not isinstance(a, np.ndarray) or a.dtype != np.uint8:
                what = a.dtype if isinstance(a, np.ndarray) else type(a).__name__
                raise ArgumentTypeError(f"image: the picture is of type {what}; give numpy arrays of uint8")
            if a.shape not in allowed:
                raise ArgumentError(f"image: an array has the shape {a.shape}; {self.format} of {self.source[0]} x "
                                    f"{self.source[1]} pixels needs {' or '.join(map(str, allowed))}")
            dense = a[0].flags.c_contiguous and (a.shape[0] == 1 or a.strides[0] >= a[0].size)
            planes.append(a if dense else np.ascontiguousarray(a))
        return planes

    def _check_out(self, out: np.ndarray, planes: list[np.ndarray]) -> None:
        if not isinstance(out, np.ndarray) or out.dtype != self.dtype or out.shape not in (self.shape, self.shape[1:]):
            what = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ArgumentTypeError(f"image: out is {what}; give a numpy array {self.dtype} {self.shape}")
        if not (out.flags.c_contiguous and out.flags.writeable and out.flags.aligned):
            raise ArgumentError("image: out is not a contiguous writeable array; use numpy.empty(shape, dtype)")
        if any(np.may_share_memory(out, p) for p in planes):
            raise ArgumentError("image: out lies over the picture; use another array")


def to_input(picture: np.ndarray | Sequence[np.ndarray], format: str = "nv21", size: tuple[int, int] | None = None, *,
             source: tuple[int, int] | None = None, out: np.ndarray | None = None, **options: Any) -> np.ndarray:
    """The input of a model made of a picture: what `Plan.run` gives. The last 16 plans are kept.

    size: (width, height) of the input; None: the picture's. source: (width, height) of the picture; None: what its
    arrays say. options: those of Plan.
    """
    if source is None:
        source = _source_of(picture, format)
    source, size = _pair("source", source), _pair("size", source if size is None else size)
    plain = {k: tuple(v) if isinstance(v, (list, np.ndarray)) else v for k, v in options.items()}
    try:
        plan = _plan(format, source, size, **plain)
    except TypeError as e:
        if isinstance(e, ArgumentError) or "unhashable" not in str(e):
            raise
        raise ArgumentTypeError(f"image: {e}; give numbers, strings and tuples of numbers") from e
    return plan.run(picture, out)


@functools.lru_cache(maxsize=16)
def _plan(format: str, source: tuple[int, int], size: tuple[int, int], **options: Any) -> Plan:
    return Plan(format, source, size, **options)


def _source_of(picture: Any, format: str) -> tuple[int, int]:
    _choice("format", format, FORMATS)
    first = picture[0] if isinstance(picture, (list, tuple)) and picture else picture
    if not isinstance(first, np.ndarray) or first.ndim < 2:
        raise ArgumentTypeError("image: the picture is not an array of rows and columns, nor a list or tuple of those")
    height, width = first.shape[:2]
    if first is picture and format not in _CHANNELS:
        height = height * 2 // 3
    return width, height


# ---- options ----
def _choice(what: str, value: object, choices: dict[str, int]) -> int:
    if not isinstance(value, str) or value not in choices:
        raise ArgumentError(f"image: {what} is {value!r}; give one of {', '.join(choices)}")
    return choices[value]


def _pair(what: str, value: Any) -> tuple[int, int]:
    width, height = _integers(what, value, "width, height")
    return width, height


def _integers(what: str, value: Any, names: str) -> tuple[int, ...]:
    n = names.count(",") + 1
    if not isinstance(value, (tuple, list)) or len(value) != n:
        raise ArgumentTypeError(f"image: {what} is {value!r}; give ({names})")
    return tuple(check_int("image", f"{what}[{i}]", v, -LARGEST, LARGEST) for i, v in enumerate(value))


def _dtype(dtype: Any) -> np.dtype:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in _DTYPES:
        raise ArgumentTypeError(f"image: dtype is {dtype!r}; give numpy.float32, numpy.float16 or numpy.uint8")
    return found


def _numbers(what: str, value: Numbers, channels: int) -> Any:
    if value is None:
        return ffi.NULL
    try:
        a = np.asarray(value, np.float32).reshape(-1)
    except (TypeError, ValueError):
        a = np.empty(0, np.float32)
    if a.size not in (1, channels):
        raise ArgumentError(f"image: {what} is {value!r}; give one number or {channels}, in the order of the input's "
                            "channels")
    return ffi.new("float[3]", [float(x) for x in np.resize(a, channels)])


def _matrix(m: Any) -> np.ndarray:
    return np.array([[m.xx, m.xy, m.x0], [m.yx, m.yy, m.y0]])
