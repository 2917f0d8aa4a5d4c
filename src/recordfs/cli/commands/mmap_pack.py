"""``recordfs mmap-pack``: write a memory-mapped package for TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.expansion import check_is_no_source
from recordfs.cli.formatting import format_count, format_size
from recordfs.errors import InvalidArgumentError
from recordfs.filesystem_defaults.copies import COPY_CHUNK
from recordfs.filesystems.memmapped import DEFAULT_GRAPH, PREFIX, TENSOR_ALIGNMENT, MemmappedPackageWriter
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from recordfs.cli.console import Console

DESCRIPTION = """\
Write a memory-mapped package: one file whose regions TensorFlow maps instead of loading them. Each
NAME=FILE becomes the region memmapped_package://NAME with the bytes of the file, at a multiple of 64
bytes, as TensorFlow wants its tensors; --graph becomes the default graph, memmapped_package://. (with
the dot). The package appears whole or not at all where its filesystem has atomic writes.
"""

EXAMPLES = """\
recordfs mmap-pack model.pkg weights=weights.bin bias=bias.bin --graph frozen_graph.pb
recordfs cat memmapped_package://weights -o package=model.pkg | head -c 16 | xxd
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "package", help="the package to write; it is replaced if it exists")
    parser.add_argument(
        "region", nargs="*", metavar="NAME=FILE", help="a name of letters, digits, '_' and '.', and the file for it"
    )
    parser.add_argument("--graph", metavar="FILE", help="a serialized GraphDef, for the name '.'")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the package."""
    regions = [_parse_region(text) for text in arguments.region]
    if not regions and arguments.graph is None:
        raise InvalidArgumentError("a package needs a NAME=FILE or a --graph")
    path = arguments.package
    graph = [] if arguments.graph is None else [arguments.graph]
    check_is_no_source(path, [*(source for _, source in regions), *graph])
    file_system = get_file_system(path)
    atomic = file_system.capabilities(path).atomic_write
    with MemmappedPackageWriter(file_system.new_writable_file(path, atomic=atomic)) as package:
        for name, source in regions:
            if not get_file_system(source).get_file_size(source):
                raise InvalidArgumentError(f"it is empty, and TensorFlow takes no empty tensor ({name})", path=source)
            package.add_parts(name, _parts_of(source), alignment=TENSOR_ALIGNMENT)
        if arguments.graph is not None:
            package.add_parts(DEFAULT_GRAPH, _parts_of(arguments.graph))
    count = len(regions) + (arguments.graph is not None)
    console.remark(f"{path}: {format_count(count, 'region')}, {format_size(file_system.get_file_size(path))}")
    return 0


def _parse_region(text: str) -> tuple[str, str]:
    """Split NAME=FILE and complete the name."""
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise InvalidArgumentError(f"a region has to be given as NAME=FILE, found {text!r}")
    return PREFIX + name.removeprefix(PREFIX), source


def _parts_of(path: str) -> Iterator[bytes]:
    """Read a file piece by piece."""
    offset = 0
    with get_file_system(path).new_random_access_file(path) as file:
        while part := file.read(offset, COPY_CHUNK):
            yield part
            offset += len(part)
