#!/usr/bin/env python3
"""Stands in for adb and a phone: a folder is its storage ($FAKE_PHONE), files in props its properties. Programs run by
$FAKE_RUNNER. $FAKE_FAULT: `truncate` loses the end of what is pushed, `gone` is a phone that left after get-state.

Independent of the code under test: it knows adb's command line, not what the lab does with it."""
import os
import subprocess
import sys
from pathlib import Path

PHONE, FAULT = Path(os.environ["FAKE_PHONE"]), os.environ.get("FAKE_FAULT", "")


def here(text: str) -> str:
    """A path or a command of the phone, for this machine."""
    return text.replace("/data/local/tmp", f"{PHONE}/data/local/tmp")


def main() -> int:
    args = sys.argv[1:]
    if args[:1] == ["-s"]:
        if args[1] != "FAKE01":
            print(f"error: device '{args[1]}' not found", file=sys.stderr)
            return 1
        args = args[2:]
    if args == ["get-state"]:
        if FAULT == "unauthorized":
            print("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", file=sys.stderr)
            return 1
        print("device")
        return 0
    if FAULT == "gone":
        print("error: no devices/emulators found", file=sys.stderr)
        return 1
    if args[0] == "shell":
        getprop = f'getprop() {{ cat "{PHONE}/props/$1" 2>/dev/null; echo; }}; uname() {{ echo Linux; }}; '
        command = here(args[1]).replace("./lite_run", f"{os.environ.get('FAKE_RUNNER', '')} ./lite_run")
        r = subprocess.run(["sh", "-c", getprop + command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           start_new_session=True)  # what a phone does goes on without adb
        text = r.stdout.replace(f"{PHONE}/data", "/data")
        sys.stdout.write(text)
        sys.stderr.write(r.stderr)
        return r.returncode if r.returncode >= 0 else 128 - r.returncode
    if args[0] in ("push", "pull"):
        source, to = (Path(args[1]), Path(here(args[2]))) if args[0] == "push" else (Path(here(args[1])), Path(args[2]))
        data = source.read_bytes()
        to.write_bytes(data[: len(data) // 2] if FAULT == "truncate" else data)
        print(f"{source}: 1 file {args[0]}ed")
        return 0
    print(f"adb: unknown command {args[0]}", file=sys.stderr)
    return 1


sys.exit(main())
