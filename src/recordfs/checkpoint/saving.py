"""Saving by one call: now, or while the program goes on, when a thread writes copies of the tensors."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.checkpoint.array_memory import empty_array
from recordfs.checkpoint.attribute_paths import attribute_key
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.object_graph import SAVE_COUNTER, ObjectGraph
from recordfs.checkpoint.parallel import do_all, usable_cores
from recordfs.checkpoint.tensor_input import as_array
from recordfs.checkpoint.writer import CheckpointWriter
from recordfs.errors import DeadlineExceededError, InvalidArgumentError
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordfs.checkpoint.array_reader import Array
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["PendingSave", "Snapshots", "save_async", "save_checkpoint"]

_PIECE = 4 << 20
"""Bytes of a large array that one thread copies at once."""


class SaveOptions(NamedTuple):
    """How a checkpoint is saved: the arguments of ``save_checkpoint`` that say so, as one value to hand on.

    Attributes:
        by_attribute: The names are attribute paths.
        object_graph: To add to the checkpoint.
        num_shards: How many data files to write.
        overwrite: Replace the checkpoint of this prefix that is there now.
        alignment: Every tensor begins at a multiple of this many bytes.
        durable: A power cut can do no harm once the checkpoint is saved, where the filesystem can promise that.
    """

    by_attribute: bool
    object_graph: ObjectGraph | None
    num_shards: int
    overwrite: bool
    alignment: int
    durable: bool


def save_checkpoint(
    prefix: PathInput,
    tensors: Mapping[str, Any],
    *,
    by_attribute: bool = False,
    object_graph: ObjectGraph | None = None,
    num_shards: int = 1,
    overwrite: bool = False,
    alignment: int = 1,
    durable: bool = True,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> str:
    """Save tensors as a checkpoint, all or nothing, and return its prefix.

    Args:
        prefix: As in ``CheckpointWriter``.
        tensors: Name to array, stored in this order.
        by_attribute: The names are attribute paths such as ``"model/layers/0/kernel"``. Tensors and an object graph are
            written as ``tf.train.Checkpoint`` does, so that its ``restore`` finds them by attribute; ``save_counter``
            is added if it is not among them.
        object_graph: An object graph to add, made by other means.
        num_shards: As in ``CheckpointWriter``, and so are the other arguments.
        overwrite: As there.
        alignment: As there.
        durable: As there.
        file_system: As there.
        options: As there.

    Raises:
        InvalidArgumentError: Both ``by_attribute`` and ``object_graph``.
        Otherwise as ``CheckpointWriter``.
    """
    served_by, name = resolve(prefix, file_system=file_system, options=options)
    how = SaveOptions(by_attribute, object_graph, num_shards, overwrite, alignment, durable)
    return save_with(served_by, name, tensors, how)


def save_with(file_system: FileSystem, prefix: str, tensors: Mapping[str, Any], how: SaveOptions) -> str:
    """Save tensors as ``save_checkpoint`` does."""
    object_graph = how.object_graph
    if how.by_attribute:
        if object_graph is not None:
            raise InvalidArgumentError("give by_attribute or object_graph, not both", path=prefix)
        named = {**tensors}
        named.setdefault(SAVE_COUNTER, np.array(1, np.int64))
        object_graph = ObjectGraph.from_attributes(named)
        tensors = {attribute_key(path): array for path, array in named.items()}
    with CheckpointWriter(
        prefix,
        num_shards=how.num_shards,
        overwrite=how.overwrite,
        alignment=how.alignment,
        durable=how.durable,
        file_system=file_system,
    ) as writer:
        writer.add_many(tensors)
        if object_graph is not None:
            writer.add_object_graph(object_graph)
    return writer.prefix


class Snapshots:
    """Copies of tensors, which reuse the memory of earlier copies where these have the same shapes.

    Fresh memory costs more than the copy itself: the system clears every page of it first. One thread at a time.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}

    def take(self, tensors: Mapping[str, Any]) -> dict[str, Array]:
        """Return copies of all tensors. Copies that were returned before must no longer be in use."""
        copies: dict[str, Array] = {}
        pieces: list[tuple[Array, Array]] = []
        for name, value in tensors.items():
            array = as_array(name, value)
            kept = self._kept.get(name)
            fits = kept is not None and kept.shape == array.shape and kept.dtype == array.dtype
            copy = copies[name] = kept if fits and kept is not None else empty_array(array.shape, array.dtype)
            pieces.extend(_pieces(copy, array))
        do_all(lambda pair: np.copyto(*pair), pieces, usable_cores())
        self._kept = copies
        return copies


