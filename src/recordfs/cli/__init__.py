"""The command line ``recordfs``: parse, call the library, print.

Adding a command takes two steps:

1. Write ``recordfs/cli/commands/<name>.py`` (``-`` and spaces become ``_``), one command a file, with

   - ``DESCRIPTION``: what it does, for its help; a few sentences, which the help wraps to the terminal.
   - ``EXAMPLES``: lines for the end of its help, each a command that works; may be empty.
   - ``add_arguments(parser)``: adds to an ``argparse.ArgumentParser``. Arguments that take paths are added by
     ``recordfs.cli.arguments.add_paths``, which gives ``-o KEY=VALUE`` its meaning.
   - ``run(arguments, console) -> int``: does the work and returns the exit status (``recordfs.cli.status``). It prints
     through the ``Console`` only, and lets errors of the library pass: the frame prints them as one line.

2. List it in ``recordfs/cli/command_table.py`` with one line of summary. Commands for one kind of thing are a family:
   their names are two words, the first of them the same.

Every command has ``--quiet``, ``--debug`` and ``-o`` from the frame. A command is imported when it is called, so
``recordfs --help`` imports none of them, and ``rich`` is imported only to draw on a terminal.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, see ``recordfs.cli.application.main``; Ctrl-C while that is imported ends it in a word."""
    try:
        from recordfs.cli.application import main as run_command

        return run_command(argv)
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("recordfs: interrupted", file=sys.stderr)
        return 130  # status.INTERRUPTED, which may be what could not be imported
