"""Models on a phone behind adb. No phone is there: fake_adb.py stands in for both, with programs under qemu."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from this_machine import HEEDS_CTRL_C, SLOW, alive, ends, number

from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.lab.adb import find_adb
from lite_runtime.converter.lab.device import OutOfTime, open_device
from lite_runtime.converter.lab.session import LabSession

PROPERTIES = {"ro.product.manufacturer": "Fake", "ro.product.model": "Phone 1", "ro.soc.model": "SOC9",
              "ro.build.version.release": "14", "ro.build.version.sdk": "34", "ro.product.cpu.abi": "arm64-v8a"}


@pytest.fixture
def phone(tmp_path, monkeypatch, qemu) -> Path:
    """Its storage; an adb in an SDK's folder, which is first on PATH."""
    folder, sdk = tmp_path / "phone", tmp_path / "the sdk"
    (folder / "props").mkdir(parents=True)
    (folder / "data/local/tmp").mkdir(parents=True)
    (sdk / "platform-tools").mkdir(parents=True)
    for name, value in PROPERTIES.items():
        (folder / "props" / name).write_text(value)
    adb = sdk / "platform-tools/adb"
    adb.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("fake_adb.py")}" "$@"\n')
    adb.chmod(0o755)
    monkeypatch.setenv("ANDROID_HOME", str(sdk))
    monkeypatch.setenv("PATH", f"{adb.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PHONE", str(folder))
    monkeypatch.setenv("FAKE_RUNNER", "qemu-aarch64 -cpu cortex-a76")
    return folder


def left(phone: Path) -> list[str]:
    return os.listdir(phone / "data/local/tmp")


def test_a_run(phone, odd, program):
    a, mask = np.random.default_rng(2).normal(size=(2, 7)).astype(np.float32), np.array([True, False])
    with open_device("adb:FAKE01") as d:
        assert d.target.name == "android-arm64"
        session = LabSession(d, odd.read_bytes(), program("linux-arm64"))
        assert (session.facts.cpu, session.facts.os) == ("SOC9 in Fake Phone 1", "Android 14, API 34")
        assert "neondot" in session.facts.features
        got = session.run({"a=b $x'": a, "mask": mask}).outputs
        assert len(left(phone)) == 1
    assert np.array_equal(got["v/0"], -np.sort(-a, axis=1)[:, :3]) and np.array_equal(got["n"], ~mask)
    assert left(phone) == []


def test_command_lines(phone, cnn, program, lite_opt):
    program("linux-arm64")  # or the test is skipped; without --program it is built
    there = ["--device", "adb", "--shape", "x=1,3,16,20"]
    p = lite_opt("compare", cnn, *there)
    assert p.returncode == 0 and "SOC9 in Fake Phone 1" in p.stdout, p.stderr
    p = lite_opt("bench", cnn, *there, "--seconds", "0.1", "--json")
    assert p.returncode == 0 and json.loads(p.stdout)["times"]["runs"] >= 5
    assert left(phone) == []


@pytest.mark.parametrize("name, value, says", [
    ("ro.product.cpu.abi", "mips", "its ABI is 'mips'; there are targets for arm64-v8a, armeabi-v7a, x86_64"),
    ("ro.build.version.sdk", "23", "its API level is 23; the runtime needs 24"),
])
def test_phones_that_are_not_served(name, value, says, phone):
    (phone / "props" / name).write_text(value)
    with pytest.raises(ConvertError, match=says):
        open_device("adb")
    assert left(phone) == []


@pytest.mark.parametrize("spec, fault, says", [
    ("adb:OTHER", "", r"adb:OTHER: adb says 'error: device 'OTHER' not found'; attach one phone"),
    ("adb", "unauthorized", "allow this computer on its screen"),
    ("adb", "gone", "no devices/emulators found'; is the phone still attached"),
])
def test_no_phone(spec, fault, says, phone, monkeypatch):
    monkeypatch.setenv("FAKE_FAULT", fault)
    with pytest.raises(ConvertError, match=says):
        open_device(spec)


def test_a_damaged_transfer(phone, cnn, program, monkeypatch):
    monkeypatch.setenv("FAKE_FAULT", "truncate")
    with open_device("adb") as d, pytest.raises(ConvertError, match="model.lrm was damaged on its way"):
        LabSession(d, cnn.read_bytes(), program("linux-arm64"))
    assert left(phone) == []


def test_an_illegal_instruction(phone, cnn, illegal):
    made = illegal("aarch64-linux-gnu-gcc", ".inst 0")
    with open_device("adb") as d, pytest.raises(ConvertError, match="ended by SIGILL, an instruction"):
        LabSession(d, cnn.read_bytes(), made)


def test_time_limit(phone, late_limit, tmp_path):
    """What still runs there ends with the session."""
    (tmp_path / "slow").write_text(SLOW)
    with open_device("adb") as d:
        d.push(tmp_path / "slow", "slow", executable=True)
        late_limit(phone / "data/local/tmp", 1.5)
        with pytest.raises(OutOfTime, match="not done after 1.5 s"):
            d.run(["./slow"], 1.5)
        process = number(phone / "data/local/tmp")
        assert alive(process)
    assert left(phone) == []
    assert ends(process)


def test_interrupted(phone, cnn, tmp_path, monkeypatch):
    monkeypatch.delenv("FAKE_RUNNER")  # this program is for any CPU
    (tmp_path / "slow").write_text(SLOW)
    call = [sys.executable, "-c", HEEDS_CTRL_C, "run", cnn, "--device", "adb", "--program", tmp_path / "slow"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        try:
            process = number(phone / "data/local/tmp")
            assert alive(process)
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=60)
        finally:
            p.kill()
    assert p.returncode == 130 and left(phone) == []
    assert ends(process)


def test_where_adb_is(phone, monkeypatch):
    """On PATH, or else in the SDK; a sentence where it is in neither."""
    monkeypatch.setenv("PATH", str(phone))
    assert find_adb("adb") == f"{os.environ['ANDROID_HOME']}/platform-tools/adb"
    monkeypatch.delenv("ANDROID_HOME")
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    with pytest.raises(ConvertError, match="adb is not installed; run: apt install adb, or set ANDROID_HOME"):
        open_device("adb")
