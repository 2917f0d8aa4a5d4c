"""Staging an object in the parts of an upload that a commit completes: the mechanism of S3, and of every store like it.

A store gives the requests (begin, send, copy, complete, put); the order in which they are made, and what is done again
after a failure or an interrupt, is here.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from recordfs.errors import RecordFSError
from recordfs.filesystems._object_store.part_queue import PartQueue
from recordfs.filesystems._object_store.upload import PARTS_IN_FLIGHT, ObjectUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from recordfs.filesystems._object_store.commits import Commit, Origin, Part
    from recordfs.filesystems._object_store.opening import Opening
    from recordfs.filesystems._object_store.store import ObjectInfo, ObjectStore

__all__ = ["MultipartObjectUpload", "UploadInParts"]


class UploadInParts(abc.ABC):
    """An upload that is under way. Parts may be sent from several threads.

    Args:
        identifier: The store's name for it.

    Attributes:
        parts: What the store said of the parts that it has acknowledged, by number.
        next_number: The number after those that are taken.
        first: The number of the first part after what was copied.
        size: Bytes in the parts that the store has acknowledged, without copies.
    """

    def __init__(self, identifier: Any) -> None:
        self.identifier = identifier
        self.parts: dict[int, Any] = {}
        self.next_number = 1
        self.first = 1
        self.size = 0

    @abc.abstractmethod
    def send(self, number: int, *buffers: bytes | bytearray) -> Any:
        """Send one part; again under the same number it replaces what was sent before.

        Returns:
            What the store said of it, to be put into ``parts``, or given to ``complete``.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """Remove what was uploaded."""

    def abort_after(self, error: BaseException) -> None:
        """Remove what was uploaded because something else went wrong, which is what will be raised."""
        try:
            self.abort()
        except RecordFSError as second:
            error.add_note(f"the upload {self.identifier} could not be aborted: {second}")

    def take_number(self) -> int:
        """Return a number that nothing else was sent under: a request that is late would put its bytes there."""
        number = self.next_number
        self.next_number = number + 1
        return number

    def acknowledge(self, number: int, answer: Any, size: int) -> None:
        """Take note of a part that the store has."""
        if number not in self.parts:
            self.size += size
        self.parts[number] = answer


Target = TypeVar("Target", bound=UploadInParts)


