"""``CheckpointReader``: a checkpoint as a mapping of names to arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from recordfs.checkpoint.array_reader import ArrayReader
from recordfs.checkpoint.block_reader import BlockReader
from recordfs.checkpoint.data_files import DataFiles
from recordfs.checkpoint.entries import StoredSlice, TensorEntry, plain_entry
from recordfs.checkpoint.fetcher import SMALL_TENSORS
from recordfs.checkpoint.file_names import without_suffix
from recordfs.checkpoint.index_file import read_bundle_index
from recordfs.checkpoint.object_graph import OBJECT_GRAPH_KEY, ObjectGraph
from recordfs.checkpoint.slicing import parse_selection
from recordfs.checkpoint.tensor_types import type_numbered
from recordfs.errors import ClosedFileError, InvalidArgumentError, NotFoundError, RecordFSError
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from recordfs._core import BundleBlock
    from recordfs.checkpoint.array_reader import Array
    from recordfs.checkpoint.numpy_module import np
    from recordfs.checkpoint.slicing import Index
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["CheckpointReader", "TensorNotFoundError"]

_STREAMED_AT_ONCE = 16 << 20
"""Bytes of small tensors that ``stream`` reads together."""


class TensorNotFoundError(NotFoundError, KeyError):
    """A checkpoint has no tensor of that name."""


class CheckpointReader(ClosesOnExit, Mapping[str, "Array"]):
    """A checkpoint: a mapping of tensors' names to arrays, each read when it is asked for.

    Opening reads the index and no data. Names are sorted. Numbers come as arrays of their NumPy type (bfloat16 and its
    like from ``ml_dtypes``), quantized ones as the integers that they are stored as, strings as object arrays of
    ``bytes``, scalars as arrays without dimensions. Arrays own their memory and may be changed.

    Safe to use from many threads. Usable after ``fork`` and picklable where the filesystem is.

    Args:
        prefix: Path without ``.index``; the path of one of the checkpoint's files is taken for its prefix.
        verify_checksums: Compare the checksum of everything that is read as a whole. What ``get_slice`` reads of a
            tensor has none of its own.
        file_system: Serves the prefix.
        options: For the filesystem of the prefix.

    Raises:
        NotFoundError: There is no checkpoint of that prefix.
        DataLossError: Its index is damaged.
        UnimplementedError: It is of the format before (V1), or needs a later reader.
    """

    def __init__(
        self,
        prefix: PathInput,
        *,
        verify_checksums: bool = True,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._file_system, path = resolve(prefix, file_system=file_system, options=options)
        self._prefix = without_suffix(path)
        self._verify_checksums = verify_checksums
        self._index = read_bundle_index(self._file_system, self._prefix)
        self._files = DataFiles(self._file_system, self._prefix, self._index.num_shards)
        self._arrays = ArrayReader(self._files, big_endian=self._index.big_endian, verify_checksums=verify_checksums)
        self._blocks = BlockReader(self._files, verify_checksums=verify_checksums)
        self._names: list[str] | None = None
        self._graph: ObjectGraph | None = None
        self._closed = False

    def __reduce__(self) -> tuple[object, ...]:
        return (_open_again, (type(self), self._prefix, self._verify_checksums, self._file_system))

    @property
    def prefix(self) -> str:
        """The checkpoint's path without a suffix."""
        return self._prefix

    @property
    def num_shards(self) -> int:
        """How many data files there are."""
        return self._index.num_shards

    @property
    def big_endian(self) -> bool:
        """Whether numbers in data files have their high byte first; arrays have the processor's order all the same."""
        return self._index.big_endian

    @property
    def data_files(self) -> DataFiles:
        """The data files, each opened when it is first needed; for reading what lies in them by other means."""
        return self._files

    # A mapping

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all_names())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._index

    def __getitem__(self, name: str) -> Array:
        """Read a tensor. Raises TensorNotFoundError, a KeyError, if there is none of that name."""
        return self.get_tensor(name)

    def get(self, name: str, default: Any = None, *, out: Array | None = None, mapped: bool = False) -> Any:
        """Read a tensor; ``default`` if there is none of that name. Otherwise as ``get_tensor``."""
        return self.get_tensor(name, out=out, mapped=mapped) if name in self else default

    def __repr__(self) -> str:
        return f"<CheckpointReader {self._prefix!r}: {len(self)} tensors>"

    # What there is

    def _all_names(self) -> list[str]:
        if self._names is None:
            self._names = self._index.names()
        return self._names

    def entry(self, name: str) -> TensorEntry:
        """Return what the index says of a tensor: type, shape, and where it lies.

        Raises:
            TensorNotFoundError: There is none of that name.
            DataLossError: Its entry makes no sense.
        """
        found = self._index.find(name)
        if found is None:
            raise self._no_tensor(name)
        if not found[6]:
            return plain_entry(name, found)
        slices = tuple(
            StoredSlice(starts, lengths, shard, offset, size, crc)
            for starts, lengths, shard, offset, size, crc in self._index.slices(name)
        )
        return TensorEntry(name, type_numbered(found[0]), found[1], slices)

    def entries(self) -> Iterator[TensorEntry]:
        """Iterate over what the index says of every tensor, in the order of names.

        The first entry that makes no sense ends it with DataLossError; ``entry`` tells of the others.
        """
        # No `map`, which would take a StopIteration out of somebody's filesystem for the end of the tensors.
        return (self.entry(name) for name in self._all_names())

    def has_tensor(self, name: str) -> bool:
        """Tell whether there is a tensor of that name."""
        return name in self

    def shapes(self) -> list[tuple[str, list[int]]]:
        """Return the name and the shape of every tensor, in the order of names.

        Raises:
            DataLossError: An entry makes no sense.
        """
        return self._index.shapes()

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Return the shape of every tensor, as ``tf.train.load_checkpoint`` does."""
        return dict(self._index.shapes())

    def get_variable_to_dtype_map(self) -> dict[str, np.dtype[Any]]:
        """Return the NumPy type of every tensor; ``object`` for strings. Types that NumPy has none for are left out."""
        names = self._all_names()
        types = {}
        for name, found in zip(names, self._index.find_many(names), strict=True):
            known = type_numbered(found[0])
            if known.numpy_name:
                types[name] = known.numpy_type()
        return types

    @property
    def object_graph(self) -> ObjectGraph | None:
        """Which Python attribute held which tensor; None for a checkpoint that was saved by names only.

        Raises:
            DataLossError: It is damaged.
        """
        if self._graph is None and OBJECT_GRAPH_KEY in self._index:
            self._graph = ObjectGraph.decode(self.get_tensor(OBJECT_GRAPH_KEY).item(), path=self._prefix)
        return self._graph

    # Reading

    def get_tensor(self, name: str, *, out: Array | None = None, mapped: bool = False) -> Array:
        """Read a tensor.

        Args:
            name: Its name.
            out: An array of its shape and type to fill.
            mapped: Return a read-only view of the mapped file where that can be: on a local filesystem, at an offset
                that suits the type. A file that is shortened while a view of it is used kills the process (SIGBUS).

        Raises:
            TensorNotFoundError: There is none of that name.
            DataLossError: Its bytes are damaged or missing.
            UnimplementedError: It is a variant: only TensorFlow can read it. The others can be read.
            MissingDependencyError: Its type comes with ``ml_dtypes``, which is not installed.
            InvalidArgumentError: ``out`` does not fit.
        """
        if out is None and not mapped:
            self._check_open()
            entry = self.entry(name)
            array = self._arrays.read_small(entry) if entry.slices else None
            if array is not None:
                return array
        return self.get_many([name], out=None if out is None else {name: out}, mapped=mapped)[name]

    def get_many(
        self,
        names: Iterable[str] | None = None,
        *,
        out: Mapping[str, Array] | None = None,
        mapped: bool = False,
    ) -> dict[str, Array]:
        """Read many tensors, neighbours together and several at a time.

        Args:
            names: Which; all by default.
            out: Arrays to fill, by name, of what is read. They may hold part of the tensors when an error is raised.
            mapped: As in ``get_tensor``.

        Returns:
            The arrays by name, in the order of ``names``.

        Raises:
            InvalidArgumentError: ``out`` has another name than ``names``, or ``names`` is a single str.
            Otherwise as ``get_tensor``. The first error ends it.
        """
        self._check_open()
        wanted = self._wanted(names)
        given = {} if out is None else dict(out)
        if given and not given.keys() <= set(wanted):
            unasked = sorted(repr(name) for name in given.keys() - set(wanted))
            raise InvalidArgumentError(
                f"out has arrays for tensors that are not read: {', '.join(unasked)}",
                path=self._prefix,
            )
        try:
            arrays = self._map_many(wanted, given) if mapped else self._read_many(wanted, given)
        except RecordFSError as error:
            raise self._with_path(error) from error.__cause__
        return {name: arrays[name] for name in wanted}

    def _read_many(self, wanted: list[str], given: Mapping[str, Array]) -> dict[str, Array]:
        """Read tensors, small ones that lie together by a way of their own."""
        blocks, rest = self._blocks_of(wanted, given)
        arrays = self._blocks.read(blocks)
        if rest:
            arrays |= self._arrays.read(self._entries_of(rest), given)
        return arrays

    def _map_many(self, wanted: list[str], given: Mapping[str, Array]) -> dict[str, Array]:
        """Map tensors, and read those that cannot be mapped."""
        blocks, rest = self._blocks_of(wanted, given)
        arrays = self._blocks.map(blocks)
        if arrays is None:
            arrays, rest = {}, wanted
        entries = self._entries_of(rest)
        arrays |= self._arrays.map(entry for entry in entries if entry.name not in given)
        read = self._arrays.read([entry for entry in entries if entry.name not in arrays], given)
        for name, array in read.items():
            if name not in given:
                array.flags.writeable = False
        return arrays | read

    def _blocks_of(self, wanted: list[str], given: Mapping[str, Array]) -> tuple[list[BundleBlock], list[str]]:
        """Return blocks of small tensors, and the names of those that are in none or have an array given for them."""
        if self._index.big_endian:
            return [], wanted
        asked = [name for name in wanted if name not in given] if given else wanted
        try:
            blocks, rest = self._index.small_blocks(asked, SMALL_TENSORS)
        except KeyError as error:
            raise self._no_tensor(error.args[0]) from None
        return blocks, rest + [name for name in wanted if name in given]

    def get_slice(self, name: str, slices: Index | tuple[Index, ...]) -> Array:
        """Read part of a tensor, and as little else of its file as that takes.

        There is no checksum for a part. What lies in a stored slice that is read as a whole is verified.

        Args:
            name: The tensor's name.
            slices: An index as NumPy has it: slices, whole numbers, ``...``.

        Raises:
            InvalidArgumentError: The index does not suit the shape.
            OutOfRangeError: A whole number lies outside its dimension.
            Otherwise as ``get_tensor``.
        """
        self._check_open()
        entry = self.entry(name)
        selection = parse_selection(slices, entry.shape, name)
        try:
            return self._arrays.read_box(entry, selection)
        except RecordFSError as error:
            raise self._with_path(error) from error.__cause__

    def stream(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Array]]:
        """Iterate over tensors in the order in which they lie in their files, with memory for a few at a time.

        Args:
            names: Which, looked at now and not while it goes on; all by default.

        Raises:
            TensorNotFoundError: There is none of a name. This is raised at once, errors of reading on the way.
        """
        self._check_open()
        wanted = self._entries_of(self._wanted(names))
        wanted.sort(key=lambda entry: entry.slices[0][2:4])
        return self._stream(wanted)

    def _stream(self, wanted: list[TensorEntry]) -> Iterator[tuple[str, Array]]:
        batch: list[TensorEntry] = []
        for entry in wanted:
            if batch and sum(each.size for each in (*batch, entry)) > _STREAMED_AT_ONCE:
                yield from self.get_many([each.name for each in batch]).items()
                batch = []
            batch.append(entry)
        yield from self.get_many([each.name for each in batch]).items()

    def _wanted(self, names: Iterable[str] | None) -> list[str]:
        """Return the names that are asked for, each once."""
        if isinstance(names, str):
            raise InvalidArgumentError(
                f"names has to be a list of names, found the one name {names!r}", path=self._prefix
            )
        return list(dict.fromkeys(self._all_names() if names is None else names))

    def _entries_of(self, names: list[str]) -> list[TensorEntry]:
        try:
            found = self._index.find_many(names)
        except KeyError as error:
            raise self._no_tensor(error.args[0]) from None
        return [self.entry(name) if one[6] else plain_entry(name, one) for name, one in zip(names, found, strict=True)]

    def _no_tensor(self, name: str) -> TensorNotFoundError:
        import difflib  # only for a name that is not there

        close = difflib.get_close_matches(name, self._all_names()[:10_000], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return TensorNotFoundError(f"there is no tensor {name!r} in this checkpoint{hint}", path=self._prefix)

    def _with_path(self, error: RecordFSError) -> RecordFSError:
        if error.path is None:
            error.path = self._prefix
        return error

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedFileError("the checkpoint has been closed", path=self._prefix)

    def close(self) -> None:
        """Close the data files. Idempotent. Arrays stay, mapped ones too."""
        self._closed = True
        self._files.close()


def _open_again(
    cls: type[CheckpointReader], prefix: str, verify_checksums: bool, file_system: FileSystem
) -> CheckpointReader:
    """Make an unpickled reader."""
    return cls(prefix, verify_checksums=verify_checksums, file_system=file_system)
