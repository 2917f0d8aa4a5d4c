"""What callers give as tensors, and what of it is stored: types, casts that lose nothing unseen, rectangles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.tensor_types import STRING, array_of, type_for
from recordfs.checkpoint.torch_input import array_of_torch, is_torch_tensor
from recordfs.errors import InvalidArgumentError, MissingDependencyError
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recordfs.checkpoint.array_reader import Array
    from recordfs.checkpoint.tensor_types import TensorType

__all__ = ["as_array", "prepared_tensor", "stored_extents", "string_elements"]

_COMPARED = 1 << 20
"""Elements that are compared at once with what a cast made of them: the comparison takes memory, too."""


def prepared_tensor(name: str, value: Any, dtype: str | None) -> tuple[TensorType, Array]:
    """Return the type and a contiguous array of the processor's byte order, copied only where it has to be.

    Args:
        name: The tensor's name, for errors.
        value: What the caller gave.
        dtype: TensorFlow's name of the type to store; None for that of the value.

    Raises:
        InvalidArgumentError: The name is not a str, a checkpoint has no such type, or an element does not fit it.
    """
    if not isinstance(name, str):
        raise InvalidArgumentError(f"a tensor's name has to be a str, found {name!r}")
    found = as_array(name, value)
    try:
        kind = type_for(found.dtype if dtype is None else dtype)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"tensor {name!r}: {error.message}") from None
    if kind is STRING:
        return kind, found
    if found.dtype != kind.numpy_type():
        found = _cast(name, found, kind)
    if not found.dtype.isnative:
        found = found.astype(found.dtype.newbyteorder("="))
    return kind, found if found.flags.c_contiguous else np.ascontiguousarray(found)


def as_array(name: str, value: Any) -> Array:
    """Return what NumPy makes an array of.

    Raises:
        InvalidArgumentError: It makes none, or the mask of a masked array would be lost.
    """
    if isinstance(value, np.ndarray) and type(value) is not np.ndarray and hasattr(value, "filled"):
        raise InvalidArgumentError(f"tensor {name!r} is a masked array, whose mask would be lost; store its filled()")
    try:
        return array_of_torch(value) if is_torch_tensor(value) else array_of(value)
    except MissingDependencyError as error:
        raise MissingDependencyError(f"tensor {name!r}: {error.message}") from error.__cause__
    except (ValueError, TypeError, RuntimeError) as error:  # the last is what other libraries' arrays raise
        raise InvalidArgumentError(f"tensor {name!r} is nothing that NumPy can make an array of: {error}") from error


def _cast(name: str, array: Array, kind: TensorType) -> Array:
    """Return the array as another type.

    Floats may be rounded, as in every cast to a narrower type. What would become another number is refused: whole
    numbers beyond the range, fractions made whole, what is finite made infinite or no number, imaginary parts.
    """
    if array.dtype.kind in "OSUT":
        raise InvalidArgumentError(f"tensor {name!r}: an array of {array.dtype} is not stored as {kind.name}")
    cast = _as_type(array, kind.numpy_type())
    if not np.can_cast(array.dtype, cast.dtype, "safe"):
        flat, made = array.reshape(-1), cast.reshape(-1)
        for start in range(0, flat.size, _COMPARED):
            wrong = _misfits(flat[start : start + _COMPARED], made[start : start + _COMPARED])
            if wrong.any():
                place = start + int(wrong.argmax())
                raise InvalidArgumentError(
                    f"tensor {name!r}: element {place} does not fit {kind.name}: {flat[place]!r} would become "
                    f"{made[place]!r}; cast the array first if that is meant"
                )
    return cast


def _as_type(array: Array, target: np.dtype[Any]) -> Array:
    """Cast without a warning: what NumPy would warn of is looked for, and more."""
    real = array.real if array.dtype.kind == "c" and target.kind != "c" else array
    with np.errstate(all="ignore"):
        try:
            return real.astype(target)
        except TypeError:  # small types of ml_dtypes are cast to each other by way of NumPy's own
            return real.astype(np.float64).astype(target)


def _misfits(values: Array, made: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return for each element whether a cast made another number of it, and not just a rounded one."""
    back = _as_type(made, values.dtype)
    if _is_float(made):
        wrong = np.isfinite(values) != np.isfinite(made)
        wrong |= np.isnan(values) != np.isnan(made)
        if made.dtype.name == "float4_e2m1fn":  # it has no infinity, and rounds by 1 at most
            wrong |= np.abs(values - back) > 1
    else:
        wrong = back != values
        if not _is_float(values):
            # What has as many bits comes back the same even with another sign.
            wrong |= (values < values.dtype.type(0)) != (made < made.dtype.type(0))
        else:
            # The next float above the largest whole number comes back the same where casts saturate.
            real = values.real.astype(np.float64)
            wrong |= (real != 0) & (np.abs(real) >= 2.0 ** (8 * made.dtype.itemsize))
            if made.dtype.kind == "i":
                wrong |= real >= 2.0 ** (8 * made.dtype.itemsize - 1)
    if values.dtype.kind == "c" and made.dtype.kind != "c":
        wrong |= values.imag != 0
    return np.asarray(wrong)


def _is_float(array: Array) -> bool:
    """Tell whether elements are floats, complex ones and those of ``ml_dtypes`` too."""
    return array.dtype.kind in "fc" or (array.dtype.kind == "V" and "float" in array.dtype.name)


def string_elements(name: str, array: Array) -> list[bytes]:
    """Return the elements of an array of strings.

    Raises:
        InvalidArgumentError: One is neither bytes nor str.
    """
    elements = []
    for element in array.reshape(-1).tolist():
        if isinstance(element, str):
            try:
                elements.append(element.encode())
            except UnicodeEncodeError as error:
                raise InvalidArgumentError(f"tensor {name!r} has text that UTF-8 cannot hold: {error}") from error
        elif isinstance(element, bytes):
            elements.append(element)
        else:
            raise InvalidArgumentError(
                f"tensor {name!r} is stored as strings, whose elements have to be bytes or str, found "
                f"{type(element).__name__}"
            )
    return elements


def stored_extents(name: str, shape: tuple[int, ...], slices: Sequence[slice] | slice) -> list[tuple[int, int | None]]:
    """Return start and length of a rectangle in each dimension, None as the length of a whole one.

    Raises:
        TypeError: The start or end of a slice is not a whole number.
        InvalidArgumentError: It does not lie within the shape, or has steps.
    """
    parts: list[Any] = list(slices) if isinstance(slices, tuple | list) else [slices]
    if len(parts) > len(shape):
        raise InvalidArgumentError(f"tensor {name!r} has {len(shape)} dimensions, and the slice {len(parts)}")
    extents: list[tuple[int, int | None]] = []
    for part, dim in zip([*parts, *[slice(None)] * (len(shape) - len(parts))], shape, strict=True):
        if not isinstance(part, slice) or part.step not in (None, 1):
            raise InvalidArgumentError(f"tensor {name!r}: a rectangle has to be slices without steps, found {part!r}")
        start = (
            0 if part.start is None else whole_number(part.start, f"tensor {name!r}: the start of a slice", at_least=0)
        )
        stop = dim if part.stop is None else whole_number(part.stop, f"tensor {name!r}: the end of a slice", at_least=0)
        if not start <= stop <= dim:
            raise InvalidArgumentError(f"tensor {name!r}: {part} does not lie within a dimension of {dim}")
        extents.append((start, None) if stop - start == dim else (start, stop - start))
    return extents
