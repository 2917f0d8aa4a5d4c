"""The memory of arrays: where large ones get theirs, and what it looks like as bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from recordfs._core import ArrayMemory
from recordfs.checkpoint.numpy_module import np
from recordfs.errors import UnimplementedError

if TYPE_CHECKING:
    from recordfs._core import ReadOnlyMemoryRegion

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["byte_view_of", "bytes_of_region", "check_shape", "empty_array"]

_LARGE = 4 << 20
"""From this many bytes on an array has memory in huge pages: NumPy asks for some from that size on, too."""


_FEW_DIMENSIONS = 32
"""Every NumPy has arrays of so many."""


def check_shape(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, path: str | None = None) -> None:
    """Refuse what TensorFlow has as a shape and NumPy has not, though its elements are few: 65 dimensions, 0 by 2**62.

    Raises:
        UnimplementedError: There is no array of that shape. The message names the tensor.
    """
    if len(shape) <= _FEW_DIMENSIONS and 0 not in shape:
        return
    try:
        np.broadcast_to(np.empty((), dtype), shape)
    except ValueError as error:
        shown = f"{list(shape)}" if len(shape) <= _FEW_DIMENSIONS else f"of {len(shape)} dimensions"
        raise UnimplementedError(
            f"tensor {name!r}: NumPy has no array for its shape {shown}: {error}", path=path
        ) from None


def empty_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of its own memory, whose elements mean nothing yet.

    Fresh memory costs more than the data that come into it, because the system clears and maps each of its pages. Large
    arrays begin at a huge page, so that there are few.

    Raises:
        MemoryError: The system has no more.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE or dtype.hasobject:
        return np.empty(shape, dtype)
    return np.frombuffer(memoryview(ArrayMemory(size)), np.uint8).view(dtype).reshape(shape)


def byte_view_of(array: Array) -> memoryview:
    """Return a contiguous array's memory as plain bytes, whatever its type."""
    # The buffer protocol has no format for bfloat16 and its like, and none may be empty.
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(bytearray())


def bytes_of_region(region: ReadOnlyMemoryRegion) -> Array:
    """Return mapped memory as an array of bytes, which keeps it.

    Arrays over this one keep it in turn. One that NumPy made over the region itself would not: NumPy asks for a buffer,
    and lets go of it at once.
    """
    return np.frombuffer(region.data, np.uint8) if len(region) else np.empty(0, np.uint8)
