"""``recordfs schema``: what features the Examples in record files have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_compression, add_paths, at_least, compression_of
from recordfs.cli.expansion import expand_all
from recordfs.cli.formatting import format_count
from recordfs.example.schema import infer_features
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from recordfs.cli.console import Console
    from recordfs.cli.progress import Progress
    from recordfs.example.schema import FeatureSummary

DESCRIPTION = """\
Show what features the tf.train.Example or SequenceExample records in files have: the kind of their
values, how many there are in a record, and in what share of the records they are missing. Several
files are taken together. Needs neither TensorFlow nor NumPy.
"""

EXAMPLES = """\
recordfs schema train.tfrecord
recordfs schema -n 10000 's3://bucket/train/*.tfrecord'
"""

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
    paths, status = expand_all(arguments.path, console)
    if not paths:
        return status
    with (
        RecordReader(paths, compression=compression_of(arguments)) as reader,
        console.progress("reading", total=arguments.records, unit="records") as progress,
    ):
        inferred = infer_features(_counted(reader, progress), sample=arguments.records)
    summaries = [*inferred.summaries, *inferred.list_summaries]
    if arguments.json:
        for summary in summaries:
            console.print_json(summary._asdict() | {"missing_share": summary.missing_share})
    else:
        console.print_table(_COLUMNS, [_cells(summary) for summary in summaries])
        console.remark(format_count(inferred.records, "record"))
    return status


def _counted(reader: RecordReader, progress: Progress) -> Iterator[bytes]:
    for batch in reader.batches(256):
        yield from batch
        progress.advance(len(batch))


def _cells(summary: FeatureSummary) -> tuple[str, ...]:
    kinds = " and ".join(f"{kind} ({count})" for kind, count in summary.kinds.items())
    steps = "" if summary.steps is None else _span(*summary.steps)
    values = _span(summary.min_length, summary.max_length)
    return (summary.name, summary.kind or kinds or "no steps", values, steps, f"{summary.missing_share:.2%}")


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least}-{most}"
