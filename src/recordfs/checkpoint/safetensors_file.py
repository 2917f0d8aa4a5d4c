"""Safetensors files, streamed: 8 bytes with the size of a JSON header, the header, and the tensors' bytes without gaps.

The package ``safetensors`` writes a file only from tensors that are all in memory and only to a local path; a
conversion of more than memory, from and to any filesystem, needs neither, and the format is these few lines.
Source: https://github.com/huggingface/safetensors (README, "Format").

What the format lacks goes into its ``__metadata__``, so that the way back gives the same: string tensors, and the names
of quantized types.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import TYPE_CHECKING, Any

from recordfs.checkpoint.array_memory import byte_view_of
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.publishing import make_durable, open_for_publishing
from recordfs.checkpoint.tensor_streams import TensorSink, TensorSource, TensorSpec
from recordfs.checkpoint.tensor_types import STRING, type_for
from recordfs.errors import DataLossError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.checkpoint.array_reader import Array
    from recordfs.filesystem import FileSystem, WritableFile

__all__ = ["SafetensorsSink", "SafetensorsSource"]

_LARGEST_HEADER = 100_000_000
"""Bytes; what the package itself takes at most."""

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

_TYPE_KEY = "recordfs.type."
_STRINGS_KEY = "recordfs.strings."


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
            self._size = self._file.size() if known is None else known
            self._header, self._data_offset = self._read_header()
            metadata = self._header.pop("__metadata__", {})
            if not isinstance(metadata, dict):
                raise self._broken("__metadata__ is no object")
            self._metadata: dict[str, Any] = metadata
            self._places: dict[str, tuple[TensorSpec, int, int]] = {}
            self._specs = self._parse()
        except BaseException:
            self._file.close()
            raise

    def _broken(self, what: str) -> DataLossError:
        return DataLossError(f"no sound safetensors file: {what}", path=self._path)

    def _read_header(self) -> tuple[dict[str, Any], int]:
        length = int.from_bytes(self._file.read(0, 8), "little")
        if self._size < 8 or length > min(_LARGEST_HEADER, self._size - 8):
            raise self._broken(f"its header claims {length} bytes, and the file has {self._size}")
        try:
            header = json.loads(self._file.read(8, length))
        except ValueError as error:
            raise self._broken(f"its header is no JSON ({error})") from error
        if not isinstance(header, dict):
            raise self._broken("its header is no JSON object")
        return header, 8 + length

    def _parse(self) -> list[TensorSpec]:
        """Return the tensors in the order of their bytes; checks that these lie within the file."""
        for name, entry in self._header.items():
            try:
                code, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
                numbers = [start, end, *shape]
                sound = all(type(number) is int and number >= 0 for number in numbers)
            except (TypeError, KeyError, ValueError) as error:
                raise self._broken(f"its entry for {name!r} has no type, shape and offsets") from error
            if not sound or not start <= end <= self._size - self._data_offset:
                raise self._broken(f"tensor {name!r} has shape {shape} and offsets [{start}, {end}]")
            if code not in _NAMES:
                raise InvalidArgumentError(
                    f"tensor {name!r} is of type {code}, which checkpoints do not have", path=self._path
                )
            kind = type_for(_NAMES[code])
            if math.prod(shape) * kind.numpy_type().itemsize != end - start:
                raise self._broken(f"tensor {name!r} is {code} {shape}, and has {end - start} bytes")
            named = self._metadata.get(_TYPE_KEY + name)
            if named is not None:
                given = type_for(str(named))
                kind = given if given.numpy_name == kind.numpy_name else kind
            self._places[name] = (TensorSpec(name, kind, tuple(shape)), start, end)
        found = sorted(self._places.values(), key=lambda place: place[1])
        texts = [key.removeprefix(_STRINGS_KEY) for key in self._metadata if key.startswith(_STRINGS_KEY)]
        return [spec for spec, _, _ in found] + [TensorSpec(name, STRING, self._strings(name).shape) for name in texts]

    def _strings(self, name: str) -> Array:
        try:
            value = json.loads(self._metadata[_STRINGS_KEY + name])
            elements = [base64.b64decode(element, validate=True) for element in value["values"]]
            array: Array = np.empty(len(elements), object)
            array[:] = elements
            return array.reshape(value["shape"])
        except (ValueError, TypeError, KeyError, binascii.Error) as error:
            raise self._broken(f"the strings of {name!r} in its metadata ({error})") from error

    def specs(self) -> list[TensorSpec]:
        """Return all tensors, in the order of their bytes."""
        return self._specs

    def read(self, name: str) -> Array:
        """Read one tensor."""
        if name not in self._places:
            return self._strings(name)
        spec, start, end = self._places[name]
        array: Array = np.empty(spec.shape, spec.type.numpy_type())
        with byte_view_of(array) as view:
            done = 0
            while done < end - start:
                with view[done : done + _PIECE] as piece:
                    read = self._file.read_into(self._data_offset + start + done, piece)
                if not read:
                    raise self._broken(f"tensor {name!r} ends after {done} of its {end - start} bytes")
                done += read
        return array

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

    def begin(self, specs: Sequence[TensorSpec]) -> None:
        """Check that the format can hold the tensors; strings have to come first, because the header holds them."""
        for spec in specs:
            if spec.type is STRING:
                self._strings.append(spec)
            elif spec.type.numpy_name in _CODES:
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
        header: dict[str, Any] = {}
        metadata = dict(self._text_entries)
        offset = 0
        for spec in self._plain:
            size = math.prod(spec.shape) * spec.type.numpy_type().itemsize
            entry = {"dtype": _CODES[spec.type.numpy_name], "shape": list(spec.shape)}
            header[spec.name] = {**entry, "data_offsets": [offset, offset + size]}
            offset += size
            if spec.type.name != spec.type.numpy_name:
                metadata[_TYPE_KEY + spec.name] = spec.type.name
        if metadata:
            header = {"__metadata__": metadata, **header}
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        # Spaces make the data begin at a multiple of eight, as the package does.
        text += b" " * (-len(text) % 8)
        if len(text) > _LARGEST_HEADER:
            raise InvalidArgumentError(
                f"the header would have {len(text)} bytes, and readers take {_LARGEST_HEADER}", path=self._path
            )
        self._file = open_for_publishing(self._file_system, self._path, exclusive=not self._overwrite)
        self._file.append(len(text).to_bytes(8, "little") + text)

    def add(self, spec: TensorSpec, array: Array) -> None:
        """Write one tensor: all strings before all numbers."""
        if spec.type is STRING:
            self._add_strings(spec, array)
            return
        assert self._file is not None, "strings come before numbers"
        with byte_view_of(np.ascontiguousarray(array)) as view:
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
