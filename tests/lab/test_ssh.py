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
from this_machine import HEEDS_CTRL_C, SLOW, alive, ends, number

from lite_runtime.converter.cli import bench, compare
from lite_runtime.converter.errors import ConvertError
from lite_runtime.converter.lab import ssh
from lite_runtime.converter.lab.device import OutOfTime, open_device
from lite_runtime.converter.lab.session import LabSession

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


@pytest.mark.usefixtures("key")
def test_command_lines(server, cnn, native, lite_opt):
    there = ["--device", server.device, "--program", native, "--shape", "x=1,3,16,20"]
    p = lite_opt("compare", cnn, *there, "--json")
    found = json.loads(p.stdout)
    assert set(found) <= set(compare.JSON)
    assert p.returncode == 0 and found["ok"] and found["outputs"][0]["max_difference"] < 1e-5, p.stderr
    assert not found["device"]["emulated"] and found["device"]["os"] and found["device"]["features"]
    p = lite_opt("bench", cnn, *there, "--seconds", "0.1", "--threads", "1")
    assert p.returncode == 0 and "1 thread: median" in p.stdout and "GFLOP/s" in p.stdout, p.stderr
    p = lite_opt("bench", cnn, *there, "--seconds", "0.1", "--json")
    r = json.loads(p.stdout)
    assert set(r) <= set(bench.JSON)
    assert 0 < r["times"]["best"] <= r["times"]["p10"] <= r["times"]["median"] <= r["times"]["p90"]
    assert r["times"]["runs"] >= 5 and r["load_ms"] > 0 and r["peak_memory"] > r["memory"] > 0
    assert {s["op"] for s in r["steps"] if s["gflop"]} == {"conv", "matmul"} and r["threads"] >= 1
    p = lite_opt("run", cnn, *there, "--profile", "--repeat", "3")
    assert p.returncode == 0 and "3 runs, best" in p.stdout and "second" in p.stdout
    assert server.left() == []


@pytest.mark.usefixtures("key")
def test_outputs(server, odd, native):
    a, mask = np.random.default_rng(2).normal(size=(2, 7)).astype(np.float32), np.array([True, False])
    with open_device(server.device) as d:
        got = LabSession(d, odd.read_bytes(), native).run({"a=b $x'": a, "mask": mask}).outputs
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


@pytest.mark.usefixtures("key")
def test_time_limit(server, late_limit, tmp_path):
    """What still runs there ends with the session."""
    (tmp_path / "slow").write_text(SLOW)
    with open_device(server.device) as d:
        d.push(tmp_path / "slow", "slow", executable=True)
        late_limit(server.temporary, 1.5)
        with pytest.raises(OutOfTime, match="not done after 1.5 s"):
            d.run(["./slow"], 1.5)
        process = number(server.temporary)
        assert alive(process)
    assert server.left() == []
    assert ends(process)


@pytest.mark.usefixtures("key")
def test_interrupted(server, cnn, tmp_path):
    """What runs there has started, and has ended."""
    (tmp_path / "slow").write_text(SLOW)
    call = [sys.executable, "-c", HEEDS_CTRL_C, "run", cnn, "--device",
            server.device, "--program", tmp_path / "slow"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        try:
            process = number(server.temporary)
            assert process == number(server.temporary, "pid") and alive(process)
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=60)
        finally:
            p.kill()
    assert p.returncode == 130 and server.left() == []
    assert ends(process)
