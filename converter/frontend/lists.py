"""Sequences of tensors. They exist while importing only: the runtime has tensors."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..ir import Value


@dataclass(eq=False)
class TensorList(Value):
    """A sequence: its tensors `items`, or the slices of `stacked` along axis 0, which are all of one size.

    In the body of a loop that carries it, `open` is the index of the carried value: tensors that are not known come
    first, then those in `items`, which the iteration has appended.
    """

    items: list[Value] = field(default_factory=list)
    stacked: Value | None = None
    open: int = -1

    def mapped(self, f: Callable[[Value], Value]) -> TensorList:
        """The same with f of each tensor."""
        return tensor_list([f(v) for v in self.items], None if self.stacked is None else f(self.stacked), self.open)


def tensor_list(items: list[Value], stacked: Value | None = None, open: int = -1) -> TensorList:  # noqa: A002
    """A list without a name."""
    return TensorList("", "sequence", (), items=items, stacked=stacked, open=open)
