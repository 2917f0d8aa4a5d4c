"""The bytes of TensorFlow's memory-mapped packages: reading their directory, and writing them.

A package is one file: the regions, a directory, and the directory's offset as 8 bytes, little-endian. The directory is
a protobuf message with a repeated field 1, a message of ``offset`` (1, uint64), ``name`` (2, string) and ``length``
(3, uint64). Names are full URIs (``memmapped_package://weights``). Source: ``memmapped_file_system.proto`` and
``memmapped_file_system_writer.cc`` of TensorFlow, and packages that TensorFlow 2.21 wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import ClosedFileError, DataLossError, InvalidArgumentError
from recordfs.open_files.buffers import byte_view
from recordfs.open_files.letting_go import ClosesOnExit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

    from recordfs.filesystem import WritableFile

__all__ = ["DEFAULT_GRAPH", "PREFIX", "TENSOR_ALIGNMENT", "MemmappedPackageWriter", "Region", "read_directory"]

PREFIX = "memmapped_package://"

DEFAULT_GRAPH = PREFIX + "."
"""The name under which TensorFlow looks for a package's graph."""

TENSOR_ALIGNMENT = 64
"""Tensors begin at multiples of this many bytes, so that the mapped memory can be computed with as it is."""

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")

_FOOTER_SIZE = 8

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)

_MAX_GROUP_DEPTH = 100


class Region(NamedTuple):
    """Where one file of a package stands.

    Attributes:
        offset: In bytes from the beginning of the package.
        length: Its size in bytes.
    """

    offset: int
    length: int


def read_directory(package: memoryview, path: str) -> dict[str, Region]:
    """Read and check the directory of a package.

    TensorFlow believes the lengths it finds and reads past the mapping; here a region that reaches into the next one,
    or into the directory, is an error.

    Args:
        package: All bytes of the package.
        path: Its path, for errors.

    Returns:
        ``{name: region}`` in the order of the offsets. A region without a length is empty, as in TensorFlow.

    Raises:
        DataLossError: The package is damaged, or the file is not a package.
    """
    if len(package) <= _FOOTER_SIZE:
        raise _damaged(f"it has {len(package)} bytes, and needs more than {_FOOTER_SIZE}", path)
    end = len(package) - _FOOTER_SIZE
    start = int.from_bytes(package[end:], "little")
    if start > end:
        raise _damaged(f"its directory is said to begin at byte {start}, and its last 8 bytes at {end}", path)
    try:
        elements = list(_parse_directory(package[start:end]))
    except ValueError as error:
        raise _damaged(f"its directory is not a MemmappedFileSystemDirectory: {error}", path, start) from error
    regions: dict[str, Region] = {}
    for index, (name, region) in enumerate(elements):
        limit = elements[index + 1][1].offset if index + 1 < len(elements) else start
        if region.offset >= limit:
            what = f"the region {name!r} begins at byte {region.offset}, and has to begin before {limit}"
            raise _damaged(what, path, start)
        if region.length > limit - region.offset:
            what = f"the region {name!r} of {region.length} bytes at byte {region.offset} reaches beyond {limit}"
            raise _damaged(what, path, start)
        if name in regions:
            raise _damaged(f"two regions have the name {name!r}", path, start)
        regions[name] = region
    return regions


def _damaged(what: str, path: str, offset: int | None = None) -> DataLossError:
    return DataLossError(f"not a valid memory-mapped package: {what}", path=path, offset=offset)


def _parse_directory(message: memoryview) -> Iterator[tuple[str, Region]]:
    """Yield the elements of a directory; ValueError if it is no such message."""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, memoryview):
            yield _parse_element(value)


def _parse_element(message: memoryview) -> tuple[str, Region]:
    offset = length = 0
    name = ""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            offset = value
        elif number == 2 and isinstance(value, memoryview):
            name = str(value, "utf-8")
        elif number == 3 and isinstance(value, int):
            length = value
    return name, Region(offset, length)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview | None]]:
    """Yield the fields of a protobuf message: varints as int, byte strings as views, None for every other kind.

    Raises:
        ValueError: It is not a protobuf message.
    """
    position = 0
    open_groups: list[int] = []
    while position < len(message):
        tag, position = _read_varint(message, position, bits=32)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise ValueError("there is no field number 0")
        value: int | memoryview | None = None
        if kind == _VARINT:
            value, position = _read_varint(message, position)
        elif kind == _BYTES:
            size, position = _read_varint(message, position)
            if size > len(message) - position:
                raise ValueError(f"{size} bytes are announced where {len(message) - position} are left")
            value, position = message[position : position + size], position + size
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
            if position > len(message):
                raise ValueError("it ends inside a number")
        elif kind == _GROUP and len(open_groups) < _MAX_GROUP_DEPTH:
            open_groups.append(number)
            continue
        elif kind == _GROUP_END and open_groups and open_groups[-1] == number:
            open_groups.pop()
            continue
        else:
            raise ValueError(f"a field of kind {kind} cannot stand here")
        if not open_groups:
            yield number, value
    if open_groups:
        raise ValueError("it ends inside a group")


