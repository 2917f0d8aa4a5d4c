"""Running a snippet of Python beside a peer (TensorFlow, tfrecord, tensorboardX, torch, arrow), for any test.

    from support.peers import call_peer

    pytestmark = pytest.mark.peer

    def test_tensorflow_reads_our_file(tmp_path):
        ...
        records = call_peer("tensorflow", '''
            import tensorflow as tf
            result = list(tf.compat.v1.io.tf_record_iterator(path))
        ''', path=str(path))

`call_peer` keeps one process for each peer for the whole test run, because importing TensorFlow takes seconds; each
call has fresh variables. Use `peer_process` for a process of the test's own: one that may crash, that shall have the
recordfs under test importable (`recordfs=True`), or whose memory is watched. Arguments and results are JSON and bytes.
An exception in the snippet is a `PeerError` with `.kind` and `.message`; a crash is a `PeerDiedError` with
`.returncode`.

Where the peer's environment has not been made the test is skipped, and says what to run; where ``CI`` is set it fails.
"""

from __future__ import annotations

import atexit
import os
from typing import Any

import pytest
from tools.peers import PeerDiedError, PeerError, PeerMissingError, PeerProcess, peer_python

__all__ = ["PeerDiedError", "PeerError", "PeerProcess", "call_peer", "peer_process", "require_peer"]

_shared: dict[tuple[int, str], PeerProcess] = {}


def require_peer(name: str) -> str:
    """The interpreter of the peer `name`; skips the test if it is missing, fails it if ``CI`` is set."""
    try:
        return peer_python(name)
    except PeerMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have every peer: {error}")
        pytest.skip(f"PEER MISSING: {error}")


def peer_process(name: str, *, recordfs: bool = False, environment: dict[str, str] | None = None) -> PeerProcess:
    """A new process in the environment of the peer `name`; use it as a context manager. See `PeerProcess`."""
    return PeerProcess(require_peer(name), recordfs=recordfs, environment=environment)


def call_peer(name: str, source: str, **arguments: Any) -> Any:
    """Runs `source` in the test run's process for the peer `name` and returns its variable ``result``.

    See `PeerProcess.call` for what the snippet may use and what is raised.
    """
    python = require_peer(name)
    key = (os.getpid(), name)
    if key not in _shared or not _shared[key].alive:
        _shared[key] = PeerProcess(python)
        atexit.register(_shared[key].close)
    return _shared[key].call(source, **arguments)
