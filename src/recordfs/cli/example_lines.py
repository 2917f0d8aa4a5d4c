"""How an Example is shown: a line for each feature, or a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.cli.record_lines import preview
from recordfs.example.plain import strictly_decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.example.plain import PlainFeature

__all__ = ["EXAMPLE_COLUMNS", "example_json", "example_rows"]

EXAMPLE_COLUMNS = (">record", "feature", "kind", ">values", "data")
"""The heads of a table of features; the cells come from ``example_rows``."""

_KINDS = {int: "int64", float: "float32", bytes: "bytes"}


def example_rows(index: int, data: bytes, width: int) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each feature of one record; the steps of a feature list are lines of their own.

    Raises:
        InvalidArgumentError: The record is neither an Example nor a SequenceExample.
    """
    features, lists = strictly_decoded(data, sequence=True)
    for name, values in sorted(features.items()):
        yield (str(index), name, *_cells(values, width))
    for name, steps in sorted(lists.items()):
        for step, values in enumerate(steps):
            yield (str(index), f"{name}[{step}]", *_cells(values, width))


def _cells(values: PlainFeature, width: int) -> tuple[str, str, str]:
    if not values:
        return ("unset" if values is None else "empty", "0", "")
    kind = _KINDS[type(values[0])]
    return (kind, str(len(values)), _shown(values, width))


def _shown(values: list[Any], width: int) -> str:
    """The first values, in at most ``width`` characters."""
    if isinstance(values[0], bytes) and len(values) == 1:
        return preview(values[0], width)
    shown: list[str] = []
    length = 0
    for value in values:
        text = (
            preview(value, width)
            if isinstance(value, bytes)
            else f"{value:.7g}"
            if isinstance(value, float)
            else str(value)
        )
        length += len(text) + 1
        if length > width:
            return " ".join([*shown, "…"])
        shown.append(text)
    return " ".join(shown)


def example_json(path: str, index: int, offset: int, data: bytes) -> dict[str, Any]:
    """Return what JSON says about a record that is an Example.

    Raises:
        InvalidArgumentError: The record is neither an Example nor a SequenceExample.
    """
    from recordfs.example.jsonl import example_to_object

    whole = example_to_object(data, sequence=True)
    shown = {"path": path, "record": index, "offset": offset, "features": whole["context"]}
    return shown | ({"feature_lists": whole["feature_lists"]} if whole["feature_lists"] else {})
