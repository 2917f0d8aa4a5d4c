"""EventFileReader: the events of one file one by one, over whatever is damaged, and on as the file grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.events.event import Event
from recordfs.records.reader import RecordReader
from recordfs.records.report import Loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["EventFileReader", "EventsReport"]

MAX_LOSSES = 1000
"""Losses that are kept with their place and reason; beyond that they are counted only."""


class EventsReport(NamedTuple):
    """What a reader of events did so far.

    Attributes:
        events: Events handed out.
        losses: Bytes that gave no event: damaged records, and records that are no events; the first thousand of each.
        loss_count: How many losses there are in all.
        truncated_tail: Whether the file ends inside a record, as it does while its writer is at work or when that died.
    """

    events: int
    losses: tuple[Loss, ...]
    loss_count: int
    truncated_tail: bool


class EventFileReader:
    """Iterates over the events of a file.

    Args:
        path: The event file, on any filesystem.
        follow: At the end wait for more, as TensorBoard does, until ``stop``.
        follow_timeout: End after so many seconds without a new byte.
        verify_checksums: Whether to compare the checksums of payloads.
        file_system: The filesystem of ``path``, instead of the registered one.
        options: For the registered filesystem.

    A damaged record, or one that is no Event, ends nothing: ``report`` tells of it, and what stands after it is read.
    The index of recordfs is left out. At the end of a file whose last record is not whole the iteration ends;
    ``report.truncated_tail`` tells, and iterating on continues if the file has grown. Several threads may share it.

    Iterating raises:
        AbortedError: The followed file was replaced.
        Otherwise as reading the file.

    Raises:
        NotFoundError: There is no such file.
    """

    def __init__(
        self,
        path: PathInput,
        *,
        follow: bool = False,
        follow_timeout: float | None = None,
        verify_checksums: bool = True,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._reader = RecordReader(
            path,
            # Nobody's event files are compressed, and one whose beginning is damaged could look as if.
            compression=None,
            verify_checksums=verify_checksums,
            follow=follow,
            follow_timeout=follow_timeout,
            on_error="skip",
            file_system=file_system,
            options=options,
        )
        self._events = 0
        self._indexes = 0
        self._losses: list[Loss] = []
        self._loss_count = 0

    def __iter__(self) -> Iterator[Event]:
        for record in self._reader:
            try:
                event = Event.from_record(record)
            except ValueError as error:
                self._lose(record, str(error))
                continue
            if event.is_index:
                self._indexes += 1
            else:
                self._events += 1
                yield event

    def _lose(self, record: bytes, reason: str) -> None:
        self._loss_count += 1
        if len(self._losses) < MAX_LOSSES:
            path, end = self._reader.tell()
            length = len(record) + 16
            self._losses.append(Loss(path, end - length, length, reason))

    @property
    def report(self) -> EventsReport:
        """What was read and what was lost so far."""
        records = self._reader.report
        losses = sorted([*records.losses, *self._losses], key=lambda loss: loss.offset)
        count = records.loss_count + self._loss_count
        return EventsReport(self._events, tuple(losses), count, records.truncated_tail)

    def tell(self) -> int:
        """Return where the next record begins in the file."""
        return self._reader.tell().offset

    def stop(self) -> None:
        """Make every iteration end before its next event, also one that waits in another thread."""
        self._reader.stop()

    def close(self) -> None:
        """Stop, and close the file. Idempotent."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
