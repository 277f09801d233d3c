"""A headless Chromium to look at pages with, spoken to by the DevTools protocol over a pipe: no driver, no port."""
from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--force-device-scale-factor=1", "--remote-debugging-pipe"]
WAIT = 60.0  # seconds for any answer
KEYS = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38}


def program() -> str | None:
    """The browser's path, None when there is none."""
    return next((p for p in map(shutil.which, NAMES) if p), None)


class Browser:
    """One page. messages: (level, text) of everything that its console got, and of exceptions."""

    def __init__(self, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        found = program()
        if not found:
            raise FileNotFoundError("no Chromium is installed; run: apt install chromium")
        self.messages: list[tuple[str, str]] = []
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read, self._to = os.pipe()
        self._from, write = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (read, write)]  # out of the way of 3 and 4

        def connect() -> None:  # Chromium reads from 3 and writes to 4
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen([found, *FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                         preexec_fn=connect, pass_fds=(3, 4), start_new_session=True)
        for fd in (read, write, *high):
            os.close(fd)
        self._buffer, self._number, self._session = b"", 0, ""
        self._events: list[dict[str, Any]] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    # ---- the protocol ----
    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method; RuntimeError with Chromium's words when it fails."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._event(answer)

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + WAIT
        while b"\0" not in self._buffer:
            if not select.select([self._from], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"Chromium did not answer within {WAIT:g} s")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has ended")
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))

    def _event(self, e: dict[str, Any]) -> None:
        p = e.get("params", {})
        if e["method"] == "Runtime.consoleAPICalled":
            self.messages.append((p["type"], " ".join(str(a.get("value", "")) for a in p["args"])))
        elif e["method"] == "Runtime.exceptionThrown":
            self.messages.append(("exception", json.dumps(p["exceptionDetails"])))
        elif e["method"] == "Log.entryAdded":
            self.messages.append((p["entry"]["level"], p["entry"]["text"]))
        self._events.append(e)

    # ---- what one does ----
    def open(self, page: Path) -> None:
        """Shows a file and waits until it is loaded."""
        self._events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self._events):
            self._event(self._next())

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise RuntimeError(f"{expression}: {r['exceptionDetails']}")
        return r["result"].get("value")

    def click(self, selector: str) -> None:
        """Scrolls to an element and clicks in its middle."""
        x, y = self.js(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
                       "if (!e.closest('#canvas')) e.scrollIntoView({block: 'center'}); "
                       "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, x: float, y: float, by_x: float, by_y: float) -> None:
        for kind, at_x, at_y in (("mousePressed", x, y), ("mouseMoved", x + by_x / 2, y + by_y / 2),
                                 ("mouseMoved", x + by_x, y + by_y), ("mouseReleased", x + by_x, y + by_y)):
            self.call("Input.dispatchMouseEvent", type=kind, x=at_x, y=at_y, button="left", buttons=1, clickCount=1)

    def wheel(self, x: float, y: float, by: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def key(self, name: str) -> None:
        """Presses a key: a letter, or one of KEYS."""
        code = KEYS.get(name, ord(name.upper()[0]))
        letter = {} if name in KEYS and name != "Enter" else {"text": "\r" if name == "Enter" else name}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, windowsVirtualKeyCode=code, **letter)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        for fd in (self._to, self._from):
            os.close(fd)  # Chromium ends with its pipe
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()
