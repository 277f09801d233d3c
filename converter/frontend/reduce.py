"""Reductions."""
from __future__ import annotations

from ..ir import Value
from .context import Context, onnx_op

_KINDS = {"ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
          "ReduceSumSquare": "sum_square", "ReduceL1": "l1", "ReduceL2": "l2", "ReduceLogSum": "log_sum",
          "ReduceLogSumExp": "log_sum_exp"}


@onnx_op(*_KINDS)
def reduce(c: Context) -> Value:
    x, kind, keep_dims = c.input(0), _KINDS[c.op], int(bool(c.attr("keepdims")))
    every = 0 if c.attr("noop_with_empty_axes", 0) else (1 << x.rank) - 1
    given = c.opt(1) if "axes" not in c.schema.attributes else None
    if given is not None and given.const is None and given.shape != (0,):
        return c.add("reduce", x, c.ints_value(1), kind=kind, axes=every, keep_dims=keep_dims)
    axes = c.attr("axes") if "axes" in c.schema.attributes else c.const_ints(1) if given is not None and \
        given.const is not None else None
    mask = sum(1 << a for a in c.resolve_axes(axes, x.rank)) if axes else every
    if not mask and kind in ("sum", "mean", "max", "min", "prod"):
        return c.add("identity", x)
    return c.add("reduce", x, kind=kind, axes=mask, keep_dims=keep_dims)
