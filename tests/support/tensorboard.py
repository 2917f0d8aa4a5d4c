"""A real TensorBoard on a log directory, asked over its HTTP API."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.parse
import urllib.request
from typing import Any, Self

from support.peers import require_peer

STARTUP_SECONDS = 120


class TensorBoard:
    """A TensorBoard process; a context manager.

    Args:
        logdir: What it shows.
        load_fast: ``"true"`` for its data server, ``"false"`` for its Python loader.
    """

    def __init__(self, logdir: object, load_fast: str, *arguments: str) -> None:
        python = require_peer("tensorflow")
        command = [python, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0", "--host", "127.0.0.1"]
        command += [f"--load_fast={load_fast}", "--reload_interval", "1", "--samples_per_plugin"]
        command += ["scalars=100000,images=100,histograms=1000", *arguments]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
        )
        self._url = ""
        said = []
        assert self._process.stderr is not None
        for line in self._process.stderr:
            said.append(line)
            if found := re.search(r"at (http://\S+?)/? ", line):
                self._url = found[1].rstrip("/")
                return
        raise AssertionError(f"TensorBoard did not start: {''.join(said)}")

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
        assert self._process.stderr is not None
        self._process.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
