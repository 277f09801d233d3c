"""Models on CPUs under qemu: what they compute is what the desktop computes, and what can go wrong has a sentence."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from this_machine import HEEDS_CTRL_C, alive, ends, number

import lite_runtime
from lite_runtime.converter.cli import bench, compare
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.lab.device import OutOfTime, open_device
from lite_runtime.converter.lab.qemu import Qemu, cpus
from lite_runtime.converter.lab.session import LabSession

pytestmark = pytest.mark.usefixtures("qemu")
X = np.random.default_rng(0).normal(size=(1, 3, 16, 20)).astype(np.float32)
CPUS = {"cortex-a53": "linux-arm64", "cortex-a76": "linux-arm64", "cortex-a15": "linux-armv7",
        "rv64": "linux-riscv64"}


@pytest.fixture(scope="module")
def device(program):
    with Qemu("qemu:cortex-a76", "cortex-a76") as d:
        yield d


@pytest.mark.parametrize("cpu", CPUS)
def test_same_outputs(cpu, cnn, cnn_onnx, program):
    """Those of onnxruntime; one thread or two give the same bits; the library sees this CPU's extensions."""
    with open_device(f"qemu:{cpu}") as d:
        assert d.target.name == CPUS[cpu]
        session = LabSession(d, cnn.read_bytes(), program(CPUS[cpu]))
        one, two = (session.run({"x": X}, threads).outputs["y"] for threads in (1, 2))
        assert ("neondot" in session.facts.features) == (cpu == "cortex-a76")
        assert ("neon" in session.facts.features) == (d.target.name == "linux-arm64")
    want, = onnxruntime.InferenceSession(cnn_onnx, providers=["CPUExecutionProvider"]).run(["y"], {"x": X})
    assert one.tobytes() == two.tobytes() and one.dtype == np.float32
    assert np.abs(one - want).max() <= 1e-5 * np.abs(want).max()
    assert np.abs(want).max() > 0.1


def test_odd_names_and_types(odd, device, program):
    a, mask = np.random.default_rng(2).normal(size=(2, 7)).astype(np.float32), np.array([True, False, True])
    got = LabSession(device, odd.read_bytes(), program("linux-arm64")).run({"a=b $x'": a, "mask": mask}).outputs
    order = np.argsort(-a, axis=1)[:, :3]
    assert np.array_equal(got["v/0"], np.take_along_axis(a, order, 1))
    assert np.array_equal(got['i "q"'], order) and got['i "q"'].dtype == np.int64
    assert np.array_equal(got["n"], ~mask)


def test_states_go_on(counter, device, program):
    session = LabSession(device, counter.read_bytes(), program("linux-arm64"))
    x = np.array([1, 2], np.float32)
    assert session.run({"x": x}, repeat=3).outputs["z"].tolist() == [-3, -6]
    assert session.run({"x": x}).outputs["z"].tolist() == [-1, -2]


def test_command_lines(cnn, cnn_onnx, program, lite_opt, tmp_path):
    there = ["--device", "qemu:cortex-a76", "--program", program("linux-arm64"), "--shape", "x=1,3,16,20"]
    p = lite_opt("run", cnn, *there, "-o", tmp_path / "out.npz", "--json")
    assert p.returncode == 0, p.stderr
    facts = json.loads(p.stdout)
    assert facts["device"]["emulated"] and facts["best_ms"] is None and facts["device"]["cpu"] == "cortex-a76"
    q = lite_opt("run", cnn, "--shape", "x=1,3,16,20", "-o", tmp_path / "here.npz")
    assert q.returncode == 0
    with np.load(tmp_path / "out.npz") as a, np.load(tmp_path / "here.npz") as b:
        assert np.abs(a["y"] - b["y"]).max() <= 1e-5 * np.abs(b["y"]).max()
    p = lite_opt("run", cnn, *there)
    assert p.returncode == 0 and " ms" not in p.stdout and "cortex-a76 (neon" in p.stdout
    p = lite_opt("run", cnn, *there, "--profile")
    assert p.returncode == 2 and "lite-opt bench counts instructions" in p.stderr
    p = lite_opt("compare", cnn, *there)
    assert p.returncode == 0 and "all 1 outputs are right" in p.stdout, p.stderr
    p = lite_opt("compare", cnn_onnx, *there[:4], "--json")
    found = json.loads(p.stdout)
    assert p.returncode == 0 and found["ok"] and found["against"].startswith("onnxruntime")
    assert set(found) == {k for k in compare.JSON if k != "layers"}
    assert found["outputs"][0]["cosine"] > 0.9999 and found["outputs"][0]["max_difference"] < 1e-4


