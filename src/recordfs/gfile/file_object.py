"""What ``gfile.GFile`` and ``file_io.FileIO`` are: modes, laziness, text and binary, Python's protocol.

Source of the behaviour: TensorFlow 2.21's ``FileIO``, observed; where this is better on purpose, ``docs/gfile.md``
says so.
"""

from __future__ import annotations

import io
import operator
from typing import TYPE_CHECKING, Any

from recordfs._core import LineIterator
from recordfs.errors import ClosedFileError, InvalidArgumentError, PermissionDeniedError, UnimplementedError
from recordfs.gfile.block_reader import BlockReader
from recordfs.gfile.mode import parse_mode
from recordfs.gfile.text import decode
from recordfs.gfile.update_file import open_update_file
from recordfs.open_files.buffers import byte_view
from recordfs.open_files.letting_go import ClosesOnExit, give_up
from recordfs.paths import path_to_str
from recordfs.redaction import redact
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Self

    from typing_extensions import Buffer

    from recordfs.filesystem import FileSystem, RandomAccessFile, UpdateFile, WritableFile
    from recordfs.paths import PathInput

__all__ = ["FileObject"]


class FileObject(LineIterator, ClosesOnExit):
    r"""A file by name, on any filesystem, opened when it is first read or written.

    Without ``b`` in the mode reads give str, with it bytes; both take either when writing. Only ``\n`` ends a line and
    nothing is translated. Positions and the ``n`` of ``read`` count bytes in text mode too. One thread at a time; any
    number of objects may use the same file. Can be pickled until it is first used.

    It is its own iterator over the lines from the position on; every other method may be called meanwhile. In the modes
    with ``+`` reading and writing have one position until something is written; from then on each has its own, so that
    what was written is read next, until ``seek`` sets both.

    Args:
        name: The path: str, bytes or os.PathLike.
        mode: ``r``, ``w``, ``a``, ``r+``, ``w+`` or ``a+``, with or without ``b``. ``w`` and ``w+`` make or empty the
            file at the first write; ``r+`` changes a file in place; ``a`` and ``a+`` write at the end only.
        encoding: Of text.
        atomic: In mode ``w``: nobody sees anything before ``close``, and leaving a ``with`` block by an exception
            leaves the old file as it was.
        file_system: What serves the path; by default what is registered for its scheme.
        options: For the registered filesystem; see its class.

    Raises:
        InvalidArgumentError: The mode is none of these, or not ``w`` and ``atomic``, or the path holds a NUL character.
        TypeError: ``name`` is not a path.
    """

    def __init__(
        self,
        name: PathInput,
        mode: str = "r",
        *,
        encoding: str = "utf-8",
        atomic: bool = False,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._path = path_to_str(name)
        self._parsed_mode = parse_mode(mode, self._path)
        if atomic and (self._parsed_mode.kind != "w" or self._parsed_mode.update):
            raise InvalidArgumentError(
                f"atomic needs the mode w, which writes a new file, found {mode!r}", path=self._path
            )
        self._atomic = atomic
        self._name = name
        self._mode = mode
        self._encoding = encoding
        self._file_system = file_system
        self._options = options
        self._closed = False
        self._reader: BlockReader | None = None
        self._writer: WritableFile | None = None
        self._update: UpdateFile | None = None
        # In modes with +: where the next write goes; None as long as that is where the next read begins.
        self._write_position: int | None = None
        self._wrote_last = False

    # What it is.

    @property
    def name(self) -> PathInput:
        """The path as it was given."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode as it was given."""
        return self._mode

    @property
    def encoding(self) -> str | None:
        """The encoding of text, None in binary modes."""
        return None if self._parsed_mode.binary else self._encoding

    @property
    def closed(self) -> bool:
        """Whether ``close`` has been called."""
        return self._closed

    def readable(self) -> bool:
        """Tell whether the mode allows reading."""
        self._check_not_closed()
        return self._parsed_mode.readable

    def writable(self) -> bool:
        """Tell whether the mode allows writing."""
        self._check_not_closed()
        return self._parsed_mode.writable

    def seekable(self) -> bool:
        """Tell whether ``seek`` works: in all modes that allow reading."""
        self._check_not_closed()
        return self._parsed_mode.readable

    def isatty(self) -> bool:
        """Return False."""
        self._check_not_closed()
        return False

    def fileno(self) -> int:
        """Raise UnimplementedError (an io.UnsupportedOperation): there is no descriptor."""
        self._check_not_closed()
        raise UnimplementedError("this file object has no file descriptor", path=self._path)

    def size(self) -> int:
        """Return the size of the file of this name, as others see it now, in bytes.

        Raises:
            NotFoundError: There is no such file.
            IsADirectoryError: It is a directory.
        """
        file_system, path = self._resolve()
        return file_system.get_file_size(path)

    # Reading.

    def read(self, n: int | None = -1) -> Any:
        """Return up to ``n`` bytes, or with -1 or None all up to the end, as str or bytes.

        In text mode ``n`` counts bytes, too; a character that ``n`` would cut is returned whole.

        Raises:
            NotFoundError, IsADirectoryError, NotADirectoryError: There is no such file.
            PermissionDeniedError: The mode, or the store, does not allow reading.
            InvalidArgumentError: ``n`` is less than -1.
            UnicodeDecodeError: The bytes are no text of this encoding. The position is after them.
        """
        reader = self._reading()
        count = -1 if n is None else _index(n, "read")
        if count < -1:
            raise InvalidArgumentError(f"read takes a number of bytes, or -1 for all, found {count}", path=self._path)
        data = reader.read_all() if count == -1 else reader.read(count)
        return data if self._parsed_mode.binary else decode(data, self._encoding, reader)

    def readall(self) -> Any:
        """Return everything up to the end."""
        return self.read()

    def readinto(self, buffer: Buffer) -> int:
        """Fill a writable buffer with bytes and return how many it got: fewer than it holds only at the end.

        Raises:
            UnimplementedError: The mode is one for text.
            Otherwise as ``read``.
        """
        reader = self._reading()
        if not self._parsed_mode.binary:
            raise UnimplementedError(f"bytes are read in a mode with b, and this is {self._mode!r}", path=self._path)
        return reader.read_into(buffer)

    def readline(self, size: int | None = -1) -> Any:
        r"""Return one line with its ``\n``, as str or bytes; empty at the end of the file.

        With ``size``, return at most so many bytes of it.
        """
        reader = self._reading()
        line = reader.read_line(-1 if size is None else _index(size, "readline"))
        return line if self._parsed_mode.binary else decode(line, self._encoding, reader)

    def readlines(self, hint: int | None = -1) -> list[Any]:
        """Return the lines up to the end, or, with ``hint``, until they hold that many bytes or characters."""
        if hint is None or hint <= 0:
            return list(self)
        lines: list[Any] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if total >= hint:
                break
        return lines

    def next(self) -> Any:
        """Return the next line, as ``next(file)`` does.

        Raises:
            StopIteration: There is no further line. When the file has grown, there is one again.
        """
        return next(self)

    def _next_lines(self) -> Iterator[Any] | None:
        """Return an iterator over some of the next lines for the loop, None at the end of the file."""
        reader = self._reading()
        if self._parsed_mode.binary:
            return reader.next_lines(text=False)
        if self._encoding == "utf-8":
            return reader.next_lines(text=True)
        line = self.readline()
        return iter((line,)) if line else None

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> int:
        """Set the position of the next read (with ``r+`` and ``w+`` of the next write, too) and return it.

        It may be past the end. Reading there gives nothing; writing fills the gap with zeros where the store can.

        Args:
            offset: In bytes, relative to what ``whence`` says.
            whence: 0 for the start, 1 for what ``tell`` says, 2 for the end.
            position: The deprecated name of ``offset``.

        Raises:
            PermissionDeniedError: The mode allows only writing.
            InvalidSeekError: ``whence`` is wrong, or the target negative; the position stays. Also an OSError.
        """
        if position is not None:
            import warnings  # needed only here

            warnings.warn("seek(position=) is deprecated; use offset", DeprecationWarning, stacklevel=2)
        if (offset is None) == (position is None):
            raise TypeError("seek takes an offset (its deprecated name is position)")
        target = _index(offset if offset is not None else position, "seek")
        reader = self._open_reader()
        if whence == 1:
            target, whence = self.tell() + target, 0
        reached = reader.seek(target, whence)
        self._write_position = None
        self._wrote_last = False
        return reached

    def tell(self) -> int:
        """Return the position in bytes: where the last read or write ended, or ``seek`` has set it."""
        if not self._parsed_mode.readable:
            return self._open_writer().tell()
        position = self._open_reader().tell()
        return self._write_position if self._wrote_last and self._write_position is not None else position

    # Writing.

    def write(self, file_content: str | Buffer) -> int:
        """Write all of ``file_content`` and return its length, in characters for str and in bytes otherwise.

        Others may see it only after ``flush`` or ``close``.

        Raises:
            PermissionDeniedError: The mode, or the store, does not allow writing.
            NotFoundError: The directory is missing.
            IsADirectoryError, NotADirectoryError: No file can be here.
            ResourceExhaustedError: No space or quota is left.
            UnimplementedError: ``r+`` or ``w+`` writes where the store cannot.
            TypeError: ``file_content`` is neither str nor bytes or another contiguous buffer.
        """
        if isinstance(file_content, str):
            self._write_bytes(file_content.encode(self._encoding))
            return len(file_content)
        if isinstance(file_content, bytes):
            self._write_bytes(file_content)
            return len(file_content)
        with byte_view(file_content) as view:
            self._write_bytes(view)
            return len(view)

    def writelines(self, lines: Iterable[str | Buffer]) -> None:
        """Write each of ``lines``; nothing is put between them."""
        self._check_not_closed()
        for line in lines:
            self.write(line)

    def truncate(self, size: int | None = None) -> int:
        """Make the file ``size`` bytes long, or as long as the position says, and return that; the position stays.

        Raises:
            UnimplementedError: The mode is not ``r+`` or ``w+``, or the store cannot change lengths.
        """
        reader = self._open_reader() if self._parsed_mode.readable else None
        if reader is None or self._update is None or self._parsed_mode.kind == "a":
            raise UnimplementedError(f"truncate needs the mode r+ or w+, and this is {self._mode!r}", path=self._path)
        length = self.tell() if size is None else _index(size, "truncate")
        self._update.truncate(length)
        reader.forget_block()
        return length

    def flush(self) -> None:
        """Make what was written visible to others, where the store can before closing. Nothing in mode ``r``."""
        self._check_not_closed()
        if self._writer is not None:
            self._writer.flush()
        elif self._update is not None:
            self._update.flush()

    def close(self) -> None:
        """Publish what was written and let go of the file. Idempotent.

        A failure is raised; the bytes are kept then, and ``close`` can be called again.
        """
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.close()
        self._writer = self._reader = self._update = None
        self._closed = True

    def __enter__(self) -> Self:
        self._check_not_closed()
        return self

    def _end_after(self, error: BaseException) -> None:
        """Close; what was written before an exception is kept, but with ``atomic`` let go of."""
        if self._atomic and self._writer is not None:
            self._closed = True
            writer, self._writer = self._writer, None
            give_up(writer, error)
        else:
            super()._end_after(error)

    def __getstate__(self) -> dict[str, Any]:
        if self._closed or self._reader is not None or self._writer is not None:
            raise TypeError(f"a file that is open or closed cannot be pickled: {self._path}")
        return self.__dict__

    def __repr__(self) -> str:
        name = redact(repr(self._name))
        return f"<{type(self).__module__}.{type(self).__qualname__} name={name} mode={self._mode!r}>"

    # Opening at first use.

    def _resolve(self) -> tuple[FileSystem, str]:
        return resolve(self._path, file_system=self._file_system, options=self._options)

    def _check_not_closed(self) -> None:
        if self._closed:
            raise ClosedFileError("the file has been closed", path=self._path)

    def _open_reader(self) -> BlockReader:
        if self._reader is not None:
            return self._reader
        self._check_not_closed()
        if not self._parsed_mode.readable:
            raise PermissionDeniedError(f"the mode {self._mode!r} does not allow reading or seeking", path=self._path)
        file_system, path = self._resolve()
        if self._parsed_mode.update:
            self._update = open_update_file(file_system, path, self._parsed_mode.kind)
            self._reader = BlockReader(self._update, lambda: None)
        else:
            self._reader = BlockReader(
                file_system.new_random_access_file(path), lambda: _reopen_where_needed(file_system, path)
            )
        return self._reader

    def _reading(self) -> BlockReader:
        """Return the reader for an operation that moves its position."""
        self._wrote_last = False
        return self._open_reader()

    def _open_writer(self) -> WritableFile:
        if self._writer is not None:
            return self._writer
        self._check_not_closed()
        if not self._parsed_mode.writable:
            raise PermissionDeniedError(f"the mode {self._mode!r} does not allow writing", path=self._path)
        file_system, path = self._resolve()
        if self._parsed_mode.kind == "a":
            self._writer = file_system.new_appendable_file(path)
        else:
            self._writer = file_system.new_writable_file(path, atomic=self._atomic)
        return self._writer

    def _write_bytes(self, data: Buffer) -> None:
        if not self._parsed_mode.update:
            self._open_writer().append(data)
            return
        reader = self._open_reader()
        update = self._update
        assert update is not None
        if self._parsed_mode.kind == "a":
            offset = update.size()
        else:
            offset = reader.tell() if self._write_position is None else self._write_position
        length = memoryview(data).nbytes
        try:
            update.write(offset, data)
        finally:
            reader.forget_block()
        self._write_position = offset + length
        self._wrote_last = True


def _index(number: Any, method: str) -> int:
    """Return a number of bytes as Python's: NumPy's overflow, and a float would be refused only much later."""
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{method} takes a number of bytes, found {type(number).__name__}") from None


def _reopen_where_needed(file_system: FileSystem, path: str) -> RandomAccessFile | None:
    """Open a file again if one that is open does not see what is added later."""
    return None if file_system.capabilities(path).growing_reads else file_system.new_random_access_file(path)


# Libraries ask for this base to tell files from paths. Deriving from it would bring its __del__, which closes silently.
io.IOBase.register(FileObject)
