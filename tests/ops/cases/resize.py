"""Resize and Upsample."""

import itertools

import numpy as np
from op_frame import Const, rand, row

COORDINATES = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"]
ROUNDING = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def resize(x, scales=None, sizes=None, opset=19, **attrs):
    """Scales are f32, sizes i64 constants, one for each axis."""
    s = Const(np.array(scales, np.float32)) if scales else None
    return (
        row("Resize", x, None, s, opset=opset, **attrs)
        if sizes is None
        else row("Resize", x, None, None, sizes, opset=opset, **attrs)
    )


X = (1, 3, 5, 6)
ROWS = []


def odd(coordinates):
    """Scales under which sizes are not whole, which align_corners refuses."""
    return [1, 1, 1.6, 0.5] if coordinates == "align_corners" else [1, 1, 1.7, 0.6]


for c, r in itertools.product(COORDINATES, ROUNDING):
    ROWS += [
        resize(rand(*X), [1, 1, 2, 2], mode="nearest", coordinate_transformation_mode=c, nearest_mode=r),
        resize(rand(*X), odd(c), mode="nearest", coordinate_transformation_mode=c, nearest_mode=r),
    ]
for c, mode in itertools.product(COORDINATES, ("linear", "cubic")):
    ROWS += [
        resize(rand(*X), [1, 1, 2, 2], mode=mode, coordinate_transformation_mode=c),
        resize(rand(*X), odd(c), mode=mode, coordinate_transformation_mode=c),
        resize(rand(*X), sizes=[1, 3, 9, 4], mode=mode, coordinate_transformation_mode=c),
    ]
ROWS += [
    resize(rand(*X), sizes=[1, 3, 10, 12], mode="nearest"),
    resize(rand(*X), sizes=[1, 3, 1, 1], mode="linear"),
    resize(rand(*X), sizes=[1, 3, 1, 1], mode="nearest", coordinate_transformation_mode="align_corners"),
    resize(rand(*X), [1, 1, 2, 2], mode="cubic", cubic_coeff_a=-0.5),
    resize(rand(*X), [1, 1, 0.8, 0.8], mode="cubic", exclude_outside=1),
    resize(rand(2, 5), [2, 1.5], mode="linear"),
    resize(rand(2, 5), [1, 3], mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"),
    resize(rand(1, 2, 3, 3, 3), [1, 1, 2, 2, 2], mode="nearest"),
    resize(rand(1, 3, 5), [1, 1, 2], mode="linear"),
    resize(rand(*X), [1, 1, 1, 1], mode="linear"),
    resize(rand(*X, dtype="float16"), [1, 1, 2, 2], mode="nearest"),
    resize(rand(*X, dtype="uint8", high=200), [1, 1, 2, 2], mode="nearest"),
    resize(rand(*X, dtype="int8"), [1, 1, 2, 2], mode="nearest"),
    row(
        "Resize",
        rand(1, 4, 7, 9),
        Const(np.zeros(0, np.float32)),
        Const(np.array([1, 1, 2, 2], np.float32)),
        opset=11,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    ),
    resize(
        rand(1, 70, 20, 20),
        [1, 1, 2, 2],
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    ),
    row("Resize", rand(*X), Const(np.zeros(0, np.float32)), Const(np.array([1, 1, 2, 2], np.float32)), opset=13),
    row("Resize", rand(*X), Const(np.array([1, 1, 2, 3], np.float32)), opset=10),
    # shrinking rounds up, each axis by its own scale, also when it is computed
    row("Resize", rand(1, 2, 7, 9), Const(np.array([1, 1, 0.6, 0.37], np.float32)), opset=10),
    row("Resize", rand(1, 2, 7, 9), Const(np.array([1, 1, 0.37, 1.7], np.float32)), opset=10),
    row("Resize", rand(1, 2, 7, 9), np.array([1, 1, 0.6, 2.3], np.float32), opset=10),
    row("Upsample", rand(*X), Const(np.array([1, 1, 2, 2], np.float32)), opset=9),
    row("Upsample", rand(*X), opset=7, scales=[1.0, 1.0, 2.0, 2.0], mode="nearest"),
    row("Upsample", rand(*X), opset=7, scales=[1.0, 1.0, 2.0, 3.0], mode="linear"),
    row(
        "Resize", rand(*X), None, rand(4, low=1, high=1) * np.array([1, 1, 2, 2], np.float32), opset=19, mode="nearest"
    ),
    row("Resize", rand(*X), None, None, np.array([1, 3, 7, 8]), opset=19, mode="linear"),
]
# antialias, aspect ratio policies, crops (onnxruntime leaves out what lies outside, ONNX repeats the border)
for mode in ("linear", "cubic"):
    for scales in ([1, 1, 0.5, 0.4], [1, 1, 0.3, 1.5]):
        ROWS += [resize(rand(1, 2, 17, 20), scales, mode=mode, antialias=1, evaluator=True)]
    ROWS += [
        resize(rand(1, 2, 17, 20), sizes=[1, 2, 4, 9], mode=mode, antialias=1, evaluator=True),
        resize(rand(1, 2, 17, 20), [1, 1, 0.5, 0.4], mode=mode, antialias=1, exclude_outside=1, evaluator=True),
        resize(rand(1, 2, 300, 20), [1, 1, 0.021, 1], mode=mode, antialias=1, evaluator=True),
    ]
for policy in ("not_larger", "not_smaller"):
    for mode in ("nearest", "linear"):
        ROWS += [
            resize(rand(1, 2, 5, 8), sizes=[7, 9], axes=[2, 3], keep_aspect_ratio_policy=policy, mode=mode),
            resize(rand(1, 2, 5, 8), sizes=[9, 3], axes=[3, 2], keep_aspect_ratio_policy=policy, mode=mode),
        ]
CROP = {"coordinate_transformation_mode": "tf_crop_and_resize"}
for mode in ("linear", "cubic"):
    for roi in ([0, 0, 0.2, 0.3, 1, 1, 0.8, 0.7], [0, 0, -0.2, 0.3, 1, 1, 0.8, 1.7]):
        r = Const(np.array(roi, np.float32))
        more = {"mode": mode, "extrapolation_value": 10.0, **CROP}
        ROWS += [row("Resize", rand(1, 2, 6, 7), r, None, [1, 2, 3, 5], opset=19, **more)]
ROWS += [
    row("Resize", rand(1, 2, 6, 7), np.array([0.1, 0.2, 0.9, 1.0], np.float32), None, [4, 1], opset=19, axes=[2, 3],
        mode="linear", evaluator=True, dynamic=False, **CROP),
]
