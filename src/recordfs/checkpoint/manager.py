"""``CheckpointManager``: the checkpoints of one run, which of them to keep, and which is the newest and the best."""

from __future__ import annotations

import math
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, Literal

from recordfs.checkpoint.arguments import finite_number
from recordfs.checkpoint.deletion import delete_checkpoint
from recordfs.checkpoint.file_names import index_path
from recordfs.checkpoint.metrics_file import as_numbers, read_metrics, write_metrics
from recordfs.checkpoint.saving import PendingSave, SaveOptions, Snapshots, save_with
from recordfs.checkpoint.state import CheckpointState, read_state, write_state
from recordfs.errors import InvalidArgumentError, NotFoundError
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.paths import basename, join
from recordfs.registry import resolve
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import SupportsIndex

    from recordfs.checkpoint.object_graph import ObjectGraph
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["CheckpointManager"]

_HOUR_SECONDS = 3600.0


class CheckpointManager(ClosesOnExit):
    """Saves checkpoints of one run and deletes those that need not be kept.

    The state file is TensorFlow's: ``tf.train.latest_checkpoint`` finds the newest, and a manager goes on where
    another, or TensorFlow's, left off. A checkpoint is deleted only after the state file no longer names it, its index
    first. What somebody else deleted leaves the list at the next save. One that lies in another directory, which a
    state file may name, is never deleted: it leaves the list with a RuntimeWarning.

    Safe to use from many threads; their saves take turns. One manager a directory.

    Args:
        directory: Where the checkpoints lie; made at the first save.
        max_to_keep: How many stay; None keeps all. The newest always does.
        keep_every_n_hours: Keep one of each so many hours for good, as TensorFlow's manager does.
        best: The name of a metric. The best are kept then, not the newest; what has no such metric counts as worst.
        mode: Whether a high or a low value is good.
        checkpoint_name: What the checkpoints are called before ``-<step>``.
        file_system: Serves the directory.
        options: For the filesystem of the directory.

    Raises:
        DataLossError: The state file, or that of the metrics, cannot be read as one.
        TypeError: ``max_to_keep`` is not a whole number.
        InvalidArgumentError: A number can never be right.
    """

    def __init__(
        self,
        directory: PathInput,
        *,
        max_to_keep: int | None = 5,
        keep_every_n_hours: float | None = None,
        best: str | None = None,
        mode: Literal["max", "min"] = "max",
        checkpoint_name: str = "ckpt",
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._file_system, self._directory = resolve(directory, file_system=file_system, options=options)
        if max_to_keep is not None:
            max_to_keep = whole_number(max_to_keep, "max_to_keep", at_least=1, path=self._directory)
        if keep_every_n_hours is not None:
            keep_every_n_hours = finite_number(keep_every_n_hours, "keep_every_n_hours", path=self._directory)
        if mode not in ("max", "min"):
            raise InvalidArgumentError(f"mode has to be 'max' or 'min', found {mode!r}", path=self._directory)
        if not checkpoint_name or "/" in checkpoint_name:
            raise InvalidArgumentError(
                f"checkpoint_name has to be a name without slashes, found {checkpoint_name!r}", path=self._directory
            )
        self._max_to_keep = max_to_keep
        self._keep_every_n_hours = keep_every_n_hours
        self._best = best
        self._mode = mode
        self._checkpoint_name = checkpoint_name
        # Held for the whole of a save, so that saves take turns.
        self._turn = threading.RLock()
        # Held for a moment, around every use of the fields below, which a save in the background changes too.
        self._lock = threading.Lock()
        self._snapshots = Snapshots()
        self._pending: PendingSave | None = None
        # Deleted from the state, but not from the filesystem: tried again at the next save.
        self._doomed: list[str] = []
        self._metrics = read_metrics(self._file_system, self._directory)
        state = read_state(self._directory, file_system=self._file_system) or CheckpointState("")
        kept = state.all_model_checkpoint_paths
        if not kept and state.model_checkpoint_path:
            kept = (state.model_checkpoint_path,)
        times = state.all_model_checkpoint_timestamps
        # Without times all are as old as this manager, which is what TensorFlow's takes them for.
        now = time.time()
        self._times = dict(zip(kept, times if len(times) == len(kept) else [now] * len(kept), strict=True))
        self._last_preserved = state.last_preserved_timestamp or now

    # What there is

    @property
    def directory(self) -> str:
        """Where the checkpoints lie."""
        return self._directory

    @property
    def checkpoints(self) -> list[str]:
        """The prefixes of the checkpoints that are kept for now, oldest first, without those that stay for good."""
        with self._lock:
            return list(self._times)

    @property
    def latest_checkpoint(self) -> str | None:
        """The prefix of the newest checkpoint; None if there is none."""
        with self._lock:
            return next(reversed(self._times), None)

    @property
    def best_checkpoint(self) -> str | None:
        """The prefix of the checkpoint whose metric is best, the newer of two alike; None if none has the metric."""
        with self._lock:
            rated = [(self._rating(prefix), place, prefix) for place, prefix in enumerate(self._times)]
            rating, _, prefix = max(rated, default=(-math.inf, 0, ""))
            return None if rating == -math.inf else prefix

    def metrics(self, prefix: str) -> dict[str, float]:
        """Return what was given as the metrics of a checkpoint."""
        with self._lock:
            return dict(self._metrics.get(basename(prefix), {}))

    def __repr__(self) -> str:
        return f"<CheckpointManager {self._directory!r}: {len(self._times)} checkpoints>"

    # Saving

    def save(
        self,
        tensors: Mapping[str, Any],
        step: SupportsIndex,
        *,
        metrics: Mapping[str, float] | None = None,
        by_attribute: bool = False,
        object_graph: ObjectGraph | None = None,
        num_shards: int = 1,
        alignment: int = 1,
        overwrite: bool = False,
    ) -> str:
        """Save a checkpoint ``<directory>/<checkpoint_name>-<step>``, and return its prefix.

        When it returns, the checkpoint and the state file are written, and what need not be kept is deleted.

        Args:
            tensors: Name to array.
            step: Part of the name: a whole number, at least 0.
            metrics: What is known of its quality: name to number.
            by_attribute: As in ``save_checkpoint``, and so are the arguments below.
            object_graph: As there.
            num_shards: As there.
            alignment: As there.
            overwrite: As there.

        Raises:
            AlreadyExistsError: There is a checkpoint of that step and ``overwrite`` is False.
            TypeError: The step is not a whole number. Nothing is saved then.
            InvalidArgumentError: The step is below 0, or a metric no number. Nothing is saved then.
            Exception: What an earlier ``save_async`` failed of, if nobody asked for it.
            RecordFSError: An old checkpoint could not be deleted; the new one is saved then, and a note says so.
        """
        how = SaveOptions(by_attribute, object_graph, num_shards, overwrite, alignment, durable=True)
        with self._turn:
            prefix, write = self._next_save(step, metrics, how)
            write(tensors)
            return prefix

    def save_async(
        self,
        tensors: Mapping[str, Any],
        step: SupportsIndex,
        *,
        metrics: Mapping[str, float] | None = None,
        by_attribute: bool = False,
        object_graph: ObjectGraph | None = None,
        num_shards: int = 1,
        alignment: int = 1,
        overwrite: bool = False,
    ) -> PendingSave:
        """As ``save``, but return as soon as the tensors are copied; a thread in the background does the rest.

        One save is under way at a time: a call waits for the one before it. The memory of the copies is kept for the
        next call until ``close``.

        Raises:
            TypeError: The step is not a whole number. Nothing is saved then.
            InvalidArgumentError: The step is below 0, or a metric no number. Nothing is saved then.
            Exception: What the ``save_async`` before failed of, if nobody asked for it. Nothing is saved then.
        """
        how = SaveOptions(by_attribute, object_graph, num_shards, overwrite, alignment, durable=True)
        with self._turn:
            prefix, write = self._next_save(step, metrics, how)
            copies = self._snapshots.take(tensors)
            self._pending = PendingSave(prefix, lambda: write(copies))
            return self._pending

    def _next_save(
        self, step: SupportsIndex, metrics: Mapping[str, float] | None, how: SaveOptions
    ) -> tuple[str, Callable[[Mapping[str, Any]], None]]:
        """Check what a save is given, wait for the one before it, and return its prefix and what writes tensors."""
        numbers = as_numbers(metrics, self._directory)
        number = whole_number(step, "a step", path=self._directory)
        self.wait()
        prefix = join(self._directory, f"{self._checkpoint_name}-{number}")

        def write(tensors: Mapping[str, Any]) -> None:
            save_with(self._file_system, prefix, tensors, how)
            self._saved(prefix, numbers)

        return prefix, write

    def wait(self) -> None:
        """Wait for a save in the background.

        Raises:
            Exception: What it failed of, if nobody asked for it.
        """
        pending = self._pending
        if pending is not None:
            pending.wait_and_tell()
            self._pending = None

    def close(self) -> None:
        """Wait as ``wait`` does, and let go of the copies' memory. Idempotent."""
        self.wait()
        self._snapshots = Snapshots()

    # Keeping. Whoever saves comes here, also the thread in the background, and no other meanwhile.

    def _saved(self, prefix: str, metrics: dict[str, float]) -> None:
        """Note a checkpoint that is there, and delete what need not be kept any more."""
        try:
            gone = self._gone()
            with self._lock:
                for each in (*gone, prefix):
                    self._times.pop(each, None)
                self._times[prefix] = time.time()
                self._metrics.pop(basename(prefix), None)
                if metrics:
                    self._metrics[basename(prefix)] = metrics
                self._doomed += self._choose_what_goes()
                state = CheckpointState(prefix, tuple(self._times), tuple(self._times.values()), self._last_preserved)
            self._write_metrics()
            write_state(self._directory, state, file_system=self._file_system)
        except Exception as error:
            error.add_note(f"the checkpoint {prefix!r} is saved; only the state file does not name it")
            raise
        try:
            self._delete_doomed()
        except Exception as error:
            error.add_note(f"the checkpoint {prefix!r} is saved; only older ones could not be deleted")
            raise

    def _gone(self) -> list[str]:
        """Return what somebody else deleted since the last save, such as `recordfs checkpoint prune`."""
        there = {entry.name for entry in self._file_system.list_directory(self._directory or ".")}
        with self._lock:
            own = [prefix for prefix in self._times if prefix == join(self._directory, basename(prefix))]
        return [prefix for prefix in own if index_path(basename(prefix)) not in there]

    def _choose_what_goes(self) -> list[str]:
        """Take prefixes out of those that are kept for now; return those to delete, not those that stay for good."""
        doomed = []
        while self._max_to_keep is not None and len(self._times) > self._max_to_keep:
            *older, _ = self._times
            worst = min(older, key=self._rating) if self._best is not None else older[0]
            saved = self._times.pop(worst)
            hours = self._keep_every_n_hours
            if hours is not None and saved - hours * _HOUR_SECONDS >= self._last_preserved:
                self._last_preserved = saved
            else:
                doomed.append(worst)
        return doomed

    def _rating(self, prefix: str) -> float:
        """Return how good a checkpoint is: higher is better, minus infinity without the metric."""
        value = self._metrics.get(basename(prefix), {}).get(self._best or "")
        if value is None or math.isnan(value):
            return -math.inf
        return value if self._mode == "max" else -value

    def _delete_doomed(self) -> None:
        failures = []
        elsewhere = [prefix for prefix in self._doomed if prefix != join(self._directory, basename(prefix))]
        self._doomed = [prefix for prefix in self._doomed if prefix not in elsewhere]
        for prefix in list(self._doomed):
            try:
                delete_checkpoint(prefix, file_system=self._file_system)
            except NotFoundError:
                pass  # somebody else deleted it
            except Exception as error:  # noqa: BLE001 - the others are tried, then the first is raised
                failures.append(error)
                continue
            self._doomed.remove(prefix)
        if elsewhere:
            warnings.warn(
                f"the state file of {self._directory!r} named checkpoints of other directories; these are no longer "
                f"in it, and were not deleted: {', '.join(elsewhere)}",
                RuntimeWarning,
                stacklevel=4,
            )
        if failures:
            raise failures[0]

    def _write_metrics(self) -> None:
        """Write the metrics of what is kept, if there are any or were."""
        with self._lock:
            kept = {basename(prefix) for prefix in self._times}
            known, self._metrics = self._metrics, {n: values for n, values in self._metrics.items() if n in kept}
            written = dict(self._metrics)
        if known:
            write_metrics(self._file_system, self._directory, written)
