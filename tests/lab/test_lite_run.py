"""lite_run by hand, on this machine: files in and out, its document, its sentences, its random inputs."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import lite_runtime


@pytest.fixture
def run(native, tmp_path):
    def call(*words: object, code: int = 0) -> str:
        p = subprocess.run([native, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert p.returncode == code, p.stderr
        assert (p.stderr == "") == (code == 0) and (not code or p.stderr.count("\n") == 1)
        return p.stderr or p.stdout

    return call


def splitmix(seed: int, n: int) -> np.ndarray:
    """Python's integers, from the paper's text."""
    out, mask = [], 2**64 - 1
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
        out.append(z ^ z >> 31)
    return np.array(out, np.uint64)


def test_files(run, odd, tmp_path):
    """Fortran order of one dim, versions 1 to 3 of the format, no elements."""
    a = np.arange(14, dtype=np.float32)[::-1].reshape(2, 7).copy()
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(tmp_path / "a.npy", "wb") as f:
            np.lib.format.write_array(f, a, version=version)
        np.save(tmp_path / "m.npy", np.zeros(0, bool))
        out = run(odd, "--input", "a=b $x'=a.npy", "--input", "mask=m.npy", "--output", "o")
        assert "v/0 f32 [2 3] min 4 mean 8.5 max 13" in out
        assert np.load(tmp_path / "o.0.npy").tolist() == [[13, 12, 11], [6, 5, 4]]
        assert np.load(tmp_path / "o.1.npy").tolist() == [[0, 1, 2]] * 2
        assert np.load(tmp_path / "o.2.npy").shape == (0,)
    assert not list(tmp_path.glob("*.tmp"))


def test_random_inputs(run, cnn, tmp_path):
    """As the usage says: SplitMix64, the seed plus the input's number."""
    run(cnn, "--shape", "x=1,3,8,8", "--seed", 5, "--output", "o")
    x = (splitmix(5, 192) >> np.uint64(40)).astype(np.float64) / 2**23 - 1
    with lite_runtime.Session(cnn) as session:
        want = session.run({"x": x.astype(np.float32).reshape(1, 3, 8, 8)})["y"]
    assert np.abs(np.load(tmp_path / "o.0.npy") - want).max() < 1e-5 * np.abs(want).max()


def test_script(run, counter, tmp_path):
    np.save(tmp_path / "one two.npy", np.array([1, 2], np.float32))
    (tmp_path / "script").write_text("input 0 one two.npy\nrun a\nrun b\nreset\nrun c\n")
    run(counter, "--script", "script")
    assert [np.load(tmp_path / f"{n}.0.npy").tolist() for n in "abc"] == [[-1, -2], [-2, -4], [-1, -2]]
    for text, says in (("go", "go: is none of input, run and reset"), ("run a", "run: input 0 has no value"),
                       ("input 1 x.npy", "input 1 x.npy: needs the number of an input, below 1"),
                       ("input 0 no.npy", "no.npy: cannot be opened"),
                       ("run " + 4091 * "a", "the line is longer than 4094 bytes"),
                       (4095 * " " + "reset", "the line is longer than 4094 bytes")):
        (tmp_path / "script").write_text(f"reset\n\n{text}\nreset\n")
        assert run(counter, "--script", "script", code=1).startswith(f"lite_run: script:3: {says}")
    for text in ("run " + 4090 * "a", "run " + 4090 * "a" + "\n"):  # read whole, although no file has such a name
        (tmp_path / "script").write_text("input 0 one two.npy\n" + text)
        assert "aaa: is too long a path" in run(counter, "--script", "script", code=1)
    assert run(counter, "--script", "none", code=1) == "lite_run: none: cannot be opened\n"
    assert ": cannot be read" in run(counter, "--script", ".", code=1)


def test_document(run, cnn):
    r = json.loads(run(cnn, "--shape", "x=1,3,8,8", "--bench", "--runs", 7, "--profile", "--threads", 1))
    assert r["times"]["runs"] == 7 and r["version"] == lite_runtime.__version__ and r["threads"] == 1
    assert r["inputs"] == [{"name": "x", "dtype": "f32", "shape": [1, 3, 8, 8]}]
    assert set(r["features"]) <= set(lite_runtime.cpu_features()) or os.uname().machine != "x86_64"
    with lite_runtime.Session(cnn) as session:
        session.run({"x": np.zeros((1, 3, 8, 8), np.float32)})
        assert [(s.node, s.op) for s in session.steps()] == [(s["node"], s["op"]) for s in r["steps"]]
    assert all(s["ns"] > 0 for s in r["steps"] if s["kernel"] != "view")
    assert "marks" not in r and "steps" not in json.loads(run(cnn, "--shape", "x=1,3,8,8", "--json"))


def test_first_run(run, cnn):
    """Its time is that of planning and of one run, however many there are."""
    r = json.loads(run(cnn, "--shape", "x=1,3,256,256", "--json", "--runs", 200, "--threads", 1))
    assert len(r["all_ms"]) == 200 and r["all_ms"][0] <= r["first_ms"] < sum(r["all_ms"])


