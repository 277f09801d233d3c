"""Android phones that are reached by the system's adb."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

from ..errors import ConvertError
from ..toolchain.targets import TARGETS
from .device import Facts, Result, execute, last_line
from .remote import SHORT, Remote

OLDEST = 24  # Android's API
PROPERTIES = ("ro.product.manufacturer", "ro.product.model", "ro.soc.model", "ro.build.version.release",
              "ro.build.version.sdk", "ro.product.cpu.abi")


def find_adb(device: str) -> str:
    """The adb program: on PATH, or in the SDK that $ANDROID_HOME names."""
    home = os.environ.get("ANDROID_HOME") or os.environ.get("ANDROID_SDK_ROOT") or ""
    found = shutil.which("adb") or (shutil.which("adb", path=str(Path(home, "platform-tools"))) if home else None)
    if not found:
        raise ConvertError(f"--device {device}: adb is not installed; run: apt install adb, or set ANDROID_HOME")
    return found


class Adb(Remote):
    """The phone of that serial number; without one the only one."""

    base = "/data/local/tmp"

    def __init__(self, name: str, serial: str) -> None:
        self.name = name
        self.command = [find_adb(name), *(["-s", serial] if serial else [])]
        state = self._adb(["get-state"], SHORT)
        if state.code or state.stdout.strip() != "device":
            said = last_line(state.stderr) or state.stdout.strip() or "nothing"
            raise ConvertError(f"{name}: adb says '{said}'; attach one phone with USB debugging, allow this "
                               "computer on its screen, and see: adb devices")
        lines = self.shell("; ".join(f"getprop {p}" for p in PROPERTIES), SHORT).stdout.splitlines()
        self.properties = dict(zip(PROPERTIES, (line.strip() for line in lines), strict=False))
        abi, api = (self.properties.get(p, "") for p in ("ro.product.cpu.abi", "ro.build.version.sdk"))
        targets = {t.abi: t for t in TARGETS.values() if t.abi}
        if abi not in targets:
            raise ConvertError(f"{name}: its ABI is '{abi}'; there are targets for {', '.join(targets)}")
        if api.isdigit() and int(api) < OLDEST:
            raise ConvertError(f"{name}: its API level is {api}; the runtime needs {OLDEST} (Android 7)")
        self.target = targets[abi]
        try:
            self.make_folder()
        except BaseException:
            self.close()
            raise

    def _adb(self, words: list[str], timeout: float, stdin: IO[bytes] | None = None,
             stdout: IO[bytes] | None = None) -> Result:
        return execute([*self.command, *words], timeout, self.name, stdin, stdout)

    def shell(self, command: str, timeout: float, stdin: IO[bytes] | None = None,
              stdout: IO[bytes] | None = None) -> Result:
        result = self._adb(["shell", command], timeout, stdin, stdout)
        if result.code and result.stderr.startswith(("error:", "adb:")):  # adb's own words, not the device's
            raise ConvertError(f"{self.name}: adb says '{last_line(result.stderr)}'; is the phone still attached?")
        return result

    def send(self, path: Path, to: str, then: str, timeout: float) -> Result:
        self._copy(["push", str(path), to], timeout)
        return self.shell(then, SHORT)

    def fetch(self, path: str, to: Path, timeout: float) -> None:
        self._copy(["pull", path, str(to)], timeout)

    def _copy(self, words: list[str], timeout: float) -> None:
        result = self._adb(words, timeout)
        if result.code:
            raise ConvertError(f"{self.name}: adb {words[0]} failed: {last_line(result.stderr + result.stdout)}")

    def describe(self) -> Facts:
        p = self.properties
        chip = p.get("ro.soc.model", "")
        phone = f"{p.get('ro.product.manufacturer', '')} {p.get('ro.product.model', '')}".strip()
        return Facts(self.name, self.target.name, f"{chip} in {phone}" if chip else phone,
                     f"Android {p.get('ro.build.version.release', '')}, API {p.get('ro.build.version.sdk', '')}", False)
