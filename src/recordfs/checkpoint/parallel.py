"""The same work on many things, by a few threads that end with the call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["do_all", "usable_cores"]

_Task = TypeVar("_Task")


def usable_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def do_all(work: Callable[[_Task], object], tasks: Sequence[_Task], threads: int) -> None:
    """Do some work for every task, in no order, and return when all is done.

    Raises:
        Exception: The first error. What has not begun then is not done; what has is waited for.
    """
    if threads <= 1 or len(tasks) <= 1:
        for task in tasks:
            work(task)
        return
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    with ThreadPoolExecutor(min(threads, len(tasks)), "recordfs-checkpoint") as pool:
        futures = [pool.submit(work, task) for task in tasks]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for future in futures:
                future.cancel()
    for future in futures:
        if not future.cancelled():
            future.result()
