"""An upload of numbered parts that make an object: sent from here, or copied by the store from another object."""

from __future__ import annotations

import abc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from recordfs.errors import AbortedError, DataLossError, RecordFSError, UnimplementedError
from recordfs.filesystems._object_store.features import RANGE_COPIES
from recordfs.filesystems._object_store.parallel import for_each_in_parallel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystems._object_store.opening import Location
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["CopySource", "PartLimits", "UploadGoneError", "UploadInParts"]

LONGEST_COPY = 128 << 20
"""A server-side copy takes time in proportion to its length; above this, ranges are copied in parallel."""


class UploadGoneError(DataLossError):
    """The store no longer knows an upload, and with it the bytes that it held."""


class PartLimits(NamedTuple):
    """What a store takes as parts of one upload.

    Attributes:
        smallest: Bytes that every part but the last has at least.
        largest: Bytes that a part has at most.
        filled: Parts after which an upload counts as full.
        most: Parts that the store takes; those after ``filled`` are left for copies and one large append.
    """

    smallest: int
    largest: int
    filled: int
    most: int


class CopySource(NamedTuple):
    """A version of an object that is copied.

    Attributes:
        bucket: Its bucket's name.
        key: Its key.
        tag: The version.
        size: In bytes.
    """

    bucket: str
    key: str
    tag: str
    size: int


class UploadInParts(abc.ABC):
    """An upload that is under way. Parts may be sent from several threads.

    Args:
        store: For bytes that have to come back, and for looks at what is copied.
        target: The object that the parts will make.
        identifier: The store's name for the upload.

    Attributes:
        parts: What the store said of the parts that it has acknowledged, by number.
        next_number: The number after those that are taken.
        first: The number of the first part after what was copied.
    """

    limits: ClassVar[PartLimits]

    def __init__(self, store: ObjectStore, target: Location, identifier: Any) -> None:
        self._objects = store
        self._features = store.features(target.bucket)
        self._path, self._bucket, self._key = target
        self.identifier = identifier
        self.parts: dict[int, Any] = {}
        self.next_number = 1
        self.first = 1
        self._sizes: dict[int, int] = {}

    # What a store writes

    @abc.abstractmethod
    def send(self, number: int, *buffers: bytes | bytearray) -> Any:
        """Send one part; again under the same number it replaces what was sent before.

        Returns:
            What the store said of it, to be put into ``parts``, or given to ``complete``.
        """

    @abc.abstractmethod
    def copy_range(self, number: int, source: CopySource, start: int, end: int) -> Any:
        """Have the store copy the bytes from ``start`` to ``end`` as a part.

        Returns:
            As ``send``; None from a store that did not know the request, and copied nothing.

        Raises:
            AbortedError: The source is another version by now.
        """

    @abc.abstractmethod
    def complete(self, parts: dict[int, Any], *, size: int, crc: int | None = None, replaces: str | None = None) -> str:
        """Publish the object that parts make, and return its tag.

        Args:
            parts: By number.
            size: In bytes.
            crc: The CRC-32C of the whole, where it is known.
            replaces: As of Commit.

        Raises:
            UploadGoneError: The store does not know the upload, perhaps because it was completed before.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """Remove what was uploaded."""

    # Parts

    @property
    def size(self) -> int:
        """Bytes in the parts that the store has acknowledged, without copies."""
        return sum(list(self._sizes.values()))  # a list at once, as other threads may add to it

    @contextmanager
    def aborted_by_errors(self) -> Iterator[None]:
        """Remove what was uploaded if the block raises; that this cannot be done is a note to what it raised."""
        try:
            yield
        except BaseException as error:
            try:
                self.abort()
            except RecordFSError as second:
                error.add_note(f"the upload {self.identifier} could not be aborted: {second}")
            raise

    def take_number(self) -> int:
        """Return a number that nothing else was sent under: a request that is late would put its bytes there."""
        number = self.next_number
        self.next_number = number + 1
        return number

    def acknowledge(self, number: int, answer: Any, size: int) -> None:
        """Take note of a part that the store has."""
        self._sizes[number] = size
        self.parts[number] = answer

    def copy(self, source: CopySource, *, most: int | None = None) -> None:
        """Put a whole object after the parts so far: the store copies it, in equal ranges.

        Where the store cannot, the bytes come here and go back, one range at a time.

        Args:
            source: At least as large as the smallest part.
            most: Into how many ranges it may be cut; None for all that are left for copies.

        Raises:
            AbortedError: The source is another version by now.
        """
        copied: dict[int, Any] = {}
        first = self.next_number
        if self._features.has(RANGE_COPIES):
            try:
                self._copy_on_server(source, most or self.limits.most - self.limits.filled, first, copied)
            except RecordFSError as error:
                if not self._features.is_refusal(error):
                    raise
                # A range that a replaced object does not have is refused in the same words.
                if self._objects.head(source.bucket, source.key).tag != source.tag:
                    raise AbortedError("the object is another version by now", path=self._path) from error
                self._features.lacking.add(RANGE_COPIES)
        if not self._features.has(RANGE_COPIES):
            copied.clear()
            self._copy_through_here(source, first, copied)
        following = first + len(copied)
        self.parts.update(copied)
        self.first = self.next_number = following

    def _copy_on_server(self, source: CopySource, most: int, first: int, copied: dict[int, Any]) -> None:
        step = -(-source.size // min(most, -(-source.size // LONGEST_COPY)))
        if step > self.limits.largest:
            raise UnimplementedError(
                f"{source.size} bytes cannot be copied in {most} part(s) of up to {self.limits.largest} bytes, as this "
                "store takes equal parts only; close this file before it is so large, and begin another",
                path=self._path,
            )

        def copy(item: tuple[int, int]) -> None:
            number, start = item
            answer = self.copy_range(number, source, start, min(start + step, source.size))
            if answer is None:
                self._features.lacking.add(RANGE_COPIES)
            else:
                copied[number] = answer

        items = list(enumerate(range(0, source.size, step), first))
        if len(items) == 1:
            copy(items[0])
            return
        failures = for_each_in_parallel(copy, items)
        if failures.count:
            raise failures.first[0][1]

    def _copy_through_here(self, source: CopySource, first: int, copied: dict[int, Any]) -> None:
        """Download and upload an object, of which one range is in memory at a time."""
        self._objects.notices.once(
            self._bucket,
            RANGE_COPIES,
            f"the store of bucket {self._bucket} does not copy parts: every flush of an object that is not small "
            f"(more than {self.limits.smallest} bytes) downloads and uploads the whole object again. Flush seldom, or "
            "start a new file from time to time",
        )
        if self._features.equal_parts:
            raise UnimplementedError("this store copies no parts, and takes only equal ones", path=self._path)
        # A little more than the smallest part, because the last range may be some bytes shorter than the others.
        count = max(1, source.size // (self.limits.smallest + self.limits.most))
        step = -(-source.size // min(count, self.limits.filled))
        for number, start in enumerate(range(0, source.size, step), first):
            end = min(start + step, source.size)
            content = self._objects.get_range(source.bucket, source.key, start, end, source.tag)
            copied[number] = self.send(number, content)
