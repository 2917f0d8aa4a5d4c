"""A real TensorBoard on a log directory, asked over its HTTP API."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from tools.bound_process import bound_command
from tools.peers import directory_with_only_recordfs

from support.peers import require_peer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STARTUP_SECONDS = 120


class TensorBoard:
    """A TensorBoard process; a context manager.

    Args:
        logdir: What it shows.
        load_fast: ``"true"`` for its data server, ``"false"`` for its Python loader, ``"recordfs"`` for our provider,
            which stands beside it as an installation does.
        environment: Variables to add.
        python: The interpreter to run it with, instead of the peer's with TensorFlow.
        modules: A directory with modules that it can import.
        program: What to run instead of TensorBoard's own program, with its flags: ``recordfs tensorboard``, say.
    """

    def __init__(
        self,
        logdir: object,
        load_fast: str,
        *arguments: str,
        environment: dict[str, str] | None = None,
        python: str = "",
        modules: str = "",
        program: Sequence[str] = (),
    ) -> None:
        python = python or (sys.executable if program else require_peer("tensorflow"))
        self._directory = tempfile.TemporaryDirectory(prefix="recordfs-tensorboard-")
        added = {"RECORDFS_CACHE_DIR": f"{self._directory.name}/cache", **(environment or {})}
        if load_fast == "recordfs":
            load_fast, arguments = "auto", ("--recordfs", "on", *arguments)
            added["PYTHONPATH"] = os.pathsep.join(
                filter(None, [directory_with_only_recordfs(self._directory.name), modules])
            )
        command = [python, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0", "--host", "127.0.0.1"]
        command += [f"--load_fast={load_fast}", "--reload_interval", "1", "--samples_per_plugin"]
        command += ["scalars=100000,images=100,histograms=1000", *arguments]
        if program:
            command = [python, *program]
        variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        variables.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            bound_command(command),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=variables | added,
        )
        self._url = ""
        self._said: list[str] = []
        self._started = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._started.wait(STARTUP_SECONDS)
        if not self._url:
            raise AssertionError(f"TensorBoard did not start: {self.log()}")

    def _listen(self) -> None:
        """Keep what it says, so that its pipe never fills."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            if found := re.search(r"at (http://\S+?)/? ", line):
                self._url = found[1].rstrip("/")
                self._started.set()
        self._started.set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._url

    def log(self) -> str:
        """Return what it said on standard error so far."""
        return "".join(self._said)

    def wait_until(self, check: Callable[[], bool]) -> None:
        """Return when something holds that reloading brings about."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while not check():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the JSON at a path below ``/data``."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(f"{self._url}/data/{path}{query}", timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON that a path below ``/data`` answers to a JSON body."""
        request = urllib.request.Request(
            f"{self._url}/data/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def time_series(self, *requests: dict[str, str]) -> Any:
        """Return what the time series page is answered, asked as it asks: by a form of several parts."""
        part = f'--xx\r\nContent-Disposition: form-data; name="requests"\r\n\r\n{json.dumps(requests)}\r\n--xx--\r\n'
        request = urllib.request.Request(
            f"{self._url}/data/plugin/timeseries/timeSeries",
            part.encode(),
            {"Content-Type": "multipart/form-data; boundary=xx"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def bytes_at(self, path: str) -> bytes:
        """Return what stands at a path below ``/data/plugin/...``."""
        with urllib.request.urlopen(f"{self._url}/data/{path}", timeout=60) as answer:
            data: bytes = answer.read()
            return data

    def wait_for_runs(self, runs: set[str]) -> None:
        """Return when these runs are loaded."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while not runs <= set(self.get("runs")):
            assert time.monotonic() < deadline, self.get("runs")
            time.sleep(0.1)

    def wait_for(self, path: str, **parameters: str) -> Any:
        """Return the JSON at a path as soon as it holds something."""
        deadline = time.monotonic() + STARTUP_SECONDS
        while True:
            try:
                if found := self.get(path, **parameters):
                    return found
            except urllib.error.HTTPError as error:
                if error.code not in (400, 404):
                    raise
            assert time.monotonic() < deadline, path
            time.sleep(0.1)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)
        self._listener.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
