"""What ``tf.train`` has for checkpoints, by the same names and with the same results."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from recordfs.checkpoint.arguments import finite_number
from recordfs.checkpoint.file_names import index_path, without_suffix
from recordfs.checkpoint.reader import CheckpointReader
from recordfs.checkpoint.state import STATE_FILE, CheckpointState, read_state
from recordfs.errors import DataLossError, InvalidArgumentError, IsADirectoryError, NotFoundError
from recordfs.paths import join
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

    Options = Mapping[str, Any] | None

__all__ = [
    "checkpoint_exists",
    "checkpoints_iterator",
    "get_checkpoint_state",
    "latest_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]

_LONGEST_POLL = 30.0
_SHORTEST_POLL = 0.1
"""Seconds between two looks for a new checkpoint, growing from the one to the other while none comes."""


def get_checkpoint_state(
    checkpoint_dir: PathInput,
    latest_filename: str | None = None,
    *,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> CheckpointState | None:
    """Return what a directory's state file holds, with prefixes as full paths.

    A full path that leads nowhere, because the directory was moved, is that of the checkpoint of its name in the
    directory, which TensorFlow does not find.

    Args:
        checkpoint_dir: The directory.
        latest_filename: The state file's name; ``"checkpoint"`` by default.
        file_system: Serves the directory.
        options: For the filesystem of the directory.

    Returns:
        None if there is no state file, or what is there cannot be read as one.

    Raises:
        InvalidArgumentError: The state file names no checkpoint as the newest.
    """
    try:
        state = read_state(checkpoint_dir, name=latest_filename or STATE_FILE, file_system=file_system, options=options)
    except (DataLossError, IsADirectoryError):
        return None
    if state is not None and not state.model_checkpoint_path:
        raise InvalidArgumentError(
            "the state file has no model_checkpoint_path: write it again with `recordfs.checkpoint.write_state`",
            path=resolve(checkpoint_dir, file_system=file_system, options=options)[1],
        )
    return state


def latest_checkpoint(
    checkpoint_dir: PathInput,
    latest_filename: str | None = None,
    *,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> str | None:
    """Return the prefix of a directory's newest checkpoint, by its state file; None if that checkpoint is missing.

    Arguments and errors as in ``get_checkpoint_state``.
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename, file_system=file_system, options=options)
    if state is None:
        return None
    prefix = state.model_checkpoint_path
    return prefix if checkpoint_exists(prefix, file_system=file_system, options=options) else None


def checkpoint_exists(
    checkpoint_prefix: PathInput, *, file_system: FileSystem | None = None, options: Options = None
) -> bool:
    """Tell whether there is a checkpoint of that prefix: whether its index is there.

    Args:
        checkpoint_prefix: The path without ``.index``.
        file_system: Serves the prefix.
        options: For the filesystem of the prefix.

    Raises:
        UnavailableError and others: The store gave no answer, which is not taken for a no.
    """
    file_system, prefix = resolve(checkpoint_prefix, file_system=file_system, options=options)
    return file_system.file_exists(index_path(prefix))


