"""Headers, symbols, stubs and helper functions, against the kernel's headers, Python's numbers and each other."""
from __future__ import annotations

import importlib.util
import random
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "converter" / "toolchain" / "android"
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
# what compilers and crt.c use without a header of ours
NO_HEADER = {"__cxa_atexit", "__cxa_finalize", "__libc_init", "__stack_chk_fail", "__stack_chk_guard", "sincos",
             "sincosf"}


def kernel_headers(abi: str) -> list[str]:
    """Folders of Linux's own headers in ziglang."""
    folder = Path(importlib.util.find_spec("ziglang").submodule_search_locations[0]) / "lib/libc/include"
    arch = {"arm64-v8a": "aarch64", "armeabi-v7a": "arm", "x86_64": "x86"}[abi]
    return [w for d in (f"{arch}-linux-any", "any-linux-any") for w in ("-isystem", str(folder / d))]


def declared(text: str) -> set[str]:
    """Functions and variables that a header of ours declares, with the names that off_t of 64 bits gives them."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    names = set()
    for name in re.findall(r"^LR_MATH_[12]\((\w+)\)$", text, re.M):
        names |= {name, name + "f"}
    text = re.sub(r"^#(.*\\\n)*.*$", "", text, flags=re.M)
    names |= set(re.findall(r"^[\w ][\w *]*?\b(\w+)\([^;{]*\)[^;{]*;", text, re.M))
    names |= {f"{n}64" for n in re.findall(r"LR_OFF64\((\w+)\)", text)}
    for line in re.findall(r"^extern (.*);$", text, re.M):
        names |= set(re.findall(r"\*(\w+)", line))
    return names


def test_headers_declare_what_symbols_has():
    """No header promises what the stubs lack, and no name stands in the list that nothing uses."""
    from lite_runtime.converter.toolchain.android.abis import ABIS as FACTS
    from lite_runtime.converter.toolchain.android.symbols import symbols

    headers = {n for h in (PACKAGE / "include").rglob("*.h") for n in declared(h.read_text())} - {"atexit"}
    assert {"fseeko64", "mmap64", "stdin", "acosf", "__errno", "llround"} <= headers  # all kinds are found
    listed = set(symbols(FACTS["armeabi-v7a"]))
    assert headers - listed == set()
    assert listed - headers == NO_HEADER
    assert set(symbols(FACTS["arm64-v8a"])) == listed - {"__stack_chk_guard"}


@pytest.mark.parametrize("abi", ABIS)
def test_struct_stat(abi, compiler_of, tmp_path):
    """struct stat lies in memory as in the kernel's headers."""
    theirs = "stat64" if abi == "armeabi-v7a" else "stat"
    pairs = [(f, f) for f in ("st_dev", "st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size",
                              "st_blksize", "st_blocks")]
    pairs += [("st_atim", "st_atime"), ("st_mtim", "st_mtime"), ("st_ctim", "st_ctime"),
              ("st_mtim.tv_nsec", "st_mtime_nsec")]
    checks = [f"_Static_assert(offsetof(struct stat, {a}) == offsetof(struct kernel, {b}), \"{a}\");" for a, b in pairs]
    (tmp_path / "a.c").write_text("\n".join([
        "#include <sys/stat.h>", "#define stat kernel_old" if theirs == "stat64" else "", f"#define {theirs} kernel",
        "#include <asm/stat.h>", f"#undef {theirs}", "#undef stat", *checks,
        "_Static_assert(sizeof(struct stat) == sizeof(struct kernel), \"size\");", ""]))
    words = [*compiler_of(abi), "-std=c11", "-c", "a.c", "-o", "a.o", *kernel_headers(abi)]
    subprocess.run(words, cwd=tmp_path, check=True)