def _read_varint(message: memoryview, position: int, *, bits: int = 64) -> tuple[int, int]:
    """Read an unsigned varint; what the last byte has above ``bits`` is dropped, as protobuf does."""
    value = 0
    for shift in range(0, bits, 7):
        if position >= len(message):
            raise ValueError("it ends inside a number")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << bits) - 1, position
    raise ValueError(f"a number of {bits} bits is too long")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _encode_element(name: str, region: Region) -> bytes:
    """Encode one element of the directory with its tag; as in proto3, zeros are left out."""
    encoded_name = name.encode()
    message = b"\x08" + _varint(region.offset) if region.offset else b""
    message += b"\x12" + _varint(len(encoded_name)) + encoded_name
    if region.length:
        message += b"\x18" + _varint(region.length)
    return b"\x0a" + _varint(len(message)) + message


class MemmappedPackageWriter(ClosesOnExit):
    """Writes a memory-mapped package that TensorFlow reads, byte for byte as its own writer does.

        file = recordfs.get_file_system(path).new_writable_file(path, atomic=True)
        with MemmappedPackageWriter(file) as package:
            package.add_tensor("memmapped_package://weights", array)
            package.add_message("memmapped_package://.", graph_def.SerializeToString())

    The writer owns the file: leaving the ``with`` block writes the directory and closes it; leaving it by an exception
    discards an atomic file, and closes any other without a directory, so that it cannot be taken for a package.
    One thread at a time.

    Args:
        file: A new file.

    Raises:
        InvalidArgumentError: The file is not empty.
    """

    def __init__(self, file: WritableFile) -> None:
        if file.tell():
            raise InvalidArgumentError(
                f"a package is written to a new file, and this one has {file.tell()} bytes", path=file.name
            )
        self._file = file
        self._regions: dict[str, Region] = {}
        self._closed = False

    def add_tensor(self, name: str, data: Buffer) -> None:
        """Add the bytes of a tensor, at a multiple of 64 bytes.

        Args:
            name: ``memmapped_package://`` and letters, digits, ``_`` and ``.``.
            data: Its elements, contiguous.

        Raises:
            InvalidArgumentError: The name is malformed or taken, or the tensor is empty (TensorFlow refuses these).
        """
        with byte_view(data) as view:
            if not len(view):
                raise InvalidArgumentError(f"the tensor {name!r} is empty, which a package cannot hold", path=self.name)
            self.add_parts(name, [view], alignment=TENSOR_ALIGNMENT)

    def add_message(self, name: str, data: Buffer) -> None:
        """Add a serialized protobuf message, such as a GraphDef, right after what stands there already.

        Raises:
            InvalidArgumentError: The name is malformed or taken.
        """
        self.add_parts(name, [data])

    def add_parts(self, name: str, parts: Iterable[Buffer], *, alignment: int = 1) -> None:
        """Add a region that comes in parts, so that it need not fit into memory.

        A part that cannot be had or written leaves the region out of the directory, and the writer usable.

        Args:
            name: As for ``add_tensor``.
            parts: Its bytes, one after another.
            alignment: The region begins at a multiple of this many bytes.

        Raises:
            InvalidArgumentError: The name is malformed or taken, or the alignment is not positive.
        """
        self._check_open()
        if not (name.startswith(PREFIX) and _NAME_CHARACTERS.issuperset(name[len(PREFIX) :])):
            raise InvalidArgumentError(
                f"a region's name is {PREFIX} and letters, digits, '_' and '.', found {name!r}", path=self.name
            )
        if name in self._regions:
            raise InvalidArgumentError(f"the package has a region {name!r} already", path=self.name)
        if alignment < 1:
            raise InvalidArgumentError(f"an alignment has to be at least 1, found {alignment}", path=self.name)
        self._file.append(bytes(-self._file.tell() % alignment))
        offset = self._file.tell()
        for part in parts:
            self._file.append(part)
        length = self._file.tell() - offset
        if not length:
            # Two regions at one offset, or one at the directory's, would make the package unreadable.
            self._file.append(b"\0")
        self._regions[name] = Region(offset, length)

    @property
    def name(self) -> str:
        """The path of the package."""
        return self._file.name

    def close(self) -> None:
        """Write the directory and close the file. Idempotent.

        If it raises it can be called again, like the file's own ``close``.
        """
        if not self._closed:
            start = self._file.tell()
            directory = b"".join(_encode_element(name, region) for name, region in self._regions.items())
            self._file.append(directory + start.to_bytes(_FOOTER_SIZE, "little"))
            self._closed = True
        self._file.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedFileError("the package has been closed", path=self.name)

    def _end_after(self, error: BaseException) -> None:
        self._closed = True
        self._file.__exit__(type(error), error, error.__traceback__)
