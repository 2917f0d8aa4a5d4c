# The docstrings are those of the Rust source that each section names: tools/write_stub_docstrings.py puts them here.

from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeAlias, final

from typing_extensions import Buffer

# array_memory.rs

@final
class ArrayMemory:
    """Fresh, zeroed memory as a writable buffer, given back to the system when the last array over it goes.

    It begins at a huge page and asks for such pages, so that the system clears and maps 2 MiB at a time. An allocator
    that puts its own header before an array gives it 4 KiB pages at both ends, and these cost more than copying the data.

    Args:
        size: Bytes, at least 1.

    Raises:
        MemoryError: The system has no more.
    """
    def __new__(cls, size: int) -> Self: ...
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

# bundle/

_TensorEntry: TypeAlias = tuple[int, tuple[int, ...], int, int, int, int, bool]
_TensorSlice: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], int, int, int, int]
_GraphNode: TypeAlias = tuple[
    list[tuple[int, str]],
    list[tuple[str, str, str, bool]],
    list[tuple[int, str, int]],
    tuple[str, str] | None,
    bool | None,
]

@final
class BundleBlock:
    """A stretch of a data file that holds small tensors. Made by ``BundleIndex.small_blocks``."""
    @property
    def shard(self) -> int:
        """The number of the data file."""
    @property
    def start(self) -> int:
        """Where in the file it begins."""
    @property
    def size(self) -> int:
        """Its size in bytes."""
    def __len__(self) -> int: ...
    def members(self) -> list[tuple[str, int, tuple[int, ...], int]]:
        """Name, dtype, shape and offset in the block of each tensor."""
    def check(self, data: bytes, path: str, verify: bool) -> None:
        """Compare the checksums of all tensors with the block's bytes.

        Args:
            data: The bytes.
            path: The data file, for errors.
            verify: Whether to compare; without it only the size is looked at.

        Raises:
            DataLossError: A checksum is wrong, or there are too few bytes.
        """
    def check_mapped(self, region: ReadOnlyMemoryRegion, path: str) -> None:
        """As ``check``, of the block's bytes in a mapped file.

        Raises:
            DataLossError: A checksum is wrong.
            OutOfRangeError: The file is shorter than the block's end.
        """

@final
class BundleIndex:
    """The index of a checkpoint: which tensors there are and where they lie. Safe to use from many threads.

    Args:
        data: The bytes of the index file.
        path: Its name, for errors.

    Raises:
        DataLossError: The bytes are no index, or damaged; ``offset`` says where.
        UnimplementedError: Only readers of a later version may read it.
    """
    def __new__(cls, data: bytes, path: str) -> Self: ...
    @property
    def num_shards(self) -> int:
        """How many data files there are."""
    @property
    def big_endian(self) -> bool:
        """Whether numbers in data files have their high byte first."""
    @property
    def producer(self) -> int:
        """The version of the format that the writer had."""
    def __len__(self) -> int: ...
    def __contains__(self, name: str, /) -> bool: ...
    def names(self) -> list[str]:
        """The names of all tensors, sorted by their bytes."""
    def shapes(self) -> list[tuple[str, list[int]]]:
        """Name and shape of every tensor, sorted by the names' bytes.

        Raises:
            DataLossError: An entry makes no sense.
        """
    def find(self, name: str) -> _TensorEntry | None:
        """What the index says of one tensor: dtype, shape, data file, offset, size, masked checksum, and whether it lies in
        slices, in which case only the first two mean something. None if there is no such tensor.

        Raises:
            DataLossError: Its entry makes no sense.
        """
    def find_many(self, names: list[str]) -> list[_TensorEntry]:
        """As ``find`` for many tensors at once; a name that is not there is a KeyError with that name."""
    def small_blocks(self, names: list[str], limits: tuple[int, int, int]) -> tuple[list[BundleBlock], list[str]]:
        """Put small tensors together that one read brings.

        Args:
            names: The tensors that are wanted.
            limits: From how many bytes on a tensor is not small, how many unwanted bytes may lie between two, and how
                many bytes a block may have.

        Returns:
            The blocks, and the names of all tensors that are in none: large ones, empty ones, strings, partitioned ones.

        Raises:
            DataLossError: An entry makes no sense.
            KeyError: There is no tensor of a name.
        """
    def data_ends(self) -> dict[int, int]:
        """How many bytes each data file has to have at least, by its number, for those to which an entry leads."""
    def slices(self, name: str) -> list[_TensorSlice]:
        """The slices of a partitioned tensor: starts, lengths, data file, offset, size and masked checksum of each.

        Raises:
            DataLossError: One is missing or makes no sense, or they do not cover the tensor exactly once.
            KeyError: There is no such tensor.
        """

