"""Making objects by single requests, and what has to be seen of one before it is taken for made."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Known
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["ObjectMaker", "Source"]


class Source(NamedTuple):
    """One version of an object that another is composed of.

    Attributes:
        key: Its key.
        tag: The version.
    """

    key: str
    tag: str


class ObjectMaker(abc.ABC):
    """Makes objects in one bucket, and takes none for made that is another than was asked for.

    What an object replaces is said as of ``Commit.replaces``; where that is not what is there, it is AbortedError. The
    object that is there then may be one that this very call made, if an answer was lost.

    Args:
        store: The requests.
        bucket: The bucket's name.
        path: For errors.
    """

    def __init__(self, store: ObjectStore, bucket: str, path: str) -> None:
        self._store = store
        self._bucket = bucket
        self._path = path

    def _tag_of_made(self, made: ObjectInfo, wanted: ObjectInfo) -> str:
        """Return the tag of an object that the store says it has made, if it is the one that was asked for.

        Raises:
            UnavailableError: It is not. Nothing of it is taken for stored.
        """
        if made.key != wanted.key:
            # The name was damaged on its way: no checksum is over it.
            self._store.delete(self._bucket, made.key, made.tag)
            raise UnavailableError("the store made an object of another name than it was asked for", path=self._path)
        if not made.has_bytes_of(wanted):
            raise UnavailableError(
                f"the store made an object of {made.size} bytes with the checksum {made.checksum or 'not told'}, "
                f"expected {wanted.size} bytes and {wanted.checksum or 'any'}; the bytes are kept",
                path=self._path,
            )
        return made.tag

    @abc.abstractmethod
    def insert(self, key: str, known: Known, buffers: Sequence[bytes | bytearray], *, replaces: str | None) -> str:
        """Make an object of buffers, one after another, with the metadata and properties that are known.

        Returns:
            Its tag. The buffers can change again then.
        """

    @abc.abstractmethod
    def compose(
        self, key: str, known: Known, sources: list[Source], *, size: int, crc: int | None, replaces: str | None
    ) -> str:
        """Make an object of others in the same bucket, on the server.

        Args:
            key: The key.
            known: As of insert.
            sources: Up to 32, in the order of their bytes.
            size: In bytes, all of them together.
            crc: The CRC-32C of all bytes, which the store verifies, or None if unknown.
            replaces: As of insert.

        Returns:
            Its tag.

        Raises:
            NotFoundError: One of the sources is not there in this version.
            DataLossError: The bytes are not those whose CRC-32C was given.
        """
