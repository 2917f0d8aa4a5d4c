"""``recordfs checkpoint convert``: to safetensors, npz or another checkpoint, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from recordfs.cli.arguments import add_paths
from recordfs.cli.formatting import format_count, format_size
from recordfs.errors import InvalidArgumentError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from recordfs.cli.console import Console

DESCRIPTION = """\
Convert between checkpoints, safetensors files and npz archives, from and to any filesystem, with one tensor
in memory at a time. The ending of a path says what it is: .safetensors, .npz, or else the prefix of a
checkpoint; a directory means its newest checkpoint. Names can be changed by patterns or a map. Safetensors
files need their package: pip install 'recordfs[safetensors]'.

With --attributes the names outside of checkpoints are attribute paths such as model/layers/0/kernel, and a
checkpoint is written with an object graph, so that tf.train.Checkpoint restores it by attribute.
"""

EXAMPLES = """\
recordfs checkpoint convert run/ckpt-100 model.safetensors --attributes
recordfs checkpoint convert s3://bucket/model.safetensors gs://bucket/run/ckpt-0
recordfs checkpoint convert run/ weights.npz --rename '^model/=' --rename 'kernel$=weight'
recordfs checkpoint convert a.safetensors b/ckpt --names map.json
"""

_FORMATS = ["checkpoint", "safetensors", "npz"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "source", help="a checkpoint, a .safetensors file or an .npz archive")
    add_paths(parser, "target", help="the same")
    parser.add_argument("--attributes", action="store_true", help="use attribute paths as names outside of checkpoints")
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="PATTERN=NEW",
        help="replace what a regular expression matches in names; \\1 is its first group; may be given several times",
    )
    parser.add_argument(
        "--names", metavar="FILE", help="a JSON object of old names and new ones; null leaves a tensor out"
    )
    parser.add_argument(
        "--from", dest="source_format", choices=_FORMATS, help="what the source is, whatever its ending"
    )
    parser.add_argument("--to", dest="target_format", choices=_FORMATS, help="what the target is, whatever its ending")
    parser.add_argument("--overwrite", action="store_true", help="replace the target")
    parser.add_argument("--json", action="store_true", help="print a JSON object with what was done")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Convert."""
    from recordfs.checkpoint import convert_checkpoint  # brings NumPy

    names = _names(arguments)
    with console.progress("converting") as progress:
        done = convert_checkpoint(
            arguments.source,
            arguments.target,
            names=names,
            by_attribute=arguments.attributes,
            source_format=arguments.source_format,
            target_format=arguments.target_format,
            overwrite=arguments.overwrite,
            progress=progress.advance,
        )
    if arguments.json:
        console.print_json({"target": arguments.target, **done._asdict()})
    elif not console.quiet:
        left_out = f", left out {', '.join(done.left_out)}" if done.left_out else ""
        console.print(f"converted {format_count(done.tensors, 'tensor')}, {format_size(done.size)}{left_out}")
    return 0


def _names(arguments: argparse.Namespace) -> Mapping[str, str | None] | Callable[[str], str | None] | None:
    """Return what changes the names."""
    from recordfs.checkpoint import rename_by_patterns

    if arguments.names is not None and arguments.rename:
        raise InvalidArgumentError("give --names or --rename, not both")
    if arguments.names is not None:
        return _read_map(arguments.names)
    rules = []
    for text in arguments.rename:
        pattern, equals, replacement = text.rpartition("=")
        if not equals:
            raise InvalidArgumentError(f"--rename takes PATTERN=NEW, found {text!r}")
        rules.append((pattern, replacement))
    return rename_by_patterns(rules) if rules else None


def _read_map(path: str) -> dict[str, str | None]:
    from recordfs.checkpoint.whole_file import read_whole_file
    from recordfs.registry import resolve

    file_system, name = resolve(path)
    try:
        found: Any = json.loads(read_whole_file(file_system, name))
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"the name map is not JSON: {error}", path=name) from error
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        raise InvalidArgumentError("the name map is a JSON object of old names and new ones, or null", path=name)
    return found
