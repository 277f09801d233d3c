"""lite-opt, as a process: exit codes, what goes to stdout and stderr, and files that are whole or not there."""
from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper

import lite_runtime
from lite_runtime.converter.cli.app import COMMANDS
from lite_runtime.converter.cli.output import clean


def lite_opt(*args, env=None, cwd=None):
    code = "from lite_runtime.converter.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})}, cwd=cwd)


def fails(*args, words, code=1, env=None):
    """The command fails with one line on stderr, no traceback, and nothing on stdout."""
    p = lite_opt(*args, env=env)
    assert p.returncode == code, p.stderr
    assert p.stderr.startswith("error: ") and p.stderr.count("\n") == 1 and "Traceback" not in p.stderr
    assert words in p.stderr
    assert p.stdout == ""
    return p.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory, add_model, cnn_model, counter_model):
    path = tmp_path_factory.mktemp("models")
    onnx.save(add_model, path / "add.onnx")
    onnx.save(cnn_model, path / "cnn.onnx")
    onnx.save(counter_model, path / "counter.onnx")
    (path / "cnn.lrm").write_bytes(lite_runtime.convert(cnn_model))
    return path


@pytest.mark.parametrize("command", [(), *((name,) for name in sorted(COMMANDS))])
def test_help(command):
    p = lite_opt(*command, "--help")
    assert p.returncode == 0 and "Usage: lite-opt" in p.stdout
    if command:
        assert "Examples:" in p.stdout and f"  lite-opt {command[0]} " in p.stdout
        assert ("--json" in p.stdout) == (command[0] != "completion")


def test_version():
    assert lite_runtime.__version__ in lite_opt("--version").stdout


def test_convert(folder, tmp_path):
    out = tmp_path / "x.lrm"
    p = lite_opt("convert", folder / "cnn.onnx", "-o", out, "--explain")
    assert p.returncode == 0, p.stderr
    assert "proven: largest error" in p.stdout and "wrote" in p.stdout and "conv1" in p.stdout
    assert out.read_bytes() == lite_runtime.convert(str(folder / "cnn.onnx"))
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~umask
    assert os.listdir(tmp_path) == ["x.lrm"]


def test_convert_default_name_and_json(folder, tmp_path):
    (tmp_path / "a.onnx").write_bytes((folder / "counter.onnx").read_bytes())
    p = lite_opt("convert", tmp_path / "a.onnx", "--state", "y=s", "--json", "--explain")
    facts = json.loads(p.stdout)
    assert p.returncode == 0 and facts["proof"]["verdict"] == "proven" and facts["bytes"] > 0
    assert isinstance(facts["applications"], list)
    assert [t.name for t in lite_runtime.Session(tmp_path / "a.lrm").states] == ["s"]


def test_no_verify(folder, tmp_path):
    p = lite_opt("convert", folder / "add.onnx", "-o", tmp_path / "a.lrm", "--no-verify")
    assert p.returncode == 0 and "not proven" in p.stdout


@pytest.mark.parametrize("seconds", [1e-4, 1e-2])
def test_a_proof_that_runs_out_of_time(folder, tmp_path, seconds):
    """What onnxruntime is doing then must not bring the process down when it ends."""
    p = lite_opt("convert", folder / "add.onnx", "-o", tmp_path / "a.lrm", "--timeout", seconds)
    assert p.returncode == 0 and p.stderr == "" and (tmp_path / "a.lrm").exists()