class MultipartObjectUpload(ObjectUpload, Generic[Target]):
    """The staged bytes of one writer, in the parts of an upload; see ObjectUpload.

    Args:
        store: For looks, and for bytes that have to come back.
        opening: What is written.
        part_size: Bytes of a part.
        copied_from: From which size on the committed object is copied by the store instead of being sent again.
        equal_parts: All parts but the last have to be of one size, and the last is no longer.
        make_pool: As of PartQueue.
    """

    def __init__(
        self,
        store: ObjectStore,
        opening: Opening,
        *,
        part_size: int,
        copied_from: int,
        equal_parts: bool = False,
        make_pool: Callable[[], Executor] | None = None,
    ) -> None:
        self._objects = store
        self._path, self._bucket, self._key = opening.location
        self.part_size = part_size
        self.most_kept = copied_from - 1
        self._copied_from = copied_from
        self._equal_parts = equal_parts
        self._queue: PartQueue[tuple[Target, int], None] = PartQueue(self._send_part, make_pool)
        self._origin: Origin | None = None
        self._upload: Target | None = None
        # The committed bytes, where the store could copy them only in front of what it does not take then.
        self._fetched = b""
        self._prepared: tuple[int, dict[int, Any]] = (-1, {})

    # What a store writes

    @abc.abstractmethod
    def _begin(self, origin: Origin) -> Target:
        """Begin an upload whose object will carry the token."""

    @abc.abstractmethod
    def _copy_committed(self, upload: Target, origin: Origin) -> None:
        """Have the store put the committed version into an upload, as its first parts."""

    @abc.abstractmethod
    def _put(self, commit: Commit) -> str:
        """Publish a small object by one request, on the commit's condition."""

    @abc.abstractmethod
    def _complete(self, upload: Target, parts: dict[int, Any], commit: Commit) -> str:
        """Publish the object that parts make, on the commit's condition."""

    def _room(self) -> Target:
        """Return where the next part goes."""
        return self._open()

    # What a writer asks for

    def send(self, part: Part, origin: Origin) -> None:
        """See ObjectUpload."""
        self._turn_to(origin)
        if not self._queue.has(part):
            upload = self._room()
            self._queue.add(part, (upload, upload.take_number()))

    def settle(self, leave: int = PARTS_IN_FLIGHT) -> None:
        """See ObjectUpload."""
        self._queue.settle(leave)

    def prepare(self, commit: Commit) -> None:
        """Deliver all parts, and the bytes in memory as the last one."""
        self._turn_to(commit.origin)
        if self._is_put(commit):
            return
        self._queue.settle(0)
        upload = self._open(sum(map(len, commit.rest)))
        if self._prepared[0] == commit.total:
            return
        parts = dict(upload.parts)
        for buffers in self._last_parts(upload, commit):
            number = upload.take_number()
            parts[number] = upload.send(number, *buffers)
        self._prepared = commit.total, parts

    def commit(self, commit: Commit) -> str:
        """Put a small object, complete the upload of a large one."""
        if self._is_put(commit):
            return self._put(commit)
        return self._complete(self._open(), self._prepared[1], commit)

    def look(self) -> ObjectInfo:
        """See ObjectUpload."""
        return self._objects.head(self._bucket, self._key)

    def takes_part(self, origin: Origin) -> bool:
        """After a copy of any size equal parts allow no more than one, so that each has to be a commit."""
        return not (self._equal_parts and origin.size)

    def tidy(self, *, replaced: bool) -> None:
        """Let go of what the commit has consumed. What it did not consume is left to a later clean-up."""
        self._forget()

    def abandon(self) -> None:
        """Abort what is under way."""
        self._queue.wait()
        if self._upload is not None:
            self._upload.abort()
        self._upload = None

    def unpublished(self) -> dict[str, object]:
        """Return the upload's identifier."""
        return {"upload_id": self._upload and self._upload.identifier}

    def way_out(self, origin: Origin) -> str:
        """See ObjectUpload."""
        if self._upload is None and origin.size:
            return f"The {origin.size} bytes that come before them were in the object which was replaced"
        return super().way_out(origin)

    def end(self) -> None:
        """See ObjectUpload."""
        self._queue.close()
        self._forget()

    # Parts

    def _is_put(self, commit: Commit) -> bool:
        """Tell whether a commit is one request, with all bytes of the object."""
        return self._upload is None and not commit.staged and commit.total < self._copied_from

    def _turn_to(self, origin: Origin) -> None:
        """Begin anew where a commit has happened since the last call."""
        if self._origin is not None and self._origin.sequence != origin.sequence:
            self._forget()
        self._origin = origin

    def _forget(self) -> None:
        self._queue.forget()
        self._upload, self._fetched, self._prepared = None, b"", (-1, {})

    def _send_part(self, place: tuple[Target, int], body: bytearray) -> None:
        upload, number = place
        upload.acknowledge(number, upload.send(number, body), len(body))

    def _last_parts(self, upload: Target, commit: Commit) -> Iterator[tuple[bytes | bytearray, ...]]:
        """Iterate over the buffers of each part that comes after those that were handed on."""
        everything: tuple[bytes | bytearray, ...] = (self._fetched, *commit.rest)
        buffers = tuple(buffer for buffer in everything if buffer)
        if self._equal_parts and upload.first == 1 and sum(map(len, buffers)) > self.part_size:
            whole = b"".join(buffers)
            for start in range(0, len(whole), self.part_size):
                yield (whole[start : start + self.part_size],)
        elif buffers:
            yield buffers

    def _open(self, rest: int = 0) -> Target:
        """Return the upload under way, or begin one with the committed object in it, to come before ``rest`` bytes."""
        if self._upload is not None:
            return self._upload
        origin = self._origin
        assert origin is not None
        upload = self._begin(origin)
        try:
            if origin.size and self._equal_parts and rest > origin.size:
                # A last part may not be longer than those before it, so all are cut anew.
                self._fetched = self._objects.get_range(self._bucket, self._key, 0, origin.size, str(origin.tag))
            elif origin.size:
                self._copy_committed(upload, origin)
        except BaseException as error:
            upload.abort_after(error)
            raise
        self._upload = upload
        return upload
