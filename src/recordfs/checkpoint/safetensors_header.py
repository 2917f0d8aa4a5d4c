"""The header of a safetensors file: 8 bytes with the size of a JSON object, and that object.

The package ``safetensors`` judges every header, those that are read and those that are written: which types there are,
that tensors follow one another without gaps, that shapes and offsets agree. It opens local files only, so it is given a
temporary file with the header and a hole where the data would be. Data never go through it: it writes a file only from
tensors that are all in memory, and reads only from a local disk.
Source: https://github.com/huggingface/safetensors (README, "Format").
"""

from __future__ import annotations

import json
import math
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import DataLossError, InvalidArgumentError, MissingDependencyError, error_from_os_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recordfs.filesystem import RandomAccessFile

__all__ = ["HeaderEntry", "SafetensorsHeader", "encode_header", "read_header"]

_LARGEST_HEADER = 100_000_000
"""Bytes; what the package itself takes at most."""

_METADATA = "__metadata__"

_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
"""Bits of an element. Source: ``Dtype::bitsize`` in ``safetensors/src/tensor.rs``."""


class HeaderEntry(NamedTuple):
    """What a header says of a tensor.

    Attributes:
        name: Its name.
        code: The format's name of its type, such as ``"F32"``.
        shape: Its dimensions.
    """

    name: str
    code: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return math.prod(self.shape) * _BITS[self.code] // 8


class SafetensorsHeader(NamedTuple):
    """A header that the package takes.

    Attributes:
        entries: The tensors in the order of their bytes, which follow one another without gaps.
        metadata: Other texts, by their keys.
        size: Bytes before the first tensor.
    """

    entries: tuple[HeaderEntry, ...]
    metadata: dict[str, str]
    size: int


def read_header(file: RandomAccessFile, file_size: int, path: str) -> SafetensorsHeader:
    """Read the header of a file.

    Raises:
        DataLossError: It is no such file, or damaged.
        InvalidArgumentError: It has a type that is newer than this version of recordfs.
        MissingDependencyError: The package ``safetensors`` is not installed.
    """
    length = int.from_bytes(file.read(0, 8), "little")
    if file_size < 8 or length > min(_LARGEST_HEADER, file_size - 8):
        raise DataLossError(
            f"not a valid safetensors file: its header claims {length} bytes, and the file has {file_size}", path=path
        )
    text = file.read(8, length)
    entries, metadata = _judged(text, file_size - 8 - length, path)
    return SafetensorsHeader(entries, metadata, 8 + length)


def encode_header(entries: Sequence[HeaderEntry], metadata: Mapping[str, str], path: str) -> bytes:
    """Return the bytes before the first tensor, for tensors in this order.

    Raises:
        InvalidArgumentError: The format cannot hold a name, or there are too many of them.
        MissingDependencyError: The package ``safetensors`` is not installed.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    offset = 0
    for entry in entries:
        if entry.name == _METADATA:
            raise InvalidArgumentError(
                f"no tensor in a safetensors file can be named {_METADATA!r}; rename it by a name map", path=path
            )
        offsets = [offset, offset + entry.size]
        header[entry.name] = {"dtype": entry.code, "shape": list(entry.shape), "data_offsets": offsets}
        offset += entry.size
    try:
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"a safetensors file holds only text that is UTF-8: {error}", path=path) from error
    # Spaces make the data begin at a multiple of eight, as the package does.
    text += b" " * (-len(text) % 8)
    if len(text) > _LARGEST_HEADER:
        raise InvalidArgumentError(
            f"the header would have {len(text)} bytes, and readers take {_LARGEST_HEADER}", path=path
        )
    try:
        judged, _ = _judged(text, offset, path)
    except DataLossError as error:
        raise InvalidArgumentError(f"these tensors cannot be a safetensors file: {error.message}", path=path) from error
    # Tensors without a byte lie at the same offset as the next one, so that their order means nothing.
    assert sorted(judged) == sorted(entries), "the package reads what was meant"
    return len(text).to_bytes(8, "little") + text


def _judged(text: bytes, data_size: int, path: str) -> tuple[tuple[HeaderEntry, ...], dict[str, str]]:
    """Return what the package makes of a header that ``data_size`` bytes follow."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingDependencyError(
            "safetensors files need the package safetensors: pip install 'recordfs[safetensors]'", path=path
        ) from error
    try:
        with tempfile.NamedTemporaryFile(prefix="recordfs-header-", suffix=".safetensors") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.flush()
            file.truncate(8 + len(text) + data_size)
            with safe_open(file.name, "numpy") as opened:
                names: list[str] = opened.offset_keys()
                slices = [opened.get_slice(name) for name in names]
                metadata: dict[str, str] = opened.metadata() or {}
                entries = tuple(
                    HeaderEntry(name, each.get_dtype(), tuple(each.get_shape()))
                    for name, each in zip(names, slices, strict=True)
                )
    except SafetensorError as error:
        raise DataLossError(f"not a valid safetensors file: {error}", path=path) from error
    except OSError as error:  # of the temporary file, for which there may be no room
        raise error_from_os_error(error, error.filename or tempfile.tempdir) from error
    for entry in entries:
        if entry.code not in _BITS:
            raise InvalidArgumentError(
                f"tensor {entry.name!r} is of type {entry.code}, which this version of recordfs does not know",
                path=path,
            )
    return entries, metadata
