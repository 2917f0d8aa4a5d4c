"""The same work on many files at once: in threads, with results in order, and ended soon by Ctrl-C.

The library releases the interpreter lock while it waits and while it checks bytes, so threads help with stores that are
far away and with many processors alike.
"""

from __future__ import annotations

import os
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from recordfs.cli.arguments import at_least
from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from recordfs.cli.progress import Progress

__all__ = ["add_jobs", "do_in_parallel"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 1000
"""More than any store serves at once, and fewer than a process may have."""

_AHEAD = 4
"""Items handed out for each thread before the first result is in, so that a slow one stops no other."""


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add ``--jobs``."""
    # Not every system tells on which processors a process may run.
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    default = min(8, processors + 2)
    parser.add_argument(
        "-j",
        "--jobs",
        type=at_least(1),
        default=default,
        metavar="N",
        help=f"work on up to N files at once (default: processors + 2, at most 8; here {default})",
    )


def do_in_parallel(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    progress: Progress,
    handle: Callable[[Item, Result | RecordFSError], None],
) -> None:
    """Do the work on every item, up to ``jobs`` at once.

    Args:
        work: Called in threads. It has to report to ``progress`` now and then.
        items: What to work on.
        jobs: The number of threads, of which at most 1,000 are made; with 1, or a single item, there are none.
        progress: When the work is to end early, its ``advance`` raises in the threads, and that ends them.
        handle: Called in the calling thread, in the order of the items, with what the work returned, or with the error
            of the library that it raised. Any other error ends everything.
    """
    jobs = min(jobs, len(items), _MOST_THREADS)
    if jobs < 2:
        for item in items:
            handle(item, _outcome(work, item))
        return
    from concurrent.futures import ThreadPoolExecutor  # costs more to import than the rest of the frame

    executor = ThreadPoolExecutor(jobs)
    waiting = iter(items)
    pending: deque[tuple[Item, Future[Result | RecordFSError]]] = deque()
    try:
        for item in islice(waiting, _AHEAD * jobs):
            pending.append((item, executor.submit(_outcome, work, item)))
        while pending:
            item, future = pending.popleft()
            handle(item, future.result())
            for following in islice(waiting, 1):
                pending.append((following, executor.submit(_outcome, work, following)))
    except BaseException:
        progress.stop()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _outcome(work: Callable[[Item], Result], item: Item) -> Result | RecordFSError:
    """Return what the work returns, or the error of the library that it raises."""
    try:
        return work(item)
    except RecordFSError as error:
        return error
