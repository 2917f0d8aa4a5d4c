"""Reading one object: ranges in parallel, read-ahead where reads follow each other, and never two versions mixed.

A reader pins the version that it found. When the object has changed, it looks again: if its own writer (or another,
behind the same last bytes) only made it longer, that is *growth* and reading goes on; anything else is AbortedError.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import CancelledError
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from recordfs.errors import AbortedError, ClosedFileError, InvalidArgumentError, NotFoundError
from recordfs.filesystem import RandomAccessFile
from recordfs.filesystem.files import coalesce, writable_byte_view
from recordfs.filesystems._object_store.threads import THREADS, begin, call_interruptibly
from recordfs.filesystems._object_store.writer import WRITER_METADATA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from typing_extensions import Buffer

    from recordfs.filesystems._object_store.fetching import RangeFetcher
    from recordfs.filesystems._object_store.store import ObjectInfo

__all__ = ["ObjectRandomAccessFile"]

BLOCK = 8 << 20
"""Most bytes of one request of a long read: large enough that the request's own cost hardly shows."""

SMALLEST_BLOCK = 1 << 20
"""What is fetched ahead of a reader of which little is known yet."""

READ_AHEAD = 32 << 20
"""Bytes on their way or waiting for a sequential reader. It comes to that by having read half as much."""

SMALL = 64 << 10
"""Bytes of a read from which on handing it to another thread, so that Ctrl-C comes through, does not show."""

REMEMBERED = 64 << 10
"""How many bytes before a position are kept to tell growth from replacement where the writer is not known."""

LOOKS = 10
"""How often an object is looked at that changes again each time before its bytes can be compared."""


Fetched = TypeVar("Fetched")


class _Block(NamedTuple):
    """A range on its way, or here."""

    start: int
    end: int
    content: Future[list[Buffer]]


