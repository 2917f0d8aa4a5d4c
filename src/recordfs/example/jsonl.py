"""Examples and SequenceExamples as lines of JSON and back, without loss.

One object a record: name to a list of values. Integers and floats are numbers (a float always has a point or an
exponent), bytes that are UTF-8 are strings, and what JSON cannot say stands in an object of its own:
``{"base64": "..."}`` for other bytes, ``{"float": "nan"}`` for numbers that are none, ``{"empty": "int64"}`` in place
of the list for one without values, ``null`` for a feature in which no list is set.

A SequenceExample is ``{"context": {...}, "feature_lists": {name: [step, ...]}}`` of such objects and steps.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any, NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.example.plain import EmptyList, strictly_decoded

__all__ = ["LineFeatures", "example_to_object", "line_to_features", "record_to_line"]

_KINDS = ("bytes", "float32", "int64")


class LineFeatures(NamedTuple):
    """What a line says: values as ``encode_sequence_example`` takes them. Of an Example ``feature_lists`` is empty."""

    context: dict[str, Any]
    feature_lists: dict[str, list[Any]]


def record_to_line(record: bytes, *, sequence: bool = False) -> bytes:
    """One record as a line of JSON, with its end.

    Args:
        record: A serialized Example, or a SequenceExample.
        sequence: Whether it is a SequenceExample.

    Raises:
        InvalidArgumentError: Another message.
    """
    line = json.dumps(example_to_object(record, sequence=sequence), ensure_ascii=False, allow_nan=False)
    return line.encode("utf-8", "surrogatepass") + b"\n"


def example_to_object(record: bytes, *, sequence: bool = False) -> dict[str, Any]:
    """One record as an object for ``json``.

    Raises:
        InvalidArgumentError: Another message.
    """
    context, feature_lists = strictly_decoded(record, sequence=sequence)
    features = {name: _list_to_json(values) for name, values in context.items()}
    if not sequence:
        return features
    lists = {name: [_list_to_json(step) for step in steps] for name, steps in feature_lists.items()}
    return {"context": features, "feature_lists": lists}


def _list_to_json(values: list[Any] | None) -> Any:
    if isinstance(values, EmptyList):
        return {"empty": values.kind}
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


def line_to_features(line: str | bytes, *, sequence: bool = False) -> LineFeatures:
    """What a line says.

    A single value may stand for a list of one, so that lines of other origin can be read.

    Args:
        line: One object of JSON.
        sequence: Whether it is a SequenceExample.

    Raises:
        InvalidArgumentError: Not such an object: no JSON, other values, a name twice, a number beyond all floats.
    """
    try:
        found = _DECODER.decode(line if isinstance(line, str) else line.decode())
    except InvalidArgumentError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"not a line of JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidArgumentError(f"expected a JSON object, found {type(found).__name__}")
    if not sequence:
        return LineFeatures(_features_from_json(found), {})
    context, lists = found.get("context", {}), found.get("feature_lists", {})
    if not (found.keys() <= {"context", "feature_lists"} and isinstance(context, dict) and isinstance(lists, dict)):
        raise InvalidArgumentError('a SequenceExample is {"context": {...}, "feature_lists": {...}} and nothing else')
    return LineFeatures(_features_from_json(context), {name: _steps_from_json(name, lists[name]) for name in lists})


def _one_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidArgumentError(f"{twice!r} occurs twice in one object, and only one of them could be kept")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidArgumentError(f'{text} is larger than any float; infinity is written {{"float": "inf"}}')
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_one_of_each, parse_float=_finite)


def _features_from_json(found: dict[str, Any]) -> dict[str, Any]:
    return {name: _list_from_json(name, values) for name, values in found.items()}


def _steps_from_json(name: str, steps: Any) -> list[Any]:
    if not isinstance(steps, list):
        raise InvalidArgumentError(f"feature list {name!r}: expected a list of steps, found {steps!r}")
    return [_list_from_json(name, step) for step in steps]


def _list_from_json(name: str, values: Any) -> Any:
    if values is None:
        return None
    if isinstance(values, dict) and values.keys() == {"empty"}:
        if values["empty"] in _KINDS:
            return EmptyList(values["empty"])
        raise InvalidArgumentError(f"feature {name!r}: {values['empty']!r} is not a type of feature")
    listed = values if isinstance(values, list) else [values]
    return [_value_from_json(name, value) for value in listed]


def _special_float(text: str) -> float:
    """Return what ``{"float": text}`` stands for; a number too large for a float is none of the infinities."""
    number = float(text)
    if math.isinf(number) and "inf" not in text.lower():
        raise ValueError(f"{text} is larger than any float")
    return number


def _value_from_json(name: str, value: Any) -> Any:
    try:
        match value:
            case int() | float() | str():
                return value
            case {"base64": str(text), **others} if not others:
                return base64.b64decode(text, validate=True)
            case {"float": str(text), **others} if not others:
                return _special_float(text)
    except ValueError as error:
        raise InvalidArgumentError(f"feature {name!r}: {error}") from None
    raise InvalidArgumentError(f"feature {name!r}: {value!r} is not a value of a feature")
