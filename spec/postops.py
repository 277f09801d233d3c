"""Opcodes of the post-op program: the one mechanism for epilogues, fused elementwise steps and requantisation.

A program is a list of typed instructions over four registers; each instruction computes one row (or tile) of
elements. It ends with the result in register 0. In an epilogue register 0 starts as the accumulator (x's dtype for
floats, i32 for 8-bit integers); in an `elementwise` node all registers start undefined and every input is an operand.

Encoding in the file (`Node.post`, 32-bit words), per instruction:
  word 0   opcode | dtype << 8 | dst << 16     dst: 0..3
  word 1   a | b << 8 | c << 16                source references, 0 where the opcode has fewer sources
  then one word for each source that is IMM, in order a, b, c.
Source references: 0 none; 1..4 registers 0..3; 16 + k operand k (k < 32); 255 an immediate.
`dtype` is the type of the arithmetic, that is of all sources (for `select`: of b and c, a is bool; for `quantize`:
a and b are f32 and dtype is the result's type, c has that type too; for `cast`: the result's type, the source's type
is what its register or operand has; for `bitshift`, compare and logic: the sources' type).
An immediate is an f32 bit pattern for f16, f32, f64 arithmetic, else an i32 that is sign-extended; for `quantize` a and
b are f32 patterns and c is an i32.
The result has type `dtype`, or bool for opcodes with `result="bool"`.

In an `elementwise` node operand k is input k, broadcast to the output by numpy's rules. In an epilogue operand k is
input (number of the operator's own inputs) + k, broadcast to the output in the same way.
"""
from __future__ import annotations

from dataclasses import dataclass

REG0, OPERAND0, IMM, MAX_OPERANDS, REGISTERS = 1, 16, 255, 32, 4

FLOAT = ("f32", "f16", "f64")
INT = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64")
NUM = FLOAT + INT


@dataclass(frozen=True)
class PostOp:
    code: int
    name: str
    arity: int
    dtypes: tuple[str, ...]
    doc: str
    result: str = ""  # "bool", or "" for dtype