def test_bad_paths(folder, tmp_path):
    model = folder / "add.onnx"
    fails("convert", tmp_path / "no.onnx", words="no.onnx")
    fails("convert", folder, words=str(folder))
    fails("convert", model, "-o", tmp_path / "no" / "x.lrm", words="the folder does not exist")
    fails("convert", model, "-o", tmp_path, words="is a folder")
    fails("convert", model, "-o", "/dev/null", words="is not a regular file")
    fails("convert", model, "-o", model, words="is the model itself")
    fails("convert", model, "-o", "/proc/x.lrm", words="cannot be written")
    assert onnx.load(model) is not None
    (tmp_path / "text.onnx").write_text("this is no model")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "cut.onnx").write_bytes((folder / "cnn.onnx").read_bytes()[:500])
    for name in ("text", "empty", "cut"):
        fails("convert", tmp_path / f"{name}.onnx", words=name)
    for command in ("show", "run"):
        fails(command, tmp_path / "no.lrm", words="no.lrm")
        fails(command, tmp_path / "text.onnx", words="text.onnx")
    assert sorted(os.listdir(tmp_path)) == ["cut.onnx", "empty.onnx", "text.onnx"]


def test_damaged_models(folder, tmp_path):
    good, path = (folder / "cnn.lrm").read_bytes(), tmp_path / "bad.lrm"
    changed = good[:100] + bytes([good[100] ^ 1]) + good[101:]
    for data, words in ((good[:-1], "truncated"), (good[:10], "truncated"), (b"", "is empty"), (good + b"x", "damaged"),
                        (changed, "damaged"), (b"nonsense" * 99, "not a .lrm model")):
        path.write_bytes(data)
        for command in ("show", "run"):
            fails(command, path, words=words)
        fails("compare", folder / "cnn.onnx", path, words=words)


def test_newer_models(folder, tmp_path):
    """Both say what is too new and what to do, and nothing is written."""
    for name, change, words in (("ir", lambda m: setattr(m, "ir_version", 99), "IR version 99 is newer than"),
                                ("opset", lambda m: setattr(m.opset_import[0], "version", 999), "opset 999 is newer")):
        model = onnx.load(folder / "cnn.onnx")
        change(model)
        onnx.save(model, tmp_path / f"{name}.onnx")
        for command in ("check", "convert"):
            assert "upgrade onnx" in fails(command, tmp_path / f"{name}.onnx", words=words)
    assert sorted(os.listdir(tmp_path)) == ["ir.onnx", "opset.onnx"]


def test_old_file_stays_when_it_fails(folder, tmp_path):
    out = tmp_path / "x.lrm"
    out.write_bytes(b"old")
    fails("convert", tmp_path / "no.onnx", "-o", out, words="no.onnx")
    assert out.read_bytes() == b"old" and os.listdir(tmp_path) == ["x.lrm"]


@pytest.mark.parametrize(
    "args, words",
    [
        (["convert"], "Missing argument"),
        (["convert", "add.onnx", "--nonsense"], "--nonsense"),
        (["nonsense"], "nonsense"),
        (["confert", "add.onnx"], "there is no command 'confert', perhaps 'convert'; see: lite-opt --help"),
        (["convert", "add.onnx", "--set", "x"], "INPUT=VALUE"),
        (["convert", "add.onnx", "--set", "x=abc"], "'abc' is not a number"),
        (["convert", "add.onnx", "--set", 'x={"a":1}'], "is not a number"),
        (["convert", "add.onnx", "--dim", "n=-1"], "'-1' is not a size"),
        (["convert", "add.onnx", "--dim", "n=1", "--dim", "n=2"], "'n' is given twice"),
        (["convert", "add.onnx", "--state", "y"], "OUTPUT=INPUT"),
        (["convert", "add.onnx", "--timeout", "0"], "--timeout"),
        (["convert", "add.onnx", "--force", "--no-verify"], "exclude each other"),
        (["run", "cnn.lrm", "--threads", "0"], "--threads"),
        (["run", "cnn.lrm", "--threads", "10000"], "--threads"),
        (["run", "cnn.lrm", "--shape", "x=1,a"], "is not a shape"),
    ],
)
def test_usage(folder, args, words):
    fails(*[folder / a if a.endswith((".onnx", ".lrm")) else a for a in args], words=words, code=2)


def test_errors_as_json(tmp_path):
    p = lite_opt("convert", tmp_path / "no.onnx", "--json")
    assert p.returncode == 1 and "no.onnx" in json.loads(p.stdout)["error"]


