"""Reading one object: ranges in parallel, read-ahead where reads follow each other, and never two versions mixed.

Which version these are of, and when a longer one is gone over to, is ``pinned_version.py``'s.
"""

from __future__ import annotations

import weakref
from collections import deque
from concurrent.futures import CancelledError
from io import BytesIO
from typing import TYPE_CHECKING

from recordfs._core import copy_still_memory
from recordfs.filesystem import RandomAccessFile
from recordfs.filesystems._object_store.block_stream import PIECE, BlockStream
from recordfs.filesystems._object_store.pinned_version import LOOKS, PinnedVersion
from recordfs.filesystems._object_store.read_ahead import (
    BLOCK,
    READ_AHEAD,
    SMALLEST_BLOCK,
    STREAMED_FROM,
    Fetched,
    ReadAhead,
)
from recordfs.filesystems._object_store.threads import THREADS, begin, call_interruptibly
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from typing_extensions import Buffer

    from recordfs.filesystems._object_store.objects import ObjectInfo
    from recordfs.filesystems._object_store.range_fetcher import RangeFetcher
    from recordfs.filesystems._object_store.read_ahead import Block

__all__ = ["ObjectRandomAccessFile"]

SMALL = 64 << 10
"""Bytes of a read from which on handing it to another thread, so that Ctrl-C comes through, does not show."""


