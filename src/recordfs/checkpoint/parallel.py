"""The same work on many things, by a few threads that end with the call."""

from __future__ import annotations

import itertools
import os
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["do_all", "usable_cores"]

_Task = TypeVar("_Task")


def usable_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def do_all(work: Callable[[_Task], object], tasks: Sequence[_Task], threads: int) -> None:
    """Do some work for every task, in no order and in this thread too, and return when all is done.

    Raises:
        Exception: The first error. What has not begun then is not done; what has is waited for.
    """
    if threads <= 1 or len(tasks) <= 1:
        for task in tasks:
            work(task)
        return
    pending, taking = iter(tasks), threading.Lock()
    errors: list[BaseException] = []

    def run() -> None:
        while not errors:
            with taking:
                found = list(itertools.islice(pending, 1))
            if not found:
                return
            try:
                work(found[0])
            except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
                errors.append(error)

    helpers = [
        threading.Thread(target=run, name=f"recordfs-checkpoint-{number}")
        for number in range(min(threads, len(tasks)) - 1)
    ]
    started: list[threading.Thread] = []
    try:
        for helper in helpers:
            helper.start()
            started.append(helper)
        run()
    except BaseException as error:  # noqa: BLE001 - Ctrl-C between two tasks, or no more threads; raised below
        errors.append(error)
    for helper in started:
        helper.join()
    if errors:
        raise errors[0]
