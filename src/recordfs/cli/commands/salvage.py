"""``recordfs salvage``: copy what is sound in a broken record file to a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_compression, add_paths, compression_of
from recordfs.cli.expansion import total_length
from recordfs.cli.formatting import format_count
from recordfs.cli.status import FAILED, OK
from recordfs.cli.unfinished import UNFINISHED
from recordfs.records.compression import COMPRESSIONS
from recordfs.records.salvage import salvage_file

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Copy the sound records of a broken record file to a new one, which may be on another filesystem.
Continues after each break, as `recordfs verify` does, and says what was lost. The broken file is not
touched, and nothing is ever overwritten. The exit status is 1 if anything was lost.
"""

EXAMPLES = """\
recordfs salvage broken.tfrecord sound.tfrecord
recordfs salvage s3://bucket/broken.tfrecord sound.tfrecord
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "source", help="a record file")
    add_paths(parser, "target", help="where the new file goes; it must not exist")
    add_compression(parser)
    parser.add_argument(
        "--target-compression", choices=[name for name in COMPRESSIONS if name], help="compress the new file"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Copy, and say what was lost."""
    source = arguments.source
    with console.progress("salvaging", total=total_length([source], console)) as progress:
        report = salvage_file(
            source,
            arguments.target,
            compression=compression_of(arguments),
            target_compression=arguments.target_compression,
            progress=progress.offsets(source),
        )
    whole = report.loss_count == 0 and not report.unfinished_stream
    if arguments.json:
        losses = [{"offset": loss.offset, "length": loss.length, "reason": loss.reason} for loss in report.losses]
        console.print_json({**report._asdict(), "losses": losses})
    elif not console.quiet or not whole:
        lost = "nothing lost" if whole else f"{format_count(report.lost_bytes, 'byte')} lost"
        console.print(f"{report.target}: {format_count(report.records, 'record')} salvaged, {lost}")
        for loss in report.losses:
            length = "reading ended there" if loss.length is None else f"{format_count(loss.length, 'byte')} lost"
            console.print(f"  at byte {loss.offset}: {loss.reason}; {length}")
        if report.loss_count > len(report.losses):
            console.print(f"  and {report.loss_count - len(report.losses)} more")
        if report.unfinished_stream:
            console.print(f"  {UNFINISHED}")
    return OK if whole else FAILED