def _pieces(copy: Array, array: Array) -> list[tuple[Array, Array]]:
    """Return target and source of a copy, cut so that threads share the work on large arrays."""
    if array.nbytes <= _PIECE or not array.flags.c_contiguous or array.dtype.hasobject:
        return [(copy, array)]
    target, source = copy.reshape(-1), array.reshape(-1)
    step = _PIECE // array.itemsize
    return [(target[start : start + step], source[start : start + step]) for start in range(0, source.size, step)]


class _Outcome:
    """How a save in the background ended. The thread holds this, and not the PendingSave, which then can go."""

    error: BaseException | None = None


def _run(work: Callable[[], object], outcome: _Outcome) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - `result` raises it
        outcome.error = error


class PendingSave:
    """A save in the background. Safe to use from many threads.

    Its thread keeps the interpreter alive until it is done. An error that nobody asks for is reported as a
    RuntimeWarning when this object goes.

    Attributes:
        prefix: The checkpoint's path without a suffix.
    """

    def __init__(self, prefix: str, work: Callable[[], object]) -> None:
        self.prefix = prefix
        self._outcome = _Outcome()
        self._is_told = False
        self._thread = threading.Thread(target=_run, args=(work, self._outcome), name=f"recordfs-save {prefix}")
        self._thread.start()

    def done(self) -> bool:
        """Tell whether it has ended, well or not."""
        return not self._thread.is_alive()

    def result(self, timeout: float | None = None) -> str:
        """Wait until the checkpoint is there, and return its prefix.

        Args:
            timeout: Seconds to wait at most; None waits for as long as it takes.

        Raises:
            DeadlineExceededError: The time is over; the save goes on.
            Exception: What kept it from being saved, as ``save_checkpoint`` raises.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise DeadlineExceededError(f"the checkpoint was not saved within {timeout} seconds", path=self.prefix)
        if self._outcome.error is not None:
            self._is_told = True
            raise self._outcome.error
        return self.prefix

    def wait_and_tell(self) -> None:
        """Wait, and raise what kept it from being saved unless ``result`` has done so."""
        self._thread.join()
        if self._outcome.error is not None and not self._is_told:
            self.result()

    def __repr__(self) -> str:
        state = "at work" if not self.done() else "saved" if self._outcome.error is None else "failed"
        return f"<PendingSave {self.prefix!r}: {state}>"

    def __del__(self) -> None:
        error = self._outcome.error
        if error is not None and not self._is_told:
            warnings.warn(
                f"the checkpoint {self.prefix!r} was not saved, and its result() was not asked for: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=1,
            )


def save_async(
    prefix: PathInput,
    tensors: Mapping[str, Any],
    *,
    by_attribute: bool = False,
    object_graph: ObjectGraph | None = None,
    num_shards: int = 1,
    overwrite: bool = False,
    alignment: int = 1,
    durable: bool = True,
    snapshots: Snapshots | None = None,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> PendingSave:
    """Copy tensors, and save the copies in the background. The tensors may be changed as soon as this returns.

    ``CheckpointManager.save_async`` does the same and keeps the memory of the copies for the next time.

    Args:
        prefix: As in ``save_checkpoint``, and so are the arguments that are not named here.
        tensors: Name to array. It takes as much memory again while the save is under way.
        by_attribute: As there.
        object_graph: As there.
        num_shards: As there.
        overwrite: As there.
        alignment: As there.
        durable: As there.
        snapshots: Where the copies go, for saves one after the other.
        file_system: As there.
        options: As there.

    Returns:
        What to ask for the outcome: errors of the save come out of its ``result``.

    Raises:
        As ``get_file_system``, and as copying raises. Everything else comes out of ``result``.
    """
    served_by, name = resolve(prefix, file_system=file_system, options=options)
    how = SaveOptions(by_attribute, object_graph, num_shards, overwrite, alignment, durable)
    copies = (Snapshots() if snapshots is None else snapshots).take(tensors)
    return PendingSave(name, lambda: save_with(served_by, name, copies, how))
