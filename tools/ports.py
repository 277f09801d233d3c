"""The steps of checks.py about Windows and macOS: built by zig; run under Wine, or looked at where nothing can run."""
from __future__ import annotations

import sys
from pathlib import Path

from step import BUILD, ROOT, Failed, Run

ZIG = [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=undefined"]
# seeds that have most kinds of nodes, and the instruction sets: plain C, SSE2 alone, all of this CPU
SEEDS = ("convnet", "control", "qdq_conv", "streaming", "values", "views")
MASKS = ("0x80000000", "1", "0")
# kernels of every signature; the rest takes too long in an emulated process
KERNELS = ("gemm", "dwconv", "pool", "softmax", "winograd", "cast", "image")
APP, INCLUDE = ROOT / "examples" / "pkg-config" / "app.c", f"-I{ROOT / 'lite_runtime' / 'include'}"
# names by which an image knows itself; zig's linker leaves them in the table of symbols
OWN_HEADER = {"__mh_dylib_header", "___dso_handle"}
MACS = {"macos-arm64": "aarch64", "macos-x64": "x86_64"}
MAC_CPUS = {"aarch64": 0x0100000C, "x86_64": 0x01000007}


def wine(t: Run) -> dict[str, str]:
    """Environment variables for Wine, with a folder of its own, made when first needed."""
    t.need("wine")
    env = {"WINEPREFIX": str(BUILD / "wine"), "WINEDEBUG": "-all", "LC_ALL": "C.UTF-8"}
    if not (BUILD / "wine" / "system.reg").exists():
        t.sh("wine", "cmd", "/c", "ver", show=False, **env)
    return env


def demand(library: Path, facts: dict[str, bool]) -> str:
    """The facts in a line; Failed with those that are not so."""
    missing = [what for what, so in facts.items() if not so]
    if missing:
        raise Failed(f"{library.name} is not as wanted: {'; '.join(missing)}")
    return ", ".join(facts)


def same_again(t: Run, folder: Path, library: Path) -> bool:
    """Whether linking the library once more gives the same bytes."""
    before = library.read_bytes()
    library.unlink()
    t.sh("meson", "compile", "-C", folder, show=False)
    return library.read_bytes() == before


def dll_facts(library: Path) -> dict[str, bool]:
    import pefile

    pe = pefile.PE(str(library))
    exported = [s.name.decode() for s in pe.DIRECTORY_ENTRY_EXPORT.symbols]
    needed = {e.dll.decode().lower() for e in pe.DIRECTORY_ENTRY_IMPORT}
    system = all(n == "kernel32.dll" or n.startswith("api-ms-win-crt-") for n in needed)
    return {f"exports {len(exported)} symbols, all lr_*": all(n.startswith("lr_") for n in exported),
            "needs kernel32 and the UCRT alone": system,
            "ASLR of 64 bits, no executable data": pe.OPTIONAL_HEADER.DllCharacteristics & 0x160 == 0x160}


def windows_app(t: Run, folder: Path, env: dict[str, str]) -> None:
    """The example app, linked to the DLL and to the archive."""
    library = folder / "lite_runtime"
    words = [*ZIG, "-target", "x86_64-windows-gnu", "-std=c11", INCLUDE, APP]
    for name, path in (("lite_runtime.dll.a", str(library)), ("liblite_runtime.a", "")):
        app = BUILD / "app-windows" / ("static" if name.startswith("lib") else "shared") / "app.exe"
        app.parent.mkdir(parents=True, exist_ok=True)
        t.sh(*words, library / name, "-o", app, show=False)
        out = t.sh("wine", app, t.models() / "streaming.lrm", show=False, WINEPATH=path, **env)
        if out.split("\n")[:2] != ["input x, rank 2", "output y, rank 2"]:
            raise Failed(f"{app}: printed {out!r}")


def windows(t: Run) -> str:
    """The library for Windows and its C tests, under Wine."""
    env = wine(t)
    folder = t.build("windows", *t.cross("windows-x64", "zig"), "-Dtests=true")
    library = folder / "lite_runtime" / "lite_runtime.dll"
    words = demand(library, dll_facts(library) | {
        "names no folder of this machine": str(ROOT).encode() not in library.read_bytes(),
        "the same bytes when it is linked again": same_again(t, folder, library)})
    t.meson_test(folder, "--suite=runtime", "--timeout-multiplier=4", **env)
    kernels = t.sh("wine", folder / "tests" / "kernels" / "check.exe", *KERNELS, show=False, **env)
    print("kernels:", kernels.strip().splitlines()[-1], flush=True)
    seeds = [t.models() / f"{n}.lrm" for n in SEEDS]
    for mask in MASKS:
        out = t.sh("wine", folder / "tests" / "fuzz" / "lr_fuzz.exe", *seeds, "--count", "400", "--seed", "1",
                   "--cpu", mask, show=False, **env)
        print(f"400 damaged files, cpu mask {mask}: {out.strip().splitlines()[-1]}", flush=True)
    windows_app(t, folder, env)
    return words


def dylib_facts(library: Path, cpu: str) -> dict[str, bool]:
    from macholib.MachO import MachO
    from macholib.SymbolTable import SymbolTable

    macho = MachO(str(library))
    header, = macho.headers
    commands = {}
    for load, command, data in header.commands:
        commands.setdefault(load.get_cmd_name(), []).append((command, data))

    def names(kind: str) -> list[bytes]:
        return [data.rstrip(b"\0") for _, data in commands.get(kind, [])]

    exported = {name.decode() for _, name in SymbolTable(macho).extdefsyms} - OWN_HEADER
    built = commands["LC_BUILD_VERSION"][0][0]
    return {f"for {cpu}": header.header.cputype == MAC_CPUS[cpu] and header.header.filetype == 6,
            "macOS 11.0": built.platform == 1 and built.minos == 11 << 16,
            "@rpath/liblite_runtime.dylib": names("LC_ID_DYLIB") == [b"@rpath/liblite_runtime.dylib"],
            "needs libSystem alone": names("LC_LOAD_DYLIB") == [b"/usr/lib/libSystem.B.dylib"],
            "no search paths": "LC_RPATH" not in commands,
            "signed": cpu != "aarch64" or "LC_CODE_SIGNATURE" in commands,
            f"exports {len(exported)} symbols, all _lr_*":
                bool(exported) and all(n.startswith("_lr_") for n in exported)}


def macos(t: Run) -> str:
    """The library and the example app for macOS, linked and looked at; nothing of it runs here."""
    words = {}
    for target, cpu in MACS.items():
        tests = ["-Dtests=true"] if cpu == "aarch64" else []
        folder = t.build(f"macos-{cpu}", *t.cross(target, "zig"), *tests)
        library = folder / "lite_runtime" / "liblite_runtime.dylib"
        words[cpu] = demand(library, dylib_facts(library, cpu) | {
            "names no folder of this machine": str(ROOT).encode() not in library.read_bytes(),
            "the same bytes when it is linked again": same_again(t, folder, library)})
        for name in ("liblite_runtime.dylib", "liblite_runtime.a"):
            t.sh(*ZIG, "-target", f"{cpu}-macos.11.0", "-std=c11", INCLUDE, APP, folder / "lite_runtime" / name,
                 "-o", BUILD / "app-macos", show=False)
    return f"{words['aarch64']}; x86_64 likewise; not run"
