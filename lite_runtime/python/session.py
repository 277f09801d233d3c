"""Sessions: a model with its shapes, memory and state, run on numpy arrays."""
from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from ._lr import ffi, lib
from .arrays import Buffer, Step, buffer_of, check_array, check_shape, names_of, step_of, tensor_copy, tensor_view
from .errors import ArgumentError, ArgumentTypeError, OutOfMemoryError, call, new_error, raise_status
from .model import INPUT, OUTPUT, STATE, Model, Pool, TensorInfo, check_int, check_threads

_READY = 0x101  # bits of flags.num: C-contiguous and aligned


class _Port:
    """An input or output. shape: the one that C has now, None when that is not known before a run."""

    __slots__ = ("dtype", "index", "name", "shape")

    def __init__(self, index: int, info: TensorInfo) -> None:
        self.index, self.name, self.dtype = index, info.name, info.dtype
        self.shape: tuple[int, ...] | None = None


class Session:
    """Runs a model. One thread at a time; `cancel` may be called from any.

    model: path or bytes of an .lrm file, or a Model that sessions share.
    threads: 1 to 256; None: one per core. pool: a Pool to use instead. cpu_mask: see Model.
    memory_limit: bytes for activations, scratch and state; 0: no limit. plans: most plans for different input shapes
    that are kept, without their activations (0: 4). keep_all: every tensor keeps its own memory until the next run (for
    comparing layers).
    Raises a subclass of `lite_runtime.Error` with one sentence, as all its methods do.
    """

    def __init__(self, model: str | os.PathLike[str] | bytes | bytearray | memoryview | Model,
                 threads: int | None = None, *, cpu_mask: int | None = None, memory_limit: int = 0, plans: int = 0,
                 keep_all: bool = False, pool: Pool | None = None) -> None:
        self._busy = threading.Lock()  # held by whoever calls into the C session
        self._life = threading.Lock()  # between cancel and close
        self._ptr: Any = None
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
        out = ffi.new("lr_session **")
        call(lib.lr_session_open, model._ptr, options, out)
        # the closure keeps the model's bytes until the C session is gone
        self._ptr = ffi.gc(out[0], lambda p, keep=model._ptr: lib.lr_session_close(p))
        self.inputs: list[TensorInfo] = model.inputs
        self.outputs: list[TensorInfo] = model.outputs
        self.states: list[TensorInfo] = model.states
        self.metadata: dict[str, str] = model.metadata
        self._in = [_Port(i, t) for i, t in enumerate(model.inputs)]
        self._out = [_Port(i, t) for i, t in enumerate(model.outputs)]
        self._planned = False
        self._error = new_error()  # one for all calls under _busy: nothing is allocated for it in a run
        self._tensor = ffi.new("lr_tensor *")
        self._nowhere = ffi.new("int64_t[8]")
        self._options = ffi.new("lr_run_options *", {"size": ffi.sizeof("lr_run_options")})
        for port, info in zip(self._in, self.inputs, strict=True):
            if all(isinstance(d, int) for d in info.shape):
                port.shape = tuple(d for d in info.shape if isinstance(d, int))

    # ---- running ----
    def run(self, feeds: Mapping[str, np.ndarray], out: Mapping[str, np.ndarray] | None = None,
            timeout: float | None = None, *, trap_nan: bool = False) -> dict[str, np.ndarray]:
        """Runs the model on `feeds` (name to array, all inputs, exact dtypes) and returns all outputs by name.

        The returned arrays belong to the caller. `out`: arrays to write (some of) the outputs into, without a copy. An
        input with a new shape resizes the session. timeout: seconds, then CancelledError. trap_nan: stop at the first
        step that makes a NaN or an infinity, and name it.
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

    def profile(self, feeds: Mapping[str, np.ndarray], timeout: float | None = None) -> list[Step]:
        """Runs the model once and returns what each step was and how long it took."""
        steps: list[Step] = []
        self.trace(feeds, lambda step, _: steps.append(step), timeout, copy=False)
        return steps

    def trace(self, feeds: Mapping[str, np.ndarray], on_step: Callable[[Step, list[np.ndarray | None]], object],
              timeout: float | None = None, *, copy: bool = True) -> dict[str, np.ndarray]:
        """Runs the model and calls on_step(step, arrays) after each step, with copies of the step's outputs (None
        where a tensor is not dense in memory; with `keep_all` each one is). on_step must not use the session."""
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
        """Ends the run that is under way, if any, with CancelledError. May be called from any thread."""
        with self._life:
            if self._ptr is not None:
                lib.lr_session_cancel(self._ptr)

    # ---- shapes and plan ----
    def resize(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Gives inputs new shapes and plans for them now. `run` does that by itself."""
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
        """The steps of the plan for the current shapes."""
        self._acquire("steps")
        try:
            self._plan()
            steps: list[Step] = []
            c = ffi.new("lr_step *")
            while lib.lr_session_step(self._ptr, len(steps), c):
                steps.append(step_of(c))
            return steps
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
        """A copy of a state tensor."""
        self._acquire("state")
        try:
            return self._state(name).copy()
        finally:
            self._busy.release()

    def set_state(self, name: str, value: np.ndarray) -> None:
        """Writes a state tensor; dtype and shape must be equal."""
        self._acquire("set_state")
        try:
            target = self._state(name)
            check_array("set_state", "state", name, value, target.dtype)
            if value.shape != target.shape:
                raise ArgumentError(f"set_state: state '{name}' has the shape {target.shape}, the array {value.shape}")
            target[...] = value
        finally:
            self._busy.release()

    # ---- life ----
    def close(self) -> None:
        """Frees everything; further use is an error. Closing twice is fine."""
        if not self._busy.acquire(False):
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

    # ---- inside; the caller holds _busy ----
    def _acquire(self, where: str) -> None:
        if not self._busy.acquire(False):
            self._refuse(where)
        if self._ptr is None:
            self._busy.release()
            self._refuse(where)

    def _refuse(self, where: str) -> NoReturn:
        if self._ptr is None:
            raise ArgumentError(f"{where}: the session is closed; open a new one")
        raise ArgumentError(f"{where}: the session is in use in another thread; use one session a thread")

    def _run_options(self, timeout: float | None, trap_nan: bool) -> Any:
        options = self._options
        options.timeout_ns, options.trap_nan = 0, bool(trap_nan)
        if timeout is not None:
            if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
                raise ArgumentError(f"run: timeout is {timeout!r}; give seconds above 0, or None")
            if math.isfinite(timeout):
                options.timeout_ns = max(1, min(int(timeout * 1e9), 2**63))
        return options

    def _check(self, status: int) -> None:
        if status:
            raise_status(status, self._error)

    def _run(self, feeds: Mapping[str, np.ndarray], out: Mapping[str, np.ndarray] | None,
             options: Any) -> dict[str, np.ndarray]:
        ptr, error, from_buffer, bind = self._ptr, self._error, ffi.from_buffer, lib.lr_session_bind
        held = []  # arrays that C points into until the run is over
        try:
            for port in self._in:
                a = feeds[port.name]
                if type(a) is not np.ndarray or a.dtype != port.dtype:
                    a = check_array("run", "input", port.name, a, port.dtype)
                if a.flags.num & _READY != _READY:
                    a = np.require(a, requirements=("C", "A"))
                if a.shape != port.shape:
                    self._resize(port, a.shape)
                held.append(a)
        except (KeyError, TypeError, IndexError):
            self._check_names(feeds)
            raise
        if len(feeds) != len(held):
            self._check_names(feeds)
        if not self._planned:
            self._plan()
        if out:
            held = self._check_out(out, held)
        for port, a in zip(self._in, held, strict=True):
            if status := bind(ptr, INPUT, port.index, from_buffer(a), a.nbytes, error):
                raise_status(status, error)
        results = {}
        for port in self._out:
            if port.shape is None:
                continue
            a = out[port.name] if out and port.name in out else _empty(port)
            results[port.name] = a
            held.append(a)  # results may lose it: a damaged file can give two outputs one name
            if status := bind(ptr, OUTPUT, port.index, from_buffer(a), a.nbytes, error):
                raise_status(status, error)
        self._check(lib.lr_session_run(ptr, options, error))
        return results if len(results) == len(self._out) else self._fetch(results, out or {})

    def _fetch(self, results: dict[str, np.ndarray], out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs, with those whose shape was not known before the run."""
        c = self._tensor
        for port in self._out:
            if port.name in results:
                continue
            self._check(lib.lr_session_tensor(self._ptr, OUTPUT, port.index, c, self._error))
            a = tensor_view(c)
            if port.name in out:
                check_shape("output", port.name, a.shape, out[port.name].shape)
                out[port.name][...] = a
            results[port.name] = out[port.name] if port.name in out else a.copy()
        return {port.name: results[port.name] for port in self._out}

    def _resize(self, port: _Port, shape: tuple[int, ...]) -> None:
        dims = ffi.new("int64_t[]", shape or (0,))
        self._check(lib.lr_session_resize(self._ptr, port.index, len(shape), dims, self._error))
        port.shape, self._planned = shape, False

    def _plan(self) -> None:
        if self._planned:
            return
        self._check(lib.lr_session_plan(self._ptr, self._error))
        c = self._tensor
        for port in self._out:
            # bound to nothing usable, so that asking for the shape does not allocate; run binds the real array
            self._bind(port, self._nowhere)
            self._check(lib.lr_session_tensor(self._ptr, OUTPUT, port.index, c, self._error))
            dims = tuple(c.dims[0 : c.rank])
            port.shape = None if any(d < 0 for d in dims) else dims
            if port.shape is None:
                self._bind(port, ffi.NULL)
        self._planned = True

    def _bind(self, port: _Port, data: Any) -> None:
        self._check(lib.lr_session_bind(self._ptr, OUTPUT, port.index, data, 0, self._error))

    def _state(self, name: str) -> np.ndarray:
        """A view of the state, valid while nothing else is called."""
        for i, info in enumerate(self.states):
            if info.name == name:
                self._plan()
                self._check(lib.lr_session_tensor(self._ptr, STATE, i, self._tensor, self._error))
                return tensor_view(self._tensor)
        raise ArgumentError(f"state: there is no state '{name}'; {names_of('state', self.states)}")

    def _check_names(self, feeds: object) -> None:
        if not isinstance(feeds, Mapping):
            raise ArgumentTypeError(f"run: the inputs are of type {type(feeds).__name__}; give a dict of name to array")
        names = {p.name for p in self._in}
        for name in feeds:
            if name not in names:
                raise ArgumentError(f"run: there is no input '{name}'; {names_of('input', self._in)}")
        for p in self._in:
            if p.name not in feeds:
                raise ArgumentError(f"run: input '{p.name}' is missing; {names_of('input', self._in)}")

    def _check_out(self, out: Mapping[str, np.ndarray], held: list[np.ndarray]) -> list[np.ndarray]:
        """Checks the caller's output arrays; returns the inputs, copied where an output lies over them."""
        if not isinstance(out, Mapping):
            raise ArgumentTypeError(f"run: out is of type {type(out).__name__}; give a dict of name to array")
        ports = {p.name: p for p in self._out}
        seen: list[np.ndarray] = []
        for name, a in out.items():
            if name not in ports:
                raise ArgumentError(f"run: there is no output '{name}'; {names_of('output', self._out)}")
            port = ports[name]
            check_array("run", "output", name, a, port.dtype)
            if port.shape is not None:
                check_shape("output", name, port.shape, a.shape)
            if a.flags.num & _READY != _READY or not a.flags.writeable or type(a) is not np.ndarray:
                raise ArgumentError(f"run: the array for output '{name}' is not a contiguous writeable one; "
                                    "use numpy.empty(shape, dtype)")
            if any(np.may_share_memory(a, b) for b in seen):
                raise ArgumentError(f"run: the array for output '{name}' lies over that of another output")
            seen.append(a)
        return [h.copy() if any(np.may_share_memory(h, a) for a in seen) else h for h in held]


def _empty(port: _Port) -> np.ndarray:
    try:
        return np.empty(port.shape, port.dtype)  # type: ignore[arg-type]
    except (MemoryError, ValueError) as e:
        raise OutOfMemoryError(f"run: there is no memory for output '{port.name}' of shape {port.shape}") from e


@ffi.def_extern()
def lr_py_step(user: Any, step: Any) -> None:
    """C calls this after each step of a traced run."""
    ffi.from_handle(user)(step)
