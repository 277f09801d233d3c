"""The fuzzing steps of checks.py: damaged files (tests/fuzz/mutate.c) and libFuzzer's targets."""
from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cpu_levels
import environment
from step import BUILD, ROOT, Run, Skip

FINDINGS = ROOT / "tests" / "fuzz" / "findings"
MAX_SEED = 50_000  # bytes
PER_LEVEL = 20_000  # damaged files on each instruction set level but the highest
TARGETS = {"load": 60_000, "run": 60_000, "api": 1_000}  # and the most bytes of an input
LIBFUZZER = ["-Dtests=true", "-Dlibfuzzer=true", "-Dbuildtype=debugoptimized", "-Db_lundef=false",
             "-Db_sanitize=address,undefined", "-Dc_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=all"]
# calls of target_api.c that get somewhere: pool, model, session, sizes, plan, write, run, bind, run, close
API_START = bytes([4, 0, 0, 0, 5, 0, 2, 0, 35, 6, 0, 0, 2, 3, 4, 7, 0, 10, 0, 0, 0, 7, 8, 0, 0, 9, 0, 0, 0, 9, 1, 8, 0,
                   4, 3, 0])


def seeds(t: Run) -> list[Path]:
    """Small models of every kind: composed ones, rows of the operator tests, and those of the C tests (dynamic,
    quantised, streaming, with a delegate, a custom operator, two encodings)."""
    folder = BUILD / "fuzz-seeds"
    shutil.rmtree(folder, ignore_errors=True)
    t.sh(sys.executable, "tests/fuzz/seeds.py", folder)
    for path in sorted(t.models().glob("*.lrm")):
        if path.stat().st_size <= MAX_SEED:
            shutil.copy(path, folder)
    return sorted(folder.glob("*.lrm"))


def damaged(t: Run, folder: Path, count: int) -> str:
    """`count` damaged files against the library in the build `folder` on all that the CPU has, a part of them on each
    lower instruction set level; prints the tables of outcomes."""
    program = next(folder.rglob("lr_fuzz"))
    files = seeds(t)
    code = "import lite_runtime as r; print(*(f'{n}={b}' for n, b in r.cpu_features().items()))"
    features = {n: int(b) for n, b in (x.split("=") for x in t.sh(sys.executable, "-c", code).split())}
    levels = cpu_levels.levels(features)
    for name, mask in levels.items():
        n = count if name == list(levels)[-1] else min(count, PER_LEVEL)
        options = ["--count", str(n), "--seed", "1", "--cpu", str(mask)]
        print(f"on {name}:\n{t.sh(program, *files, *options, show=False).rstrip()}", flush=True)
    return f"{count} damaged files of {len(files)} seeds on {', '.join(levels)}"


def onnx_models(t: Run, count: int) -> str:
    """`count` damaged ONNX models, converted; prints the table of outcomes."""
    out = t.sh(sys.executable, "tests/fuzz/damage_onnx.py", "--count", str(count), show=False)
    print(out.rstrip(), flush=True)
    return f"{count} damaged ONNX models"


def libfuzzer(t: Run, seconds: int) -> str:
    """Replays what was ever found, then runs each target for some seconds on the corpus of the runs before. Short runs
    take the same random numbers each time: a landing must not depend on luck."""
    t.need("clang")
    if not environment.clang_has_fuzzer():
        raise Skip("clang's libFuzzer is not installed")
    folder = t.build("libfuzzer", *LIBFUZZER, CC="clang")
    files, words = seeds(t), []
    env = {"LR_FUZZ_SEEDS": str(BUILD / "fuzz-seeds"), "UBSAN_OPTIONS": "print_stacktrace=1",
           "ASAN_OPTIONS": "allocator_may_return_null=1"}
    for name, most in TARGETS.items():
        program = next(folder.rglob(f"fuzz_{name}"))
        found = sorted((FINDINGS / name).glob("*"))
        if found:
            t.sh(program, "-timeout=10", *found, show=False, **env)
        corpus, artifacts = BUILD / "corpus" / name, BUILD / "fuzz-findings"
        corpus.mkdir(parents=True, exist_ok=True)
        artifacts.mkdir(parents=True, exist_ok=True)
        if name == "api":
            (corpus / "start").write_bytes(API_START)
        else:
            for f in files:
                shutil.copy(f, corpus)
        seed = 1 if seconds <= 20 else 0  # 0: of its own
        out = t.sh(program, f"-seed={seed}", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                   f"-max_len={most}", f"-artifact_prefix={artifacts}/{name}-", corpus, show=False,
                   timeout=seconds + 600, **env)
        runs = next(line.split()[1] for line in reversed(out.splitlines()) if line.startswith("Done "))
        print(f"fuzz_{name}: {len(found)} findings replayed, {runs} runs in {seconds} s, nothing found", flush=True)
        words.append(f"{name} {runs}")
    return f"runs: {', '.join(words)}"
