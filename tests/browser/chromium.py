"""A real Chromium, driven through a pipe by its own protocol: no driver, no library, no network."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
KEYS = {"Tab": 9, "Enter": 13}


@dataclass
class Browser:
    """A browser that answers commands, each in its turn."""

    ask: BinaryIO
    told: BinaryIO
    last: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one command and return its result; events that come before are kept."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        self.ask.write(json.dumps(message).encode() + b"\0")
        self.ask.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self.last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self.events.append(answer)

    def wait_for(self, method: str, session: str) -> None:
        """Wait for an event of a page."""
        while not any(self._is(event, method, session) for event in self.events):
            self.events.append(self._next())

    @staticmethod
    def _is(event: Mapping[str, Any], method: str, session: str) -> bool:
        return event.get("method") == method and event.get("sessionId") == session

    def _next(self) -> dict[str, Any]:
        read = bytearray()
        while (byte := self.told.read(1)) != b"\0":
            assert byte, "Chromium ended"
            read += byte
        return dict(json.loads(read))

    def open(
        self, path: Path, *, width: int = 1400, dark: bool = False, scripts: bool = True
    ) -> Page:
        """Open a file in a page of its own, and return it when it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(self, str(attached["sessionId"]))
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired", page.session)
        return page


@dataclass
class Page:
    """One page."""

    browser: Browser
    session: str

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command about this page."""
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key, and let it go."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Keep a picture of the whole page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    @property
    def complaints(self) -> list[str]:
        """Return errors and warnings of the console, exceptions, and what was refused by policy."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") == self.session:
                match event["method"]:
                    case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                        found.append(json.dumps(event["params"]))
                    case "Log.entryAdded":
                        found.append(str(event["params"]["entry"]["text"]))
        return found

    @property
    def loaded(self) -> list[str]:
        """Return the address of everything that was asked for."""
        return [
            str(event["params"]["request"]["url"])
            for event in self.browser.events
            if event.get("sessionId") == self.session
            and event["method"] == "Network.requestWillBeSent"
        ]


@contextmanager
def running(program: str, profile: Path) -> Iterator[Browser]:
    """Run Chromium with a profile of its own."""
    ask_out, ask_in = os.pipe()
    told_out, told_in = os.pipe()
    # It reads commands from descriptor 3, and writes answers to 4.
    command = f'exec "$@" 3<&{ask_out} 4>&{told_in}'
    arguments = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(
        ["bash", "-c", command, "bash", *arguments],
        pass_fds=(ask_out, told_in),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(ask_out)
        os.close(told_in)
        with os.fdopen(ask_in, "wb") as ask, os.fdopen(told_out, "rb") as told:
            browser = Browser(ask, told)
            try:
                yield browser
                browser.call("Browser.close")
                process.wait(timeout=20)
            finally:
                process.kill()
