"""The answers to TensorBoard's questions: ``tensorboard.data.TensorBoardDataProvider``, message by message.

Every answer is bounded in points. A run that cannot be read answers with what is known of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs._core import decode_message, encode_message
from recordfs.redaction import redact
from recordfs.tensorboard import messages
from recordfs.tensorboard.messages import BLOB_SEQUENCE, SCALAR, TENSOR, Query
from recordfs.tensorboard.peeks import Peeks
from recordfs.tensorboard.record_values import ValuePlace, read_blob, values_at
from recordfs.tensorboard.run_points import FILE_OF_LENGTH_SHIFT, points_of
from recordfs.tensorboard.sampling import choose_evenly, choose_points
from recordfs.tensorboard.series import RunSeries, SeriesFinder
from recordfs.tensorboard.values import CLASS_OF_PLUGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recordfs.events.points import Points
    from recordfs.events.purge import Purge
    from recordfs.tensorboard.catalog import LogCatalog
    from recordfs.tensorboard.log_file import LogFile

__all__ = ["DataProvider", "ScalarCurve"]

MOST_POINTS = 30_000
"""Points of one answer of curves. TensorBoard itself takes 12 microseconds a point."""

FEWEST_POINTS = 2
"""Points that a curve has at least, however many there are, if it has as many."""

MOST_VALUES = 4_096
"""Points of one answer of tensors or blobs."""

MOST_BYTES = 128 << 20
"""Bytes of one answer of tensors; TensorBoard takes messages of up to 256 MiB."""


class ScalarCurve(NamedTuple):
    """The points of a scalar to show."""

    steps: Any
    wall_times: Any
    values: Any


class DataProvider:
    """Answers TensorBoard's questions about a catalog. Safe to use from many threads.

    Args:
        catalog: The runs.
        name: What to call them.
        purge: Which points count after a restart, as ``recordfs.events.columns`` takes it.

    Attributes:
        before_plugins: Called before each answer to ``ListPlugins``.
    """

    def __init__(self, catalog: LogCatalog, name: str = "", purge: Purge = "tensorboard") -> None:
        self.before_plugins: Callable[[], object] | None = None
        self._catalog = catalog
        self._name = name
        self._purge = purge
        self._peeks = Peeks(catalog)
        self._series = SeriesFinder(catalog, self._peeks)

    # The calls of the service: a request's bytes in, a response's bytes out.

    def GetExperiment(self, request: bytes) -> bytes:  # noqa: N802 (the service's name, as those below)
        """Return where the runs are."""
        location = ", ".join(redact(directory.path) for directory in self._catalog.directories)
        partial = len(self._catalog.partial_runs())
        if partial:
            location += f" (recordfs is still reading {partial} of {len(self._catalog.runs())} runs)"
        return messages.experiment(location, self._name)

    def ListPlugins(self, request: bytes) -> bytes:  # noqa: N802
        """Return the plugins that some tag is for."""
        if self.before_plugins is not None:
            self.before_plugins()
        return messages.plugins({"scalars": None, **self._series.plugins()})

    def ListRuns(self, request: bytes) -> bytes:  # noqa: N802
        """Return the runs, and when each began."""
        return messages.runs((run, _start_of(files)) for run, files in self._catalog.runs().items())

    def ListScalars(self, request: bytes) -> bytes:  # noqa: N802
        """Return the tags with scalars."""
        return self._list(Query.from_message(request), SCALAR)

    def ListTensors(self, request: bytes) -> bytes:  # noqa: N802
        """Return the tags with tensors."""
        return self._list(Query.from_message(request), TENSOR)

    def ListBlobSequences(self, request: bytes) -> bytes:  # noqa: N802
        """Return the tags with sequences of blobs."""
        return self._list(Query.from_message(request), BLOB_SEQUENCE)

    def ReadScalars(self, request: bytes) -> bytes:  # noqa: N802
        """Return points of scalars."""
        query = Query.from_message(request)
        curves = self.scalar_curves(query)
        return messages.tags_by_run(
            (run, [messages.scalar_points(tag, *curve) for tag, curve in by_tag.items()])
            for run, by_tag in curves.items()
        )

    def ReadTensors(self, request: bytes) -> bytes:  # noqa: N802
        """Return points of tensors."""
        return self._read_values(Query.from_message(request), TENSOR)

    def ReadBlobSequences(self, request: bytes) -> bytes:  # noqa: N802
        """Return points of sequences of blobs, by keys."""
        return self._read_values(Query.from_message(request), BLOB_SEQUENCE)

    def ReadBlob(self, request: bytes) -> Iterator[bytes]:  # noqa: N802
        """Return one blob.

        Raises:
            InvalidArgumentError: The key is none that ``ReadBlobSequences`` gave.
            NotFoundError: What it names is gone.
        """
        blob = read_blob(
            self._catalog, "".join(value.decode() for number, value in decode_message(request) if number == 1)
        )
        for begin in range(0, len(blob), 8 << 20) or (0,):
            yield encode_message([(1, "b", blob[begin : begin + (8 << 20)])])

    # What the launcher asks for as well.

    def tags_of(self, plugin: str) -> dict[str, RunSeries]:
        """Return the series that a dashboard shows; runs without any are left out."""
        return self._choose(Query(plugin, None, None, 0), CLASS_OF_PLUGIN[plugin])

    def blobs_of(self, tag: str, series: RunSeries) -> int:
        """Return the most blobs that the points of a series have, as the newest of each file shows."""
        if series.tags[tag].key[0] != "summary":
            return 1
        return max(self._peeks.blobs(file, tag) for file in series.files)

    def scalar_curves(self, query: Query) -> dict[str, dict[str, ScalarCurve]]:
        """Return the curves of some tags in some runs, with a bounded number of points in all."""
        chosen = self._choose(query, SCALAR)
        count = sum(len(series.tags) for series in chosen.values())
        if not count or query.points <= 0:
            return {}
        most = max(FEWEST_POINTS, min(query.points, MOST_POINTS // count)) if query.points > 1 else 1
        curves: dict[str, dict[str, ScalarCurve]] = {}
        for run, tag, points in points_of(self._catalog, self._peeks, chosen, self._purge):
            kept = points.take(choose_points(points.value, most))
            curves.setdefault(run, {})[tag] = ScalarCurve(kept.step, kept.wall_time, kept.value)
        return curves

    # How they are found.

    def _list(self, query: Query, data_class: int) -> bytes:
        chosen = self._choose(query, data_class)
        return messages.tags_by_run((run, self._listed(series, data_class)) for run, series in chosen.items())

    def _listed(self, series: RunSeries, data_class: int) -> list[bytes]:
        newest, is_partial = series.newest(), series.is_partial
        return [
            messages.tag_metadata(
                tag,
                newest(one.key),
                one.metadata(is_partial=is_partial),
                blobs=self.blobs_of(tag, series) if data_class == BLOB_SEQUENCE else 0,
            )
            for tag, one in series.tags.items()
        ]

    def _choose(self, query: Query, data_class: int) -> dict[str, RunSeries]:
        return self._series.choose(query.plugin, data_class, query.runs, query.tags)

    def _read_values(self, query: Query, data_class: int) -> bytes:
        chosen = self._choose(query, data_class)
        count = sum(len(series.tags) for series in chosen.values())
        if not count or query.points <= 0:
            return b""
        most = max(1, min(query.points, MOST_VALUES // count))
        places: dict[int, list[ValuePlace]] = {}
        shown: list[tuple[str, str, Points, Any]] = []
        for run, tag, points in points_of(self._catalog, self._peeks, chosen, self._purge):
            kept = points.take(choose_evenly(len(points.step), most))
            assert kept.length is not None
            numbers, lengths = kept.length >> FILE_OF_LENGTH_SHIFT, kept.length & ((1 << FILE_OF_LENGTH_SHIFT) - 1)
            for number, offset, length in zip(numbers, kept.value, lengths, strict=True):
                place = ValuePlace(int(offset), int(length), tag, chosen[run].tags[tag])
                places.setdefault(int(number), []).append(place)
            shown.append((run, tag, kept, numbers))
        files = [file for file in (self._catalog.file(number) for number in places) if file is not None]
        found = self._catalog.gather(lambda file: values_at(file, places[file.number]), files)
        answers: dict[str, list[bytes]] = {}
        size = 0
        for run, tag, kept, numbers in shown:
            steps, walls, values = [], [], []
            for index, (number, offset) in enumerate(zip(numbers, kept.value, strict=True)):
                value = found.get(int(number), {}).get((int(offset), tag))
                if value is not None and size + len(value) <= MOST_BYTES:
                    size += len(value)
                    steps.append(int(kept.step[index]))
                    walls.append(float(kept.wall_time[index]))
                    values.append(value)
            if data_class == TENSOR:
                answers.setdefault(run, []).append(messages.tensor_points(tag, steps, walls, values))
            else:
                keys = [value.decode().split(" ") for value in values]
                answers.setdefault(run, []).append(messages.blob_points(tag, steps, walls, keys))
        return messages.tags_by_run(answers.items())


def _start_of(files: list[LogFile]) -> float:
    times = [time for time in (file.first_wall_time for file in files) if time is not None]
    return min(times, default=0.0)
