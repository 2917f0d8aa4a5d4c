"""``recordfs schema``: what features the Examples in record files have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_compression, add_paths, at_least, compression_of
from recordfs.cli.expansion import expand_record_files, lengths_of
from recordfs.cli.formatting import format_count
from recordfs.cli.unfinished import say_if_unfinished
from recordfs.errors import InvalidContentError
from recordfs.example.bad_record import BadRecordError
from recordfs.example.record_batches import MAX_BATCH_BYTES, RecordBatches
from recordfs.example.schema import infer_from_lists
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from recordfs.cli.console import Console
    from recordfs.example.schema import FeatureSummary
    from recordfs.records.sources import Position

DESCRIPTION = """\
Show what features the tf.train.Example or SequenceExample records in files have: the kind of their
values, how many there are in a record, and in what share of the records they are missing. Several
files are taken together. Needs neither TensorFlow nor NumPy.
"""

EXAMPLES = """\
recordfs schema train.tfrecord
recordfs schema -n 10000 's3://bucket/train/*.tfrecord'
"""

# Records read at once.
_BATCH_SIZE = 256

_COLUMNS = ("feature", "kind", ">values", ">steps", ">missing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a record file or pattern")
    parser.add_argument(
        "-n", "--records", type=at_least(1), metavar="N", help="look at the first N records only (default: all)"
    )
    add_compression(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object for each feature, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Tally the records of all files and print a line for each feature."""
    paths, status = expand_record_files(arguments.path, console)
    if not paths:
        return status
    lengths = lengths_of(paths, console)
    with (
        RecordReader(paths, compression=compression_of(arguments)) as reader,
        console.progress("reading", total=None if lengths is None else sum(lengths)) as progress,
    ):
        batches = RecordBatches(reader, _BATCH_SIZE, max_bytes=MAX_BATCH_BYTES)
        lists = _counted(batches, progress.positions(paths, lengths))
        try:
            inferred = infer_from_lists(lists, sample=arguments.records)
        except BadRecordError as error:
            raise batches.located_in_stream(error) from None
        except InvalidContentError as error:
            error.path = paths[0]  # there are no records, in this file or in any other
            raise
        status = max(status, say_if_unfinished(reader.report.unfinished_stream, paths, console))
    summaries = [*inferred.summaries, *inferred.list_summaries]
    if arguments.json:
        for summary in summaries:
            console.print_json(summary._asdict() | {"missing_share": summary.missing_share})
    else:
        console.print_table(_COLUMNS, [_cells(summary) for summary in summaries])
        console.remark(format_count(inferred.records, "record"))
    return status


def _counted(batches: RecordBatches, reached: Callable[[Position], None]) -> Iterator[list[bytes]]:
    for batch in batches:
        yield batch
        reached(batches.position)


def _cells(summary: FeatureSummary) -> tuple[str, ...]:
    kinds = " and ".join(f"{kind} ({count})" for kind, count in summary.kinds.items())
    steps = "" if summary.steps is None else _span(*summary.steps)
    values = _span(summary.min_length, summary.max_length)
    return (summary.name, summary.kind or kinds or "no steps", values, steps, f"{summary.missing_share:.2%}")


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least}-{most}"
