"""An object store in memory that misbehaves by a seed, as the real ones do: the same seed, the same faults.

It loses answers, carries requests out after it was given up on, refuses, and tears calls by an interrupt, so that a
protocol over it runs through thousands of schedules in seconds::

    file_system = SeededObjectFileSystem(SeededObjectStore(seed=7, faults=Faults(lost=0.1, late=0.1)))
    with file_system.new_writable_file("seeded://bucket/key") as file:
        ...

Objects are small here, unless said otherwise: a part has 16 bytes. ``SeededObjectStore.versions`` is everything that
ever stood under a key, in order, so that a test can say what nobody may have seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import random
import threading
import time
import weakref
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from recordfs._core import crc32c
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
    RecordFSError,
    UnavailableError,
)
from recordfs.filesystem import Capabilities
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.composing import MOST_SOURCES, ComposedObjectUpload, PieceMaker, Pieces, Source
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.filesystems._object_store.multipart import MultipartObjectUpload
from recordfs.filesystems._object_store.opening import Known
from recordfs.filesystems._object_store.parts import CopySource, PartLimits, UploadGoneError, UploadInParts
from recordfs.filesystems._object_store.store import ObjectInfo, ObjectPage, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recordfs.filesystems._object_store.commits import Commit, Origin
    from recordfs.filesystems._object_store.fetching import RangeFetcher
    from recordfs.filesystems._object_store.opening import Location, Opening
    from recordfs.filesystems._object_store.upload import ObjectUpload

__all__ = [
    "NO_FAULTS",
    "Faults",
    "SeededObjectFileSystem",
    "SeededObjectStore",
    "SeededPieces",
    "SeededUpload",
    "Version",
]

Result = TypeVar("Result")

PART_SIZE = 16
"""Bytes of a part, all but the last of an object."""

MOST_KEPT = 7
"""Bytes up to which an object is put again as a whole."""


class Faults(NamedTuple):
    """How often a request goes wrong in each way, as shares of 1.

    Attributes:
        refused: It is answered by an outage, and nothing has happened.
        lost: It has happened, and its answer is lost.
        late: It is given up on, and happens at some later request.
        torn: An interrupt tears it, before it is sent or after it has happened.
    """

    refused: float = 0.0
    lost: float = 0.0
    late: float = 0.0
    torn: float = 0.0


NO_FAULTS = Faults()

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
        requests: How many requests there were.
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
        self.faults = faults
        self.keeps_conditions = keeps_conditions
        self.copies_ranges = copies_ranges
        self.versions: dict[tuple[str, str], list[Version | None]] = {}
        self.requests = 0
        self.part_size = part_size
        self.most_kept = most_kept
        self._number = next(_numbers)
        _stores[self._number] = self
        self._random = random.Random(seed)  # noqa: S311 (a schedule is drawn from it, and no secret)
        self._interrupt = interrupt
        self._upload_class = upload_class or SeededUpload
        self._lock = threading.RLock()
        self._late: list[Callable[[], object]] = []
        self._uploads: dict[int, _Upload | None] = {}  # by numbers that are never given again
        self._tags = 0

    def __reduce__(self) -> tuple[Callable[[int], SeededObjectStore], tuple[int]]:
        """Pickle as the store that it is: one of this process."""
        return _store_of, (self._number,)

    # Faults

    def ask(self, action: Callable[[], Result], *, changes: bool = True) -> Result:
        """Carry a request out, or let it go wrong.

        Raises:
            UnavailableError: Whether it happened is not said.
        """
        with self._lock:
            self.requests += 1
            drawn, faults = self._random.random(), self.faults
            if self._late and self._random.random() < 0.5:
                self._land(self._late.pop(0))
            for share, fail in (
                (faults.refused, self._refuse),
                (faults.lost, self._lose),
                (faults.late if changes else 0.0, self._delay),
                (faults.torn, self._tear),
            ):
                if drawn < share:
                    fail(action)
                drawn -= share
            return action()

    def land_late(self) -> None:
        """Let everything happen that was given up on and has not happened yet."""
        with self._lock:
            while self._late:
                self._land(self._late.pop(0))

    def _land(self, action: Callable[[], object]) -> None:
        with contextlib.suppress(RecordFSError):  # nobody waits for the answer
            action()

    def _refuse(self, action: Callable[[], object]) -> None:
        raise UnavailableError("an outage, by the seed")

    def _lose(self, action: Callable[[], object]) -> None:
        self._land(action)
        raise UnavailableError("the answer was lost, by the seed")

    def _delay(self, action: Callable[[], object]) -> None:
        self._late.append(action)
        raise UnavailableError("no answer in time, by the seed")

    def _tear(self, action: Callable[[], object]) -> None:
        how = self._random.randrange(3)
        if how == 1:
            self._land(action)
        elif how == 2:
            self._late.append(action)
        raise self._interrupt("a call was torn, by the seed")

    # Objects

    def peek(self, bucket: str, key: str) -> Version | None:
        """Return what is there, without a request."""
        with self._lock:
            versions = self.versions.get((bucket, key))
            return versions[-1] if versions else None

    def put(self, bucket: str, key: str, data: bytes, metadata: dict[str, str], replaces: str | None) -> str:
        """Make an object by one request, on a condition; see Commit.replaces."""
        return self.ask(lambda: self._store(bucket, key, data, metadata, replaces))

    def _store(self, bucket: str, key: str, data: bytes, metadata: dict[str, str], replaces: str | None) -> str:
        before = self.peek(bucket, key)
        now = None if before is None else before.tag
        if self.keeps_conditions and replaces is not None and (replaces or None) != now:
            raise AbortedError(f"expected {replaces or 'no object'}, found {now or 'no object'}")
        self._tags += 1
        version = Version(data, dict(metadata), f"v{self._tags}", now, time.time_ns())
        self.versions.setdefault((bucket, key), []).append(version)
        return version.tag

    def compose(
        self, bucket: str, key: str, sources: list[Source], metadata: dict[str, str], replaces: str | None
    ) -> str:
        """Make an object of versions of others, on a condition."""

        def compose() -> str:
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
            tag = self._store(bucket, key, b"".join(pieces), found.metadata, replaces)
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

    def list_page(
        self, bucket: str, prefix: str, *, delimiter: str = "", page: str | None = None, limit: int = 1000
    ) -> ObjectPage:
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

    def put_marker(self, bucket: str, key: str, *, replace: bool = False) -> None:
        """See ObjectStore."""
        try:
            self.put(bucket, key, b"", {}, None if replace else NOTHING)
        except AbortedError as error:
            raise AlreadyExistsError("the directory exists", path=f"seeded://{bucket}/{key}") from error

    def delete(self, bucket: str, key: str, tag: str | None = None) -> None:
        """See ObjectStore."""

        def delete() -> None:
            if self.peek(bucket, key) is None:
                return
            if tag is not None:
                self._version(bucket, key, tag)
            self.versions[bucket, key].append(None)

        self.ask(delete)

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


class _AtOnce(Executor):
    """Calls what it is given at once, so that requests come in one order. An interrupt comes out of ``submit``."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Call a function."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (raised by whoever asks for the result, as from a thread)
            future.set_exception(error)
        return future


