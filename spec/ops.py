"""Every operator of the file format, once.

Read by tools/gen.py at build time (C enum, attribute structs, name table, dispatch table) and by the converter at run
time (checks, writer, docs). Codes are given by hand and never reused.

`inputs` / `outputs`: names in order; `b?` may be absent (index -1 in the file), `x*` stands for one or more (last
only).
`post`: the node may carry a post-op program (see postops.py) whose operands are the inputs after the operator's own;
a node whose own optional inputs are absent still keeps their places (-1) when operands follow.
Attributes are 32-bit words in the file, in the order given here; trailing words equal to their defaults are trimmed.
Axes are counted from the front and never negative in the file (the frontend resolves them); ranks are at most 8.
Images are N H W C (rank 4) or N W C (rank 3): channels last.
"""
from __future__ import annotations

from dataclasses import dataclass

MAX_RANK = 8
MAX_DIM = 2**31 - 1  # of a tensor whose size the file says


@dataclass(frozen=True)
class Attr:
    name: str
    type: str  # "i32", "u32", "f32" or "enum"
    default: float | int
    doc: str
    values: tuple[str, ...] = ()  # names of an enum, coded 0, 1, ...


@dataclass(frozen=True)
class Op:
    code: int
    name: str
    inputs: str
    outputs: str
    attrs: tuple[Attr, ...]
    doc: str
    post: bool = False

    @property
    def n_in(self) -> int:
        """Number of the operator's own inputs, -1 when variadic."""
        return -1 if "*" in self.inputs else len(self.inputs.split())

    @property
    def n_out(self) -> int:
        """Number of outputs, -1 when variadic."""
        return -1 if "*" in self.outputs else len(self.outputs.split())


def I(name: str, default: int, doc: str) -> Attr:  # noqa: E743
    return Attr(name, "i32", default, doc)


def U(name: str, default: int, doc: str) -> Attr:
    return Attr(name, "u32", default, doc)


def F(name: str, default: float, doc: str) -> Attr:
    return Attr(name, "f32", default, doc)


def E(name: str, doc: str, *values: str) -> Attr:
    return Attr(name, "enum", 0, doc, values)


_WINDOW = (
    I("stride_h", 1, "1 to 4096"), I("stride_w", 1, "1 to 4096"),
    I("pad_top", 0, "0 to 65536"), I("pad_left", 0, ""), I("pad_bottom", 0, ""), I("pad_right", 0, ""),
    I("dilation_h", 1, "1 to 4096"), I("dilation_w", 1, "1 to 4096"),
    E("auto_pad", "same_*: pads follow from the input's size, pad_* are ignored",
      "explicit", "same_upper", "same_lower"),
)
_CONV = _WINDOW + (
    I("groups", 1, "divides input and output channels"),
    I("x_zero", 0, "zero point of integer x (also the padding value)"),
    I("w_zero", 0, "zero point of integer w"),
)
_ACTS = ("none", "relu", "clip", "hard_swish", "silu")
_RESIDUAL = _WINDOW + (
    E("expand_act", "after the first stage; clip: to [expand_lo, expand_hi]", *_ACTS),
    F("expand_lo", 0, ""), F("expand_hi", 0, ""),
    E("depthwise_act", "after the second stage", *_ACTS), F("depthwise_lo", 0, ""), F("depthwise_hi", 0, ""),
)
_POOL = (I("kernel_h", 1, "1 to 65536"), I("kernel_w", 1, "1 to 65536")) + _WINDOW + (
    U("ceil_mode", 0, "1: output sizes round up"),
)

_SCATTER = E("reduction", "how the update and the element become the new one", "none", "add", "mul", "min", "max")

_ACTIVATIONS = ("sigmoid", "tanh", "relu", "affine", "leaky_relu", "thresholded_relu", "scaled_tanh", "hard_sigmoid",
                "elu", "softsign", "softplus")


