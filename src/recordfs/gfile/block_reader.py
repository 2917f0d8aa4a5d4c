"""Reading a random-access file from front to back: position, read-ahead, lines.

The read-ahead begins small, so that a jump and a short read cost little, and doubles while reading goes on in order.
Nothing about the end of the file is remembered: what another process adds is read by the next call.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from recordfs._core import BlockLines
from recordfs.errors import InvalidSeekError
from recordfs.open_files.buffers import writable_byte_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer

    from recordfs.filesystem import RandomAccessFile

__all__ = ["BlockReader"]

_SMALLEST_BLOCK = 16 << 10
_LARGEST_BLOCK = 1 << 20
# Lines are cut from parts of a block that fit into a processor's cache, together with the lines.
_LARGEST_LINES_PART = 128 << 10


class BlockReader:
    """A position in a random-access file. One thread at a time.

    A Ctrl-C may come between any two statements. What was not returned then comes with the next call: the position
    moves last, values that belong together are assigned in one statement, and a block that does not fit the position
    is let go of where it is looked at.

    Args:
        file: What to read; closed by ``close``.
        reopen: Opens the file again if an open file does not see what is added later, else returns None. Called at the
            end of the file.
    """

    def __init__(self, file: RandomAccessFile, reopen: Callable[[], RandomAccessFile | None]) -> None:
        self._file = file
        self._reopen = reopen
        self._position = 0
        # The position is inside the block or at its end, unless an interrupt came between: see `_start_in_block`. The
        # block holds the file's bytes from its offset on at any time.
        self._block = b""
        self._block_offset = 0
        self._next_block_size = _SMALLEST_BLOCK
        # While a loop over lines runs, the position is known to these lines and `_position` is where they end.
        self._lines: BlockLines | None = None
        self._lines_part_size = _SMALLEST_BLOCK

    def tell(self) -> int:
        """Return the position in bytes, exact in the middle of a loop over lines too."""
        self._take_back_lines()
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position, relative to the start (0), the position (1) or the end (2), and return it.

        It may be past the end: reading there gives nothing until the file has grown so far.

        Raises:
            InvalidSeekError: ``whence`` is none of these, or the target is negative; the position stays.
        """
        self._take_back_lines()
        if whence not in (0, 1, 2):
            raise InvalidSeekError(f"whence has to be 0, 1 or 2, found {whence!r}", path=self._file.name)
        target = offset + (0 if whence == 0 else self._position if whence == 1 else self._size_now())
        if target < 0:
            raise InvalidSeekError(f"cannot seek to the negative position {target}", path=self._file.name)
        self.jump(target)
        return target

    def jump(self, position: int) -> None:
        """Set the position."""
        self._take_back_lines()
        self._position = position
        if not 0 <= position - self._block_offset <= len(self._block):
            self.forget_block()

    def forget_block(self) -> None:
        """Drop what was read ahead, because the file has changed or the position has moved away."""
        self._take_back_lines()
        self._block, self._block_offset = b"", self._position
        self._next_block_size = _SMALLEST_BLOCK

    def _start_in_block(self) -> int:
        """Return where in the block the position is; what an interrupt has left elsewhere is let go of."""
        start = self._position - self._block_offset
        if 0 <= start <= len(self._block):
            return start
        self.forget_block()
        return 0

    def read(self, n: int) -> bytes:
        """Return up to ``n`` bytes, fewer only at the end of the file. The position stays where this raises."""
        self._take_back_lines()
        start = self._position - self._block_offset
        if start < 0:  # past the end of the block the slice is empty, which is right
            start = self._start_in_block()
        data = self._block[start : start + n]
        missing = n - len(data)
        if missing:
            after = self._position + len(data)
            if missing >= self._next_block_size:
                more = self._fetch(after, missing)
                self._block, self._block_offset = b"", after + len(more)
            else:
                more = self._fill(after)[:missing]
            data = data + more if data else more
        self._position += len(data)
        return data

    def read_all(self) -> bytes:
        """Return everything up to the end of the file, also where its size is unknown (``/proc``) or grows."""
        begin = self.tell()
        try:
            # One byte more than there should be: getting less proves the end without another read.
            expected = max(self._file.size() - begin, 0) + 1
            data = self.read(expected)
            if len(data) == expected:
                parts = [data]
                while more := self.read(_LARGEST_BLOCK):
                    parts.append(more)
                data = b"".join(parts)
        except BaseException:
            self.jump(begin)  # so that trying again misses nothing
            raise
        return data

    def read_into(self, buffer: Buffer) -> int:
        """Fill a writable buffer; return how many bytes it got, fewer than it holds only at the end of the file."""
        begin = self.tell()
        try:
            with writable_byte_view(buffer, self._file.name) as view:
                if len(view) < self._next_block_size:
                    data = self.read(len(view))
                    view[: len(data)] = data
                    return len(data)
                done = self._copy_block_into(view)
                while done < len(view) and (got := self._fetch_into(view[done:])):
                    done += got
                return done
        except BaseException:
            self.jump(begin)
            raise

    def _copy_block_into(self, view: memoryview) -> int:
        """Move on through what was read ahead."""
        start = self._start_in_block()
        data = self._block[start : start + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _fetch_into(self, view: memoryview) -> int:
        """Move on through the file itself."""
        got = self._file.read_into(self._position, view)
        if not got and self._open_again():
            got = self._file.read_into(self._position, view)
        self._position += got
        self._block, self._block_offset = b"", self._position
        return got

    def read_line(self, limit: int = -1) -> bytes:
        r"""Return one line with its ``\n``, or up to ``limit`` bytes of it; ``b""`` at the end of the file."""
        self._take_back_lines()
        start = self._position - self._block_offset
        end = self._block.find(b"\n", start) + 1 if start >= 0 else 0
        if end and (limit < 0 or end - start <= limit):
            self._position += end - start
            return self._block[start:end]
        begin = self._position
        try:
            line = self._read_line_over_blocks(limit)
        except BaseException:
            self.jump(begin)
            raise
        return line

    def _read_line_over_blocks(self, limit: int) -> bytes:
        parts = []
        missing = limit
        while missing:
            start = self._start_in_block()
            if start == len(self._block):
                if not self._fill(self._position):
                    break
                start = 0
            end = self._block.find(b"\n", start) + 1 or len(self._block)
            if limit >= 0:
                end = min(end, start + missing)
                missing -= end - start
            parts.append(self._block[start:end])
            self._position += end - start
            if parts[-1].endswith(b"\n"):
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def lines(self, *, text: bool) -> Iterator[Any]:
        r"""Iterate over the lines from the position on, each with its ``\n``, which alone ends a line.

        Any other method may be called inside the loop: the position is after the line given last, and the loop goes
        on from where the position then is.

        Args:
            text: Give str, decoded as UTF-8, else bytes.

        Raises:
            UnicodeDecodeError: A line is not UTF-8. The lines before it were given, and the position is after it.
        """
        # `chain`, `iter` and what they walk over are written in C: no Python code runs between two lines.
        return chain.from_iterable(iter(partial(self.next_lines, text=text), None))

    def next_lines(self, *, text: bool) -> Iterator[Any] | None:
        """Return an iterator over some of the next lines, None at the end of the file; see ``lines``.

        While it is not used up, the position is after the line that it gave last. Any other call ends it.
        """
        lines = self._lines_at_hand(text)
        if size := len(lines):
            self._lines, self._position = lines, self._position + size
            return lines
        # The next line is longer than what is at hand, or no text of UTF-8, or there is none.
        begin, one = self._position, None
        try:
            if self._block and (line := self.read_line()):
                one = iter((line.decode() if text else line,))
        except UnicodeDecodeError:
            raise
        except BaseException:
            self.jump(begin)
            raise
        return one

    def _lines_at_hand(self, text: bool) -> BlockLines:
        """Return whole lines from the position on; none where the next line is not whole in the block.

        The block is empty then only at the end of the file.
        """
        self._take_back_lines()
        start = self._start_in_block()
        if start == len(self._block) and self._fill(self._position):
            start = 0
        lines = BlockLines(self._block, start, start + self._lines_part_size, text)
        self._lines_part_size = min(2 * self._lines_part_size, _LARGEST_LINES_PART)
        return lines

    def _take_back_lines(self) -> None:
        """Set the position after the last line that a loop took; the loop goes on from the position."""
        lines = self._lines
        if lines is None:
            return
        # The loop finds these lines at their end, and asks for the next. They say it again if an interrupt comes now.
        rest = lines.take_rest()
        if rest:
            self._lines_part_size = _SMALLEST_BLOCK
        self._lines, self._position = None, self._position - rest

    def _fill(self, offset: int) -> bytes:
        """Read the next block and return it."""
        block = self._fetch(offset, self._next_block_size)
        self._block, self._block_offset = block, offset
        if block:
            self._next_block_size = min(2 * self._next_block_size, _LARGEST_BLOCK)
        return block

    def _fetch(self, offset: int, n: int) -> bytes:
        """Read from the file itself."""
        data = self._file.read(offset, n)
        if not data and n and self._open_again():
            data = self._file.read(offset, n)
        return data

    def _size_now(self) -> int:
        """Return the size of the file, of one that does not grow while it is open looked at again."""
        self._open_again()
        return self._file.size()

    def _open_again(self) -> bool:
        """Open the file again where an open one does not grow; tell whether that was done."""
        file = self._reopen()
        if file is None:
            return False
        former, self._file = self._file, file
        former.close()
        return True

    def close(self) -> None:
        """Close the file; a loop over lines that is under way fails at its next line."""
        self._take_back_lines()
        self._block, self._block_offset = b"", self._position
        self._file.close()
