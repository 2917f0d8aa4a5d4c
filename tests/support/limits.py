"""Limits of the system, set for a while: what a full disk or a quota does, without one."""

from __future__ import annotations

import contextlib
import resource
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["limited_file_sizes"]


@contextlib.contextmanager
def limited_file_sizes() -> Iterator[Callable[[int | None], None]]:
    """Give a function that lets files grow to a size and no further, as a quota does; None ends that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores SIGXFSZ from its start, so the write fails instead of killing the process.
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size is None else size, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
