"""Trees of elementwise nodes become one `elementwise` node with a program: what is between stays in the cache.

Two nodes are one where the first is read by the second alone and has the shape of its result, so that nothing is
computed twice. Each merge is an application of its own. A program's steps form a graph (a step that is read twice is
computed once); `_schedule` puts them in an order that needs few registers, after Sethi and Ullman, "The Generation of
Optimal Code for Arithmetic Expressions" (1970), and gives up when four are not enough.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...spec.postops import MAX_OPERANDS, POSTOPS, REGISTERS
from ..ir import ACC, Node, Post, Reg, Value
from ..lower.encode import arithmetic, immediate, source_dtypes
from ..rewrite import Rewrite, Rule, node_rule, vanishes_with
from .common import same_shape

MAX_STEPS = 48


@dataclass(eq=False)
class _Step:
    """One instruction; args: steps, operands or numbers."""

    op: str
    args: tuple[Any, ...]
    dtype: str


def _program(n: Node) -> _Step | None:
    """The last step of a node's program, None when it has none."""
    if n.op in POSTOPS:
        return _single(n)
    registers: dict[int, _Step] = {}
    for p in n.post:
        args = (registers[0] if a is ACC else registers[a.index] if isinstance(a, Reg) else a for a in p.args)
        registers[p.dst] = _Step(p.op, tuple(args), p.dtype)
    return registers.get(0)


def _single(n: Node) -> _Step | None:
    dtype, rank = arithmetic(n), n.outputs[0].rank
    args: list[Any] = []
    for v, wanted in zip(n.inputs, source_dtypes(n.op, dtype), strict=False):
        if v is None:
            return None
        number = v.const.reshape(()).item() if v.const is not None and v.const.size == 1 else None
        plain = number is not None and n.op != "cast" and v.dtype == wanted and v.rank <= rank
        args.append(number if plain and immediate(number, wanted) is not None else v)
    return _Step(n.op, tuple(args), dtype) if any(isinstance(a, Value) for a in args) else None


def _with(step: _Step, operand: Value, by: _Step, made: dict[int, _Step]) -> _Step:
    """A copy of the program in which a step stands for an operand."""
    if id(step) not in made:
        args = (by if a is operand else _with(a, operand, by, made) if isinstance(a, _Step) else a for a in step.args)
        made[id(step)] = _Step(step.op, tuple(args), step.dtype)
    return made[id(step)]


def _all_steps(step: _Step, seen: dict[int, _Step]) -> dict[int, _Step]:
    """All steps by id, each after those that it reads."""
    if id(step) not in seen:
        for a in step.args:
            if isinstance(a, _Step):
                _all_steps(a, seen)
        seen[id(step)] = step
    return seen


def _schedule(root: _Step) -> list[Post] | None:
    """The program as steps on registers, its result in register 0; None when it needs more than there are."""
    steps = _all_steps(root, {})
    readers = {k: sum(a is s for t in steps.values() for a in {id(b): b for b in t.args}.values())
               for k, s in steps.items()}
    need: dict[int, int] = {}
    for k, s in steps.items():
        below = sorted({id(a): need[id(a)] for a in s.args if isinstance(a, _Step)}.values(), reverse=True)
        need[k] = max([1, *(n + i for i, n in enumerate(below))])
    posts: list[Post] = []
    place: dict[int, int] = {}  # register of a step
    free = list(range(REGISTERS))

    def emit(s: _Step) -> bool:
        below = list({id(a): a for a in s.args if isinstance(a, _Step)}.values())
        for a in sorted(below, key=lambda a: -need[id(a)]):
            if id(a) not in place and not emit(a):
                return False
        for a in below:
            readers[id(a)] -= 1
            if not readers[id(a)]:
                free.append(place[id(a)])
        if not free:
            return False
        place[id(s)] = 0 if s is root else min(free)
        if place[id(s)] in free:
            free.remove(place[id(s)])
        args = (_register(place[id(a)]) if isinstance(a, _Step) else a for a in s.args)
        posts.append(Post(s.op, tuple(args), s.dtype, place[id(s)]))
        return True

    return posts if emit(root) else None


def _register(k: int) -> Any:
    return Reg(k) if k else ACC


def _operands(root: _Step) -> list[Value]:
    values = [a for s in _all_steps(root, {}).values() for a in s.args if isinstance(a, Value)]
    return list({id(v): v for v in values}.values())


def _is_shape(v: Value) -> bool:
    """Whether a value may be a part of shape arithmetic, which symbolic.py follows node by node."""
    return v.rank <= 1 and v.dtype in ("i32", "i64")


@node_rule("elementwise", *POSTOPS)
def elementwise_chain(r: Rewrite, n: Node) -> Value | None:
    """An elementwise node and one that makes an operand for it alone, of the result's shape, are one program."""
    y = n.outputs[0]
    if _is_shape(y) or not any(_feeds(v) for v in (*n.inputs, *(a for p in n.post for a in p.args))):
        return None
    root = _program(n)
    for v in _operands(root) if root else []:
        p = v.node
        if root is None or p is None or not _feeds(v) or _is_shape(v) or not same_shape(v.shape, y.shape) or \
                not vanishes_with(r.graph, v, n):
            continue
        inner = _program(p)
        merged = _with(root, v, inner, {}) if inner else None
        if merged is None or len(_all_steps(merged, {})) > MAX_STEPS or len(_operands(merged)) > MAX_OPERANDS:
            continue
        posts = _schedule(merged)
        if posts is not None:
            r.cover(p)
            return r.add("elementwise", like=None, post=posts)
    return None


def _feeds(v: object) -> bool:
    return isinstance(v, Value) and v.node is not None and (v.node.op == "elementwise" or v.node.op in POSTOPS)


RULES: list[Rule] = [elementwise_chain]
