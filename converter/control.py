"""Types of the results of `if` and `loop`, from those of their subgraphs."""
from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from .errors import ConvertError
from .ir import Dim, Graph, Node, Shape, Value

if TYPE_CHECKING:
    from .infer import Infer

Type = tuple[str, Shape]


def _enter(body: Graph, values: list[Value | None]) -> None:
    """Gives the inputs of a subgraph the types of these values, and all that follows from them."""
    for inner, outer in zip(body.inputs, values, strict=True):
        if outer is not None:
            inner.dtype, inner.shape = outer.dtype, outer.shape
    body.refresh()


def branch_types(infer: Infer, node: Node) -> list[Type]:
    """A size on which both branches agree, else a new symbol."""
    for body in node.bodies:
        _enter(body, node.inputs[1:])
    types = []
    for k, (a, b) in enumerate(zip(*(body.outputs for body in node.bodies), strict=True)):
        if a.dtype != b.dtype or a.rank != b.rank:
            raise ConvertError(f"if '{node.name}': its branches give {a.dtype} of rank {a.rank} and {b.dtype} of rank "
                               f"{b.rank} as output {k}; where sizes decide which it is, fix them (--dim NAME=SIZE), "
                               "else export the model so that they agree")
        types.append((a.dtype, tuple(_common(infer, x, y, (node, k, i))
                                     for i, (x, y) in enumerate(zip(a.shape, b.shape, strict=True)))))
    return types


def _common(infer: Infer, a: Dim, b: Dim, key: Hashable) -> Dim:
    return a if a == b and a is not None else infer.fresh(key)


def loop_types(infer: Infer, node: Node) -> list[Type]:
    """Sizes of carried values that an iteration changes become symbols, until no other changes."""
    body, carried, scanned = node.bodies[0], node.attrs["carried"], node.attrs["scanned"]
    first = node.attrs["has_trip"] + node.attrs["has_condition"]
    values = node.inputs[first:]
    shapes = [v.shape for v in values[:carried] if v is not None]
    body.inputs[0].dtype, body.inputs[0].shape = "i64", ()
    for inner, outer in zip(body.inputs[1:], values, strict=True):
        assert outer is not None
        inner.dtype, inner.shape = outer.dtype, outer.shape
        if any(inner is v for v in body.inputs[1 + carried:1 + carried + scanned]):
            inner.shape = outer.shape[1:]
    while True:
        for v, shape in zip(body.inputs[1:], shapes, strict=False):
            v.shape = shape
        body.refresh()
        found = [_next(infer, node, k, shapes[k], body.outputs[1 + k]) for k in range(carried)]
        if found == shapes:
            break
        shapes = found
    finals = [tuple(d if d == before else infer.fresh((node, "final", k, i))
                    for i, (d, before) in enumerate(zip(shapes[k], values[k].shape, strict=True)))
              for k in range(carried)]
    types = [(v.dtype, shape) for v, shape in zip(body.outputs[1:], finals, strict=False)]
    times = _times(infer, node, first, values)
    for k, v in enumerate(body.outputs[1 + carried:]):
        inner = [d is None or isinstance(d, str) and d.startswith("~") for d in v.shape]  # known in the subgraph alone
        slice_ = tuple(infer.fresh((node, "slice", k, i)) if hidden else d
                       for i, (d, hidden) in enumerate(zip(v.shape, inner, strict=True)))
        types.append((v.dtype, (times, *slice_)))
    return types


def _next(infer: Infer, node: Node, k: int, before: Shape, after: Value) -> Shape:
    """The shape of carried value k for all iterations, when one makes `after` of `before`."""
    if len(before) != after.rank:
        raise ConvertError(f"loop '{node.name}': an iteration makes carried value {k} of rank {len(before)} one of "
                           f"rank {after.rank}, which is not supported; export the model so that ranks stay")
    own = [infer.fresh((node, "carried", k, i)) for i in range(len(before))]
    return tuple(b if b == o or b == a and b is not None else o
                 for b, a, o in zip(before, after.shape, own, strict=True))


def _times(infer: Infer, node: Node, first: int, values: list[Value | None]) -> Dim:
    """The number of iterations, when it is known."""
    goes_on = node.bodies[0].outputs[0].const
    if goes_on is None or not goes_on.all() or node.attrs["has_condition"]:
        return infer.fresh((node, "times"))
    if node.attrs["scanned"]:
        scanned = values[node.attrs["carried"]]
        known = None if scanned is None else scanned.shape[0]
        return infer.fresh((node, "times")) if known is None else known
    trip = node.inputs[0].const if node.attrs["has_trip"] and node.inputs[0] is not None else None
    return infer.fresh((node, "times")) if trip is None else max(int(trip.reshape(())), 0)