def test_debug(tmp_path):
    p = lite_opt("run", tmp_path / "no.lrm", "--debug")
    assert p.returncode == 1 and "Traceback" in p.stderr and p.stderr.splitlines()[-1].startswith("error: ")


def test_wrong_options_for_the_model(folder):
    model = folder / "add.onnx"
    fails("convert", model, "--set", "q=1", words="'q'")
    fails("convert", model, "--state", "q=a", words="'q'")
    fails("convert", model, "--dim", "q=1", words="'q'")


def test_check(folder, tmp_path, model_of):
    p = lite_opt("check", folder / "cnn.onnx")
    assert p.returncode == 0 and "can be converted" in p.stdout and "BatchNormalization" in p.stdout
    nodes = [helper.make_node("Multinomial", ["x"], ["i"], name="find"),
             helper.make_node("RandomNormalLike", ["x"], ["y"], name="sum")]
    bad = model_of(nodes, {"x": [2, 2]}, {"i": (onnx.TensorProto.INT64, [2, "k"]), "y": [2, 2]})
    onnx.save(bad, tmp_path / "bad.onnx")
    p = lite_opt("check", tmp_path / "bad.onnx")
    assert p.returncode == 1 and "Traceback" not in p.stderr
    assert "Multinomial" in p.stdout and "RandomNormalLike" in p.stdout
    facts = json.loads(lite_opt("check", tmp_path / "bad.onnx", "--json").stdout)
    assert not facts["ok"] and {x["node"] for x in facts["problems"]} == {"find", "sum"}
    p = lite_opt("convert", tmp_path / "bad.onnx")
    assert p.returncode == 1 and "'find'" in p.stderr and "'sum'" in p.stderr
    assert os.listdir(tmp_path) == ["bad.onnx"]


def test_show(folder):
    p = lite_opt("show", folder / "cnn.lrm", "--nodes", "--tensors")
    assert p.returncode == 0 and "conv1" in p.stdout and "[1 3 h w]" in p.stdout and "--shape" in p.stdout
    facts = json.loads(lite_opt("show", folder / "cnn.lrm", "--shape", "x=1,3,16,16", "--json").stdout)
    assert facts["memory"] > 0 and facts["inputs"] == [{"name": "x", "dtype": "float32", "shape": [1, 3, "h", "w"]}]
    assert {n["op"] for n in facts["nodes"]} >= {"conv", "matmul"} and any(n["kernel"] for n in facts["nodes"])
    fails("show", folder / "cnn.lrm", "--shape", "q=1", words="no input 'q'")
    fails("show", folder / "cnn.lrm", "--shape", "x=1,3", words="rank 2")


def test_run(folder, tmp_path):
    x = np.random.default_rng(0).normal(size=(1, 3, 12, 20)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x)
    want = lite_runtime.Session(folder / "cnn.lrm").run({"x": x})["y"]
    for given in (("-i", f"x={tmp_path / 'x.npy'}"), ("--inputs", tmp_path / "x.npz")):
        p = lite_opt("run", folder / "cnn.lrm", *given, "-o", tmp_path / "y.npz", "--profile", "--repeat", "2")
        assert p.returncode == 0 and "conv1" in p.stdout, p.stderr
        np.testing.assert_array_equal(np.load(tmp_path / "y.npz")["y"], want)
    p = lite_opt("run", folder / "cnn.lrm", "--shape", "x=1,3,8,8", "--json", "--profile")
    facts = json.loads(p.stdout)
    assert facts["outputs"]["y"]["shape"] == [1, 5] and facts["steps"]
    fails("run", folder / "cnn.lrm", "--input", tmp_path / "x.npy", words="does not say for which input")
    fails("run", folder / "cnn.lrm", "--input", f"q={tmp_path / 'x.npy'}", words="no input 'q'")
    fails("run", folder / "cnn.lrm", "--input", f"x={tmp_path / 'no.npy'}", words="no.npy")
    fails("run", folder / "cnn.lrm", "--shape", "x=1,3,1000000000,1000", words="out of memory: unable to allocate")
    (tmp_path / "bad.npy").write_bytes(b"nonsense")
    fails("run", folder / "cnn.lrm", "--input", f"x={tmp_path / 'bad.npy'}", words="bad.npy")
    np.save(tmp_path / "int.npy", x.astype(np.int64))
    fails("run", folder / "cnn.lrm", "--input", f"x={tmp_path / 'int.npy'}", words="float32")


