"""``recordfs export``: Examples to Parquet, JSON lines or npz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_compression, add_paths, at_least, compression_of
from recordfs.cli.expansion import check_is_no_source, expand_record_files, lengths_of
from recordfs.cli.formatting import format_count
from recordfs.cli.unfinished import say_if_unfinished
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Write the tf.train.Example records of files as one table: Parquet (needs pyarrow), JSON lines, or a
NumPy archive (npz; its columns are held in memory, the others are written batch by batch). For Parquet
the features are inferred from the first records; a later record with another feature, kind or length is
an error, and `--sample 0` looks at all records first. `--sequence` exports tf.train.SequenceExample
records: context features as columns, feature lists as columns of lists of lists. Records of any other
type are refused. `recordfs import` is the way back.
"""

EXAMPLES = """\
recordfs export train.tfrecord train.parquet
recordfs export 's3://bucket/train/*.tfrecord' train.jsonl
recordfs export --to npz part-0.tfrecord part-1.tfrecord s3://bucket/columns
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a record file or pattern")
    add_paths(parser, "target", help="the file to write, on any filesystem")
    parser.add_argument(
        "--to",
        dest="target_format",
        choices=["parquet", "jsonl", "npz"],
        help="the format (default: what the target's name ends with)",
    )
    parser.add_argument(
        "--sample",
        type=at_least(0),
        default=1000,
        metavar="N",
        help="infer the features from the first N records, 0 for all (default: 1000)",
    )
    parser.add_argument(
        "--sequence", action="store_true", help="the records are tf.train.SequenceExample (Parquet and JSON lines)"
    )
    add_compression(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object with the number of records")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the table."""
    from recordfs.example.convert import export_examples  # brings NumPy

    paths, status = expand_record_files(arguments.path, console)
    if not paths or status:
        return status
    check_is_no_source(arguments.target, paths)
    lengths = lengths_of(paths, console)
    with (
        RecordReader(paths, compression=compression_of(arguments)) as reader,
        console.progress("exporting", total=None if lengths is None else sum(lengths)) as progress,
    ):
        count = export_examples(
            reader,
            arguments.target,
            target_format=arguments.target_format,
            sample=arguments.sample or None,
            sequence=arguments.sequence,
            on_position=progress.positions(paths, lengths),
        )
        status = say_if_unfinished(reader.report.unfinished_stream, paths, console)
    if arguments.json:
        console.print_json({"target": arguments.target, "records": count})
    elif not console.quiet:
        console.print(f"exported {format_count(count, 'record')}")
    return status
