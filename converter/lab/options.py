"""The options of commands that can run on a device. Imports nothing that is slow."""
from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import ConvertError


def kind_of(device: str) -> tuple[str, str]:
    """Its kind (qemu, ssh, adb) and what follows the colon; ConvertError when the text is no device."""
    kind, colon, rest = device.partition(":")
    if (kind in ("qemu", "ssh") and rest) or (kind == "adb" and (rest or not colon)):
        return kind, rest
    raise ConvertError(f"--device {device}: this is no device; give qemu:CPU, ssh:USER@HOST[:PORT] or adb[:SERIAL]")


@dataclass(frozen=True)
class Where:
    """The device that a command runs on."""

    device: str
    """qemu:CPU, ssh:USER@HOST[:PORT] or adb[:SERIAL]."""
    program: Path | None
    """The lite_run to use; None: one that is built when it has to be."""


def on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """--device and --program; the command gets them as `where`, a Where, or None without --device."""

    @functools.wraps(function)
    def gathered(*args: Any, device: str | None, program: str | None, **others: Any) -> Any:
        if program and not device:
            raise click.UsageError("--program is for --device; give it too")
        if device:
            kind_of(device)  # before a conversion
        where = Where(device, Path(program) if program else None) if device else None
        return function(*args, where=where, **others)

    for option in (
        click.option("--program", type=click.Path(), metavar="FILE",
                     help="The lite_run for the device; default: one that is built and kept."),
        click.option("--device", metavar="DEVICE",
                     help="Run there: qemu:cortex-a76 (any of qemu's CPUs), ssh:USER@HOST[:PORT], adb[:SERIAL]."),
    ):
        gathered = option(gathered)
    return gathered
