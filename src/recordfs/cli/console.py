"""Where a command prints: results to standard output, all else to standard error."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TextIO

from recordfs.cli.progress import Progress
from recordfs.cli.status import status_of
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from recordfs.errors import RecordFSError

__all__ = ["Console", "OutputClosedError", "OutputFailedError", "abandon_stdout"]


PATIENCE_SECONDS = 5.0
"""How long a person sees nothing before it is said that the work goes on."""

_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"


class OutputClosedError(Exception):
    """The reader of standard output went away."""


class OutputFailedError(Exception):
    """Standard output took no more, for example because a disk is full."""


class Console:
    """Prints for one call of a command.

    Args:
        quiet: No progress and no remarks.
        stdout: Takes the results as UTF-8; the process's own by default.
        stderr: Takes errors, remarks and progress; the process's own by default.

    Attributes:
        quiet: As given.
        as_json: Results are JSON objects, one a line, and so is what went wrong.
        stdout_is_terminal: A person reads the results.
    """

    def __init__(self, *, quiet: bool = False, stdout: BinaryIO | None = None, stderr: TextIO | None = None) -> None:
        self.quiet = quiet
        self.as_json = False
        # The interpreter has None for a stream that was closed when it started.
        own_stdout: BinaryIO | None = getattr(sys.stdout, "buffer", None)
        own_stderr: TextIO | None = sys.stderr
        self._stdout = stdout if stdout is not None else own_stdout
        self._stderr = stderr if stderr is not None else own_stderr
        self.stdout_is_terminal = self._stdout is not None and self._stdout.isatty()
        self._stderr_is_terminal = self._stderr is not None and self._stderr.isatty()
        self._progress: Progress | None = None
        self._has_shown = False

    @contextmanager
    def patience(self, places: Sequence[str]) -> Iterator[None]:
        """Say once to a person who has seen nothing for five seconds that the work goes on, and where.

        Args:
            places: The stores and hosts that may let the command wait; none if all is local.
        """
        if not self.draws_progress:
            yield
            return
        timer = threading.Timer(PATIENCE_SECONDS, self._say_that_it_goes_on, (places,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def hand_over(self) -> None:
        """Leave the terminal to another program, which says itself what it does."""
        self._has_shown = True

    def _say_that_it_goes_on(self, places: Sequence[str]) -> None:
        if self._has_shown or (self._progress is not None and self._progress.done):
            return
        what = f"waiting for {', '.join(places)}" if places else "at work"
        self.remark(f"recordfs: still {what}; Ctrl-C ends it")

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes to standard output as they are."""
        self._has_shown = True
        if self._stdout is None:
            raise OutputFailedError("cannot write to standard output: it is closed")
        try:
            self._stdout.write(data)
        except OSError as error:
            _output_broke(error)

    def flush(self) -> None:
        """Hand everything printed to the reader."""
        if self._stdout is None:
            return
        try:
            self._stdout.flush()
        except OSError as error:
            _output_broke(error)

    def print(self, text: str = "", *, alarm: str = "") -> None:
        """Print one line of results.

        On a terminal, control characters (a file's name may hold any) are shown as escapes. Elsewhere the line is
        verbatim, and names that are not UTF-8 come out with the bytes that they have on disk.

        Args:
            text: The line.
            alarm: A word of it that a person has to see: its last occurrence is red on a terminal.
        """
        if self.stdout_is_terminal:
            text = _without_controls(text)
            if alarm and not os.environ.get("NO_COLOR"):
                before, found, after = text.rpartition(alarm)
                text = f"{before}{_RED}{found}{_PLAIN}{after}" if found else text
            if self._progress is not None and self._progress.print_above(text):
                return
        self.write(text.encode("utf-8", "surrogateescape") + b"\n")
        if self.stdout_is_terminal:
            self.flush()

    def print_lines(self, text: str) -> None:
        """Print a text of several lines."""
        for line in text.split("\n"):
            self.print(line)

    def print_json(self, value: object) -> None:
        """Print a value as JSON on one line. A command with many results prints one line for each.

        JSON has no numbers that are not finite: they are the strings "NaN", "Infinity" and "-Infinity".
        """
        try:
            text = json.dumps(value, allow_nan=False)
        except ValueError:
            text = json.dumps(_with_finite_numbers(value), allow_nan=False)
        self.write(text.encode() + b"\n")

    def print_row(self, cells: Sequence[str]) -> None:
        """Print cells on one line, with tabs between them; what they hold is shown as in ``print_table``."""
        self.print(_row(cells))

    def print_table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, to_stderr: bool = False) -> None:
        """Print a table: aligned and with a head on a terminal, tab-separated lines without a head elsewhere.

        Control characters of cells are shown as escapes, tabs and line ends among them, so that a name of a tag or a
        file makes no cell or row. Names that are not UTF-8 keep their bytes, as with ``print``.

        Args:
            columns: The heads; one that begins with ``>`` is aligned to the right.
            rows: The cells, as many in each row as there are columns.
            to_stderr: Where to, if it is no result.
        """
        print_line = self._print_to_stderr if to_stderr else self.print
        if not (self._stderr_is_terminal if to_stderr else self.stdout_is_terminal):
            for row in rows:
                print_line(_row(row))
            return
        table = [[column.removeprefix(">") for column in columns]]
        try:
            table.extend([_without_controls(_in_one_cell(cell)) for cell in row] for row in rows)
        finally:  # where a row cannot be had, those before it are shown
            for line in _aligned(table, [column.startswith(">") for column in columns]):
                print_line(line)

    def remark(self, text: str) -> None:
        """Tell a person who looks on something on standard error; says nothing to a program, or if ``quiet``."""
        if self.draws_progress:
            self._print_to_stderr(text)

    def error(self, error: RecordFSError | str, *, note: str = "") -> None:
        """Print an error as one line on standard error, and a note after it.

        One of ours has no secrets in its text any more. As a whole it would look as if it had one: in
        ``tokens.tfrecord: corrupt record`` the path looks like a header's name.
        """
        text = redact(error) if isinstance(error, str) else str(error)
        self._print_redacted("recordfs: " + " ".join(f"{text}{note}".splitlines()))

    def failure(self, error: RecordFSError, *, note: str = "") -> int:
        """Print what went wrong with one of several things, and a note; return the exit status that it means."""
        self.error(error, note=note)
        if self.as_json:
            path = None if error.path is None else redact(error.path)
            self.print_json({"path": path, "error": type(error).__name__, "message": f"{error.message}{note}"})
        return status_of(error)

    @property
    def draws_progress(self) -> bool:
        """Whether a person sees progress, so that its end is worth finding out."""
        return self._stderr_is_terminal and not self.quiet

    def progress(self, what: str, *, total: int | None = None, unit: str = "bytes") -> Progress:
        """Return a progress bar, drawn on standard error if that is a terminal and ``quiet`` is off."""
        self._progress = Progress(what, total, unit, self._stderr if self.draws_progress else None)
        return self._progress

    def _print_to_stderr(self, text: str) -> None:
        """Print a line above a bar, if there is one. Paths in it may be signed URLs."""
        self._print_redacted(redact(text))

    def _print_redacted(self, text: str) -> None:
        self._has_shown = True
        if self._stderr_is_terminal:
            text = _without_controls(text)
            if self._progress is not None and self._progress.print_above(text):
                return
        self.flush()
        if self._stderr is not None:
            print(text.encode("utf-8", "backslashreplace").decode(), file=self._stderr, flush=True)


