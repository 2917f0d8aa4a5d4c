"""Staging an object in temporary objects that a commit composes: the mechanism of Google Cloud Storage.

Each part is an object of its own, so that several are on their way at once and one whose answer was lost is sent again
without harm. A commit composes them into the key. Where there are too many for that, neighbours are composed into
larger temporary objects first.

What belongs together is changed in lines without a call between them, so that an interrupt leaves each byte and each
name in exactly one place.
"""

from __future__ import annotations

import uuid
import warnings
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from recordfs.errors import AbortedError, DataLossError, NotFoundError, RecordFSError, UnavailableError
from recordfs.filesystems._object_store.commits import NOTHING
from recordfs.filesystems._object_store.kept_versions import warn_of_kept_versions
from recordfs.filesystems._object_store.object_maker import Source
from recordfs.filesystems._object_store.opening import NOTHING_KNOWN
from recordfs.filesystems._object_store.orphans import OrphanSearch
from recordfs.filesystems._object_store.parallel import for_each_in_parallel
from recordfs.filesystems._object_store.part_queue import PartQueue, SentPart, parts_in_flight
from recordfs.filesystems._object_store.temporary import temporary_key, temporary_prefix
from recordfs.filesystems._object_store.upload import ObjectUpload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from recordfs.filesystems._object_store.commits import Commit, Origin, Part
    from recordfs.filesystems._object_store.object_maker import ObjectMaker
    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.opening import Known, Location, Opening
    from recordfs.filesystems._object_store.store import ObjectStore

    Piece = SentPart[str, str]

__all__ = ["MOST_SOURCES", "ComposedObjectUpload", "Pieces"]

MOST_SOURCES = 32
"""Objects that one compose takes."""

MOST_PIECES = 1024
"""Pieces are composed into larger ones when there are this many, so that what a writer remembers stays bounded."""

MOST_DELETES = 100
"""Keys that are deleted at once; where none of them can be, the rest is not tried."""

_Item = TypeVar("_Item")


