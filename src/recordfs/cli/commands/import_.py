"""``recordfs import``: Parquet, JSON lines or npz to Examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import check_is_no_source, total_length
from recordfs.cli.formatting import format_count
from recordfs.cli.status import OK

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Write a table as a record file of tf.train.Example: a Parquet file (needs pyarrow), JSON lines, or a
NumPy archive (npz). Integers become int64 features, floats float32 ones, text and binary bytes ones;
lists become their values, and null is a feature that the record does not have. Doubles are rounded to
the nearest float32, as TensorFlow does; `--doubles refuse` makes a double that no float32 equals an error.
Integers are never rounded. A feature of JSON lines has one kind in all lines: integers here and floats
there are floats. `--sequence` makes tf.train.SequenceExample records: columns of lists of lists become
feature lists. The record file appears whole or not at all where the store can do that.
"""

EXAMPLES = """\
recordfs import train.parquet train.tfrecord
recordfs import --from jsonl s3://bucket/lines train.tfrecord.gz --compression GZIP
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "source", help="the file to read, on any filesystem")
    add_paths(parser, "target", help="the record file to write, on any filesystem")
    parser.add_argument(
        "--from",
        dest="source_format",
        choices=["parquet", "jsonl", "npz"],
        help="the format (default: what the source's name ends with)",
    )
    parser.add_argument("--sequence", action="store_true", help="write tf.train.SequenceExample records")
    parser.add_argument(
        "--doubles",
        choices=["round", "refuse"],
        default="round",
        help="what to do with a double that no float32 equals (default: round)",
    )
    parser.add_argument("--compression", choices=["GZIP", "ZLIB"], help="compress the record file")
    parser.add_argument("--json", action="store_true", help="print a JSON object with the number of records")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the record file."""
    from recordfs.example.convert import import_examples  # brings NumPy

    target = arguments.target
    check_is_no_source(target, [arguments.source])
    with console.progress("importing", total=total_length([arguments.source], console)) as progress:
        count = import_examples(
            arguments.source,
            target,
            source_format=arguments.source_format,
            sequence=arguments.sequence,
            doubles=arguments.doubles,
            on_offset=progress.offsets(arguments.source),
            compression=arguments.compression,
        )
    if arguments.json:
        console.print_json({"source": arguments.source, "target": target, "records": count})
    elif not console.quiet:
        console.print(f"imported {format_count(count, 'record')}")
    return OK
