"""Copying what is sound in a broken record file to a new one, where cutting it is not enough or not possible."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import InvalidArgumentError
from recordfs.records.reader import RecordReader
from recordfs.records.writer import RecordWriter
from recordfs.redaction import redact
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput
    from recordfs.records.report import Loss, ReadReport

__all__ = ["SalvageReport", "salvage_file"]

_BATCH = 256
_BATCH_BYTES = 4 << 20


class SalvageReport(NamedTuple):
    """What was copied, and what could not be.

    Attributes:
        path: The broken file.
        target: The new one.
        records: Sound records, all of which are in the new file.
        payload_bytes: Bytes in their payloads.
        losses: What was passed over, the first 1000: where, how many bytes, and why.
        loss_count: How many such places there are.
        lost_bytes: How many bytes were passed over in all, as far as that is known.
        unfinished_stream: Whether the broken file is a compressed stream without its trailer.
    """

    path: str
    target: str
    records: int
    payload_bytes: int
    losses: tuple[Loss, ...]
    loss_count: int
    lost_bytes: int
    unfinished_stream: bool

    def __repr__(self) -> str:
        shown = {**self._asdict(), "path": redact(self.path), "target": redact(self.target)}
        return f"SalvageReport({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def salvage_file(
    path: PathInput,
    target: PathInput,
    *,
    compression: str | int | None = "auto",
    target_compression: str | int | None = None,
    max_record_size: int = 2**31,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> SalvageReport:
    """Copy the sound records of a file to a new one, and report what was lost. The broken file is not touched.

    Reads on after whatever is broken as ``RecordReader(on_error="skip")`` does. The new file appears whole or not at
    all where its filesystem has atomic writes. Memory does not depend on the file.

    Args:
        path: The broken file.
        target: The new file; nothing may stand there.
        compression: Of the broken file: ``"auto"``, or as ``RecordWriter`` takes it.
        target_compression: Of the new file, as ``RecordWriter`` takes it.
        max_record_size: Payloads that claim more bytes than this are corrupt.
        progress: Called now and then with the offset reached in the uncompressed stream.
        file_system: The filesystem of both paths, instead of the registered ones.
        options: For the registered filesystems.

    Raises:
        AlreadyExistsError: Something stands at the target.
        InvalidArgumentError: An argument is wrong.
        NotFoundError and others: As opening, reading and writing. Never for what is wrong with the records.
    """
    _, name = resolve(path, file_system=file_system, options=options)
    target_file_system, target_name = resolve(target, file_system=file_system, options=options)
    if name == target_name:
        raise InvalidArgumentError("the sound records go to a new file, not over the broken one", path=name)
    with (
        RecordReader(
            os.fsencode(name),  # as bytes a name is not a pattern
            compression=compression,
            on_error="skip",
            max_record_size=max_record_size,
            file_system=file_system,
            options=options,
            shard=(0, 1),
        ) as reader,
        RecordWriter(
            target_name,
            compression=target_compression,
            exclusive=True,
            atomic=target_file_system.capabilities(target_name).atomic_write,
            file_system=file_system,
            options=options,
        ) as writer,
    ):
        for batch in reader.batches(_BATCH, max_bytes=_BATCH_BYTES):
            writer.write_batch(batch)
            if progress is not None:
                progress(reader.tell().offset)
        return _report(name, target_name, reader.report)


def _report(path: str, target: str, report: ReadReport) -> SalvageReport:
    return SalvageReport(
        path=path,
        target=target,
        records=report.records,
        payload_bytes=report.bytes,
        losses=report.losses,
        loss_count=report.loss_count,
        lost_bytes=report.lost_bytes,
        unfinished_stream=report.unfinished_stream,
    )
