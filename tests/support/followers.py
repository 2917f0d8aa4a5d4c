"""A thread that collects what a reader yields, for tests of following."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE = 30
"""Seconds after which something that should have happened is taken to have failed."""


class Follower:
    """Collects what an iterator yields, in a thread; an exception that ends it is in ``error``."""

    def __init__(self, iterator: Iterable[object]) -> None:
        self.items: list[object] = []
        self.error: BaseException | None = None
        self._changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, args=(iterator,), daemon=True)
        self.thread.start()

    def _run(self, iterator: Iterable[object]) -> None:
        try:
            for item in iterator:
                with self._changed:
                    self.items.append(item)
                    self._changed.notify_all()
        except Exception as error:
            self.error = error

    def wait_for(self, count: int) -> None:
        """Wait until so many items have come."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.items) >= count, PATIENCE)
            assert came, f"{len(self.items)} of {count} have come; {self.error!r}"

    def join(self) -> None:
        """Wait until the iteration has ended."""
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
