"""The objects of a seeded store: versions, uploads and conditions, in memory, by requests that may go wrong."""

from __future__ import annotations

import hashlib
import itertools
import time
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from recordfs._core import crc32c
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
    RecordFSError,
)
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.composed_upload import MOST_SOURCES
from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage
from recordfs.filesystems._object_store.opening import Known
from recordfs.filesystems._object_store.parts import UploadGoneError
from recordfs.filesystems._object_store.store import DELETED, DeletionAnswer, ObjectStore
from recordfs.testing.seeded_requests import NO_FAULTS, SeededRequests
from recordfs.testing.seeded_uploads import PART_SIZE, SeededUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recordfs.filesystems._object_store.object_maker import Source
    from recordfs.filesystems._object_store.opening import Location, Opening
    from recordfs.filesystems._object_store.parts import CopySource
    from recordfs.filesystems._object_store.upload import ObjectUpload
    from recordfs.testing.seeded_requests import Faults

__all__ = ["SeededObjectStore", "Version"]

Result = TypeVar("Result")

MOST_KEPT = 7
"""Bytes up to which an object is put again as a whole."""

_stores: weakref.WeakValueDictionary[int, SeededObjectStore] = weakref.WeakValueDictionary()
_numbers = itertools.count()


def _store_of(number: int) -> SeededObjectStore:
    return _stores[number]


class Version(NamedTuple):
    """What once stood under a key.

    Attributes:
        data: The bytes.
        metadata: The user metadata.
        tag: What tells it from every other.
        replaced: The tag of the version before, or None.
        mtime_nsec: When it was made, in nanoseconds since 1970-01-01 UTC.
    """

    data: bytes
    metadata: dict[str, str]
    tag: str
    replaced: str | None
    mtime_nsec: int


class _Upload:
    """Parts that belong to no object yet."""

    def __init__(self, metadata: dict[str, str]) -> None:
        self.metadata = metadata
        self.parts: dict[int, bytes] = {}
        self.copied: set[int] = set()


