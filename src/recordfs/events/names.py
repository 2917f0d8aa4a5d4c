"""The names of event files: unique wherever they are made, in the order in which they are to be read."""

from __future__ import annotations

import itertools
import os
import time

from recordfs.errors import InvalidArgumentError

__all__ = ["new_file_name"]

_numbers = itertools.count()
"""One number a file of this process; a forked child has another process id."""


def new_file_name(suffix: str = "", *, after: str = "") -> str:
    """Return a name for an event file: ``events.out.tfevents.<seconds>.<host>.<pid>.<n>.<random>[suffix]``.

    The seconds come first, in ten digits, because TensorBoard reads the files of a run in the order of their names and
    does not go back. What follows makes it unique where clocks, hosts and process ids are equal, as in containers.

    Args:
        suffix: What the name ends with.
        after: A name that the new one has to sort after, even if the clock went back.

    Raises:
        InvalidArgumentError: The suffix has a slash, so that the name would be one in another directory.
    """
    if "/" in suffix:
        raise InvalidArgumentError(f"the end of a file's name has no slash, found {suffix!r}")
    import secrets
    import socket

    seconds = int(time.time())
    if after:
        parts = after.split(".")
        if len(parts) > 3 and parts[3].isdigit():
            seconds = max(seconds, int(parts[3]) + 1)
    # Host names may be longer than a file name can be.
    host = socket.gethostname().replace("/", "_")[:64]
    unique = f"{os.getpid()}.{next(_numbers)}.{secrets.token_hex(4)}"
    return f"events.out.tfevents.{seconds:010d}.{host}.{unique}{suffix}"
