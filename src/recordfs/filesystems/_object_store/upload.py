"""What a writer asks of a store: to stage parts, to publish a commit, and to look. One of these for each writer.

It knows requests and nothing of the bookkeeping, which is the ledger's: every method can be called again with the same
arguments after it raised or was interrupted, and does then what is still missing.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.commits import Commit, Ledger, Origin, Part
    from recordfs.filesystems._object_store.objects import ObjectInfo

__all__ = ["ObjectUpload"]


class ObjectUpload(abc.ABC):
    """The staged bytes of one writer, and what publishes them. For one thread.

    An origin with another sequence than the last one says that a commit has happened: what was staged before belongs
    to it.

    Attributes:
        part_size: Bytes of a part that is handed on.
        most_kept: Up to how many committed bytes a writer keeps, to send them again with the next ones.
    """

    part_size: int
    most_kept: int

    @abc.abstractmethod
    def send(self, part: Part, origin: Origin) -> None:
        """Take over a part, unless it was taken over before; ``settle`` delivers it."""

    @abc.abstractmethod
    def settle(self, leave: int | None = None) -> None:
        """Have all parts on their way, and wait until at most ``leave`` are; None for as many as may be in flight.

        Raises:
            RecordFSError: A part could not be delivered. It is kept, and sent again by the next call.
            DataLossError: The store does not have bytes any more that it had acknowledged.
        """

    @abc.abstractmethod
    def prepare(self, commit: Commit) -> None:
        """Do all that a commit needs before the one request that publishes it."""

    @abc.abstractmethod
    def commit(self, commit: Commit) -> str:
        """Publish by one request, on the commit's condition, and return the new tag. Again it sends the very same.

        Raises:
            AbortedError: The condition does not hold.
            NotFoundError: What it needs is not there.
        """

    @abc.abstractmethod
    def look(self) -> ObjectInfo:
        """Return the object as it is now, with metadata.

        Raises:
            NotFoundError: There is no such object.
        """

    @abc.abstractmethod
    def abandon(self) -> None:
        """Remove what was staged and not committed, as far as it can be."""

    def is_made_by(self, ledger: Ledger, commit: Commit, found: ObjectInfo) -> bool:
        """Tell whether an object is what a commit has made; a store that keeps no metadata looks otherwise."""
        return ledger.is_made_by(commit, found)

    def takes_part(self, origin: Origin) -> bool:
        """Tell whether a part can be staged; else it has to be a commit."""
        return True

    def is_full(self) -> bool:
        """Tell whether what is staged has to be committed before more is taken.

        Raises:
            ResourceExhaustedError: It would have to be, and cannot.
        """
        return False

    def refuse_flush(self, taken: int) -> None:
        """Raise if a commit of so many bytes now would be one that a later commit could not go on from."""

    def tidy(self, *, replaced: bool) -> None:
        """Clean up after a commit that has happened; ``replaced`` tells that there was an object before."""

    def unpublished(self) -> dict[str, object]:
        """Return attributes for the error of a writer that lost: what it has staged, by the store's names."""
        return {}

    def way_out(self, origin: Origin) -> str:
        """Return what a writer that lost can do with its bytes."""
        return "They are kept until it is closed: publish(overwrite=True) puts them over the other's"

    @abc.abstractmethod
    def end(self) -> None:
        """Let go of threads and memory."""
