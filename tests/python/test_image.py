"""lite_runtime.image against OpenCV, where it is installed, and against the same steps in numpy."""
from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lite_runtime
from lite_runtime import image

YUV = ("nv21", "nv12", "i420")
PACKED = {"rgba": 4, "bgra": 4, "rgb": 3, "bgr": 3, "grey": 1}
SIZES = [((64, 48), (32, 32)), ((640, 360), (224, 224)), ((50, 70), (97, 33)), ((2, 2), (5, 3)),
         ((120, 120), (120, 120))]

# OpenCV's wheels for other machines have other code for some of its steps, which may round otherwise
SAME_ROUNDING = platform.machine() == "x86_64"
LIMIT = 1 if SAME_ROUNDING else 2


def picture_of(format: str, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Noise, which saturates colours at every other pixel, beside a soft part, as pictures have it."""
    width, height = size
    shape = (height * 3 // 2, width) if format in YUV else (height, width, PACKED[format])
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, shape)
    soft = 128 + 100 * np.sin(np.arange(shape[1]) / 9 + np.arange(shape[0])[:, None] / 13)
    a[:, : width // 2] = soft[:, : width // 2].reshape(soft[:, : width // 2].shape + (1,) * (len(shape) - 2))
    return a.astype(np.uint8)


# ---- OpenCV ----
def opencv_rgb(cv2: Any, format: str, a: np.ndarray, colour: str) -> np.ndarray:
    if colour == "grey":
        if format in YUV:  # its own way to grey leaves Y as it is, which is 16 to 235: expand it as it does for colours
            y = np.maximum(cv2.cvtColor(a, getattr(cv2, f"COLOR_YUV2GRAY_{format.upper()}")).astype(np.int64) - 16, 0)
            return np.minimum((y * 1220542 + (1 << 19)) >> 20, 255).astype(np.uint8)
        return a[..., 0] if format == "grey" else cv2.cvtColor(a, getattr(cv2, f"COLOR_{format.upper()}2GRAY"))
    if format in YUV:
        return cv2.cvtColor(a, getattr(cv2, f"COLOR_YUV2{colour.upper()}_{format.upper()}"))
    source = "GRAY" if format == "grey" else format.upper()
    return a if source == colour.upper() else cv2.cvtColor(a, getattr(cv2, f"COLOR_{source}2{colour.upper()}"))


def resize(cv2: Any, a: np.ndarray, size: tuple[int, int], filter: str) -> np.ndarray:
    if filter == "linear":
        return cv2.resize(np.ascontiguousarray(a), size)
    # OpenCV's INTER_NEAREST_EXACT is exact to 16 bits: between two pixels it takes the one or the other
    x, y = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(size, a.shape[1::-1], strict=True))
    return a[y][:, x]


def opencv_steps(cv2: Any, a: np.ndarray, size: tuple[int, int], *, filter: str = "linear", fit: str = "stretch",
                 pad: int = 0, rotate: int = 0, crop: tuple[int, int, int, int] | None = None,
                 mirror: bool = False) -> np.ndarray:
    if crop:
        a = a[crop[1] : crop[1] + crop[3], crop[0] : crop[0] + crop[2]]
    tw, th = size if rotate % 180 == 0 else size[::-1]
    if fit == "crop":
        h, w = a.shape[:2]
        cw, ch = (round(h * tw / th), h) if w * th > h * tw else (w, round(w * th / tw))
        y, x = (h - ch) // 2, (w - cw) // 2
        a = a[y : y + ch, x : x + cw]
    if rotate:
        turns = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
        a = cv2.rotate(a, turns[rotate])
    if mirror:
        a = cv2.flip(a, 1)
    if fit != "letterbox":
        return resize(cv2, a, size, filter)
    h, w = a.shape[:2]
    r = min(size[0] / w, size[1] / h)
    inner = max(1, round(w * r)), max(1, round(h * r))
    b = resize(cv2, a, inner, filter)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    return cv2.copyMakeBorder(b, top, size[1] - inner[1] - top, left, size[0] - inner[0] - left, cv2.BORDER_CONSTANT,
                              value=(pad, pad, pad))


@pytest.mark.parametrize("source,size", SIZES)
@pytest.mark.parametrize("format", [*YUV, *PACKED])
def test_opencv_formats(format: str, source: tuple[int, int], size: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2")
    a = picture_of(format, source)
    for colour in ("rgb", "bgr", "grey"):
        want = opencv_rgb(cv2, format, a, colour)
        want = opencv_steps(cv2, want, size).astype(np.float64)
        for dtype in (np.float32, np.float16, np.uint8):
            got = image.to_input(a, format, size, colour=colour, dtype=dtype)
            got = got[0].astype(np.float64).reshape(want.shape)
            assert np.abs(got - want).max() <= LIMIT + (0.07 if dtype == np.float16 else 0), (colour, dtype)


@pytest.mark.parametrize("options", [
    {"rotate": 90}, {"rotate": 180}, {"rotate": 270}, {"mirror": True}, {"rotate": 90, "mirror": True},
    {"rotate": 270, "mirror": True, "fit": "letterbox", "pad": 114}, {"fit": "crop"}, {"fit": "crop", "rotate": 90},
    {"fit": "letterbox"}, {"crop": (13, 7, 101, 55)}, {"crop": (100, 20, 64, 64), "fit": "letterbox", "rotate": 180},
], ids=str)
@pytest.mark.parametrize("filter", ["linear", "nearest"])
def test_opencv_steps(options: dict[str, Any], filter: str) -> None:
    cv2 = pytest.importorskip("cv2")
    a = picture_of("nv21", (320, 180))
    rgb = cv2.cvtColor(a, cv2.COLOR_YUV2RGB_NV21)
    for size in ((96, 96), (200, 90), (90, 200), (500, 400)):
        want = opencv_steps(cv2, rgb, size, filter=filter, **options).astype(np.float64)
        got = image.to_input(a, "nv21", size, filter=filter, **options)[0]
        assert np.abs(got - want).max() <= (LIMIT if filter == "linear" or not SAME_ROUNDING else 0), size


def test_opencv_nearest() -> None:
    cv2 = pytest.importorskip("cv2")
    a = picture_of("bgr", (321, 181))
    for size in ((96, 96), (200, 90), (500, 400)):  # no pixel lies between two
        want = cv2.resize(a, size, interpolation=cv2.INTER_NEAREST_EXACT)
        assert np.array_equal(image.to_input(a, "bgr", size, colour="bgr", dtype=np.uint8, filter="nearest")[0], want)


@pytest.mark.parametrize("format", [*YUV, *PACKED])
def test_opencv_colours_are_exact(format: str) -> None:
    cv2 = pytest.importorskip("cv2")
    shape = (300, 256) if format in YUV else (300, 256, PACKED[format])
    a = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    for colour in ("rgb", "bgr", "grey"):
        want = opencv_rgb(cv2, format, a, colour)
        got = image.to_input(a, format, dtype=np.uint8, colour=colour)[0].reshape(want.shape)
        assert np.abs(got.astype(int) - want).max() <= (0 if SAME_ROUNDING else 1)


def test_opencv_full_range_is_that_of_jpeg() -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(2)
    y, vu = rng.integers(0, 256, (40, 64), np.uint8), rng.integers(0, 256, (20, 32, 2), np.uint8)
    ycrcb = np.dstack([y, vu.repeat(2, 0).repeat(2, 1)])
    want = cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB).astype(np.int64)
    got = image.to_input((y, vu), "nv21", range="full", dtype=np.uint8)[0].astype(np.int64)
    assert np.abs(got - want).max() <= 1
    assert np.array_equal(image.to_input((y, vu), "nv21", range="full", colour="grey", dtype=np.uint8)[0, ..., 0], y)


# ---- numpy ----
def taps(size: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = np.clip((np.arange(n) + 0.5) * size / n - 0.5, 0, size - 1)
    a = np.floor(x).astype(int)
    return a, np.minimum(a + 1, size - 1), x - a


def resized(a: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    x0, x1, u = taps(a.shape[1], size[0])
    y0, y1, v = taps(a.shape[0], size[1])
    a = a.astype(np.float64)
    u, v = u[:, None], v[:, None, None]
    return (a[y0][:, x0] * (1 - u) + a[y0][:, x1] * u) * (1 - v) + (a[y1][:, x0] * (1 - u) + a[y1][:, x1] * u) * v


def test_normalisation_and_layout() -> None:
    a = picture_of("rgb", (61, 47))
    want = (resized(a, (30, 41)) - [123.7, 116.3, 103.5]) / [58.4, 57.1, -57.4]
    options: dict[str, Any] = {"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, -57.4)}
    nhwc = image.to_input(a, "rgb", (30, 41), **options)
    nchw = image.to_input(a, "rgb", (30, 41), layout="nchw", **options)
    assert nhwc.shape == (1, 41, 30, 3) and nchw.shape == (1, 3, 41, 30)
    assert np.abs(nhwc[0] - want).max() < 1e-3
    assert np.array_equal(nhwc.transpose(0, 3, 1, 2), nchw)
    one = image.to_input(a, "rgb", (30, 41), mean=np.float32(100), std=[50.0])
    assert np.abs(one[0] - (resized(a, (30, 41)) - 100) / 50).max() < 1e-3
    half = image.to_input(a, "rgb", (30, 41), dtype="float16", **options)
    assert half.dtype == np.float16 and np.array_equal(half, nhwc.astype(np.float16))


@pytest.mark.parametrize("matrix,kr,kb", [("bt601", 0.299, 0.114), ("bt709", 0.2126, 0.0722)])
@pytest.mark.parametrize("full", [False, True])
def test_matrices(matrix: str, kr: float, kb: float, full: bool) -> None:
    rng = np.random.default_rng(4)
    y, u, v = (rng.integers(0, 256, s, np.uint8) for s in ((31, 43), (16, 22), (16, 22)))
    luma = y.astype(float) if full else np.maximum(y.astype(float) - 16, 0) * 255 / 219
    pb, pr = ((c.repeat(2, 0).repeat(2, 1)[:31, :43] - 128.0) * (1 if full else 255 / 224) for c in (u, v))
    r, b = luma + 2 * (1 - kr) * pr, luma + 2 * (1 - kb) * pb
    want = np.clip(np.dstack([r, (luma - kr * r - kb * b) / (1 - kr - kb), b]), 0, 255)
    got = image.to_input((y, u, v), "i420", matrix=matrix, range="full" if full else "limited")
    assert np.abs(got[0] - want).max() < 0.75


def test_planes_in_all_their_forms() -> None:
    rng = np.random.default_rng(5)
    y, vu = rng.integers(0, 256, (48, 64), np.uint8), rng.integers(0, 256, (24, 32, 2), np.uint8)
    want = image.to_input((y, vu), "nv21", (40, 40))
    same = [(np.vstack([y, vu.reshape(24, 64)]), "nv21"), ((y, vu.reshape(24, 64)), "nv21"),
            ([y, vu[..., ::-1]], "nv12"), ((y, vu[..., 1], vu[..., 0]), "i420"),
            (np.vstack([y, vu[..., 1].reshape(12, 64), vu[..., 0].reshape(12, 64)]), "i420")]
    wide = np.zeros((60, 100), np.uint8)
    wide[:48, 10:74] = y
    same.append(((wide[:48, 10:74], vu), "nv21"))
    tall = np.zeros((72, 80), np.uint8)
    tall[:, :64] = same[0][0]
    same.append((tall[:, :64], "nv21"))
    for picture, format in same:
        assert np.array_equal(image.to_input(picture, format, (40, 40)), want), format
    assert image.to_input((y, vu), "nv21").shape == (1, 48, 64, 3)


def test_out_and_batches() -> None:
    a = picture_of("bgra", (40, 30))
    plan = image.Plan("bgra", (40, 30), (16, 12), layout="nchw")
    batch = np.zeros((3, *plan.shape[1:]), np.float32)
    assert plan.run(a, batch[1]) is not None
    assert np.array_equal(batch[1], plan.run(a)[0]) and not batch[0].any() and not batch[2].any()
    out = np.empty(plan.shape, np.float32)
    assert plan.run(a, out) is out and np.array_equal(out[0], batch[1])
    with ThreadPoolExecutor(4) as pool:
        for y in pool.map(lambda _: plan.run(a), range(20)):
            assert np.array_equal(y, out)


def test_mapping_brings_a_box_back() -> None:
    """A bright box in the picture is found in the input, and its corners lead back to it."""
    a = np.zeros((120, 200, 3), np.uint8)
    a[40:64, 80:120] = 255
    for rotate in (0, 90, 180, 270):
        for fit in ("stretch", "crop", "letterbox"):
            for mirror in (False, True):
                plan = image.Plan("rgb", (200, 120), (320, 256), rotate=rotate, fit=fit, mirror=mirror)
                ys, xs = np.nonzero(plan.run(a)[0, ..., 0] > 127)
                box = np.array([[xs.min(), ys.min(), 1], [xs.max() + 1, ys.max() + 1, 1]])
                corners = np.sort(box @ plan.to_source.T, 0)
                assert np.abs(corners - [[80, 40], [120, 64]]).max() < 1
                back = np.c_[corners, [1, 1]] @ plan.to_target.T
                assert np.abs(np.sort(back, 0) - box[:, :2]).max() < 1e-6


@pytest.mark.parametrize("options,words", [
    ({"format": "yuyv"}, "format is 'yuyv'; give one of nv21"),
    ({"size": (0, 4)}, "target_width is 0; give 1 to 32768"),
    ({"size": (4, 32769)}, "give an integer from"),
    ({"size": 4}, "give (width, height)"),
    ({"size": (4.5, 4)}, "size[0] is 4.5"),
    ({"rotate": 45}, "give 0, 90, 180 or 270"),
    ({"rotate": 90.0}, "rotate is 90.0"),
    ({"fit": "cover"}, "fit is 'cover'"),
    ({"filter": "cubic"}, "filter is 'cubic'"),
    ({"layout": "chw"}, "layout is 'chw'"),
    ({"colour": "rgba"}, "colour is 'rgba'"),
    ({"dtype": np.int8}, "numpy.float32, numpy.float16 or numpy.uint8"),
    ({"dtype": "picture"}, "dtype is 'picture'"),
    ({"crop": (0, 0, 9, 4)}, "is not inside of the source"),
    ({"crop": (0, 0, 0, 0)}, "give a width and a height of 1 or more"),
    ({"crop": (0, 0, 4)}, "give (x, y, width, height)"),
    ({"std": 0}, "std[0] is 0, which nothing can be divided by"),
    ({"std": (1, float("nan"), 1)}, "std[1] is nan"),
    ({"mean": float("inf")}, "mean[0] is inf"),
    ({"mean": (1, 2)}, "give one number or 3"),
    ({"mean": "bright"}, "mean is 'bright'"),
    ({"pad": 300}, "pad[0] is 300"),
    ({"matrix": "bt2020"}, "matrix is 'bt2020'"),
    ({"range": "tv"}, "range is 'tv'"),
], ids=str)
def test_bad_options(options: dict[str, Any], words: str) -> None:
    a = np.zeros((4, 8, 3), np.uint8)
    with pytest.raises(lite_runtime.ArgumentError) as e:
        image.to_input(a, **{"format": "rgb", "size": (4, 4), "source": (8, 4), **options})
    assert words in str(e.value)


def test_bad_pictures() -> None:
    def refused(words: str, picture: Any, format: str = "rgb", **options: Any) -> None:
        with pytest.raises(lite_runtime.ArgumentError) as e:
            image.to_input(picture, format, (4, 4), **options)
        assert words in str(e.value)

    a, y = np.zeros((6, 8, 3), np.uint8), np.zeros((5, 7), np.uint8)
    refused("uint8", a.astype(np.float32))
    refused("not an array", "a.png")
    refused("not an array", [])
    refused("has the shape (6, 8, 3)", a, source=(8, 5))
    refused("needs (6, 8, 4)", a, "rgba")
    refused("where a size is odd", np.zeros((7, 7), np.uint8), "nv21", source=(7, 5))
    refused("1 planes are given; nv21 has 2", (y,), "nv21")
    refused("needs (3, 4, 2) or (3, 8)", (y, np.zeros((2, 3, 2), np.uint8)), "nv21")
    for out in (np.zeros((1, 4, 4, 3)), np.zeros((1, 3, 4, 4), np.float32), "out"):
        refused("out is ", a, out=out)
    refused("contiguous", a, out=np.zeros((1, 4, 4, 6), np.float32)[..., ::2])
    fixed = np.zeros((1, 4, 4, 3), np.float32)
    fixed.flags.writeable = False
    refused("writeable", a, out=fixed)
    small = np.zeros((1, 4, 4, 3), np.uint8)
    refused("lies over the picture", small[0], out=small, dtype=np.uint8)


def test_views_are_copied_where_they_must_be() -> None:
    a = picture_of("rgb", (20, 10))
    want = image.to_input(a, "rgb", (9, 9))
    assert np.array_equal(image.to_input(a[:, ::-1].copy()[:, ::-1], "rgb", (9, 9)), want)
    assert np.array_equal(image.to_input(a[::-1].copy()[::-1], "rgb", (9, 9)), want)
    assert np.array_equal(image.to_input(np.asfortranarray(a), "rgb", (9, 9)), want)
    assert np.array_equal(image.to_input(np.broadcast_to(a[:1], a.shape), "rgb", (9, 9)),
                          image.to_input(a[:1].repeat(10, 0), "rgb", (9, 9)))


def test_the_plain_c_kernels_make_the_same_bytes() -> None:
    for format in (*YUV, *PACKED):
        a = picture_of(format, (150, 100))
        for layout in ("nhwc", "nchw"):
            options: dict[str, Any] = {"layout": layout, "mean": 100, "std": 50, "rotate": 90}
            assert np.array_equal(image.to_input(a, format, (64, 70), **options),
                                  image.to_input(a, format, (64, 70), cpu_mask=lite_runtime.CPU_PORTABLE, **options))
