"""Shape arithmetic: vectors of sizes that are known although the whole shape is not."""
from __future__ import annotations

import numpy as np

from .. import symbolic
from ..dtypes import to_numpy
from ..ir import Node, Shape, Value
from ..rewrite import Rewrite, Rule, node_rule
from ..symbolic import elements
from .common import ints, target

INT64_MAX = 2**63 - 1


@node_rule(*symbolic.RULES)
def known_value(r: Rewrite, n: Node) -> Value | None:
    """A vector of sizes whose elements are all known becomes a constant."""
    y = n.outputs[0]
    found = elements(y) if len(n.outputs) == 1 else None
    if found is None or not all(isinstance(e, int) for e in found):
        return None
    return r.const(np.array(found, to_numpy(y.dtype)).reshape(y.shape))


@node_rule("reshape")
def known_reshape(r: Rewrite, n: Node) -> Value | None:
    """A reshape whose sizes are known but for one, or are copied from its input, gets a constant shape."""
    x, shape = n.arg(0), n.arg(1)
    wanted = elements(shape)
    if shape.const is not None or wanted is None:
        return None
    if n.attrs.get("allow_zero", 0) == 0:
        wanted = [x.shape[i] if e == 0 and i < x.rank else e for i, e in enumerate(wanted)]
    found = [0 if isinstance(e, str) and i < x.rank and x.shape[i] == e else e for i, e in enumerate(wanted)]
    if 0 in wanted:  # a size of zero, not a copied one
        return None
    open_places = [i for i, e in enumerate(found) if not isinstance(e, int)]
    if len(open_places) > 1 or (open_places and -1 in found):
        return None
    for i in open_places:
        found[i] = -1
    return r.add("reshape", x, r.const(np.array(found, np.int64)), like=n, allow_zero=0)


@node_rule("expand")
def known_expand(r: Rewrite, n: Node) -> Value | None:
    """An expand to sizes that its input has already: these need not be known."""
    x, shape = n.arg(0), n.arg(1)
    wanted = elements(shape)
    if shape.const is not None or wanted is None:
        return None
    lead = len(wanted) - x.rank
    own = [x.shape[i - lead] if i >= lead else None for i in range(len(wanted))]
    found = [1 if isinstance(e, str) and e == d else e for e, d in zip(wanted, own, strict=True)]
    if not all(isinstance(e, int) for e in found):
        return None
    return r.add("expand", x, r.const(np.array(found, np.int64)), like=n)


@node_rule("slice")
def known_slice(r: Rewrite, n: Node) -> Value | None:
    """A slice up to the size that its input has ends at infinity: the size need not be known."""
    x, ends = n.arg(0), elements(n.arg(2))
    along = ints(n.opt(3)) if n.opt(3) is not None else list(range(len(ends or ())))
    if n.arg(2).const is not None or n.arg(2).dtype != "i64":
        return None
    if ends is None or along is None or len(along) != len(ends):
        return None
    if any(not -x.rank <= a < x.rank for a in along):
        return None
    found = [INT64_MAX if isinstance(e, str) and e == x.shape[a] else e for e, a in zip(ends, along, strict=True)]
    steps = ints(n.opt(4)) if n.opt(4) is not None else [1]
    if not all(isinstance(e, int) for e in found) or steps is None or any(s <= 0 for s in steps):
        return None
    return r.add("slice", x, n.inputs[1], r.const(np.array(found, np.int64)), *n.inputs[3:], like=n)


def reshape_to(r: Rewrite, x: Value, shape: Shape, like: Node) -> Value | None:
    """x reshaped to `shape`, when at most one size is open."""
    found = target(shape)
    if found is None:
        return None
    return r.add("reshape", x, r.const(np.array(found[0], np.int64)), like=None if like.op != "reshape" else like,
                 allow_zero=found[1])


RULES: list[Rule] = [known_value, known_reshape, known_expand, known_slice]
