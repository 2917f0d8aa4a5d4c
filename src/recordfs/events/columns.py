"""The scalars of a run as columns: step, wall time and value of each tag as NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from recordfs.errors import NotFoundError
from recordfs.events.file_columns import FileColumns, ReadOptions
from recordfs.events.optional import require, require_numpy
from recordfs.events.points import Points, Start
from recordfs.events.purge import Purge, check_purge, purge_points
from recordfs.events.run_files import files_of_runs
from recordfs.events.stored import read_event_files
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from recordfs.events.cache import ColumnCache
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput
    from recordfs.records.report import Loss

__all__ = ["Column", "Columns", "ColumnsReport", "columns", "columns_of_files"]

FILE_SHIFT = 48
"""The order of points is a number of 64 bits: the file in its upper 16, then the segment in 16, the row in the rest."""


class Column(NamedTuple):
    """The points of a tag, in the order in which they were written: arrays of one length.

    Attributes:
        step: int64.
        wall_time: float64, seconds since 1970.
        value: float32, or float64 if a value was stored so.
    """

    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[Any]


class ColumnsReport(NamedTuple):
    """What was read for columns, and what was lost.

    Attributes:
        files: How many event files.
        indexed_bytes: How many bytes of them were not read, because an index covers them.
        losses: The bytes that gave no event: damage, and records that are not events.
        loss_count: How many such places there are; the first thousand a file are in ``losses``.
        truncated: The files that end inside a record, as they do while their writer is at work or when that died.
        deleted: The files of the run that somebody deleted after they were listed, and before they were read.
    """

    files: int
    indexed_bytes: int
    losses: tuple[Loss, ...]
    loss_count: int
    truncated: tuple[str, ...]
    deleted: tuple[str, ...] = ()


class Columns(dict[str, Column]):
    """Columns by tag, in the order in which the tags first appeared: a dict of the caller's own.

    Attributes:
        report: What was read, and what was lost.
    """

    def __init__(self, columns: Mapping[str, Column], report: ColumnsReport) -> None:
        super().__init__(columns)
        self.report = report

    def to_pandas(self) -> Any:
        """Return one ``pandas.DataFrame`` with the columns tag, step, wall_time and value.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        return require("pandas", "data frames", "pandas").DataFrame(self._long())

    def to_arrow(self) -> Any:
        """Return one ``pyarrow.Table`` with the columns tag, step, wall_time and value.

        Raises:
            MissingDependencyError: pyarrow is not installed.
        """
        return require("pyarrow", "Arrow tables", "'recordfs[arrow]'").table(self._long())

    def _long(self) -> dict[str, Any]:
        np = require_numpy("columns of event files")
        tags = np.array(list(self), dtype=object)
        empty = Column(np.empty(0, "int64"), np.empty(0), np.empty(0, "float32"))
        parts = list(self.values()) or [empty]
        return {
            "tag": np.repeat(tags, [len(column.step) for column in self.values()]),
            "step": np.concatenate([column.step for column in parts]),
            "wall_time": np.concatenate([column.wall_time for column in parts]),
            "value": np.concatenate([column.value for column in parts]),
        }


def columns(
    path: PathInput,
    tags: Sequence[str] | str | None = None,
    *,
    purge: Purge = "none",
    cache: ColumnCache | Literal["remote"] | None = "remote",
    verify_checksums: bool = True,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> Columns:
    """Read the scalars of an event file, or of a run: all event files in a directory, not below it.

    A file with an index gives a tag's points for two reads or three, however long it is. Other files, and what was
    written since the last index, are read whole. Damage never ends it: ``report`` of what is returned tells of bytes
    that gave no event, and of files that were deleted while others of the run were read.

    Args:
        path: An event file, or the directory of a run.
        tags: One tag or several; all, if None. Tags that the run does not have are not in the result.
        purge: Which points count after the job started again: see ``recordfs.events.purge.Purge``.
        cache: Where indexes of files are kept that have none: ``"remote"`` keeps those of files that are not local, in
            ``recordfs.events.cache.cache_directory()``; None keeps and uses none.
        verify_checksums: Whether to check the payloads of records that are read. Blocks of an index always are checked.
        file_system: The filesystem of ``path``, instead of the registered one.
        options: For the registered filesystem.

    Raises:
        MissingDependencyError: NumPy is not installed.
        NotFoundError: There is nothing at the path, the directory holds no event file, or all were deleted meanwhile.
        InvalidArgumentError: ``purge`` is none of the three.
        Otherwise as reading files does.
    """
    check_purge(purge)
    file_system, name = resolve(path, file_system=file_system, options=options)
    found = [file.path for file in files_of_runs(file_system, name) if file.run == "."]
    if not found:
        raise NotFoundError("there is no event file in this directory; EventLog reads those below it", path=name)
    wanted = None if tags is None else [tags] if isinstance(tags, str) else list(tags)
    read_options = ReadOptions(wanted, verify_checksums)
    return columns_of_files(*read_event_files(file_system, found, read_options, cache), purge)


def columns_of_files(files: Sequence[FileColumns], deleted: Sequence[str], purge: Purge) -> Columns:
    """Put the columns of a run's files together, in their order, and leave out the points that do not count."""
    parts: dict[str, list[Points]] = {}
    starts: list[Start] = []
    for number, file in enumerate(files):
        order = number << FILE_SHIFT
        starts += [Start(order + start.order, start.step) for start in file.starts]
        for tag, points in file.points.items():
            parts.setdefault(tag, []).append(points.moved(order))
    found = {}
    for tag, several in parts.items():
        points = purge_points(Points.joined(several, "float32"), starts, purge)
        found[tag] = Column(points.step, points.wall_time, points.value)
    return Columns(found, report_of(files, deleted))


def report_of(files: Sequence[FileColumns], deleted: Sequence[str]) -> ColumnsReport:
    """Return what was read of files, and what was lost."""
    return ColumnsReport(
        len(files),
        sum(file.indexed_bytes for file in files),
        tuple(loss for file in files for loss in file.losses),
        sum(file.loss_count for file in files),
        tuple(file.path for file in files if file.unfinished),
        tuple(deleted),
    )
