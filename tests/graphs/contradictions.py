#!/usr/bin/env python3
"""`lite-opt check` against convert and run: what is accepted does not fail later, the words are the same.

usage: contradictions.py [--suite DIR] [--models DIR] [--mutants N] [--pairs N] [--seed S]

--suite: a folder of ONNX backend tests (GROUP/NAME/model.onnx and test_data_set_K). --models: a folder of .onnx files.
--mutants: small graphs with one attribute changed. --pairs: two graphs that are refused, in one model: all that is
wrong with both must be in one message. A contradiction: check accepts and convert refuses or the runtime fails (other
than by a tensor's value, memory, or a size that was not known), check refuses and convert accepts, or words differ.
"""
from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent))
from builder import DTYPES, values  # noqa: E402
from generate import build, convertible  # noqa: E402
from verdict import BY_VALUE, against, fixed, unclear  # noqa: E402
from worker import Died, Feeds, Worker  # noqa: E402

NUMBERS = [0, 1, -1, 2, 3, 7, 64, -2, 255, 65536, 2**31 - 1, 2**31, -(2**31), 2**40, 2**62, -(2**62)]
FLOATS = [0.0, -1.0, 1e30, float("nan"), float("inf"), 1e-40, 0.5]
WORDS = ["", "NOTSET", "linear", "nearest", "cubic", "constant", "SAME_UPPER", "x" * 999, "a\nb", "none", "avg"]


def verdict(worker: Worker, model: onnx.ModelProto, feeds: Feeds | None) -> tuple[str, str]:
    """('ran' | 'refused' | 'value' | 'size' | 'accepted' (not run), '') or ('contradiction' | 'crash', details)."""
    data = model.SerializeToString()
    try:
        checked = worker.ask("check", data)
        how, results = worker.ask("ours", data, [] if feeds is None else [feeds])
        wrong = against(checked, how, results) or (results if how == "failed" else "")
        if wrong:
            return "contradiction", wrong
        if how == "refused":
            odd = unclear(results)
            return ("contradiction", f"{odd}: {results!r}") if odd else ("refused", "")
        if not results or not isinstance(results[0], tuple):
            return ("ran" if results else "accepted"), ""
        kind, message = results[0]
        if kind in BY_VALUE:
            return "value", ""
        if worker.ask("ours", fixed(model, feeds or {}), [])[0] == "refused":
            return "size", ""
    except Died as e:
        return "crash", str(e)
    return "contradiction", f"check accepts, run fails: {kind}: {message}"


# ---- models ----
def of_suite(folder: Path) -> Iterator[tuple[str, onnx.ModelProto, Feeds | None]]:
    """The tests of ONNX's backend suite, with the inputs of their first data set where these are tensors."""
    for path in sorted(folder.glob("*/*/model.onnx")):
        model = onnx.load(path)
        yield "/".join(path.parts[-3:-1]), model, _suite_feeds(model, path.parent / "test_data_set_0")


def _suite_feeds(model: onnx.ModelProto, folder: Path) -> Feeds | None:
    constants = {t.name for t in model.graph.initializer}
    feeds = {}
    for k, i in enumerate(i for i in model.graph.input if i.name not in constants):
        path = folder / f"input_{k}.pb"
        if not i.type.HasField("tensor_type") or not path.exists():
            return None
        tensor = onnx.TensorProto.FromString(path.read_bytes())
        if tensor.data_type == onnx.TensorProto.STRING:
            return None
        feeds[i.name] = numpy_helper.to_array(tensor)
    return feeds


def of_files(folder: Path) -> Iterator[tuple[str, onnx.ModelProto, Feeds | None]]:
    """Models, with random inputs; a size that is not known is 1, a symbol always the same."""
    rng = np.random.default_rng(0)
    types = {helper.np_dtype_to_tensor_dtype(d): d for d in DTYPES.values()}
    for path in sorted(folder.glob("*.onnx")):
        model = onnx.load(path)
        constants = {t.name for t in model.graph.initializer}
        feeds: Feeds | None = {}
        for i in model.graph.input:
            t = i.type.tensor_type
            if i.name in constants or feeds is None:
                continue
            shape = [max(d.dim_value, 1) for d in t.shape.dim]
            known = t.elem_type in types and int(np.prod(shape)) < 10_000_000
            feeds = {**feeds, i.name: values(rng, types[t.elem_type], shape, low=0, high=1)} if known else None
        yield path.name, model, feeds


def graphs(worker: Worker, count: int, seed: int, most: int) -> Iterator[tuple[onnx.ModelProto, Feeds]]:
    """Valid random graphs of at most `most` operators."""
    ops, made, i = convertible(), 0, 0
    while made < count:
        i += 1
        case = build(random.Random(f"{seed} {i}").randint, worker, ops, most)
        if case is not None and any(n.attribute for n in case.model.graph.node):
            made += 1
            yield case.model, case.feeds[0]


