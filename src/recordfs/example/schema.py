"""What features some records hold: kinds, lengths, and how many records do without."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from recordfs import _core
from recordfs.errors import InvalidContentError
from recordfs.example.bad_record import BadRecordError
from recordfs.example.record_batches import MAX_BATCH_BYTES, in_lists

__all__ = ["FeatureSummary", "InferredFeatures", "infer_features", "infer_from_lists"]

# Records natively counted at once.
_BATCH = 256

# More distinct keys than this are no schema; the limit keeps the memory of a hostile file bounded.
_MAX_FEATURES = 10_000

_KIND_NAMES = ("unset", "bytes", "float32", "int64")


class FeatureSummary(NamedTuple):
    """What was seen of one feature or feature list."""

    name: str
    #: How often each kind occurred, in records or, for a feature list, in steps; ``unset`` is a feature without a list.
    kinds: dict[str, int]
    #: The fewest and the most values of an occurrence.
    min_length: int
    max_length: int
    #: Records that have it, and all records seen.
    records: int
    total_records: int
    #: The fewest and the most steps of a record; None for a feature that is not a feature list.
    steps: tuple[int, int] | None

    @property
    def missing_share(self) -> float:
        """The share of records without the feature, 0 to 1; a feature without a list counts as missing."""
        unset = self.kinds.get("unset", 0) if self.steps is None else 0
        return 1 - (self.records - unset) / self.total_records

    @property
    def kind(self) -> str | None:
        """The only kind that occurred; None if there was none, or more than one."""
        kinds = [kind for kind in self.kinds if kind != "unset"]
        return kinds[0] if len(kinds) == 1 else None

    def describe(self) -> str:
        """Return one line: kind, lengths, share missing."""
        kinds = self.kind or " and ".join(f"{kind} ({count})" for kind, count in self.kinds.items())
        lengths = _span(self.min_length, self.max_length, "value")
        steps = "" if self.steps is None else _span(*self.steps, "step") + " of "
        missing = f", missing in {self.missing_share:.2%}" if self.missing_share else ""
        return f"{kinds}, {steps}{lengths}{missing}"


def _span(least: int, most: int, noun: str) -> str:
    count = str(least) if least == most else f"{least} to {most}"
    return f"{count} {noun}{'' if count == '1' else 's'}"


class InferredFeatures(Mapping[str, Any]):
    """Features to parse with, and what they were inferred from.

    A mapping of name to feature, to be given to ``parse_example``: a feature that every record has, always of the same
    length, is a ``FixedLenFeature`` (``()`` for one value), any other, and one that is always empty, a
    ``VarLenFeature``. Needs NumPy only when used as a mapping. ``str()`` is a table. Nothing changes it, so that
    several threads may use it.

    Attributes:
        records: How many records were seen.
        summaries: One for each feature, by name.
        list_summaries: One for each feature list of SequenceExamples, by name.
    """

    def __init__(
        self, records: int, summaries: Iterable[FeatureSummary], list_summaries: Iterable[FeatureSummary]
    ) -> None:
        self.records = records
        self.summaries = sorted(summaries)
        self.list_summaries = sorted(list_summaries)

    def __getitem__(self, name: str) -> Any:
        for summary in self.summaries:
            if summary.name == name and summary.kinds.keys() != {"unset"}:
                return _context_feature(summary)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        # A feature that never had a list has no kind, so there is nothing to parse it as.
        return (summary.name for summary in self.summaries if summary.kinds.keys() != {"unset"})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def sequence_features(self) -> dict[str, Any]:
        """The feature lists, for ``parse_sequence_example``.

        Lists whose steps all have the same number of values are ``FixedLenSequenceFeature``s that may be missing, any
        other is a ``VarLenFeature``.
        """
        return {summary.name: _list_feature(summary) for summary in self.list_summaries if summary.kinds}

    def check_examples(self) -> None:
        """Make sure that the features are all there is.

        Raises:
            InvalidContentError: There were feature lists, which are no columns of Examples.
        """
        if self.list_summaries:
            names = ", ".join(repr(summary.name) for summary in self.list_summaries)
            raise InvalidContentError(
                f"the records are SequenceExamples, and their feature lists ({names}) would be left out: export them "
                "with sequence=True (--sequence), or read them with parse_sequence_example"
            )

    def regardless_of_missing(self) -> dict[str, Any]:
        """Return the features, with ``FixedLenFeature`` also for those of one length that some records do without."""
        return {
            summary.name: _context_feature(summary, may_miss=True) for summary in self.summaries if summary.name in self
        }

    def __str__(self) -> str:
        lines = [f"{self.records} records"]
        for title, summaries in (("feature", self.summaries), ("feature list", self.list_summaries)):
            lines += [f"{title} {summary.name}: {summary.describe()}" for summary in summaries]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<InferredFeatures of {self.records} records: {', '.join(self)}>"


def _dtype(summary: FeatureSummary) -> Any:
    from recordfs.example.numpy_module import np

    if summary.kind is None:
        raise InvalidContentError(
            f"feature {summary.name!r} has values of several types ({summary.describe()}): say which features to read"
        )
    return bytes if summary.kind == "bytes" else np.dtype(summary.kind)


def _context_feature(summary: FeatureSummary, *, may_miss: bool = False) -> Any:
    from recordfs.example.features import FixedLenFeature, VarLenFeature

    # Lists that were all empty are no fixed length: the next record may have values.
    if (may_miss or summary.missing_share == 0) and summary.min_length == summary.max_length > 0:
        shape = () if summary.min_length == 1 else (summary.min_length,)
        return FixedLenFeature(shape, _dtype(summary))
    return VarLenFeature(_dtype(summary))


def _list_feature(summary: FeatureSummary) -> Any:
    from recordfs.example.features import FixedLenSequenceFeature, VarLenFeature

    if summary.min_length == summary.max_length > 0 and "unset" not in summary.kinds:
        shape = () if summary.min_length == 1 else (summary.min_length,)
        return FixedLenSequenceFeature(shape, _dtype(summary), allow_missing=True)
    return VarLenFeature(_dtype(summary))


def infer_features(
    serialized: Iterable[bytes | bytearray | memoryview], *, sample: int | None = None
) -> InferredFeatures:
    """See what features some records hold, and what to parse them as.

    Args:
        serialized: Records, Examples or SequenceExamples; any iterable, read a few hundred at a time.
        sample: Look at this many records at most; None looks at all.

    Returns:
        Features, and what was seen: kinds, lengths, share missing.

    Raises:
        BadRecordError: A record is another message (an event, for instance), or has fields that no Example has; or it
            brings the number of distinct features above 10,000.
        InvalidContentError: There are no records.
    """
    records = iter(serialized) if sample is None else itertools.islice(serialized, min(sample, sys.maxsize))
    return infer_from_lists(in_lists(records, _BATCH, MAX_BATCH_BYTES))


def infer_from_lists(lists: Iterable[list[Any]], *, sample: int | None = None) -> InferredFeatures:
    """``infer_features`` of records that come in lists, no list of which is asked for before all is well with the last.

    Raises:
        BadRecordError, InvalidContentError: As ``infer_features``.
    """
    summary = _core.ExampleSummary(_MAX_FEATURES)
    seen = 0
    for records in lists:
        wanted = records if sample is None else records[: sample - seen]
        fault = summary.add(wanted)
        if fault is not None:
            place, reason = fault
            raise BadRecordError(f"record {seen + place}: {reason}", record=seen + place)
        seen += len(wanted)
        if seen == sample:
            break
    if not seen:
        raise InvalidContentError("there are no records to infer features from")
    total, features, feature_lists = summary.result()
    return InferredFeatures(
        total,
        [_summary(name, counts, total, is_list=False) for name, counts in features],
        [_summary(name, counts, total, is_list=True) for name, counts in feature_lists],
    )


def _summary(name: str, counts: Any, total: int, *, is_list: bool) -> FeatureSummary:
    records, kinds, (least, most), steps = counts
    named = {kind: count for kind, count in zip(_KIND_NAMES, kinds, strict=True) if count}
    return FeatureSummary(name, named, least, most, records, total, steps if is_list else None)
