"""The types that tensors in checkpoints have: TensorFlow's numbers and names, and what NumPy calls them.

Source: ``tensorflow/core/framework/types.proto``. NumPy itself lacks bfloat16 and the types of 8 bits and fewer that
are no plain integers; the package ``ml_dtypes`` brings them. It takes a byte for an element of 4 or 2 bits, as
checkpoints do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.checkpoint.numpy_module import np
from recordfs.errors import InvalidArgumentError, MissingDependencyError, UnimplementedError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["STRING", "VARIANT", "TensorType", "array_of", "type_for", "type_numbered"]


def array_of(value: Any) -> np.ndarray[Any, Any]:
    """Return what NumPy makes an array of; strings that are no array yet as an array of objects.

    NumPy's own strings have a fixed width that NULs fill up, so that they lose those at their end.
    """
    if isinstance(value, bytes | str):
        scalar = np.empty((), object)
        scalar[()] = value
        return scalar
    found = np.asarray(value)
    if found.dtype.kind in "SU" and isinstance(value, list | tuple):
        return np.array(value, object)
    return found


class TensorType(NamedTuple):
    """A type of elements.

    Attributes:
        number: TensorFlow's number, which the index stores.
        name: TensorFlow's name, such as ``"float32"`` or ``"qint8"``.
        numpy_name: The name of the NumPy type that holds the same bytes; empty where there is none.
        needs_ml_dtypes: That NumPy type comes with ``ml_dtypes``.
    """

    number: int
    name: str
    numpy_name: str
    needs_ml_dtypes: bool = False

    def numpy_type(self) -> np.dtype[Any]:
        """Return the NumPy type; ``object`` for strings, whose elements are ``bytes``.

        Raises:
            MissingDependencyError: It comes with ``ml_dtypes``, which is not installed.
            UnimplementedError: NumPy has none, as for a variant.
        """
        if not self.numpy_name:
            raise UnimplementedError(
                f"elements of type {self.name} are C++ objects that only TensorFlow can make sense of"
                if self is VARIANT
                else f"elements of type {self.name} are not known to this version of recordfs"
            )
        if not self.needs_ml_dtypes:
            return np.dtype(self.numpy_name)
        try:
            import ml_dtypes
        except ImportError as error:
            raise MissingDependencyError(
                f"elements of type {self.name} need ml_dtypes: pip install 'recordfs[checkpoint]'"
            ) from error
        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, self.numpy_name))
        return found


_PLAIN = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    8: "complex64",
    9: "int64",
    10: "bool",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
_QUANTIZED = {11: "int8", 12: "uint8", 13: "int32", 15: "int16", 16: "uint16"}
_ML_DTYPES = {
    14: "bfloat16",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    29: "int4",
    30: "uint4",
    31: "int2",
    32: "uint2",
    33: "float4_e2m1fn",
}

STRING = TensorType(7, "string", "object")
"""Elements are bytes of any length."""

VARIANT = TensorType(21, "variant", "")
"""Elements are serialized C++ objects."""

_TYPES = [
    STRING,
    VARIANT,
    *(TensorType(number, name, name) for number, name in _PLAIN.items()),
    *(TensorType(number, f"q{name}", name) for number, name in _QUANTIZED.items()),
    *(TensorType(number, name, name, needs_ml_dtypes=True) for number, name in _ML_DTYPES.items()),
]
_BY_NUMBER = {known.number: known for known in _TYPES}
_BY_NAME = {known.name: known for known in _TYPES}
# What was found before: NumPy makes the name of a type at each call.
_BY_NUMPY_TYPE: dict[np.dtype[Any], TensorType] = {}


def type_numbered(number: int) -> TensorType:
    """Return the type that an index calls by a number; one that nobody knows has no NumPy type."""
    return _BY_NUMBER.get(number) or TensorType(number, f"number {number}", "")


def type_for(dtype: DTypeLike | str) -> TensorType:
    """Return the type for TensorFlow's name, or for a NumPy type.

    Strings of NumPy (``S5``, ``U5``) and objects are ``string``.

    Raises:
        InvalidArgumentError: A checkpoint has no such type.
    """
    if isinstance(dtype, str) and dtype in _BY_NAME:
        found: TensorType | None = _BY_NAME[dtype]
    else:
        try:
            numpy_type = np.dtype(dtype)
        except (TypeError, ValueError, SyntaxError) as error:
            raise InvalidArgumentError(f"{dtype!r} is not a type: {error}") from error
        found = _BY_NUMPY_TYPE.get(numpy_type)
        if found is None:
            found = STRING if numpy_type.kind in "OSUT" else _BY_NAME.get(numpy_type.name)
            if found is not None and numpy_type.kind not in "SUT":  # of those there are any number
                _BY_NUMPY_TYPE[numpy_type] = found
    if found is None or not found.numpy_name:
        raise InvalidArgumentError(f"a checkpoint holds no elements of type {dtype}")
    return found
