"""An FTP server, pyftpdlib's, in a process of its own."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tools.bound_process import bound_command

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serve_ftp"]


@contextlib.contextmanager
def serve_ftp(directory: str, *, writable: bool = True) -> Iterator[str]:
    """Serve a directory for the user ``user`` with the password ``password``; yields ``ftp://...`` of its root."""
    words = ["-m", "pyftpdlib", "--interface", "127.0.0.1", "--port", "0", "--directory", directory]
    if writable:
        words.append("--write")
    process = subprocess.Popen(
        bound_command([sys.executable, "-W", "ignore", *words, "--username", "user", "--password", "password"]),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            port = re.search(r"starting FTP server on 127\.0\.0\.1:(\d+)", line)
            if port is not None:
                break
        else:
            raise AssertionError(f"the FTP server did not start:\n{''.join(said)}")
        # From here on nobody reads what it says: without a reader a full pipe would stop it.
        process.stderr.close()
        yield f"ftp://user:password@127.0.0.1:{port[1]}"
    finally:
        process.terminate()
        process.wait(20)
