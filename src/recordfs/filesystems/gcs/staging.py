"""The temporary objects of one writer: bytes that the store has, and the key does not show yet.

Each part is an object of its own, so that several are on their way at once and one whose answer was lost is sent again
without harm. A commit composes them into the key. Where there are too many for that, neighbours are composed into
larger temporary objects first.

As in ObjectWriter, what belongs together is changed in lines without a call between them, so that an interrupt leaves
each byte and each name in exactly one place.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from recordfs.errors import AbortedError, DataLossError, NotFoundError, RecordFSError
from recordfs.filesystems._object_store.bulk import for_each_in_parallel, submit
from recordfs.filesystems._object_store.listing import list_objects
from recordfs.filesystems._object_store.temporary import temporary_key, temporary_prefix
from recordfs.filesystems.gcs.making import MOST_SOURCES, Source

if TYPE_CHECKING:
    from concurrent.futures import Future

    from recordfs.filesystems.gcs.making import ObjectMaker
    from recordfs.filesystems.gcs.store import GCSStore

__all__ = ["Staging"]

PARTS_IN_FLIGHT = 2
"""Parts that may be on their way while more bytes are taken; a writer's memory is bounded by them."""

MOST_PIECES = 1024
"""Pieces are composed into larger ones when there are this many, so that what a writer remembers stays bounded."""

MOST_DELETES = 100
"""Keys that ``delete_many`` is given at once: it names no more than these of those that it could not delete."""

ORPHAN_AGE = dt.timedelta(days=1)
RESOURCE = {"contentType": "application/octet-stream"}

_Item = TypeVar("_Item")