def batches(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    """Return the items in lists of a size, the last of which may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


class Pieces:
    """The temporary objects of one writer, in the order of their bytes. Used by one thread at a time.

    Args:
        store: The other requests.
        maker: Makes objects.
        location: The object that they are for.
        part_size: Bytes of a part.
        make_pool: As of PartQueue.
    """

    def __init__(
        self,
        store: ObjectStore,
        maker: ObjectMaker,
        location: Location,
        *,
        part_size: int,
        make_pool: Callable[[], Executor] | None = None,
    ) -> None:
        self._store = store
        self._maker = maker
        self._path, self._bucket, self._key = location
        self._root = self._path.removesuffix(self._key)
        # Not the writer's id, which whoever appends takes over: these names are never used again.
        self._own_name = uuid.uuid4().hex
        self._number = 0
        self._queue: PartQueue[str, str] = PartQueue(self.send, parts_in_flight(part_size), make_pool)
        self._rest: str | None = None  # the object of what a commit holds in memory
        self._garbage: list[str] = []
        self._undeletable: RecordFSError | None = None
        self._orphans = OrphanSearch(store, location, self._queue.beside, finds_objects=True)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been added since the last ``forget``."""
        return self._queue.is_empty and self._rest is None

    def keys(self) -> list[str]:
        """Return the keys of everything here."""
        return self._queue.places + ([] if self._rest is None else [self._rest])

    def add(self, part: Part) -> None:
        """Take over a part, unless it was taken over before."""
        if not self._queue.has(part):
            self._queue.add(part, self._new_key())

    def deliver(self, leave: int | None = None) -> None:
        """Send what waits, until at most ``leave`` parts are on their way; None for as many as may be in flight.

        Raises:
            RecordFSError: A part could not be delivered. It is kept, and the next call sends it again.
        """
        if not self._queue.is_empty:
            self._orphans.begin()
        self._queue.settle(leave)
        if len(self._queue.sent) >= MOST_PIECES:
            self._join_neighbours()
            self.sweep()

    def sources(self, most: int, rest: Sequence[bytearray]) -> list[Source]:
        """Return everything, and ``rest`` after it, as at most ``most`` objects for a commit."""
        self._orphans.begin()
        last = []
        if rest:
            key = self._new_key()
            before, garbage = self._rest, self._garbage
            if before is not None:
                garbage = [*garbage, before]
            self._garbage = garbage
            self._rest = key
            last = [Source(key, tag) for tag in self._queue.settle_with([partial(self.send, key, *rest)])]
        self.deliver(0)
        while len(self._queue.sent) + len(last) > most:
            self._join_neighbours()
        own = f"{temporary_prefix(self._key)}{self._own_name}"  # old, too, to a clock that is wrong
        self._garbage += [key for key in self._orphans.take().objects if not key.startswith(own)]
        return [Source(piece.place, piece.answer) for piece in self._queue.sent] + last

    def raise_if_gone(self, error: RecordFSError) -> None:
        """Raise DataLossError if any of the pieces is not there any more, as who got a NotFoundError may suspect."""
        gone: list[str] = []

        def look(key: str) -> None:
            try:
                self._store.head(self._bucket, key)
            except NotFoundError:
                gone.append(key)

        for_each_in_parallel(look, self.keys())
        if gone:
            raise DataLossError(
                f"{len(gone)} temporary objects that held bytes not yet published are gone, the first is "
                f"{self._root}{gone[0]}: somebody or a lifecycle rule deleted them",
                path=self._path,
            ) from error

    def forget(self) -> None:
        """The pieces have been committed: ``sweep`` may delete them. Interrupted, it is called again."""
        garbage = self._garbage + [key for key in self.keys() if key not in self._garbage]
        self._garbage = garbage
        self._rest = None
        self._queue.forget()

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
        self._queue.wait()
        self.forget()
        self.sweep()
        if self._garbage and self._undeletable is not None:
            self._garbage.clear()
            raise self._undeletable

    def end(self) -> None:
        """Let go of threads and memory; what is still there stays, and what should not is told."""
        garbage, self._garbage = self._garbage, []
        self._queue.close()
        self._rest = None
        if garbage:
            warnings.warn(
                f"{len(garbage)} temporary objects of {self._path} could not be deleted, and are billed until "
                f"they are: {self._root}{temporary_prefix(self._key)}{self._own_name}*: {self._undeletable}",
                stacklevel=2,
            )

    def _new_key(self) -> str:
        self._number += 1
        return temporary_key(self._key, f"{self._own_name}-{self._number}")

    def send(self, key: str, *buffers: bytearray) -> str:
        """Upload a part and return its generation."""
        try:
            return self._maker.insert(key, NOTHING_KNOWN, buffers, replaces=NOTHING)
        except AbortedError:
            return self._tag_of_arrived(key, sum(map(len, buffers)))

    def _tag_of_arrived(self, key: str, size: int) -> str:
        """Return the tag of an object that did arrive before, and only the answer was lost: nobody else makes its name.

        Raises:
            UnavailableError: It has not all of the bytes; it is gone now, and can be made again.
        """
        found = self._store.head(self._bucket, key)
        if found.size != size:
            self._store.delete(self._bucket, key, found.tag)
            raise UnavailableError(
                f"of {size} bytes the store has {found.size} in {self._root}{key}; they are kept, and sent again",
                path=self._path,
            )
        return found.tag

    def _join_neighbours(self) -> None:
        """Compose each 32 pieces into one."""
        groups = batches(self._queue.sent, MOST_SOURCES)
        keys = {index: self._new_key() for index, group in enumerate(groups) if len(group) > 1}
        joined: dict[int, Piece] = {}

        def join(index: int) -> None:
            sources = [Source(piece.place, piece.answer) for piece in groups[index]]
            size = sum(piece.size for piece in groups[index])
            try:
                generation = self._maker.compose(
                    keys[index], NOTHING_KNOWN, sources, size=size, crc=None, replaces=NOTHING
                )
            except AbortedError:
                generation = self._tag_of_arrived(keys[index], size)
            joined[index] = SentPart(keys[index], generation, size)

        try:
            failures = for_each_in_parallel(join, keys)
            pieces = [
                piece for index, group in enumerate(groups) for piece in ([joined[index]] if index in joined else group)
            ]
            kept = {piece.place for piece in pieces}
            # What was joined; and the results of calls that failed, which may have happened all the same.
            candidates = [*self._garbage, *(piece.place for piece in self._queue.sent), *keys.values()]
            garbage = [key for key in candidates if key not in kept]
        except BaseException:
            self._garbage += keys.values()
            raise
        self._queue.replace_sent(pieces)
        self._garbage = garbage
        if failures.count:
            error = failures.first[0][1]
            if isinstance(error, NotFoundError):
                self.raise_if_gone(error)
            raise error


class ComposedObjectUpload(ObjectUpload):
    """The staged bytes of one writer, in temporary objects; see ObjectUpload.

    Args:
        store: For looks.
        maker: Makes objects.
        opening: What is written.
        known: What to keep of an object that is appended to.
        part_size: Bytes of a part.
        make_pool: As of PartQueue.
    """

    def __init__(
        self,
        store: ObjectStore,
        maker: ObjectMaker,
        opening: Opening,
        known: Known,
        *,
        part_size: int,
        make_pool: Callable[[], Executor] | None = None,
    ) -> None:
        self._objects = store
        self._maker = maker
        self._known = known
        self._path, self._bucket, self._key = opening.location
        self._pieces = Pieces(store, maker, opening.location, part_size=part_size, make_pool=make_pool)
        self._origin: Origin | None = None
        self._prepared: tuple[int, list[Source]] = (-1, [])

    # What a writer asks for

    def send(self, part: Part, origin: Origin) -> None:
        """See ObjectUpload."""
        self._turn_to(origin)
        self._pieces.add(part)

    def settle(self, leave: int | None = None) -> None:
        """See ObjectUpload."""
        self._pieces.deliver(leave)

    def prepare(self, commit: Commit) -> None:
        """Deliver all parts, and the bytes in memory as one more temporary object."""
        self._turn_to(commit.origin)
        if self._is_insert(commit) or self._prepared[0] == commit.total:
            return
        base = [Source(self._key, str(commit.origin.tag))] if commit.origin.size else []
        sources = base + self._pieces.sources(MOST_SOURCES - len(base), commit.rest)
        self._prepared = commit.total, sources

    def commit(self, commit: Commit) -> str:
        """Insert a small object, compose a large one."""
        known = self._known._replace(metadata={**self._known.metadata, **commit.origin.token})
        if self._is_insert(commit):
            return self._maker.insert(self._key, known, commit.rest, replaces=commit.replaces)
        sources, size, replaces = self._prepared[1], commit.total, commit.replaces
        try:
            return self._maker.compose(self._key, known, sources, size=size, crc=commit.crc, replaces=replaces)
        except NotFoundError as error:
            self._pieces.raise_if_gone(error)
            if commit.replaces is None and commit.origin.size:
                raise self._committed_is_gone(commit) from error
            raise

    def look(self) -> ObjectInfo:
        """See ObjectUpload."""
        return self._objects.head(self._bucket, self._key)

    def tidy(self, *, replaced: bool) -> None:
        """Delete what the commit has consumed; say what replacing and deleting cost where versions are kept."""
        replaced = replaced or not self._pieces.is_empty
        self._forget()
        self._pieces.sweep()
        if replaced:
            warn_of_kept_versions(self._objects, self._bucket)

    def abandon(self) -> None:
        """Delete all temporary objects."""
        self._pieces.abandon()

    def unpublished(self) -> dict[str, object]:
        """Return the temporary objects."""
        return {"temporary_objects": self._pieces.keys()}

    def end(self) -> None:
        """See ObjectUpload."""
        self._pieces.end()

    def _turn_to(self, origin: Origin) -> None:
        """Begin again where a commit has happened since the last call."""
        if self._origin is not None and self._origin.sequence != origin.sequence:
            self._forget()
        self._origin = origin

    def _forget(self) -> None:
        self._pieces.forget()
        self._prepared = (-1, [])

    def _is_insert(self, commit: Commit) -> bool:
        """Tell whether a commit is one upload: as long as all of its bytes are here, and fit into a part."""
        return not commit.staged and commit.total <= self.part_size

    def _committed_is_gone(self, commit: Commit) -> DataLossError:
        """Return the error for what cannot be published over another's, because its beginning is gone."""
        return DataLossError(
            f"the {commit.origin.size} bytes that were flushed before are gone, because another writer "
            f"replaced them. The {commit.total - commit.origin.size} bytes after them are in temporary objects of "
            f"{self._path.removesuffix(self._key)}: {', '.join(self._pieces.keys())}",
            path=self._path,
        )