@final
class BundleIndexBuilder:
    """The index of a checkpoint that is being written. Safe to use from many threads."""
    def __new__(cls) -> Self: ...
    def __len__(self) -> int: ...
    def check(
        self, name: str, dtype: int, shape: Sequence[int], slice: Sequence[tuple[int, int | None]] | None = None
    ) -> None:
        """Raise what ``add`` would raise for this tensor or slice, before its bytes are written.

        Raises:
            InvalidArgumentError: The name is taken or empty, or the slice does not fit.
        """
    def add(
        self,
        name: str,
        dtype: int,
        shape: Sequence[int],
        place: tuple[int, int, int, int],
        slice: Sequence[tuple[int, int | None]] | None = None,
    ) -> None:
        """Add a tensor, or one slice of a tensor of that shape.

        Args:
            name: The tensor's name.
            dtype: TensorFlow's number of its type.
            shape: Of the whole tensor.
            place: Data file, offset, size in bytes, masked checksum.
            slice: ``(start, length)`` for each dimension, or None for the whole tensor.

        Raises:
            InvalidArgumentError: As ``check``.
        """
    def add_block(
        self,
        names: Sequence[str],
        dtypes: Sequence[int],
        shapes: Sequence[Sequence[int]],
        data: bytes,
        shard: int,
        offset: int,
    ) -> None:
        """Add tensors that lie one after the other in a data file, all of them or none.

        Args:
            names: Their names.
            dtypes: TensorFlow's number of the type of each, whose elements have a fixed size.
            shapes: The shape of each.
            data: The bytes of all.
            shard: The number of the data file.
            offset: Where in it the first begins.

        Raises:
            InvalidArgumentError: As ``check``.
            ValueError: The lists are not of one length, or its types and shapes do not add up to its bytes.
        """
    def check_cover(self) -> None:
        """Raise if the slices of a tensor do not cover it, each element once.

        Raises:
            InvalidArgumentError: They do not; it names the tensor.
        """
    def finish(self, num_shards: int) -> bytes:
        """Return the bytes of the index file for so many data files."""

def merge_bundle_indexes(parts: list[BundleIndex], keep_numbers: bool) -> tuple[list[tuple[int, int]], bytes]:
    """Return what several checkpoints come to as one: for each of its data files the part and the number there, and the
    bytes of its index. With ``keep_numbers`` the parts were written for one checkpoint, each its own of these files;
    nothing is numbered again then, and the list is empty.

    Raises:
        InvalidArgumentError: The parts do not go together: a tensor in two of them, different byte orders, slices that do
            not cover their tensor.
    """

def decode_bundle_strings(
    data: bytes, count: int, crc: int | None, big_endian: bool, name: str, path: str
) -> list[bytes]:
    """Return the elements of a string tensor.

    Args:
        data: Its bytes in the data file.
        count: How many elements its shape has.
        crc: The masked checksum in its entry; None leaves the elements unchecked, but not their lengths.
        big_endian: Whether the checkpoint is.
        name: The tensor's name, for errors.
        path: The data file, for errors.

    Raises:
        DataLossError: The bytes are not that many strings, or a checksum is wrong.
    """

def check_bundle_variants(data: bytes, count: int, crc: int, big_endian: bool, name: str, path: str) -> None:
    """Check the bytes of a variant tensor; arguments as for ``decode_bundle_strings``.

    Raises:
        DataLossError: The bytes are not that many elements, or a checksum is wrong.
    """

def bundle_strings_header(elements: list[bytes]) -> tuple[bytes, int, int]:
    """Return what stands before the elements of a string tensor in a data file, the size of the whole in bytes, and its
    masked checksum.
    """

def decode_object_graph(data: bytes, path: str) -> list[_GraphNode]:
    """Return the nodes of a serialized ``TrackableObjectGraph``, each as ``(children, attributes, slot variables,
    registered saver or None, whether it has values or None)``: children ``(node, name)``, attributes ``(name, full
    name, key, optional)``, slot variables ``(original node, slot name, node)``.

    Raises:
        DataLossError: The bytes are none, or refer to nodes that are not there.
    """

def encode_object_graph(nodes: Sequence[_GraphNode]) -> bytes:
    """Return the serialized ``TrackableObjectGraph`` of nodes as ``decode_object_graph`` gives them."""

# checksum.rs

def crc32c(data: Buffer, value: int = 0, /) -> int:
    """Return the CRC-32C of a contiguous buffer, going on from ``value``, the CRC-32C of what stands before it."""

def crc32c_of_still_memory(data: Buffer, value: int = 0, /) -> int:
    """Return what ``crc32c`` returns, and let other threads run meanwhile whatever kind of buffer it is. The caller answers
    for it that nobody writes to the memory before the call is done.
    """

def copy_still_memory(source: Buffer, target: Buffer, /) -> None:
    """Copy one contiguous buffer of bytes into another of the same size, and let other threads run meanwhile; assigning
    to a memoryview keeps them waiting. The caller answers for it that nobody writes to the source, and nobody uses the
    target, before the call is done.

    Raises:
        BufferError: One has gaps or other items than bytes, the target is read-only, or their sizes differ.
    """

def combine_crc32c(first: int, second: int, second_size: int, /) -> int:
    """Return the CRC-32C of two stretches of bytes, one after the other, from that of each and the size of the second."""

def mask_crc32c(crc: int, /) -> int:
    """Return a CRC-32C in the form that record files and checkpoints store."""

def masked_crc32c(data: Buffer, /) -> int:
    """Return the CRC-32C of a contiguous buffer in the form that record files store."""

# column_buffer.rs

@final
class ColumnBuffer:
    """The memory of one column as a writable buffer of plain bytes: ``numpy.frombuffer(buffer, dtype)`` is an array over it
    that keeps it alive. It never moves, and native code does not look at it again.
    """
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

# event/

_IndexedTag: TypeAlias = tuple[
    str,
    str,
    bytes | None,
    int,
    tuple[int, float, float],
    tuple[int, float],
    list[tuple[int, int, int, int]],
    str | None,
]
_ScannedTag: TypeAlias = tuple[str, str, bytes | None, int, tuple[int, float, float], tuple[int, float], str | None]
_NativeColumn: TypeAlias = tuple[ColumnBuffer, ColumnBuffer, ColumnBuffer, ColumnBuffer, ColumnBuffer | None]

def decode_event_record(record: bytes) -> tuple[float, int, int, Any, str | None, bool]:
    """Reads an Event.

    Returns:
        ``(wall_time, step, field number of what it holds or 0, content, writer or None, whether it is an index)``. The
        content of a summary is a list of values ``(tag, field number or 0, number or bytes or None, metadata or None,
        node name)``, with metadata ``(plugin name, plugin content, display name, description, data class)``; of a
        version str; of all else bytes.

    Raises:
        ValueError: It is not an Event.
    """

