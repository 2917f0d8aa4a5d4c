"""The frame around every command: find it, parse its arguments, run it, and turn whatever happens into a status."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Protocol, cast

from recordfs import __version__
from recordfs.cli.arguments import add_common_arguments, apply_filesystem_options, remote_places
from recordfs.cli.command_table import COMMAND_GROUPS, CommandEntry, family_of, find_command, module_of
from recordfs.cli.console import Console, OutputClosedError, OutputFailedError, abandon_stdout
from recordfs.cli.interrupts import interrupts_come_again
from recordfs.cli.status import BROKEN_PIPE, FAILED, INTERRUPTED, OK, USAGE
from recordfs.errors import RecordFSError
from recordfs.registry import configure_file_system, file_systems_in_use

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

__all__ = ["Command", "command_parser", "main"]

MOST_COLUMNS = 100
"""Longer lines are hard to read, however wide the terminal is."""

_INTRODUCTION = """\
usage: recordfs COMMAND [ARGUMENTS]
       recordfs COMMAND --help
       recordfs --version

Record files (TFRecord) and the filesystems that they live on. A path is a local name or a URL
such as s3://bucket/key; where a command takes several, a pattern such as 's3://bucket/*.tfrecord'
works as well.
"""

_CONCLUSION = """\
exit status:
  0    done, and all data that was looked at is sound
  1    something is missing, broken or not possible; standard error says what
  2    the command was called wrongly
  130  interrupted by Ctrl-C
  141  the reader of the output went away"""


class Command(Protocol):
    """What a module in ``recordfs.cli.commands`` has."""

    DESCRIPTION: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments."""

    def run(self, arguments: argparse.Namespace, console: Console) -> int:
        """Do the work and return the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments without the program's name; ``sys.argv`` by default.

    Returns:
        The exit status, see ``recordfs.cli.status``.

    Raises:
        Exception: Whatever went wrong, if the arguments hold ``--debug``.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    console = Console()
    try:
        return _status_of_run(words, console)
    except OutputClosedError:
        abandon_stdout()
        return BROKEN_PIPE
    except OutputFailedError as error:
        abandon_stdout()
        console.error(str(error))
        return FAILED


def _status_of_run(words: list[str], console: Console) -> int:
    """Run what was asked for, and say in one line what ended it early."""
    debug = "--debug" in words
    try:
        with interrupts_come_again():
            status = _dispatch(words, console)
            console.flush()
    except SystemExit as finished:  # how argparse ends after help, and after wrong usage
        console.flush()
        return finished.code if isinstance(finished.code, int) else USAGE
    except KeyboardInterrupt:
        console.error("interrupted")
        return INTERRUPTED
    except (OutputClosedError, OutputFailedError):
        raise
    except RecordFSError as error:
        if debug:
            raise
        return console.failure(error)
    except Exception as error:
        if debug:
            raise
        console.error(f"{type(error).__name__}: {error} (run it again with --debug to see where)")
        return FAILED
    return status


def _dispatch(words: list[str], console: Console) -> int:
    """Answer what needs no command, or find the command and run it."""
    if words[:1] == ["help"] and len(words) > 1:
        words = [*words[1:], "--help"]
    if not words or words[0] in ("-h", "--help", "help"):
        _print_help(console)
        return OK if words else USAGE
    if words[0] in ("-V", "--version"):
        console.print(f"recordfs {__version__}")
        return OK
    family = family_of(words[0])
    if family and words[1:2] in ([], ["-h"], ["--help"]):
        _print_family(words[0], family, console)
        return OK if words[1:] else USAGE
    typed, rest = (" ".join(words[:2]), words[2:]) if family else (words[0], words[1:])
    entry = find_command(typed)
    if entry is None:
        if typed.startswith("-"):
            console.error(f"options come after the command: recordfs COMMAND {typed}; recordfs --help lists these")
        else:
            console.error(f"there is no command {typed!r}{_suggestion(typed)}; recordfs --help lists all")
        return USAGE
    command = _load(entry)
    arguments = command_parser(entry, command, console).parse_args(rest)
    console.quiet = arguments.quiet
    console.as_json = getattr(arguments, "json", False)
    configured = apply_filesystem_options(arguments)
    try:
        with console.patience(remote_places(arguments)):
            return command.run(arguments, console)
    finally:
        if arguments.stats:
            _print_statistics(console)
        for scheme in configured:
            configure_file_system(scheme)


def _print_statistics(console: Console) -> None:
    """Print what every filesystem in use has asked of its store, also after a failure."""
    rows = [
        (f"{scheme}://", operation, str(counts.requests), str(counts.bytes_sent), str(counts.bytes_received))
        for scheme, file_system in file_systems_in_use()
        for operation, counts in file_system.statistics().items()
    ]
    console.print_table(("store", "operation", ">requests", ">sent", ">received"), rows, to_stderr=True)


def _load(entry: CommandEntry) -> Command:
    """Import a command."""
    import importlib  # only now, so that help needs it not

    return cast("Command", importlib.import_module(module_of(entry)))


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose help goes the way of all results, so that ``| head`` ends it quietly."""

    console: Console

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        self.console.print_lines(self.format_help().rstrip())


def command_parser(entry: CommandEntry, command: Command, console: Console) -> argparse.ArgumentParser:
    """Return the parser of one command, with the options that all have."""
    epilog = ""
    if command.EXAMPLES:
        lines = command.EXAMPLES.strip().splitlines()
        epilog = "examples:\n" + "\n".join(f"  {line}" if line else "" for line in lines)
    parser = _Parser(
        prog=f"recordfs {entry.name}",
        description=_wrapped(command.DESCRIPTION),
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.console = console
    command.add_arguments(parser)
    add_common_arguments(parser)
    return parser


def _wrapped(description: str) -> str:
    """Return the paragraphs of a description in lines that fit the terminal, as argparse does with all else."""
    import shutil
    import textwrap

    width = min(shutil.get_terminal_size().columns - 2, MOST_COLUMNS)
    paragraphs = [" ".join(paragraph.split()) for paragraph in description.split("\n\n")]
    return "\n\n".join(textwrap.fill(paragraph, width, break_on_hyphens=False) for paragraph in paragraphs)


def _print_help(console: Console) -> None:
    """Print the list of commands."""
    console.print_lines(_INTRODUCTION)
    for group, entries in COMMAND_GROUPS.items():
        width = max(10, *(len(entry.name) for entry in entries))
        console.print(f"{group}:")
        for entry in entries:
            console.print(f"  {entry.name:<{width}}  {entry.summary}")
        console.print()
    console.print_lines(_CONCLUSION)


def _print_family(word: str, family: list[CommandEntry], console: Console) -> None:
    """Print the commands that begin with a word."""
    console.print_lines(f"usage: recordfs {word} COMMAND [ARGUMENTS]\n       recordfs {word} COMMAND --help\n")
    for entry in family:
        console.print(f"  {entry.name.removeprefix(word).strip():<10} {entry.summary}")


def _suggestion(word: str) -> str:
    """Return " (did you mean ...?)" where a command's name is close."""
    import difflib  # only for a mistyped command

    names = [entry.name for entries in COMMAND_GROUPS.values() for entry in entries]
    close = difflib.get_close_matches(word, names, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
