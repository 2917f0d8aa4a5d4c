"""Values to write: arrays and nested lists made into what a feature can hold, or refused.

A feature holds int64, float32 or bytes. Whatever fits into one of them without loss is taken; doubles go by the one
rule of ``doubles.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError
from recordfs.example.numpy_module import np

if TYPE_CHECKING:
    from recordfs.example.columns import Array

__all__ = ["as_plain", "numeric_column", "rounded"]


def as_plain(value: Any) -> Any:
    """A value that native code does not know as one that it does.

    Args:
        value: An array of another layout, byte order or type, a nested list, a tensor, a NumPy scalar.

    Returns:
        A contiguous native array, or a flat list of bytes, str, int or float; an empty list is one of bytes.

    Raises:
        InvalidArgumentError: It cannot be written without loss.
    """
    if isinstance(value, list | tuple):
        leaves: list[Any] = []
        _collect_leaves(value, leaves)
        if not leaves:
            raise InvalidArgumentError("an empty list has no type; give numpy.array([], dtype)")
        _check_one_kind(leaves)
        return leaves
    if not hasattr(value, "__array__") and not hasattr(value, "__buffer__"):
        raise InvalidArgumentError(f"cannot be written as bytes, floats or integers: {type(value).__name__}")
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        return as_plain(array.ravel().tolist()) if array.size else []
    if np.can_cast(array.dtype, np.int64):
        return np.ascontiguousarray(array, dtype=np.int64)
    if np.can_cast(array.dtype, np.float32):
        return np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype.kind in "uf" and array.dtype.itemsize == 8:
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    raise InvalidArgumentError(
        f"an array of {array.dtype} does not fit into int64 or float32 without loss; convert it with astype"
    )


def _collect_leaves(value: Any, leaves: list[Any]) -> None:
    """Append every scalar in nested lists and arrays, in order."""
    for item in value:
        if isinstance(item, list | tuple):
            _collect_leaves(item, leaves)
        elif isinstance(item, bytes | bytearray | str | int | float):
            leaves.append(item)
        elif hasattr(item, "__array__"):
            plain = np.asarray(as_plain(item))
            leaves.extend(plain.ravel().tolist())
        else:
            raise InvalidArgumentError(f"cannot be written as bytes, floats or integers: {type(item).__name__}")


def _check_one_kind(leaves: list[Any]) -> None:
    """Refuse a list of text and numbers: a feature has one type."""
    texts = [isinstance(leaf, bytes | bytearray | str) for leaf in leaves]
    if any(texts) and not all(texts):
        text, number = leaves[texts.index(True)], leaves[texts.index(False)]
        raise InvalidArgumentError(
            f"a list holds {type(text).__name__} and {type(number).__name__}, {text!r:.40} and {number!r:.40}, and a "
            "feature has one type"
        )


def numeric_column(array: Any, *, exact: bool = False) -> Any:
    """A whole column of numbers as contiguous int64 or float32.

    Args:
        array: Integers or floats.
        exact: Whether a double that no float32 equals is an error.

    Raises:
        InvalidArgumentError: A value does not fit.
    """
    plain = as_plain(array)
    if plain.dtype == np.uint64:
        if plain.max(initial=0) > np.iinfo(np.int64).max:
            raise InvalidArgumentError(f"{plain.max()} does not fit into an int64, which is what a feature holds")
        return plain.astype(np.int64)
    return rounded(plain, exact=exact) if plain.dtype == np.float64 else plain


def rounded(doubles: Array, *, exact: bool) -> Array:
    """An array of float64 as float32.

    Raises:
        InvalidArgumentError: A number beyond float32's range; with ``exact``, one that no float32 equals.
    """
    with np.errstate(over="ignore"):
        floats: Array = doubles.astype(np.float32)
    lost = np.isinf(floats) & ~np.isinf(doubles)
    if lost.any():
        raise InvalidArgumentError(
            f"{doubles[lost].flat[0]} does not fit into a float32, which is what a feature holds"
        )
    if exact:
        changed = (floats != doubles) & ~np.isnan(doubles)
        if changed.any():
            raise InvalidArgumentError(
                f"{doubles[changed].flat[0]} is a double that no float32 equals; "
                f'doubles="round" writes the nearest, {floats[changed].flat[0]}'
            )
    return floats