def decode_message(message: bytes) -> list[tuple[int, Any]]:
    """Reads any message's fields.

    Returns:
        ``(number, value)`` of each field in order: int for a varint, float for four or eight bytes, bytes for what has
        a length. Groups are left out.

    Raises:
        ValueError: It is not a protobuf message.
    """

def check_event(record: bytes) -> None:
    """Raise ValueError unless bytes are an Event, with all values of its summary."""

def encode_message(fields: list[tuple[int, str, Any]]) -> bytes:
    """Makes a message of fields ``(number, kind, value)`` in this order. Kinds: ``"v"`` varint (int or bool), ``"d"``
    double, ``"f"`` float, ``"b"`` bytes or str.
    """

def encode_scalar(tag: str, value: float, step: int, wall_time: float) -> bytes:
    """The event of one scalar, without metadata."""

@final
class EventFramer:
    """Frames events. What it has framed is held until ``take``. Safe to use from many threads."""
    def __new__(cls, *, index: bool) -> Self: ...
    def add(self, payload: bytes, repeats_metadata: bool = False) -> None:
        """Frame an event. Raises ValueError if it is none."""
    def flush(self) -> None:
        """Frame the index or the pointer that is due at a flush."""
    def finish(self) -> None:
        """Frame the index of all that is not indexed yet."""
    def begin_file(self) -> None:
        """Begin another file."""
    @property
    def offset(self) -> int:
        """Where the next record begins in the file, what was not taken counted."""
    @property
    def pending(self) -> int:
        """How many bytes are framed and not taken."""
    def take(self) -> bytes:
        """Take the bytes framed since the last call."""

@final
class EventQueue:
    """A queue of events, bounded in bytes.

    Adding takes a lock for as long as it takes to copy the event, and never does I/O. In a forked child it must not be
    used: a thread of the parent may have held the lock.

    Args:
        limit: Bytes that may wait, those counted that are being written.
        patience: Seconds that loggers wait in all for room before events are dropped; 0 drops at once.
        former: A queue of this process, whose tags keep their kinds.
    """
    def __new__(cls, limit: int, patience: float, former: EventQueue | None = None) -> Self: ...
    def add_scalar(self, tag: str, value: float, step: int, wall_time: float) -> bool:
        """Add the event of a scalar; False if it was dropped. Raises ClosedFileError if the queue is closed."""
    def add_event(self, payload: bytes, repeats_metadata: bool = False, tag: str | None = None, kind: str = "") -> bool:
        """Add a serialized event; False if it was dropped. If it was not, the tag holds values of the kind from now on.
        Raises ValueError if it is not an event, InvalidArgumentError if the tag has another kind, ClosedFileError if the queue
        is closed.
        """
    def close(self) -> None:
        """Take no more events; ``drain`` still gives those that were added before."""
    def reopen(self) -> bool:
        """Take events again, if it has not ended; return whether it does."""
    def end(self) -> bool:
        """Stay closed for ever, if it is closed and everything was drained and done; return whether it has ended."""
    @property
    def closed(self) -> bool:
        """Whether it takes no more events."""
    def urge(self) -> None:
        """Have ``drain`` take what there is at once."""
    def drain(self, framer: EventFramer, patience: float) -> int:
        """Take events and frame them, the oldest first: at once if there are 256 KiB, or after ``urge``; else whatever
        there is after so many seconds. What was taken counts as queued until ``done``. The GIL is released.

        Returns:
            How many events were framed.
        """
    def done(self) -> None:
        """Say that everything drained so far is written: it makes room."""
    @property
    def added(self) -> int:
        """Events added so far."""
    @property
    def dropped(self) -> int:
        """Events dropped so far for lack of room."""
    @property
    def queued(self) -> int:
        """Bytes that wait or are being written."""
    @property
    def belongs_to_this_process(self) -> bool:
        """False in a forked child."""

class NativeScalarWriter:
    """The base of SummaryWriter: its ``add_scalar``."""
    def __new__(cls, *arguments: Any, **keywords: Any) -> Self: ...
    def _set_queue(self, queue: EventQueue | None) -> None:
        """The queue that `add_scalar` adds to; None while there is none."""
    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
        display_name: str = "",
        summary_description: str = "",
    ) -> None:
        """Log one number. It takes well under a microsecond and waits for nothing: see EventFileWriter for when the queue
        is full.

        Args:
            tag: What it is a value of.
            scalar_value: A number, or an array or tensor of one element. Stored with 32 bits.
            global_step: The training step.
            walltime: Seconds since 1970; now, if None.
            new_style: Store it as a tensor, as TensorFlow 2 does.
            double_precision: Store it as a tensor of 64 bits. TensorBoard's fast mode does not show those: it warns.
            display_name: The tag's name for people.
            summary_description: A description, in Markdown.

        Raises:
            InvalidArgumentError: The tag has values of another kind, the step needs more than 64 bits, or the time is NaN
                or infinite.
            TypeError: The value or the step is not a number.
        """

@final
class EventIndexPlace:
    """Where the last index of an event file is; offsets and lengths in bytes."""
    @property
    def record_offset(self) -> int:
        """Where the record of the index begins: it covers every event before."""
    @property
    def rows_offset(self) -> int:
        """Where its rows begin; the directory follows them."""
    @property
    def directory_offset(self) -> int:
        """Where its directory begins."""
    @property
    def directory_end(self) -> int:
        """Where its directory ends."""
    @property
    def record_end(self) -> int:
        """Where the first record after it begins."""

