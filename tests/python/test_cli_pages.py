"""What lite-opt says of itself: --help, docs/cli.md, --json, progress. Each is tried as it is written."""
from __future__ import annotations

import fcntl
import importlib
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from this_machine import HERE

import lite_runtime
from lite_runtime.converter.cli.app import COMMANDS, cli, run

ROOT = Path(__file__).resolve().parents[2]
CODE = "from lite_runtime.converter.cli import main; main()"


def command_of(name):
    return cli.get_command(click.Context(cli), name)


def examples():
    """(command line, as it is in --help) for each; remarks in brackets at a line's end are none of it."""
    found = []
    for name in sorted(COMMANDS):
        text = command_of(name).epilog.replace("\\\n", "")
        found += [(name, re.sub(r"\s{2,}\(.*\)$", "", line).strip()) for line in text.splitlines()
                  if line.startswith("  lite-opt ")]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model_of, cnn_model, add_model, counter_model):
    """The files of which examples speak."""
    path = tmp_path_factory.mktemp("examples")
    node = helper.make_node
    weights = {"w": np.random.default_rng(3).normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)}
    nodes = [node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1], strides=[2, 2]),
             node("GlobalAveragePool", ["c"], ["p"], name="pool"), node("Flatten", ["p"], ["y"], name="flatten")]
    onnx.save(model_of(nodes, {"x": ["batch", 3, "h", "w"]}, {"y": ["batch", 4]}, weights), path / "model.onnx")
    onnx.save(model_of(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 4]}, weights), path / "net.onnx")
    rate = [node("Cast", ["sr"], ["f"], name="cast", to=1), node("Mul", ["input", "f"], ["m"], name="scale"),
            node("Add", ["m", "state"], ["stateN"], name="sum"), node("Neg", ["stateN"], ["output"], name="negate")]
    onnx.save(model_of(rate, {"input": [1, 8], "sr": (TensorProto.INT64, []), "state": [1, 8]},
                       {"output": [1, 8], "stateN": [1, 8]}), path / "silero.onnx")
    for name, model in (("cnn", cnn_model), ("add", add_model), ("counter", counter_model)):
        onnx.save(model, path / f"{name}.onnx")
    data = lite_runtime.convert(str(path / "model.onnx"), verify=False)
    for name in ("model", "old", "f32"):
        (path / f"{name}.lrm").write_bytes(data)
    (path / "new.lrm").write_bytes(lite_runtime.convert(str(path / "net.onnx"), verify=False))
    (path / "f16.lrm").write_bytes(lite_runtime.convert(str(path / "model.onnx"), verify=False, weights="f16"))
    np.save(path / "image.npy", np.ones((1, 3, 8, 8), np.float32))
    (path / "labels.txt").write_text("cat\ndog\nfish\nbird\n")
    (path / "out").mkdir()
    return path


def photo(folder):
    if not (folder / "photo.jpg").exists():
        image = pytest.importorskip("PIL.Image", reason="missing: pillow")
        image.fromarray(np.full((50, 70, 3), 99, np.uint8)).save(folder / "photo.jpg")


# ---- help and documents ----
@pytest.mark.parametrize(("name", "line"), examples(), ids=[line for _, line in examples()])
def test_examples(folder, name, line, tmp_path):
    """Each example runs, in a shell, as it is written (measuring for a shorter time)."""
    if name == "build":  # which takes minutes; what it does is in test_build.py
        assert command_of(name).make_context(name, line.split()[2:]).params["name"].startswith(("linux-", "android-"))
        return
    if "ssh:" in line:
        pytest.skip("tests/lab has a device of its own")
    if "qemu:" in line and not shutil.which("qemu-aarch64"):
        pytest.skip("missing: qemu-user")
    if "photo.jpg" in line:
        photo(folder)
    if "| jq" in line and not shutil.which("jq"):
        pytest.skip("missing: jq")
    if name == "bench":
        line = re.sub(r" --seconds \d+", "", line).replace("lite-opt bench", "lite-opt bench --seconds 0.02")
    line = line.replace("--bench", "--bench --seconds 0.02")
    here = tmp_path / "here"
    shutil.copytree(folder, here)
    shim = tmp_path / "bin" / "lite-opt"
    shim.parent.mkdir()
    shim.write_text(f"#!{sys.executable}\n{CODE}\n")
    shim.chmod(0o755)
    env = os.environ | {"PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}"}
    p = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=here, env=env, capture_output=True, text=True)
    differs = name == "diff" and p.returncode == 1 and p.stderr == ""
    assert p.returncode == 0 or differs, p.stderr
    assert p.stdout or name == "completion" and line.startswith("eval")


