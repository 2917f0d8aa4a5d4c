"""NumPy's ``.npz`` archives, streamed member by member.

A tensor is the member ``NAME.npy``, as ``numpy.savez`` writes it. What NumPy cannot say without pickling goes into one
more member, ``recordfs.json``: the names of types that NumPy lacks or calls otherwise (their members hold unsigned
integers of the same size, or the integers that quantized types are), and the shapes of string tensors, whose elements
are two members, ``NAME/bytes.npy`` (uint8) and ``NAME/offsets.npy`` (int64, where each begins, and the end).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import struct
import sys
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

from recordfs.checkpoint.array_memory import byte_view_of, check_shape
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.publishing import make_durable, open_for_publishing
from recordfs.checkpoint.tensor_input import string_elements
from recordfs.checkpoint.tensor_streams import TensorSink, TensorSource, TensorSpec
from recordfs.checkpoint.tensor_types import STRING, type_for
from recordfs.errors import AlreadyExistsError, DataLossError, InvalidArgumentError, RecordFSError
from recordfs.file_objects import InputStream, WholeFileStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from recordfs.checkpoint.array_reader import Array
    from recordfs.checkpoint.tensor_types import TensorType
    from recordfs.filesystem import FileSystem

__all__ = ["NpzSink", "NpzSource"]

_NOTES = "recordfs.json"
_LARGEST_NOTES = 64 << 20
_LARGEST_NPY_HEADER = 1 << 20
_LONGEST_NAME = 0xFFFF
"""Bytes of a member's name. Source: APPNOTE.TXT of ZIP, 4.4.10."""

_PIECE = 8 << 20

# What zipfile, zlib, json and NumPy's header reader raise for bytes that make no sense to them.
_WHAT_DAMAGE_RAISES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)

# Deflate makes at most 1,032 bytes of one.
_BEST_RATIO = 1032


def _checked_dimensions(shape: Sequence[int]) -> tuple[int, ...]:
    """Return dimensions out of a file as a shape. Raises ValueError for what are none."""
    if not all(type(dim) is int and dim >= 0 for dim in shape):
        raise ValueError(f"{shape} is not a shape")
    return tuple(shape)


def _carrier(kind: TensorType) -> np.dtype[Any]:
    """Return the type that a member has for a type of tensors."""
    numpy_type = kind.numpy_type()
    return np.dtype(f"u{numpy_type.itemsize}") if kind.needs_ml_dtypes else numpy_type


