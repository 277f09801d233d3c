"""A picture's file becomes an input: read by pillow, resized and normalised by lite_runtime.image."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import TensorInfo, image
from ..adapt import declared
from ..errors import ConvertError
from .options import Picture
from .output import human_shape

FITS = {"stretch": "stretch", "crop": "crop", "pad": "letterbox"}


def read_picture(path: str, info: TensorInfo, options: Picture, metadata: Mapping[str, str]) -> np.ndarray:
    """The input `info` (whose shape may have been completed by --shape) of a picture.

    metadata: of the model; it may say that the input is NHWC. ConvertError with a sentence when the file is no
    picture, or the input cannot be one.
    """
    layout, channels = _layout(info, options, metadata)
    bytes_ = info.dtype == np.uint8
    if info.dtype not in (np.float32, np.float16, np.uint8):
        raise ConvertError(f"input '{info.name}': is of type {info.dtype}; pictures become float32, float16 or uint8")
    if bytes_ and (options.mean or options.std or options.scale is not None):
        raise ConvertError(f"input '{info.name}': takes a picture's bytes as they are; leave out --mean, --std and "
                           "--scale")
    picture = _load(path, channels)
    height, width = _size(info, layout, picture)
    scale = options.scale or 1.0
    numbers: dict[str, Any] = {}
    if not bytes_:
        mean, std = (_per_channel(info, n, v, channels) for n, v in (("--mean", options.mean), ("--std", options.std)))
        # image: (pixel - mean) / std
        numbers = {"mean": tuple(m / scale for m in mean or (0.0,)), "std": tuple(s / scale for s in std or (1.0,))}
    colour = "grey" if channels == 1 else options.colour
    pixels = _shrunk(picture, width, height, options.resize)
    x = image.to_input(pixels, "grey" if channels == 1 else "rgb", (width, height), layout=layout, colour=colour,
                       fit=FITS[options.resize], dtype=info.dtype, **numbers)
    return x if len(info.shape) == 4 else x.reshape(x.shape[1:] if len(info.shape) == 3 else (height, width))


def _per_channel(info: TensorInfo, option: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) not in (0, 1, channels):
        raise ConvertError(f"{option}: has {len(values)} numbers, input '{info.name}' has {channels} channels; give "
                           "one, or one each")
    return values


def _layout(info: TensorInfo, options: Picture, metadata: Mapping[str, str]) -> tuple[str, int]:
    """(nchw or nhwc, number of channels) of an input [N C H W], [C H W] or [H W], or with the channels last."""
    rank, shape = len(info.shape), info.shape
    if rank == 2:
        return "nchw", 1
    form = declared(metadata, "input").get(info.name)
    layout = options.layout or ("nhwc" if form and form.last else "")
    if rank in (3, 4):
        first, last = shape[rank - 3], shape[rank - 1]
        if not layout:
            layout = "nchw" if first in (1, 3) else "nhwc" if last in (1, 3) else ""
        channels = first if layout == "nchw" else last
        if layout and channels in (1, 3):
            return layout, int(channels)  # type: ignore[arg-type]
        if layout and not isinstance(channels, int):
            return layout, 3
        if not layout and not (isinstance(first, int) and isinstance(last, int)):
            raise ConvertError(f"input '{info.name}': its shape {human_shape(shape)} does not say where its channels "
                               "are; give --layout nchw or nhwc")
    raise ConvertError(f"input '{info.name}': its shape {human_shape(shape)} is not that of a picture, which has 1 or "
                       "3 channels; give an .npy file")


def _size(info: TensorInfo, layout: str, picture: Any) -> tuple[int, int]:
    """(height, width) of the input, which must be known."""
    rank = len(info.shape)
    batch = info.shape[0]
    if rank == 4 and isinstance(batch, int) and batch != 1:
        raise ConvertError(f"input '{info.name}': takes {batch} pictures at once; give an .npy file with all of them")
    at = 0 if rank == 2 else rank - 2 if layout == "nchw" else rank - 3
    height, width = info.shape[at], info.shape[at + 1]
    if not isinstance(height, int) or not isinstance(width, int):
        whole = {at: picture.height, at + 1: picture.width, at - 1 if layout == "nchw" else at + 2: 3}
        own = [d if isinstance(d, int) else whole.get(i, 1) for i, d in enumerate(info.shape)]
        raise ConvertError(f"input '{info.name}': its shape {human_shape(info.shape)} leaves the height or width open; "
                           f"give --shape {info.name}={','.join(map(str, own))} (the picture's own size), or another")
    return height, width


def _load(path: str, channels: int) -> Any:
    """A pillow image of 8 bits, grey or RGB, turned as its camera says."""
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError as e:
        raise ConvertError(f"{path}: the package that reads pictures is missing; run: pip install pillow") from e
    try:
        with Image.open(path) as file:
            deep = file.mode[:1] in "IF"
            picture = ImageOps.exif_transpose(file) if not deep else file
            picture = picture.convert("L" if channels == 1 else "RGB")
    except OSError as e:
        why = e.strerror.lower() if e.strerror else "is not a picture that pillow can read"
        raise ConvertError(f"{path}: {why}") from e
    except Exception as e:  # pillow raises many kinds on damaged or huge files
        raise ConvertError(f"{path}: is not a picture that pillow can read ({str(e) or type(e).__name__})") from e
    if deep:
        raise ConvertError(f"{path}: has more than 8 bits for each pixel; save it with 8, or give an .npy file")
    return picture


def _shrunk(picture: Any, width: int, height: int, resize: str) -> np.ndarray:
    """The picture's bytes, averaged over whole blocks of pixels where it is at least twice as large as the input.

    lite_runtime.image looks at 2 x 2 pixels of the picture for one of the input, which would leave out most pixels of
    a large photo, and make fine patterns flicker.
    """
    x, y = picture.width // width, picture.height // height
    if resize != "stretch":
        x = y = max(x, y) if resize == "pad" else min(x, y)
    if x > 1 or y > 1:
        picture = picture.reduce((max(1, x), max(1, y)))
    return np.array(picture)
