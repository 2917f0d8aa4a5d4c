"""``recordfs unpack``: the files in record files become files again."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import expand, total_length
from recordfs.cli.file_records import decode_file
from recordfs.cli.formatting import format_count, format_duration, format_rate, format_size
from recordfs.cli.status import FAILED, OK
from recordfs.cli.unfinished import say_if_unfinished
from recordfs.errors import AlreadyExistsError, InvalidArgumentError
from recordfs.paths import dirname, join, parse_path
from recordfs.records.reader import RecordReader
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console
    from recordfs.filesystem import FileSystem

DESCRIPTION = """\
Restore the files that `recordfs pack` put into record files. A name that leads out of the target
directory (an absolute one, one with `..`, one through a link) is refused and ends the work, and so
does a file that exists already, unless --overwrite is given. Files that were restored before stay.
"""

EXAMPLES = """\
recordfs unpack images.tfrecord images/
recordfs unpack 's3://bucket/train/images-*.tfrecord' /data/images
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "source", nargs="+", help="a record file or pattern")
    add_paths(parser, "directory", help="where the files go; made if it is missing")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--json", action="store_true", help="print what was done as a JSON object")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Restore the files and say what came of it."""
    began = time.perf_counter()
    sources = [path for argument in arguments.source for path in expand(argument)]
    target = _Target(arguments.directory, overwrite=arguments.overwrite)
    files = unpacked = 0
    status = OK
    with console.progress("unpacking", total=total_length(sources, console)) as progress:
        for source in sources:
            with RecordReader(source) as reader:
                for index, record in enumerate(reader):
                    try:
                        name, content = decode_file(record)
                    except InvalidArgumentError as error:
                        # What is in a file is no fault of the command line's.
                        error.path = source
                        console.failure(error, note=f" (record {index})")
                        return FAILED
                    target.write(name, content)
                    files += 1
                    unpacked += len(content)
                    progress.advance(len(record), name)
                status = max(status, say_if_unfinished(reader.report.unfinished_stream, [source], console))
    seconds = time.perf_counter() - began
    if arguments.json:
        console.print_json({"files": files, "bytes": unpacked, "seconds": round(seconds, 6)})
    elif not console.quiet:
        console.print(
            f"unpacked {format_count(files, 'file')} ({format_size(unpacked)}) in {format_duration(seconds)} "
            f"({format_rate(unpacked, seconds)})"
        )
    return status


class _Target:
    """The directory that files are restored to; nothing is ever written outside it."""

    def __init__(self, directory: str, *, overwrite: bool) -> None:
        self._directory = directory
        self._overwrite = overwrite
        self._file_system: FileSystem = get_file_system(directory)
        self._file_system.recursively_create_dir(directory)
        self._atomic = self._file_system.capabilities(directory).atomic_write
        self._made: set[str] = {directory}
        self._written: set[str] = set()
        parsed = parse_path(directory)
        self._local_root = os.path.realpath(parsed.path) if parsed.scheme in ("", "file") else None

    def write(self, name: str, content: bytes) -> None:
        """Write one file under a name that ``decode_file`` has checked.

        Raises:
            AlreadyExistsError: It exists, and is not to be overwritten; or an earlier record held a file of this name.
            InvalidArgumentError: A link in the directory leads its path elsewhere.
        """
        path = join(self._directory, name)
        if name in self._written:
            raise AlreadyExistsError(
                "two records hold a file of this name, and the second would replace the first; unpack their record "
                "files into different directories",
                path=path,
            )
        parent = dirname(path)
        if parent not in self._made:
            self._check_links(parent)
            self._file_system.recursively_create_dir(parent)
            self._made.add(parent)
        if self._local_root is not None and os.path.islink(parse_path(path).path):
            raise InvalidArgumentError("a link stands where a file is to be written; it is refused", path=path)
        if not self._overwrite and self._file_system.file_exists(path):
            raise AlreadyExistsError("this exists; --overwrite replaces it", path=path)
        with self._file_system.new_writable_file(path, atomic=self._atomic) as file:
            file.append(content)
        self._written.add(name)

    def _check_links(self, parent: str) -> None:
        """Refuse a local directory that lies, through links, outside the target."""
        if self._local_root is None:
            return
        real = os.path.realpath(parse_path(parent).path)
        if os.path.commonpath([real, self._local_root]) != self._local_root:
            raise InvalidArgumentError("a link leads this directory out of the target; it is refused", path=parent)