def load_checkpoint(
    ckpt_dir_or_file: PathInput,
    *,
    verify_checksums: bool = True,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> CheckpointReader:
    """Open a checkpoint, or the newest of a directory.

    Args:
        ckpt_dir_or_file: A prefix, or a directory with a state file.
        verify_checksums: As in ``CheckpointReader``.
        file_system: Serves the path.
        options: For the filesystem of the path.

    Raises:
        NotFoundError: There is no checkpoint.
    """
    file_system, path = resolve(ckpt_dir_or_file, file_system=file_system, options=options)
    try:
        return CheckpointReader(path, verify_checksums=verify_checksums, file_system=file_system)
    except NotFoundError:
        if not file_system.is_directory(path):
            raise
    newest = latest_checkpoint(path, file_system=file_system)
    if newest is None:
        message = "the directory has no state file that leads to a checkpoint"
        variables = join(path, "variables", "variables")
        if file_system.file_exists(index_path(variables)):
            message += f"; it is a SavedModel, whose checkpoint is {variables}"
        else:
            message += "; `find_checkpoints` and `recordfs checkpoint ls` list what is there"
        raise NotFoundError(message, path=path)
    return CheckpointReader(newest, verify_checksums=verify_checksums, file_system=file_system)


def list_variables(
    ckpt_dir_or_file: PathInput, *, file_system: FileSystem | None = None, options: Options = None
) -> list[tuple[str, list[int]]]:
    """Return name and shape of every tensor, sorted by name. Arguments and errors as in ``load_checkpoint``."""
    with load_checkpoint(ckpt_dir_or_file, file_system=file_system, options=options) as reader:
        return reader.shapes()


def load_variable(
    ckpt_dir_or_file: PathInput, name: str, *, file_system: FileSystem | None = None, options: Options = None
) -> Any:
    """Return one tensor: an array, or for a scalar a NumPy number or ``bytes``.

    Args:
        ckpt_dir_or_file: As in ``load_checkpoint``.
        name: The tensor's name; ``:0`` at its end, as tensors of graphs have, is left out.
        file_system: Serves the path.
        options: For the filesystem of the path.

    Raises:
        NotFoundError: There is no checkpoint, or no such tensor in it.
        Otherwise as ``CheckpointReader.get_tensor``.
    """
    with load_checkpoint(ckpt_dir_or_file, file_system=file_system, options=options) as reader:
        array = reader.get_tensor(name.removesuffix(":0"))
        return array if array.shape else array[()]


def checkpoints_iterator(
    checkpoint_dir: PathInput,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
    *,
    file_system: FileSystem | None = None,
    options: Options = None,
) -> Iterator[str]:
    """Yield the newest checkpoint of a directory, then each newer one when it appears.

    Some are passed over if they come more quickly than the caller takes them.

    Args:
        checkpoint_dir: The directory; need not exist yet.
        min_interval_secs: Seconds that pass at least between two.
        timeout: Seconds to wait for the next; None waits for ever.
        timeout_fn: Called when the time is over; iteration ends if it returns True, and waits again otherwise.
        file_system: Serves the directory.
        options: For the filesystem of the directory.

    Raises:
        InvalidArgumentError: A time is negative, or no number.
    """
    file_system, directory = resolve(checkpoint_dir, file_system=file_system, options=options)
    pause = finite_number(min_interval_secs, "min_interval_secs", path=directory)
    wait = None if timeout is None or timeout == math.inf else finite_number(timeout, "timeout", path=directory)
    return _each_newest(file_system, directory, pause, wait, timeout_fn)


def _each_newest(
    file_system: FileSystem,
    directory: str,
    min_interval_secs: float,
    timeout: float | None,
    timeout_fn: Callable[[], bool] | None,
) -> Iterator[str]:
    last: str | None = None
    while True:
        newer = _wait_for_newer(file_system, directory, last, timeout)
        if newer is None:
            if timeout_fn is None or timeout_fn():
                return
            continue
        yielded_at = time.monotonic()
        last = newer
        yield newer
        pause = min_interval_secs - (time.monotonic() - yielded_at)
        if pause > 0:
            time.sleep(pause)


def _wait_for_newer(file_system: FileSystem, directory: str, last: str | None, timeout: float | None) -> str | None:
    """Return the newest checkpoint as soon as it is not ``last``; None when the time is over."""
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = _SHORTEST_POLL
    while True:
        newest = latest_checkpoint(directory, file_system=file_system)
        if newest is not None and newest != last:
            return newest
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            pause = min(pause, left)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_POLL)


def prefix_from(path: PathInput, *, file_system: FileSystem) -> str:
    """Return the prefix that somebody means by a prefix, one of a checkpoint's files, or a directory."""
    text = without_suffix(resolve(path, file_system=file_system)[1])
    if not checkpoint_exists(text, file_system=file_system) and file_system.is_directory(text):
        return latest_checkpoint(text, file_system=file_system) or text
    return text
