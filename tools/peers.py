"""Where the peers' environments are, and a process in one of them that runs snippets of Python.

A peer is a program that recordfs is tested and measured beside, in an environment of its own (see make_peers.py).
Tests use it through tests/support/peers.py, benchmarks through benches/harness.py.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
from typing import Any, Self

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REQUIREMENTS = os.path.join(ROOT, "peers")
_WORKER = os.path.join(ROOT, "tools", "peer_worker.py")


class PeerMissingError(Exception):
    """The environment of a peer has not been made."""


class PeerError(Exception):
    """A snippet raised in the peer.

    Attributes:
        kind: the name of the exception's class there, such as ``"DataLossError"``.
        message: what the exception said.
    """

    def __init__(self, kind: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{kind}: {message}\n{traceback}".rstrip())
        self.kind = kind
        self.message = message


class PeerDiedError(Exception):
    """The peer's process ended, or was ended after a timeout, in the middle of a snippet.

    Attributes:
        returncode: as `subprocess.Popen.returncode`: minus the signal's number if a signal ended it.
    """

    def __init__(self, returncode: int, reason: str, output: str) -> None:
        super().__init__(f"{reason}; its last output:\n{output}")
        self.returncode = returncode


def peer_names() -> list[str]:
    """The peers there are requirements for, sorted."""
    return sorted(name.removesuffix(".txt") for name in os.listdir(REQUIREMENTS) if name.endswith(".txt"))


def peers_directory() -> str:
    """Where the environments are: ``$RECORDFS_PEERS_DIR``, else ``.peers`` beside the Makefile."""
    return os.path.abspath(os.environ.get("RECORDFS_PEERS_DIR") or os.path.join(ROOT, ".peers"))


def stamp_path(name: str, directory: str) -> str:
    """The file that tells that the environment `name` in `directory` is complete."""
    return os.path.join(directory, name, "made-from.sha256")


def peer_python(name: str) -> str:
    """The interpreter of the peer `name`.

    Raises:
        ValueError: there are no requirements for a peer of that name.
        PeerMissingError: its environment has not been made, or not to the end.
    """
    if name not in peer_names():
        raise ValueError(f"no such peer: {name!r}; there are {', '.join(peer_names())}")
    directory = peers_directory()
    if not os.path.exists(stamp_path(name, directory)):
        raise PeerMissingError(f"the peer {name!r} is not in {directory}: run `make peers`")
    return os.path.join(directory, name, "bin", "python")


class PeerProcess:
    """A long-lived Python process that runs snippets; a context manager.

    Not thread-safe: one snippet at a time.

    Args:
        python: the interpreter, `peer_python(name)` or `sys.executable`.
        recordfs: make the recordfs of *this* process importable in that one too (and nothing else of ours).
        environment: environment variables to add.
    """

    def __init__(self, python: str, *, recordfs: bool = False, environment: dict[str, str] | None = None) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="recordfs-peer-")
        self._output_path = os.path.join(self._directory.name, "output")
        variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
        # The tests' own settings for Python and coverage are not meant for the peers.
        for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "VIRTUAL_ENV"):
            variables.pop(name, None)
        if recordfs:
            variables["PYTHONPATH"] = directory_with_only_recordfs(self._directory.name)
        variables.update(environment or {})
        answer_end, worker_end = os.pipe()
        try:
            with open(self._output_path, "wb") as output:
                self._process = subprocess.Popen(
                    [python, "-P", _WORKER, str(worker_end)],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=(worker_end,),
                    env=variables,
                    cwd=self._directory.name,
                )
        except BaseException:
            os.close(answer_end)
            self._directory.cleanup()
            raise
        finally:
            os.close(worker_end)
        self._answers = os.fdopen(answer_end, "rb", buffering=0)
        self._pending = b""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still takes snippets."""
        return not self._answers.closed and self._process.poll() is None

    def call(self, source: str, *, timeout: float = 300.0, **arguments: Any) -> Any:
        """Runs `source` there and returns what it left in its variable ``result`` (None if nothing).

        Each call has fresh variables: the keyword arguments, and the dict ``state``, which lives as long as the
        process. Arguments and result are whatever JSON holds, and bytes; tuples arrive as lists.

        Args:
            source: Python statements; common indentation is taken off.
            timeout: seconds, after which the process is killed.
            **arguments: the snippet's variables.

        Raises:
            PeerError: the snippet raised an exception.
            PeerDiedError: the process ended, or took longer than `timeout`.
        """
        request = json.dumps([textwrap.dedent(source), arguments], default=_bytes_to_json).encode() + b"\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died("the process had ended") from None
        answer = json.loads(self._read_line(timeout), object_hook=_bytes_from_json)
        if "error" in answer:
            raise PeerError(*answer["error"])
        return answer["result"]

    def _read_line(self, timeout: float) -> bytes:
        deadline = time.monotonic() + timeout
        chunks = []
        while True:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self._process.kill()
                raise self._died(f"no answer within {timeout} s, killed")
            chunk = self._answers.read(1 << 20)
            if not chunk:
                raise self._died("the process ended in the middle of a snippet")
            chunks.append(chunk)
            if chunk.endswith(b"\n"):
                return b"".join(chunks)

    def _died(self, reason: str) -> PeerDiedError:
        returncode = self._process.wait()
        with open(self._output_path, "rb") as output:
            text = output.read()[-4000:].decode(errors="replace")
        self.close()
        ended_by = f" (signal {signal.Signals(-returncode).name})" if returncode < 0 else f" (exit code {returncode})"
        return PeerDiedError(returncode, reason + ended_by, text)

    def close(self) -> None:
        """Ends the process; may be called twice."""
        if self._answers.closed:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it had ended already, which is what is wanted here
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def own_process(environment: dict[str, str] | None = None) -> PeerProcess:
    """A process with the interpreter and the recordfs of this one, to measure ourselves in the way of the peers."""
    return PeerProcess(sys.executable, recordfs=True, environment=environment)


def directory_with_only_recordfs(inside: str) -> str:
    """A directory for PYTHONPATH that holds recordfs and none of the packages installed beside it.

    It is there as an installation is, so that fsspec and universal_pathlib find it by its entry points.
    """
    import recordfs

    assert recordfs.__file__ is not None
    directory = os.path.join(inside, "path")
    os.mkdir(directory)
    os.symlink(os.path.dirname(os.path.abspath(recordfs.__file__)), os.path.join(directory, "recordfs"))
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)["project"]
    metadata = os.path.join(directory, "recordfs-0.dist-info")
    os.mkdir(metadata)
    with open(os.path.join(metadata, "METADATA"), "w") as file_of_names:
        file_of_names.write("Metadata-Version: 2.1\nName: recordfs\nVersion: 0\n")
    with open(os.path.join(metadata, "entry_points.txt"), "w") as points:
        for group, names in project["entry-points"].items():
            points.write(f"[{group}]\n")
            points.writelines([f"{name} = {value}\n" for name, value in names.items()])
    return directory


def _bytes_to_json(value: object) -> object:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"neither JSON nor bytes: {type(value).__name__}")


def _bytes_from_json(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value
