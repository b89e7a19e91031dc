"""Chromium without a window, told what to do over its own pipe (the DevTools protocol)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
_PATIENCE_S = 60.0
_KEYS = {"Tab": 9, "Enter": 13}


class Browser:
    """One tab.

    Args:
        reader: what the browser says.
        writer: what it is told.
    """

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer
        self._number = 0
        self._session: str | None = None
        self._loaded = 0
        #: what the console said, violations of the policy among it
        self.complaints: list[str] = []
        #: addresses that were asked for
        self.requests: list[str] = []

    def attach(self) -> None:
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")
        # As if its window were in front, where there is none.
        self.tell("Emulation.setFocusEmulationEnabled", enabled=True)

    def resize(self, width: int, height: int) -> None:
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def open(self, url: str) -> None:
        """Go to a page and wait until all of it is there."""
        self.waiting_for_a_page(lambda: self.tell("Page.navigate", url=url))

    def waiting_for_a_page(self, act: Any) -> None:
        before = self._loaded
        act()
        deadline = time.monotonic() + _PATIENCE_S
        while self._loaded == before:
            assert time.monotonic() < deadline, "no page was loaded"
            self._receive()

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self.ask(expression):
            assert time.monotonic() < deadline, expression
            self.ask("new Promise(done => setTimeout(done, 20))")

    def press(self, key: str) -> None:
        shared = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.tell("Input.dispatchKeyEvent", type="keyDown", **shared, **text)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **shared)

    def type(self, text: str) -> None:
        self.tell("Input.insertText", text=text)

    def tab_to(self, condition: str, *, most: int = 60) -> None:
        """Press Tab until the focus is on an element, ``e``, that fulfils a condition."""
        for _ in range(most):
            if self.ask(f"(e => {condition})(document.activeElement)"):
                return
            self.press("Tab")
        raise AssertionError(f"Tab never got to {condition}")

    def screenshot(self, file: Path) -> None:
        shot = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._writer.write(json.dumps(message).encode() + b"\0")
        self._writer.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        raw = bytearray()
        while (byte := self._reader.read(1)) != b"\0":
            assert byte, "the browser ended"
            raw += byte
        message: dict[str, Any] = json.loads(raw)
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded += 1
            case "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"]))
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
        return message


@contextmanager
def browser(directory: Path) -> Iterator[Browser]:
    """Run Chromium with a profile of its own."""
    assert CHROMIUM is not None
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    # It reads what it is told from descriptor 3 and answers on 4.
    script = f'exec "$@" 3<&{to_browser} 4>&{from_browser} {to_browser}<&- {from_browser}>&-'
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--remote-debugging-pipe")
    process = subprocess.Popen(
        [
            "/bin/bash",
            "-c",
            script,
            "chromium",
            CHROMIUM,
            *flags,
            f"--user-data-dir={directory}",
            "about:blank",
        ],
        pass_fds=(to_browser, from_browser),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    hung = threading.Timer(3 * _PATIENCE_S, process.kill)
    hung.start()
    try:
        with os.fdopen(to_us, "rb") as reader, os.fdopen(from_us, "wb") as writer:
            tab = Browser(reader, writer)
            tab.attach()
            yield tab
    finally:
        hung.cancel()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
