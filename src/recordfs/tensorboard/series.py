"""Which tags each run shows, and on which dashboard.

Runs of one program have the same tags and share what is found out about them: a list of 1,000 runs with 200 tags each
costs little more than one of 1,000 runs.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NamedTuple

from recordfs._core import encode_message
from recordfs.tensorboard.peeks import TAGGED, Peeks
from recordfs.tensorboard.values import TAGGED_RUN_METADATA, Description, describe, describe_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from recordfs.events.tag_sets import DescribedTag, TagKey, TagSet
    from recordfs.tensorboard.catalog import LogCatalog
    from recordfs.tensorboard.log_file import LogFile

__all__ = ["RunSeries", "SeriesFinder", "ShownTag"]

PARTIAL_NOTE = (
    "recordfs is still reading some of these runs: their first and newest points are exact, between them are samples."
)

_PARTIAL = encode_message([(3, "b", PARTIAL_NOTE)])
"""SummaryMetadata.summary_description; appended to a message, it is part of it."""

_TOLD = ("scalars", "histograms", "images", "audio")
"""Dashboards that show the description of a tag."""


class ShownTag(NamedTuple):
    """A tag as it is shown.

    Attributes:
        description: How.
        key: What its points are asked for by.
        text: Its description, in Markdown.
    """

    description: Description
    key: TagKey
    text: str = ""

    def metadata(self, *, is_partial: bool) -> bytes:
        """Return the serialized SummaryMetadata; of points that are not all known and undescribed, one that says so."""
        return self.description.metadata + _PARTIAL if self._tells_of_rest(is_partial) else self.description.metadata

    def shown_text(self, *, is_partial: bool) -> str:
        """Return the description that a card shows, in Markdown."""
        return PARTIAL_NOTE if self._tells_of_rest(is_partial) else self.text

    def _tells_of_rest(self, is_partial: bool) -> bool:
        return is_partial and not self.text and self.description.plugin in _TOLD


class _ShownTags:
    """The tags of a file or a run, by name; it never changes."""

    def __init__(self, by_tag: dict[str, ShownTag]) -> None:
        self.by_tag = by_tag
        self.plugins = dict.fromkeys(one.description.plugin for one in by_tag.values())
        self._chosen: dict[tuple[str, int], dict[str, ShownTag]] = {}

    def of(self, plugin: str, data_class: int) -> dict[str, ShownTag]:
        """Return those of a dashboard; the same object each time."""
        key = (plugin, data_class)
        if key not in self._chosen:
            self._chosen[key] = {tag: one for tag, one in self.by_tag.items() if one.description[:2] == key}
        return self._chosen[key]


class RunSeries(NamedTuple):
    """Some tags of a run.

    Attributes:
        tags: How each is shown. Runs of one program share it.
        files: The files of the run; not each has to have each tag.
    """

    tags: Mapping[str, ShownTag]
    files: list[LogFile]

    @property
    def is_partial(self) -> bool:
        """Whether some of its points are not known yet."""
        return any(file.is_partial for file in self.files)

    def newest(self) -> Callable[[TagKey], tuple[int, float]]:
        """Return what tells the largest step and the latest time of a series."""
        tables = [(table.tag_set, table.largest()) for table in (file.tag_table() for file in self.files)]
        if len(tables) == 1:
            [(tag_set, largest)] = tables
            return lambda key: largest[tag_set.numbers[key]]

        def find(key: TagKey) -> tuple[int, float]:
            found = [
                largest[number]
                for tag_set, largest in tables
                if (number := tag_set.numbers.get(key)) is not None and tag_set.tags[number].has_points
            ]
            return max(step for step, _ in found), max(time for _, time in found)

        return find


class SeriesFinder:
    """Finds the tags of the runs of a catalog. Safe to use from many threads.

    Args:
        catalog: The runs.
        peeks: What was seen of their files.
    """

    def __init__(self, catalog: LogCatalog, peeks: Peeks) -> None:
        self._catalog = catalog
        self._peeks = peeks
        # What a set of tags shows that needs no look into the file.
        self._shared: weakref.WeakKeyDictionary[TagSet, _ShownTags] = weakref.WeakKeyDictionary()
        # Of each run what was found last, and how much was known then.
        self._found: dict[str, tuple[tuple[tuple[int, int], ...], _ShownTags]] = {}

    def plugins(self) -> dict[str, None]:
        """Return the dashboards that have something to show."""
        found: dict[str, None] = {}
        for _, _, shown in self._by_run(None):
            found.update(shown.plugins)
        return found

    def choose(
        self, plugin: str, data_class: int, runs: frozenset[str] | None, tags: tuple[str, ...] | None
    ) -> dict[str, RunSeries]:
        """Return the series of a dashboard, of some runs and tags or of all; runs without any are left out."""
        chosen = {}
        for run, files, shown in self._by_run(runs):
            found = shown.of(plugin, data_class)
            if tags is not None:
                found = {tag: found[tag] for tag in dict.fromkeys(tags) if tag in found}
            if found:
                chosen[run] = RunSeries(found, files)
        return chosen

    def _by_run(self, wanted: frozenset[str] | None) -> Iterator[tuple[str, list[LogFile], _ShownTags]]:
        runs = [(run, files) for run, files in self._catalog.runs().items() if wanted is None or run in wanted]
        self._peeks.prepare(file for _, files in runs for file in files)
        if len(self._found) > 2 * len(runs) and wanted is None:  # most of what was found is of runs that are gone
            self._found = {run: self._found[run] for run, _ in runs if run in self._found}
        for run, files in runs:
            known = tuple((file.number, file.looks) for file in files)
            found = self._found.get(run)
            if found is None or found[0] != known:
                found = self._found[run] = (known, _merged([self._shown_in(file) for file in files]))
            yield run, files, found[1]

    def _shown_in(self, file: LogFile) -> _ShownTags:
        tag_set = file.tag_table().tag_set
        if self._peeks.needs_look(tag_set):
            return _ShownTags(_first(pair for tag in tag_set.tags for pair in self._shown_as(file, tag)))
        shown = self._shared.get(tag_set)
        if shown is None:
            shown = _ShownTags(_first(pair for tag in tag_set.tags for pair in self._shown_as(file, tag)))
            self._shared[tag_set] = shown
        return shown

    def _shown_as(self, file: LogFile, tag: DescribedTag) -> Iterator[tuple[str, ShownTag]]:
        """Yield the tags under which a series of a file is shown."""
        if not tag.has_points:
            return
        text = "" if tag.metadata is None else tag.metadata.summary_description
        if tag.kind == TAGGED[0]:
            for name in self._peeks.tagged(file):
                yield name, ShownTag(TAGGED_RUN_METADATA, TAGGED, text)
            return
        if tag.is_scalar or tag.kind == "summary":
            description = describe(tag, None if tag.is_scalar else self._peeks.kind(file, tag))
            if description is not None:
                yield tag.tag, ShownTag(description, tag.key, text)
        elif (event := describe_event(tag.kind)) is not None:
            yield event[0], ShownTag(event[1], tag.key, text)


def _first(pairs: Iterable[tuple[str, ShownTag]]) -> dict[str, ShownTag]:
    """Return what comes first under each name: only the first kind of a tag is shown."""
    found: dict[str, ShownTag] = {}
    for tag, shown in pairs:
        found.setdefault(tag, shown)
    return found


def _merged(of_files: list[_ShownTags]) -> _ShownTags:
    """Return the tags of a run from those of its files."""
    if all(shown is of_files[0] for shown in of_files):
        return of_files[0]
    return _ShownTags(_first(pair for shown in of_files for pair in shown.by_tag.items()))
