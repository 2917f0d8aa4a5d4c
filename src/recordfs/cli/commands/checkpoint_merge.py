"""``recordfs checkpoint merge``: several checkpoints become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.formatting import format_count

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Make one checkpoint of several that have different tensors, or slices of the same. No tensor moves through
this process: data files are renamed, or copied by the store where it has no rename or with --keep. All
checkpoints have to be on one filesystem. If it is interrupted, the same command finishes the work.
"""

EXAMPLES = """\
recordfs checkpoint merge part-0 part-1 part-2 whole
recordfs checkpoint merge --keep s3://bucket/encoder s3://bucket/decoder s3://bucket/model
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "source", nargs="+", help="the prefixes of checkpoints")
    add_paths(parser, "target", help="the prefix of the checkpoint to make")
    parser.add_argument("--keep", action="store_true", help="copy the data files, so that the sources stay")
    parser.add_argument("--overwrite", action="store_true", help="replace the target")
    parser.add_argument("--json", action="store_true", help="print a JSON object with what was made")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Merge."""
    from recordfs.checkpoint import CheckpointReader, merge_checkpoints  # brings NumPy

    with console.progress("merging") as progress:
        merge_checkpoints(
            arguments.source,
            arguments.target,
            keep_sources=arguments.keep,
            overwrite=arguments.overwrite,
            progress=progress.advance,
        )
    with CheckpointReader(arguments.target) as reader:
        tensors, shards = len(reader), reader.num_shards
    if arguments.json:
        console.print_json({"target": arguments.target, "tensors": tensors, "num_shards": shards})
    elif not console.quiet:
        console.print(f"merged {format_count(tensors, 'tensor')} in {format_count(shards, 'data file')}")
    return 0
