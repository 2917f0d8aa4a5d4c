"""Counting what a filesystem asks of its store, so that a job can say what it cost."""

from __future__ import annotations

import threading

from recordfs.filesystem import OperationStatistics
from recordfs.per_process import PerProcess

__all__ = ["OperationStatistics", "RequestCounter"]


class _Counts:
    """What one process has counted."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.operations: dict[str, list[int]] = {}


class RequestCounter:
    """Counts by the store's own name for an operation, in one process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._counts = PerProcess(_Counts)

    def add(self, operation: str, *, requests: int = 0, sent: int = 0, received: int = 0) -> None:
        """Count more of an operation."""
        own = self._counts.get()
        with own.lock:
            counts = own.operations.setdefault(operation, [0, 0, 0])
            counts[0] += requests
            counts[1] += sent
            counts[2] += received

    def snapshot(self) -> dict[str, OperationStatistics]:
        """Return what was counted so far, by operation."""
        own = self._counts.get()
        with own.lock:
            return {name: OperationStatistics(*counts) for name, counts in sorted(own.operations.items())}