def _aligned(table: list[list[str]], to_the_right: list[bool]) -> Iterator[str]:
    """Yield rows of cells as lines, in columns as wide as their widest cell."""
    widths = [max(len(cells[index]) for cells in table) for index in range(len(to_the_right))]
    for cells in table:
        aligned = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, to_the_right, strict=True)
        ]
        yield "  ".join(aligned).rstrip()


def _output_broke(error: OSError) -> NoReturn:
    """Raise what the frame knows, so that trouble with the output is never taken for trouble with a store."""
    if isinstance(error, BrokenPipeError):
        raise OutputClosedError from error
    raise OutputFailedError(f"cannot write to standard output: {error.strerror}") from error


def _without_controls(text: str) -> str:
    """Show control characters as escapes, so that no name can steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def _row(cells: Sequence[str]) -> str:
    return "\t".join(map(_in_one_cell, cells))


def _in_one_cell(text: str) -> str:
    """Show the control characters of C0, C1 and DEL as escapes; nothing else changes."""
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if c < " " or "\x7f" <= c < "\xa0" else c for c in text)


def _with_finite_numbers(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else json.dumps(value)
    if isinstance(value, dict):
        return {key: _with_finite_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_finite_numbers(item) for item in value]
    return value


def abandon_stdout() -> None:
    """Point standard output at nothing, so that the interpreter does not complain about what it could not write."""
    if sys.stdout is None:
        return
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass  # standard output is not a real file, so nothing is left to be written at exit