class SeededObjectStore(ObjectStore):
    """The store. For any number of threads, but what a seed gives is the same only for one.

    Args:
        seed: Where the faults are drawn from.
        faults: How often each happens; change the attribute to let the store heal.
        interrupt: Makes what tears a call.
        part_size: Bytes of a part, all but the last of an object: few, so that a schedule has many parts.
        most_kept: Bytes up to which an object is put again as a whole.
        keeps_conditions: False for a store that ignores conditions in silence, as some of those like S3 do.
        copies_ranges: False for a store that copies no ranges into an upload, as some of those like S3 do not.
        upload_class: What writers of this store stage and publish by: SeededUpload, SeededPieces, or what a test that
            plants faults derives from one of them.

    Attributes:
        versions: By bucket and key, every version that stood there; None stands for a deletion.
    """

    tags_never_return = True

    def __init__(
        self,
        seed: int = 0,
        *,
        faults: Faults = NO_FAULTS,
        interrupt: type[BaseException] = KeyboardInterrupt,
        part_size: int = PART_SIZE,
        most_kept: int = MOST_KEPT,
        keeps_conditions: bool = True,
        copies_ranges: bool = True,
        upload_class: Callable[[SeededObjectStore, Opening, Known], ObjectUpload] | None = None,
    ) -> None:
        super().__init__("seeded")
        self._asked = SeededRequests(seed, faults, interrupt)
        self.keeps_conditions = keeps_conditions
        self.copies_ranges = copies_ranges
        self.versions: dict[tuple[str, str], list[Version | None]] = {}
        self.part_size = part_size
        self.most_kept = most_kept
        self._number = next(_numbers)
        _stores[self._number] = self
        self._upload_class = upload_class or SeededUpload
        self._uploads: dict[int, _Upload | None] = {}  # by numbers that are never given again
        self._tags = 0

    def __reduce__(self) -> tuple[Callable[[int], SeededObjectStore], tuple[int]]:
        """Pickle as the store that it is: one of this process."""
        return _store_of, (self._number,)

    @property
    def faults(self) -> Faults:
        """How often each fault happens."""
        return self._asked.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._asked.faults = faults

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return self._asked.requests

    def ask(self, action: Callable[[], Result], *, changes: bool = True) -> Result:
        """Carry a request out, or let it go wrong; see SeededRequests."""
        return self._asked.ask(action, changes=changes)

    def land_late(self) -> None:
        """Let everything happen that was given up on and has not happened yet."""
        self._asked.land_late()

    # Objects

    def peek(self, bucket: str, key: str) -> Version | None:
        """Return what is there, without a request."""
        with self._asked.lock:
            versions = self.versions.get((bucket, key))
            return versions[-1] if versions else None

    def put(self, bucket: str, key: str, data: bytes, metadata: dict[str, str], replaces: str | None) -> ObjectInfo:
        """Make an object by one request, on a condition; see Commit.replaces."""
        return self.ask(lambda: self._store(bucket, key, data, metadata, replaces))

    def _store(self, bucket: str, key: str, data: bytes, metadata: dict[str, str], replaces: str | None) -> ObjectInfo:
        before = self.peek(bucket, key)
        now = None if before is None else before.tag
        if self.keeps_conditions and replaces is not None and (replaces or None) != now:
            raise AbortedError(f"expected {replaces or 'no object'}, found {now or 'no object'}")
        self._tags += 1
        version = Version(data, dict(metadata), f"v{self._tags}", now, time.time_ns())
        self.versions.setdefault((bucket, key), []).append(version)
        return _info(key, version)

    def compose(
        self, bucket: str, key: str, sources: list[Source], metadata: dict[str, str], replaces: str | None
    ) -> ObjectInfo:
        """Make an object of versions of others, on a condition."""

        def compose() -> ObjectInfo:
            if len(sources) > MOST_SOURCES:
                raise InvalidArgumentError(f"at most {MOST_SOURCES} sources, found {len(sources)}")
            try:
                data = b"".join(self._version(bucket, source.key, source.tag).data for source in sources)
            except AbortedError as error:
                raise NotFoundError("a source is another version by now") from error
            return self._store(bucket, key, data, metadata, replaces)

        return self.ask(compose)

    def begin_upload(self, bucket: str, key: str, metadata: dict[str, str]) -> int:
        """Begin an upload of parts to a key."""

        def begin() -> int:
            self._uploads[len(self._uploads) + 1] = _Upload(metadata)
            return len(self._uploads)

        return self.ask(begin)

    def copy_part(self, upload: int, number: int, source: CopySource, start: int, end: int) -> int | None:
        """Put bytes of a version into an upload as a part, and return its checksum; None if ranges are not copied."""

        def copy() -> int | None:
            found = self._upload(upload)
            if not self.copies_ranges:
                found.parts[number] = b""  # as stores do that take the request for another
                return None
            found.parts[number] = self._version(source.bucket, source.key, source.tag).data[start:end]
            found.copied.add(number)
            return crc32c(found.parts[number])

        return self.ask(copy)

    def send_part(self, upload: int, number: int, data: bytes) -> int:
        """Send one part, and return its checksum; under the same number it replaces what was sent before."""

        def send() -> int:
            found = self._upload(upload)
            found.parts[number] = data
            found.copied.discard(number)
            return crc32c(data)

        return self.ask(send)

    def complete(self, bucket: str, key: str, upload: int, parts: dict[int, int], replaces: str | None) -> str:
        """Make an object of parts of an upload, by number with their checksums; the upload is gone then."""

        def complete() -> str:
            found = self._upload(upload)
            pieces = [found.parts.get(number, b"") for number in sorted(parts)]
            if [crc32c(piece) for piece in pieces] != [parts[number] for number in sorted(parts)]:
                raise InvalidArgumentError("a part is not there, or another than was named")
            sent = [found.parts[number] for number in sorted(parts) if number not in found.copied]
            if any(len(piece) < self.part_size for piece in sent[:-1]):
                raise InvalidArgumentError(f"only the last part may have less than {self.part_size} bytes")
            tag = self._store(bucket, key, b"".join(pieces), found.metadata, replaces).tag
            self._uploads[upload] = None
            return tag

        return self.ask(complete)

    def abort_upload(self, upload: int) -> None:
        """Forget an upload."""
        self.ask(lambda: self._uploads.update({upload: None}))

    def _upload(self, upload: int) -> _Upload:
        found = self._uploads.get(upload)
        if found is None:
            raise UploadGoneError(f"the upload {upload} is gone")
        return found

    def uploads(self) -> int:
        """Return how many uploads are under way."""
        return sum(upload is not None for upload in self._uploads.values())

    def _version(self, bucket: str, key: str, tag: str) -> Version:
        found = self.peek(bucket, key)
        if found is None:
            raise NotFoundError("there is no such object", path=f"seeded://{bucket}/{key}")
        if found.tag != tag:
            raise AbortedError(f"expected {tag}, found {found.tag}", path=f"seeded://{bucket}/{key}")
        return found

    # What the filesystem asks for

    def head(self, bucket: str, key: str) -> ObjectInfo:
        """See ObjectStore."""

        def look() -> ObjectInfo:
            found = self.peek(bucket, key)
            if found is None:
                raise NotFoundError("there is no such object", path=f"seeded://{bucket}/{key}")
            return _info(key, found)

        return self.ask(look, changes=False)

    def _list_page(self, bucket: str, prefix: str, *, delimiter: str, page: str | None, limit: int) -> ObjectPage:
        """See ObjectStore."""

        def find() -> ObjectPage:
            objects: list[ObjectInfo] = []
            prefixes: list[str] = []
            last = page
            for key in sorted((key for where, key in self.versions if where == bucket), key=str.encode):
                found = self.peek(bucket, key)
                if found is None or not key.startswith(prefix):
                    continue
                rest = key[len(prefix) :]
                common = prefix + rest[: rest.index("/") + 1] if delimiter and "/" in rest else None
                shown = common or key
                if (page is not None and shown.encode() <= page.encode()) or common in prefixes:
                    continue
                if len(objects) + len(prefixes) == limit:
                    return ObjectPage(objects, prefixes, last)
                if common is None:
                    objects.append(_info(key, found)._replace(metadata={}))
                else:
                    prefixes.append(common)
                last = shown
            return ObjectPage(objects, prefixes, None)

        return self.ask(find, changes=False)

    def list_buckets(self) -> list[str]:
        """Return the buckets in which something is."""
        return sorted({bucket for bucket, _ in self.versions})

    def bucket_exists(self, bucket: str) -> bool:
        """Every bucket exists, but for those whose name begins with "missing"."""
        return not bucket.startswith("missing")

    def _put_marker(self, bucket: str, key: str, mark: dict[str, str], *, replace: bool) -> None:
        """See ObjectStore."""
        try:
            self.put(bucket, key, b"", mark, None if replace else NOTHING)
        except AbortedError as error:
            raise AbortedError(error.message, path=f"seeded://{bucket}/{key}") from error

    def _delete(self, bucket: str, key: str, tag: str | None) -> DeletionAnswer:
        """See ObjectStore."""

        def delete() -> DeletionAnswer:
            if self.peek(bucket, key) is not None:
                if tag is not None:
                    self._version(bucket, key, tag)
                self.versions[bucket, key].append(None)
            return DELETED

        return self.ask(delete)

    def delete_many(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, RecordFSError]]:
        """See ObjectStore."""
        failed: list[tuple[str, RecordFSError]] = []
        for key in keys:
            try:
                self.delete(bucket, key)
            except RecordFSError as error:
                failed.append((key, error))
        return failed

    def copy(
        self, source_bucket: str, source: ObjectInfo, target_bucket: str, target_key: str, *, overwrite: bool
    ) -> None:
        """See ObjectStore."""

        def copy() -> None:
            found = self._version(source_bucket, source.key, source.tag)
            try:
                self._store(target_bucket, target_key, found.data, found.metadata, None if overwrite else NOTHING)
            except AbortedError as error:
                raise AlreadyExistsError("the target of a copy exists", path=f"seeded://{target_bucket}") from error

        self.ask(copy)

    def get_range(self, bucket: str, key: str, start: int, end: int, tag: str) -> bytes:
        """See ObjectStore."""
        return self.ask(lambda: self._version(bucket, key, tag).data[start:end], changes=False)

    def range_options(self, start: int, end: int, tag: str) -> Any:
        """Nothing here is read through obstore."""
        raise NotImplementedError

    def known_of(self, location: Location, found: ObjectInfo) -> Known:
        """See ObjectStore."""
        kept = b""
        if found.size <= self.most_kept:
            kept = self.get_range(location.bucket, location.key, 0, found.size, found.tag)
        return Known(kept, None, found.metadata, {})

    def new_upload(self, opening: Opening, known: Known) -> ObjectUpload:
        """See ObjectStore."""
        return self._upload_class(self, opening, known)


def _info(key: str, version: Version) -> ObjectInfo:
    checksum = hashlib.sha256(version.data).hexdigest()
    return ObjectInfo(key, len(version.data), version.mtime_nsec, version.tag, dict(version.metadata), checksum)
