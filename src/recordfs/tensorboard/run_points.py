"""The points of series: from all files of their runs at once, with what counts after restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.events.points import Points
from recordfs.events.purge import purge_points
from recordfs.tensorboard.peeks import TAGGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recordfs.events.points import Start
    from recordfs.events.purge import Purge
    from recordfs.events.tag_sets import TagKey
    from recordfs.tensorboard.catalog import LogCatalog
    from recordfs.tensorboard.log_file import LogFile
    from recordfs.tensorboard.peeks import Peeks
    from recordfs.tensorboard.series import RunSeries

__all__ = ["FILE_OF_LENGTH_SHIFT", "points_of"]

FILE_SHIFT = 48
"""The order of points is a number of 64 bits: the place of the file in its run in its upper 16."""

FILE_OF_LENGTH_SHIFT = 40
"""Lengths of records have the number of their file above these bits, so that both stay together."""


def points_of(
    catalog: LogCatalog, peeks: Peeks, chosen: Mapping[str, RunSeries], purge: Purge
) -> Iterator[tuple[str, str, Points]]:
    """Yield ``(run, tag, points)`` of all series that have any.

    A file that does not answer in time, or cannot be read, counts by what is in memory of it. ``purge`` says which
    points count after a restart, as ``purge_points`` takes it.
    """
    catalog.prefer(chosen)
    keys: dict[int, list[TagKey]] = {}
    files: dict[int, LogFile] = {}
    for series in chosen.values():
        of_run = list(dict.fromkeys(one.key for one in series.tags.values()))
        for file in series.files:  # one without the tag says where the job started again
            keys[file.number] = of_run
            files[file.number] = file
    answers = catalog.gather(lambda file: file.points(keys[file.number]), files.values())
    for number, file in files.items():
        if number not in answers:
            answers[number] = (file.known_points(keys[number]), [])
    for run, series in chosen.items():
        starts = _starts_of(series.files, answers)
        for tag, one in series.tags.items():
            parts = []
            for place, file in enumerate(series.files):
                points = answers[file.number][0].get(one.key)
                if points is not None and one.key == TAGGED:
                    points = points.at_places(peeks.tagged(file).get(tag, set()))
                if points is not None:
                    parts.append(points.moved(place << FILE_SHIFT)._replace(length=_with_file(points, file)))
            if parts:
                kind = "float32" if one.key[0] == "scalar" else one.key[0]
                yield run, tag, purge_points(Points.joined(parts, kind), starts, purge)


def _starts_of(files: list[LogFile], answers: Mapping[int, tuple[Any, list[Start]]]) -> list[Start]:
    starts = []
    for place, file in enumerate(files):
        starts += [start._replace(order=start.order + (place << FILE_SHIFT)) for start in answers[file.number][1]]
    return sorted(starts)


def _with_file(points: Points, file: LogFile) -> Any:
    return None if points.length is None else points.length | (file.number << FILE_OF_LENGTH_SHIFT)
