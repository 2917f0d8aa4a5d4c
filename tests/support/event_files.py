"""Event files for tests, written by recordfs."""

from collections.abc import Iterable

from recordfs._core import encode_message, encode_scalar
from recordfs.events import EventFileWriter, EventsWriter, columns

WALL = 1_700_000_000.0


def scalar(tag: str, value: float, step: int, wall_time: float | None = None) -> bytes:
    """The event of one scalar."""
    return encode_scalar(tag, value, step, WALL + step if wall_time is None else wall_time)


def session_start(step: int) -> bytes:
    """The event that says that a job started, or started again, at a step."""
    return encode_message([(1, "d", WALL), (2, "v", step), (7, "b", encode_message([(1, "v", 1)]))])


def tensor_scalar(tag: str, value: float, step: int, plugin: str | None) -> bytes:
    """The event of a scalar as TensorFlow 2 writes it: a tensor of 64 bits, with metadata if a plugin is given."""
    tensor = encode_message([(1, "v", 2), (2, "b", b""), (6, "d", value)])
    fields = [(1, "b", tag), (8, "b", tensor)]
    if plugin is not None:
        fields.append((9, "b", encode_message([(1, "b", encode_message([(1, "b", plugin)]))])))
    summary = encode_message([(1, "b", encode_message(fields))])
    return encode_message([(1, "d", WALL + step), (2, "v", step), (5, "b", summary)])


def training_events(tags: int = 20, steps: int = 100) -> list[bytes]:
    """What a loop logs: so many tags at each step."""
    return [
        scalar(f"loss/layer_{tag:02d}", 1 / (1 + step + tag), step, WALL + step * 0.7 + tag * 1e-5)
        for step in range(steps)
        for tag in range(tags)
    ]


def write_events(directory: object, events: list[bytes], **options: object) -> str:
    """Write an event file into a directory and return its path."""
    with EventsWriter(f"{directory}/events", **options) as writer:
        for event in events:
            writer.write_event(event)
    return writer.path


def add(writer: EventFileWriter, steps: Iterable[int], tag: str = "a") -> None:
    """Add a scalar for each step."""
    for step in steps:
        writer.add_event(scalar(tag, 1.0, step))


def steps_in(directory: object, tag: str = "a") -> list[int]:
    """The steps of a tag in a file or run that has no damage, as they were written."""
    found = columns(str(directory))
    assert found.report.losses == ()
    return found[tag].step.tolist() if tag in found else []