def locate_event_index(tail: bytes, file_size: int) -> EventIndexPlace | None:
    """Find the last index of an event file in the bytes that end at ``file_size``; None if they show none."""

@final
class EventRows:
    """The rows of a segment: what the points of its tags refer to."""
    def __len__(self) -> int: ...
    def starts(self) -> list[tuple[int, int]]:
        """The rows at which a job started, with their steps."""

@final
class EventDirectory:
    """The directory of an index."""
    def __new__(cls, block: bytes, place: EventIndexPlace) -> Self: ...
    @property
    def has_file_version(self) -> bool:
        """Whether the file says its version."""
    @property
    def first_wall(self) -> float:
        """The time of the file's first event."""
    def segments(self) -> list[tuple[int, int, int, bool, int, int]]:
        """Its segments in order."""
    def tags(self) -> list[_IndexedTag]:
        """Its tags in the order in which they first appeared."""
    def tag(self, number: int) -> _IndexedTag:
        """One of them, by its number."""
    def signature(self) -> bytes:
        """What its tags are, without what their points are: equal bytes for files whose tags have equal names, kinds and
        metadata, in the same order, and have points or have none.
        """
    def largest(self) -> list[tuple[int, float]]:
        """The largest step and the latest time of each tag."""
    def columns(self, number: int) -> list[tuple[int, int, int, int]]:
        """The columns of a tag: segment, points, offset, length."""
    def rows(self, segment: int, block: bytes) -> EventRows:
        """The rows of a segment from their bytes. Raises DataLossError."""
    def column(self, tag: int, column: int, block: bytes, rows: EventRows) -> _NativeColumn:
        """The points of a tag's column from its bytes. Raises DataLossError."""

@final
class EventScanner:
    """Puts the events of a file that is fed to it in chunks into columns, over what is damaged. ``feed`` releases the GIL.
    Safe to use from many threads, one call at a time.

    Args:
        tags: The tags whose points are kept; all, if None.
        offset: Where in the file the first chunk begins; a record has to begin there.
        verify_checksums: Whether to check payloads; lengths always are.
        max_record_size: Payloads that claim more bytes than this are damage.
    """
    def __new__(
        cls,
        *,
        tags: list[str] | None = None,
        offset: int = 0,
        verify_checksums: bool = True,
        max_record_size: int = ...,
    ) -> Self: ...
    def introduce_tags_of(self, other: EventScanner) -> None:
        """Tell of the tags that another scanner saw before ``offset``: what a tensor is, its tag's first metadata says."""
    def introduce_tags_of_index(self, directory: EventDirectory) -> None:
        """Tell of the tags that an index tells of."""
    def feed(self, chunk: Buffer) -> None:
        """Take the next chunk of the file; any contiguous buffer of bytes will do."""
    def finish(self) -> int:
        """Say that the file ends here for now; returns how many bytes of a record are there that is not whole."""
    @property
    def offset(self) -> int:
        """Where the bytes begin that gave no event and no loss yet."""
    @property
    def events(self) -> int:
        """How many events were read."""
    @property
    def has_file_version(self) -> bool:
        """Whether the file says its version."""
    @property
    def first_wall(self) -> float | None:
        """The time of the first event; None before it."""
    def __len__(self) -> int: ...
    def starts(self) -> list[tuple[int, int]]:
        """The rows at which a job started, with their steps."""
    def tags(self) -> list[_ScannedTag]:
        """The tags in the order in which they first appeared; of one without points what is told of them is 0."""
    @staticmethod
    def tags_of_all(scanners: list[EventScanner]) -> list[_ScannedTag]:
        """The tags that have points in some scanners, each of which read what comes after what the one before it read."""
    def counts(self) -> list[int]:
        """How many points each tag has."""
    def number_of(self, name: str, scalars: bool) -> int | None:
        """The number of a tag, by its name: of its scalars, or of its other values; None if it has none."""
    def column(self, tag: int) -> _NativeColumn:
        """The points of a tag."""
    @property
    def losses(self) -> list[tuple[int, int, str]]:
        """The first thousand losses: offset, length in bytes, reason."""
    @property
    def loss_count(self) -> int:
        """How many losses there are."""
    def encode_index(self) -> bytes | None:
        """The record of an index of everything before ``offset``, as if it stood there; None if no event was read."""

# example/

_NativeFeature: TypeAlias = tuple[str, str, str, int, str, list[Any] | None]
_Record: TypeAlias = bytes | bytearray | memoryview
_Counts: TypeAlias = tuple[int, list[int], tuple[int, int], tuple[int, int]]
_PlainFeature: TypeAlias = list[int] | list[float] | list[bytes] | None

@final
class ExampleParser:
    """Reads Examples into columns. Safe to use from many threads."""
    def __new__(cls, features: list[_NativeFeature], complete: bool) -> Self: ...
    def parse(self, records: Iterable[_Record], threads: int) -> list[Any]:
        """The columns of a batch, in the features' order: values, row splits or None, records, and the padded
        number of steps.
        """
    def batches(self, reader: NativeRecordReader, size: int) -> ExampleBatches:
        """An iterator over the columns of a reader's records, `size` a batch. No feature may be padded."""
    def parse_single(self, record: _Record) -> list[Any]:
        """The columns of one record, as `parse_single_example` reads it."""

@final
class ExampleBatches:
    """Iterates over `(number of records, columns as ExampleParser.parse gives them)` of the records of a reader. No feature
    may be padded. A record that does not fit ends its batch: the error has its number in the batch and its offset.
    """
    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[int, list[Any]]: ...

