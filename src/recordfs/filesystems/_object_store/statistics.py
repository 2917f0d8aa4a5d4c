"""Counting what a filesystem asks of its store, so that a job can say what it cost."""

from __future__ import annotations

import os
import threading

from recordfs.filesystem import OperationStatistics

__all__ = ["OperationStatistics", "RequestCounter"]


class RequestCounter:
    """Counts by the store's own name for an operation, in one process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._operations: dict[str, list[int]] = {}
        self._process = os.getpid()  # last: who sees it takes the two above

    def _begin_in_child(self) -> None:
        """Count from zero in a forked child, where the lock may be held by a thread that is not here."""
        if self._process != os.getpid():
            self._begin()

    def add(self, operation: str, *, requests: int = 0, sent: int = 0, received: int = 0) -> None:
        """Count more of an operation."""
        self._begin_in_child()
        with self._lock:
            counts = self._operations.setdefault(operation, [0, 0, 0])
            counts[0] += requests
            counts[1] += sent
            counts[2] += received

    def snapshot(self) -> dict[str, OperationStatistics]:
        """Return what was counted so far, by operation."""
        self._begin_in_child()
        with self._lock:
            return {name: OperationStatistics(*counts) for name, counts in sorted(self._operations.items())}
