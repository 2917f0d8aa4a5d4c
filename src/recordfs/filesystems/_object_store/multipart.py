"""Staging an object in the parts of an upload that a commit completes: the mechanism of S3, and of every store like it.

Up to a size the whole small object is put again. Above, an upload begins with a server-side copy of the committed
object, goes on with the new bytes, and ends by replacing the object. A store gives the requests (begin, put, and those
of UploadInParts); the order in which they are made, and what is done again after a failure or an interrupt, is here.
"""

from __future__ import annotations

import abc
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from recordfs.errors import ResourceExhaustedError
from recordfs.filesystems._object_store.commits import WRITER_METADATA
from recordfs.filesystems._object_store.conditions import Conditions
from recordfs.filesystems._object_store.kept_versions import warn_of_kept_versions
from recordfs.filesystems._object_store.orphans import OrphanSearch, remove_orphans
from recordfs.filesystems._object_store.part_queue import PartQueue, parts_in_flight
from recordfs.filesystems._object_store.parts import CopySource, UploadInParts
from recordfs.filesystems._object_store.staging import Staging
from recordfs.filesystems._object_store.upload import ObjectUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from recordfs.filesystems._object_store.commits import Commit, Ledger, Origin, Part
    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Location, Opening
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["MultipartObjectUpload"]

COMPARED = 64 << 10
"""Bytes by which an object is recognised where the store keeps no metadata with uploads of parts."""

Target = TypeVar("Target", bound=UploadInParts)


