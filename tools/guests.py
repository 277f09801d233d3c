"""The steps of checks.py for other CPUs, under qemu-user: C tests, damaged files, real models. Nothing is a device."""
from __future__ import annotations

import platform
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import fuzzing
import models
from step import ROOT, Failed, Run, Skip

# C tests that stay short under an emulator; `faults`, `stop` and `threads` run millions of instructions again and again
SHORT_TESTS = ("kernels", "open", "pool", "session", "seams", "callbacks", "image")
OCR = ("ppocr2_cls", "ppocr4_rec", "ppocr4_det")


@dataclass(frozen=True)
class Guest:
    """How a target of lite-opt is tested. cpus: CPU of qemu -> the instruction sets that the library must find on it;
    full_cpus: more of them with --full. all_tests: also those tests that take long. models: what is compared with
    onnxruntime."""

    target: str
    cpus: dict[str, str]
    full_cpus: dict[str, str]
    all_tests: bool
    models: tuple[str, ...]

    @property
    def runner(self) -> list[str]:
        """The emulator, which gets a program and its arguments."""
        from lite_runtime.converter.toolchain import compilers, targets

        return compilers.runner(targets.find(self.target))


_I8MM = "neon neonfp16 neondot neoni8mm"
GUESTS = {
    "arm64": Guest("linux-arm64",
                   {"cortex-a53": "neon", "cortex-a76": "neon neonfp16 neondot", "max": _I8MM}, {"max,sve=off": _I8MM},
                   True, tuple(models.MODELS)),
    # a Cortex-A9 does not convert f16 by HWCAP; without NEON all is plain C
    "armv7": Guest("linux-armv7",
                   {"cortex-a15": "neon32 vfpv4", "cortex-a9": "neon32", "cortex-a15,neon=off": ""}, {}, False, OCR),
    "riscv64": Guest("linux-riscv64", {"rv64": ""}, {}, False, OCR),
}


def build(t: Run, name: str) -> Path:
    """The C library and its tests for a guest. Skips where compiler or emulator are missing."""
    t.need_package()
    from lite_runtime.converter.toolchain.targets import find

    target = find(GUESTS[name].target)
    t.need(f"{target.gcc}-gcc", target.qemu)
    return t.build(name, *t.cross(target.name, "gcc"), "-Dtests=true")


def check_cpu(t: Run, command: list[str], folder: Path, expected: str) -> None:
    """Does the library find what the CPU has?"""
    out = t.sh(*command, next(folder.rglob("lite_run")), "--cpu", show=False)
    found = " ".join(line.split()[0] for line in out.splitlines())
    if found != expected:
        raise Failed(f"on {shlex.join(command)} the library finds '{found}', not '{expected}'")


def damaged(t: Run, command: list[str], folder: Path, count: int) -> None:
    program = next(folder.rglob("lr_fuzz"))
    out = t.sh(*command, program, *fuzzing.seeds(t), "--count", str(count), "--seed", "1", show=False)
    print(out.rstrip(), flush=True)


def c_tests(t: Run, name: str) -> str:
    """C tests on each CPU: all of them on the first, and on the others what differs there, unless with --full; then
    damaged files."""
    g, folder = GUESTS[name], build(t, name)
    cpus = g.cpus | (g.full_cpus if t.full else {})
    for i, (cpu, expected) in enumerate(cpus.items()):
        print(f"on {cpu}:", flush=True)
        check_cpu(t, [*g.runner, "-cpu", cpu], folder, expected)
        tests = () if t.full or (g.all_tests and not i) else SHORT_TESTS if not i else ("session",)
        t.meson_test(folder, "--timeout-multiplier=10", *tests, QEMU_CPU=cpu)
    if not g.all_tests:
        cpu = next(iter(cpus))
        damaged(t, [*g.runner, "-cpu", cpu], folder, 20_000 if t.full else 5_000)
    return ", ".join(cpus)


def real_models(t: Run, name: str) -> str:
    """Models that were converted here, once: the same files there, against onnxruntime, at most 1e-4 apart. Where an
    emulator takes long, with all that its CPU has and at one size, unless with --full."""
    g, folder = GUESTS[name], build(t, name)
    program = shlex.join([*g.runner, str(next(folder.rglob("lite_run")))])
    t.sh(sys.executable, "tools/models.py", "--only", *g.models)
    less = [] if g.all_tests or t.full else ["--cpu", "highest", "--once"]
    words = ["tools/check_models.py", ROOT / "build" / "models", *g.models, "--program", program, *less]
    print(t.sh(sys.executable, *words, show=False).rstrip(), flush=True)
    return f"{len(g.models)} models"


def poorest_x86(t: Run) -> str:
    """Kernels and models on an x86-64 CPU that has SSE2 and nothing newer: what is not for it must not run there."""
    t.need("qemu-x86_64")
    if platform.machine() != "x86_64":
        raise Skip("the machine is no x86-64")
    folder = t.build("native", "-Dtests=true")
    command = ["qemu-x86_64", "-cpu", "qemu64"]
    check_cpu(t, command, folder, "sse2")
    print(t.sh(*command, folder / "tests" / "kernels" / "check", show=False).splitlines()[-1], flush=True)
    t.sh(*command, folder / "tests" / "runtime" / "test_session", t.models())
    return "qemu64"