class NpzSource(TensorSource):
    """An ``.npz`` archive to read. Nothing in it is ever unpickled.

    Args:
        file_system: Serves the path.
        path: The file.

    Raises:
        DataLossError: It is no such archive, or damaged.
        InvalidArgumentError: It holds an array of a type that checkpoints do not have.
    """

    def __init__(self, file_system: FileSystem, path: str) -> None:
        self._path = path
        file = file_system.new_random_access_file(path)
        try:
            self._stream = InputStream(file, file.size())
            self._archive = self._open()
            self._notes = self._read_notes()
            self._specs = self._parse()
            self._types = {spec.name: spec.type for spec in self._specs}
        except BaseException:
            file.close()
            raise

    def _open(self) -> zipfile.ZipFile:
        with self._reading("its directory"):
            return zipfile.ZipFile(self._stream)

    def _broken(self, what: str) -> DataLossError:
        return DataLossError(f"not a valid npz archive: {what}", path=self._path)

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Turn what the standard library and NumPy raise for damaged bytes into one error."""
        try:
            yield
        except RecordFSError:
            raise
        except _WHAT_DAMAGE_RAISES as error:
            raise self._broken(f"{what}: {error}") from error

    def _member(self, name: str) -> IO[bytes]:
        """Open a member, after a look at whether its sizes can be true."""
        with self._reading(f"member {name!r}"):
            entry = self._archive.getinfo(name)
            if entry.file_size > (entry.compress_size + 1) * _BEST_RATIO:
                raise self._broken(f"member {name!r} claims {entry.file_size} bytes of {entry.compress_size}")
            return self._archive.open(entry)

    def _read_notes(self) -> dict[str, Any]:
        if _NOTES not in self._archive.namelist():
            return {"types": {}, "strings": {}}
        with self._reading(f"member {_NOTES!r}"), self._member(_NOTES) as member:
            notes = json.loads(member.read(_LARGEST_NOTES))
            types, strings = notes["types"], notes["strings"]
            if not isinstance(types, dict) or not isinstance(strings, dict):
                raise TypeError("types and strings are objects")
            strings = {name: _checked_dimensions(shape) for name, shape in strings.items()}
        return {"types": types, "strings": strings}

    def _parse(self) -> list[TensorSpec]:
        strings = self._notes["strings"]
        parts = {f"{name}/{part}" for name in strings for part in ("bytes", "offsets")}
        specs = []
        members = self._archive.namelist()
        seen: set[str] = set()
        for member in members:
            if member in seen:
                raise self._broken(f"it has two members {member!r}")
            seen.add(member)
            name = member.removesuffix(".npy")
            if member == _NOTES or name in parts:
                continue
            if name == member:
                raise InvalidArgumentError(f"the archive holds {member!r}, which is not an array", path=self._path)
            shape, dtype, _ = self._header(name)
            specs.append(TensorSpec(name, self._kind(name, dtype), shape))
        for name, shape in strings.items():
            specs.append(TensorSpec(name, STRING, shape))
        return specs

    def _kind(self, name: str, dtype: np.dtype[Any]) -> TensorType:
        noted = self._notes["types"].get(name)
        if noted is not None:
            try:
                kind = type_for(noted)
            except InvalidArgumentError as error:
                raise self._broken(f"tensor {name!r} is noted as {noted!r}, which is not a type") from error
            if _carrier(kind) != dtype:
                raise self._broken(f"tensor {name!r} is noted as {noted}, and its member holds {dtype}")
            return kind
        if dtype.hasobject:
            raise InvalidArgumentError(f"array {name!r} holds pickled objects, which are never loaded", path=self._path)
        try:
            return type_for(dtype)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"array {name!r}: {error.message}", path=self._path) from None

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
        """Return shape, type, and whether the array is in Fortran's order."""
        with self._member(f"{name}.npy") as member:
            return self._read_header(name, member)

    def _read_header(self, name: str, member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
        npy = np.lib.format
        with self._reading(f"array {name!r}"):
            version = npy.read_magic(member)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, dtype = read(member, max_header_size=_LARGEST_NPY_HEADER)
            shape = _checked_dimensions(shape)
        check_shape(name, shape, dtype, path=self._path)
        return shape, dtype, fortran

    def specs(self) -> list[TensorSpec]:
        """Return all tensors, in the order of the archive."""
        return self._specs

    def read(self, name: str) -> Array:
        """Read one tensor."""
        if name in self._notes["strings"]:
            return self._read_strings(name)
        kind = self._types[name]
        array = self._read_array(name)
        if kind is STRING:  # NumPy's own, of a fixed width
            return self._as_bytes(name, array)
        return array.view(kind.numpy_type()) if kind.needs_ml_dtypes else array

    def _as_bytes(self, name: str, array: Array) -> Array:
        """Return NumPy's strings, of bytes or of code points, as an object array of bytes."""
        native = np.ascontiguousarray(array.reshape(-1), array.dtype.newbyteorder("="))
        if array.dtype.kind == "U" and native.size and native.view(np.uint32).max() > sys.maxunicode:
            raise self._broken(f"array {name!r} has a number that stands for no character")
        elements: Array = np.empty(array.size, object)
        elements[:] = string_elements(name, native)
        return elements.reshape(array.shape)

    def _read_array(self, name: str) -> Array:
        with self._member(f"{name}.npy") as member:
            size = self._archive.getinfo(f"{name}.npy").file_size
            shape, dtype, fortran = self._read_header(name, member)
            if dtype.hasobject or math.prod(shape) * dtype.itemsize > size:
                raise self._broken(f"array {name!r} is {dtype} {list(shape)}, and its member has {size} bytes")
            array: Array = np.empty(shape[::-1] if fortran else shape, dtype)
            with byte_view_of(array) as view, self._reading(f"array {name!r}"):
                done = 0
                while done < len(view):
                    piece = member.read(min(_PIECE, len(view) - done))
                    if not piece:
                        raise self._broken(f"array {name!r} ends after {done} of its {len(view)} bytes")
                    view[done : done + len(piece)] = piece
                    done += len(piece)
                if member.read(1):  # reading to the end compares the member's checksum
                    raise self._broken(f"array {name!r} has more bytes than its shape")
        return array.transpose() if fortran else array

    def _read_strings(self, name: str) -> Array:
        data, offsets = self._read_array(f"{name}/bytes").tobytes(), self._read_array(f"{name}/offsets").tolist()
        shape = self._notes["strings"][name]
        if offsets != sorted(offsets) or offsets[:1] != [0] or offsets[-1] != len(data):
            raise self._broken(f"the offsets of the strings {name!r} do not lie one after the other")
        if len(offsets) - 1 != math.prod(shape):
            raise self._broken(f"there are {len(offsets) - 1} strings {name!r}, and their shape is {list(shape)}")
        check_shape(name, shape, np.dtype(object), path=self._path)
        array: Array = np.empty(len(offsets) - 1, object)
        array[:] = [data[start:end] for start, end in itertools.pairwise(offsets)]
        return array.reshape(shape)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._archive.close()
        self._stream.close()


class NpzSink(TensorSink):
    """An ``.npz`` archive to write, without compression.

    Args:
        file_system: Serves the path.
        path: The file.
        overwrite: Replace a file that is there.
    """

    def __init__(self, file_system: FileSystem, path: str, *, overwrite: bool) -> None:
        self._file_system = file_system
        self._path = path
        self._overwrite = overwrite
        self._archive: zipfile.ZipFile | None = None

    def begin(self, specs: Sequence[TensorSpec]) -> None:
        """Check the names and open the file."""
        strings = {spec.name: list(spec.shape) for spec in specs if spec.type is STRING}
        types = {spec.name: spec.type.name for spec in specs if spec.type.name != _carrier_name(spec.type)}
        taken = {f"{name}/{part}" for name in strings for part in ("bytes", "offsets")}
        for spec in specs:
            fault = "a string tensor has a part of this name" if spec.name in taken else _fault_of_name(spec.name)
            if fault:
                raise InvalidArgumentError(
                    f"tensor {spec.name!r} cannot be in an npz archive: {fault}; give it another name by a name map",
                    path=self._path,
                )
        if not self._overwrite and self._file_system.file_exists(self._path):
            raise AlreadyExistsError("there is a file of this name", path=self._path)
        self._file = open_for_publishing(self._file_system, self._path, exclusive=not self._overwrite)
        self._stream = WholeFileStream(self._file)
        self._archive = zipfile.ZipFile(_Unseekable(self._stream), "w", zipfile.ZIP_STORED, allowZip64=True)
        if strings or types:
            self._archive.writestr(_NOTES, json.dumps({"types": types, "strings": strings}))

    def add(self, spec: TensorSpec, array: Array) -> None:
        """Write one tensor."""
        if spec.type is STRING:
            elements = array.reshape(-1).tolist()
            self._write(f"{spec.name}/bytes", np.frombuffer(b"".join(elements), np.uint8))
            self._write(f"{spec.name}/offsets", np.cumsum([0, *map(len, elements)], dtype=np.int64))
        else:
            self._write(spec.name, np.ascontiguousarray(array).reshape(spec.shape).view(_carrier(spec.type)))

    def _write(self, name: str, array: Array) -> None:
        assert self._archive is not None
        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(array))
            with byte_view_of(array) as view:
                for start in range(0, len(view), _PIECE):
                    with view[start : start + _PIECE] as piece:
                        member.write(piece)

    def close(self) -> None:
        """Publish the file."""
        assert self._archive is not None
        self._archive.close()
        make_durable(self._file_system, self._file)
        self._stream.close()

    def discard(self) -> None:
        """Let go of the file."""
        if self._archive is not None:
            self._archive = None
            self._file.discard() if self._file.atomic else self._file.close()


def _carrier_name(kind: TensorType) -> str:
    return STRING.name if kind is STRING else str(_carrier(kind).name)


def _fault_of_name(name: str) -> str:
    """Return why no member of an archive can be called after a tensor; empty if one can."""
    if "\0" in name:
        return "names of members end at a NUL"
    try:
        size = len(f"{name}/offsets.npy".encode())
    except UnicodeEncodeError:
        return "names of members are UTF-8"
    return f"names of members have {_LONGEST_NAME} bytes at most" if size > _LONGEST_NAME else ""


class _Unseekable:
    """Makes ``zipfile`` write from front to back: what can say where it is, it would go back in."""

    def __init__(self, stream: WholeFileStream) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Write all of ``data``."""
        return self._stream.write(data)

    def flush(self) -> None:
        """Leave flushing to the end: nothing is to be seen before."""

    def close(self) -> None:
        """Leave closing to the sink."""
