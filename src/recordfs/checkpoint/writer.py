"""``CheckpointWriter``: tensors to the files of a checkpoint, all or nothing.

What is on disk at each step of a save under a new prefix:

1. data files under temporary names, or uploads that nobody sees
2. data files under their names, and no index: garbage that a later save replaces and pruning removes by age
3. the index: from this moment on the checkpoint is there, whole

Replacing a checkpoint is not one step, because it is several files: the old index goes before new data come, so that
an index never leads to another save's data. What is replaced is what was there when the writer was made; see
`replacement.py` for what two savers of one prefix do to each other.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from recordfs._core import BundleIndexBuilder
from recordfs.checkpoint.checkpoint_merge import merge_under_way
from recordfs.checkpoint.data_writer import DataWriter
from recordfs.checkpoint.deletion import data_files_of
from recordfs.checkpoint.file_names import check_prefix, data_path, index_path, merge_note_path, part_index_path
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.object_graph import OBJECT_GRAPH_KEY
from recordfs.checkpoint.publishing import publish
from recordfs.checkpoint.replacement import Replacement, another_saver, delete_if_there, statistics_of
from recordfs.checkpoint.small_batch import SmallBatch
from recordfs.checkpoint.tensor_input import prepared_tensor, stored_extents, string_elements
from recordfs.checkpoint.tensor_types import STRING
from recordfs.checkpoint.whole_file import read_whole_file
from recordfs.errors import AlreadyExistsError, ClosedFileError, InvalidArgumentError, NotFoundError
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.paths import dirname
from recordfs.registry import resolve
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recordfs.checkpoint.array_reader import Array
    from recordfs.checkpoint.data_writer import Place
    from recordfs.checkpoint.object_graph import ObjectGraph
    from recordfs.checkpoint.tensor_types import TensorType
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["CheckpointWriter"]


class CheckpointWriter(ClosesOnExit):
    """Writes a checkpoint, tensor by tensor, with memory for a few megabytes of each data file.

    Nothing is visible before ``close``; leaving a ``with`` block by an exception discards. Safe to use from many
    threads, which take turns.

    Args:
        prefix: Path without ``.index``. Its directory is made if it is missing.
        num_shards: How many data files to write. Each tensor goes to the one that is smallest so far.
        part: The number of this writer, from 0, if several write one checkpoint together, each its own data file;
            ``merge_parts`` makes them one. The parts' names have to differ, but for slices of one tensor.
        num_parts: How many such writers there are.
        overwrite: Replace the checkpoint of this prefix that is there now. Not one step: a reader, or a crash in the
            middle, may find none.
        alignment: Every tensor begins at a multiple of this many bytes. 1 packs them as TensorFlow does; with 64 every
            tensor can be mapped without a copy, and TensorFlow reads it all the same.
        durable: ``close`` returns only when a power cut can do no harm, where the filesystem can promise that.
        file_system: Serves the prefix.
        options: For the filesystem of the prefix.

    Raises:
        AlreadyExistsError: There is a checkpoint of this prefix and ``overwrite`` is False.
        FailedPreconditionError: A merge into this prefix was cut short; it has to go on first.
        TypeError: A number is not a whole number.
        InvalidArgumentError: The prefix or a number can never be right.
    """

    def __init__(
        self,
        prefix: PathInput,
        *,
        num_shards: int = 1,
        part: int | None = None,
        num_parts: int | None = None,
        overwrite: bool = False,
        alignment: int = 1,
        durable: bool = True,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._file_system, self._prefix = resolve(prefix, file_system=file_system, options=options)
        check_prefix(self._prefix)
        num_shards = whole_number(num_shards, "num_shards", at_least=1, path=self._prefix)
        alignment = whole_number(alignment, "alignment", at_least=1, path=self._prefix)
        self._part = _checked_part(self._prefix, part, num_parts, num_shards)
        self._alignment = alignment
        self._durable = durable
        self._lock = threading.RLock()
        self._builder = BundleIndexBuilder()
        self._state = "open"
        # An index that comes after this look is another saver's.
        self._old_index = statistics_of(self._file_system, index_path(self._prefix))
        if self._old_index is not None and not overwrite:
            raise AlreadyExistsError(
                "there is a checkpoint of this prefix: save under a new one, for example with the step in its name, or "
                "pass overwrite=True",
                path=self._prefix,
            )
        if self._file_system.capabilities(self._prefix).atomic_rename and self._file_system.file_exists(
            merge_note_path(self._prefix)
        ):
            raise merge_under_way(self._prefix)
        self._make_directories()
        self._replacement = Replacement(self._file_system, dirname(self._prefix) or ".")
        numbers = range(num_shards) if self._part is None else [self._part[0]]
        self._num_shards = num_shards if self._part is None else self._part[1]
        self._writers: list[DataWriter] = []
        with contextlib.ExitStack() as opened:
            for shard in numbers:
                path = data_path(self._prefix, shard, self._num_shards)
                writer = DataWriter(self._file_system, path, shard, alignment=alignment, replacement=self._replacement)
                opened.callback(writer.discard)
                self._writers.append(writer)
            opened.pop_all()

    def _make_directories(self) -> None:
        paths = [self._prefix] if self._part is None else [self._prefix, part_index_path(self._prefix, *self._part)]
        for path in paths:
            directory = dirname(path)
            if directory and self._file_system.capabilities(directory).directories == "explicit":
                self._file_system.recursively_create_dir(directory)

    @property
    def prefix(self) -> str:
        """The checkpoint's path without a suffix."""
        return self._prefix

    @property
    def closed(self) -> bool:
        """Whether ``close`` or ``discard`` is done."""
        return self._state == "closed"

    def __repr__(self) -> str:
        return f"<CheckpointWriter {self._prefix!r}: {self._state}>"

    # Adding

    def add(self, name: str, array: Any, *, dtype: str | None = None) -> None:
        """Add a tensor. The array may be changed as soon as this returns.

        Args:
            name: Its name, not empty, once in a checkpoint.
            array: Whatever NumPy makes an array of. Strings are ``bytes``, or ``str`` that is stored as UTF-8.
            dtype: TensorFlow's name of the type to store, such as ``"qint8"``; the array's own by default. Numbers may
                be rounded to a narrower type of floats, and have to fit otherwise.

        Raises:
            InvalidArgumentError: The name is taken, a checkpoint has no such type, or an element does not fit it.
            ResourceExhaustedError: No space or quota is left.
        """
        kind, prepared = prepared_tensor(name, array, dtype)
        shape = prepared.shape
        with self._lock:
            self._check_open()
            self._builder.check(name, kind.number, shape)
            self._builder.add(name, kind.number, shape, self._append(name, kind, prepared))

    def add_many(self, tensors: Mapping[str, Any]) -> None:
        """Add tensors in their order, many small ones at once. The arrays may be changed as soon as this returns.

        The checkpoint is the same as after ``add`` for each of them.

        Args:
            tensors: Name to array, each as in ``add``.

        Raises:
            Exception: As ``add``. Those before the one that it names may have been added, and none after it.
        """
        batch = SmallBatch()
        for name, array in tensors.items():
            # Several files share tensors by their sizes, and gaps are not of one size.
            if self._alignment > 1 or len(self._writers) > 1 or not batch.take(name, array):
                self._add_batch(batch)
                batch = SmallBatch()
                self.add(name, array)
            elif batch.is_full:
                self._add_batch(batch)
                batch = SmallBatch()
        self._add_batch(batch)

    def _add_batch(self, batch: SmallBatch) -> None:
        if not batch:
            return
        with self._lock:
            self._check_open()
            writer, data = self._writers[0], batch.data()

            def note(offset: int) -> None:
                self._builder.add_block(batch.names, batch.numbers, batch.shapes, data, writer.shard, offset)

            writer.append_joined(data, note)

    def add_slice(
        self,
        name: str,
        shape: Sequence[int],
        slices: Sequence[slice] | slice,
        array: Any,
        *,
        dtype: str | None = None,
    ) -> None:
        """Add one rectangle of a tensor. Together they have to cover it, each element once.

        Args:
            name: The tensor's name, the same for all its slices.
            shape: Of the whole tensor.
            slices: For each dimension where the rectangle lies in it, without steps; missing ones are whole.
            array: The rectangle.
            dtype: As in ``add``.

        Raises:
            TypeError: A dimension, or the start or end of a slice, is not a whole number.
            InvalidArgumentError: The rectangle does not lie within the shape, was added before, or ``array`` has
                another shape than it.
            Otherwise as ``add``.
        """
        kind, prepared = prepared_tensor(name, array, dtype)
        whole = tuple(whole_number(dim, "a dimension", path=self._prefix) for dim in shape)
        extents = stored_extents(name, whole, slices)
        lengths = tuple(dim if length is None else length for (_, length), dim in zip(extents, whole, strict=True))
        if prepared.shape != lengths:
            raise InvalidArgumentError(
                f"tensor {name!r}: the slice has the shape {list(lengths)}, and the array {list(prepared.shape)}",
                path=self._prefix,
            )
        with self._lock:
            self._check_open()
            self._builder.check(name, kind.number, whole, extents)
            self._builder.add(name, kind.number, whole, self._append(name, kind, prepared), extents)

    def add_object_graph(self, graph: ObjectGraph) -> None:
        """Add the object graph, by which ``tf.train.Checkpoint.restore`` matches attributes to tensors."""
        self.add(OBJECT_GRAPH_KEY, np.array(graph.encode(), object))

    def _append(self, name: str, kind: TensorType, array: Array) -> Place:
        writer = self._writers[0] if len(self._writers) == 1 else min(self._writers, key=lambda each: each.size)
        if kind is STRING:
            return writer.append_strings(string_elements(name, array))
        return writer.append_array(array)

    # Ending

    def close(self) -> None:
        """Publish the checkpoint: data first, then the index. Idempotent.

        If it raises, the new index is not there, and what it was to replace is put back where files can be renamed,
        unless a note at the error says otherwise. Data that were published before stay, and lead nowhere.

        Raises:
            AlreadyExistsError: Another saver has been at work under this prefix since this one was made. It loses
                nothing.
            InvalidArgumentError: The slices of a tensor do not cover it, each element once.
            ResourceExhaustedError: No space or quota is left.
        """
        with self._lock:
            if self._state == "closed":
                return
            try:
                self._publish()
            except BaseException as error:
                self._end_after(error)
                raise
            self._state = "closed"

    def _publish(self) -> None:
        if self._part is None:  # the slices of a part are some of those that `merge_parts` looks at together
            self._check_cover()
        for writer in self._writers:
            writer.finish(durable=self._durable)
        path = index_path(self._prefix) if self._part is None else part_index_path(self._prefix, *self._part)
        index = self._builder.finish(self._num_shards)
        try:
            old_data = self._clear_old_index()
            for writer in self._writers:
                writer.publish()
            publish(self._file_system, path, [index], exclusive=self._part is None, durable=self._durable)
        except BaseException as error:
            self._put_back_after(error, path, index)
            raise
        self._delete_replaced(old_data)

    def _clear_old_index(self) -> list[str]:
        """Take away the index that is replaced, before its data are; return the data files that it had."""
        path = index_path(self._prefix)
        if self._old_index is None:
            if self._part is None and self._file_system.file_exists(path):
                raise another_saver(path)
            return []
        old_data = data_files_of(self._file_system, self._prefix)
        if self._part is None:
            self._replacement.clear(path, self._old_index)
        else:
            delete_if_there(self._file_system, path)  # the writer of another part may have been quicker
        return old_data

    def _put_back_after(self, error: BaseException, path: str, index: bytes) -> None:
        """Undo what was replaced, unless the index is there in spite of the error."""
        try:
            try:
                is_published = read_whole_file(self._file_system, path) == index
            except NotFoundError:
                is_published = False
            if not is_published:
                self._replacement.put_back()
        except Exception as another:  # noqa: BLE001 - the first error is the one that the user sees
            moved = "".join(f"; {old} is now {new}" for old, new in self._replacement.aside.items())
            error.add_note(f"and what was replaced could not be put back: {another}{moved}")

    def _delete_replaced(self, old_data: list[str]) -> None:
        """Delete what the new index leads to no more."""
        own = {data_path(self._prefix, shard, self._num_shards) for shard in range(self._num_shards)}
        try:
            self._replacement.finish()
            for path in old_data:
                if path not in own:
                    delete_if_there(self._file_system, path)
        except Exception as error:
            error.add_note(f"{self._prefix!r} is saved; only what it replaced could not be deleted")
            raise

    def _check_cover(self) -> None:
        try:
            self._builder.check_cover()
        except InvalidArgumentError as error:
            error.path = self._prefix
            raise

    def discard(self) -> None:
        """Let go of everything that was added. Idempotent; nothing after ``close``."""
        with self._lock:
            if self._state == "closed":
                return
            self._state = "closed"
            with contextlib.ExitStack() as discarding:  # all of them, and the first error is raised
                for writer in self._writers:
                    discarding.callback(writer.discard)

    def _end_after(self, error: BaseException) -> None:
        try:
            self.discard()
        except Exception as another:  # noqa: BLE001 - the first error is the one that the user sees
            error.add_note(f"and what was written could not be discarded: {another}")

    def _check_open(self) -> None:
        if self._state == "closed":
            raise ClosedFileError("the checkpoint has been closed or discarded", path=self._prefix)


def _checked_part(prefix: str, part: int | None, num_parts: int | None, num_shards: int) -> tuple[int, int] | None:
    if part is None and num_parts is None:
        return None
    if part is None or num_parts is None:
        raise InvalidArgumentError(f"part and num_parts go together, found {part} of {num_parts}", path=prefix)
    part = whole_number(part, "part", path=prefix)
    num_parts = whole_number(num_parts, "num_parts", at_least=part + 1, path=prefix)
    if num_shards != 1:
        raise InvalidArgumentError(
            f"one of several writers has one data file, found num_shards={num_shards}", path=prefix
        )
    return part, num_parts
