"""``recordfs head``: the first records of record files."""

from __future__ import annotations

import contextlib
import sys
from itertools import islice
from typing import TYPE_CHECKING

from recordfs._core import message_kind
from recordfs.cli.arguments import add_compression, add_paths, at_least, compression_of
from recordfs.cli.example_lines import EXAMPLE_COLUMNS, example_json, example_rows
from recordfs.cli.expansion import expand_record_files
from recordfs.cli.record_lines import COLUMNS, PREVIEW_LENGTH, record_cells, record_object
from recordfs.errors import InvalidArgumentError, RecordFSError
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from recordfs.cli.console import Console

DESCRIPTION = """\
Show the first records of record files: number, offset and length in bytes, and the beginning of the
data. Bytes that are not text are shown as escapes. Compression is recognised; offsets then count
uncompressed bytes. Checksums are verified. With several files each line begins with the file's name.
"""

EXAMPLES = """\
recordfs head train.tfrecord
recordfs head -n 2 --example train.tfrecord
recordfs head -n 3 --skip 1000 s3://bucket/part-00000.tfrecord
recordfs head -n 1 --json train.tfrecord | jq -r .data | base64 -d > first.bin
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a record file or pattern")
    parser.add_argument("-n", "--records", type=at_least(0), default=10, metavar="N", help="how many (default: 10)")
    parser.add_argument("--skip", type=at_least(0), default=0, metavar="N", help="skip the first N records")
    parser.add_argument(
        "--width",
        type=at_least(1),
        default=PREVIEW_LENGTH,
        metavar="N",
        help=f"show at most N characters of each record's data (default: {PREVIEW_LENGTH})",
    )
    add_compression(parser)
    parser.add_argument(
        "--example", action="store_true", help="show each record's features: the records are tf.train.Example"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each record, its data in base64")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the records of each file."""
    paths, status = expand_record_files(arguments.path, console)
    several = len(paths) > 1
    for path in paths:
        records = _named(
            path, first_records(path, arguments.skip, arguments.records, compression_of(arguments)), console
        )
        try:
            name = (path,) if several else ()
            if arguments.json:
                show = example_json if arguments.example else record_object
                for record in records:
                    with _placed(path, record[1]):
                        shown = show(path, *record)
                    console.print_json(shown)
            elif arguments.example:
                features = ((*name, *cells) for cells in _feature_rows(path, records, arguments.width))
                console.print_table(("file", *EXAMPLE_COLUMNS) if several else EXAMPLE_COLUMNS, features)
            else:
                rows = ((*name, *record_cells(*record, arguments.width)) for record in records)
                console.print_table(("file", *COLUMNS) if several else COLUMNS, rows)
        except RecordFSError as error:
            status = max(status, console.failure(error))
    return status


def _feature_rows(path: str, records: Iterator[tuple[int, int, bytes]], width: int) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each feature of each record."""
    for index, offset, data in records:
        with _placed(path, offset):
            yield from example_rows(index, data, width)


@contextlib.contextmanager
def _placed(path: str, offset: int) -> Iterator[None]:
    """Say of an error about a record's contents where the record is."""
    try:
        yield
    except InvalidArgumentError as error:
        error.path, error.offset = path, offset
        raise


def _named(path: str, records: Iterator[tuple[int, int, bytes]], console: Console) -> Iterator[tuple[int, int, bytes]]:
    """Yield the records, and tell whoever looks on if they are the events of TensorBoard."""
    for place, record in enumerate(records):
        if place == 0 and console.draws_progress and message_kind(record[2]) == "tf.Event":
            console.remark(f"{path} is an event file of TensorBoard; `recordfs events` shows what it logs")
        yield record


def first_records(path: str, skip: int, count: int, compression: str = "auto") -> Iterator[tuple[int, int, bytes]]:
    """Yield ``(number, offset, data)`` of up to ``count`` records of a file, after passing over ``skip``."""
    with RecordReader(path, compression=compression) as reader:
        offset = 0
        for index, data in enumerate(islice(reader, min(skip + count, sys.maxsize))):
            if index >= skip:
                yield index, offset, data
            offset = reader.tell().offset