def test_compare(folder, tmp_path):
    p = lite_opt("compare", folder / "cnn.onnx", folder / "cnn.lrm")
    assert p.returncode == 0 and "layers are right" in p.stdout, p.stderr
    facts = json.loads(lite_opt("compare", folder / "cnn.onnx", "--json").stdout)
    assert facts["ok"] and {"y"} <= {x["tensor"] for x in facts["layers"]}
    model = onnx.load(folder / "cnn.onnx")
    w = next(t for t in model.graph.initializer if t.name == "b2")
    w.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(w) + 0.5, "b2"))
    onnx.save(model, tmp_path / "other.onnx")
    p = lite_opt("compare", tmp_path / "other.onnx", folder / "cnn.lrm")
    assert p.returncode == 1 and "outside of their limits; the first is node" in p.stdout


def test_names_do_not_reach_the_terminal_as_commands(model_of, tmp_path):
    node = helper.make_node("Relu", ["x"], ["y"], name="node[bold red]")
    onnx.save(model_of([node], {"x": [1]}, {"y": [1]}), tmp_path / "a.onnx")
    assert lite_opt("convert", tmp_path / "a.onnx").returncode == 0
    assert "node[bold red]" in lite_opt("show", tmp_path / "a.lrm", "--nodes").stdout
    assert clean("evil\x1b[2J\x07\nname") == "evil\\x1b[2J\\x07\nname"


def test_no_network(folder, tmp_path):
    """Nothing is looked up or sent: sockets are forbidden and all works."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\ndef no(*a, **k): raise RuntimeError('network')\n"
        "socket.socket.connect = no\nsocket.getaddrinfo = no\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    p = lite_opt("convert", folder / "cnn.onnx", "-o", tmp_path / "x.lrm", env={"PYTHONPATH": path})
    assert p.returncode == 0, p.stderr


BROKEN = """
import dataclasses, sys
from lite_runtime.converter import passes
from lite_runtime.converter.cli.app import run
for stage in passes.STAGES:
    for rules in stage.steps:
        for i, rule in enumerate(rules if isinstance(rules, list) else []):
            if rule.name == "scale_into_weights":
                def apply(r, root, original=rule.apply):
                    found = original(r, root)
                    return found and [r.add("abs", v) for v in found]
                rules[i] = dataclasses.replace(rule, apply=apply)
sys.exit(run(sys.argv[1:]))
"""


def test_a_failed_proof(folder, tmp_path):
    """With a bug in a rule: exit 1, no file, the rule is named; --force writes and says so."""
    def broken(*args):
        return subprocess.run([sys.executable, "-c", BROKEN, "convert", folder / "cnn.onnx", "-o", tmp_path / "x.lrm",
                               *args], capture_output=True, text=True, check=False)

    p = broken()
    assert p.returncode == 1 and "'y': error" in p.stderr and "rule 'scale_into_weights' of stage 'fuse'" in p.stderr
    assert p.stderr.count("\n") == 1 and os.listdir(tmp_path) == []
    facts = json.loads(broken("--json").stdout)
    assert facts["proof"]["culprit"]["rule"] == "scale_into_weights" and "conv1" in facts["proof"]["culprit"]["node"]
    p = broken("--force")
    assert p.returncode == 0 and "results are wrong (--force)" in p.stdout and os.listdir(tmp_path) == ["x.lrm"]
    p = broken("--no-verify")
    assert p.returncode == 0 and "not proven" in p.stdout
