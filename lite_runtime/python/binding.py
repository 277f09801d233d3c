"""A C session and what is bound to it: the inside of `Session`."""
from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from ._lr import ffi, lib
from .arrays import READY, AnyArray, Step, check_array, check_output, check_shape, names_of, step_of, tensor_view
from .errors import ArgumentError, ArgumentTypeError, OutOfMemoryError, call, new_error, raise_status
from .model import INPUT, OUTPUT, STATE, Model, TensorInfo


class Port:
    """An input or output. shape: the one that C has now, None when that is not known before a run."""

    __slots__ = ("dtype", "index", "name", "shape")

    def __init__(self, index: int, info: TensorInfo) -> None:
        self.index, self.name, self.dtype = index, info.name, info.dtype
        self.shape: tuple[int, ...] | None = None


class Binding:
    """Its methods are called by who holds `_busy`, and between `_acquire` and the release of it."""

    def __init__(self, model: Model, options: Any) -> None:
        self._busy = threading.Lock()  # held by whoever calls into the C session
        self._life = threading.Lock()  # between cancel and close
        out = ffi.new("lr_session **")
        call(lib.lr_session_open, model._ptr, options, out)
        # the closure keeps the model's bytes until the C session is gone
        self._ptr: Any = ffi.gc(out[0], lambda p, keep=model._ptr: lib.lr_session_close(p))
        self._in = [Port(i, t) for i, t in enumerate(model.inputs)]
        self._out = [Port(i, t) for i, t in enumerate(model.outputs)]
        self._states = model.states
        self._planned = False
        self._error = new_error()  # one for all calls under _busy: nothing is allocated for it in a run
        self._tensor = ffi.new("lr_tensor *")
        self._nowhere = ffi.new("int64_t[8]")
        self._options = ffi.new("lr_run_options *", {"size": ffi.sizeof("lr_run_options")})
        for port, info in zip(self._in, model.inputs, strict=True):
            if all(isinstance(d, int) for d in info.shape):
                port.shape = tuple(d for d in info.shape if isinstance(d, int))

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

    def _run(self, feeds: Mapping[str, AnyArray], out: Mapping[str, AnyArray] | None,
             options: Any) -> dict[str, np.ndarray]:
        ptr, error, from_buffer, bind = self._ptr, self._error, ffi.from_buffer, lib.lr_session_bind
        held = []  # arrays that C points into until the run is over
        try:
            for port in self._in:
                a: Any = feeds[port.name]
                if type(a) is not np.ndarray or a.dtype != port.dtype:
                    a = check_array("run", "input", port.name, a, port.dtype)
                if a.flags.num & READY != READY:
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
        given: dict[str, np.ndarray] = {}
        if out:
            given, held = self._check_out(out, held)
        for port, a in zip(self._in, held, strict=True):
            if status := bind(ptr, INPUT, port.index, from_buffer(a), a.nbytes, error):
                raise_status(status, error)
        results = {}
        for port in self._out:
            if port.shape is None:
                continue
            a = given[port.name] if port.name in given else _empty(port)
            results[port.name] = a
            held.append(a)  # results may lose it: a damaged file can give two outputs one name
            if status := bind(ptr, OUTPUT, port.index, from_buffer(a), a.nbytes, error):
                raise_status(status, error)
        self._check(lib.lr_session_run(ptr, options, error))
        return results if len(results) == len(self._out) else self._fetch(results, given)

    def _fetch(self, results: dict[str, np.ndarray], given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs, with those whose shape was not known before the run."""
        c = self._tensor
        for port in self._out:
            if port.name in results:
                continue
            self._check(lib.lr_session_tensor(self._ptr, OUTPUT, port.index, c, self._error))
            a = tensor_view(c)
            if port.name in given:
                check_shape("output", port.name, a.shape, given[port.name].shape)
                given[port.name][...] = a
            results[port.name] = given[port.name] if port.name in given else a.copy()
        return {port.name: results[port.name] for port in self._out}

    def _resize(self, port: Port, shape: tuple[int, ...]) -> None:
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

    def _bind(self, port: Port, data: Any) -> None:
        self._check(lib.lr_session_bind(self._ptr, OUTPUT, port.index, data, 0, self._error))

    def _steps(self) -> list[Step]:
        """Those of the plan that there is."""
        steps: list[Step] = []
        c = ffi.new("lr_step *")
        while lib.lr_session_step(self._ptr, len(steps), c):
            steps.append(step_of(c))
        return steps

    def _state(self, name: str) -> np.ndarray:
        """A view of the state, valid while nothing else is called."""
        for i, info in enumerate(self._states):
            if info.name == name:
                self._plan()
                self._check(lib.lr_session_tensor(self._ptr, STATE, i, self._tensor, self._error))
                return tensor_view(self._tensor)
        raise ArgumentError(f"state: there is no state '{name}'; {names_of('state', self._states)}")

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

    def _check_out(self, out: Mapping[str, AnyArray],
                   held: list[np.ndarray]) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """The caller's memory for outputs, and the inputs, copied where an output lies over them."""
        if not isinstance(out, Mapping):
            raise ArgumentTypeError(f"run: out is of type {type(out).__name__}; give a dict of name to array")
        ports = {p.name: p for p in self._out}
        given: dict[str, np.ndarray] = {}
        for name, value in out.items():
            if name not in ports:
                raise ArgumentError(f"run: there is no output '{name}'; {names_of('output', self._out)}")
            port = ports[name]
            a = check_output(name, value, port.dtype)
            if port.shape is not None:
                check_shape("output", name, port.shape, a.shape)
            if _lies_over(a, given):
                raise ArgumentError(f"run: the array for output '{name}' lies over that of another output")
            given[name] = a
        return given, [h.copy() if _lies_over(h, given) else h for h in held]


def _lies_over(a: np.ndarray, others: dict[str, np.ndarray]) -> bool:
    for b in others.values():  # faster than any()
        if np.may_share_memory(a, b):
            return True
    return False


def _empty(port: Port) -> np.ndarray:
    try:
        return np.empty(port.shape, port.dtype)  # type: ignore[arg-type]
    except (MemoryError, ValueError) as e:
        raise OutOfMemoryError(f"run: there is no memory for output '{port.name}' of shape {port.shape}") from e