def test_compare_sees_another_model(cnn_onnx, program, lite_opt, tmp_path):
    """A file that was not made of that model is not right."""
    model = onnx.load(cnn_onnx)
    weights = next(t for t in model.graph.initializer if t.name == "w3")
    weights.CopyFrom(onnx.numpy_helper.from_array(1.01 * onnx.numpy_helper.to_array(weights), "w3"))
    (tmp_path / "other.lrm").write_bytes(lite_runtime.convert(model, verify=False))
    p = lite_opt("compare", cnn_onnx, tmp_path / "other.lrm", "--device", "qemu:cortex-a53", "--program",
                 program("linux-arm64"))
    assert p.returncode == 1 and "the first is 'y'" in p.stdout


def test_instructions(cnn, program, lite_opt):
    """The same count each time, about the sum of its steps; the larger convolution has the most."""
    words = ["bench", cnn, "--device", "qemu:cortex-a76", "--program", program("linux-arm64"), "--shape",
             "x=1,3,32,32"]
    first, second = (json.loads(lite_opt(*words, "--json").stdout) for _ in range(2))
    assert first["instructions"] == second["instructions"] > 50_000
    assert set(first) <= set(bench.JSON)
    steps = {s["node"]: s["instructions"] for s in first["steps"]}
    callbacks = 2000 * len(first["steps"])  # that tell of a step are counted with it
    assert 0 <= sum(steps.values()) - first["instructions"] < callbacks
    assert max(steps, key=steps.get) == "second"
    # 16 x 16 pixels of 8 channels by 3 x 3 x 8 weights, four at once, are the least that the multiplication takes
    assert 16 * 16 * 8 * 72 // 4 < steps["second"] < 16 * 16 * 8 * 72
    p = lite_opt(*words)
    assert p.returncode == 0 and "instructions an inference" in p.stdout and " ms" not in p.stdout


