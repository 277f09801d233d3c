"""What tests of several folders know of the machine they run on."""
from __future__ import annotations

import platform
import time
from pathlib import Path

HERE = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}.get(platform.machine(), "")
"""The target of `lite-opt build` that this machine runs; empty: there is none."""
# lite-opt for `python -c`; & and nohup have children ignore Ctrl-C, this one heeds it
HEEDS_CTRL_C = ("import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
                "from lite_runtime.converter.cli import main; main()")
SLOW = "#!/bin/sh\necho $$ > number\nexec sleep 1000\n"
"""A program for a device that does not end by itself; `number` in its folder is that of its process."""


def number(device: Path, name: str = "number") -> int:
    """The number in a file of that name in a folder of a device's, once it is there."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for file in device.glob(f"lite-lab-*/{name}"):
            if (text := file.read_text()).endswith("\n"):  # else it is being written
                return int(text)
        time.sleep(0.05)
    raise AssertionError(f"nothing has started in {device}")


def alive(process: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(process: int) -> bool:
    """Whether a process that was told to ends soon."""
    end = time.monotonic() + 10
    while alive(process) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(process)
