"""The names of event files: unique wherever they are made, in the order in which they are to be read."""

from __future__ import annotations

import itertools
import os
import re
import time

from recordfs.errors import InvalidArgumentError
from recordfs.paths import scheme_of

__all__ = ["IGNORED_ENDING", "anchored", "new_file_name"]

IGNORED_ENDING = ".profile-empty"
"""Files whose names end so are no event files.

Source: ``IsSummaryEventsFile`` in ``tensorboard/backend/event_processing/io_wrapper.py``.
"""

_BEGINNING = re.compile(r"events\.out\.tfevents\.([0-9]+)\.")

_numbers = itertools.count()
"""One number a file of this process; a forked child has another process id."""


def new_file_name(suffix: str = "", *, after: str = "") -> str:
    """Return a name for an event file: ``events.out.tfevents.<seconds>.<host>.<pid>.<n>.<random>[suffix]``.

    The seconds come first, in ten digits, because TensorBoard reads the files of a run in the order of their names and
    does not go back. What follows makes it unique where clocks, hosts and process ids are equal, as in containers. The
    number has six digits, so that the names that a process makes within a second sort as they were made.

    Args:
        suffix: What the name ends with.
        after: A name that the new one has to sort after, whoever made it, and even if the clock went back.

    Raises:
        InvalidArgumentError: No file can have a name with this end, or none that readers take for an event file.
    """
    if "/" in suffix or "\0" in suffix:
        raise InvalidArgumentError(f"the end of a file's name has no slash and no NUL, found {suffix!r}")
    if suffix.endswith(IGNORED_ENDING):
        raise InvalidArgumentError(
            f"TensorBoard and recordfs ignore event files whose names end with {IGNORED_ENDING!r}, found {suffix!r}"
        )
    import secrets
    import socket

    # Host names may be longer than a file name can be.
    host = socket.gethostname().replace("/", "_")[:64]
    rest = f"{host}.{os.getpid()}.{next(_numbers):06d}.{secrets.token_hex(4)}{suffix}"
    seconds = int(time.time())
    found = _BEGINNING.search(after)
    if found is not None:
        seconds = max(seconds, int(found[1]))
        if f"{seconds:010d}.{rest}" <= after[found.start(1) :]:
            seconds += 1
    return f"events.out.tfevents.{seconds:010d}.{rest}"


def anchored(path: str) -> str:
    """Return a path that leads to the same place from every working directory; a URL as it is.

    A writer lives long. What it opens later has to stand beside what it opened first, wherever the program went.
    """
    return path if scheme_of(path) else os.path.join(os.getcwd(), path)