@final
class SequenceExampleParser:
    """Reads SequenceExamples into columns. Safe to use from many threads."""
    def __new__(cls, context: list[_NativeFeature], lists: list[_NativeFeature], complete: bool) -> Self: ...
    def parse(self, records: Iterable[_Record]) -> tuple[list[Any], list[Any]]:
        """The context's columns, as `ExampleParser.parse` gives them, and the feature lists': values, step splits, row
        splits and the padded number of steps.
        """

@final
class ArrowExampleParser:
    """Reads Examples into Arrow arrays. Safe to use from many threads."""
    def __new__(
        cls,
        features: list[_NativeFeature],
        columns: list[tuple[str, list[int] | None]],
        threads: int,
        inferred_from: int | None,
    ) -> Self: ...
    def schema(self) -> object:
        """The schema in a capsule."""
    def parse(self, records: Iterable[_Record], first: int) -> ArrowBatch:
        """One batch, before which there were `first` records."""
    def stream(self, batches: Iterator[list[bytes]]) -> object:
        """A stream, in a capsule, of the batches of an iterator of lists of records."""

@final
class ArrowBatch:
    """One batch of Examples as an Arrow struct array; it may be exported any number of times, always over the same memory."""
    def __len__(self) -> int: ...
    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

@final
class ArrowRecords:
    """The records of an Arrow stream: lists of serialized Examples, none of which spans two of its batches."""
    def __new__(cls, capsule: object, refuse_doubles: bool) -> Self: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> list[bytes]: ...

@final
class ExampleSummary:
    """What features some records hold. Safe to use from many threads."""
    def __new__(cls, max_features: int) -> Self: ...
    def add(self, records: Iterable[_Record]) -> tuple[int, str] | None:
        """Count a batch of records.

        Returns:
            None, or the place in the batch and the fault of the first record that cannot be read; those before it count.
        """
    def result(self) -> tuple[int, list[tuple[str, _Counts]], list[tuple[str, _Counts]]]:
        """Records counted, and the counts of each feature and of each feature list, in no order."""

def decode_example(record: _Record, make_empty: Callable[[str], Any], strict: bool) -> dict[str, _PlainFeature]:
    """The features of an Example: lists of bytes, float or int, None for a feature without a list, and what `make_empty`
    makes of the kind's name for a list without values. `strict` refuses fields that no Example has.
    """

def decode_sequence(
    record: _Record, make_empty: Callable[[str], Any], strict: bool
) -> tuple[dict[str, _PlainFeature], dict[str, list[_PlainFeature]]]:
    """The context and the feature lists of a SequenceExample: a feature list is a list of steps, each of them as
    `decode_example` gives a feature.
    """

def message_kind(record: _Record) -> str:
    """The name of the message that a record is, "other" if it is none that is known."""

def encode_example(features: dict[str, Any], as_plain: Callable[[Any], Any], refuse_doubles: bool) -> bytes:
    """One Example; `as_plain` turns what is not known here into an array, a list or None."""

def encode_sequence_example(
    context: dict[str, Any], feature_lists: dict[str, Any], as_plain: Callable[[Any], Any], refuse_doubles: bool
) -> bytes:
    """One SequenceExample; a feature list is an iterable of steps."""

def encode_columns(columns: list[tuple[tuple[str, str, Any, Any], Any | None]], count: int) -> list[bytes]:
    """Records from columns whose row splits Python has checked to be ascending and within the values.

    A row that `present` (one byte a record) marks as absent gets no such feature.
    """

# descriptor.rs

@final
class Descriptor:
    """A descriptor of the operating system. It is closed when the last one who uses it lets go.

    A signal handler of Python's runs between any two calls. One that raises after ``os.open``, and before something owns
    its answer, leaves the descriptor open for ever; what it raises inside a ``__del__`` is lost, and the Ctrl-C with it. So
    opening and owning are one call here, and letting go runs no Python.

    Args:
        number: An open descriptor, which becomes this object's.

    Attributes:
        number: The system's number, which is another file's, or none's, after ``close``.
    """
    def __new__(cls, number: int) -> Self: ...
    @property
    def number(self) -> int: ...
    @staticmethod
    def open(
        path: str | bytes | PathLike[str] | PathLike[bytes], flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> Descriptor:
        """Open a file as ``os.open`` does.

        Raises:
            OSError: As ``os.open`` raises.
        """
    @staticmethod
    def duplicate(number: int) -> Descriptor:
        """Open the file of another descriptor once more, as ``os.dup`` does.

        Raises:
            OSError: As ``os.dup`` raises.
        """
    def close(self) -> None:
        """Close it now, and be told where that fails. Idempotent. Only while no other thread uses it.

        Raises:
            OSError: As ``os.close`` raises. The descriptor is closed all the same.
        """
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object, *_error: object) -> None: ...

# reader.rs

@final
class NativeRecordReader:
    """Iterates over the records of one source after the other, as bytes. `RecordReader.__iter__` returns it."""
    def __new__(
        cls,
        sources: object,
        *,
        verify_checksums: bool,
        max_record_size: int,
        on_error: str,
        follow: bool,
        follow_timeout: float | None,
        start: tuple[int, int],
        share: tuple[int, int] | None = None,
    ) -> Self: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> bytes: ...
    def batches(self, size: int, max_bytes: int | None = None) -> RecordBatches:
        """An iterator over the same records as lists of up to `size`, or fewer once they have `max_bytes` in their payloads."""
    def views(self) -> Iterator[memoryview]:
        """An iterator over the same records as read-only memoryviews."""
    def stop(self) -> None:
        """Makes every iteration end, also one that waits in another thread."""
    def close(self) -> None:
        """Stops, and closes the source that is open. Idempotent."""
    def position(self) -> tuple[int, int]:
        """`(source index, offset)` of the next record."""
    def counts(self) -> tuple[int, int]:
        """`(records, payload bytes)` so far."""
    def losses(self) -> tuple[list[tuple[int, int, int | None, str]], int, int, bool, bool, int]:
        """`(losses, how many in all, how many bytes in all, truncated_tail, unfinished_stream, restarts)` so far."""