@pytest.fixture
def poor(tmp_path, monkeypatch):
    """A PATH with a shell and a qemu that runs programs, and takes plugins or not."""

    def make(plugins: bool) -> None:
        real = shutil.which("qemu-aarch64")
        answer = "exec {real} -help" if plugins else "echo usage; exit"
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/sh").symlink_to(shutil.which("sh"))
        script = tmp_path / "bin/qemu-aarch64"
        script.write_text(f'#!/bin/sh\nif [ "$1" = -help ]; then {answer.format(real=real)}; fi\nexec {real} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setenv("LITE_OPT_CACHE", str(tmp_path / "cache"))

    return make


@pytest.mark.parametrize("plugins, says", [
    (False, "this qemu-aarch64 takes no plugins, so instructions cannot be counted"),
    (True, "there is no C compiler for the plugin that counts; run: apt install"),
])
def test_nothing_to_count_with(plugins, says, poor, cnn, program):
    executable = program("linux-arm64")
    poor(plugins)
    with open_device("qemu:cortex-a53") as d:
        session = LabSession(d, cnn.read_bytes(), executable)
        assert session.run({"x": X}).outputs["y"].shape == (1, 5)
        with pytest.raises(ConvertError, match=says):
            session.bench({"x": X}, 1, 1.0)


@pytest.mark.parametrize("spec, says", [
    ("qemu:cortex-a75", "no CPU 'cortex-a75' (is it cortex-a7"),
    ("qemu:nothing", "arm64: "),
    ("qemu:mips/24Kc", "unknown architecture 'mips'; use one of x64, arm64, armv7, riscv64"),
    ("qemu:", "give qemu:CPU, ssh:USER@HOST[:PORT] or adb[:SERIAL]"),
    ("phone", "this is no device; give qemu:CPU"),
    ("adb:", "this is no device; give"),
    ("ssh:-oProxyCommand=x", "is not ssh:USER@HOST"),
    ("ssh:a@b:c", "is not ssh:USER@HOST"),
])
def test_names(spec, says):
    with pytest.raises(ConvertError) as e:
        open_device(spec)
    assert says in str(e.value) and "\n" not in str(e.value)


def test_names_of_cpus():
    with Qemu("qemu:arm64/max,sve=off", "arm64/max,sve=off") as a, Qemu("qemu:max", "max") as b:
        assert a.target.name == b.target.name == "linux-arm64" and a.cpu == "max,sve=off"
    if shutil.which("qemu-x86_64"):
        with Qemu("qemu:Haswell", "Haswell") as d:
            assert d.target.name == "linux-x64"
            assert {"Haswell", "Nehalem-v1", "max"} <= set(cpus(d.target)) and "fpu" not in cpus(d.target)


@pytest.mark.parametrize("words, says", [
    (["--shape", "z=1"], "has no input 'z'"),
    (["--input", "x=missing.npy"], "missing.npy: no such file"),
    (["--program", "missing"], "there is no such file"),
])
def test_bad_command_lines(words, says, cnn, program, lite_opt):
    more = [] if "--program" in words else ["--program", program("linux-arm64")]
    p = lite_opt("run", cnn, "--device", "qemu:cortex-a53", *more, *words)
    assert p.returncode == 1 and says in p.stderr and p.stderr.count("\n") == 1


def test_usage(cnn, lite_opt):
    p = lite_opt("run", cnn, "--program", "x")
    assert p.returncode == 2 and "--program is for --device" in p.stderr
    p = lite_opt("compare", cnn, "--device", "qemu:max", "--set", "x=1")
    assert p.returncode == 2 and "--set, --state and --dim are for an ONNX model" in p.stderr
    p = lite_opt("bench", cnn, "--device", "qemu:max", "--source", "m.onnx", "--vs", "onnxruntime")
    assert p.returncode == 2 and "--vs is not for --device" in p.stderr


def test_errors_of_the_program(cnn, device, program):
    """What lite_run says there is what the user reads."""
    session = LabSession(device, cnn.read_bytes(), program("linux-arm64"))
    with pytest.raises(ConvertError, match=r"qemu:cortex-a76: input 'x': the model leaves size 3 of its 4 open"):
        session.run({})
    with pytest.raises(ConvertError, match="input 'x': is f32, input.0.npy holds f64"):
        session.run({"x": X.astype(np.float64)})
    with pytest.raises(ConvertError, match=r"x.*\[1 4 16 20\]"):
        session.run({"x": np.zeros((1, 4, 16, 20), np.float32)})
    with pytest.raises(ConvertError, match="not a .lrm model"):
        LabSession(device, b"nothing", program("linux-arm64")).run({"x": X})


def test_an_illegal_instruction(cnn, illegal, lite_opt, tmp_path):
    made = illegal("aarch64-linux-gnu-gcc", ".inst 0")
    p = lite_opt("run", cnn, "--device", "qemu:cortex-a53", "--program", made, TMPDIR=str(tmp_path))
    assert p.returncode == 1
    assert p.stderr.startswith("error: qemu:cortex-a53: lite_run was ended by SIGILL, an instruction")
    assert not list(tmp_path.glob("lite-lab-*")) and not list(tmp_path.glob("*.core"))


@pytest.fixture
def slow(tmp_path):
    """A program that writes its process's number and does not end."""
    if not shutil.which("aarch64-linux-gnu-gcc"):
        pytest.skip("missing: aarch64-linux-gnu-gcc")
    (tmp_path / "slow.c").write_text("""#include <stdio.h>
#include <unistd.h>
int main(void) {
  FILE *f = fopen("number", "w");
  fprintf(f, "%d\\n", (int)getpid());
  fclose(f);
  for (;;) sleep(1);
}
""")
    subprocess.run(["aarch64-linux-gnu-gcc", "-static", tmp_path / "slow.c", "-o", tmp_path / "slow"], check=True)
    return tmp_path / "slow"


def test_time_limit(slow, late_limit, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Qemu("qemu:cortex-a53", "cortex-a53") as d:
        d.push(slow, "slow", executable=True)
        late_limit(tmp_path, 1.5)
        with pytest.raises(OutOfTime, match="not done after 1.5 s"):
            d.run(["./slow"], 1.5)
        assert ends(number(tmp_path))
    assert not list(tmp_path.glob("lite-lab-*"))


@pytest.mark.parametrize("sent, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(sent, code, cnn, slow, tmp_path):
    """Ctrl-C and a kill end what runs, and leave no folder."""
    call = [sys.executable, "-c", HEEDS_CTRL_C, "run", cnn, "--device",
            "qemu:cortex-a53", "--program", slow]
    with subprocess.Popen(call, env=dict(os.environ, TMPDIR=str(tmp_path)), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as p:
        try:
            process = number(tmp_path)
            assert alive(process)
            p.send_signal(sent)
            p.communicate(timeout=60)
        finally:
            p.kill()
    assert p.returncode == code
    assert ends(process) and not list(tmp_path.glob("lite-lab-*"))