def macros(words: list[str], headers: tuple[str, ...], folder: Path) -> dict[str, int]:
    """The macros that are whole numbers after including some headers."""
    (folder / "m.c").write_text("".join(f"#include <{n}.h>\n" for n in headers))
    out = subprocess.run([*words, "-E", "-dM", "m.c"], cwd=folder, check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^#define (\w+) \(?(0x[0-9a-fA-F]+|\d+)\)?$", out, re.M)
    return {n: int(v, 8 if re.fullmatch("0[0-7]+", v) else 0) for n, v in found}


@pytest.mark.parametrize("abi", ABIS)
def test_numbers_of_the_kernel(abi, compiler_of, tmp_path):
    """Error numbers, flags of open and mmap and so on are the kernel's."""
    ours = macros(compiler_of(abi), ("errno", "fcntl", "sys/mman", "sys/auxv", "sys/stat", "time", "signal"), tmp_path)
    theirs = macros([*compiler_of(abi), *kernel_headers(abi)],
                    ("asm/errno", "asm/fcntl", "asm/mman", "linux/auxvec", "linux/stat", "linux/time",
                     "asm/signal"), tmp_path)
    same = [n for n in ours if n in theirs and re.match(r"(E|O|PROT|MAP|MADV|AT|S|CLOCK|SIG)", n)]
    assert len(same) >= 50
    assert {n: ours[n] for n in same} == {n: theirs[n] for n in same}


@pytest.mark.parametrize("abi", ABIS)
def test_sizes(abi, compiler_of, tmp_path):
    """Sizes as in bionic: of what threads share, and of off_t with and without 64 bits asked for."""
    long = 4 if abi == "armeabi-v7a" else 8
    sizes = {"pthread_mutex_t": 4 if long == 4 else 40, "pthread_cond_t": 4 if long == 4 else 48, "sigset_t": long,
             "pthread_attr_t": 24 if long == 4 else 56, "pthread_t": long, "pthread_key_t": 4,
             "cpu_set_t": 4 if long == 4 else 128, "time_t": long, "size_t": long, "wchar_t": 4}
    for bits, off in (("64", 8), ("32", long)):
        lines = [f"_Static_assert(sizeof({t}) == {n}, \"{t}\");" for t, n in (sizes | {"off_t": off}).items()]
        (tmp_path / "a.c").write_text("#include <pthread.h>\n#include <signal.h>\n" + "\n".join([*lines, ""]))
        flags = [f"-D_FILE_OFFSET_BITS={bits}", "-std=c11", "-c", "a.c", "-o", "a.o"]
        subprocess.run([*compiler_of(abi), *flags], cwd=tmp_path, check=True)


def test_thread_local_variables(tmp_path):
    """emutls.c on this machine: values, alignment, growth, and memory that goes with its thread."""
    if not shutil.which("clang"):
        pytest.skip("missing: clang")
    counted = ["-Dposix_memalign=test_memalign", "-Drealloc=test_realloc", "-Dfree=test_free"]
    flags = ["-O1", "-g", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Werror", "-femulated-tls", "-pthread"]
    subprocess.run(["clang", *flags, *counted, "-c", PACKAGE / "emutls.c", "-o", "emutls.o"], cwd=tmp_path, check=True)
    subprocess.run(["clang", *flags, HERE / "thread_locals.c", "emutls.o", "-o", "test"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "test"], capture_output=True, text=True, timeout=60).stdout == "well\n"


def arithmetic() -> list[str]:
    """C conditions that hold, of what armv7 has no instruction for; the values are Python's."""
    rng = random.Random(1)
    lines = []
    for _ in range(40):
        a, b = rng.getrandbits(rng.randint(1, 63)), rng.getrandbits(rng.randint(1, 40)) + 1
        lines += [f"u64({a}u) / u64({b}u) == {a // b}u", f"u64({a}u) % u64({b}u) == {a % b}u",
                  f"s64(-{a}ll) / s64({b}ll) == -{a // b}ll", f"s64(-{a}ll) % s64({b}ll) == -{a % b}ll",
                  f"s32({-(a >> 33)}) / s32({(b & 0xffff) + 1}) == {-((a >> 33) // ((b & 0xffff) + 1))}",
                  f"(double)s64(-{a}ll) == {(-float(a)).hex()}", f"(double)u64({a}u) == {float(a).hex()}",
                  f"(float)u64({a}u) == {as_f32(a).hex()}f", f"(float)s64(-{a}ll) == {(-as_f32(a)).hex()}f"]
        x = rng.uniform(-1e18, 1e18)
        lines += [f"(long long)f64({x.hex()}) == {int(x)}ll",
                  f"(unsigned long long)f64({abs(x).hex()}) == {int(abs(x))}ull"]
    return lines


def as_f32(a: int) -> float:
    """Rounded once: the two f32 around it, and the nearer, or the even one."""
    x = struct.unpack("<f", struct.pack("<f", a))[0]
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    near = [(abs(int(v) - a), n & 1, v) for n in (bits - 1, bits, bits + 1)
            for v in [struct.unpack("<f", struct.pack("<I", max(n, 0)))[0]]]
    return min(near)[2]


def test_arithmetic_of_armv7(compiler_of, tmp_path):
    """zig's helper functions and our floating-point convention agree: a program without a C library, under qemu."""
    if not shutil.which("qemu-arm"):
        pytest.skip("missing: qemu-arm")
    checks = "\n".join(f"  if (!({c})) return {i + 1};" for i, c in enumerate(arithmetic()))
    text = "\n".join(f"static {t} {n}({t} x) {{ volatile {t} v = x; return v; }}" for n, t in (
        ("u64", "unsigned long long"), ("s64", "long long"), ("s32", "int"), ("f64", "double")))
    (tmp_path / "a.c").write_text(f"""{text}
static int run(void) {{
{checks}
  return 0;
}}
static void end(int n) {{ /* exit_group; 8 bits are seen outside, so write the number as well */
  register int r0 __asm__("r0") = n ? 1 : 0;
  register int r7 __asm__("r7") = 248;
  __asm__ volatile("svc 0" : : "r"(r0), "r"(r7));
}}
void _start(void) {{
  static char digits[] = "000000\\n";
  int n = run();
  for (int i = 5, m = n; i >= 0; i--, m /= 10) digits[i] = (char)('0' + m % 10);
  register int r0 __asm__("r0") = 1;
  register char *r1 __asm__("r1") = digits;
  register int r2 __asm__("r2") = sizeof digits - 1;
  register int r7 __asm__("r7") = 4;
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r7) : "memory");
  end(n);
}}
""")
    words = compiler_of("armeabi-v7a")
    zig, sysroot = words[words.index("-E") + 2:][:2]
    # a frame pointer of Thumb code is r7, in which a system call has its number
    flags = ["-std=c11", "-O1", "-fno-stack-protector", "-ffreestanding", "-fomit-frame-pointer"]
    subprocess.run([*words, *flags, "-c", "a.c", "-o", "a.o"], cwd=tmp_path, check=True)
    link = [zig, "ld.lld", "-static", "--gc-sections", "a.o", f"{sysroot}/libbuiltins.a", "-o", "a"]
    subprocess.run(link, cwd=tmp_path, check=True)
    r = subprocess.run(["qemu-arm", "a"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    first = int(r.stdout)
    assert (first, r.returncode) == (0, 0), arithmetic()[first - 1]


def test_symbols_of_armv7(build, library_text, tmp_path):
    """compiler_rt has a memcpy and a sin of its own; those of the device are used. And the code is Thumb."""
    from elftools.elf.elffile import ELFFile

    text = f"#include <string.h>\n{library_text}API void lr_copy(char *a, char *b, size_t n) {{ memcpy(a, b, n); }}\n"
    with build("armeabi-v7a", tmp_path, text).open("rb") as f:
        table = list(ELFFile(f).get_section_by_name(".symtab").iter_symbols())
    assert [s["st_value"] & 1 for s in table if s.name == "lr_test"] == [1]
    names = {s.name: s["st_shndx"] for s in table}
    assert names["sin"] == "SHN_UNDEF" and names["memcpy"] == "SHN_UNDEF" and names["__aeabi_ldivmod"] != "SHN_UNDEF"


def test_same_bytes(build, library_text, tmp_path):
    """Sysroots and libraries made twice, in folders of other names."""
    from lite_runtime.converter.toolchain.android.sysroot import make_sysroot

    made = [make_sysroot("arm64-v8a", tmp_path / name) for name in ("a", "another")]
    files = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in made]
    assert files[0] == files[1] and {"libc.so", "crtbegin_so.o", "libbuiltins.a"} <= set(files[0])
    libraries = []
    for name in ("b", "one more"):
        (tmp_path / name).mkdir()
        libraries.append(build("arm64-v8a", tmp_path / name, library_text).read_bytes())
    assert libraries[0] == libraries[1]


def test_driver(compiler_of, tmp_path):
    """Response files, and options that cannot work."""
    words = compiler_of("x86_64")
    (tmp_path / "a b.c").write_text("int answer(void);\nint main(void) { return answer(); }\n")
    (tmp_path / "b.c").write_text("int answer(void) { return 42; }\n")
    (tmp_path / "all.rsp").write_text("'a b.c' b.c -o 'the app'")
    subprocess.run([*words, "@all.rsp"], cwd=tmp_path, check=True)
    assert (tmp_path / "the app").read_bytes()[:4] == b"\x7fELF"
    r = subprocess.run([*words, "-static", "b.c"], cwd=tmp_path, capture_output=True, text=True)
    assert (r.returncode, r.stderr) == (1, "cc.py: programs for Android are linked dynamically; leave out -static\n")
    r = subprocess.run([*words, "a b.c", "-o", "x"], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode and "undefined symbol: answer" in r.stderr and not (tmp_path / "x").exists()


def test_api_level_gate(compiler_of, tmp_path):
    """What came after the API level fails to compile, not on the phone."""
    (tmp_path / "a.c").write_text("#include <stdlib.h>\nvoid *f(void) { return aligned_alloc(64, 64); }\n")
    words = [*compiler_of("arm64-v8a"), "-std=c11", "-c", "a.c"]
    r = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode and "aligned_alloc" in r.stderr


def test_ndk_cross_file(tmp_path):
    """Its text only: there is no NDK here."""
    import configparser

    from lite_runtime.converter.toolchain.android.cross import ndk_cross_file
    from lite_runtime.converter.toolchain.android.sysroot import ToolchainError

    with pytest.raises(ToolchainError, match="has no toolchains/.*; give the folder of an Android NDK"):
        ndk_cross_file("arm64-v8a", tmp_path)
    with pytest.raises(ValueError, match="ABI 'mips' is unknown; use one of arm64-v8a, armeabi-v7a, x86_64"):
        ndk_cross_file("mips", tmp_path)
    folder = tmp_path / "it's" / "toolchains/llvm/prebuilt/linux-x86_64/bin"
    folder.mkdir(parents=True)
    (folder / "clang").touch()
    for abi, target, family in (("arm64-v8a", "aarch64-linux-android24", "aarch64"),
                                ("armeabi-v7a", "armv7a-linux-androideabi24", "arm"),
                                ("x86_64", "x86_64-linux-android24", "x86_64")):
        made = configparser.ConfigParser(interpolation=None)
        made.read_string(ndk_cross_file(abi, tmp_path / "it's"))
        c = made["binaries"]["c"]
        assert c.startswith("['" + str(folder / "clang").replace("'", "\\'") + f"', '--target={target}'")
        assert "'-Wl,-z,max-page-size=16384'" in c and ("-mbranch-protection=standard" in c) == (family == "aarch64")
        assert "-Xarch" not in c and "zig" not in c and "-mcpu" not in c
        assert made["host_machine"]["system"] == "'android'" and made["host_machine"]["cpu_family"] == f"'{family}'"
