"""What is in the wheels for other machines: names, files, and what their compiled part asks of a system."""
from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import cross_extension
import environment
import pefile
import pytest
import wheels as make_wheels
from elftools.elf.elffile import ELFFile
from macholib.MachO import MachO
from macholib.SymbolTable import SymbolTable
from packaging.utils import parse_wheel_filename

from lite_runtime.converter.toolchain import sources, targets

pytestmark = pytest.mark.wheels
ROOT = Path(__file__).parents[2]
INTERPRETER = re.compile(r"_?Py[A-Z_]\w+")
# what a program of glibc needs at all
GLIBC = re.compile(r"lib(c|m|pthread|dl|rt)\.so\.\d|ld-linux[\w-]*\.so\.\d")


def test_tags(wheel):
    """The name, and the file WHEEL, say for which Pythons and machines the wheel is."""
    assert wheel.tags, wheel.target
    _, _, _, tags = parse_wheel_filename(wheel.path.name)
    assert {str(t) for t in tags} == {f"cp310-abi3-{p}" for p in wheel.tags}
    info, = (text.decode() for name, text in wheel.files.items() if name.endswith(".dist-info/WHEEL"))
    assert set(re.findall(r"^Tag: (.+)$", info, re.M)) == {str(t) for t in tags}
    assert "Root-Is-Purelib: false" in info


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.14"])
def test_pip_takes_it_for_its_machine_alone(wheel, version, tmp_path):
    other = "manylinux2014_ppc64le"
    for platform, fits in ((min(wheel.tags), version != "3.9"), (other, False)):
        p = subprocess.run([sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--only-binary=:all:",
                            f"--platform={platform}", f"--python-version={version}", "--implementation=cp",
                            f"--target={tmp_path / 'site'}", wheel.path], capture_output=True, text=True)
        assert (p.returncode == 0) == fits, p.stdout + p.stderr
        assert fits or "not a supported wheel" in p.stderr or "requires a different Python" in p.stderr


def test_the_record_is_true(wheel):
    name, = (n for n in wheel.files if n.endswith(".dist-info/RECORD"))
    rows = list(csv.reader(io.StringIO(wheel.files[name].decode())))
    assert sorted(r[0] for r in rows) == sorted(wheel.files) and len(wheel.entries) == len(wheel.files)
    for path, digest, size in rows:
        if path != name:
            data = wheel.files[path]
            want = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={want}", str(len(data)))