@final
class RecordBatches:
    """Iterates over records in lists. A broken record comes out after the sound ones before it."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> list[bytes]: ...
    def end_of(self, number: int) -> tuple[int, int]:
        """`(source index, offset)` at which a record of the last list ends."""

# lines.rs

@final
class BlockLines:
    """Whole lines of a block of bytes, each with its newline, as bytes or, of UTF-8, as str.

    Lines of text end before the first that is not UTF-8.
    """
    def __new__(cls, block: bytes, start: int, stop: int, text: bool) -> Self: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def __len__(self) -> int: ...
    def take_rest(self) -> int:
        """End here, and return how many bytes the lines have that were not given. It can be asked again, which gives the same."""

class LineIterator:
    """The base of a file object over which `for` loops. A subclass has ``_next_lines()``: an iterator over some of the next
    lines, or None at the end of the file; after None it is asked again, because a file may have grown.
    """
    def __new__(cls, *_arguments: object, **_keywords: object) -> Self: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...

# record_table.rs

@final
class RecordTable:
    """Where the records of a plain record file lie, and reading them by number.

    Safe to use from many threads at once; the GIL is released while a file is read. Usable in a forked child.

    Args:
        path: The file, for messages.
        offsets: Where each record's header begins, as an array of unsigned 64-bit numbers.
        sizes: The bytes of each with header and footer, as many.
            Neither array is copied.
        verify_checksums: Whether to compare the checksums of payloads. Those of lengths always are.
    """

    def __new__(cls, path: str, offsets: Buffer, sizes: Buffer, *, verify_checksums: bool) -> Self: ...
    def __len__(self) -> int: ...
    def attach(self, file_descriptor: int) -> None:
        """Read from a descriptor of the operating system from now on. It is duplicated: the caller may close it."""
    def detach(self) -> None:
        """Let go of the descriptor; reads under way in other threads still end well."""
    def ranges(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """The ``(offset, size)`` of each of these records.

        Raises:
            OutOfRangeError: There is no such record. Negative numbers count from the end.
        """
    def decode(self, numbers: Iterable[int], contents: list[bytes]) -> list[bytes]:
        """Check what was read of these records, and return their payloads.

        Raises:
            OutOfRangeError: There is no such record.
            TruncatedRecordError, CorruptRecordError: What was read is no such record.
        """
    def read(self, numbers: Iterable[int]) -> list[bytes]:
        """Read these records from the attached descriptor and return their payloads, in the order asked.

        Raises:
            OutOfRangeError: There is no such record.
            TruncatedRecordError, CorruptRecordError: In the file is no such record.
            ClosedFileError: No descriptor is attached.
            OSError: The system cannot read.
        """

# region.rs

@final
class ReadOnlyMemoryRegion:
    """The bytes of a file as a read-only buffer: mapped, or held as ``bytes``.

    ``memoryview(region)``, ``numpy.frombuffer(region, ...)`` and everything else that takes a buffer see the bytes
    without a copy, and ``memoryview(region)[a:b]`` is a slice without one. The memory stays until the region is closed
    or collected *and* every such view is gone, so a view never outlives its bytes. Safe to use from many threads.

    A mapped file that another process shortens kills this process (SIGBUS) when the missing part is touched: map only
    files that nobody shortens.

    Args:
        data: The bytes to hold; they are not copied.
    """
    def __new__(cls, data: bytes) -> Self: ...
    @staticmethod
    def map_file(file_descriptor: int) -> ReadOnlyMemoryRegion:
        """Map the whole of an open regular file; the descriptor may be closed afterwards.

        An empty file gives an empty region.

        Raises:
            OSError: The descriptor cannot be mapped (a directory, a pipe, not open for reading).
        """
    @property
    def length(self) -> int:
        """The number of bytes; known also after closing."""
    @property
    def data(self) -> memoryview:
        """A new ``memoryview`` over all bytes.

        Raises:
            ClosedFileError: The region is closed.
        """
    def checksum(self, offset: int, length: int) -> int:
        """Return the CRC-32C of a part of the bytes.

        The pages of a mapped file are mapped together first, which costs less than one by one as they are met, and tells
        of a file that was shortened since, where touching the missing part would end the process.

        Args:
            offset: Where the part begins, in bytes from the beginning of this region.
            length: Its size in bytes.

        Raises:
            OutOfRangeError: The part does not lie within this region, or the file has lost it.
            ClosedFileError: The region is closed.
        """
    def subregion(self, offset: int, length: int) -> ReadOnlyMemoryRegion:
        """Return a region over a part of this one, without a copy.

        The two share the memory and nothing else: each is closed by itself, and the memory stays while either needs it.

        Args:
            offset: Where the part begins, in bytes from the beginning of this region.
            length: Its size in bytes.

        Raises:
            OutOfRangeError: The part does not lie within this region.
            ClosedFileError: The region is closed.
        """
    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
    def close(self) -> None:
        """Refuse new views and, once the existing ones are gone, let go of the memory. Idempotent."""
    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

# scan.rs

COMPRESSION_PREFIX_SIZE: int

def detect_compression(prefix: bytes, at_end: bool) -> str | None:
    """Tell from a file's first bytes how it is compressed.

    Args:
        prefix: The first bytes, up to ``COMPRESSION_PREFIX_SIZE`` of them.
        at_end: Whether the file has no further bytes now.

    Returns:
        ``""``, ``"GZIP"`` or ``"ZLIB"``; None if more bytes are needed, which is never so with ``at_end``.
    """

@final
class RecordScanner:
    """Finds the records of a stream that is fed to it in chunks, and what is lost between them.

    It keeps no record; memory does not depend on the stream. ``feed`` releases the GIL. Safe to use from many threads,
    one call at a time.

    Args:
        offset: Where in the uncompressed stream the first chunk begins; a record has to begin there.
        end: Where the uncompressed stream ends, if that is known: a record that claims to reach past it is noticed at
            its header. Chunks must not reach past it.
        verify_checksums: Whether to check payloads; lengths always are.
        max_record_size: Payloads that claim more bytes than this are corrupt.
        resync: Go on after a broken record and collect what is lost; else the first fault ends the scan. Of a plain file
            with a known end, bytes are then asked for again where sound records may lead out of a broken one.
        compression: ``""``, ``"GZIP"`` or ``"ZLIB"``.
        index: Whether to keep index lines for ``take_index``.
    """
    def __new__(
        cls,
        *,
        offset: int = 0,
        end: int | None = None,
        verify_checksums: bool = True,
        max_record_size: int = ...,
        resync: bool = False,
        compression: str = "",
        index: bool = False,
    ) -> Self: ...
    def feed(self, chunk: Buffer) -> bool:
        """Take the next chunk of the file; any contiguous buffer of bytes will do.

        Returns:
            False if a fault has ended the scan; ``fault`` says which.
        """
    def finish(self) -> bool:
        """Say that the file ends here; returns as ``feed``."""
    def skip(self, count: int) -> None:
        """Go on as if so many bytes had been fed, at most ``skippable``."""
    def take_index(self, at_least: int = 0) -> bytes:
        """The index lines (``offset size``, size with header and footer) of the records found since they were last taken.

        Args:
            at_least: Of fewer bytes than this none are taken.
        """
    @property
    def position(self) -> int:
        """Where in the uncompressed stream the scan stands. The next chunk of a plain file has to begin there, which may be
        before the end of the last one.
        """
    @property
    def compressed(self) -> bool:
        """Whether the scan decompresses what it is fed: then `position` is no place in the file."""
    @property
    def skippable(self) -> int:
        """How many of the next bytes are payload that is not checked, so that ``skip`` may take the place of feeding them."""
    @property
    def records(self) -> int:
        """Sound records so far."""
    @property
    def payload_bytes(self) -> int:
        """Bytes in their payloads."""
    @property
    def sound_end(self) -> int:
        """Where the last sound record ends; ``offset`` before the first."""
    @property
    def last_offset(self) -> int | None:
        """Where the last sound record begins; None before the first."""
    @property
    def lost(self) -> list[tuple[int, int, str, str]]:
        """The ranges lost so far: ``(offset, end, name of the error's class, message)``, the first thousand of them."""
    @property
    def lost_ranges(self) -> int:
        """How many ranges are lost."""
    @property
    def lost_bytes(self) -> int:
        """How many bytes are in them."""
    @property
    def fault(self) -> tuple[int, str, str] | None:
        """What ended the scan: ``(offset, name of the error's class, message)``, or None."""
    @property
    def unfinished_stream(self) -> bool:
        """Whether the compressed stream has no trailer; known after ``finish``."""

# writer.rs

class NativeRecordWriter:
    """The base of `recordfs.RecordWriter`, which opens files and hands them to `_attach`."""
    def __new__(cls, *arguments: Any, **keywords: Any) -> Self: ...
    def _attach(
        self,
        file: object,
        path: str,
        *,
        position: int,
        offset: int,
        compression: str,
        compression_level: int,
        append: bool,
        index_file: object | None,
        index_path: str,
        index_position: int,
    ) -> None:
        """Takes over an open file, and perhaps one for the index. `offset` is where the next record begins, uncompressed."""
    def write(self, data: Buffer, /) -> None:
        """Append one record.

        Args:
            data: The record: bytes, or anything with a buffer (bytearray, memoryview, a NumPy array), whose bytes are
                taken in C order.

        A record is written whole or not at all. If this raises, the record is not in the file and what came before it
        is kept and tried again by the next call; should an interrupt come when the file already has the record,
        ``tell`` and ``records_written`` have grown. May be called from any thread.

        Raises:
            TypeError: ``data`` is str or has no buffer.
            ClosedFileError: The writer is closed.
            FailedPreconditionError: An earlier failure left a torn record in the file; or this is a forked child.
            ResourceExhaustedError: No space is left; the writer can go on once there is.
        """
    def write_batch(self, records: Iterable[Buffer], /) -> None:
        """Append many records: the same as ``write`` for each item of an iterable, in less time.

        If this raises, the records before the failing one are taken; ``records_written`` tells how many.
        """
    def flush(self) -> None:
        """Return when every record so far can be read by others, compressed or not (see the filesystem's capabilities)."""
    def sync(self) -> None:
        """Flush, and return when the records survive a power cut where the store can promise that."""
    def tell(self) -> int:
        """Return where the next record will begin, in bytes of the uncompressed stream, those before this writer included."""
    @property
    def records_written(self) -> int:
        """How many records this writer has taken."""
    def close(self) -> None:
        """Write everything out and close the file. Idempotent.

        If it raises because the file took nothing, the records are kept, and ``close`` can be called again.
        """
    @property
    def closed(self) -> bool:
        """Whether the writer is closed."""
    def discard(self) -> None:
        """Let go of the file without publishing what was not flushed. Idempotent.

        Of an atomic writer nothing becomes visible; of another what was flushed before stays, and perhaps more, in whole
        records. A file object of the caller's stays open, and keeps what was written to it.

        Raises:
            UnimplementedError: A writer factory opened the path, or the filesystem's files cannot be discarded. The
                writer stays open.
        """
    def _belongs_to_this_process(self) -> bool:
        """False in a forked child."""
    def is_in_use(self) -> bool:
        """Return whether a call is under way, in whatever thread."""

# plugin/ (Linux only)

@final
class PluginFileSystem:
    """One scheme of a plugin that this process has loaded.

    Every method takes full paths and raises the error for the status that the plugin set, with that path. Safe to use
    from many threads.
    """
    @property
    def scheme(self) -> str:
        """The scheme that the plugin serves."""
    @property
    def operations(self) -> list[str]:
        """The names of the operations that the plugin has; those of open files with the kind of file in front."""
    def translate_name(self, path: str, /) -> str:
        """The name that the plugin's operations get for a full path."""
    def new_random_access_file(self, path: str, max_read_size: int, /) -> PluginReader:
        """Open a file for reading; ``max_read_size`` bounds what the plugin is asked for in one call."""
    def new_writable_file(self, path: str, max_append_size: int, /) -> PluginWriter:
        """Make or replace a file; ``max_append_size`` bounds what the plugin is given in one call."""
    def new_appendable_file(self, path: str, max_append_size: int, /) -> PluginWriter:
        """Open a file for writing at its end."""
    def new_read_only_memory_region_from_file(self, path: str, /) -> ReadOnlyMemoryRegion:
        """Open a file as a memory region, whose bytes stay in the plugin's memory."""
    def create_dir(self, path: str, /) -> None: ...
    def recursively_create_dir(self, path: str, /) -> None: ...
    def delete_file(self, path: str, /) -> None: ...
    def delete_dir(self, path: str, /) -> None: ...
    def rename_file(self, source: str, target: str, /) -> None: ...
    def copy_file(self, source: str, target: str, /) -> None: ...
    def path_exists(self, path: str, /) -> None: ...
    def stat(self, path: str, /) -> tuple[int, int, bool]:
        """Return ``(length, mtime_nsec, is_directory)``."""
    def is_directory(self, path: str, /) -> bool:
        """Tell whether a path is a directory, by the status that the operation sets: what it returns is not looked at."""
    def get_file_size(self, path: str, /) -> int: ...
    def get_children(self, path: str, /) -> list[str]:
        """Return the names in a directory as the plugin gives them."""
    def flush_caches(self) -> None: ...

@final
class PluginReader:
    """A file of a plugin's, open for reading. Many threads may read at once."""
    def read(self, offset: int, n: int, /) -> bytes:
        """Read up to ``n`` bytes; fewer only where the file ends. Memory grows with what comes, not with ``n``."""
    def read_into(self, offset: int, buffer: Buffer, /) -> int:
        """Read into a writable, contiguous buffer and return how many bytes came; fewer than fit only where the file ends."""
    def close(self) -> None:
        """Let go of the file. Idempotent. Reads that are under way end first."""

@final
class PluginWriter:
    """A file of a plugin's, open for writing at its end. One call at a time; others wait."""
    def append(self, data: Buffer, /) -> None:
        """Append all of a contiguous buffer. What the file has taken when it raises is not known."""
    def tell(self) -> int:
        """Return the position that the plugin tells."""
    def flush(self) -> None:
        """Flush, if the plugin can."""
    def sync(self) -> None:
        """Sync, or flush if the plugin has no sync."""
    def close(self) -> None:
        """Close and let go of the file, once: the interface allows no second close. Idempotent."""

def load_plugin_library(path: str, contents: bytes) -> list[PluginFileSystem | BaseException]:
    """Load a plugin's library, whose file has these contents, and return a PluginFileSystem or an exception for each of its schemes.

    The library's code runs, in this process, and stays in it. Every call loads another copy.
    """

# plugin/guest/ (Linux only)

@final
class GuestCall:
    """A call of TensorFlow's that a worker makes: ``call.function(*call.arguments)``, and then one of the two answers."""
    @property
    def function(self) -> Callable[..., object]: ...
    @property
    def arguments(self) -> tuple[object, ...]: ...
    @property
    def is_last_worker(self) -> bool:
        """Whether no other worker is waiting for calls: then there has to be one more."""
    def succeed(self, result: object) -> None:
        """Give TensorFlow the result."""
    def fail(self, error: BaseException) -> None:
        """Give TensorFlow the exception."""

def connect_tensorflow(libraries: list[str]) -> None:
    """Find TensorFlow's functions in one of these libraries, which the process has loaded.

    Raises:
        OSError: None of them is loaded, or none has the functions.
    """

def announce_guest(scheme: str, target: str, adapter: object) -> None:
    """Have TensorFlow's next call of ``TF_InitPlugin`` register a scheme, whose operations call the methods of ``adapter``.

    The adapter gets paths in which ``target`` stands in place of ``scheme``.
    """

def withdraw_guests() -> None:
    """Forget what was announced and not taken up."""

def next_guest_call(is_first_call: bool) -> GuestCall | None:
    """Wait for a call of TensorFlow's, in a worker; None if the worker shall end."""

def end_guest_calls(seconds: float) -> None:
    """Take no more calls, and let go of every thread of TensorFlow's that waits for one.

    Calls under way have ``seconds`` to end. Workers that are idle then end; one that is still at a call stays at it.
    """

def renew_guest_calls() -> None:
    """Begin again in a forked child, which has none of its parent's threads."""

def close_guest_writers() -> list[tuple[Any, str | None]]:
    """Publish what TensorFlow has not closed, and return an exception or None for each such file, with its name.

    For when Python ends: a file that is in use in another thread is left out, and named.
    """
