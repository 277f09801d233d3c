"""The targets: one table. What differs between machines is here, not in the code that builds."""
from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConvertError

TOOLCHAINS = ("zig", "gcc", "clang", "ndk")


@dataclass(frozen=True)
class Target:
    """A kind of machine that libraries are built for."""

    name: str
    system: str
    """As meson says it: linux, android, windows or darwin."""
    cpu: str
    """As meson says it: x86_64, aarch64, arm or riscv64."""
    triple: str
    """For LLVM and zig; for glibc with the oldest version on which the library loads."""
    oldest: str
    """The oldest system on which the library loads, in words."""
    levels: tuple[str, ...]
    """What the library knows of a CPU at run time, the poorest first: names of isa.inc; 'c' is plain C."""
    tested: str
    """How the project's tests run what is built."""
    flags: tuple[str, ...] = ()
    """For the compiler: the poorest CPU of the class."""
    gcc: str = ""
    """The prefix of Debian's cross compiler, which is also the name of its folder in /usr."""
    packages: str = ""
    """Debian's packages with that compiler."""
    qemu: str = ""
    """qemu-user's program for this CPU, on x86-64."""
    abi: str = ""
    """Android's name."""

    @property
    def machine(self) -> str:
        """As ELF says it."""
        return {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64", "arm": "EM_ARM", "riscv64": "EM_RISCV"}[self.cpu]

    @property
    def elf(self) -> bool:
        return self.system in ("linux", "android")


X86 = ("sse2", "avx2", "avx512", "avx512vnni")
ARM64 = ("neon", "neonfp16", "neondot", "neoni8mm")
ARMV7 = ("c", "neon32", "vfpv4")
CHECKED = "file checked, not run"

TARGETS = {t.name: t for t in (
    Target("linux-x64", "linux", "x86_64", "x86_64-linux-gnu.2.17", "glibc 2.17", X86,
           "run; SSE2 alone by qemu", ("-mcpu=x86_64",), "x86_64-linux-gnu", "gcc libc6-dev", "qemu-x86_64"),
    Target("linux-arm64", "linux", "aarch64", "aarch64-linux-gnu.2.17", "glibc 2.17", ARM64, "qemu, 4 CPUs",
           ("-mcpu=generic",), "aarch64-linux-gnu", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross", "qemu-aarch64"),
    Target("linux-armv7", "linux", "arm", "arm-linux-gnueabihf.2.17", "glibc 2.17", ARMV7, "qemu, 3 CPUs",
           ("-mcpu=generic+v7a+vfp3d16-neon",), "arm-linux-gnueabihf",
           "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross", "qemu-arm"),
    Target("linux-riscv64", "linux", "riscv64", "riscv64-linux-gnu.2.27", "glibc 2.27", ("c",), "qemu, 1 CPU",
           ("-mcpu=generic_rv64+m+a+f+d+c",), "riscv64-linux-gnu",
           "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross", "qemu-riscv64"),
    Target("windows-x64", "windows", "x86_64", "x86_64-windows-gnu", "Windows 10", X86, "Wine", ("-mcpu=x86_64",)),
    Target("macos-arm64", "darwin", "aarch64", "aarch64-macos.11.0", "macOS 11", ARM64, CHECKED),
    Target("macos-x64", "darwin", "x86_64", "x86_64-macos.11.0", "macOS 11", X86, CHECKED, ("-mcpu=x86_64",)),
    Target("android-arm64", "android", "aarch64", "aarch64-linux-android24", "Android 7 (API 24)", ARM64, CHECKED,
           abi="arm64-v8a"),
    Target("android-armv7", "android", "arm", "armv7a-linux-androideabi24", "Android 7 (API 24)", ARMV7, CHECKED,
           abi="armeabi-v7a"),
    Target("android-x64", "android", "x86_64", "x86_64-linux-android24", "Android 7 (API 24)", X86, CHECKED,
           abi="x86_64"),
)}


def find(name: str) -> Target:
    """The target of that name; ConvertError with all names when there is none."""
    if name not in TARGETS:
        raise ConvertError(f"target '{name}': unknown; use one of {', '.join(TARGETS)}")
    return TARGETS[name]