class ObjectRandomAccessFile(RandomAccessFile):
    """An object open for reading. Any number of threads.

    Args:
        name: The full path.
        fetcher: To fetch ranges, and to look at the object again.
        bucket: The bucket's name.
        found: The object at open: the version that is pinned.
        follows_growth: Go on with a longer version that begins with the same bytes; else every other is AbortedError.
    """

    def __init__(
        self, name: str, fetcher: RangeFetcher, bucket: str, found: ObjectInfo, *, follows_growth: bool = True
    ) -> None:
        super().__init__(name)
        self._fetcher = fetcher
        self._bucket = bucket
        self._key = found.key
        self._own = PerProcess(ReadAhead)
        self._version = PinnedVersion(name, fetcher, bucket, found, follows_growth=follows_growth)
        # Where the next read would begin if it followed the last one, and where the first of those that did began.
        self._expected = -1  # before the first read
        self._run_start = 0

    @property
    def _lock(self) -> threading.Lock:
        return self._own.get().lock

    def _size(self) -> int:
        """Look at the object, which may have grown; AbortedError if it was replaced by another."""
        return self._version.newest_size()

    def _read(self, offset: int, n: int) -> bytes:
        end = self._end_of(offset, n)
        if end <= offset:
            return b""
        pieces = self._pieces(offset, end)
        if end - offset <= BLOCK:
            data = _joined(list(pieces))
        else:
            # It hands out what it gathered without copying it, and no block outlives its turn.
            gathered = BytesIO()
            gathered.writelines(pieces)
            data = gathered.getvalue()
        return data

    def _read_into(self, offset: int, view: memoryview) -> int:
        # Only at the end that is known does it look for more: before it, fewer bytes than fit are an answer too.
        known = self._version.info.size
        end = min(offset + len(view), known) if offset < known else self._end_of(offset, len(view))
        if end <= offset:
            return 0
        position = 0
        for piece in self._pieces(offset, end):
            with view[position : position + len(piece)] as room:
                copy_still_memory(piece, room)
            position += len(piece)
        return position

    def _read_blocks(self, blocks: list[tuple[int, int]]) -> Sequence[Buffer]:
        """Fetch all blocks in parallel."""
        size = self._end_of(0, max((end for _, end in blocks), default=0))
        wanted = [(start, min(end, size)) for start, end in blocks if start < size]
        contents = self._fetch_all(wanted)
        if wanted:
            with memoryview(contents[-1]) as view:
                self._version.remember(wanted[-1][1], view)
        return [*contents, *[b""] * (len(blocks) - len(wanted))]  # the blocks ascend: those past the end come last

    def _read_range_into(self, offset: int, view: memoryview) -> int:
        """Fetch on this thread: one that goes on after Ctrl-C would write into memory that is in use again."""
        end = self._end_of(offset, len(view))
        if end <= offset:
            return 0
        with view[: end - offset] as room:

            def fetch(bucket: str, key: str, start: int, _end: int, tag: str) -> list[Buffer]:
                self._fetcher.fetch_into(bucket, key, start, room, tag)
                return [room]

            for _ in range(LOOKS):
                pieces, epoch = self._version.fetch(fetch, offset, end)
                if self._version.accept([memoryview(piece) for piece in pieces], end, epoch):
                    return len(room)
        raise self._version.changes_again_and_again()

    def _read_ahead(self, offset: int, n: int) -> int:
        """Begin to fetch. A read from ``offset`` on then counts as following an earlier one."""
        size = self._version.info.size
        with self._lock:
            self._expected = self._run_start = offset
            self._own.get().start(self, offset, min(offset + min(n, READ_AHEAD), size), size, is_read=False)
        return size

    def _close(self) -> None:
        """Let go of what was read ahead."""
        self._own.get().drop()

    # Fetching

    def _end_of(self, offset: int, n: int) -> int:
        """Return where a read ends; looks for growth where it would pass the end that is known."""
        end = offset + n
        if end > self._version.info.size:
            end = min(end, self._size())
        return end

    def _pieces(self, offset: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes of a range inside the object, reading ahead if this read follows the last."""
        with self._lock:
            begins = self._begins_long_run(offset, end)
            follows = begins or offset == self._expected
            self._expected = end
            if not follows:
                self._run_start = offset
            window = min(max(2 * (offset - self._run_start), SMALLEST_BLOCK), READ_AHEAD) if follows else 0
            if begins:
                window = STREAMED_FROM
        if not follows and end - offset <= BLOCK:
            yield from self._fetch_now(offset, end)
            return
        position = offset
        while position < end:
            block = self._block_at(position, max(min(end, position + READ_AHEAD), position + window))
            stop = min(block.end, end)
            pieces = self._pieces_of(block, position, stop)
            yield from self._fetch_now(position, stop) if pieces is None else pieces
            position = stop

    def _begins_long_run(self, offset: int, end: int) -> bool:
        """Tell whether the first read takes so much of a long object's front that its request may go on as a stream.

        Waiting for a second read would cost one more answer of the store. Needs the lock.
        """
        is_first = self._expected < 0 and offset == 0
        return is_first and end >= PIECE and self._version.info.size >= READ_AHEAD and self._fetcher.can_stream

    def _pieces_of(self, block: Block, start: int, end: int) -> list[memoryview] | None:
        """Return part of a block; None where it has to be fetched again."""
        try:
            chunks, epoch = block.fetched.result()
        except CancelledError:
            return None  # another thread reads elsewhere, and dropped the block
        except BaseException:
            self._own.get().drop()  # who tries again shall not meet the same failure, but ask again
            raise
        pieces = _cut(chunks, start - block.start, end - block.start)
        if self._version.accept(pieces, end, epoch):
            return pieces
        self._own.get().drop()
        return None

    def _fetch_now(self, start: int, end: int) -> list[memoryview]:
        """Fetch a range for the call that is under way."""
        while True:
            if end - start < SMALL:
                chunks, epoch = self._fetch(start, end)
            else:
                chunks, epoch = call_interruptibly(self._fetch, start, end)
            pieces = _cut(chunks, 0, end - start)
            if self._version.accept(pieces, end, epoch):
                return pieces

    def _block_at(self, position: int, end: int) -> Block:
        """Return the block that holds a position, and have what comes after it on its way as far as ``end``."""
        own, size = self._own.get(), self._version.info.size
        with own.lock:
            own.start(self, position, min(end, size), size)
            return own.blocks[0]

    def new_stream(self, start: int) -> BlockStream[Fetched] | None:
        """See Source."""
        fetcher, epoch, pinned = self._fetcher, self._version.epoch, self._version.info
        if not fetcher.can_stream or not BlockStream.may_begin():
            return None
        where = self._bucket, self._key, start, pinned.size, pinned.tag
        reader = weakref.ref(self)  # one that is dropped without being closed drops its stream, too

        def fetch_instead(start: int, end: int) -> Fetched:
            alive = reader()
            if alive is None:
                raise CancelledError
            return alive.fetch_block(start, end)

        return BlockStream(
            start,
            pinned.size,
            lambda: fetcher.stream(*where),
            deliver=lambda content: Fetched([content], epoch),
            instead=fetch_instead,
        )

    def gives_up_slow_stream(self) -> bool:
        """See Source."""
        return self._fetcher.gives_up_slow_stream()

    def _fetch_all(self, ranges: list[tuple[int, int]]) -> list[Buffer]:
        """Fetch many ranges, all in one epoch."""
        for _ in range(LOOKS):
            epoch = self._version.epoch
            contents = self._fetch_each(ranges)
            if epoch == self._version.epoch:
                return contents
        raise self._version.changes_again_and_again()

    def _fetch_each(self, ranges: list[tuple[int, int]]) -> list[Buffer]:
        """Fetch many ranges, on as many threads as the pool gives."""
        if len(ranges) <= 1:
            return [self._fetch(start, end).chunks[0] for start, end in ranges]
        contents = self._fetcher.fetch_many(self._bucket, self._key, ranges, self._version.info.tag)
        if contents is not None:
            return contents
        found: dict[int, Buffer] = {}
        left = deque(enumerate(ranges))

        def work() -> None:
            while True:
                try:
                    index, (start, end) = left.popleft()
                except IndexError:
                    return
                try:
                    found[index] = self._fetch(start, end).chunks[0]
                except BaseException:
                    left.clear()  # the whole call fails, so nobody has to go on
                    raise

        for future in [begin(work) for _ in range(min(THREADS, len(ranges)))]:
            future.result()
        return [found[index] for index in range(len(ranges))]

    def _fetch(self, start: int, end: int) -> Fetched:
        """Fetch one range as one chunk."""
        return self._version.fetch(lambda *where: [self._fetcher.fetch(*where)], start, end)

    def fetch_block(self, start: int, end: int) -> Fetched:
        """See Source; in the chunks that it comes in."""
        return self._version.fetch(self._fetcher.fetch_chunks, start, end)


def _joined(pieces: list[memoryview]) -> bytes:
    """Return the bytes of pieces, uncopied where they are those of one whole object."""
    whole = pieces[0].obj
    return whole if len(pieces) == 1 and type(whole) is bytes and len(whole) == len(pieces[0]) else b"".join(pieces)


def _cut(chunks: list[Buffer], start: int, end: int) -> list[memoryview]:
    """Return what lies between two positions of what the chunks are together."""
    position = 0
    pieces = []
    for chunk in chunks:
        view = memoryview(chunk)
        if position < end and position + len(view) > start:
            pieces.append(view[max(start - position, 0) : end - position])
        position += len(view)
    return pieces
