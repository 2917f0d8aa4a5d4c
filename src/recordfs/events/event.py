"""Event: one entry of an event file, and what is in it, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs._core import decode_event_record
from recordfs.errors import DataLossError

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Event", "SummaryMetadata", "SummaryValue", "decode_event"]

_CONTENTS = {
    0: "",
    3: "file_version",
    4: "graph_def",
    5: "summary",
    6: "log_message",
    7: "session_log",
    8: "tagged_run_metadata",
    9: "meta_graph_def",
}
_VALUES = {
    0: "",
    2: "simple_value",
    3: "obsolete_old_style_histogram",
    4: "image",
    5: "histo",
    6: "audio",
    8: "tensor",
}


class SummaryMetadata(NamedTuple):
    """What the first value of a tag says about the tag.

    Attributes:
        plugin_name: The dashboard that shows it: ``"scalars"``, ``"histograms"``, ``"images"`` and so on.
        plugin_content: What that dashboard keeps with the tag.
        display_name: The tag's name for people.
        summary_description: A description, in Markdown.
        data_class: 0 unknown, 1 scalar, 2 tensor, 3 blob sequence.
    """

    plugin_name: str
    plugin_content: bytes
    display_name: str
    summary_description: str
    data_class: int


class SummaryValue(NamedTuple):
    """One value of a summary.

    Attributes:
        tag: What it is a value of.
        kind: The name of the field that holds it: ``"simple_value"``, ``"image"``, ``"histo"``, ``"audio"``,
            ``"tensor"``, ``"obsolete_old_style_histogram"``; ``""`` where there is none.
        content: A float for ``"simple_value"``, else the serialized message; None where there is none.
        metadata: As a rule with a tag's first value only.
        node_name: The node of a graph that made it; of TensorFlow 1.
    """

    tag: str
    kind: str
    content: float | bytes | None
    metadata: SummaryMetadata | None = None
    node_name: str = ""


class Event(NamedTuple):
    """One entry of an event file.

    Attributes:
        wall_time: Seconds since 1970.
        step: The training step.
        kind: The name of the field that holds what it is about: ``"summary"``, ``"file_version"``, ``"graph_def"``,
            ``"session_log"``, ``"tagged_run_metadata"``, ``"meta_graph_def"``, ``"log_message"``; ``""`` for nothing.
        content: A list of SummaryValue for ``"summary"``, str for ``"file_version"``, else bytes; None for nothing.
        writer: The program that wrote the file, in the first event of some.
        is_index: Whether it is the index of recordfs, which holds no event of a training job.
        record: The serialized Event.
    """

    wall_time: float
    step: int
    kind: str
    content: Any
    writer: str | None
    is_index: bool
    record: bytes

    @property
    def summary(self) -> list[SummaryValue]:
        """The values of its summary; none for other events."""
        return self.content if self.kind == "summary" else []

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return the serialized Event, as a protobuf message would."""
        return self.record

    @classmethod
    def from_record(cls, record: bytes) -> Self:
        """Read a serialized Event.

        Raises:
            ValueError: It is not an Event.
        """
        wall_time, step, number, content, writer, is_index = decode_event_record(record)
        if number == 5:
            content = [
                SummaryValue(tag, _VALUES[field], value, None if metadata is None else SummaryMetadata(*metadata), node)
                for tag, field, value, metadata, node in content
            ]
        return cls(wall_time, step, _CONTENTS[number], content, writer, is_index, record)


def decode_event(record: bytes) -> Event:
    """Read a serialized Event: the payload of a record of an event file.

    Raises:
        DataLossError: It is not an Event.
    """
    try:
        return Event.from_record(bytes(record))
    except ValueError as error:
        raise DataLossError(str(error)) from None
