"""The answers to TensorBoard's questions: ``tensorboard.data.TensorBoardDataProvider``, message by message.

Every answer is bounded in points. A run that cannot be read answers with what is known of it.
"""

from __future__ import annotations

import base64
import binascii
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs._core import decode_message, encode_message
from recordfs.errors import DataLossError, InvalidArgumentError, NotFoundError
from recordfs.events.event import decode_event
from recordfs.events.index import SCALARS
from recordfs.events.points import Points
from recordfs.events.purge import purge_points
from recordfs.redaction import redact
from recordfs.tensorboard import messages
from recordfs.tensorboard.messages import BLOB_SEQUENCE, SCALAR, TENSOR, Query
from recordfs.tensorboard.peeks import TAGGED, Peeks
from recordfs.tensorboard.sampling import choose_evenly, choose_points
from recordfs.tensorboard.values import (
    CLASS_OF_PLUGIN,
    RUN_GRAPH_TAG,
    TAGGED_RUN_METADATA,
    Description,
    blobs_of,
    describe,
    describe_event,
    tensor_of,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from recordfs.events.event import Event, SummaryMetadata
    from recordfs.events.index import TagEntry
    from recordfs.events.points import Start
    from recordfs.tensorboard.catalog import LogCatalog
    from recordfs.tensorboard.log_file import LogFile, TagKey

__all__ = ["DataProvider", "ScalarCurve", "Series"]

_log = logging.getLogger("recordfs")

MOST_POINTS = 30_000
"""Points of one answer of curves. TensorBoard itself takes 12 microseconds a point."""

FEWEST_POINTS = 2
"""Points that a curve has at least, however many there are, if it has as many."""

MOST_VALUES = 4_096
"""Points of one answer of tensors or blobs."""

MOST_BYTES = 128 << 20
"""Bytes of one answer of tensors; TensorBoard takes messages of up to 256 MiB."""

BATCH_BYTES = 16 << 20
"""Bytes of records of one file that are held at a time."""

FILE_SHIFT = 48
"""The order of points is a number of 64 bits: the file of the run in its upper 16."""


PARTIAL_NOTE = (
    "recordfs is still reading some of these runs: their first and newest points are exact, between them are samples."
)

_PARTIAL = encode_message([(3, "b", PARTIAL_NOTE)])
"""SummaryMetadata.summary_description; appended to a message, it is part of it."""

_TOLD = ("scalars", "histograms", "images", "audio")
"""Dashboards that show the description of a tag."""


class ScalarCurve(NamedTuple):
    """The points of a scalar to show."""

    steps: Any
    wall_times: Any
    values: Any


class _Place(NamedTuple):
    """Where a value is that is no scalar."""

    offset: int
    length: int
    tag: str
    series: Series


class Series(NamedTuple):
    """One tag of a run.

    Attributes:
        description: How it is shown.
        newest: The largest step and the latest time.
        key: What its points are asked for by.
        files: The files that have it.
        text: Its description, in Markdown.
    """

    description: Description
    newest: tuple[int, float]
    key: TagKey
    files: list[LogFile]
    text: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether some of its points are not known yet."""
        return any(file.is_partial for file in self.files)

    @property
    def metadata(self) -> bytes:
        """The serialized SummaryMetadata; of a series that is partial and has no description, one that says so."""
        return self.description.metadata + _PARTIAL if self._tells_of_rest else self.description.metadata

    @property
    def shown_text(self) -> str:
        """The description that a card shows, in Markdown."""
        return PARTIAL_NOTE if self._tells_of_rest else self.text

    @property
    def _tells_of_rest(self) -> bool:
        return not self.text and self.description.plugin in _TOLD and self.is_partial


class DataProvider:
    """Answers TensorBoard's questions about a catalog. Safe to use from many threads.

    Args:
        catalog: The runs.
        name: What to call them.

    Attributes:
        before_plugins: Called before each answer to ``ListPlugins``.
    """

    def __init__(self, catalog: LogCatalog, name: str = "") -> None:
        self.before_plugins: Callable[[], object] | None = None
        self._catalog = catalog
        self._name = name
        self._peeks = Peeks(catalog)
        self._scalars: dict[tuple[str, SummaryMetadata | None], Sequence[tuple[str, Description, TagKey]]] = {}
        # Of each run what was found last, and how much was known then.
        self._series: dict[str, tuple[tuple[tuple[int, int], ...], dict[str, Series]]] = {}

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
        found = {"scalars": None}
        for series in self._series_by_run(None).values():
            found.update((one.description.plugin, None) for one in series.values())
        return messages.plugins(found)

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
        key = "".join(value.decode() for number, value in decode_message(request) if number == 1)
        number, offset, length, place, tag = _read_key(key)
        file = self._catalog.file(number)
        if file is None:
            raise NotFoundError("this blob's file is none of this log directory's")
        [record] = file.read([(offset, length)])
        blobs = blobs_of(decode_event(record), tag, _metadata_of(file, tag))
        if place >= len(blobs):
            raise NotFoundError("there is no such blob any more", path=file.path)
        blob = blobs[place]
        for begin in range(0, len(blob), 8 << 20) or (0,):
            yield encode_message([(1, "b", blob[begin : begin + (8 << 20)])])

    # What the launcher asks for as well.

    def tags_of(self, plugin: str) -> dict[str, dict[str, Series]]:
        """Return the series that a dashboard shows, by run and tag; runs without any are left out."""
        return self._choose(Query(plugin, None, None, 0), CLASS_OF_PLUGIN[plugin])

    def blobs_of(self, tag: str, series: Series) -> int:
        """Return the most blobs that the points of a series have, as the newest of each file shows."""
        if series.key[0] != "summary":
            return 1
        return max(self._peeks.blobs(file, tag) for file in series.files)

    def scalar_curves(self, query: Query) -> dict[str, dict[str, ScalarCurve]]:
        """Return the curves of some tags in some runs, with a bounded number of points in all."""
        chosen = self._choose(query, SCALAR)
        count = sum(len(series) for series in chosen.values())
        if not count or query.points <= 0:
            return {}
        most = max(FEWEST_POINTS, min(query.points, MOST_POINTS // count)) if query.points > 1 else 1
        curves: dict[str, dict[str, ScalarCurve]] = {}
        for run, tag, points in self._points(chosen):
            kept = points.take(choose_points(points.value, most))
            curves.setdefault(run, {})[tag] = ScalarCurve(kept.step, kept.wall_time, kept.value)
        return curves

    # How they are found.

    def _list(self, query: Query, data_class: int) -> bytes:
        chosen = self._choose(query, data_class)
        return messages.tags_by_run(
            (
                run,
                [
                    messages.tag_metadata(
                        tag,
                        one.newest,
                        one.metadata,
                        blobs=self.blobs_of(tag, one) if data_class == BLOB_SEQUENCE else 0,
                    )
                    for tag, one in series.items()
                ],
            )
            for run, series in chosen.items()
        )

    def _choose(self, query: Query, data_class: int) -> dict[str, dict[str, Series]]:
        found = {}
        for run, series in self._series_by_run(query.runs).items():
            tags = series if query.tags is None else [tag for tag in dict.fromkeys(query.tags) if tag in series]
            wanted = (query.plugin, data_class)
            chosen = {tag: series[tag] for tag in tags if series[tag].description[:2] == wanted}
            if chosen:
                found[run] = chosen
        return found

    def _series_by_run(self, wanted: frozenset[str] | None) -> dict[str, dict[str, Series]]:
        runs = self._catalog.runs()
        self._peeks.prepare(file for run, files in runs.items() if wanted is None or run in wanted for file in files)
        return {run: self._series_in(run, files) for run, files in runs.items() if wanted is None or run in wanted}

    def _series_in(self, run: str, files: list[LogFile]) -> dict[str, Series]:
        """Return the series of a run; put together anew only when more is known of one of its files."""
        known = tuple((file.number, file.looks) for file in files)
        found = self._series.get(run)
        if found is None or found[0] != known:
            found = (known, self._series_of(files))
            self._series[run] = found
        return found[1]

    def _series_of(self, files: list[LogFile]) -> dict[str, Series]:
        found: dict[str, Series] = {}
        for file in files:
            only_file = [file]
            for entry in file.entries():
                metadata = entry.metadata
                # Runs of one program have the same tags; of 1,000 with 200 each this is most of the time of a list.
                known = self._scalars.get((entry.tag, metadata)) if entry.kind in SCALARS else None
                for tag, description, key in self._shown_as(file, entry) if known is None else known:
                    newest = (entry.max_step, entry.max_wall_time)
                    before = found.get(tag)
                    if before is None:
                        text = "" if metadata is None else metadata.summary_description
                        found[tag] = Series(description, newest, key, only_file, text)
                    elif before.key == key:  # only the first kind of a tag is shown
                        merged = (max(before.newest[0], newest[0]), max(before.newest[1], newest[1]))
                        found[tag] = before._replace(newest=merged, files=[*before.files, file])
        return found

    def _shown_as(self, file: LogFile, entry: TagEntry) -> Sequence[tuple[str, Description, TagKey]]:
        """Return the tags under which a series of a file is shown, each with its description and its key."""
        if entry.is_scalar:
            description = describe(entry, None)
            shown = () if description is None else ((entry.tag, description, ("scalar", entry.tag)),)
            self._scalars[entry.tag, entry.metadata] = shown
            return shown
        if entry.kind == TAGGED[0]:
            return [(tag, TAGGED_RUN_METADATA, TAGGED) for tag in self._peeks.tagged(file)]
        if entry.kind != "summary":
            event = describe_event(entry.kind)
            return [] if event is None else [(*event, (entry.kind, entry.tag))]
        description = describe(entry, self._peeks.kind(file, entry))
        return [] if description is None else [(entry.tag, description, ("summary", entry.tag))]

    def _points(self, chosen: Mapping[str, Mapping[str, Series]]) -> Iterator[tuple[str, str, Points]]:
        """Yield ``(run, tag, points)`` of all series whose files answer, with what counts after restarts."""
        self._catalog.prefer(chosen)
        keys: dict[int, list[TagKey]] = {}
        files: dict[int, LogFile] = {}
        for series in chosen.values():
            for one in series.values():
                for file in one.files:
                    keys.setdefault(file.number, []).append(one.key)
                    files[file.number] = file
        runs = self._catalog.runs()
        for run in chosen:
            for file in runs.get(run, []):  # those without the tag say where the job started again
                keys.setdefault(file.number, [])
                files[file.number] = file
        answers = self._catalog.gather(lambda file: file.points(keys[file.number]), files.values())
        for number, file in files.items():
            if number not in answers:  # it is slow or broken: what is known of it is better than nothing
                answers[number] = (file.known_points(keys[number]), [])
        for run, series in chosen.items():
            starts = _starts_of(runs.get(run, []), answers)
            for tag, one in series.items():
                parts = []
                for number, file in enumerate(runs.get(run, [])):
                    points = answers.get(file.number, ({}, []))[0].get(one.key)
                    if points is not None and one.key == TAGGED:
                        points = points.at_places(self._peeks.tagged(file).get(tag, set()))
                    if points is not None:
                        parts.append(points.moved(number << FILE_SHIFT)._replace(length=_with_file(points, file)))
                if parts:
                    kind = "float32" if one.key[0] == "scalar" else one.key[0]
                    joined = Points.joined(parts, kind)
                    yield run, tag, purge_points(joined, starts, "tensorboard")

    def _read_values(self, query: Query, data_class: int) -> bytes:
        chosen = self._choose(query, data_class)
        count = sum(len(series) for series in chosen.values())
        if not count or query.points <= 0:
            return b""
        most = max(1, min(query.points, MOST_VALUES // count))
        places: dict[int, list[_Place]] = {}
        shown: list[tuple[str, str, Points, Any]] = []
        for run, tag, points in self._points(chosen):
            kept = points.take(choose_evenly(len(points.step), most))
            assert kept.length is not None
            numbers, lengths = kept.length >> 40, kept.length & ((1 << 40) - 1)
            for number, offset, length in zip(numbers, kept.value, lengths, strict=True):
                place = _Place(int(offset), int(length), tag, chosen[run][tag])
                places.setdefault(int(number), []).append(place)
            shown.append((run, tag, kept, numbers))
        files = [file for file in (self._catalog.file(number) for number in places) if file is not None]
        found = self._catalog.gather(lambda file: self._values_at(file, places[file.number]), files)
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

    def _values_at(self, file: LogFile, places: list[_Place]) -> dict[tuple[int, str], bytes]:
        """Read values and return what is shown of them, by offset and tag; what is no event is left out.

        Some records at a time, and of each only what is shown is kept: a run's pictures may be larger than memory.
        """
        values: dict[tuple[int, str], bytes] = {}
        waiting = sorted(places, key=lambda place: place.offset, reverse=True)
        while waiting:
            batch = [waiting.pop()]
            while waiting and sum(place.length for place in batch) + waiting[-1].length <= BATCH_BYTES:
                batch.append(waiting.pop())
            records = file.read([(place.offset, place.length) for place in batch])
            for place, record in zip(batch, records, strict=True):
                try:
                    event = decode_event(record)
                except DataLossError as error:
                    _log.warning("%s: the record at byte %d is left out: %s", file.path, place.offset, error)
                    continue
                value = self._value(event, place.tag, place.series, (file.number, place.offset, place.length))
                if value is not None:
                    values[place.offset, place.tag] = value
        return values

    def _value(self, event: Event, tag: str, one: Series, place: tuple[int, int, int]) -> bytes | None:
        """Return a tensor's bytes, or the keys of a value's blobs; None for what is none."""
        try:
            if one.description.data_class == BLOB_SEQUENCE:
                blobs = blobs_of(event, tag, _metadata_of(one.files[0], tag))
                return " ".join(_make_key(*place, number, tag) for number in range(len(blobs))).encode() or None
            value = value_of(event, tag)
            return None if value is None else tensor_of(value)
        except DataLossError as error:
            _log.warning("%s: a value of %r is left out: %s", one.files[0].path, tag, error)
            return None


def _start_of(files: list[LogFile]) -> float:
    times = [time for time in (file.first_wall_time for file in files) if time is not None]
    return min(times, default=0.0)


def _starts_of(files: list[LogFile], answers: Mapping[int, tuple[Any, list[Start]]]) -> list[Start]:
    starts = []
    for number, file in enumerate(files):
        found = answers.get(file.number, ({}, []))[1]
        starts += [start._replace(order=start.order + (number << FILE_SHIFT)) for start in found]
    return sorted(starts)


def _with_file(points: Points, file: LogFile) -> Any:
    """Return the lengths of records with the number of their file in the upper bits, so that they stay together."""
    return None if points.length is None else points.length | (file.number << 40)


def _metadata_of(file: LogFile, tag: str) -> Any:
    return next((entry.metadata for entry in file.entries() if entry.tag == tag and not entry.is_scalar), None)


def _make_key(number: int, offset: int, length: int, place: int, tag: str) -> str:
    """Return a key for one blob that can stand in a URL. It names a file of this catalog; no other can be asked for."""
    text = f"{number}.{offset}.{length}.{place}.{tag}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_key(key: str) -> tuple[int, int, int, int, str]:
    try:
        text = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True).decode()
        number, offset, length, place, tag = text.split(".", 4)
        found = (int(number), int(offset), int(length), int(place))
    except (ValueError, binascii.Error) as error:
        raise InvalidArgumentError("this is no key of a blob") from error
    if min(found) < 0 or found[2] > 1 << 31:
        raise InvalidArgumentError("this is no key of a blob")
    return (*found, RUN_GRAPH_TAG if tag == RUN_GRAPH_TAG else tag)
