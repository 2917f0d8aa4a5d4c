"""The file beside the state file that holds the metrics of each checkpoint: a JSON object of objects of numbers."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from recordfs.checkpoint.publishing import publish
from recordfs.checkpoint.whole_file import read_whole_file
from recordfs.errors import DataLossError, InvalidArgumentError, NotFoundError
from recordfs.paths import join

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.filesystem import FileSystem

__all__ = ["METRICS_FILE", "Metrics", "as_numbers", "read_metrics", "write_metrics"]

METRICS_FILE = "checkpoint_metrics.json"
"""Its name. For the name of each checkpoint it has that of each metric and its value."""

_LARGEST_METRICS = 64 << 20
"""Bytes of a file that are taken for metrics."""

Metrics = dict[str, dict[str, float]]


def as_numbers(metrics: Mapping[str, float] | None, directory: str) -> dict[str, float]:
    """Return metrics as what the file holds.

    Raises:
        InvalidArgumentError: One is not a number.
    """
    numbers = {}
    for name, value in (metrics or {}).items():
        try:
            numbers[str(name)] = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidArgumentError(f"the metric {name!r} is a number, found {value!r}", path=directory) from error
    return numbers


def read_metrics(file_system: FileSystem, directory: str) -> Metrics:
    """Return the metrics of a directory's checkpoints; none if there is no such file.

    Raises:
        DataLossError: It holds something else.
    """
    path = _path(directory)
    try:
        data = read_whole_file(file_system, path, limit=_LARGEST_METRICS)
    except NotFoundError:
        return {}
    try:
        found = json.loads(data)
        return {
            str(name): {str(metric): float(value) for metric, value in values.items()} for name, values in found.items()
        }
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise DataLossError(
            f"expected a JSON object of metrics for each checkpoint, found something else ({error}); move it away "
            "to go on without",
            path=path,
        ) from error


def write_metrics(file_system: FileSystem, directory: str, metrics: Metrics) -> None:
    """Replace the file, all or nothing."""
    # JSON has no word for what is not finite, and few readers take Python's.
    plain = {
        name: {metric: value if math.isfinite(value) else repr(value) for metric, value in values.items()}
        for name, values in metrics.items()
    }
    text = json.dumps(plain, indent=1, sort_keys=True, allow_nan=False) + "\n"
    publish(file_system, _path(directory), [text.encode()])


def _path(directory: str) -> str:
    return join(directory, METRICS_FILE) if directory else METRICS_FILE
