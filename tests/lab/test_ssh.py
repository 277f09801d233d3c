"""Models on a machine behind ssh: an sshd of the test's own, on this machine, without a system's keys or settings."""
from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.lab import ssh
from lite_runtime.converter.lab.device import OutOfTime, open_device
from lite_runtime.converter.lab.session import LabSession

# & and nohup have children ignore Ctrl-C
HEEDS_CTRL_C = ("import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
                "from lite_runtime.converter.cli import main; main()")

X = np.random.default_rng(0).normal(size=(1, 3, 16, 20)).astype(np.float32)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find_sshd() -> str:
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not found or not shutil.which("ssh") or not shutil.which("ssh-keygen"):
        pytest.skip("missing: sshd")
    return found


def wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("sshd does not answer")


class Server:
    """An sshd, a key that it takes, and the folder of its temporary files."""

    def __init__(self, folder: Path) -> None:
        self.program, self.port = find_sshd(), free_port()
        self.folder, self.temporary = folder, folder / "tmp of the device"
        self.temporary.mkdir()
        for key in ("host", "user", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it locks itself in before it knows who is there
        (folder / "sshd_config").write_text(
            f'Port {self.port}\nListenAddress 127.0.0.1\nHostKey "{folder}/host"\nPidFile none\nUsePAM no\n'
            f'AuthorizedKeysFile "{folder}/authorized"\nStrictModes no\nPasswordAuthentication no\n'
            f'KbdInteractiveAuthentication no\nPermitRootLogin yes\nSetEnv "TMPDIR={self.temporary}"\n')
        self.process = subprocess.Popen([self.program, "-D", "-e", "-f", folder / "sshd_config"],
                                        stdin=subprocess.DEVNULL, stderr=(folder / "log").open("wb"))
        host = (folder / "host.pub").read_text().split()[:2]
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {' '.join(host)}\n")
        wait_for(self.port)

    def client(self, key: str, known: str = "known") -> str:
        """The command of a client that has that key and no settings of its user."""
        config = self.folder / f"config-{key}-{known}"
        config.write_text(f'IdentityFile "{self.folder}/{key}"\nUserKnownHostsFile "{self.folder}/{known}"\n'
                          "GlobalKnownHostsFile none\nIdentitiesOnly yes\n")
        return f"ssh -F {shlex.quote(str(config))}"

    @property
    def device(self) -> str:
        return f"ssh:127.0.0.1:{self.port}"

    def left(self) -> list[Path]:
        return list(self.temporary.iterdir())


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("an sshd"))
    yield made
    made.process.terminate()
    made.process.wait()


@pytest.fixture
def key(server, monkeypatch):
    monkeypatch.setenv("LR_SSH", server.client("user"))


def native(program) -> Path:
    machine = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}.get(os.uname().machine)
    if not machine:
        pytest.skip(f"no program for {os.uname().machine}")
    return program(machine)


@pytest.mark.usefixtures("key")
def test_command_lines(server, cnn, program, lite_opt, tmp_path):
    there = ["--device", server.device, "--program", native(program), "--shape", "x=1,3,16,20"]
    p = lite_opt("compare", cnn, *there, "--json")
    found = json.loads(p.stdout)
    assert p.returncode == 0 and found["ok"] and found["outputs"][0]["max_difference"] < 1e-5, p.stderr
    assert not found["device"]["emulated"] and found["device"]["os"] and found["device"]["features"]
    p = lite_opt("bench", cnn, *there, "--seconds", "0.1", "--threads", "1")
    assert p.returncode == 0 and "1 thread: median" in p.stdout and "GFLOP/s" in p.stdout, p.stderr
    p = lite_opt("bench", cnn, *there, "--seconds", "0.1", "--json")
    r = json.loads(p.stdout)
    assert 0 < r["times"]["best"] <= r["times"]["p10"] <= r["times"]["median"] <= r["times"]["p90"]
    assert r["times"]["runs"] >= 5 and r["load_ms"] > 0 and r["peak_memory"] > r["memory"] > 0
    assert {s["op"] for s in r["steps"] if s["gflop"]} == {"conv", "matmul"} and r["threads"] >= 1
    p = lite_opt("run", cnn, *there, "--profile", "--repeat", "3")
    assert p.returncode == 0 and "3 runs, best" in p.stdout and "second" in p.stdout
    assert server.left() == []


