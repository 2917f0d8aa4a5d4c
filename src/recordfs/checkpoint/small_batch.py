"""Small tensors that are written together, because writing one costs more than its bytes do."""

from __future__ import annotations

from typing import Any

from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.tensor_types import type_for

__all__ = ["SmallBatch"]

_SMALL = 32 << 10
"""Tensors below this many bytes are taken."""

_BYTES = 256 << 10
_TENSORS = 4096
"""How many bytes, or tensors, make a batch full."""

# TensorFlow's numbers of the types whose arrays `bytes.join` takes, in the processor's byte order: not those of
# `ml_dtypes`, for which the buffer protocol has no format.
_NUMBERS = {
    dtype: type_for(dtype).number
    for dtype in map(
        np.dtype,
        ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"],
    )
}


class SmallBatch:
    """Names and arrays that are taken as they are, in their order. One thread at a time."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.numbers: list[int] = []
        self.shapes: list[tuple[int, ...]] = []
        self._arrays: list[Any] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self.names)

    def take(self, name: str, value: Any) -> bool:
        """Take a tensor, and tell whether that was possible; what is not a small array of a plain type is not taken."""
        if type(value) is not np.ndarray or not isinstance(name, str):
            return False
        number, size = _NUMBERS.get(value.dtype), value.nbytes
        if number is None or size >= _SMALL or not value.flags.c_contiguous:
            return False
        self.names.append(name)
        self.numbers.append(number)
        self.shapes.append(value.shape)
        self._arrays.append(value)
        self._size += size
        return True

    @property
    def is_full(self) -> bool:
        """Whether it is time to write what was taken."""
        return self._size >= _BYTES or len(self.names) >= _TENSORS

    def data(self) -> bytes:
        """Return the bytes of all arrays, one after the other."""
        return b"".join(self._arrays)