class ObjectRandomAccessFile(RandomAccessFile):
    """An object open for reading. Any number of threads.

    Args:
        name: The full path.
        fetcher: To fetch ranges, and to look at the object again.
        bucket: The bucket's name.
        found: The object at open: the version that is pinned.
    """

    def __init__(self, name: str, fetcher: RangeFetcher, bucket: str, found: ObjectInfo) -> None:
        self._name = name
        self._fetcher = fetcher
        self._bucket = bucket
        self._key = found.key
        self._lock = threading.Lock()
        self._pinned = found
        self._ahead: deque[_Block] = deque()
        # Where the next read would begin if it followed the last one, and where the first of those that did began.
        self._expected = -1
        self._run_start = 0
        self._remembered: tuple[int, bytes] = (0, b"")
        self._closed = False

    @property
    def name(self) -> str:
        """The full path that the file was opened by."""
        return self._name

    def size(self) -> int:
        """Return the size now; looks at the object.

        Raises:
            AbortedError: The object was replaced by another.
        """
        self._check_open()
        return self._look_again().size

    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes; see RandomAccessFile."""
        self._check_open()
        if offset < 0 or n < 0:
            raise InvalidArgumentError(f"offset and n have to be at least 0, found {offset} and {n}", path=self._name)
        end = self._end_of(offset, n)
        if end <= offset:
            return b""
        pieces = self._pieces(offset, end)
        if end - offset <= BLOCK:
            data = b"".join(pieces)
        else:
            # It hands out what it gathered without copying it, and no block outlives its turn.
            gathered = BytesIO()
            gathered.writelines(pieces)
            data = gathered.getvalue()
        self._remember(end, memoryview(data))
        return data

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """Read into a buffer; see RandomAccessFile."""
        self._check_open()
        if offset < 0:
            raise InvalidArgumentError(f"offset has to be at least 0, found {offset}", path=self._name)
        with writable_byte_view(buffer, self._name) as view:
            # Only at the end that is known does it look for more: before it, fewer bytes than fit are an answer too.
            known = self._pinned.size
            end = min(offset + len(view), known) if offset < known else self._end_of(offset, len(view))
            if end <= offset:
                return 0
            position = 0
            for piece in self._pieces(offset, end):
                view[position : position + len(piece)] = piece
                position += len(piece)
            self._remember(end, view[:position])
            return position

    def read_ranges(self, ranges: Sequence[tuple[int, int]], *, max_gap: int = 65536) -> list[bytes]:
        """Read many ranges, neighbours merged, all blocks in parallel; see RandomAccessFile."""
        self._check_open()
        results = [b""] * len(ranges)
        blocks = coalesce(ranges, max_gap, self._name)
        end_of_last = max((end for _, end, _ in blocks), default=0)
        size = self._end_of(0, end_of_last)
        wanted = [(start, min(end, size), members) for start, end, members in blocks if start < size]
        contents = self._fetch_all([(start, end) for start, end, _ in wanted])
        for (start, end, members), content in zip(wanted, contents, strict=True):
            with memoryview(content) as view:
                for index in members:
                    offset, length = ranges[index]
                    results[index] = bytes(view[offset - start : offset - start + length])
                if end == wanted[-1][1]:
                    self._remember(end, view)
        return results

    def read_ahead(self, offset: int, n: int) -> int:
        """Begin to fetch; see RandomAccessFile. A read from ``offset`` on then counts as following an earlier one."""
        self._check_open()
        if offset < 0 or n < 0:
            raise InvalidArgumentError(f"offset and n have to be at least 0, found {offset} and {n}", path=self._name)
        size = self._pinned.size
        with self._lock:
            self._expected = self._run_start = offset
            self._start_blocks(offset, min(offset + min(n, READ_AHEAD), size))
        return size

    def close(self) -> None:
        """Let go of what was read ahead. Idempotent."""
        self._closed = True
        self._drop_blocks()

    # Fetching

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedFileError("the file has been closed", path=self._name)

    def _end_of(self, offset: int, n: int) -> int:
        """Return where a read ends; looks for growth where it would pass the end that is known."""
        end = offset + n
        if end > self._pinned.size:
            end = min(end, self._look_again().size)
        return end

    def _pieces(self, offset: int, end: int) -> Iterator[memoryview]:
        """Yield the bytes of a range inside the object, reading ahead if this read follows the last."""
        with self._lock:
            follows = offset == self._expected
            self._expected = end
            if not follows:
                self._run_start = offset
            window = min(max(2 * (offset - self._run_start), SMALLEST_BLOCK), READ_AHEAD) if follows else 0
        if not follows and end - offset < SMALL:
            yield memoryview(self._fetch(offset, end))
            return
        if not follows and end - offset <= BLOCK:
            yield memoryview(call_interruptibly(self._fetch, offset, end))
            return
        position = offset
        while position < end:
            block = self._block_at(position, max(min(end, position + READ_AHEAD), position + window))
            stop = min(block.end, end)
            try:
                chunks = block.content.result()
            except CancelledError:  # another thread reads elsewhere, and dropped the block
                yield memoryview(self._fetch(position, stop))
            except BaseException:
                self._drop_blocks()  # who tries again shall not meet the same failure, but ask again
                raise
            else:
                yield from _cut(chunks, position - block.start, stop - block.start)
            position = stop

    def _remember(self, end: int, read: memoryview) -> None:
        """Keep the last bytes that were read, with those right before them if they are few, to know the object by."""
        with read[-REMEMBERED:] as tail:
            start, known = self._remembered
            if start + len(known) == end - len(read) and len(tail) < REMEMBERED:
                known = known[len(tail) - REMEMBERED :]
            else:
                known = b""
            self._remembered = (end - len(known) - len(tail), known + tail)

    def _block_at(self, position: int, end: int) -> _Block:
        """Return the block that holds a position, and have what is behind it on its way as far as ``end``."""
        with self._lock:
            self._start_blocks(position, min(end, self._pinned.size))
            return self._ahead[0]

    def _drop_blocks(self) -> None:
        """Let go of what was read ahead."""
        with self._lock:
            ahead, self._ahead = self._ahead, deque()
        for block in ahead:
            block.content.cancel()

    def _start_blocks(self, position: int, end: int) -> None:
        """Drop what lies before a position, and begin to fetch what is missing behind it. Needs the lock."""
        while self._ahead and not self._ahead[0].start <= position < self._ahead[0].end:
            self._ahead.popleft().content.cancel()
        start = self._ahead[-1].end if self._ahead else position
        length = min(BLOCK, max(SMALLEST_BLOCK, end - position))
        while start < end:
            stop = min(start + length, self._pinned.size)
            self._ahead.append(_Block(start, stop, begin(self._fetch_chunks, start, stop)))
            start = stop

    def _fetch_all(self, ranges: list[tuple[int, int]]) -> list[Buffer]:
        """Fetch many ranges, on as many threads as the pool gives."""
        if len(ranges) <= 1:
            return [self._fetch(start, end) for start, end in ranges]
        contents = self._fetcher.fetch_many(self._bucket, self._key, ranges, self._pinned.tag)
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
                    found[index] = self._fetch(start, end)
                except BaseException:
                    left.clear()  # the whole call fails, so nobody has to go on
                    raise

        for future in [begin(work) for _ in range(min(THREADS, len(ranges)))]:
            future.result()
        return [found[index] for index in range(len(ranges))]

    def _fetch(self, start: int, end: int) -> Buffer:
        return self._of_pinned(self._fetcher.fetch, start, end)

    def _fetch_chunks(self, start: int, end: int) -> list[Buffer]:
        return self._of_pinned(self._fetcher.fetch_chunks, start, end)

    def _of_pinned(self, fetch: Callable[[str, str, int, int, str], Fetched], start: int, end: int) -> Fetched:
        """Fetch one range of the pinned version, or of one that grew out of it."""
        while True:
            pinned = self._pinned
            try:
                return fetch(self._bucket, self._key, start, end, pinned.tag)
            except (AbortedError, NotFoundError):
                if self._look_again().tag == pinned.tag:
                    raise

    # Versions

    def _look_again(self, looks: int = LOOKS) -> ObjectInfo:
        """Look at the object; pin it anew if it grew.

        Raises:
            AbortedError: It was replaced, or is gone.
        """
        # Taken before looking: another thread may look later, and pin a version that this look has not seen yet.
        pinned = self._pinned
        try:
            found = self._fetcher.describe(self._bucket, self._key)
        except NotFoundError as error:
            raise AbortedError("the object was deleted while it was read", path=self._name) from error
        # The size as well: versitygw looks at size and ETag one after the other, and may tell one of each version.
        if (found.tag, found.size) == (pinned.tag, pinned.size):
            return pinned
        try:
            is_growth = self._is_growth(pinned, found)
        except (AbortedError, NotFoundError):
            if looks == 1:
                raise
            return self._look_again(looks - 1)  # it changed once more before its last bytes could be compared
        if not is_growth:
            raise AbortedError(
                f"the object was replaced while it was read: expected version {pinned.tag} of {pinned.size} bytes, "
                f"found {found.tag} of {found.size}; open it again to read the new one",
                path=self._name,
            )
        with self._lock:
            if self._pinned.size <= found.size:
                self._pinned = found
        return found

    def _is_growth(self, pinned: ObjectInfo, found: ObjectInfo) -> bool:
        """Tell whether a changed object is the pinned one made longer."""
        if found.size < pinned.size:
            return False
        writer = pinned.metadata.get(WRITER_METADATA)
        if writer is not None or WRITER_METADATA in found.metadata:
            return writer == found.metadata.get(WRITER_METADATA)
        start, known = self._remembered
        # Some writers upload all of it at each flush, also when nothing is new. The checksums tell; without them, who
        # has read from the beginning on or remembers enough.
        if found.size == pinned.size and pinned.checksum and found.checksum:
            return found.checksum == pinned.checksum
        if found.size == pinned.size and start > 0 and len(known) < REMEMBERED:
            return False
        if not known:
            return True  # nothing has been read that the new bytes could be mixed with
        end = start + len(known)
        content = call_interruptibly(self._fetcher.fetch, self._bucket, self._key, start, end, found.tag)
        with memoryview(content) as now:
            return now == known


def _cut(chunks: list[Buffer], start: int, end: int) -> Iterator[memoryview]:
    """Yield what lies between two positions of what the chunks are together."""
    position = 0
    for chunk in chunks:
        view = memoryview(chunk)
        if position < end and position + len(view) > start:
            yield view[max(start - position, 0) : end - position]
        position += len(view)
