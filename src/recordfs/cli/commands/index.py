"""``recordfs index``: write where each record lies, so that readers can jump."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import expand_record_files, total_length
from recordfs.cli.formatting import format_count
from recordfs.cli.parallel import add_jobs, do_in_parallel
from recordfs.cli.status import FAILED
from recordfs.errors import InvalidArgumentError, RecordFSError
from recordfs.records.index import build_index, default_index_path

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Write an index beside each record file, as NAME.idx: one line a record, its offset and its size with
header and footer, as DALI's tfrecord2idx and the tfrecord package write and read it. A compressed
file cannot have an index. No index is written for a broken file.
"""

EXAMPLES = """\
recordfs index train.tfrecord
recordfs index 's3://bucket/train/*.tfrecord'
recordfs index train.tfrecord --output indexes/train.idx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", nargs="+", help="a record file or pattern")
    parser.add_argument("--output", metavar="PATH", help="where the index goes, for a single record file")
    parser.add_argument("--checksums", action="store_true", help="check the records' data too, not only their lengths")
    add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object for each file, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the indexes, going on after a file that is broken."""
    paths, status = expand_record_files(arguments.path, console)
    if arguments.output is not None and len(paths) != 1:
        raise InvalidArgumentError(f"--output is for a single record file, and {len(paths)} are given")

    def index_path_of(path: str) -> str:
        return arguments.output or default_index_path(path)

    def index(path: str) -> int:
        checksums = arguments.checksums
        return build_index(path, index_path_of(path), verify_checksums=checksums, progress=progress.offsets(path))

    def show(path: str, outcome: int | RecordFSError) -> None:
        nonlocal status
        if isinstance(outcome, RecordFSError):
            console.failure(outcome)  # what is in a file is no fault of the command line's
            status = max(status, FAILED)
        elif arguments.json:
            console.print_json({"path": path, "index": index_path_of(path), "records": outcome})
        elif not console.quiet:
            console.print(f"{index_path_of(path)}: {format_count(outcome, 'record')}")

    with console.progress("indexing", total=total_length(paths, console)) as progress:
        do_in_parallel(index, paths, arguments.jobs, progress, show)
    return status