def _activation(name: str) -> tuple[Attr, ...]:
    return (E(name, "activation", *_ACTIVATIONS), F(f"{name}_alpha", 0, ""), F(f"{name}_beta", 0, ""))


OPS = {
    o.name: o
    for o in (
        Op(1, "elementwise", "x*", "y", (), "y = program(x...) with numpy broadcasting; see postops.py", post=True),
        Op(2, "conv", "x w b?", "y", _CONV,
           "Convolution. x [N H W C] or [N W C]; w [O kh kw C/groups] or [O kw C/groups]; b [O]. f32 (w may be f16), "
           "f16, or i8/u8 x with i8 w and i32 b and accumulator", post=True),
        Op(3, "conv_transpose", "x w b?", "y", _CONV + (I("output_pad_h", 0, ""), I("output_pad_w", 0, "")),
           "Transposed convolution. w [O kh kw C/groups] where O counts all groups; dtypes as conv", post=True),
        Op(4, "matmul", "a b c?", "y",
           (U("trans_a", 0, "a is [... K M]"), U("trans_b", 0, "b is [... N K]"),
            I("a_zero", 0, "zero point of integer a"), I("b_zero", 0, "zero point of integer b")),
           "y[... M N] = a[... M K] b[... K N] + c[N]; leading dims broadcast; both ranks >= 2. f32 (b may be f16), "
           "f16, i8/u8 with i32 c and accumulator, or f64, i32, u32, i64, u64", post=True),
        Op(5, "max_pool", "x", "y", _POOL, "Maximum over a window; padding never wins"),
        Op(6, "avg_pool", "x", "y",
           _POOL + (E("divisor", "inside: the pixels in the image; padded: those in its padding too; one: a sum",
                      "inside", "padded", "one"),),
           "Mean over a window"),
        Op(7, "reduce", "x axes?", "y",
           (E("kind", "", "sum", "mean", "max", "min", "prod", "sum_square", "l1", "l2", "log_sum", "log_sum_exp"),
            U("axes", 0, "bit mask of reduced axes, when the input axes is absent or empty; 0: reduce nothing"),
            U("keep_dims", 1, "")),
           "Reduction over axes (input: i32/i64 vector, negative values count from the end)"),
        Op(8, "softmax", "x", "y", (I("axis", 0, ""), U("log", 0, "1: log-softmax")), "Softmax over one axis"),
        Op(9, "layer_norm", "x scale? bias?", "y",
           (I("axis", 0, "first normalised axis"), F("epsilon", 1e-5, ""), E("kind", "", "layer", "rms")),
           "Normalisation over axes axis..rank-1; scale and bias have the shape of those axes"),
        Op(10, "transpose", "x", "y", (U("perm", 0, "4 bits an axis: y's axis i is x's axis (perm >> 4 i) & 15"),),
           "Permutes axes"),
        Op(11, "reshape", "x shape", "y", (U("allow_zero", 0, "1: 0 means zero, not copy"),),
           "shape: i64 [rank]; 0 copies x's dim, one -1 is inferred"),
        Op(12, "squeeze", "x axes?", "y",
           (U("axes", 0, "bit mask of x's axes to drop, when the input axes is absent"),
            U("not_one", 0, "bit mask of kept axes that must not have size 1")),
           "Drops axes of size 1 (input: i32/i64 vector, negative values count from the end)"),
        Op(13, "unsqueeze", "x axes?", "y", (U("axes", 0, "bit mask of y's axes that are new, when axes is absent"),),
           "Adds axes of size 1 (input: i32/i64 vector, negative values count from y's end)"),
        Op(14, "flatten", "x", "y", (I("axis", 1, ""),),
           "To two dims: product of dims before axis, product of the rest"),
        Op(15, "concat", "x*", "y", (I("axis", 0, ""),), "Joins along one axis; dtypes equal"),
        Op(16, "slice", "x starts ends axes? steps?", "y", (),
           "ONNX Slice: i64 vectors; negative values count from the end, out of range clamps"),
        Op(17, "gather", "x indices", "y", (I("axis", 0, ""),), "i32/i64 indices, negative counts from the end"),
        Op(18, "shape", "x", "y", (I("start", 0, ""), I("end", 2**31 - 1, "")), "x's dims start..end-1 as i64 [n]"),
        Op(19, "expand", "x shape", "y", (), "Broadcasts x with shape (i64 [rank]) in both directions"),
        Op(20, "pad", "x pads value? axes?", "y", (E("mode", "", "constant", "reflect", "edge", "wrap"),),
           "pads: i64 [2 n], begins then ends, negative crops; axes: i64 [n] says which axes they are of, absent: "
           "all; value: scalar of x's dtype"),
        Op(21, "resize", "x scales? sizes? roi?", "y",
           (E("mode", "", "nearest", "linear", "cubic"),
            E("coordinates", "", "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel",
              "half_pixel_symmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"),
            E("nearest", "by_scale: ceil where it shrinks, else floor", "round_prefer_floor", "round_prefer_ceil",
              "floor", "ceil", "by_scale"),
            F("cubic_a", -0.75, ""), U("exclude_outside", 0, ""),
            U("antialias", 0, "1: where it shrinks, linear and cubic filters are as wide as an output is"),
            F("extrapolation", 0, "of what lies outside of x, with tf_crop_and_resize")),
           "scales: f32 [rank], sizes: i64 [rank] or both (then sizes are y's, coordinates follow from scales), for "
           "each axis of x in x's own order; roi: f32 [2 rank], starts then ends, with tf_crop_and_resize"),
        Op(22, "split", "x sizes?", "y*", (I("axis", 0, ""),),
           "sizes: i64 [outputs], else equal parts (the last one smaller)"),
        Op(23, "identity", "x", "y", (), "y = x"),
        Op(24, "custom", "x*", "y*", (), "The user's callback, found by Node.custom_name; data in Node.custom_data"),
        Op(25, "delegate", "x*", "y*", (), "Subgraph for an accelerator; run on the CPU when no device takes it"),
        Op(26, "inverted_residual", "x w1 b1? w2 b2? w3 b3?", "y", _RESIDUAL,
           "Three convolutions in f32: w1 [E 1 1 C] expands x, w2 [E kh kw 1] is depthwise with the window of the "
           "attributes (its padding is zeros of the expanded tensor), w3 [O 1 1 E] projects; E >= 2; ranks and w as "
           "conv", post=True),
        Op(27, "attention", "q k v mask?", "y",
           (F("scale", 1.0, ""), E("y_layout", "heads_last: y is [... S H E], H the last leading dim",
                                   "heads_first", "heads_last")),
           "y[... S E] = softmax over T (scale q[... S D] k[... T D]^T + mask[... S T]) v[... T E]; leading dims "
           "broadcast, and mask's S and T may be 1. f32"),
        Op(28, "arg_reduce", "x", "y",
           (E("kind", "", "max", "min"), I("axis", 0, ""), U("keep_dims", 1, ""),
            U("last", 0, "1: the last of equal elements, else the first")),
           "Index (i64) of the largest or smallest element along an axis; a NaN counts as that element"),
        Op(29, "cumulative", "x axis?", "y",
           (E("kind", "", "sum", "prod"), I("axis", 0, "when the input axis is absent"),
            U("exclusive", 0, "1: without the element itself"), U("reverse", 0, "1: from the end")),
           "Sums or products of all elements up to each one (input axis: i32/i64 [1]). f32, f64, f16, i32, u32, i64, "
           "u64"),
        Op(30, "top_k", "x k", "values indices", (I("axis", 0, ""), U("smallest", 0, "1: the smallest")),
           "The k (i64 [1]) largest elements along an axis and their indices (i64), in order; of equal ones the "
           "first come first, NaN is the largest"),
        Op(31, "non_zero", "x", "indices count", (),
           "indices: i64 [rank N], the coordinates of elements that are not 0, in row-major order, then zeros; "
           "count: i64 [1], how many there are"),
        Op(32, "unique", "x", "y indices inverse counts count",
           (I("axis", 0, "slices along it are compared"),
            U("sorted", 0, "1: in ascending order, else by first occurrence")),
           "The different slices y, where each comes first (indices), which one each slice of x is (inverse), how "
           "often each comes (counts), all i64 [N]; y, indices and counts are padded, count (i64 [1]) says to how "
           "many"),
        Op(33, "range", "start limit delta", "y", (),
           "start, start + delta, ... before limit; scalars of one dtype: f32, f64, i16, i32, i64"),
        Op(34, "bit_cast", "x", "y", (U("to", 0, "code of y's dtype, whose elements are as large"),),
           "The same bytes as another dtype; not bool"),
        Op(35, "det", "x", "y", (), "Determinants of the matrices [... M M]; f32, f64"),
        Op(36, "gather_elements", "x indices", "y", (I("axis", 0, ""),),
           "y[i, j, ...] = x[i, indices[i, j, ...], ...] where the index is along the axis; i32/i64, negative counts "
           "from the end"),
        Op(37, "gather_nd", "x indices", "y", (I("batch_dims", 0, "leading dims that x and indices share"),),
           "Slices of x at the coordinates in the last dim of indices (i32/i64, negative counts from the end)"),
        Op(38, "scatter_elements", "x indices updates", "y", (I("axis", 0, ""), _SCATTER),
           "x with y[i, indices[i, j, ...], ...] = updates[i, j, ...], in order where an element is hit twice"),
        Op(39, "scatter_nd", "x indices updates", "y", (_SCATTER,),
           "x with the slices at the coordinates in the last dim of indices replaced by updates, in order"),
        Op(40, "non_max_suppression", "boxes scores max_output iou? score?", "selected count",
           (U("center", 0, "1: boxes are x, y of the centre, width, height; 0: two corners y, x"),),
           "Of boxes [B N 4] and scores [B C N], f32: for each batch and class the best ones (at most max_output, "
           "i64 [1]) that score above `score` and overlap none selected before by more than `iou` (f32 scalars). "
           "selected: i64 [n 3] of batch, class, box, padded with zeros; count: i64 [1]"),
        Op(41, "roi_align", "x rois batch", "y",
           (E("mode", "", "avg", "max"), U("half_pixel", 0, "1: rois are shifted by half a pixel"),
            I("height", 1, "of y, 1 to 4096"), I("width", 1, ""),
            I("sampling", 0, "points of a bin along an axis; 0: adaptive"),
            F("scale", 1.0, "from the rois' units to pixels")),
           "y [R height width C] from x [N H W C], rois [R 4] (x1 y1 x2 y2) of the images batch (i64 [R]); f32"),
        Op(42, "grid_sample", "x grid", "y",
           (E("mode", "", "linear", "nearest", "cubic"), E("padding", "", "zeros", "border", "reflection"),
            U("align_corners", 0, "1: -1 and 1 are the centres of corner pixels, 0: the corners of the image")),
           "y [N ... C] from x [N H W C] or [N D H W C] at the points of grid [N ... 2] (x y) or [N ... 3] (x y z); "
           "f32"),
        Op(43, "col2im", "x image block strides dilations pads", "y", (),
           "y [N C image...] is the sum of the blocks x [N C*block L], which lie at L places of the padded image; "
           "f32; i64 vectors, pads begins then ends"),
        Op(44, "deform_columns", "x offset mask?", "y",
           (I("kernel_h", 1, "1 to 4096"), I("kernel_w", 1, ""), *_WINDOW[:8], I("groups", 1, ""),
            I("offset_groups", 1, "")),
           "Inputs of a deformable convolution: y [N OH OW groups*kh*kw*C/groups] holds x [N H W C] at the taps, "
           "moved by offset [N OH OW offset_groups*kh*kw*2] (y x) and scaled by mask [N OH OW offset_groups*kh*kw]; "
           "f32"),
        Op(45, "max_pool_indices", "x", "y",
           (*_POOL, U("column_major", 0, "1: as if the image were stored by columns")),
           "Where in the tensor [N C H W] or [N C W] each result of max_pool comes from; i64"),
        Op(51, "tile", "x repeats", "y", (), "x repeated along each axis; repeats: i32/i64 [rank]"),
        Op(54, "recurrent", "x r b? lengths? h? c? p? r_scale? r_zero?", "y h_last c_last",
           (E("cell", "", "lstm", "gru", "rnn"), U("reverse", 0, "1: from the last step to the first"),
            U("linear_before_reset", 0, "gru, 1: the reset gate scales (h r^T + b), 0: it scales h"),
            U("input_forget", 0, "lstm, 1: the forget gate is 1 - the input gate"),
            F("clip", 0, "limit of the activations' inputs; 0: none"),
            *_activation("f"), *_activation("g"), *_activation("h")),
           "A recurrent layer in one direction; y [S B H]. x [S B G*H] are the inputs' shares of the gates, which a "
           "matmul makes; r [G*H H], b [G*H]: recurrent weights (may be f16) and bias; gates as in ONNX (lstm: i o f "
           "c, G 4; gru: z r h, G 3; rnn: G 1), rnn has the activation f alone; lengths: i32 [B]; h, c [B H]: initial "
           "states; p [3*H]: peepholes i o f. y is 0 behind a length; the last states are [B H], c_last [0 H] unless "
           "lstm. f32; or r i8 or u8 for (r - r_zero) r_scale (f32 and i32 [G*H]) with lstm: each step makes u8 of the "
           "states by their range"),
        Op(57, "if", "condition values*", "y*", (),
           "The outputs of the first subgraph when condition (bool, one element) is true, else of the second; both "
           "have the values as inputs"),
        Op(58, "loop", "values*", "y*",
           (I("carried", 0, "number of values that go from one iteration to the next"),
            I("scanned", 0, "number of values of which an iteration sees one slice along axis 0"),
            U("has_trip", 0, "1: values start with the number of iterations, an i64 scalar"),
            U("has_condition", 0, "1: then comes a bool scalar, whether to begin at all")),
           "Runs its subgraph again and again. values: [trip], [condition], carried, scanned, captured; the "
           "subgraph's inputs: iteration (i64 scalar), carried, slices, captured; its outputs: condition (bool "
           "scalar: go on), carried, and more, which y has stacked along a new axis 0 behind the carried ones"),
        Op(59, "dft", "x length? axis?", "y",
           (I("axis", 0, "not the last one; when the input axis is absent"),
            U("inverse", 0, "1: divided by the length"), U("onesided", 0, "1: real signals have half a spectrum")),
           "Discrete Fourier transforms along an axis; the last dim is 1 for real numbers, 2 for complex ones. length: "
           "i32/i64 [1] of a transform, 1 to 2^22; x is cut or padded with zeros to it. onesided: y has length / 2 + 1 "
           "numbers of real x, inverse: real y is made of that many of x (length without the input: 2 (n - 1)). axis: "
           "i32/i64 [1], negative counts from the end. f32, f64"),
        Op(60, "stft", "x step window? length?", "y",
           (U("onesided", 0, "1: the first length / 2 + 1 numbers of each spectrum"),),
           "Fourier transforms of frames: y [B F N 2] from x [B L 1] or [B L 2], frame f begins at sample f step and "
           "is multiplied by window [length]; step, length: i32/i64 [1]. length is the window's without the input, or "
           "L; F = (L - length) / step + 1. f32, f64"),
    )
}
BY_CODE = {o.code: o for o in OPS.values()}