class SeededParts(UploadInParts):
    """An upload that is under way; see UploadInParts."""

    limits = PartLimits(smallest=PART_SIZE, largest=1 << 30, filled=3, most=100)

    def __init__(self, store: SeededObjectStore, target: Location, metadata: dict[str, str]) -> None:
        super().__init__(store, target, store.begin_upload(target.bucket, target.key, metadata))
        self._store = store

    def send(self, number: int, *buffers: bytes | bytearray) -> int:
        """See UploadInParts."""
        return self._store.send_part(self.identifier, number, b"".join(buffers))

    def copy_range(self, number: int, source: CopySource, start: int, end: int) -> int | None:
        """See UploadInParts."""
        return self._store.copy_part(self.identifier, number, source, start, end)

    def complete(self, parts: dict[int, int], *, size: int, crc: int | None = None, replaces: str | None = None) -> str:
        """See UploadInParts."""
        return self._store.complete(self._bucket, self._key, self.identifier, parts, replaces)

    def abort(self) -> None:
        """See UploadInParts."""
        self._store.abort_upload(self.identifier)


class SeededUpload(MultipartObjectUpload[SeededParts]):
    """Stages parts in an upload that a commit completes, as on S3; see ObjectUpload."""

    def __init__(self, store: SeededObjectStore, opening: Opening, known: Known) -> None:
        super().__init__(store, opening, part_size=store.part_size, copied_from=store.most_kept + 1, make_pool=_AtOnce)
        self._store = store
        self._metadata = known.metadata

    def _begin(self, origin: Origin) -> SeededParts:
        return SeededParts(self._store, self._target, {**self._metadata, **origin.token})

    def _begin_temporary(self, target: Location) -> SeededParts:
        return SeededParts(self._store, target, {})

    def _put(self, commit: Commit, replaces: str | None) -> str:
        metadata = {**self._metadata, **commit.origin.token}
        return self._store.put(self._bucket, self._key, b"".join(commit.rest), metadata, replaces)

    def _keeps_conditions(self, *, is_put: bool) -> bool | None:
        return self._store.keeps_conditions


