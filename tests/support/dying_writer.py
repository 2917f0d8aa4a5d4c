"""A process that writes to a path, flushes, and is killed before it could close the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["write_and_die"]

_PROGRAM = """
import json, sys
import recordfs
path, options, text, unflushed = json.loads(sys.argv[1])
file = recordfs.get_file_system(path, options=options).new_writable_file(path)
file.append(bytes.fromhex(text))
file.flush()
file.append(bytes(unflushed))
print("flushed", flush=True)
sys.stdin.read()
"""


def write_and_die(path: str, options: Mapping[str, Any], data: bytes, *, unflushed: int = 0) -> None:
    """Have another process write bytes to a path and flush them, and as many zeros more; and end it by SIGKILL."""
    arguments = json.dumps([path, dict(options), data.hex(), unflushed])
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ),
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"flushed\n"
        finally:
            process.kill()