_P = PostOp
POSTOPS = {
    p.name: p
    for p in (
        # moves
        _P(1, "copy", 1, NUM + ("bool",), "y = a"),
        _P(2, "cast", 1, NUM + ("bool",), "y = (dtype)a; float to integer truncates and saturates, NaN gives 0"),
        _P(3, "select", 3, NUM + ("bool",), "y = a ? b : c"),
        _P(4, "quantize", 3, ("i8", "u8", "i16", "u16", "i32"),
           "y = saturate(round_half_even(a / b) + c); a, b f32"),
        # arithmetic
        _P(10, "add", 2, NUM, "y = a + b (integers wrap)"),
        _P(11, "sub", 2, NUM, "y = a - b (integers wrap)"),
        _P(12, "mul", 2, NUM, "y = a * b (integers wrap)"),
        _P(13, "div", 2, NUM, "y = a / b; integers truncate; integer division by zero is a VALUE error"),
        _P(14, "mod", 2, NUM, "remainder with the sign of b (floor); integer b == 0 is a VALUE error"),
        _P(15, "fmod", 2, NUM, "remainder with the sign of a (C fmod)"),
        _P(16, "pow", 2, NUM, "y = a to the power b"),
        _P(17, "min", 2, NUM, "y = min(a, b); NaN wins"),
        _P(18, "max", 2, NUM, "y = max(a, b); NaN wins"),
        _P(19, "clip", 3, NUM, "y = min(max(a, b), c); NaN in a stays"),
        _P(20, "neg", 1, NUM, "y = -a"),
        _P(21, "abs", 1, NUM, "y = |a|"),
        _P(22, "sign", 1, NUM, "y = -1, 0 or 1"),
        # comparison and logic
        _P(30, "equal", 2, NUM + ("bool",), "a == b", "bool"),
        _P(31, "less", 2, NUM, "a < b", "bool"),
        _P(32, "less_equal", 2, NUM, "a <= b", "bool"),
        _P(33, "greater", 2, NUM, "a > b", "bool"),
        _P(34, "greater_equal", 2, NUM, "a >= b", "bool"),
        _P(35, "and", 2, ("bool",), "a && b", "bool"),
        _P(36, "or", 2, ("bool",), "a || b", "bool"),
        _P(37, "xor", 2, ("bool",), "a != b", "bool"),
        _P(38, "not", 1, ("bool",), "!a", "bool"),
        _P(39, "bit_and", 2, INT, "a & b"),
        _P(40, "bit_or", 2, INT, "a | b"),
        _P(41, "bit_xor", 2, INT, "a ^ b"),
        _P(42, "bit_not", 1, INT, "~a"),
        _P(43, "shift_left", 2, INT, "a << b; b >= the width gives 0"),
        _P(44, "shift_right", 2, INT, "a >> b; b >= the width gives 0 (-1 for negative a)"),
        _P(45, "is_nan", 1, FLOAT, "a is NaN", "bool"),
        _P(46, "is_inf", 3, FLOAT, "a is infinite; b != 0: count +inf, c != 0: count -inf", "bool"),
        # functions of one float
        _P(60, "sqrt", 1, FLOAT, "square root"),
        _P(61, "reciprocal", 1, FLOAT, "1 / a"),
        _P(62, "exp", 1, FLOAT, "e to the a"),
        _P(63, "log", 1, FLOAT, "natural logarithm"),
        _P(64, "floor", 1, FLOAT, "largest integer <= a"),
        _P(65, "ceil", 1, FLOAT, "smallest integer >= a"),
        _P(66, "round", 1, FLOAT, "nearest integer, halves to even"),
        _P(67, "sin", 1, FLOAT, "sine"),
        _P(68, "cos", 1, FLOAT, "cosine"),
        _P(69, "tan", 1, FLOAT, "tangent"),
        _P(70, "asin", 1, FLOAT, "arc sine"),
        _P(71, "acos", 1, FLOAT, "arc cosine"),
        _P(72, "atan", 1, FLOAT, "arc tangent"),
        _P(73, "sinh", 1, FLOAT, "hyperbolic sine"),
        _P(74, "cosh", 1, FLOAT, "hyperbolic cosine"),
        _P(75, "asinh", 1, FLOAT, "inverse hyperbolic sine"),
        _P(76, "acosh", 1, FLOAT, "inverse hyperbolic cosine"),
        _P(77, "atanh", 1, FLOAT, "inverse hyperbolic tangent"),
        _P(78, "erf", 1, FLOAT, "error function"),
        # activations
        _P(90, "relu", 1, NUM, "max(a, 0); NaN stays"),
        _P(91, "sigmoid", 1, FLOAT, "1 / (1 + exp(-a))"),
        _P(92, "tanh", 1, FLOAT, "hyperbolic tangent"),
        _P(93, "leaky_relu", 2, FLOAT, "a >= 0 ? a : b * a (also PReLU: b may be an operand)"),
        _P(94, "hard_sigmoid", 3, FLOAT, "clip(b * a + c, 0, 1)"),
        _P(95, "hard_swish", 1, FLOAT, "a * clip(a / 6 + 0.5, 0, 1)"),
        _P(96, "silu", 1, FLOAT, "a * sigmoid(a)"),
        _P(97, "gelu", 1, FLOAT, "a * (1 + erf(a / sqrt 2)) / 2"),
        _P(98, "gelu_tanh", 1, FLOAT, "a * (1 + tanh(sqrt(2 / pi) (a + 0.044715 a^3))) / 2"),
        _P(99, "elu", 2, FLOAT, "a >= 0 ? a : b (exp(a) - 1)"),
        _P(100, "selu", 3, FLOAT, "c * (a > 0 ? a : b (exp(a) - 1)), b alpha, c gamma"),
        _P(101, "celu", 2, FLOAT, "max(0, a) + min(0, b (exp(a / b) - 1))"),
        _P(102, "softplus", 1, FLOAT, "log(1 + exp(a))"),
        _P(103, "softsign", 1, FLOAT, "a / (1 + |a|)"),
        _P(104, "mish", 1, FLOAT, "a * tanh(softplus(a))"),
        _P(105, "thresholded_relu", 2, FLOAT, "a > b ? a : 0"),
        _P(106, "shrink", 3, NUM, "a < -b ? a + c : a > b ? a - c : 0"),
    )
}
