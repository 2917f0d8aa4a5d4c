"""An object store in memory that misbehaves by a seed, as the real ones do: the same seed, the same faults.

It loses answers, carries requests out after it was given up on, refuses, and tears calls by an interrupt, so that a
protocol over it runs through thousands of schedules in seconds::

    file_system = SeededObjectFileSystem(SeededObjectStore(seed=7, faults=Faults(lost=0.1, late=0.1)))
    with file_system.new_writable_file("seeded://bucket/key") as file:
        ...

Objects are small here: a part has 16 bytes. ``SeededObjectStore.versions`` is everything that ever stood under a key,
in order, so that a test can say what nobody may have seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from recordfs._core import crc32c
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DataLossError,
    InvalidArgumentError,
    NotFoundError,
    RecordFSError,
    UnavailableError,
)
from recordfs.filesystem import Capabilities
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.filesystems._object_store.opening import Known
from recordfs.filesystems._object_store.part_queue import PartQueue
from recordfs.filesystems._object_store.store import ObjectInfo, ObjectPage, ObjectStore
from recordfs.filesystems._object_store.upload import PARTS_IN_FLIGHT, ObjectUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recordfs.filesystems._object_store.commits import Commit, Origin, Part
    from recordfs.filesystems._object_store.fetching import RangeFetcher
    from recordfs.filesystems._object_store.opening import Location, Opening

__all__ = ["NO_FAULTS", "Faults", "SeededObjectFileSystem", "SeededObjectStore", "SeededUpload", "Version"]

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


class Version(NamedTuple):
    """What once stood under a key.

    Attributes:
        data: The bytes.
        metadata: The user metadata.
        tag: What tells it from every other.
        replaced: The tag of the version before, or None.
    """

    data: bytes
    metadata: dict[str, str]
    tag: str
    replaced: str | None


class _Upload:
    """Parts that belong to no object yet, after those that were copied from a version."""

    def __init__(self, copied: bytes, metadata: dict[str, str]) -> None:
        self.copied = copied
        self.metadata = metadata
        self.parts: dict[int, bytes] = {}


class SeededObjectStore(ObjectStore):
    """The store. For any number of threads, but what a seed gives is the same only for one.

    Args:
        seed: Where the faults are drawn from.
        faults: How often each happens; change the attribute to let the store heal.
        interrupt: Makes what tears a call.
        upload_class: What writers of this store stage and publish by; a test that plants faults derives from it.

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
        upload_class: type[SeededUpload] | None = None,
    ) -> None:
        self.faults = faults
        self.versions: dict[tuple[str, str], list[Version | None]] = {}
        self.requests = 0
        self._random = random.Random(seed)  # noqa: S311 (a schedule is drawn from it, and no secret)
        self._interrupt = interrupt
        self._upload_class = upload_class or SeededUpload
        self._lock = threading.RLock()
        self._late: list[Callable[[], object]] = []
        self._uploads: dict[int, _Upload | None] = {}  # by numbers that are never given again
        self._tags = 0

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
        if replaces is not None and (replaces or None) != now:
            raise AbortedError(f"expected {replaces or 'no object'}, found {now or 'no object'}")
        self._tags += 1
        version = Version(data, dict(metadata), f"v{self._tags}", now)
        self.versions.setdefault((bucket, key), []).append(version)
        return version.tag

    def begin_upload(self, bucket: str, key: str, origin: Origin, metadata: dict[str, str]) -> int:
        """Begin an upload whose object begins with the bytes of a committed version."""

        def begin() -> int:
            copied = b""
            if origin.size:
                copied = self._version(bucket, key, str(origin.tag)).data[: origin.size]
            self._uploads[len(self._uploads) + 1] = _Upload(copied, {**metadata, **origin.token})
            return len(self._uploads)

        return self.ask(begin)

    def send_part(self, upload: int, number: int, data: bytes) -> int:
        """Send one part, and return its checksum; under the same number it replaces what was sent before."""

        def send() -> int:
            found = self._uploads.get(upload)
            if found is None:
                raise DataLossError(f"the upload {upload} is gone")
            found.parts[number] = data
            return crc32c(data)

        return self.ask(send)

    def complete(self, bucket: str, key: str, upload: int, parts: dict[int, int], replaces: str | None) -> str:
        """Make an object of parts of an upload, by number with their checksums; the upload is gone then."""

        def complete() -> str:
            found = self._uploads.get(upload)
            if found is None:
                raise DataLossError(f"the upload {upload} is gone")
            pieces = [found.parts.get(number, b"") for number in sorted(parts)]
            if [crc32c(piece) for piece in pieces] != [parts[number] for number in sorted(parts)]:
                raise InvalidArgumentError("a part is not there, or another than was named")
            if any(len(piece) < PART_SIZE for piece in pieces[:-1]):
                raise InvalidArgumentError(f"only the last part may have less than {PART_SIZE} bytes")
            tag = self._store(bucket, key, b"".join([found.copied, *pieces]), found.metadata, replaces)
            self._uploads[upload] = None
            return tag

        return self.ask(complete)

    def abort_upload(self, upload: int) -> None:
        """Forget an upload."""
        self.ask(lambda: self._uploads.update({upload: None}))

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
        if found.size <= MOST_KEPT:
            kept = self.get_range(location.bucket, location.key, 0, found.size, found.tag)
        return Known(kept, None, found.metadata, {})

    def new_upload(self, opening: Opening, known: Known) -> ObjectUpload:
        """See ObjectStore."""
        return self._upload_class(self, opening.location, known)


