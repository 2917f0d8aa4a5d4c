"""Headless Chromium, driven through its DevTools protocol.

    with Browser() as browser:
        browser.open(url)
        browser.wait_for("document.querySelectorAll('scalar-card').length > 0")
        browser.screenshot(path)

Where Chromium is not installed the test is skipped, and says what to run; where ``CI`` is set it fails.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Self

import pytest
import websocket
from tools.bound_process import bound_command

if TYPE_CHECKING:
    from collections.abc import Callable

STARTUP_SECONDS = 60


def require_chromium() -> str:
    """The program; skips the test if it is missing, fails it if ``CI`` is set."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing = "there is no chromium on the PATH: `make servers` installs Debian's where it may"
        if os.environ.get("CI"):
            pytest.fail(f"CI must have every program: {missing}")
        pytest.skip(f"PROGRAM MISSING: {missing}")
    return program


class Browser:
    """A browser with one page; a context manager.

    Args:
        size: Width and height of the page in pixels.
    """

    def __init__(self, size: tuple[int, int] = (1600, 1200)) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="recordfs-chromium-", ignore_cleanup_errors=True)
        command = [require_chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        command += ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += ["--disable-quic", "--remote-debugging-port=0", "--remote-allow-origins=*"]
        command += [f"--user-data-dir={self._directory.name}", f"--window-size={size[0]},{size[1]}", "about:blank"]
        self._process = subprocess.Popen(bound_command(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._numbers = itertools.count(1)
        try:
            self._page = websocket.create_connection(self._page_address(), timeout=STARTUP_SECONDS)
            self._call("Page.enable")
            self._call("Runtime.enable")
        except BaseException:
            self._end()
            raise

    def _page_address(self) -> str:
        """Return where the page listens."""
        deadline = time.monotonic() + STARTUP_SECONDS
        path = os.path.join(self._directory.name, "DevToolsActivePort")
        while True:
            assert self._process.poll() is None, "chromium ended when it was started"
            assert time.monotonic() < deadline, "chromium does not listen"
            if os.path.exists(path):
                with open(path) as file:
                    lines = file.read().split()
                if lines and (address := self._address_by(f"http://127.0.0.1:{lines[0]}/json/list")):
                    return address
            time.sleep(0.1)

    def _address_by(self, url: str) -> str | None:
        with urllib.request.urlopen(url, timeout=10) as answer:
            pages = [one for one in json.loads(answer.read()) if one["type"] == "page"]
        return pages[0]["webSocketDebuggerUrl"] if pages else None

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._page.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._page.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def open(self, url: str) -> None:
        """Go to a page."""
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 60.0) -> Any:
        """Return the value of an expression as soon as it is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline, f"the page never had: {expression}"
            time.sleep(0.1)
        return value

    def wait_until(self, check: Callable[[], bool], seconds: float = 60.0) -> None:
        """Return when something holds that the page brings about."""
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, "the page never came to it"
            time.sleep(0.1)

    def place_of(self, selector: str) -> dict[str, float] | None:
        """Return where the first element of a CSS selector is, as ``picture`` takes it; None if there is none."""
        found: dict[str, float] | None = self.evaluate(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                if (element === null) return null;
                const {{x, y, width, height}} = element.getBoundingClientRect();
                return {{x, y, width, height, scale: 1}};
            }})()"""
        )
        return found

    def click(self, selector: str) -> None:
        """Click with the mouse on the first element of a CSS selector."""
        place = self.place_of(selector)
        assert place is not None, selector
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, place: dict[str, float] | None = None) -> bytes:
        """Return a picture of the page, or of a part of it: the bytes of a PNG file."""
        part = {} if place is None else {"clip": place}
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", **part)["data"])

    def screenshot(self, path: str) -> None:
        """Write a picture of the page, PNG."""
        with open(path, "wb") as file:
            file.write(self.picture())

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._directory.cleanup()

    def close(self) -> None:
        """End it."""
        self._page.close()
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
