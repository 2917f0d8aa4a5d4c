"""Fetching byte ranges of one version of an object: through obstore where that works, else through the SDK.

obstore serves thousands of small ranges a second where the SDKs serve hundreds. It has limits that are kept here: it
rewrites some keys (a slash at either end, ``//``, ``.`` and ``..`` components); once a process has used it, a forked
child that uses it hangs for ever, because its runtime's threads are not there; and on Google Cloud Storage it reads by
the XML API, which not every emulator has.
"""

from __future__ import annotations

import logging
import mmap
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError

from recordfs._core import copy_still_memory
from recordfs.errors import (
    AbortedError,
    DeadlineExceededError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystems._object_store.obstore_errors import error_from_obstore
from recordfs.filesystems._object_store.stream_choice import StreamChoice
from recordfs.filesystems._object_store.threads import call_interruptibly, shared_pool
from recordfs.per_process import OwningProcess, PerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from obstore import GetResult
    from typing_extensions import Buffer

    from recordfs.filesystems._object_store.block_stream import ByteStream
    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.statistics import RequestCounter
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["RangeFetcher"]

_OBSTORE_ERRORS = (BaseError, OSError, ValueError, NotImplementedError)

_UNKNOWN_API = (
    NotFoundError,
    InvalidArgumentError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnimplementedError,
    UnknownError,
)
"""How servers that lack the API by which obstore reads were seen to refuse its requests."""

CHUNK = 8 << 20
"""With 1 MiB less memory is held, but the allocator gives each chunk back to the system: many files read one after
another then took half as long again.
"""

STREAMED_INTO = 1 << 20
"""Bytes from which on a range comes by the SDK's stream into memory that is there: fewer cost it more than obstore."""

PIECE = 512 << 10
"""Bytes that a stream is read by on their way into such memory: few enough to be in the cache when they are copied, and
to lie in memory that the allocator has at hand."""

MANY = 64
"""Ranges from which on a look at the object after them costs less than naming the version in each request."""

GROUP = 64
"""Ranges of one call of obstore, which keeps ten of them on their way."""

_first_reader: OwningProcess | None = None
_warned: mmap.mmap | None = None
"""One byte, 1 once a forked child has warned. All of them share it: a DataLoader forks its workers again for every
epoch, and each has the same to say."""


def _usable_here() -> bool:
    """Tell whether obstore may be used in this process, remembering the first one that does."""
    global _first_reader, _warned
    if _first_reader is None:
        _warned = mmap.mmap(-1, 1)
        _first_reader = OwningProcess()
    if _first_reader.is_current:
        return True
    if _warned is not None and not _warned[0]:
        _warned[0] = 1
        logging.getLogger("recordfs").warning(
            "process %d was forked after its parent had read objects; it reads through the store's SDK, which is "
            "slower for small ranges. Start workers by spawn, or fork them before the first read",
            os.getpid(),
        )
    return False


def _kept_verbatim(key: str) -> bool:
    """Tell whether obstore asks for this very key."""
    return not any(part in ("", ".", "..") for part in key.split("/")) and key.isprintable()


class RangeFetcher:
    """Fetches ranges of the objects of one filesystem. Safe to use from any thread, and after a fork.

    Args:
        store: For what obstore cannot do.
        make: Makes obstore's store for a bucket; None where obstore cannot reach it as the SDK does.
        counter: Where requests are counted.
        scheme: For the paths in errors.
    """

    def __init__(self, store: ObjectStore, make: Callable[[str], Any], counter: RequestCounter, scheme: str) -> None:
        self._store = store
        self._make = make
        self._counter = counter
        self._scheme = scheme
        self._buckets: dict[str, Any] = {}
        self._served = True
        self._choice: PerProcess[StreamChoice] = PerProcess(StreamChoice)

    def fetch(self, bucket: str, key: str, start: int, end: int, tag: str) -> Buffer:
        """Return the bytes from ``start`` to ``end`` of the version that ``tag`` names; the range has to lie inside.

        Raises:
            AbortedError: The object is another version by now.
            NotFoundError: It is gone.
            UnavailableError: The store did not answer, or every answer broke off.
        """
        return self._take(bucket, key, start, end, tag, lambda answer: [answer.bytes()])[0]

    def fetch_chunks(self, bucket: str, key: str, start: int, end: int, tag: str) -> list[Buffer]:
        """Return the same in chunks of about 8 MiB: a longer range is nowhere put together that is only handed on."""
        return self._choice.get().measured(
            lambda: self._take(bucket, key, start, end, tag, lambda answer: list(answer.stream(min_chunk_size=CHUNK))),
            lambda _chunks: end - start,
            is_range=True,
        )

    def fetch_into(self, bucket: str, key: str, start: int, view: memoryview, tag: str) -> None:
        """Put the bytes from ``start`` on into a view; the object has to have all of them. Raises as ``fetch``.

        The SDK's socket hands them out as they come: that takes half of the processor time of putting obstore's answer
        together first, and no memory for it. What a stream did not bring is fetched in chunks.
        """
        done = self._stream_into(bucket, key, start, view, tag)
        while done < len(view):
            stop = min(done + CHUNK, len(view))
            content = call_interruptibly(self.fetch, bucket, key, start + done, start + stop, tag)
            with view[done:stop] as room:
                copy_still_memory(content, room)
            done = stop

    def _stream_into(self, bucket: str, key: str, start: int, view: memoryview, tag: str) -> int:
        """Read a stream into a view as far as it goes, and return how far that was."""
        done = 0
        if self._store.streams_as is None or len(view) < STREAMED_INTO:
            return done
        try:
            body = self._open(bucket, key, start, start + len(view), tag)
            try:
                while done < len(view):
                    content = body.read(min(PIECE, len(view) - done))
                    if not content:
                        break
                    with view[done : done + len(content)] as room:
                        copy_still_memory(content, room)
                    done += len(content)
            finally:
                body.close()
        except Exception:  # noqa: BLE001, S110 (whatever it was, the request for the rest finds out and says it)
            pass
        return done

    @property
    def can_stream(self) -> bool:
        """Whether the store's SDK hands out bytes as they come, and several ranges were not faster a while ago."""
        return self._store.streams_as is not None and self._choice.get().prefers_streams

    def gives_up_slow_stream(self) -> bool:
        """Tell whether a slow stream is to make way for several ranges at once."""
        return self._choice.get().gives_up_slow_stream()

    def stream(self, bucket: str, key: str, start: int, end: int, tag: str) -> ByteStream:
        """Ask for a long range whose bytes are read later; raises as ``fetch``."""
        return _Measured(self._open(bucket, key, start, end, tag), self._choice.get())

    def _open(self, bucket: str, key: str, start: int, end: int, tag: str) -> ByteStream:
        body = self._store.open_range(bucket, key, start, end, tag)
        return _Counted(body, partial(self._counter.add, str(self._store.streams_as)))

    def _take(
        self, bucket: str, key: str, start: int, end: int, tag: str, take: Callable[[GetResult], list[Any]]
    ) -> list[Buffer]:
        """Ask for a range, and have its bytes taken from the answer; again if that is shorter than the range."""
        reached = self._bucket(bucket) if self._served and _kept_verbatim(key) and _usable_here() else None
        if reached is None:
            return [self._store.get_range(bucket, key, start, end, tag)]
        path = f"{self._scheme}://{bucket}/{key}"
        length = 0
        for _ in range(self._store.max_attempts):
            try:
                answer = obstore.get(reached, key, options=self._store.range_options(start, end, tag))
                is_version = self._store.is_version(answer, tag)
                chunks = take(answer) if is_version else []
            except _OBSTORE_ERRORS as error:
                mapped = error_from_obstore(error, path, self._store.error_from_answer)
                # Never from the error itself: its text can repeat the request, tokens included.
                return [self._fetch_by_sdk_after(mapped, bucket, key, start, end, tag)]
            if not is_version:
                # A server that does not look at the version that was asked for answers with what it has by now.
                raise AbortedError("the answer is of another version", path=path)
            length = sum(map(len, chunks))
            self._counter.add("GetRange", requests=1, received=length)
            if length == end - start:
                return chunks
        if self._store.head(bucket, key).tag != tag:
            # A server that does not look at conditions has answered with what it has by now.
            raise AbortedError("the object is another version by now", path=path)
        raise UnavailableError(
            f"asked for bytes {start} to {end}, found {length} bytes: the answer broke off, each of "
            f"{self._store.max_attempts} times",
            path=path,
        )

    def _fetch_by_sdk_after(
        self, error: RecordFSError, bucket: str, key: str, start: int, end: int, tag: str
    ) -> Buffer:
        """Fetch through the SDK what obstore could not, if it reads by another API than the server may have.

        If that works, everything is read so from now on.

        Raises:
            RecordFSError: What obstore's error meant; or where the SDK cannot do it either, what it says, which asks as
                it did for what is known of the object.
        """
        unknown_api = _UNKNOWN_API if self._store.obstore_has_own_api else UnimplementedError
        if not isinstance(error, unknown_api):
            raise error from None
        content = self._store.get_range(bucket, key, start, end, tag)
        self._give_up()
        return content

    def fetch_many(self, bucket: str, key: str, ranges: Sequence[tuple[int, int]], tag: str) -> list[Buffer] | None:
        """Return many small ranges, as ``fetch`` does, for less of this process's time.

        obstore's call for many ranges names no version. Where a tag never comes back, seeing it again after the last
        byte shows that no other version was there in between; that look is worth its time only for many ranges.

        Returns:
            None where that does not hold, or anything went wrong: ``fetch`` finds out what.
        """
        if len(ranges) < MANY or not (self._store.tags_never_return and self._served):
            return None
        reached = self._bucket(bucket) if _kept_verbatim(key) and _usable_here() else None
        if reached is None:
            return None

        def fetch(group: Sequence[tuple[int, int]]) -> list[Buffer]:
            starts, ends = zip(*group, strict=True)
            return list(obstore.get_ranges(reached, key, starts=starts, ends=ends, coalesce=0))

        groups = [ranges[at : at + GROUP] for at in range(0, len(ranges), GROUP)]
        futures = [shared_pool().submit(fetch, group) for group in groups]
        try:
            contents = [content for future in futures for content in future.result()]
            self._counter.add("GetRange", requests=len(contents), received=sum(map(_size, contents)))
            whole = all(_size(content) == end - start for content, (start, end) in zip(contents, ranges, strict=True))
            unchanged = self._store.head(bucket, key).tag == tag
        except (*_OBSTORE_ERRORS, RecordFSError):
            return None
        return contents if whole and unchanged else None

    def describe(self, bucket: str, key: str) -> ObjectInfo:
        """Describe an object as ``ObjectStore.head`` does, at a tenth of the cost where obstore can.

        Raises:
            NotFoundError: There is no such object.
        """
        operation = self._store.described_by_obstore
        served = operation is not None and self._served
        reached = self._bucket(bucket) if served and _kept_verbatim(key) and _usable_here() else None
        if reached is None or operation is None:
            return self._store.head(bucket, key)
        self._counter.add(operation, requests=1)
        try:
            found = call_interruptibly(partial(obstore.get, options={"head": True}), reached, key)
        except _OBSTORE_ERRORS as error:
            mapped = error_from_obstore(error, f"{self._scheme}://{bucket}/{key}", self._store.error_from_answer)
            if isinstance(mapped, UnavailableError | DeadlineExceededError):
                raise mapped from None
            # An answer to HEAD has no body. The SDK finds out more, and knows of redirections.
            return self._store.head(bucket, key)
        return self._store.info_from_obstore(key, found) or self._store.head(bucket, key)

    def _give_up(self) -> None:
        """Remember that the server does not have the API by which obstore reads."""
        if self._served:
            self._served = False
            logging.getLogger("recordfs").warning(
                "the server of %s:// does not answer obstore's requests; objects are read through the store's SDK, "
                "which is slower for small ranges",
                self._scheme,
            )

    def _bucket(self, bucket: str) -> Any:
        """Return obstore's store for a bucket, or None where only the SDK can reach it."""
        if bucket not in self._buckets:
            # Without a lock, because finding credentials can take requests; of two made at once one is kept.
            self._buckets.setdefault(bucket, self._set_up(bucket))
        return self._buckets[bucket]

    def _set_up(self, bucket: str) -> Any:
        """Make obstore's store for a bucket, or say why that cannot be, and return None."""
        try:
            return self._make(bucket)
        except RecordFSError:
            raise
        except _OBSTORE_ERRORS as error:
            logging.getLogger("recordfs").warning(
                "%s://%s is read through the SDK, which is slower for small ranges, because obstore cannot be set up: "
                "%s",
                self._scheme,
                bucket,
                str(error).partition("\n")[0],
            )
            return None


class _Counted:
    """A stream whose bytes are counted.

    Args:
        body: The stream.
        count: Takes ``received=``.
    """

    def __init__(self, body: ByteStream, count: Callable[..., None]) -> None:
        self._body = body
        self._count = count
        self.close = body.close

    def read(self, n: int, /) -> bytes:
        content = self._body.read(n)
        self._count(received=len(content))
        return content


class _Measured:
    """A stream whose pace is taken note of.

    Args:
        body: The stream.
        choice: Takes note.
    """

    def __init__(self, body: ByteStream, choice: StreamChoice) -> None:
        self._body = body
        self._choice = choice
        self.close = body.close

    def read(self, n: int, /) -> bytes:
        return self._choice.measured(lambda: self._body.read(n), len, is_range=False)


def _size(content: Buffer) -> int:
    """Return how many bytes a buffer has."""
    with memoryview(content) as view:
        return len(view)