def batches(items: list[_Item], size: int) -> list[list[_Item]]:
    """Return the items in lists of a size, the last of which may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def batches_within(pieces: list[_Piece], size: int) -> list[list[_Piece]]:
    """Return the pieces in lists of at most a size, none of which goes beyond the end of an attempt."""
    found: list[list[_Piece]] = []
    begin = 0
    for index, piece in enumerate(pieces, 1):
        if piece.ends_attempt or index == len(pieces):
            found += batches(pieces[begin:index], size)
            begin = index
    return found


class _Part:
    """A part that the store has not acknowledged yet."""

    def __init__(self, key: str, body: bytearray) -> None:
        self.key = key
        self.body = body
        self.sending: Future[str] | None = None


class _Piece(NamedTuple):
    """A temporary object that the store has.

    Attributes:
        source: Which.
        size: In bytes.
        ends_attempt: Whether a commit was tried that ended with it.
    """

    source: Source
    size: int
    ends_attempt: bool = False


class Staging:
    """The temporary objects of one writer, in the order of their bytes. Used by one thread at a time.

    Args:
        store: The other requests.
        maker: Makes objects.
        bucket: The bucket's name.
        key: The key that they are for.
        path: The same, for messages.
        part_size: Bytes up to which parts that wait are joined.
    """

    def __init__(self, store: GCSStore, maker: ObjectMaker, bucket: str, key: str, path: str, part_size: int) -> None:
        self._store = store
        self._maker = maker
        self._bucket = bucket
        self._path = path
        self._part_size = part_size
        self._key = key
        # Not the writer's id, which whoever appends takes over: these names are never used again.
        self._own_name = uuid.uuid4().hex
        self._number = 0
        self._waiting: list[_Part] = []
        self._pieces: list[_Piece] = []
        self._garbage: list[str] = []
        self._undeletable: RecordFSError | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._looked_for_orphans = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been added since the last ``forget``."""
        return not self._waiting and not self._pieces

    def keys(self) -> list[str]:
        """Return the keys of everything here."""
        return [piece.source.key for piece in self._pieces] + [part.key for part in self._waiting]

    def add(self, body: bytearray) -> None:
        """Take over bytes; ``deliver`` sends them. The last line does it: an interrupt before has taken nothing."""
        waiting, garbage = self._waiting, self._garbage
        last = waiting[-1] if waiting else None
        if last is not None and last.sending is None and len(last.body) + len(body) <= self._part_size:
            # What was tried of it before may have arrived after all: what differs gets another name.
            garbage = [*garbage, last.key]
            waiting, body = waiting[:-1], last.body + body
        waiting = [*waiting, _Part(self._new_key(), body)]
        self._garbage = garbage
        self._waiting = waiting

    def deliver(self, leave: int = PARTS_IN_FLIGHT) -> None:
        """Send what waits, until at most ``leave`` parts are on their way.

        Raises:
            RecordFSError: A part could not be delivered. It is kept, and the next call sends it again.
        """
        self._delete_orphans()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(PARTS_IN_FLIGHT + 1, thread_name_prefix="recordfs-gcs-part")
        for part in self._waiting:
            if part.sending is None:
                part.sending = submit(self._pool, self._send, part)
        while self._waiting:
            part = self._waiting[0]
            assert part.sending is not None
            if len(self._waiting) <= leave and not part.sending.done():
                break
            error = part.sending.exception()
            if error is not None:
                part.sending = None
                raise error
            pieces = [*self._pieces, _Piece(Source(part.key, part.sending.result()), len(part.body))]
            waiting = self._waiting[1:]
            self._pieces = pieces
            self._waiting = waiting
        if len(self._pieces) >= MOST_PIECES:
            self._join_neighbours()
            self.sweep()

    def sources(self, most: int) -> list[Source]:
        """Return everything as at most ``most`` objects for a commit, once all of it has been delivered."""
        self.deliver(0)
        while len(self._pieces) > most:
            self._join_neighbours()
        pieces = [*self._pieces[:-1], *(piece._replace(ends_attempt=True) for piece in self._pieces[-1:])]
        self._pieces = pieces
        return [piece.source for piece in pieces]

    def put_first(self, body: bytearray) -> None:
        """Stage bytes in front of all others, and wait until they have arrived."""
        key = self._new_key()
        pieces = [_Piece(Source(key, self._send(_Part(key, body))), len(body)), *self._pieces]
        self._pieces = pieces

    def drop_first(self, size: int) -> bool:
        """Drop the pieces that hold the first ``size`` bytes; False if no piece ends there."""
        count = 0
        while size > 0 and count < len(self._pieces):
            size -= self._pieces[count].size
            count += 1
        if size:
            return False
        garbage = self._garbage + [piece.source.key for piece in self._pieces[:count]]
        pieces = self._pieces[count:]
        self._garbage = garbage
        self._pieces = pieces
        return True

    def raise_if_gone(self, error: RecordFSError) -> None:
        """Raise DataLossError if any of the pieces is not there any more, as who got a NotFoundError may suspect."""
        gone: list[str] = []

        def look(source: Source) -> None:
            try:
                self._store.head(self._bucket, source.key)
            except NotFoundError:
                gone.append(source.key)

        for_each_in_parallel(look, [piece.source for piece in self._pieces])
        if gone:
            raise DataLossError(
                f"{len(gone)} temporary objects that held bytes not yet published are gone, the first is "
                f"gs://{self._bucket}/{gone[0]}: somebody deleted them, or a lifecycle rule did",
                path=self._path,
            ) from error

    def forget(self) -> None:
        """The pieces have been committed: ``sweep`` may delete them."""
        garbage = self._garbage + [piece.source.key for piece in self._pieces]
        nothing: list[_Piece] = []
        self._garbage = garbage
        self._pieces = nothing

    def sweep(self) -> None:
        """Delete what is not needed any more. What cannot be deleted is tried again next time; ``end`` tells of it."""
        for batch in batches(self._garbage, MOST_DELETES):
            failures = dict(self._store.delete_many(self._bucket, batch))
            gone = {key for key in batch if key not in failures}
            self._garbage = [key for key in self._garbage if key not in gone]
            if failures:
                self._undeletable = next(iter(failures.values()))
            if not gone:
                return  # the store is down, or forbids it

    def abandon(self) -> None:
        """Delete everything.

        Raises:
            RecordFSError: Something could not be deleted.
        """
        for part in self._waiting:
            if part.sending is not None:
                part.sending.exception()
        garbage = self._garbage + self.keys()
        self._garbage = garbage
        self._pieces, self._waiting = [], []
        self.sweep()
        if self._garbage and self._undeletable is not None:
            self._garbage.clear()
            raise self._undeletable

    def end(self) -> None:
        """Let go of threads and memory; what is still there stays, and what should not is told."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        if self._garbage:
            warnings.warn(
                f"{len(self._garbage)} temporary objects of {self._path} could not be deleted, and are billed until "
                f"they are: gs://{self._bucket}/{temporary_prefix(self._key)}{self._own_name}*: {self._undeletable}",
                stacklevel=2,
            )
        self._waiting, self._pieces, self._garbage = [], [], []

    def _new_key(self) -> str:
        self._number += 1
        return temporary_key(self._key, f"{self._own_name}-{self._number}")

    def _send(self, part: _Part) -> str:
        """Upload a part and return its generation."""
        try:
            return self._maker.insert(part.key, RESOURCE, [part.body], replaces="0")
        except AbortedError:
            # It did arrive before, and only the answer was lost: nobody else makes this name.
            return self._store.head(self._bucket, part.key).tag

    def _join_neighbours(self) -> None:
        """Compose each 32 pieces into one.

        A commit that was tried may happen late, and ``drop_first`` needs to find its end then; so it is kept apart, as
        long as that leaves few enough.
        """
        groups = batches_within(self._pieces, MOST_SOURCES)
        if len(groups) == len(self._pieces):
            groups = batches(self._pieces, MOST_SOURCES)
        keys = {index: self._new_key() for index, group in enumerate(groups) if len(group) > 1}
        joined: dict[int, _Piece] = {}

        def join(index: int) -> None:
            group, key = groups[index], keys[index]
            try:
                generation = self._maker.compose(key, RESOURCE, [piece.source for piece in group], replaces="0")
            except AbortedError:
                generation = self._store.head(self._bucket, key).tag  # as in _send
            size = sum(piece.size for piece in group)
            joined[index] = _Piece(Source(key, generation), size, group[-1].ends_attempt)

        try:
            failures = for_each_in_parallel(join, keys)
            pieces = [
                piece for index, group in enumerate(groups) for piece in ([joined[index]] if index in joined else group)
            ]
            kept = {piece.source.key for piece in pieces}
            # What was joined; and the results of calls that failed, which may have happened all the same.
            candidates = [*self._garbage, *(piece.source.key for piece in self._pieces), *keys.values()]
            garbage = [key for key in candidates if key not in kept]
        except BaseException:
            self._garbage += keys.values()
            raise
        self._garbage = garbage
        self._pieces = pieces
        if failures.count:
            error = failures.first[0][1]
            if isinstance(error, NotFoundError):
                self.raise_if_gone(error)
            raise error

    def _delete_orphans(self) -> None:
        """Delete what writers to the same key left behind that are gone: nothing of theirs is younger than a day.

        A writer that lives adds to its objects more often than that; so what it wrote days ago stays, too.
        """
        if self._looked_for_orphans:
            return
        self._looked_for_orphans = True
        prefix = temporary_prefix(self._key)
        by_writer: dict[str, list[str]] = {}
        newest: dict[str, int] = {}
        try:
            for info in list_objects(self._store, self._bucket, prefix):
                writer = info.key[len(prefix) :].partition("-")[0]
                by_writer.setdefault(writer, []).append(info.key)
                newest[writer] = max(newest.get(writer, 0), info.mtime_nsec)
        except RecordFSError as error:  # cleaning up after others must not fail what this writer's user asked for
            warnings.warn(f"orphaned temporary objects of {self._path} could not be looked for: {error}", stacklevel=2)
            return
        oldest = time.time_ns() - int(ORPHAN_AGE.total_seconds()) * 1_000_000_000
        for writer, keys in by_writer.items():
            if newest[writer] < oldest:
                self._garbage += keys
