"""Examples as lines of JSON and back, without loss.

One object a record: name to a list of values. Integers and floats are numbers (a float always has a point or an
exponent), bytes that are UTF-8 are strings, and what JSON cannot say stands in an object of its own:
``{"base64": "..."}`` for other bytes, ``{"float": "nan"}`` for numbers that are none, ``{"empty": "int64"}`` in place
of the list for one without values, ``null`` for a feature in which no list is set.
"""

import base64
import json
import math
from typing import Any

from recordfs import _core
from recordfs.errors import InvalidArgumentError
from recordfs.example.plain import decode_example

__all__ = ["example_to_json", "example_to_object", "json_to_features"]


def example_to_json(record: bytes) -> str:
    """One record as a line of JSON, without its end.

    Args:
        record: A serialized Example.

    Raises:
        InvalidArgumentError: Not an Example.
    """
    return json.dumps(example_to_object(record), ensure_ascii=False, allow_nan=False)


def example_to_object(record: bytes) -> dict[str, Any]:
    """One record as an object for ``json``.

    Raises:
        InvalidArgumentError: Not an Example.
    """
    features = decode_example(record)
    kinds = {} if all(values != [] for values in features.values()) else _core.decode_kinds(record)
    return {
        name: {"empty": kinds[name]} if values == [] else _list_to_json(values) for name, values in features.items()
    }


def _list_to_json(values: list[Any] | None) -> Any:
    return None if values is None else [_value_to_json(value) for value in values]


def _value_to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def json_to_features(line: str | bytes) -> dict[str, Any]:
    """The features of a line, for ``encode_example``.

    A single value may stand for a list of one, so that lines of other origin can be read.

    Raises:
        InvalidArgumentError: Not an object of lists of values.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"not a line of JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidArgumentError(f"expected a JSON object, found {type(found).__name__}")
    return {name: _feature_from_json(name, values) for name, values in found.items()}


def _feature_from_json(name: str, values: Any) -> Any:
    if values is None:
        return None
    if isinstance(values, dict) and values.keys() == {"empty"}:
        from recordfs.example.numpy_module import np

        dtypes: dict[Any, Any] = {"int64": np.int64, "float32": np.float32, "bytes": np.bytes_}
        if isinstance(values["empty"], str) and values["empty"] in dtypes:
            return np.array([], dtypes[values["empty"]])
        raise InvalidArgumentError(f"feature {name!r}: {values['empty']!r} is no kind of feature")
    listed = values if isinstance(values, list) else [values]
    return [_value_from_json(name, value) for value in listed]


def _value_from_json(name: str, value: Any) -> Any:
    try:
        match value:
            case int() | float() | str():
                return value
            case {"base64": str(text)}:
                return base64.b64decode(text, validate=True)
            case {"float": str(text)}:
                return float(text)
    except ValueError as error:
        raise InvalidArgumentError(f"feature {name!r}: {error}") from None
    raise InvalidArgumentError(f"feature {name!r}: {value!r} is no value of a feature")
