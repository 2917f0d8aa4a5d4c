"""Safetensors files, streamed: a header, and the tensors' bytes without gaps.

What the format lacks goes into its ``__metadata__``, so that the way back gives the same: string tensors, and the names
of types whose elements are stored as another: quantized ones, and whole numbers of fewer than 8 bits.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import TYPE_CHECKING

from recordfs.checkpoint.array_memory import byte_view_of, check_shape
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.publishing import make_durable, open_for_publishing
from recordfs.checkpoint.safetensors_header import HeaderEntry, encode_header, read_header
from recordfs.checkpoint.tensor_streams import TensorSink, TensorSource, TensorSpec
from recordfs.checkpoint.tensor_types import STRING, TensorType, type_for
from recordfs.errors import DataLossError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from recordfs.checkpoint.array_reader import Array
    from recordfs.filesystem import FileSystem, WritableFile

__all__ = ["SafetensorsSink", "SafetensorsSource"]

_LARGEST_STRINGS = 16 << 20
"""Bytes of string tensors that are put into the header."""

_PIECE = 8 << 20
"""Bytes that are read or appended at once."""

_CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_NAMES = {code: name for name, code in _CODES.items()}

_CARRIERS = {"int4": "int8", "int2": "int8", "uint4": "uint8", "uint2": "uint8"}
"""What holds the elements of types that the format lacks, as the same numbers."""

_TYPE_KEY = "recordfs.type."
_STRINGS_KEY = "recordfs.strings."


def _carrier_of(kind: TensorType) -> str:
    """Return the name of the type that a file holds for a type."""
    return _CARRIERS.get(kind.numpy_name, kind.numpy_name)


class SafetensorsSource(TensorSource):
    """A safetensors file to read.

    Args:
        file_system: Serves the path.
        path: The file.

    Raises:
        DataLossError: It is no such file, or damaged.
    """

    def __init__(self, file_system: FileSystem, path: str) -> None:
        self._path = path
        self._file = file_system.new_random_access_file(path)
        try:
            known = self._file.read_ahead(0, 0)
            size = self._file.size() if known is None else known
            entries, self._metadata, self._data_offset = read_header(self._file, size, path)
            self._places: dict[str, tuple[HeaderEntry, TensorType, int]] = {}
            self._specs = [*self._numbers(entries), *self._texts()]
        except BaseException:
            self._file.close()
            raise

    def _broken(self, what: str) -> DataLossError:
        return DataLossError(f"not a valid safetensors file: {what}", path=self._path)

    def _numbers(self, entries: Iterable[HeaderEntry]) -> Iterable[TensorSpec]:
        """Find where each tensor lies."""
        offset = self._data_offset
        for entry in entries:
            kind = self._type_of(entry)
            self._places[entry.name] = (entry, kind, offset)
            offset += entry.size
            yield TensorSpec(entry.name, kind, entry.shape)

    def _type_of(self, entry: HeaderEntry) -> TensorType:
        if entry.code not in _NAMES:
            return TensorType(0, f"{entry.code} of safetensors", "")
        noted = self._metadata.get(_TYPE_KEY + entry.name)
        if noted is not None:
            try:
                kind = type_for(noted)
            except InvalidArgumentError as error:
                raise self._broken(f"its metadata give tensor {entry.name!r} the type {noted!r}") from error
            if _CODES.get(_carrier_of(kind)) == entry.code:
                return kind
        return type_for(_NAMES[entry.code])

    def _texts(self) -> Iterable[TensorSpec]:
        """Find the string tensors, which are in the metadata."""
        for key in self._metadata:
            if key.startswith(_STRINGS_KEY):
                name = key.removeprefix(_STRINGS_KEY)
                if name in self._places:
                    raise self._broken(f"its metadata have strings for {name!r}, which is a tensor of numbers")
                yield TensorSpec(name, STRING, self._strings(name).shape)

    @property
    def left_out(self) -> tuple[str, ...]:
        """``__metadata__``, if it holds anything but what recordfs put there."""
        own = (_TYPE_KEY, _STRINGS_KEY)
        return () if all(key.startswith(own) for key in self._metadata) else ("__metadata__",)

    def _strings(self, name: str) -> Array:
        try:
            value = json.loads(self._metadata[_STRINGS_KEY + name])
            elements = [base64.b64decode(element, validate=True) for element in value["values"]]
            array: Array = np.empty(len(elements), object)
            array[:] = elements
            return array.reshape(value["shape"])
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
            raise self._broken(f"the strings of {name!r} in its metadata ({error})") from error

    def specs(self) -> list[TensorSpec]:
        """Return all tensors, in the order of their bytes."""
        return self._specs

    def read(self, name: str) -> Array:
        """Read one tensor."""
        if name not in self._places:
            return self._strings(name)
        entry, kind, start = self._places[name]
        dtype = type_for(_NAMES[entry.code]).numpy_type()
        check_shape(name, entry.shape, dtype, path=self._path)
        array: Array = np.empty(entry.shape, dtype)
        with byte_view_of(array) as view:
            done = 0
            while done < entry.size:
                with view[done : done + _PIECE] as piece:
                    read = self._file.read_into(start + done, piece)
                if not read:
                    raise self._broken(f"tensor {name!r} ends after {done} of its {entry.size} bytes")
                done += read
        return array if kind.numpy_name not in _CARRIERS else self._narrowed(name, array, kind)

    def _narrowed(self, name: str, array: Array, kind: TensorType) -> Array:
        """Return whole numbers as the type of fewer bits that they are."""
        narrow = array.astype(kind.numpy_type())
        if (narrow.astype(array.dtype) != array).any():
            raise self._broken(f"tensor {name!r} is noted as {kind.name}, and has a number that this type has not")
        return narrow

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._file.close()


class SafetensorsSink(TensorSink):
    """A safetensors file to write.

    Args:
        file_system: Serves the path.
        path: The file.
        overwrite: Replace a file that is there.
    """

    def __init__(self, file_system: FileSystem, path: str, *, overwrite: bool) -> None:
        self._file_system = file_system
        self._path = path
        self._overwrite = overwrite
        self._file: WritableFile | None = None
        self._text_entries: dict[str, str] = {}
        self._strings: list[TensorSpec] = []
        self._plain: list[TensorSpec] = []

    def arranged(self, specs: Sequence[TensorSpec]) -> list[TensorSpec]:
        """Put strings first, which go into the header, and then wide elements before narrow ones.

        So each tensor begins at a multiple of its elements' size: PyTorch makes views of a file, and no others.
        """
        return sorted(specs, key=lambda spec: -math.inf if spec.type is STRING else -spec.type.numpy_type().itemsize)

    def begin(self, specs: Sequence[TensorSpec]) -> None:
        """Check that the format can hold the tensors."""
        for spec in specs:
            if spec.type is STRING:
                self._strings.append(spec)
            elif _carrier_of(spec.type) in _CODES:
                self._plain.append(spec)
            else:
                raise InvalidArgumentError(
                    f"tensor {spec.name!r} is {spec.type.name}, which safetensors files do not have; leave it out by a "
                    "name map that maps it to null",
                    path=self._path,
                )
        if not self._strings:
            self._open()

    def _open(self) -> None:
        """Write the header: everything in it is known."""
        noted = {spec.name: spec.type.name for spec in self._plain if spec.type.name != _carrier_of(spec.type)}
        metadata = self._text_entries | {_TYPE_KEY + name: kind for name, kind in noted.items()}
        entries = [HeaderEntry(spec.name, _CODES[_carrier_of(spec.type)], spec.shape) for spec in self._plain]
        header = encode_header(entries, metadata, self._path)
        self._file = open_for_publishing(self._file_system, self._path, exclusive=not self._overwrite)
        self._file.append(header)

    def add(self, spec: TensorSpec, array: Array) -> None:
        """Write one tensor: all strings before all numbers."""
        if spec.type is STRING:
            self._add_strings(spec, array)
            return
        assert self._file is not None, "strings come before numbers"
        with byte_view_of(np.ascontiguousarray(array, type_for(_carrier_of(spec.type)).numpy_type())) as view:
            for start in range(0, len(view), _PIECE):
                with view[start : start + _PIECE] as piece:
                    self._file.append(piece)

    def _add_strings(self, spec: TensorSpec, array: Array) -> None:
        values = [base64.b64encode(element).decode() for element in array.reshape(-1).tolist()]
        self._text_entries[_STRINGS_KEY + spec.name] = json.dumps({"shape": list(spec.shape), "values": values})
        if sum(map(len, self._text_entries.values())) > _LARGEST_STRINGS:
            raise InvalidArgumentError(
                f"with tensor {spec.name!r} the strings are more than {_LARGEST_STRINGS} bytes, too many for a header; "
                "leave it out by a name map that maps it to null",
                path=self._path,
            )
        if len(self._text_entries) == len(self._strings):
            self._open()

    def close(self) -> None:
        """Publish the file."""
        assert self._file is not None, "everything that was announced has been added"
        make_durable(self._file_system, self._file)
        self._file.close()

    def discard(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.discard() if self._file.atomic else self._file.close()