def of_mutants(worker: Worker, count: int, seed: int) -> Iterator[tuple[str, onnx.ModelProto, Feeds]]:
    """Graphs in which one attribute is another, of another type, gone, unknown, or given twice."""
    r = random.Random(seed)
    for k, (model, feeds) in enumerate(graphs(worker, count, seed, 3)):
        node = r.choice([n for n in model.graph.node if n.attribute])
        yield f"mutant {k}: {node.op_type}: {mutate(node, r)}", model, feeds


def mutate(node: onnx.NodeProto, r: random.Random) -> str:
    """Changes an attribute of the node; what was done."""
    k = r.randrange(len(node.attribute))
    a, kind = node.attribute[k], r.randrange(10)
    name = a.name
    if kind == 0:
        del node.attribute[k]
        return f"{name} is gone"
    if kind == 1:
        a.name = r.choice(["axes", "axis", "alpha", "mode", "no_such", ""])
        return f"{name} becomes {a.name}"
    if kind == 2:
        node.attribute.append(a)
        return f"{name} twice"
    if kind == 3:
        a.CopyFrom(helper.make_attribute(name, r.choice([1, 2.5, "text", [1, 2], [0.5]])))
    elif a.type == AttributeProto.INT:
        a.i = r.choice(NUMBERS)
    elif a.type == AttributeProto.FLOAT:
        a.f = r.choice(FLOATS)
    elif a.type == AttributeProto.STRING:
        a.s = r.choice(WORDS).encode()
    elif a.type == AttributeProto.INTS:
        if a.ints and r.random() < 0.6:
            a.ints[r.randrange(len(a.ints))] = r.choice(NUMBERS)
        else:
            a.ints.append(r.choice(NUMBERS)) if not a.ints or r.random() < 0.5 else a.ints.pop()
    elif a.type == AttributeProto.TENSOR:
        a.t.data_type = r.choice([0, 1, 6, 7, 8, 10, 16, 99])
    else:
        a.ClearField("g")
    return f"{name} = {str(helper.get_attribute_value(a))[:60]}" if a.type != AttributeProto.GRAPH else f"{name} empty"


def together(a: onnx.ModelProto, b: onnx.ModelProto) -> onnx.ModelProto:
    """Both graphs, side by side, in one model."""
    a, b = onnx.compose.add_prefix(a, "a_"), onnx.compose.add_prefix(b, "b_")
    for part in ("node", "input", "output", "initializer", "value_info"):
        getattr(a.graph, part).extend(getattr(b.graph, part))
    return a


def pairs(worker: Worker, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Verdicts on pairs of refused graphs of one opset: their problems together are the sum of those of both."""
    waiting: dict[int, tuple[onnx.ModelProto, Any]] = {}
    made = 0
    for name, model, _ in of_mutants(worker, 100 * count, seed):
        kind, found = worker.ask("check", model.SerializeToString())
        if kind != "problems":
            continue
        opset = model.opset_import[0].version
        if opset not in waiting:
            waiting[opset] = model, found
            continue
        first, problems = waiting.pop(opset)
        both = worker.ask("check", together(first, model).SerializeToString())[1]
        got = Counter((p["op"], p["node"]) for p in both) if isinstance(both, list) else both
        want = Counter([(p["op"], f"a_{p['node']}") for p in problems] + [(p["op"], f"b_{p['node']}") for p in found])
        yield ("pair", "") if got == want else ("contradiction", f"{name}: {got}, alone {want}")
        made += 1
        if made == count:
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--mutants", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=600, help="for one model")
    parser.add_argument("--save", type=Path)
    a = parser.parse_args()
    ours, references = Worker(a.seconds), Worker()
    total: Counter[str] = Counter()

    def count(source: str, counts: Counter[str]) -> None:
        print(f"{source}: {sum(counts.values())} models: " + ", ".join(f"{n} {v}" for v, n in sorted(counts.items())))
        total.update(counts)

    for source, models in (("suite", of_suite(a.suite) if a.suite else ()),
                           ("models", of_files(a.models) if a.models else ()),
                           ("mutants", of_mutants(references, a.mutants, a.seed) if a.mutants else ())):
        counts: Counter[str] = Counter()
        for k, (name, model, feeds) in enumerate(models):
            kind, why = verdict(ours, model, feeds)
            counts[kind] += 1
            if why:
                print(f"{name}: {kind}: {why}", flush=True)
                if a.save:
                    a.save.mkdir(parents=True, exist_ok=True)
                    onnx.save(model, a.save / f"{source}_{k}.onnx")
        if counts:
            count(source, counts)
    if a.pairs:
        found = list(pairs(references, a.pairs, a.seed))
        for _, why in found:
            if why:
                print(why)
        count("pairs", Counter(kind for kind, _ in found))
    bad = total["contradiction"] + total["crash"]
    print(f"{sum(total.values())} models; {total['contradiction']} contradictions, {total['crash']} crashes")
    ours.close()
    references.close()
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
