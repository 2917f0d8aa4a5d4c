"""The scalars of many runs as one table in a file: Parquet, CSV or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any, Literal

from recordfs.errors import InvalidArgumentError
from recordfs.events.optional import require
from recordfs.file_objects import open_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recordfs.events.columns import Columns
    from recordfs.paths import PathInput

__all__ = ["HEADS", "export_columns", "format_of"]

HEADS = ("run", "tag", "step", "wall_time", "value")
"""The columns of the table; a row is a point."""

FORMATS = ("csv", "jsonl", "parquet")


def format_of(target: str, wanted: str | None) -> str:
    """Return the format that is wanted, or that a name ends with.

    Raises:
        InvalidArgumentError: It is none of the three.
    """
    ending = wanted or target.rpartition(".")[2].lower()
    if ending not in FORMATS:
        raise InvalidArgumentError(f"the format is {', '.join(FORMATS)}; the name ends with none of them", path=target)
    return ending


def export_columns(
    runs: Iterable[tuple[str, Columns]],
    target: PathInput,
    *,
    target_format: Literal["csv", "jsonl", "parquet"] | None = None,
) -> int:
    """Write the scalars of runs as a table; return the number of rows. The file is there whole or not at all.

    Args:
        runs: Names and columns; one run is held in memory at a time.
        target: The file, on any filesystem.
        target_format: None goes by the target's name.

    Raises:
        InvalidArgumentError: The format is none of the three.
        MissingDependencyError: Parquet needs pyarrow.
        Otherwise as writing files does.
    """
    kind = format_of(str(target), target_format)
    count = 0
    with open_output(target) as stream:
        if kind == "parquet":
            return _write_parquet(runs, stream)
        if kind == "csv":
            stream.write((",".join(HEADS) + "\n").encode())
        for run, columns in runs:
            for rows in _rows(run, columns):
                text = _csv(rows) if kind == "csv" else _json_lines(rows)
                stream.write(text.encode("utf-8", "surrogateescape"))
                count += len(rows)
    return count


def _rows(run: str, columns: Columns) -> Iterator[list[tuple[Any, ...]]]:
    for tag, column in columns.items():
        points = zip(column.step.tolist(), column.wall_time.tolist(), column.value.tolist(), strict=True)
        yield [(run, tag, *point) for point in points]


def _csv(rows: list[tuple[Any, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _json_lines(rows: list[tuple[Any, ...]]) -> str:
    return "".join(json.dumps(dict(zip(HEADS, map(_json_value, row), strict=True))) + "\n" for row in rows)


def _json_value(value: Any) -> Any:
    """Return a cell as JSON can hold it: a number that is not finite is "NaN", "Infinity" or "-Infinity"."""
    return value if not isinstance(value, float) or math.isfinite(value) else json.dumps(value)


def _write_parquet(runs: Iterable[tuple[str, Columns]], stream: Any) -> int:
    pa = require("pyarrow", "Parquet files", "'recordfs[arrow]'")
    parquet = require("pyarrow.parquet", "Parquet files", "'recordfs[arrow]'")
    types = (pa.string(), pa.string(), pa.int64(), pa.float64(), pa.float64())
    schema = pa.schema(list(zip(HEADS, types, strict=True)))
    count = 0
    with parquet.ParquetWriter(stream, schema) as writer:
        for run, columns in runs:
            table = columns.to_arrow()
            named = table.add_column(0, "run", pa.array([run] * table.num_rows, pa.string()))
            writer.write_table(named.cast(schema))
            count += table.num_rows
    return count
