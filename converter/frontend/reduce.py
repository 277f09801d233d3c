"""Reductions."""
from __future__ import annotations

from ..ir import Value
from .context import Context, onnx_op

_KINDS = {"ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
          "ReduceSumSquare": "sum_square", "ReduceL1": "l1", "ReduceL2": "l2", "ReduceLogSum": "log_sum",
          "ReduceLogSumExp": "log_sum_exp"}


@onnx_op(*_KINDS)
def reduce(c: Context) -> Value:
    x = c.input(0)
    axes = c.const_ints(1) if "axes" not in c.schema.attributes else c.attr("axes")
    if not axes:
        axes = [] if c.attr("noop_with_empty_axes", 0) else list(range(x.rank))
    kind = _KINDS[c.op]
    mask = sum(1 << a for a in c.resolve_axes(axes, x.rank))
    if not mask and kind in ("sum", "mean", "max", "min", "prod"):
        return c.add("identity", x)
    return c.add("reduce", x, kind=kind, axes=mask, keep_dims=int(bool(c.attr("keepdims"))))