class SeededPieces(ComposedObjectUpload):
    """Stages temporary objects that a commit composes, as on Google Cloud Storage; see ObjectUpload."""

    def __init__(self, store: SeededObjectStore, opening: Opening, known: Known) -> None:
        maker = _SeededMaker(store, opening.location.bucket)
        pieces = Pieces(store, maker, opening.location, part_size=store.part_size, make_pool=_AtOnce)
        super().__init__(store, opening.location, pieces)
        self.part_size, self.most_kept = store.part_size, store.most_kept
        self._store = store
        self._metadata = known.metadata

    def _insert(self, commit: Commit) -> str:
        metadata = {**self._metadata, **commit.origin.token}
        return self._store.put(self._bucket, self._key, b"".join(commit.rest), metadata, commit.replaces)

    def _compose(self, commit: Commit, sources: list[Source]) -> str:
        metadata = {**self._metadata, **commit.origin.token}
        return self._store.compose(self._bucket, self._key, sources, metadata, commit.replaces)


class _SeededMaker(PieceMaker):
    """Makes temporary objects."""

    def __init__(self, store: SeededObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    def make(self, key: str, buffers: Sequence[bytes | bytearray]) -> str:
        return self._store.put(self._bucket, key, b"".join(buffers), {}, NOTHING)

    def join(self, key: str, sources: list[Source]) -> str:
        return self._store.compose(self._bucket, key, sources, {}, NOTHING)


class _Fetcher:
    """Fetches ranges by the store's own request."""

    can_stream = False

    def __init__(self, store: SeededObjectStore) -> None:
        self._store = store
        self.fetch = store.get_range
        self.describe = store.head

    def fetch_chunks(self, bucket: str, key: str, start: int, end: int, tag: str) -> list[bytes]:
        return [self._store.get_range(bucket, key, start, end, tag)]

    def fetch_many(self, bucket: str, key: str, ranges: Sequence[tuple[int, int]], tag: str) -> None:
        return None


class SeededObjectFileSystem(ObjectStoreFileSystem):
    """The filesystem over a seeded store: what ``s3://`` and ``gs://`` share, over nothing but memory.

    Args:
        store: The store; one without faults where none is given.
        options: As ObjectStoreFileSystem.
    """

    def __init__(self, store: SeededObjectStore | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.store = store or SeededObjectStore()
        self._seeded_fetcher: Any = _Fetcher(self.store)

    @property
    def _store(self) -> SeededObjectStore:
        return self.store

    @property
    def _fetcher(self) -> RangeFetcher:
        fetcher: RangeFetcher = self._seeded_fetcher
        return fetcher

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the store, which is one of this process."""
        return type(self), (self.store,)

    def capabilities(self, path: str) -> Capabilities:
        """See FileSystem."""
        return Capabilities(
            truncate=False,
            atomic_rename=False,
            directories="implicit",
            server_side_copy=True,
            memory_region=False,
            detects_replacement=True,
        )
