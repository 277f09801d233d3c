"""A runtime built for some models by this machine's compiler, and what it computes: by ctypes, so that it stands beside
the full one in a process."""
from __future__ import annotations

import ctypes as c
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import lite_runtime
from lite_runtime.converter.toolchain.library import RELEASE
from lite_runtime.converter.toolchain.needs import Needs
from lite_runtime.model import DTYPES as DTYPES_OF_C

ROOT = Path(__file__).parents[2]
DTYPES = {d: i for i, d in DTYPES_OF_C.items()}


def compiler() -> str:
    """$CC or this machine's; "" for none."""
    return os.environ.get("CC") or next((n for n in ("gcc", "cc", "clang") if shutil.which(n)), "")


def build(folder: Path, options: list[str]) -> Path:
    """The shared library, as `lite-opt build` makes it, but for asserts, and -O1: it takes a third of the time of -O3
    and computes the same."""
    env = dict(os.environ, CC=compiler())
    setup = ["meson", "setup", folder, ROOT, *RELEASE, "-Doptimization=1", "-Db_ndebug=false"]
    for command in ([*setup, *options], ["meson", "compile", "-C", folder, "-j", str(min(os.cpu_count() or 1, 8))]):
        command[0:1] = [sys.executable, "-m", "mesonbuild.mesonmain"]
        p = subprocess.run(command, capture_output=True, text=True, env=env)
        assert not p.returncode, p.stdout[-3000:] + p.stderr[-3000:]
    return next(p for p in (folder / "lite_runtime").glob("liblite_runtime.so*") if p.is_file() and not p.is_symlink())


class Tensor(c.Structure):
    """lr_tensor"""

    _fields_ = [("data", c.c_void_p), ("bytes", c.c_size_t), ("dtype", c.c_int32), ("rank", c.c_int32),
                ("dims", c.c_int64 * 8)]


class Refused(Exception):
    """A status and its sentence, and whether the model was opened."""


class Library:
    """The C API of a shared library, as far as these tests need it."""

    def __init__(self, path: Path) -> None:
        self.lib = c.CDLL(str(path))

    def call(self, name: str, *args: object) -> None:
        error = c.create_string_buffer(512)
        status = getattr(self.lib, name)(*args, error)
        if status:
            raise Refused(name, status, error.value.decode())

    def run(self, data: bytes, feeds: dict[str, np.ndarray]) -> list[bytes]:
        """The bytes of all outputs; raises Refused."""
        model, session, t = c.c_void_p(), c.c_void_p(), Tensor()
        self.call("lr_model_open_memory", data, c.c_size_t(len(data)), None, c.byref(model))
        try:
            self.call("lr_session_open", model, None, c.byref(session))
            names = [i.name for i in lite_runtime.Model(data).inputs]
            for k, name in enumerate(names):
                a = feeds[name]
                self.call("lr_session_resize", session, k, a.ndim, (c.c_int64 * 8)(*a.shape))
            self.call("lr_session_plan", session)
            for k, name in enumerate(names):
                self.call("lr_session_tensor", session, 0, k, c.byref(t))
                assert t.bytes == feeds[name].nbytes and t.dtype == DTYPES[feeds[name].dtype]
                c.memmove(t.data, np.ascontiguousarray(feeds[name]).ctypes.data, t.bytes)
            self.call("lr_session_run", session, None)
            return [self.output(session, k) for k in range(len(lite_runtime.Model(data).outputs))]
        finally:
            self.lib.lr_session_close(session)
            self.lib.lr_model_close(model)

    def output(self, session: c.c_void_p, k: int) -> bytes:
        t = Tensor()
        self.call("lr_session_tensor", session, 1, k, c.byref(t))
        return c.string_at(t.data, t.bytes)


def library(folder: Path, what: Needs, target: str = "here") -> Library:
    """Built for that and no more."""
    return Library(build(folder, [*what.meson_options(), f"-Dtarget={target}"]))