@pytest.mark.parametrize("name", [None, *sorted(COMMANDS)])
def test_help_fits_a_terminal(name, capsys):
    assert run([name, "--help"] if name else ["--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80 and text.isascii()


def test_without_arguments_it_shows_help(capsys):
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_the_readme():
    """Its lines about the tools are taken, options and all; what they do is tried with the examples."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tools = re.search(r"^## The tools\n(.*?)^## ", text, re.M | re.S)[1]
    lines = [line[:46] for line in tools.splitlines() if line]  # behind that is what it does
    assert len(lines) > 9
    for line in lines:
        program, name, *args = line.split()
        assert program == "lite-opt"
        command_of(name).make_context(name, args)
    scripts = re.findall(r"python3 (tools/\w+\.py)", text)
    assert len(scripts) == 2 and all((ROOT / s).exists() for s in scripts)


def test_the_page_is_current():
    p = subprocess.run([sys.executable, ROOT / "tools" / "gen_docs.py", "--check", "cli.md"], capture_output=True,
                       text=True)
    assert p.returncode == 0, p.stderr


def test_starting_is_quick():
    """Help and completion import no package that is slow (on an idle machine they take 0.2 s of CPU)."""
    slow = ["onnx", "onnxruntime", "rich", "flatbuffers", "jinja2", "PIL", "lite_runtime.spec.ops",
            "lite_runtime.converter.api"]
    code = f"""import sys
from lite_runtime.converter.cli.app import run
for args in (["--help"], ["run", "--help"], ["convert", "--help"], ["completion", "bash"]):
    assert run(args) == 0
print([m for m in {slow!r} if m in sys.modules])
"""
    p = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert p.stdout.splitlines()[-1] == "[]"


# ---- JSON ----
TARGET = HERE or "linux-arm64"
CALLS = {
    "build": ["model.lrm", "--target", TARGET, "--out", "out/built"],
    "bench": ["model.lrm", "--source", "model.onnx", "--vs", "onnxruntime", "--seconds", "0.02"],
    "check": ["model.onnx"],
    "compare": ["model.onnx", "model.lrm"],
    "convert": ["model.onnx", "-o", "out/x.lrm", "--explain"],
    "diff": ["old.lrm", "f16.lrm"],
    "report": ["model.onnx", "-o", "out/x.html"],
    "run": ["model.onnx", "--top", "2", "--profile", "--save", "out/y.npz"],
    "show": ["model.lrm"],
    "targets": [],
}
# before the arguments that are wrong
BEFORE = {"build": ["--target", TARGET]}


def one_object(text):
    facts = json.loads(text)  # which refuses a second one
    assert isinstance(facts, dict)
    return facts


@pytest.mark.parametrize("name", sorted(CALLS))
def test_json_has_the_keys_of_the_page(name, folder, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    code = run([name, *CALLS[name], "--json"])
    out, err = capfd.readouterr()
    module = importlib.import_module(f"lite_runtime.converter.cli.{COMMANDS[name][0]}")
    wanted = {k for k, what in module.JSON.items() if not what.startswith("with --device: ")}  # those: tests/lab
    assert set(one_object(out)) == wanted and err == "" and code == (1 if name == "diff" else 0)


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize(("args", "code"), [(["no.lrm"], 1), (["--nonsense"], 2), (["damaged.lrm"], 1)])
def test_json_of_errors(name, args, code, folder, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "damaged.lrm").write_bytes((folder / "model.lrm").read_bytes()[:-9])
    code = 2 if name == "targets" else code  # it takes no files
    words = [*BEFORE.get(name, []), *args, *(["model.onnx"] if name == "diff" else [])]
    assert run([name, *words, "--json"]) == code
    out, err = capfd.readouterr()
    facts = one_object(out)
    assert set(facts) == {"error"} and facts["error"] in err and err.count("\n") == 1


def test_every_command_with_json_is_tried():
    json_of = {n for n in COMMANDS if any("--json" in p.opts for p in command_of(n).params)}
    assert json_of == set(CALLS) == set(COMMANDS) - {"completion"}


# ---- terminals ----
def in_terminal(args, cwd, stdout=True):
    """(exit code, what a terminal of 80 columns gets as stderr and, when wanted, stdout; else stdout's pipe)."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "TTY_COMPATIBLE")}
    p = subprocess.Popen([sys.executable, "-c", CODE, *map(str, args)], cwd=cwd, env=env | {"TERM": "xterm"},
                         stdin=side, stdout=side if stdout else subprocess.PIPE, stderr=side)
    os.close(side)
    shown = b""
    while True:
        try:
            block = os.read(main, 65536)
        except OSError:  # the other side is closed
            break
        if not block:
            break
        shown += block
    os.close(main)
    piped = p.stdout.read().decode() if p.stdout else ""
    return p.wait(), shown.decode(), piped


CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("args", [
    ["run", "cnn.onnx", "--top", "3", "--profile"], ["bench", "cnn.onnx", "--seconds", "0.02"], ["check", "cnn.onnx"],
    ["compare", "cnn.onnx"], ["show", "model.lrm", "--nodes", "--tensors"], ["diff", "old.lrm", "f16.lrm"]],
    ids=lambda a: a[0])
def test_tables_fit_a_terminal(args, folder):
    code, shown, _ = in_terminal(args, folder)
    assert code == (args[0] == "diff")
    lines = CONTROL.sub("", shown).replace("\r", "\n").splitlines()
    tables = [line for line in lines if re.search(r"\S\s{2,}\S", line)]
    assert tables and max(map(len, tables)) <= 80


@pytest.mark.parametrize(("args", "words"), [
    (["convert", "model.onnx", "-o", "out/t.lrm"], "running the source model"),
    (["compare", "cnn.onnx"], "running both models"), (["check", "cnn.onnx"], "checking"),
    (["bench", "model.lrm", "--seconds", "0.02"], "measuring for about")], ids=lambda a: str(a[0]))
def test_progress(args, words, folder):
    """On a terminal's stderr, unless it is not wanted; never on stdout; nothing is left when it ends."""
    code, shown, piped = in_terminal(args, folder, stdout=False)
    assert code == 0 and words in shown and piped and words not in piped
    assert CONTROL.sub("", shown).count("\n") <= 2  # lines were written over
    for option in ("--quiet", "--json"):
        code, shown, piped = in_terminal([*args, option], folder, stdout=False)
        assert code == 0 and shown == "" and piped
    p = subprocess.run([sys.executable, "-c", CODE, *args], cwd=folder, capture_output=True, text=True)
    assert p.stderr == "" and words not in p.stdout
