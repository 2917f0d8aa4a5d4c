"""EventFileReader: the events of one file one by one, over whatever is damaged, and on as the file grows."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from recordfs.events.event import Event
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.records.reader import RecordReader
from recordfs.records.report import Loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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
        losses: Bytes that gave no event: damaged records, and records that are not events; the first thousand of each.
        loss_count: How many losses there are in all.
        truncated_tail: Whether the file ends inside a record, as it does while its writer is at work or when that died.
    """

    events: int
    losses: tuple[Loss, ...]
    loss_count: int
    truncated_tail: bool


class EventFileReader(ClosesOnExit):
    """Iterates over the events of a file.

    Args:
        path: The event file, on any filesystem.
        follow: At the end wait for more, as TensorBoard does, until ``stop``.
        follow_timeout: End after so many seconds without a new byte.
        on_replaced: What to do when the followed file was deleted, replaced by another, cut short or rewritten:
            ``"raise"``, or ``"restart"`` with what stands at its path then.
        verify_checksums: Whether to compare the checksums of payloads.
        file_system: The filesystem of ``path``, instead of the registered one.
        options: For the registered filesystem.

    A damaged record, or one that is not an Event, ends nothing: ``report`` has it, and what stands after it is read.
    The index of recordfs is left out. At the end of a file whose last record is not whole the iteration ends, and
    ``report.truncated_tail`` tells.

    A reader is its own iterator, and reads the file once: iterating again goes on where the last event ended, so that
    it gives what a file that has grown since has more. Several threads may share it; each event goes to one of them.

    Iterating raises:
        AbortedError: The followed file was replaced, and ``on_replaced`` is ``"raise"``.
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
        on_replaced: Literal["raise", "restart"] = "raise",
        verify_checksums: bool = True,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._new_reader = partial(
            RecordReader,
            path,
            # Nobody's event files are compressed, and one whose beginning is damaged could look as if.
            compression=None,
            verify_checksums=verify_checksums,
            follow=follow,
            follow_timeout=follow_timeout,
            on_replaced=on_replaced,
            on_error="skip",
            file_system=file_system,
            options=options,
        )
        self._lock = threading.Lock()
        self._is_stopped = self._is_closed = self._has_ended = False
        self._events = 0
        self._losses: list[Loss] = []
        self._loss_count = 0
        self._begin(0)

    def _begin(self, offset: int) -> None:
        self._reader = self._new_reader(start=offset)
        self._records: Iterator[bytes] | None = None
        # Another thread may have asked for either meanwhile.
        if self._is_stopped:
            self._reader.stop()
        if self._is_closed:
            self._reader.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        # Where a loss is, is told by where the reader stands, so that nobody may read on meanwhile.
        with self._lock:
            if self._has_ended:
                self._go_back_to_tail()
            if self._records is None:
                self._records = iter(self._reader)
            for record in self._records:
                try:
                    event = Event.from_record(record)
                except ValueError as error:
                    self._lose(record, str(error))
                    continue
                if not event.is_index:
                    self._events += 1
                    return event
            self._has_ended = True
        raise StopIteration

    def _go_back_to_tail(self) -> None:
        """If the end that was found cuts a record off, begin at that record again: the file may have grown."""
        self._has_ended = False
        if self._is_closed:
            return
        report = self._reader.report
        tail = report.losses[-1] if report.truncated_tail and report.losses else None
        # With more losses than are kept the last is not the tail's. A reader that follows keeps the tail itself.
        if tail is None or report.loss_count > len(report.losses) or tail.offset + (tail.length or 0) < self.tell():
            return
        former = self._reader
        self._begin(tail.offset)
        former.close()
        self._losses += report.losses[:-1]
        self._loss_count += report.loss_count - 1

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
        self._is_stopped = True
        self._reader.stop()

    def close(self) -> None:
        """Stop, and close the file. Idempotent. Iterating afterwards raises ClosedFileError."""
        self._is_closed = True
        self._reader.close()
