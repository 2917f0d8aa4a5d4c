"""``recordfs schemes``: which schemes there are, and what serves each."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from recordfs.cli.status import OK
from recordfs.errors import MissingDependencyError
from recordfs.registry import get_registered_schemes, registration_of

if TYPE_CHECKING:
    import argparse

    from recordfs.cli.console import Console

DESCRIPTION = """\
List every scheme that is registered, the filesystem that serves it, and where that was registered:
built in, by an installed package's entry point, or in code by a module that the environment variable
RECORDFS_PLUGIN_MODULES names. No filesystem is loaded for that. Schemes that only fsspec knows are
not listed.
"""

EXAMPLES = """\
recordfs schemes
recordfs schemes --json | jq -r .scheme
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--json", action="store_true", help="print a JSON object for each scheme, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the schemes."""
    status = OK
    try:
        schemes = get_registered_schemes()
    except MissingDependencyError as error:  # a plugin is broken, and the rest works
        status = console.failure(error)
        schemes = get_registered_schemes(load_plugins=False)
    found = [(scheme, *registration_of(scheme, load_plugins=False)) for scheme in schemes]
    if arguments.json:
        for scheme, file_system, origin in found:
            console.print_json({"scheme": scheme, "file_system": file_system, "registered": origin})
        return status
    rows = [(f"{scheme}://" if scheme else "(local paths)", *others) for scheme, *others in found]
    console.print_table(("scheme", "filesystem", "registered"), rows)
    if importlib.util.find_spec("fsspec") is None:
        console.remark('every other scheme of fsspec works after pip install "recordfs[fsspec]"')
    else:
        console.remark("every other scheme is looked for in fsspec, which is installed")
    return status
