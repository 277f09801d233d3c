"""Files are whole or not there: a full disk, a signal and SIGKILL at every point of writing."""
from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import helper

import lite_runtime

OLD = b"what was there before"
LIMIT = 4096  # bytes that a file may have where the disk is "full"; the models of these tests are larger


@pytest.fixture(scope="module")
def models(tmp_path_factory, model_of):
    path = tmp_path_factory.mktemp("models")
    w = np.linspace(-1, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"], name="product")], {"x": [40, 64]}, {"y": [40, 64]},
                     {"w": w})
    onnx.save(model, path / "m.onnx")
    (path / "m.lrm").write_bytes(lite_runtime.convert(model))
    return path


def commands(models, out):
    """Every command that writes a file: its arguments and whether a file is what it would write."""
    return {
        "convert": (["convert", models / "m.onnx", "-o", out, "--no-verify"],
                    lambda data: data == (models / "m.lrm").read_bytes()),
        "run": (["run", models / "m.lrm", "-o", out], lambda data: len(data) > LIMIT and data[:2] == b"PK"),
    }


def lite_opt(args, before="", **options):
    code = f"import os, signal, sys\n{before}\nfrom lite_runtime.converter.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=False,
                          timeout=300, **options)


def one_sentence(p, words):
    assert p.returncode == 1 and p.stdout == "", p
    assert p.stderr.startswith("error: ") and p.stderr.count("\n") == 1 and words in p.stderr, p.stderr


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))  # Python ignores SIGXFSZ: writes fail with EFBIG


@pytest.mark.parametrize("name", ["convert", "run"])
@pytest.mark.parametrize("old", [OLD, None])
def test_a_file_that_cannot_grow(models, tmp_path, name, old):
    out = tmp_path / "out.npz"
    if old is not None:
        out.write_bytes(old)
    one_sentence(lite_opt(commands(models, out)[name][0], preexec_fn=small_files), "file too large")
    assert os.listdir(tmp_path) == (["out.npz"] if old else []) and (old is None or out.read_bytes() == old)


@pytest.mark.parametrize("name", ["convert", "run"])
def test_a_full_disk(models, tmp_path, name):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", disk], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        (disk / "out.npz").write_bytes(OLD)
        one_sentence(lite_opt(commands(models, disk / "out.npz")[name][0]), "no space left")
        assert os.listdir(disk) == ["out.npz"] and (disk / "out.npz").read_bytes() == OLD
    finally:
        subprocess.run(["umount", disk], check=True)


# Points of writing, as Python statements that end the process there. The data goes out in one write; "half" is a part.
POINTS = {
    "half": "w = os.fdopen\n"
            "class Half:\n"
            "    def __init__(self, f): self.f = f\n"
            "    def write(self, data): self.f.write(data[: len(data) // 2]); self.f.flush(); stop()\n"
            "    def __getattr__(self, name): return getattr(self.f, name)\n"
            "os.fdopen = lambda fd, mode='r', *a: Half(w(fd, mode, *a)) if mode == 'wb' else w(fd, mode, *a)",
    "before fsync": "os.fsync = lambda fd: stop()",
    "before chmod": "os.chmod = lambda *a: stop()",
    "before replace": "os.replace = lambda *a: stop()",
    "after replace": "r = os.replace\nos.replace = lambda *a: (r(*a), stop())",
}
STOP = "def stop(): os.kill(os.getpid(), signal.{})\n"


@pytest.mark.parametrize("name", ["convert", "run"])
@pytest.mark.parametrize("point", POINTS)
def test_killed(models, tmp_path, name, point):
    """SIGKILL leaves the old file or the new one, and at most a file whose name says that it is a remainder."""
    out = tmp_path / "out.npz"
    out.write_bytes(OLD)
    args, right = commands(models, out)[name]
    p = lite_opt(args, STOP.format("SIGKILL") + POINTS[point])
    assert p.returncode == -signal.SIGKILL, p
    assert right(out.read_bytes()) if point == "after replace" else out.read_bytes() == OLD
    rest = [f for f in os.listdir(tmp_path) if f != "out.npz"]
    assert all(f.startswith(".lite-opt-") and f.endswith(".tmp") for f in rest) and len(rest) <= 1
    p = lite_opt(args)  # what is left is in nobody's way
    assert p.returncode == 0 and right(out.read_bytes()), p
    assert sorted(os.listdir(tmp_path)) == sorted(["out.npz", *rest])


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_asked_to_stop(models, tmp_path, sent):
    """Other signals leave the old file and nothing else."""
    out = tmp_path / "out.npz"
    out.write_bytes(OLD)
    heard = f"signal.signal(signal.{sent}, signal.SIG_DFL)\n"  # nohup and & have children ignore some
    if sent == "SIGINT":
        heard = "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    p = lite_opt(commands(models, out)["convert"][0], heard + STOP.format(sent) + POINTS["half"])
    assert p.returncode == (130 if sent == "SIGINT" else 128 + getattr(signal, sent)), p
    assert "Traceback" not in p.stderr and os.listdir(tmp_path) == ["out.npz"] and out.read_bytes() == OLD


def test_killed_at_any_time(models, tmp_path):
    """No patches: SIGKILL at times spread over a whole conversion."""
    out = tmp_path / "out.npz"
    args, right = commands(models, out)["convert"]
    command = [sys.executable, "-c", "from lite_runtime.converter.cli import main; main()", *map(str, args)]
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - start
    for i in range(8):
        out.write_bytes(OLD)
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(whole * (0.6 + 0.06 * i))
        p.kill()
        p.communicate()
        assert out.read_bytes() == OLD or right(out.read_bytes())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("args", [["show", "m.lrm"], ["show", "m.lrm", "--json"], ["run", "m.lrm", "--json"],
                                  ["check", "m.onnx"], ["check", "m.onnx", "--json"], ["show", "no.lrm", "--json"],
                                  ["bench", "m.lrm", "--seconds", "0.1", "--json"], ["--version"]], ids=" ".join)
@pytest.mark.parametrize("buffered", ["", "1"])
def test_stdout_is_full(models, args, buffered):
    code = "from lite_runtime.converter.cli import main; main()"
    with open("/dev/full", "wb") as full:
        p = subprocess.run([sys.executable, "-c", code, *args], stdout=full, stderr=subprocess.PIPE, text=True,
                           check=False, cwd=models, env={**os.environ, "PYTHONUNBUFFERED": buffered})
    assert p.returncode == 1 and p.stderr.startswith("error: ") and p.stderr.count("\n") == 1, p
    assert ("no.lrm" if "no.lrm" in args else "no space left") in p.stderr
