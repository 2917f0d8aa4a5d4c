"""Reading the messages inside events: tensors, histograms, pictures and sounds as plain values."""

from __future__ import annotations

import struct
from typing import Any

from recordfs._core import decode_message
from recordfs.errors import DataLossError
from recordfs.events.messages import DATA_TYPES, STRING, Audio, Histogram, Image, Tensor
from recordfs.events.optional import require_numpy

__all__ = ["decode_audio", "decode_histogram", "decode_image", "decode_tensor"]

_NAMES = {number: name for name, number in DATA_TYPES.items()}
_LISTS = {5: "f4", 6: "f8", 7: "varint", 10: "varint", 11: "varint", 13: "varint", 16: "varint", 17: "varint"}


def _fields(message: bytes, what: str) -> list[tuple[int, Any]]:
    try:
        return decode_message(message)
    except ValueError as error:
        raise DataLossError(f"not a serialized {what}: {error}") from None


def _of_type(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind):
        raise DataLossError(f"not a serialized {what}: a field is of another type")
    return value


def decode_tensor(message: bytes) -> Tensor:
    """Read a ``TensorProto``.

    Raises:
        DataLossError: It is not a TensorProto, has not as many values as its shape says, or a type that NumPy lacks.
        MissingDependencyError: NumPy is not installed.
    """
    np = require_numpy("tensors of event files")
    number, content = 0, b""
    shape: tuple[int, ...] = ()
    strings: list[bytes] = []
    values: list[Any] = []
    for field, value in _fields(message, "TensorProto"):
        if field == 1:
            number = _of_type(value, int, "TensorProto")
        elif field == 2:
            shape = _decode_shape(_of_type(value, bytes, "TensorProto"))
        elif field == 4:
            content = _of_type(value, bytes, "TensorProto")
        elif field == 8:
            strings.append(_of_type(value, bytes, "TensorProto"))
        elif field in _LISTS:
            values += _list_values(value, _LISTS[field])
    count = 1
    for size in shape:
        count *= size
    if number == STRING:
        if len(strings) != count and not (not strings and count <= 1):
            raise DataLossError(f"a tensor of shape {shape} has {len(strings)} strings")
        return Tensor("string", shape, strings or [b""] * count)
    if number not in _NAMES:
        raise DataLossError(f"a tensor has the type {number}, which NumPy does not have")
    dtype = np.dtype(_NAMES[number]).newbyteorder("<")
    if content:
        if len(content) != count * dtype.itemsize:
            raise DataLossError(f"a tensor of shape {shape} and type {_NAMES[number]} has {len(content)} bytes")
        return Tensor(_NAMES[number], shape, np.frombuffer(content, dtype).reshape(shape))
    if len(values) > count or (count > 1 << 22 and len(values) < count):
        raise DataLossError(f"a tensor of shape {shape} has {len(values)} values")
    if number == DATA_TYPES["float16"]:
        array = np.array(values, "uint16").view("float16")
    else:
        array = np.array(values, "int64" if values and isinstance(values[0], int) else None).astype(_NAMES[number])
    # A tensor of fewer values than its shape repeats the last one.
    padded = np.resize(array[-1:] if len(array) else np.zeros(1, array.dtype), count)
    padded[: len(array)] = array
    return Tensor(_NAMES[number], shape, padded.astype(_NAMES[number]).reshape(shape))


def _decode_shape(message: bytes) -> tuple[int, ...]:
    shape = []
    for field, dimension in _fields(message, "TensorShapeProto"):
        if field == 2:
            sizes = [value for number, value in _fields(_of_type(dimension, bytes, "shape"), "shape") if number == 1]
            size: int = _of_type(sizes[-1], int, "shape") if sizes else 0
            if size >= 1 << 40:
                raise DataLossError(f"a tensor has a dimension of {size}")
            shape.append(size)
    return tuple(shape)


def _list_values(value: Any, kind: str) -> list[Any]:
    """Return the values of a repeated field: packed, or one of them."""
    if not isinstance(value, bytes):
        return [value - (1 << 64) if isinstance(value, int) and value >> 63 else value]
    if kind == "varint":
        # A packed list has the bytes of varints: as fields of number 1 the native reader reads them.
        packed = b"".join(b"\x08" + one for one in _split_varints(value))
        return [_list_values(one, kind)[0] for _, one in _fields(packed, "TensorProto")]
    size = int(kind[1])
    if len(value) % size:
        raise DataLossError("a packed list of a tensor ends inside a value")
    return list(struct.unpack(f"<{len(value) // size}{'f' if size == 4 else 'd'}", value))


def _split_varints(packed: bytes) -> list[bytes]:
    begin, parts = 0, []
    for place, byte in enumerate(packed):
        if byte < 0x80:
            parts.append(packed[begin : place + 1])
            begin = place + 1
    if begin != len(packed):
        raise DataLossError("a packed list of a tensor ends inside a value")
    return parts


def decode_histogram(message: bytes) -> Histogram:
    """Read a ``HistogramProto``.

    Raises:
        DataLossError: It is not a HistogramProto.
    """
    numbers = [0.0] * 5
    lists: tuple[list[float], list[float]] = ([], [])
    for field, value in _fields(message, "HistogramProto"):
        if 1 <= field <= 5:
            numbers[field - 1] = _of_type(value, float, "HistogramProto")
        elif field in (6, 7):
            lists[field - 6].extend(_list_values(value, "f8"))
    minimum, maximum, num, total, squares = numbers
    return Histogram(minimum, maximum, num, total, squares, *lists)


def decode_image(message: bytes) -> Image:
    """Read a ``Summary.Image``.

    Raises:
        DataLossError: It is not a Summary.Image.
    """
    values: dict[int, Any] = dict(_fields(message, "Summary.Image"))
    height, width, colorspace = (_of_type(values.get(number, 0), int, "Summary.Image") for number in (1, 2, 3))
    return Image(height, width, colorspace, _of_type(values.get(4, b""), bytes, "Summary.Image"))


def decode_audio(message: bytes) -> Audio:
    """Read a ``Summary.Audio``.

    Raises:
        DataLossError: It is not a Summary.Audio.
    """
    values: dict[int, Any] = dict(_fields(message, "Summary.Audio"))
    return Audio(
        _of_type(values.get(1, 0.0), float, "Summary.Audio"),
        _of_type(values.get(2, 0), int, "Summary.Audio"),
        _of_type(values.get(3, 0), int, "Summary.Audio"),
        _of_type(values.get(4, b""), bytes, "Summary.Audio"),
    )
