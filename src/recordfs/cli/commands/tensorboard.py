"""``recordfs tensorboard``: open TensorBoard on log directories anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.cli.arguments import add_paths, at_least, number_at_least
from recordfs.registry import get_file_system

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
Open TensorBoard on log directories on any filesystem. Runs and tags come from one listing and one read a file, curves
by one read a file when they are looked at. Ctrl-C ends it.

Where recordfs and TensorBoard are installed together, `tensorboard --logdir s3://...` does the same; this one answers
the time series page itself, which is quicker where there are hundreds of runs.
"""

EXAMPLES = """\
recordfs tensorboard s3://bucket/logs
recordfs tensorboard gs://bucket/logs hdfs://namenode/logs --port 6007
recordfs tensorboard logs --flag samples_per_plugin=images=50
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "logdir", nargs="+", help="a directory with runs below it")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s, this machine only)")
    parser.add_argument(
        "--port", type=at_least(0, at_most=65535), default=6006, help="the port of the page (default: %(default)s)"
    )
    parser.add_argument(
        "--reload", type=number_at_least(0), default=5.0, metavar="SECONDS", help="pause between looks at the logs"
    )
    parser.add_argument("--requests", type=at_least(1), default=256, metavar="N", help="requests under way at once")
    parser.add_argument(
        "--flag", action="append", default=[], metavar="NAME=VALUE", help="a flag for TensorBoard; may be repeated"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Serve until the user ends it."""
    from recordfs.tensorboard.catalog import CatalogOptions
    from recordfs.tensorboard.launcher import launch

    flags = ["--host", arguments.host, "--port", str(arguments.port)]
    flags += [f"--{flag.removeprefix('--')}" for flag in arguments.flag]
    for logdir in arguments.logdir:
        get_file_system(logdir)  # where nothing serves it, trying again would never help
    options = CatalogOptions(requests=arguments.requests, reload_seconds=arguments.reload)
    console.hand_over()
    return launch(arguments.logdir, flags, options)
