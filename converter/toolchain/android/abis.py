"""The Android ABIs: facts that the sysroot, the cross files and the checks share."""
from __future__ import annotations

from dataclasses import dataclass

API = 24
"""The oldest API level: with it come 64-bit fseeko on 32-bit ABIs and symbol versions that the loader heeds."""

PAGE = 16384
"""Segments are aligned to the largest page of a device; 4 KB pages divide it."""


@dataclass(frozen=True)
class Abi:
    """One ABI of Android, by the name that folders of an app have."""

    name: str
    triple: str
    """Of clang's --target; the API level follows."""
    machine: str
    """e_machine in ELF."""
    cpu_family: str
    cpu: str
    """Both as meson names them."""
    flags: tuple[str, ...]
    """To compile, for zig's clang and the NDK's."""
    link: tuple[str, ...]
    """For lld."""
    zig_link: tuple[str, ...] = ()
    """For lld, where every object is made here."""

    @property
    def bits(self) -> int:
        """Of a pointer."""
        return 32 if self.cpu_family == "arm" else 64


ABIS = {a.name: a for a in (
    # Atomics as calls would need a library of them. Branch targets and signed return addresses (BTI, PAC) are no-ops on
    # older CPUs; one object without them takes them from the whole library, so lld refuses it. The erratum of the
    # Cortex-A53 is what the NDK's compiler has lld work around, too.
    Abi("arm64-v8a", "aarch64-linux-android", "EM_AARCH64", "aarch64", "aarch64",
        ("-mno-outline-atomics", "-mbranch-protection=standard"),
        ("--fix-cortex-a53-843419", "-dynamic-linker", "/system/bin/linker64"), ("-z", "bti-report=error")),
    # softfp: floats are passed in integer registers, and computed by the FPU
    Abi("armeabi-v7a", "armv7a-linux-androideabi", "EM_ARM", "arm", "armv7",
        ("-mfloat-abi=softfp", "-mfpu=neon", "-mthumb"), ("-dynamic-linker", "/system/bin/linker")),
    # the ABI has SSE4.2 and POPCNT
    Abi("x86_64", "x86_64-linux-android", "EM_X86_64", "x86_64", "x86_64", ("-march=x86-64-v2",),
        ("-dynamic-linker", "/system/bin/linker64")),
)}
"""By name."""

COMPILE = ("-fPIC", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables")
"""To compile for any ABI, by any clang. C throws nothing; without tables armv7 asks for no unwinder."""

LINK = ("-z", f"max-page-size={PAGE}", "-z", "relro", "-z", "now", "-z", "noexecstack", "--no-undefined",
        "--gc-sections", "--hash-style=gnu", "--build-id=sha1")
"""To link for any ABI, by lld."""


ZIG_LINK = ("-mllvm", "-emulated-tls")
"""More when zig's lld is called directly: what clang would tell it for link-time optimisation."""


def abi_of(name: str) -> Abi:
    """The ABI of that name; ValueError names them all."""
    if name not in ABIS:
        raise ValueError(f"ABI '{name}' is unknown; use one of {', '.join(ABIS)}")
    return ABIS[name]