def test_nothing_tells_when_and_where_it_was_made(wheel):
    assert {e.date_time for e in wheel.entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {e.external_attr >> 16 & 0o777 for e in wheel.entries if e.filename.endswith((".py", ".c"))} == {0o644}
    for place in (ROOT, Path.home(), Path(sys.prefix)):
        assert str(place).encode() + b"/" not in wheel.extension


def test_the_c_sources_are_there(wheel):
    """What `lite-opt build` compiles, byte for byte; what git has of it, so that no other file is in it either."""
    tracked = subprocess.run(["git", "ls-files", *sources.PARTS], cwd=ROOT, capture_output=True, text=True, check=True)
    wanted = {n for n in tracked.stdout.splitlines() if not n.startswith("lite_runtime/python/")}
    prefix = "lite_runtime/sources/"
    assert len(wanted) > 100 and wanted == {n.removeprefix(prefix) for n in wheel.files if n.startswith(prefix)}
    assert all(wheel.files[prefix + n] == (ROOT / n).read_bytes() for n in wanted)


@pytest.mark.of("linux")
def test_elf(wheel):
    """glibc 2.17 and nothing beside it; nothing undefined but the interpreter's names; 16 KB pages on 64-bit ARM."""
    elf = ELFFile(io.BytesIO(wheel.extension))
    machine, bits = {"linux-x64": ("EM_X86_64", 64), "linux-arm64": ("EM_AARCH64", 64),
                       "linux-armv7": ("EM_ARM", 32)}[wheel.target]
    assert (elf["e_machine"], elf.elfclass) == (machine, bits)
    needed = [t.needed for t in elf.get_section_by_name(".dynamic").iter_tags() if t.entry.d_tag == "DT_NEEDED"]
    assert "libc.so.6" in needed and [n for n in needed if not GLIBC.fullmatch(n)] == []
    versions = [a.name for _, used in elf.get_section_by_name(".gnu.version_r").iter_versions() for a in used]
    numbers = [tuple(map(int, v.removeprefix("GLIBC_").split("."))) for v in versions]
    assert numbers and max(numbers) <= (2, 17)
    table, of = elf.get_section_by_name(".dynsym"), elf.get_section_by_name(".gnu.version")
    symbols = [(s, of.get_symbol(i)["ndx"]) for i, s in enumerate(table.iter_symbols()) if s.name]
    free = {s.name for s, version in symbols if s["st_shndx"] == "SHN_UNDEF" and isinstance(version, str)}
    assert "PyImport_ImportModule" in free and [n for n in free if not INTERPRETER.fullmatch(n)] == []
    assert "PyInit__lr" in {s.name for s, _ in symbols if s["st_shndx"] != "SHN_UNDEF"}
    segments = {s["p_type"]: s for s in elf.iter_segments()}
    assert "PT_GNU_RELRO" in segments and not segments["PT_GNU_STACK"]["p_flags"] & 1
    if wheel.target == "linux-arm64":  # a Raspberry Pi 5 has them
        assert all(s["p_align"] >= 16384 for s in elf.iter_segments() if s["p_type"] == "PT_LOAD")


@pytest.mark.of("windows")
def test_pe(wheel):
    """Python of the limited API's DLL, the rest from Windows 10 itself."""
    pe = pefile.PE(data=wheel.extension)
    assert pe.FILE_HEADER.Machine == pefile.MACHINE_TYPE["IMAGE_FILE_MACHINE_AMD64"]
    imports = {e.dll.decode().lower(): {i.name.decode() for i in e.imports} for e in pe.DIRECTORY_ENTRY_IMPORT}
    python = imports.pop("python3.dll")
    assert "PyImport_ImportModule" in python and all(INTERPRETER.fullmatch(n) for n in python)
    assert imports and [n for n in imports if not re.fullmatch(r"(kernel32|api-ms-win-crt-[\w-]+)\.dll", n)] == []
    assert {s.name.decode() for s in pe.DIRECTORY_ENTRY_EXPORT.symbols} == {"PyInit__lr"}
    assert pe.OPTIONAL_HEADER.DllCharacteristics & 0x160 == 0x160  # ASLR of 64 bits, no executable data


def bindings(code: bytes) -> Iterator[tuple[int, str]]:
    """What the opcodes of LC_DYLD_INFO (mach-o/loader.h) bind: the ordinal of the library, below 0 a special one, and
    the symbol."""
    at, ordinal, name = 0, 0, ""

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value, shift, at = value | (code[at] & 127) << shift, shift + 7, at + 1
            if code[at - 1] < 128:
                return value

    while at < len(code):
        kind, small, at = code[at] & 0xF0, code[at] & 15, at + 1
        if kind in (0x10, 0x30):
            ordinal = small if kind == 0x10 or small == 0 else small - 16
        elif kind == 0x20:
            ordinal = number()
        elif kind == 0x40:
            end = code.index(0, at)
            name, at = code[at:end].decode(), end + 1
        elif kind in (0x60, 0x70, 0x80):
            number()
        elif kind >= 0x90:
            for _ in range({0xA0: 1, 0xC0: 2}.get(kind, 0)):
                number()
            yield ordinal, name


@pytest.mark.of("macos")
def test_macho(wheel, tmp_path):
    """For macOS 11 on ARM, signed (the system loads nothing else), with nothing needed but the system's library."""
    (tmp_path / "_lr").write_bytes(wheel.extension)
    macho = MachO(str(tmp_path / "_lr"))
    header, = macho.headers
    commands = [(load.get_cmd_name(), command, data.rstrip(b"\0") if isinstance(data, bytes) else data)
                for load, command, data in header.commands]
    assert header.header.cputype == 0x0100000C
    (platform, oldest), = ((c.platform, c.minos) for name, c, _ in commands if name == "LC_BUILD_VERSION")
    assert (platform, oldest) == (1, 11 << 16) and "LC_CODE_SIGNATURE" in {name for name, _, _ in commands}
    assert [data for name, _, data in commands if name == "LC_LOAD_DYLIB"] == [b"/usr/lib/libSystem.B.dylib"]
    assert [data for name, _, data in commands if name == "LC_ID_DYLIB"] == [b"@rpath/_lr.abi3.so"]
    info, = (c for name, c, _ in commands if name == "LC_DYLD_INFO_ONLY")
    bound = {pair for at, size in ((info.bind_off, info.bind_size), (info.lazy_bind_off, info.lazy_bind_size))
             for pair in bindings(wheel.extension[at:at + size])}
    # what is found in any image of the process (`dynamic_lookup`, -2) is Python's; the rest is in the one library
    anywhere = {name for ordinal, name in bound if ordinal == -2}
    assert "_PyImport_ImportModule" in anywhere and [n for n in anywhere if not INTERPRETER.fullmatch(n[1:])] == []
    assert {ordinal for ordinal, _ in bound} == {-2, 1}
    table = SymbolTable(macho)
    assert b"_PyInit__lr" in {name for _, name in table.extdefsyms}


def test_our_pyconfig_says_what_pythons_own_says(tmp_path):
    """For this machine both are there: the binding, preprocessed with either, is the same text."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this Python has no limited API")
    cross_extension.python_headers(tmp_path / "ours")
    cross_extension.binding(ROOT, tmp_path / "_lr.c")
    texts = []
    for folder in (tmp_path / "ours", sysconfig.get_paths()["include"]):
        words = [sys.executable, "-m", "ziglang", "cc", "-E", "-P", *cross_extension.COMPILE, f"-I{folder}",
                 f"-I{ROOT / 'lite_runtime' / 'include'}", str(tmp_path / "_lr.c")]
        text = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        texts.append("\n".join(filter(str.strip, text.splitlines())))  # Debian's header leaves an empty line more
    assert "PyObject_Malloc" in texts[0] and texts[0] == texts[1]


def test_a_target_without_wheels():
    """Says what to use in the place of a wheel; a target that has none yet gets its tags from its triple."""
    with pytest.raises(environment.ToolError, match="'android-arm64': there are no wheels for it; use lite-opt build"):
        make_wheels.platforms(targets.find("android-arm64"))
    assert make_wheels.platforms(targets.find("linux-riscv64")) == ["manylinux_2_27_riscv64"]
    assert make_wheels.platforms(targets.find("macos-x64")) == ["macosx_11_0_x86_64"]