@pytest.mark.usefixtures("key")
def test_outputs(server, odd, program):
    a, mask = np.random.default_rng(2).normal(size=(2, 7)).astype(np.float32), np.array([True, False])
    with open_device(server.device) as d:
        got = LabSession(d, odd.read_bytes(), native(program)).run({"a=b $x'": a, "mask": mask}).outputs
        assert len(server.left()) == 1
        assert server.left()[0].stat().st_mode & 0o077 == 0
    assert np.array_equal(got["v/0"], -np.sort(-a, axis=1)[:, :3]) and np.array_equal(got["n"], ~mask)
    assert server.left() == []


def test_a_wrong_key(server, monkeypatch):
    monkeypatch.setenv("LR_SSH", server.client("other"))
    with pytest.raises(ConvertError) as e:
        open_device(server.device)
    assert "Permission denied" in str(e.value) and f"-p {server.port} 127.0.0.1 true" in str(e.value)


def test_a_host_that_is_not_known(server, monkeypatch):
    monkeypatch.setenv("LR_SSH", server.client("user", "nothing"))
    with pytest.raises(ConvertError, match="Host key verification failed"):
        open_device(server.device)


def test_no_server():
    find_sshd()
    with pytest.raises(ConvertError, match=r"Connection refused'; it must work without typing: ssh -p \d+ 127"):
        open_device(f"ssh:127.0.0.1:{free_port()}")


def test_a_host_that_does_not_answer(monkeypatch):
    find_sshd()
    monkeypatch.setattr(ssh, "CONNECT", 1)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        start = time.monotonic()
        with pytest.raises(ConvertError, match="timed out"):
            open_device(f"ssh:127.0.0.1:{s.getsockname()[1]}")
        assert time.monotonic() - start < 30


@pytest.mark.usefixtures("key")
def test_an_illegal_instruction(server, cnn, illegal):
    made = illegal("gcc", "ud2" if os.uname().machine == "x86_64" else "udf #0")
    with open_device(server.device) as d, pytest.raises(ConvertError, match="was ended by SIGILL, an instruction"):
        LabSession(d, cnn.read_bytes(), made)
    assert server.left() == []


@pytest.mark.usefixtures("key")
def test_another_machine(server, cnn, tmp_path):
    """A program that this machine cannot start is named with the reason of its shell."""
    (tmp_path / "text").write_bytes(b"\x7fELF no program")
    says = "lite_run may not be executed in .*(mat|exec)"
    with open_device(server.device) as d, pytest.raises(ConvertError, match=says):
        LabSession(d, cnn.read_bytes(), tmp_path / "text")


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("key")
def test_time_limit(server, tmp_path):
    """What still runs there ends with the session."""
    (tmp_path / "slow").write_text("#!/bin/sh\necho $$ > number\nexec sleep 1000\n")
    with open_device(server.device) as d:
        d.push(tmp_path / "slow", "slow", executable=True)
        with pytest.raises(OutOfTime, match="not done after 3 s"):
            d.run(["./slow"], 3)
        process = int((server.left()[0] / "number").read_text())
        assert alive(process)
    assert server.left() == []
    end = time.monotonic() + 10
    while alive(process) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(process)


@pytest.mark.usefixtures("key")
def test_interrupted(server, cnn, tmp_path):
    (tmp_path / "slow").write_text("#!/bin/sh\nexec sleep 1000\n")
    call = [sys.executable, "-c", HEEDS_CTRL_C, "run", cnn, "--device",
            server.device, "--program", tmp_path / "slow"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        end = time.monotonic() + 120
        while not any((f / "pid").exists() for f in server.left()) and time.monotonic() < end:
            time.sleep(0.05)
        p.send_signal(signal.SIGINT)
        try:
            p.communicate(timeout=60)
        finally:
            p.kill()
    assert p.returncode == 130 and server.left() == []
