"""Good libraries have no problems; each planted one has exactly its own."""
from __future__ import annotations

import dataclasses
import shutil
import subprocess

import pytest

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
API = '#define API __attribute__((visibility("default")))\n'
# name: what is added to the source, to the command, and what is said of it
PLANTED = {
    "4 KB pages": ("", ["-Wl,-z,max-page-size=4096"], "its segments are aligned to 4096 bytes, not to 16384"),
    "too new": ("void *aligned_alloc(unsigned long, unsigned long);\n"
                "API void *lr_room(void) { return aligned_alloc(64, 64); }", ["-Wl,-z,undefs"],
                "it imports aligned_alloc, which symbols.txt does not have for this ABI at API level 24"),
    "no BTI": ("", ["-mbranch-protection=none", "-Wl,-z,bti-report=none"],
               "it lacks the property of branch protection (BTI and PAC): one of its objects was compiled without"),
    "text relocation": ('API int lr_value;\n__asm__(".section .rodata.t, \\"a\\"\\n.globl lr_table\\n.balign 8\\n"\n'
                        '"lr_table: .xword lr_value\\n.text");', ["-Wl,-z,notext"], "it has text relocations"),
    "export": ("API int helper(void) { return 1; }", [], "it exports helper"),
    "executable stack": ("", ["-Wl,-z,execstack"], "its stack is executable"),
    "no RELRO": ("", ["-Wl,-z,norelro"], "relocated data stay writable: there is no RELRO segment"),
    "lazy": ("", ["-Wl,-z,lazy"], "its symbols are bound lazily"),
    "TLS": ("", ["-fno-emulated-tls"], "it has a TLS segment, which loaders before API level 29 refuse"),
    "RELR": ("", ["-Wl,--pack-dyn-relocs=relr"],
             "it has packed relocations (RELR), which the oldest loaders that are served do not know"),
    "run path": ("", ["-Wl,-rpath,$ORIGIN"], "it has a DT_RUNPATH"),
    "soname": ("", ["-Wl,-soname,libother.so"], "its soname is libother.so, not liblite_runtime.so"),
    "path": ('API const char *lr_text(void) { return "made in /home/me/src/a.c"; }', [],
             "it holds the path /home/me/src/a.c"),
}


@pytest.fixture
def check():
    from lite_runtime.converter.toolchain import elf

    return elf


@pytest.mark.parametrize("abi", ABIS)
def test_good(abi, build, library_text, check, tmp_path):
    for flags in ([], ["-Oz", "-flto"]):
        library = build(abi, tmp_path, library_text, *flags)
        assert check.check_elf(library, check.android_rules(abi)) == []
    program = build(abi, tmp_path, "#include <stdio.h>\nint main(void) { return puts(\"well\") < 0; }", name="app")
    assert check.check_elf(program, check.android_rules(abi, soname=None, exports="")) == []


@pytest.mark.parametrize("name", PLANTED)
def test_planted(name, build, library_text, check, tmp_path):
    more, flags, wanted = PLANTED[name]
    library = build("arm64-v8a", tmp_path, API + library_text.replace(API, "") + more + "\n", *flags)
    assert check.check_elf(library, check.android_rules("arm64-v8a")) == [wanted]


def test_without_start_files(build, library_text, check, compiler_of, tmp_path):
    """No note, and functions that nobody has: linked past the driver."""
    words = compiler_of("arm64-v8a")
    zig, sysroot = words[words.index("-E") + 2:][:2]
    build("arm64-v8a", tmp_path, library_text, "-c", name="a.o")
    (tmp_path / "z.s").write_text(".globl deflate\n.type deflate, %function\ndeflate: ret\n")
    for command in ([*words, "-c", "z.s", "-o", "z.o"],
                    [zig, "ld.lld", "-shared", "-soname", "libz.so", "z.o", "-o", "libz.so"],
                    [zig, "ld.lld", "-shared", "-soname", "liblite_runtime.so", "-z", "now",
                     "-z", "max-page-size=16384", "-z", "force-bti", "-z", "pac-plt", "a.o", f"{sysroot}/libbuiltins.a",
                     "libz.so", f"{sysroot}/libc.so", f"{sysroot}/libm.so", "-o", "liblite_runtime.so"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    found = check.check_elf(tmp_path / "liblite_runtime.so", check.android_rules("arm64-v8a"))
    assert "its Android note says API level None, not 24" in found and "it needs libz.so" in found


def test_versions(build, library_text, check, tmp_path):
    library = build("arm64-v8a", tmp_path, library_text)
    rules = check.android_rules("arm64-v8a")
    newer = dataclasses.replace(rules.imports["sin"], version="LIBC_X")
    found = check.check_elf(library, dataclasses.replace(rules, imports={**rules.imports, "sin": newer}))
    assert found == ["it imports sin as LIBC of libm.so, which is LIBC_X of libm.so"]


def test_other_files(build, library_text, check, tmp_path):
    library = build("arm64-v8a", tmp_path, library_text)
    assert check.check_elf(library, check.android_rules("x86_64")) == ["it is for EM_AARCH64, not for EM_X86_64"]
    for data in (b"", b"\x7fELF", library.read_bytes()[:100]):
        (tmp_path / "cut").write_bytes(data)
        found = check.check_elf(tmp_path / "cut", check.android_rules("arm64-v8a"))
        assert len(found) == 1 and found[0].startswith("it is no whole ELF file")


def test_glibc(check, tmp_path):
    """Versions of glibc: getrandom came with 2.25."""
    if not shutil.which("gcc"):
        pytest.skip("missing: gcc")
    (tmp_path / "a.c").write_text("long getrandom(void *, unsigned long, unsigned);\n"
                                  "long lr_test(void *p) { return getrandom(p, 1, 0); }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "a.c", "-o", "a.so", "-Wl,-soname,liblite_runtime.so.0",
                    "-Wl,-z,now", "-Wl,-z,relro"], cwd=tmp_path, check=True)
    from elftools.elf.elffile import ELFFile

    with (tmp_path / "a.so").open("rb") as f:
        machine = ELFFile(f)["e_machine"]
    assert check.check_elf(tmp_path / "a.so", check.linux_rules(machine, glibc=(2, 25))) == []
    assert check.check_elf(tmp_path / "a.so", check.linux_rules(machine)) == [
        "it imports getrandom of GLIBC_2.25; glibc 2.17 is the oldest served"]
