"""What is said of a compressed record file that has no end, so that nobody can tell whether records are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.status import OK
from recordfs.errors import DataLossError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.cli.console import Console

__all__ = ["UNFINISHED", "say_if_unfinished"]

UNFINISHED = "the compressed stream has no trailer: its writer is still at work, or died"


def say_if_unfinished(unfinished: bool, paths: Sequence[str], console: Console) -> int:
    """Say that records may be missing where the stream of one of these files is unfinished; return the exit status."""
    if not unfinished:
        return OK
    which = "" if len(paths) == 1 else f" (in one of {len(paths)} files; `recordfs verify` tells in which)"
    return console.failure(
        DataLossError(f"{UNFINISHED}, and records may be missing{which}", path=paths[0] if len(paths) == 1 else None)
    )
