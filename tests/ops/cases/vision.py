"""Detection, sampling, and what makes images of columns."""

import numpy as np
from op_frame import Const, rand, row

ROWS = []


def scalar(x, dtype="float32"):
    return Const(np.array(x, dtype))


# NonMaxSuppression
def boxes(b, n, center=False):
    corner, size = rand(b, n, 2, low=0, high=1), rand(b, n, 2, low=0.1, high=0.6)
    made = np.concatenate([corner, size if center else corner + size], axis=2)
    return made.astype(np.float32)


MOST = Const(np.array([3], np.int64))
ROWS += [
    row("NonMaxSuppression", boxes(2, 20), rand(2, 3, 20, low=0, high=1), MOST, scalar(0.3), scalar(0.2)),
    row("NonMaxSuppression", boxes(1, 20, True), rand(1, 1, 20, low=0, high=1), MOST, scalar(0.5), center_point_box=1),
    row(
        "NonMaxSuppression",
        boxes(1, 20)[:, :, [2, 1, 0, 3]],
        rand(1, 1, 20),
        Const(np.array(100, np.int64)),
        scalar(0.1),
    ),
    row("NonMaxSuppression", boxes(1, 6), np.ones((1, 2, 6), np.float32), MOST, scalar(0.9)),
    row(
        "NonMaxSuppression",
        boxes(1, 6),
        rand(1, 1, 6),
        np.array([2], np.int64),
        np.array([0.4], np.float32),
        np.array([0.5], np.float32),
        dynamic=False,
    ),
    row("NonMaxSuppression", boxes(1, 6), rand(1, 1, 6)),
    row(
        "NonMaxSuppression", boxes(1, 300), rand(1, 2, 300, low=0, high=1), Const(np.array([50], np.int64)), scalar(0.5)
    ),
]
# RoiAlign
ROIS = np.array([[0, 0, 6, 5], [1.5, 2, 4, 9], [-2, -1, 3, 3], [5, 5, 5.5, 5.2]], np.float32)
BATCH = np.array([0, 1, 0, 1], np.int64)
for mode in ("avg", "max"):
    for ratio in (0, 2):
        size = {"output_height": 3, "output_width": 2, "mode": mode, "sampling_ratio": ratio}
        ROWS += [
            row("RoiAlign", rand(2, 3, 8, 9), ROIS, BATCH, opset=16, spatial_scale=0.7, **size),
            row(
                "RoiAlign",
                rand(2, 3, 8, 9),
                ROIS,
                BATCH,
                opset=16,
                coordinate_transformation_mode="output_half_pixel",
                **size,
            ),
            row("RoiAlign", rand(2, 3, 8, 9), ROIS, BATCH, opset=10, **size),
        ]
# GridSample
for mode in ("linear", "nearest", "cubic"):
    for padding in ("zeros", "border", "reflection"):
        for corners in (0, 1):
            how = {"mode": mode, "padding_mode": padding, "align_corners": corners}
            ROWS += [
                row("GridSample", rand(2, 3, 5, 6), rand(2, 4, 3, 2, low=-1.6, high=1.6), opset=20, rtol=1e-4, **how)
            ]
            if mode != "cubic":
                ROWS += [
                    row(
                        "GridSample",
                        rand(1, 2, 3, 4, 5),
                        rand(1, 2, 2, 3, 3, low=-1.4, high=1.4),
                        opset=20,
                        rtol=1e-4,
                        **how,
                    )
                ]
ROWS += [
    row("GridSample", rand(1, 2, 4, 4), rand(1, 3, 3, 2, low=-1, high=1), opset=16, mode="bilinear", rtol=1e-4),
    row("GridSample", rand(1, 2, 4, 4), rand(1, 3, 3, 2, low=-1, high=1), opset=16, mode="bicubic", rtol=1e-4),
    row(
        "GridSample",
        rand(1, 2, 1, 1),
        rand(1, 3, 3, 2, low=-1, high=1),
        opset=16,
        padding_mode="reflection",
        align_corners=1,
    ),
]
THETA = rand(2, 2, 3)
ROWS += [row("AffineGrid", THETA, [2, 3, 4, 5], opset=20, align_corners=a, rtol=1e-5) for a in (0, 1)]
# Col2Im
ROWS += [
    row("Col2Im", rand(1, 5, 5), [5, 5], [1, 5], opset=18),
    row("Col2Im", rand(2, 8, 12), [5, 4], [2, 2], opset=18),
    row("Col2Im", rand(1, 9, 4), [6, 6], [3, 3], opset=18, strides=[2, 2], pads=[0, 0, 0, 0], evaluator=True),
    row("Col2Im", rand(1, 4, 16), [6, 6], [2, 2], opset=18, dilations=[2, 2], evaluator=True),
    row("Col2Im", rand(1, 4, 36), [5, 5], [2, 2], opset=18, pads=[1, 1, 1, 1], evaluator=True),
    row("Col2Im", rand(1, 8, 8), [3, 3, 3], [2, 2, 2], opset=18, evaluator=True),
]


# DeformConv
def deform(x, c_out, kernel, offset_groups=1, group=1, mask=False, bias=False, out=None, **attrs):
    n, c, _, _ = x
    taps = kernel[0] * kernel[1]
    extra = (
        [Const(rand(c_out)) if bias else None, rand(n, offset_groups * taps, *out, low=0, high=1)]
        if mask
        else [Const(rand(c_out))]
        if bias
        else []
    )
    return row(
        "DeformConv",
        rand(*x),
        Const(rand(c_out, c // group, *kernel, low=-1, high=1)),
        rand(n, 2 * offset_groups * taps, *out, low=-2, high=2),
        *extra,
        opset=19,
        group=group,
        evaluator=True,
        rtol=1e-4,
        dynamic=False,
        offset_group=offset_groups,
        **attrs,
    )


ROWS += [
    deform((1, 2, 5, 6), 3, (3, 3), out=(3, 4)),
    deform((2, 4, 6, 6), 4, (3, 3), out=(6, 6), pads=[1, 1, 1, 1], mask=True, bias=True),
    deform((1, 4, 6, 6), 6, (2, 2), 2, 2, out=(5, 5), mask=True),
    deform((1, 4, 7, 7), 2, (3, 3), 4, out=(3, 3), strides=[2, 2], bias=True),
    deform((1, 6, 7, 7), 4, (3, 3), 3, 2, out=(3, 3), dilations=[2, 2]),
]
ROWS += [
    row("CenterCropPad", rand(4, 7, 3), [6, 4, 3], opset=18, evaluator=True),
    row("CenterCropPad", rand(5, 7, 3), [4, 10], opset=18, axes=[1, 0], evaluator=True),
    row("CenterCropPad", rand(5, 6), [2, 9], opset=18, axes=[-1, -2], evaluator=True),
]