def test_an_input_given_twice(run, cnn, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    for twice in (["--input", "x=x.npy"] * 2, ["--input", "x=x.npy", "--shape", "x=1,3,8,8"]):
        assert "the input is given already; give it one --input or one --shape" in run(cnn, *twice, code=1)


def test_windows(program, cnn, tmp_path):
    """Letters of no one code page, files that are replaced, and what is not there."""
    if not shutil.which("wine"):
        pytest.skip("missing: wine")
    env = dict(os.environ, WINEDEBUG="-all", LC_ALL="C.UTF-8", WINEPREFIX=str(tmp_path / "wine"))

    def wine(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["wine", program("windows-x64"), *map(str, words)], cwd=tmp_path, capture_output=True,
                              encoding="utf-8", timeout=300, env=env)

    folder = tmp_path / "模型 für Ёлка"
    folder.mkdir()
    shutil.copy(cnn, folder / "é模.lrm")
    np.save(folder / "x.npy", np.ones((1, 3, 8, 8), np.float32))
    (folder / "s").write_text(f"input 0 {folder.name}/x.npy\nrun {folder.name}/ж\n", encoding="utf-8")
    (folder / "ж.0.npy").write_text("an older file")
    with lite_runtime.Session(cnn) as session:
        want = session.run({"x": np.ones((1, 3, 8, 8), np.float32)})["y"]
    model, x, y = (f"{folder.name}/{n}" for n in ("é模.lrm", "x.npy", "ж"))
    for words in (["--script", f"{folder.name}/s"], ["--input", f"x={x}", "--output", y]):
        p = wine(model, *words)
        assert not p.returncode, p.stderr
        assert np.abs(np.load(folder / "ж.0.npy") - want).max() < 1e-5 * np.abs(want).max()
        (folder / "ж.0.npy").write_text("an older file")
    assert not list(folder.glob("*.tmp"))
    p = wine(model, "--instructions", "--threads", 1)
    assert p.returncode == 2 and "--instructions: is not there on Windows" in p.stderr


def test_other_words(run, cnn):
    assert run("--version").strip() == lite_runtime.__version__
    assert {line.split()[0]: int(line.split()[1]) for line in run("--cpu").splitlines()} == lite_runtime.cpu_features()
    for words in (["--help"], ["-h"], [cnn, "--help"], [cnn, "--shape", "x=1,3,8,8", "--version", "--frob", "--help"]):
        assert "--bench" in run(*words)
    assert run(cnn, "--version") == run("--version") and run(cnn, "--bench", "--cpu") == run("--cpu")
    plain = json.loads(run(cnn, "--shape", "x=1,3,8,8", "--json", "--profile", "--cpu-mask", 2**31))
    assert not any("__a" in s["kernel"] or "__n" in s["kernel"] for s in plain["steps"])


def damaged(path: Path) -> None:
    good = path / "good.npy"
    np.save(good, np.zeros((1, 3, 8, 8), np.float32))
    data = good.read_bytes()
    (path / "short.npy").write_bytes(data[:-1])
    (path / "long.npy").write_bytes(data + b"\0")
    (path / "head.npy").write_bytes(data[:50])
    (path / "huge.npy").write_bytes(data.replace(b"(1, 3, 8, 8)", b"(99999999999, 99999999999)"))
    (path / "minus.npy").write_bytes(data.replace(b"(1, 3, 8, 8)", b"(-1, 3, 8,8)"))
    np.save(path / "big.npy", np.zeros((1, 3, 8, 8), ">f4"))
    np.save(path / "fortran.npy", np.asfortranarray(np.zeros((1, 3, 8, 8), np.float32)))
    np.save(path / "double.npy", np.zeros((1, 3, 8, 8)))


@pytest.mark.parametrize("name, says", [
    ("short", "is damaged, its size is not what its header says"), ("long", "is damaged"),
    ("head", "is not an .npy file"), ("huge", "is not an .npy file"), ("minus", "is not an .npy file"),
    ("big", "of little-endian numbers in C order"),
    ("fortran", "of little-endian numbers in C order"), ("double", "input 'x': is f32, double.npy holds f64"),
    ("missing", "missing.npy: cannot be opened"),
])
def test_damaged_files(name, says, run, cnn, tmp_path):
    damaged(tmp_path)
    assert says in run(cnn, "--input", f"x={name}.npy", code=1)


@pytest.mark.parametrize("words, code, says", [
    (["--input", "z=a.npy"], 1, "--input z=a.npy: is not NAME=VALUE of an input; the model has x"),
    (["--shape", "x=1,a"], 1, "--shape 1,a: is not a shape like 1,3,64,64"),
    ([], 1, "input 'x': the model leaves size 3 of its 4 open; give all with --shape"),
    (["--shape", "x=1,5,8,8"], 1, "does not fit the model's"),
    (["--shape", "x=1,3,8,8", "--output", "no/o"], 1, "no/o.0.npy.tmp: cannot be written"),
    (["--frob", "3"], 2, "--frob: unknown option"), (["--frob"], 2, "--frob: is unknown, or needs a value"),
    (["--threads", "x"], 2, "--threads x: is not a number from 0 to 256"), (["b.lrm"], 2, "more than one model"),
    (["--threads", "2", "--instructions"], 2, "--instructions: is for one thread"),
    (["--threads", "0.5"], 2, "--threads 0.5: is not a whole number"),
    (["--seed", "1.5"], 2, "--seed 1.5: is not a whole number"), (["--runs", "2.5"], 2, "is not a whole number"),
    (["--warmup", "3"], 2, "--warmup: is for a benchmark; add --bench"),
    (["--seconds", "3", "--runs", "2"], 2, "--seconds: is for a benchmark; add --bench"),
    (["--script", "s", "--bench"], 2, "--bench: has no meaning with --script, which says what runs"),
    (["--output", "o", "--script", "s"], 2, "--output: has no meaning with --script"),
    (["--shape", "x=1,3,8,8", "--shape", "x=1,3,4,4"], 1, "--shape x=1,3,4,4: the input is given already"),
])
def test_sentences(words, code, says, run, cnn):
    assert says in run(cnn, *words, code=code)
