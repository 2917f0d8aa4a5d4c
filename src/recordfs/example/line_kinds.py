"""One kind for each feature of a whole file of JSON lines, because whoever parses the records asks for one.

``{"price": 10}`` and ``{"price": 10.5}`` are a float32 feature. Numbers here and text there are an error that names
both lines.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.example.jsonl import LineFeatures
from recordfs.example.plain import EmptyList

__all__ = ["LineKinds"]

# More distinct features than this are no table; the limit keeps the memory of a hostile file bounded.
_MAX_FEATURES = 10_000

_WORDS = {"bytes": "text or bytes", "float32": "floats", "int64": "integers"}

_FLOAT32 = struct.Struct("f")


class _Seen(NamedTuple):
    kind: str
    line: int


class LineKinds:
    """The kinds of a file's features: show it every line, then let it settle each line's values."""

    def __init__(self) -> None:
        self._context: dict[str, _Seen] = {}
        self._feature_lists: dict[str, _Seen] = {}

    def see(self, line: int, features: LineFeatures) -> None:
        """Note the kinds of a line.

        Raises:
            InvalidArgumentError: A feature has bytes here and numbers in an earlier line, or there are more than 10,000
                features.
        """
        for name, values in features.context.items():
            _note(self._context, name, line, values)
        for name, steps in features.feature_lists.items():
            for step in steps:
                _note(self._feature_lists, name, line, step)

    def settled(self, features: LineFeatures) -> LineFeatures:
        """The line's values, each list of its feature's kind.

        Raises:
            InvalidArgumentError: An integer of a feature of floats that no float32 equals; an empty list of which no
                line tells the kind.
        """
        return LineFeatures(
            {name: _of_kind(name, values, self._context) for name, values in features.context.items()},
            {
                name: [_of_kind(name, step, self._feature_lists) for step in steps]
                for name, steps in features.feature_lists.items()
            },
        )


def _note(seen: dict[str, _Seen], name: str, line: int, values: list[Any] | None) -> None:
    kind = _kind_of(values)
    if kind is None:
        return
    known = seen.get(name)
    if known is None:
        if len(seen) == _MAX_FEATURES:
            raise InvalidArgumentError(f"line {line}: more than {_MAX_FEATURES:,} different features are no table")
        seen[name] = _Seen(kind, line)
    elif known.kind != kind:
        if "bytes" in (known.kind, kind):
            raise InvalidArgumentError(
                f"line {line}: feature {name!r} has {_WORDS[kind]} here and {_WORDS[known.kind]} in line {known.line}: "
                "a feature has one kind"
            )
        seen[name] = _Seen("float32", line)


def _kind_of(values: list[Any] | None) -> str | None:
    """The kind that some values show; None for none."""
    if isinstance(values, EmptyList):
        return values.kind
    if not values:
        return None
    if isinstance(values[0], str | bytes):
        return "bytes"
    return "float32" if any(isinstance(value, float) for value in values) else "int64"


def _of_kind(name: str, values: list[Any] | None, seen: dict[str, _Seen]) -> list[Any] | None:
    if values is None:
        return None
    known = seen.get(name)
    if not values:
        if known is None:
            raise InvalidArgumentError(
                f'feature {name!r} is empty in every line, so that its type is unknown: write {{"empty": "int64"}} '
                "(or float32, bytes) in place of the list, or null for a feature without one"
            )
        return EmptyList(known.kind)
    if known is not None and known.kind == "float32":
        return [_as_float(name, value) for value in values]
    return values


def _as_float(name: str, value: Any) -> Any:
    """An integer of a feature of floats."""
    if not isinstance(value, int):
        return value
    try:
        number = float(_FLOAT32.unpack(_FLOAT32.pack(value))[0])
    except OverflowError:
        number = float("inf")
    if number != value:
        raise InvalidArgumentError(
            f"feature {name!r}: the integer {value} of a feature of floats does not fit into a float32 without loss"
        )
    return number
