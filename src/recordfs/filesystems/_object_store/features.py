"""What the store of a bucket is known to lack, and how requests are sent to it all the same.

A store is taken at its word: a request goes out with all that makes it safe; if it is refused as something that the
store does not know, it goes out again without one feature after the other, and what had to be left out is left out of
later requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from recordfs.errors import RecordFSError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["RANGE_COPIES", "Features"]

RANGE_COPIES = "copies of ranges into an upload"

Answer = TypeVar("Answer")


class Features:
    """What is known of one bucket. Safe to use from any thread: two that learn at once learn the same.

    Args:
        is_refusal: Tells whether an error says that the store does not know something in a request, rather than that
            it failed; None for a store that has everything, and is never doubted.
        equal_parts: All parts of an upload but the last have to be of one size, and the last is no longer.

    Attributes:
        equal_parts: As above.
        lacking: What requests leave out from now on.
    """

    def __init__(self, is_refusal: Callable[[RecordFSError], bool] | None = None, *, equal_parts: bool = False) -> None:
        self._is_refusal = is_refusal
        self.equal_parts = equal_parts
        self.lacking: set[str] = set()

    @property
    def is_doubted(self) -> bool:
        """Whether the store may lack something."""
        return self._is_refusal is not None

    def has(self, feature: str) -> bool:
        """Tell whether a feature may be relied on, as far as is known."""
        return feature not in self.lacking

    def is_refusal(self, error: RecordFSError) -> bool:
        """Tell whether an error may say that the store lacks something."""
        return self._is_refusal is not None and self._is_refusal(error)

    def send(self, request: Callable[[set[str]], Answer], droppable: Sequence[str]) -> Answer:
        """Send a request, without features that the store refuses.

        Args:
            request: Sends it without the features that it is given.
            droppable: What may be left out of it, the least valuable first.

        Raises:
            RecordFSError: As the first try raised, if leaving things out did not help.
        """
        lacking = set(self.lacking)
        try:
            return request(lacking)
        except RecordFSError as error:
            if not self.is_refusal(error):
                raise
            refused = error
        for feature in droppable:
            if feature in lacking:
                continue
            lacking.add(feature)
            try:
                answer = request(lacking)
            except RecordFSError as error:
                if not self.is_refusal(error):
                    raise
                continue
            self.lacking |= lacking
            return answer
        raise refused
