"""Checkpoints from and to other files of tensors: safetensors and NumPy's archives, or other checkpoints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from recordfs.checkpoint.attribute_paths import attribute_key
from recordfs.checkpoint.file_names import index_path
from recordfs.checkpoint.npz_file import NpzSink, NpzSource
from recordfs.checkpoint.numpy_module import np
from recordfs.checkpoint.object_graph import OBJECT_GRAPH_KEY, SAVE_COUNTER, ObjectGraph
from recordfs.checkpoint.reader import CheckpointReader
from recordfs.checkpoint.safetensors_file import SafetensorsSink, SafetensorsSource
from recordfs.checkpoint.tensor_streams import TensorSink, TensorSource, TensorSpec
from recordfs.checkpoint.tf_names import prefix_from
from recordfs.checkpoint.writer import CheckpointWriter
from recordfs.errors import AlreadyExistsError, DataLossError, InvalidArgumentError, UnimplementedError
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from recordfs.checkpoint.array_reader import Array
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

    Options = Mapping[str, Any] | None
    NameMap = Mapping[str, str | None] | Callable[[str], str | None]

__all__ = ["Conversion", "Format", "convert_checkpoint", "format_of", "rename_by_patterns"]

Format = Literal["checkpoint", "safetensors", "npz"]


class Conversion(NamedTuple):
    """What ``convert_checkpoint`` did.

    Attributes:
        tensors: How many tensors were written.
        size: How many bytes they have.
        left_out: The names, in the source, of those that the name map left out, of the object graph if attribute paths
            took its place, and ``__metadata__`` if a safetensors file has any of others.
    """

    tensors: int
    size: int
    left_out: tuple[str, ...]


def format_of(path: str) -> Format:
    """Return the format that a path's ending tells: ``.safetensors``, ``.npz``, and else a checkpoint's prefix."""
    if path.endswith(".safetensors"):
        return "safetensors"
    return "npz" if path.endswith(".npz") else "checkpoint"


def rename_by_patterns(rules: Sequence[tuple[str, str]]) -> Callable[[str], str]:
    r"""Return a function that renames by regular expressions, each applied to the result of the one before.

    Args:
        rules: Pairs of a pattern, which may match anywhere in the name, and what takes its place (``\1`` is a group).

    Raises:
        InvalidArgumentError: A pattern is invalid, or its replacement names a group that it does not have.
    """
    compiled = []
    for pattern, replacement in rules:
        try:
            found = re.compile(pattern)
        except re.error as error:
            raise InvalidArgumentError(f"not a regular expression: {pattern!r}: {error}") from error
        try:
            found.sub(replacement, "")
        except (re.error, IndexError) as error:
            raise InvalidArgumentError(
                f"{replacement!r} cannot take the place of what {pattern!r} matches: {error}"
            ) from error
        compiled.append((found, replacement))

    def rename(name: str) -> str:
        for pattern, replacement in compiled:
            name = pattern.sub(replacement, name)
        return name

    return rename


def convert_checkpoint(
    source: PathInput,
    target: PathInput,
    *,
    names: NameMap | None = None,
    by_attribute: bool = False,
    source_format: Format | None = None,
    target_format: Format | None = None,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
    file_system: FileSystem | None = None,
    options: Options = None,
    target_file_system: FileSystem | None = None,
    target_options: Options = None,
) -> Conversion:
    """Write the tensors of one file, or checkpoint, as another, one in memory at a time.

    Between any two formats and any two filesystems. The target appears whole or not at all.

    Args:
        source: A checkpoint's prefix or directory, a ``.safetensors`` file, or an ``.npz`` archive.
        target: As ``source``, but no directory.
        names: New names: a mapping, in which a name that is missing stays, or a function. None leaves a tensor out.
        by_attribute: Names outside of checkpoints are attribute paths such as ``"model/layers/0/kernel"``; in
            checkpoints they become the names that ``tf.train.Checkpoint`` gives, with an object graph, and back.
            ``names`` sees the attribute paths.
        source_format: What the source is; told by its ending by default.
        target_format: The same for the target.
        overwrite: Replace what is there.
        progress: Called with a number of bytes whenever so many more have been written.
        file_system: Serves the source.
        options: For the filesystem of the source.
        target_file_system: Serves the target.
        target_options: For the filesystem of the target.

    Raises:
        AlreadyExistsError: The target is there, and ``overwrite`` is False.
        InvalidArgumentError: Two tensors would have the same name, or the target's format cannot hold one.
        UnimplementedError: One is a variant, or of another type that only its own format has.
        DataLossError: The source is damaged.
        MissingDependencyError: One of them is a safetensors file, and that package is not installed.
    """
    source_system, source_path = resolve(source, file_system=file_system, options=options)
    target_system, target_path = resolve(target, file_system=target_file_system, options=target_options)
    writes = target_format or format_of(target_path)
    if not overwrite and target_system.file_exists(index_path(target_path) if writes == "checkpoint" else target_path):
        raise AlreadyExistsError(
            "the target of the conversion exists; overwrite=True (--overwrite) replaces it", path=target_path
        )
    with _open_source(source_system, source_path, source_format or format_of(source_path), by_attribute) as opened:
        kept, left_out = _renamed(opened.specs(), names, source_path)
        sink = _make_sink(target_system, target_path, writes, overwrite=overwrite, by_attribute=by_attribute)
        size = 0
        try:
            specs = sink.arranged(list(kept.values()))
            old_names = {spec.name: name for name, spec in kept.items()}
            sink.begin(specs)
            for spec in specs:
                array = opened.read(old_names[spec.name])
                sink.add(spec, array)
                size += array.nbytes
                if progress is not None:
                    progress(array.nbytes)
            sink.close()
        except BaseException as error:
            try:
                sink.discard()
            except Exception as another:  # noqa: BLE001 - the first error is the one that the user sees
                error.add_note(f"and the target could not be discarded: {another}")
            raise
        return Conversion(len(specs), size, (*left_out, *opened.left_out))


def _renamed(specs: Sequence[TensorSpec], names: NameMap | None, path: str) -> tuple[dict[str, TensorSpec], list[str]]:
    """Return what each old name becomes, and the names of those that are left out."""
    kept: dict[str, TensorSpec] = {}
    left_out = []
    taken: dict[str, str] = {}
    for spec in specs:
        new = spec.name if names is None else names(spec.name) if callable(names) else names.get(spec.name, spec.name)
        if new is None:
            left_out.append(spec.name)
            continue
        if new in taken:
            raise InvalidArgumentError(f"tensors {taken[new]!r} and {spec.name!r} would both be {new!r}", path=path)
        if not spec.type.numpy_name:
            raise UnimplementedError(
                f"tensor {spec.name!r} is of type {spec.type.name}, which cannot be converted; leave it out by a name "
                "map that maps it to null",
                path=path,
            )
        taken[new] = spec.name
        kept[spec.name] = spec._replace(name=new)
    if names is not None and not callable(names):
        unknown = sorted(set(names) - {spec.name for spec in specs})
        if unknown:
            raise InvalidArgumentError(f"the name map names a tensor that is not there: {unknown[0]!r}", path=path)
    return kept, left_out


def _open_source(file_system: FileSystem, path: str, kind: Format, by_attribute: bool) -> TensorSource:
    if kind == "safetensors":
        return SafetensorsSource(file_system, path)
    if kind == "npz":
        return NpzSource(file_system, path)
    return _CheckpointSource(file_system, path, by_attribute=by_attribute)


def _make_sink(file_system: FileSystem, path: str, kind: Format, *, overwrite: bool, by_attribute: bool) -> TensorSink:
    if kind == "safetensors":
        return SafetensorsSink(file_system, path, overwrite=overwrite)
    if kind == "npz":
        return NpzSink(file_system, path, overwrite=overwrite)
    return _CheckpointSink(file_system, path, overwrite=overwrite, by_attribute=by_attribute)


class _CheckpointSource(TensorSource):
    """A checkpoint to read, by the names in it or by attribute paths."""

    def __init__(self, file_system: FileSystem, path: str, *, by_attribute: bool) -> None:
        self._reader = CheckpointReader(prefix_from(path, file_system=file_system), file_system=file_system)
        self._by_attribute = by_attribute
        try:
            self._keys = _keys_by_path(self._reader) if by_attribute else {name: name for name in self._reader}
        except BaseException:
            self._reader.close()
            raise

    @property
    def left_out(self) -> tuple[str, ...]:
        """The object graph, if attribute paths take its place."""
        return (OBJECT_GRAPH_KEY,) if self._by_attribute else ()

    def specs(self) -> list[TensorSpec]:
        """Return all tensors, in the order of their bytes."""
        entries = [(name, self._reader.entry(key)) for name, key in self._keys.items()]
        entries.sort(key=lambda pair: pair[1].slices[0][2:4])
        return [TensorSpec(name, entry.type, entry.shape) for name, entry in entries]

    def read(self, name: str) -> Array:
        """Read one tensor."""
        return self._reader[self._keys[name]]

    def close(self) -> None:
        """Close the checkpoint. Idempotent."""
        self._reader.close()


def _keys_by_path(reader: CheckpointReader) -> dict[str, str]:
    """Return the name of each tensor by the attribute path that leads to it.

    What the graph does not lead to, such as slot variables, keeps its name.
    """
    graph = reader.object_graph
    if graph is None:
        raise InvalidArgumentError(
            "the checkpoint has no object graph, so that no attribute leads to a tensor; convert it by name",
            path=reader.prefix,
        )
    try:
        paths = {key: path for path, key in graph.keys_by_path().items()}
    except DataLossError as error:
        error.path = reader.prefix
        raise
    keys: dict[str, str] = {}
    for key in reader:
        if key == OBJECT_GRAPH_KEY:
            continue
        path = paths.get(key, key)
        if path in keys:
            raise InvalidArgumentError(
                f"{path!r} is the name of a tensor and the attribute path of another; convert it by name",
                path=reader.prefix,
            )
        keys[path] = key
    return keys


class _CheckpointSink(TensorSink):
    """A checkpoint to write, by names or by attribute paths."""

    def __init__(self, file_system: FileSystem, path: str, *, overwrite: bool, by_attribute: bool) -> None:
        self._writer = CheckpointWriter(path, overwrite=overwrite, file_system=file_system)
        self._by_attribute = by_attribute
        self._graph: ObjectGraph | None = None

    def begin(self, specs: Sequence[TensorSpec]) -> None:
        """Make the object graph."""
        if self._by_attribute:
            paths = [spec.name for spec in specs]
            if SAVE_COUNTER not in paths:
                self._writer.add(attribute_key(SAVE_COUNTER), np.array(1, np.int64))
                paths.append(SAVE_COUNTER)
            self._graph = ObjectGraph.from_attributes(paths)

    def add(self, spec: TensorSpec, array: Array) -> None:
        """Write one tensor."""
        name = attribute_key(spec.name) if self._by_attribute else spec.name
        self._writer.add(name, array, dtype=spec.type.name)

    def close(self) -> None:
        """Publish the checkpoint."""
        if self._graph is not None:
            self._writer.add_object_graph(self._graph)
        self._writer.close()

    def discard(self) -> None:
        """Let go of what was written."""
        self._writer.discard()
