"""``recordfs checkpoint show``: what tensors has a checkpoint?"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths
from recordfs.cli.formatting import format_count, format_size
from recordfs.cli.status import FAILED, OK
from recordfs.errors import NotFoundError, RecordFSError

if TYPE_CHECKING:
    import argparse

    from recordfs.checkpoint import TensorEntry
    from recordfs.checkpoint.reader import CheckpointReader
    from recordfs.cli.console import Console

DESCRIPTION = """\
Show the tensors of a checkpoint: name, type, shape, bytes, and in which data files they lie. Reads the
index, and no data but the object graph for --attributes, which shows the Python attributes that lead to
each tensor. A directory means its newest checkpoint.
"""

EXAMPLES = """\
recordfs checkpoint show s3://bucket/run/ckpt-100
recordfs checkpoint show run/ --attributes
recordfs checkpoint show --json run/ckpt-100 'encoder/*' | jq .shape
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "checkpoint", help="a prefix, or a directory with a state file")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only tensors whose names match one of these patterns")
    parser.add_argument("--attributes", action="store_true", help="show the attribute path of each tensor, too")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each tensor, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print a line for each tensor."""
    from recordfs.checkpoint import load_checkpoint  # brings NumPy

    with load_checkpoint(arguments.checkpoint) as reader:
        paths = _attribute_paths(reader) if arguments.attributes else {}
        names = [name for name in reader if _is_wanted(name, arguments.names)]
        if arguments.names and not names:
            raise NotFoundError("no tensor's name matches", path=reader.prefix)
        status, rows, total = OK, [], 0
        for name in names:
            try:
                entry = reader.entry(name)
            except RecordFSError as error:
                status = max(status, console.failure(error), FAILED)
                continue
            total += entry.size
            if arguments.json:
                console.print_json(_as_object(entry, paths.get(name), with_path=arguments.attributes))
            else:
                size = format_size(entry.size) if console.stdout_is_terminal else str(entry.size)
                rows.append(_cells(entry, size, [paths.get(name, "")] if arguments.attributes else []))
        if not arguments.json:
            columns = (
                "tensor",
                "type",
                "shape",
                ">size",
                "data file",
                *(["attribute"] if arguments.attributes else []),
            )
            console.print_table(columns, rows)
            console.remark(
                f"{format_count(len(rows), 'tensor')}, {format_size(total)} in "
                f"{format_count(reader.num_shards, 'data file')}"
            )
        return status


def _is_wanted(name: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _attribute_paths(reader: CheckpointReader) -> dict[str, str]:
    """Return the attribute path that leads to each tensor, by the tensor's name."""
    graph = reader.object_graph
    if graph is None:
        raise NotFoundError("the checkpoint has no object graph: it was saved by names only", path=reader.prefix)
    return {key: path for path, key in graph.keys_by_path().items()}


def _cells(entry: TensorEntry, size: str, path: list[str]) -> tuple[str, ...]:
    shards = sorted({stored.shard for stored in entry.slices})
    where = ",".join(map(str, shards)) + (f" ({len(entry.slices)} slices)" if entry.is_partitioned else "")
    shape = "[" + ", ".join(map(str, entry.shape)) + "]"
    return (entry.name, entry.dtype, shape, size, where, *path)


def _as_object(entry: TensorEntry, path: str | None, *, with_path: bool) -> dict[str, object]:
    slices = [
        {"starts": one.starts, "shape": one.shape, "shard": one.shard, "offset": one.offset, "size": one.size}
        for one in entry.slices
    ]
    found = {"name": entry.name, "dtype": entry.dtype, "shape": entry.shape, "size": entry.size, "slices": slices}
    return found | ({"attribute": path} if with_path else {})