def _info(key: str, version: Version) -> ObjectInfo:
    checksum = hashlib.sha256(version.data).hexdigest()
    return ObjectInfo(key, len(version.data), 0, version.tag, dict(version.metadata), checksum)


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


class SeededUpload(ObjectUpload):
    """Stages parts in an upload that a commit completes, as on S3; see ObjectUpload."""

    part_size = PART_SIZE
    most_kept = MOST_KEPT

    def __init__(self, store: SeededObjectStore, location: Location, known: Known) -> None:
        self._store = store
        self._bucket, self._key = location.bucket, location.key
        self._metadata = known.metadata
        self._queue: PartQueue[int, int] = PartQueue(self._send_part, _AtOnce)
        self._origin: Origin | None = None
        self._identifier: int | None = None
        self._numbers = 0
        self._rest: tuple[int, int] | None = None

    def send(self, part: Part, origin: Origin) -> None:
        """See ObjectUpload."""
        self._turn_to(origin)
        self._open()
        if not self._queue.has(part):
            self._queue.add(part, self._number())

    def settle(self, leave: int = PARTS_IN_FLIGHT) -> None:
        """See ObjectUpload."""
        self._queue.settle(leave)

    def prepare(self, commit: Commit) -> None:
        """See ObjectUpload."""
        self._turn_to(commit.origin)
        self._queue.settle(0)
        if not self._is_put(commit):
            self._open()
            if commit.rest:
                number = self._number()
                self._rest = number, self._send_part(number, bytearray().join(commit.rest))

    def commit(self, commit: Commit) -> str:
        """See ObjectUpload."""
        if self._is_put(commit):
            metadata = {**self._metadata, **commit.origin.token}
            return self._store.put(self._bucket, self._key, b"".join(commit.rest), metadata, commit.replaces)
        parts = {part.place: part.answer for part in self._queue.sent}
        if commit.rest and self._rest is not None:
            parts.update([self._rest])
        return self._store.complete(self._bucket, self._key, self._open(), parts, commit.replaces)

    def look(self) -> ObjectInfo:
        """See ObjectUpload."""
        return self._store.head(self._bucket, self._key)

    def abandon(self) -> None:
        """See ObjectUpload."""
        if self._identifier is not None:
            self._store.abort_upload(self._identifier)

    def end(self) -> None:
        """See ObjectUpload."""
        self._queue.close()

    def _turn_to(self, origin: Origin) -> None:
        """Begin anew where a commit has happened since the last call."""
        if self._origin is not None and self._origin.sequence != origin.sequence:
            self._queue.forget()
            self._identifier = None
        self._origin = origin

    def _is_put(self, commit: Commit) -> bool:
        return self._identifier is None and not commit.staged and commit.total <= PART_SIZE

    def _open(self) -> int:
        if self._identifier is None:
            assert self._origin is not None
            self._identifier = self._store.begin_upload(self._bucket, self._key, self._origin, self._metadata)
        return self._identifier

    def _number(self) -> int:
        """Return a number that was never sent: a part that is late must not come in place of another."""
        self._numbers += 1
        return self._numbers

    def _send_part(self, number: int, body: bytearray) -> int:
        return self._store.send_part(self._open(), number, bytes(body))


class _Fetcher:
    """Fetches ranges by the store's own request."""

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