class MultipartObjectUpload(ObjectUpload, Generic[Target]):
    """The staged bytes of one writer, in the parts of an upload; see ObjectUpload.

    Args:
        store: For looks, and for bytes that have to come back.
        opening: What is written.
        part_size: Bytes of a part.
        copied_from: From which size on the committed object is copied by the store instead of being sent again; where
            all parts have to be of one size, from that size on.
        make_pool: As of PartQueue.
    """

    right_to_read: ClassVar[str] = "to read objects"
    """The store's name for what credentials need to have an object copied."""

    def __init__(
        self,
        store: ObjectStore,
        opening: Opening,
        *,
        part_size: int,
        copied_from: int,
        make_pool: Callable[[], Executor] | None = None,
    ) -> None:
        self._objects = store
        self._target = opening.location
        self._path, self._bucket, self._key = opening.location
        self._is_atomic = opening.atomic
        self._conditions = Conditions(self.look, is_write_only=opening.is_write_only, path=self._path)
        self._equal_parts = store.features(self._bucket).equal_parts
        self._copied_from = part_size if self._equal_parts else copied_from
        self.part_size = part_size
        self.most_kept = self._copied_from - 1
        self._queue: PartQueue[tuple[Target, int], None] = PartQueue(
            self._send_part, parts_in_flight(part_size), make_pool
        )
        self._orphans = OrphanSearch(store, self._target, self._queue.beside, finds_objects=opening.atomic)
        self._origin: Origin | None = None
        self._upload: Target | None = None
        self._staging: Staging[Target] | None = None
        # The committed bytes, where the store could copy them only in front of what it does not take then.
        self._fetched = b""
        self._prepared: tuple[int, dict[int, Any]] = (-1, {})

    # What a store writes

    @abc.abstractmethod
    def _begin(self, origin: Origin) -> Target:
        """Begin an upload whose object will carry the token."""

    @abc.abstractmethod
    def _begin_temporary(self, target: Location) -> Target:
        """Begin an upload of a temporary object."""

    @abc.abstractmethod
    def _put(self, commit: Commit, replaces: str | None) -> str:
        """Publish a small object by one request, on a condition."""

    def _keeps_conditions(self, *, is_put: bool) -> bool | None:
        """Tell whether the store keeps a condition on a put, or on completing an upload; None where nobody knows."""
        return True

    # What a writer asks for

    def send(self, part: Part, origin: Origin) -> None:
        """See ObjectUpload."""
        self._turn_to(origin)
        if not self._queue.has(part):
            upload = self._room()
            self._queue.add(part, (upload, upload.take_number()))

    def settle(self, leave: int | None = None) -> None:
        """See ObjectUpload."""
        self._queue.settle(leave)

    def prepare(self, commit: Commit) -> None:
        """Deliver all parts, and the bytes in memory as the last one beside them; remove what dead writers left."""
        self._turn_to(commit.origin)
        self._deliver(commit)
        remove_orphans(self._objects, self._target, self._orphans.take())

    def _deliver(self, commit: Commit) -> None:
        """Have everything in the store that a commit needs."""
        if self._staging is not None:
            self._queue.settle(0)
            self._staging.absorb()
            self._staging = None
        if self._is_put(commit):
            return
        upload = self._open(sum(map(len, commit.rest)))
        if self._prepared[0] == commit.total:
            return
        last = {upload.take_number(): buffers for buffers in self._last_parts(upload, commit)}
        answers = self._queue.settle_with([partial(upload.send, number, *last[number]) for number in last])
        self._prepared = commit.total, {**upload.parts, **dict(zip(last, answers, strict=True))}

    def commit(self, commit: Commit) -> str:
        """Put a small object, complete the upload of a large one."""
        if self._is_put(commit):
            return self._conditions.send(
                commit, partial(self._keeps_conditions, is_put=True), partial(self._put, commit)
            )
        upload, parts = self._open(), self._prepared[1]

        def complete(replaces: str | None) -> str:
            return upload.complete(parts, size=commit.total, crc=commit.crc, replaces=replaces)

        return self._conditions.send(commit, partial(self._keeps_conditions, is_put=False), complete)

    def look(self) -> ObjectInfo:
        """See ObjectUpload."""
        return self._objects.head(self._bucket, self._key)

    def is_made_by(self, ledger: Ledger, commit: Commit, found: ObjectInfo) -> bool:
        """By its token; where the store keeps no metadata with uploads of parts, by its last bytes."""
        if super().is_made_by(ledger, commit, found):
            return True
        is_doubted = self._objects.features(self._bucket).is_doubted
        if not is_doubted or WRITER_METADATA in found.metadata or found.tag == ledger.tag:
            return False
        if found.size != commit.total or not commit.rest:
            return False
        known = bytes(commit.rest[-1][-COMPARED:])
        return self._objects.get_range(self._bucket, self._key, found.size - len(known), found.size, found.tag) == known

    def takes_part(self, origin: Origin) -> bool:
        """After a copy of any size equal parts allow no more than one, so that each has to be a commit."""
        return not (self._equal_parts and origin.size)

    def is_full(self) -> bool:
        """See ObjectUpload. An atomic write goes on in temporary objects."""
        upload = self._upload if self._staging is None else self._staging.upload
        if upload is None or upload.next_number <= upload.limits.filled:
            return False
        if not self._is_atomic and not self._conditions.is_write_only and not self._equal_parts:
            return True
        if self._is_atomic and not self._equal_parts and self._upload is not None and Staging.has_room(self._upload):
            return False
        raise ResourceExhaustedError(
            f"this writer can stage no more parts of {self.part_size} bytes; set the option part_size higher, or "
            "close this file and begin another",
            path=self._path,
        )

    def refuse_flush(self, taken: int) -> None:
        """Raise PermissionDeniedError if the credentials could not have copied what would be committed."""
        if taken >= self._copied_from:
            self._conditions.refuse_copying(self._copied_from, self.right_to_read)

    def tidy(self, *, replaced: bool) -> None:
        """Let go of what the commit has consumed; say what replacing costs where versions are kept.

        What the commit did not consume is left to a later clean-up.
        """
        self._forget()
        if replaced:
            warn_of_kept_versions(self._objects, self._bucket)

    def abandon(self) -> None:
        """Abort what is under way, and remove what was staged elsewhere."""
        self._queue.wait()
        if self._staging is not None:
            self._staging.discard()
        if self._upload is not None:
            self._upload.abort()
        self._upload = self._staging = None

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
        """Begin again where a commit has happened since the last call."""
        if self._origin is not None and self._origin.sequence != origin.sequence:
            self._forget()
        self._origin = origin

    def _forget(self) -> None:
        self._queue.forget()
        self._upload, self._staging, self._fetched, self._prepared = None, None, b"", (-1, {})

    def _send_part(self, place: tuple[Target, int], body: bytearray) -> None:
        upload, number = place
        upload.acknowledge(number, upload.send(number, body), len(body))

    def _room(self) -> Target:
        """Return where the next part goes: of an atomic write a temporary object once the upload is full."""
        upload = self._open() if self._staging is None else self._staging.upload
        if not self._is_atomic or upload.next_number <= upload.limits.filled:
            return upload
        self._queue.settle(0)
        if self._staging is not None:
            self._staging.absorb()
        self._staging = Staging(self._objects, self._target, self._open(), self._begin_staged)
        return self._staging.upload

    def _begin_staged(self, target: Location) -> Target:
        upload = self._begin_temporary(target)
        self._orphans.note_own(upload.identifier, target.key)
        return upload

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
        self._orphans.begin()
        upload = self._begin(origin)
        self._orphans.note_own(upload.identifier)
        with upload.aborted_by_errors():
            if origin.size and self._equal_parts and rest > origin.size:
                # A last part may not be longer than those before it, so all are cut again.
                self._fetched = self._objects.get_range(self._bucket, self._key, 0, origin.size, str(origin.tag))
            elif origin.size:
                # Where parts have to be equal, one part of whatever size may be in front of the last.
                most = 1 if self._equal_parts else None
                upload.copy(CopySource(self._bucket, self._key, str(origin.tag), origin.size), most=most)
        self._upload = upload
        return upload
