"""RunWriters: the event files of a run and of the runs below it, under what SummaryWriter logs."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs._core import EventQueue, NativeScalarWriter
from recordfs.errors import ClosedFileError, InvalidArgumentError
from recordfs.events import messages
from recordfs.events.file_writer import QUEUE_BYTES, Block, EventFileWriter, FullPolicy, event_of
from recordfs.events.optional import require_numpy
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.paths import is_plain_name, join, path_to_str

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["RunWriters"]

Result = TypeVar("Result")


class RunWriters(NativeScalarWriter, ClosesOnExit):
    """Opens, flushes and closes the files that a SummaryWriter writes; the arguments are described there."""

    def __init__(
        self,
        logdir: PathInput | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
        write_to_disk: bool = True,
        log_dir: PathInput | None = None,
        *,
        max_queue_bytes: int = QUEUE_BYTES,
        policy: FullPolicy = Block(1.0),  # noqa: B008 - a value, made once
        index: bool = True,
        max_file_bytes: int | None = None,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        directory = logdir or log_dir or _default_logdir(comment)
        self.log_dir = path_to_str(directory)
        self._directory = self.log_dir
        self._settings: dict[str, Any] = {
            "flush_secs": flush_secs,
            "filename_suffix": filename_suffix,
            "max_queue_bytes": max_queue_bytes,
            "policy": policy,
            "index": index,
            "max_file_bytes": max_file_bytes,
            "file_system": file_system,
            "options": options,
        }
        self._writes = write_to_disk
        self._writers: dict[str, EventFileWriter] = {}
        self._has_warned_of_doubles = False
        if write_to_disk:
            writer = EventFileWriter(self.log_dir, max_queue, purge_step=purge_step, **self._settings)
            # Runs below it may be begun later, from another working directory.
            self._directory = writer.get_logdir()
            self._writers[self._directory] = writer
            self._set_queue(writer.queue)

    def __getstate__(self) -> dict[str, Any]:
        # The native part is a queue of this process, which another one asks for when it logs.
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def logdir(self) -> str:
        """The directory of the run: tensorboardX's name for ``log_dir``."""
        return self.log_dir

    def get_logdir(self) -> str:
        """Return the directory of the run."""
        return self.log_dir

    @property
    def file_writer(self) -> EventFileWriter | None:
        """The writer of the run's events; None if nothing is written."""
        return self._writers.get(self._directory)

    def _queue_to_use(self) -> EventQueue | None:
        """Return the queue for scalars in this process: the native ``add_scalar`` asks when it has none to use."""
        if not self._writes:
            return None
        queue = self._in_open_writer(self._directory, EventFileWriter._queue_to_use)
        self._set_queue(queue)
        return queue

    def _writer_of(self, directory: str) -> EventFileWriter:
        writer = self._writers.get(directory)
        if writer is None:
            made = EventFileWriter(directory, **self._settings)
            # Another thread, or a signal's handler, may have made one meanwhile.
            writer = self._writers.setdefault(directory, made)
            if writer is not made:
                made.close()
        if writer.closed:
            writer.reopen()
        return writer

    def _in_open_writer(self, directory: str, use: Callable[[EventFileWriter], Result]) -> Result:
        """Use the writer of a directory, opened again as often as somebody closes it before it is used.

        Who closes it may be another thread, a signal or the end of the process; what is logged then goes on in another
        file. A close that is going on is waited for.
        """
        while True:
            writer = self._writer_of(directory)
            try:
                return use(writer)
            except ClosedFileError:
                writer.reopen()

    def _add(
        self,
        tag: str,
        kind: str,
        field: int,
        content: bytes | None,
        step: Any,
        walltime: float | None,
        metadata: bytes | None = None,
        *,
        directory: str | None = None,
    ) -> None:
        """Log a value that is not a plain scalar; ``field`` is the number of its field in ``Summary.Value``."""
        if not self._writes:
            return
        summary = messages.encode_value(tag, field, content, metadata)
        number = None if step is None else messages.step_number(step)
        self._add_summary(directory or self._directory, tag, kind, summary, number, walltime, metadata is not None)

    def _add_summary(
        self,
        directory: str,
        tag: str,
        kind: str,
        summary: bytes,
        step: int | None,
        walltime: float | None,
        repeats_metadata: bool,
    ) -> None:
        event = event_of(5, summary, step, walltime)
        self._in_open_writer(
            directory, lambda writer: writer._queue_to_use().add_event(event, repeats_metadata, tag, kind)
        )

    def _run_below(self, name: str) -> str:
        """Return the directory of a run below this one.

        Raises:
            InvalidArgumentError: It would not lie below.
        """
        if not all(map(is_plain_name, name.split("/"))):
            raise InvalidArgumentError(
                f"the name of a run below has to be a relative path without empty parts, '.' and '..', found {name!r}",
                path=self.log_dir,
            )
        return join(self._directory, name)

    def _add_number(self, directory: str, tag: str, value: Any, step: Any, wall_time: float) -> None:
        """Log a plain scalar in a run of its own."""
        number, at = float(value), 0 if step is None else messages.step_number(step)
        self._in_open_writer(directory, lambda writer: writer._queue_to_use().add_scalar(tag, number, at, wall_time))

    def _add_described_scalar(
        self,
        tag: str,
        value: float,
        step: int,
        wall_time: float,
        new_style: bool,
        double_precision: bool,
        display_name: str,
        description: str,
    ) -> None:
        """Log a scalar with what the native ``add_scalar`` does not write."""
        if not self._writes:
            return
        metadata = messages.encode_metadata(
            "scalars", data_class=messages.SCALAR, display_name=display_name, description=description
        )
        if not (new_style or double_precision):
            self._add_simple(tag, value, step, wall_time, metadata)
            return
        if double_precision and not self._has_warned_of_doubles:
            self._has_warned_of_doubles = True
            warnings.warn(
                "TensorBoard's fast mode, which is its default on local disks, does not show scalars of 64 bits; "
                "--load_fast=false does",
                RuntimeWarning,
                stacklevel=3,
            )
        np = require_numpy("scalars as tensors")
        tensor = messages.encode_tensor(np.array(value, "float64" if double_precision else "float32"))
        self._add(tag, "scalar", 8, tensor, step, wall_time, metadata)

    def _add_simple(self, tag: str, value: float, step: int, wall_time: float, metadata: bytes) -> None:
        summary = messages.encode_value(tag, 2, value, metadata)
        self._add_summary(self._directory, tag, "scalar", summary, step, wall_time, True)

    def flush(self, timeout: float | None = None) -> None:
        """Return when everything logged so far is visible to others; raises as ``EventFileWriter.flush``."""
        for writer in list(self._writers.values()):
            if not writer.closed:
                # One that another thread closed meanwhile has nothing left to flush.
                with contextlib.suppress(ClosedFileError):
                    writer.flush(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Flush, and end the files. Idempotent; raises as ``EventFileWriter.close``."""
        errors = []
        for writer in list(self._writers.values()):
            try:
                writer.close(timeout)
            except Exception as error:  # noqa: BLE001 - the other files have to be closed as well
                errors.append(error)
        self._set_queue(None)
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"another file of this writer: {type(other).__name__}: {other}")
            raise errors[0]


def _default_logdir(comment: str) -> str:
    import socket

    return os.path.join("runs", f"{time.strftime('%b%d_%H-%M-%S')}_{socket.gethostname()}{comment}")
