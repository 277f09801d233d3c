"""Sessions: a model with its shapes, memory and state, run on arrays."""
from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from ._lr import ffi, lib
from .arrays import AnyArray, Buffer, Step, buffer_of, check_array, names_of, step_of, tensor_copy
from .background import RunFuture, Worker
from .binding import Binding
from .errors import ArgumentError, ArgumentTypeError
from .model import Model, Pool, TensorInfo, check_int, check_threads
from .notebook import model_html, signature, steps_html


class Session(Binding):
    """Runs a model. One thread at a time; `cancel` may be called from any.

    model: path or bytes of an .lrm file, or a `Model` that sessions share.
    threads: 1 to 256; None: one per core. pool: a `Pool` to use instead. cpu_mask: see `Model`.
    memory_limit: bytes for activations, scratch and state; 0: no limit. plans: most plans for different input shapes
    that are kept, without their activations (0: 4). keep_all: every tensor keeps its own memory until the next run (for
    comparing layers).

    Raises a subclass of `Error` with one sentence, as all its methods do: `FileError`, `ModelError`, `VersionError`,
    `UnsupportedError` for the file, `ArgumentError` for what is given, `OutOfMemoryError`.
    """

    def __init__(self, model: str | os.PathLike[str] | bytes | bytearray | memoryview | Model,
                 threads: int | None = None, *, cpu_mask: int | None = None, memory_limit: int = 0, plans: int = 0,
                 keep_all: bool = False, pool: Pool | None = None) -> None:
        options = ffi.new("lr_session_options *", {"size": ffi.sizeof("lr_session_options")})
        options.threads = check_threads("session", threads)
        options.memory_limit = check_int("session", "memory_limit", memory_limit, 0, 2**63 - 1)
        options.plans = check_int("session", "plans", plans, 0, 1024)
        options.keep_all = bool(keep_all)
        if pool is not None:
            if threads is not None:
                raise ArgumentError("session: both threads and pool are given; the pool has its own threads")
            if not isinstance(pool, Pool):
                raise ArgumentTypeError(f"session: pool is of type {type(pool).__name__}; give a lite_runtime.Pool")
            options.pool = pool._ptr
        if not isinstance(model, Model):
            model = Model(model, cpu_mask=cpu_mask)
        elif cpu_mask is not None:
            raise ArgumentError("session: cpu_mask is given with a Model; give it to the Model")
        super().__init__(model, options)
        self.inputs: list[TensorInfo] = model.inputs
        """Name, dtype and shape of each input, in the model's order."""
        self.outputs: list[TensorInfo] = model.outputs
        """The same of each output."""
        self.states: list[TensorInfo] = model.states
        """The same of each state: tensors that the session keeps from one run to the next."""
        self.metadata: dict[str, str] = model.metadata
        """The source model's metadata."""
        self._worker: Worker | None = None  # under _life
        self._end_worker: Callable[[], object] = _nothing

    # ---- running ----
    def run(self, feeds: Mapping[str, AnyArray], out: Mapping[str, AnyArray] | None = None,
            timeout: float | None = None, *, trap_nan: bool = False) -> dict[str, np.ndarray]:
        """Runs the model on `feeds` (name to array, all inputs, exact dtypes) and returns all outputs by name.

        An input is a numpy array, a tensor of another library in the CPU's memory (torch, jax: whatever has
        `__dlpack__`), or has the buffer or array interface. It is read where it lies; only what is not contiguous or
        not aligned, or lies on a device, is copied. An input with a new shape resizes the session.

        The returned arrays belong to the caller. out: arrays or tensors to write (some of) the outputs into, without
        a copy; they are contiguous and writeable. What is returned for them are numpy arrays in their memory.
        timeout: seconds. trap_nan: stop at the first step that makes a NaN or an infinity, and name it.

        Raises `ArgumentError` for wrong names and shapes, `ArgumentTypeError` for wrong types and dtypes,
        `TensorValueError` for a value out of range and by trap_nan, `CancelledError` when the time is over or `cancel`
        was called, `OutOfMemoryError`.
        """
        if not self._busy.acquire(False):
            self._refuse("run")
        try:
            if self._ptr is None:
                self._refuse("run")
            options = ffi.NULL
            if timeout is not None or trap_nan:
                options = self._run_options(timeout, trap_nan)
            return self._run(feeds, out, options)
        finally:
            self._busy.release()

    def run_async(self, feeds: Mapping[str, AnyArray], out: Mapping[str, AnyArray] | None = None,
                  timeout: float | None = None, *, trap_nan: bool = False) -> RunFuture:
        """Starts a run in the session's own thread and returns its future; everything else is as in `run`.

        Several runs are done one after the other, in the order of the calls. What `run` would raise, the future's
        `result` does. Until the future is done, the arrays must not change, and other methods may find the session in
        use. `RunFuture.cancel` stops the run inside of the runtime; `close` does that with all that are not done.
        timeout: seconds from the beginning of the run itself.
        """
        feeds = dict(feeds) if isinstance(feeds, Mapping) else feeds
        out = dict(out) if isinstance(out, Mapping) else out

        def work() -> dict[str, np.ndarray]:
            if self._ptr is None:
                self._refuse("run")
            return self._run(feeds, out, self._run_options(timeout, trap_nan))

        future = RunFuture(work, self.cancel, self._busy)
        with self._life:
            if self._ptr is None:
                self._refuse("run_async")
            if self._worker is None:
                self._worker = Worker()
                # also when the session is forgotten, and at exit
                self._end_worker = weakref.finalize(self, self._worker.stop)
            self._worker.submit(future)
        return future

    async def arun(self, feeds: Mapping[str, AnyArray], out: Mapping[str, AnyArray] | None = None,
                   timeout: float | None = None, *, trap_nan: bool = False) -> dict[str, np.ndarray]:
        """`run_async` for asyncio: `outputs = await session.arun(feeds)`. Other tasks go on meanwhile; cancelling the
        task that awaits stops the run."""
        import asyncio

        return await asyncio.wrap_future(self.run_async(feeds, out, timeout, trap_nan=trap_nan))

    def profile(self, feeds: Mapping[str, AnyArray], timeout: float | None = None) -> list[Step]:
        """Runs the model once and returns what each step was and how many nanoseconds it took. Raises as `run`."""
        steps: list[Step] = []
        self.trace(feeds, lambda step, _: steps.append(step), timeout, copy=False)
        return steps

    def trace(self, feeds: Mapping[str, AnyArray], on_step: Callable[[Step, list[np.ndarray | None]], object],
              timeout: float | None = None, *, copy: bool = True) -> dict[str, np.ndarray]:
        """Runs the model and calls on_step(step, arrays) after each step, with copies of the step's outputs (None
        where a tensor is not dense in memory; with `keep_all` each one is). on_step must not use the session; what it
        raises ends the run and comes out of here. copy: False gives None for all. Raises as `run`."""
        self._acquire("trace")
        try:
            failure: list[BaseException] = []

            def forward(c: Any) -> None:
                if failure:
                    return
                try:
                    n = min(c.n_outputs, 8)
                    on_step(step_of(c), [tensor_copy(c.outputs[i]) if copy else None for i in range(n)])
                except BaseException as e:  # it cannot pass through C: end the run and raise afterwards
                    failure.append(e)
                    lib.lr_session_cancel(self._ptr)

            handle = ffi.new_handle(forward)
            options = self._run_options(timeout, False)
            options.on_step, options.user = lib.lr_py_step, handle
            try:
                return self._run(feeds, None, options)
            finally:
                options.on_step, options.user = ffi.NULL, ffi.NULL
                if failure:
                    raise failure[0]
        finally:
            self._busy.release()

    def cancel(self) -> None:
        """Ends the run that is under way, if any, with `CancelledError`, within milliseconds. May be called from any
        thread."""
        with self._life:
            if self._ptr is not None:
                lib.lr_session_cancel(self._ptr)

    # ---- shapes and plan ----
    def resize(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Gives inputs (name to shape) new shapes and plans for them now. `run` does that by itself. Raises
        `ArgumentError` when the model does not take them, `OutOfMemoryError`."""
        self._acquire("resize")
        try:
            ports = {p.name: p for p in self._in}
            for name, shape in shapes.items():
                if name not in ports:
                    raise ArgumentError(f"resize: there is no input '{name}'; {names_of('input', self._in)}")
                dims = [check_int("resize", f"a dim of input '{name}'", d, 0, 2**40) for d in shape]
                if tuple(dims) != ports[name].shape:
                    self._resize(ports[name], tuple(dims))
            self._plan()
        finally:
            self._busy.release()

    def steps(self) -> list[Step]:
        """The steps of the plan for the current shapes, with `ns` 0. Raises `ArgumentError` while a shape is open."""
        self._acquire("steps")
        try:
            self._plan()
            return self._steps()
        finally:
            self._busy.release()

    def buffers(self) -> tuple[list[Buffer], int]:
        """Where each tensor and each step's scratch of the plan for the current shapes lies, and the bytes of the
        plan's memory. (What inner sessions of `if` and `loop` take is not in it.)"""
        self._acquire("buffers")
        try:
            self._plan()
            found: list[Buffer] = []
            c = ffi.new("lr_tool_buffer *")
            while lib.lr_tool_plan_buffer(self._ptr, len(found), c):
                found.append(buffer_of(c))
            return found, int(lib.lr_tool_plan_bytes(self._ptr))
        finally:
            self._busy.release()

    @property
    def memory(self) -> int:
        """Bytes that the session holds for activations, scratch and state."""
        self._acquire("memory")
        try:
            return int(lib.lr_session_memory(self._ptr))
        finally:
            self._busy.release()

    # ---- state ----
    def reset_state(self) -> None:
        """Sets all state tensors to zero."""
        self._acquire("reset_state")
        try:
            lib.lr_session_reset_state(self._ptr)
        finally:
            self._busy.release()

    def state(self, name: str) -> np.ndarray:
        """A copy of a state tensor. Raises `ArgumentError` when there is none of that name."""
        self._acquire("state")
        try:
            return self._state(name).copy()
        finally:
            self._busy.release()

    def set_state(self, name: str, value: AnyArray) -> None:
        """Writes a state tensor; dtype and shape must be equal, else `ArgumentError`."""
        self._acquire("set_state")
        try:
            target = self._state(name)
            a = check_array("set_state", "state", name, value, target.dtype)
            if a.shape != target.shape:
                raise ArgumentError(f"set_state: state '{name}' has the shape {target.shape}, the array {a.shape}")
            target[...] = a
        finally:
            self._busy.release()

    # ---- life ----
    def close(self) -> None:
        """Frees everything; further use is an error. Runs of `run_async` that are not done are cancelled. Closing twice
        is fine; raises `ArgumentError` while another thread is in a call."""
        with self._life:
            worker, self._worker = self._worker, None
        if worker:
            self._end_worker()
        # a worker may still look at a run that was taken back
        if not (self._busy.acquire(timeout=1) if worker else self._busy.acquire(False)):
            self._refuse("close")
        try:
            with self._life:
                ptr, self._ptr = self._ptr, None
                if ptr is not None:
                    ffi.release(ptr)
        finally:
            self._busy.release()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    # ---- how it shows ----
    def __repr__(self) -> str:
        return signature("closed Session" if self._ptr is None else "Session", self.inputs, self.outputs)

    def _repr_html_(self) -> str:
        """For notebooks: inputs, outputs and states, and the steps when there is a plan."""
        html = model_html("closed session" if self._ptr is None else "session", self.inputs, self.outputs, self.states)
        if self._busy.acquire(False):
            try:
                if self._ptr is not None and self._planned:
                    megabytes = lib.lr_session_memory(self._ptr) / 1e6
                    html += steps_html(self._steps()) + f"<p>{megabytes:.2f} MB of activations, scratch and state</p>"
            finally:
                self._busy.release()
        return html


def _nothing() -> None:
    """Ends no worker."""


@ffi.def_extern()
def lr_py_step(user: Any, step: Any) -> None:
    """C calls this after each step of a traced run."""
    ffi.from_handle(user)(step)
