"""Record files in memory, and files that fail, cut short, lie or keep what they were lent, on a schedule."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

from recordfs import RecordWriter
from recordfs.errors import DataLossError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Fault = Literal["nothing taken", "all taken", "some taken"]


class ScheduledWritableFile:
    """A WritableFile in memory whose n-th append fails in a given way, once."""

    def __init__(
        self,
        fail_at: int = -1,
        fault: Fault = "nothing taken",
        error: type[BaseException] = OSError,
        name: str = "faulty",
    ) -> None:
        self.name = name
        self.data = bytearray()
        self.appends = 0
        self.flushes = 0
        self.closed = False
        self._fail_at = fail_at
        self._fault = fault
        self._error = error

    def append(self, data) -> None:
        self.append_parts([data])

    def append_parts(self, parts) -> None:
        joined = b"".join(memoryview(part).cast("B") for part in parts)
        self.appends += 1
        if self.appends - 1 != self._fail_at:
            self.data += joined
            return
        if self._fault == "all taken":
            self.data += joined
        elif self._fault == "some taken":
            self.data += joined[: len(joined) // 2]
        raise self._error("scheduled")

    def tell(self) -> int:
        return len(self.data)

    def flush(self) -> None:
        self.flushes += 1

    def sync(self) -> None:
        self.flush()

    def close(self) -> None:
        self.closed = True


class ScheduledReadableFile:
    """A RandomAccessFile in memory that gives its bytes in counts that a callable chooses, and may raise instead.

    Args:
        data: What it holds; may be changed.
        count: Called with ``(offset, wanted)``; returns how many bytes to give, or raises.
    """

    def __init__(self, data: bytes, count: Callable[[int, int], int] | None = None, name: str = "scheduled") -> None:
        self.name = name
        self.data = data
        self.closed = False
        self._count = count

    def read_into(self, offset: int, buffer) -> int:
        with memoryview(buffer) as view:
            wanted = len(view)
            if self._count is not None:
                wanted = min(wanted, self._count(offset, wanted))
            part = self.data[offset : offset + wanted]
            view[: len(part)] = part
            return len(part)

    def size(self) -> int:
        return len(self.data)

    def close(self) -> None:
        self.closed = True


def stream_of(records: Sequence[bytes], compression: str | None = None) -> bytes:
    """A record file that holds these."""
    file = io.BytesIO()
    writer = RecordWriter(file, compression=compression)
    writer.write_batch(records)
    writer.close()
    return file.getvalue()


def offsets_of(records: Iterable[bytes]) -> list[int]:
    """Where each of these begins in an uncompressed record file, and where the last one ends."""
    offsets = [0]
    for record in records:
        offsets.append(offsets[-1] + len(record) + 16)
    return offsets


def read_until_error(reader: Iterable[bytes]) -> tuple[list[bytes], Exception | None]:
    """The records that come before an error, and the error."""
    records: list[bytes] = []
    try:
        for record in reader:
            records.append(record)  # noqa: PERF402 - what came before the error counts
    except DataLossError as error:
        return records, error
    return records, None
