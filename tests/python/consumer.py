"""A user's script, in which `mypy --strict` must find nothing (the step `types` of tools/test.py); a test runs it."""
from __future__ import annotations

import array
import asyncio
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

import lite_runtime
from lite_runtime import AnyArray, Benchmark, Session, Step, TensorInfo


class Tensor:
    """As another library's: it gives its memory by DLPack."""

    def __init__(self, values: npt.NDArray[np.float32]) -> None:
        self.values = values

    def __dlpack__(self, *, stream: object = None, max_version: tuple[int, int] | None = None,
                   dl_device: object = None, copy: bool | None = None) -> object:
        return self.values.__dlpack__(max_version=max_version)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def first(session: Session, x: AnyArray) -> npt.NDArray[np.float32]:
    return session.run({session.inputs[0].name: x}, timeout=60.0)[session.outputs[0].name]


async def twice(session: Session, x: npt.NDArray[np.float32]) -> float:
    one, two = await asyncio.gather(session.arun({"x": x}), session.arun({"x": x}, trap_nan=True))
    return float((one["y"] + two["y"]).sum())


def names(infos: list[TensorInfo], of: Callable[[TensorInfo], str] = lambda t: t.name) -> list[str]:
    return [f"{of(t)} {t.dtype.name} {[d for d in t.shape if isinstance(d, int)]}" for t in infos]


def main(path: str) -> None:
    """path: an .lrm file, y [n] of x [n] in float32."""
    x = np.arange(3, dtype=np.float32)
    y = np.empty(3, np.float32)
    model = lite_runtime.Model(path, cpu_mask=lite_runtime.CPU_PORTABLE)
    with Session(model, pool=lite_runtime.Pool(1), memory_limit=2**20) as session:
        print(names(session.inputs), names(session.outputs), session.metadata.get("key", ""), session.memory)
        for value in (x, Tensor(x), array.array("f", x.tolist()), memoryview(x.tobytes()).cast("f"), x[0:3]):
            print(first(session, value).shape)
        session.run({"x": x}, {"y": y})
        future = session.run_async({"x": x}, out={"y": Tensor(y)})
        done: dict[str, np.ndarray] = future.result(60)
        print(done["y"].sum(), future.cancel(), asyncio.run(twice(session, x)))
        steps: list[Step] = session.profile({"x": x})
        print([(s.op, s.ns, s.outputs[0].shape) for s in steps])
    result: Benchmark = lite_runtime.benchmark(path, {"x": x}, 1, seconds=0.01, against=lambda: y.sum())
    print(f"{result.times.median:.3f} ms", result.versus.ratio if result.versus else None)
    try:
        Session(b"")
    except lite_runtime.Error as e:
        print(e.status.name, e)


if __name__ == "__main__":
    main(sys.argv[1])
