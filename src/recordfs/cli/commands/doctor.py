"""``recordfs doctor``: what serves a path, and does it work?"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any, Literal

from recordfs.cli.arguments import add_paths
from recordfs.cli.formatting import format_count, format_size, format_time
from recordfs.cli.status import FAILED, OK
from recordfs.errors import DataLossError, NotADirectoryError, NotFoundError, RecordFSError, UnimplementedError
from recordfs.filesystems.key_value import KeyValueFileSystem
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.paths import TEMPORARY_NAME, dirname, is_temporary_name, join, parse_path, scheme_of
from recordfs.redaction import redact
from recordfs.registry import get_file_system, registration_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from recordfs.cli.console import Console
    from recordfs.filesystem import FileSystem

DESCRIPTION = """\
Show which filesystem serves a path, with which options and whose credentials, and what it can do;
then try to look at the path, to list it and to read from it. With --write also make a directory with
a fresh name in it, write, flush, append, rename and delete there, and leave nothing behind. Options
that may be secret are named and not shown. The exit status is 1 if something that the filesystem
says it can do fails.
"""

EXAMPLES = """\
recordfs doctor s3://bucket/logs
recordfs doctor --write /mnt/shared/logs
"""

_SECRET_WORDS = ("auth", "client_kwargs", "credential", "header", "key", "pass", "secret", "token")

_MOST_UNPUBLISHED = 10
"""Unpublished files that are named one by one."""

_DATA = b"written by recordfs doctor\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_paths(parser, "path", help="a file or directory")
    parser.add_argument("--write", action="store_true", help="also write, under a fresh name that is removed again")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each finding, one a line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Describe and try."""
    path = arguments.path
    served_by, origin = registration_of(scheme_of(path))
    file_system = get_file_system(path)
    trial = _Trial(file_system, console, as_json=arguments.json)
    trial.show("path", path)
    trial.show("filesystem", f"{served_by} ({origin})")
    trial.show("options", _describe_options(file_system) or "none")
    trial.describe()
    trial.step("capabilities", lambda: _describe_capabilities(file_system, path))
    takes_names = trial.look(path)
    if arguments.write:
        trial.write(path if takes_names else dirname(path))
    return FAILED if trial.failed else OK


def _describe_options(file_system: FileSystem) -> str:
    """Return the options that the filesystem was made with; what may be secret only by name."""
    shown = []
    for name, value in sorted(file_system.options.items()):
        secret = any(word in name.lower() for word in _SECRET_WORDS)
        shown.append(f"{name}=(not shown)" if secret else f"{name}={value!r}")
    return ", ".join(shown)


def _describe_capabilities(file_system: FileSystem, path: str) -> str:
    capabilities: dict[str, Any] = file_system.capabilities(path)._asdict()
    words = [f"{name}={value}" for name, value in capabilities.items() if isinstance(value, str) and value]
    yes = [name for name, value in capabilities.items() if value is True]
    no = [name for name, value in capabilities.items() if value is False]
    can = f"can {', '.join(yes)}" if yes else "can nothing of the rest"
    return f"{', '.join(words)}; {can}" + (f"; cannot {', '.join(no)}" if no else "")


class _Trial:
    """Tries one operation after another and prints what became of each."""

    def __init__(self, file_system: FileSystem, console: Console, *, as_json: bool) -> None:
        self._file_system = file_system
        self._console = console
        self._as_json = as_json
        self.failed = False

    def show(self, name: str, outcome: str, status: Literal["ok", "impossible", "failed"] = "ok") -> None:
        """Print what was found out about one thing, but no secret in it."""
        outcome = redact(outcome)
        if self._as_json:
            self._console.print_json({"name": name, "status": status, "outcome": outcome})
        else:
            how = {"ok": "", "impossible": "not possible here: ", "failed": "FAILED: "}[status]
            self._console.print(f"{name + ':':<13} {how}{outcome}")

    def describe(self) -> None:
        """Print what the filesystem tells of itself; finding credentials can fail like anything else."""
        try:
            described = self._file_system.describe()
        except RecordFSError as error:
            self._fail("credentials", error)
            return
        for name, value in described.items():
            self.show(name, value)

    def step(self, name: str, operation: Callable[[], str]) -> bool:
        """Try one operation, which returns what to print, and tell whether it worked."""
        try:
            outcome = operation()
        except UnimplementedError as error:
            self.show(name, error.message, "impossible")
            return False
        except RecordFSError as error:
            self._fail(name, error)
            return False
        self.show(name, outcome)
        return True

    def _fail(self, name: str, error: RecordFSError) -> None:
        self.failed = True
        self.show(name, f"{type(error).__name__}: {error}", "failed")

    def look(self, path: str) -> bool:
        """Try what changes nothing, and tell whether files can be made below the path."""
        first_file = ""
        is_directory = is_free = False

        def stat() -> str:
            nonlocal first_file, is_directory, is_free
            try:
                statistics = self._file_system.stat(path)
            except NotFoundError:
                is_free = self._needs_no_parents(path)
                if not is_free:
                    raise
                return "ok, nothing there yet"
            is_directory = statistics.is_directory
            first_file = "" if is_directory else path
            return "ok, a directory" if is_directory else f"ok, a file of {statistics.length} bytes"

        def list_some() -> str:
            nonlocal first_file
            count = 0
            for count, entry in enumerate(self._file_system.list_directory(path), 1):
                if not entry.is_directory and not first_file:
                    first_file = join(path, entry.name)
                if count == 1000:
                    return "ok, 1,000 names or more"
            return f"ok, {format_count(count, 'name')}"

        def read() -> str:
            with self._file_system.new_random_access_file(first_file) as file:
                return f"ok, {len(file.read(0, 1 << 16))} bytes from the beginning of {first_file}"

        if self.step("stat", stat) and is_directory:
            self.step("listing", list_some)
            self.step("unpublished", lambda: self._describe_unpublished(path))
        if first_file:
            self.step("reading", read)
        return is_directory or is_free

    def _describe_unpublished(self, directory: str) -> str:
        """Return what writers have staged in a directory, or left there when they died."""
        entries = self._file_system.list_directory(directory)
        names = [entry.name for entry in entries if not entry.is_directory and is_temporary_name(entry.name)]
        found = [join(directory, name) for name in names]
        staged = join(directory, TEMPORARY_NAME)  # where object stores have them, which no listing shows
        if self._file_system.capabilities(directory).directories == "implicit":
            with contextlib.suppress(NotFoundError, NotADirectoryError):
                found += [join(staged, entry.name) for entry in self._file_system.list_directory(staged)]
        if not found:
            return "ok, no writer has left anything"
        shown = ", ".join(self._describe_age(path) for path in found[:_MOST_UNPUBLISHED])
        more = f" and {len(found) - _MOST_UNPUBLISHED} more" if len(found) > _MOST_UNPUBLISHED else ""
        return f"{format_count(len(found), 'file')} of writers that live, or died before they published: {shown}{more}"

    def _describe_age(self, path: str) -> str:
        try:
            statistics = self._file_system.stat(path)
        except NotFoundError:
            return f"{path} (gone by now)"
        written = f", written {format_time(statistics.mtime_nsec)}" if statistics.mtime_nsec else ""
        return f"{path} ({format_size(max(0, statistics.length))}{written})"

    def _needs_no_parents(self, path: str) -> bool:
        """Tell whether a path where nothing is can be written to at once: its bucket is there, and is all it takes."""
        if self._file_system.capabilities(path).directories != "implicit":
            return False
        if isinstance(self._file_system, KeyValueFileSystem | MemoryFileSystem):
            return True  # What stands after the scheme is a name there, not a bucket that somebody has to make.
        parsed = parse_path(path)
        root = f"{parsed.scheme}://{parsed.authority}"
        return path.rstrip("/") != root and self._file_system.stat(root).is_directory

    def write(self, directory: str) -> None:
        """Try what changes something, under a fresh name, and remove it whatever happens."""
        file_system = self._file_system
        scratch = join(directory, f".recordfs-doctor-{uuid.uuid4().hex}")
        first, second = join(scratch, "first"), join(scratch, "second")
        try:
            if not self.step("mkdir", lambda: self._did(file_system.create_dir(scratch), f"ok, {scratch}")):
                return
            if self.step("writing", lambda: self._write(first)):
                self.step("appending", lambda: self._append(first))
                self.step("renaming", lambda: self._rename(first, second))
        finally:
            self.step("cleaning up", lambda: self._clean_up(scratch))

    @staticmethod
    def _did(_: None, outcome: str) -> str:
        return outcome

    def _write(self, path: str) -> str:
        visible = self._file_system.capabilities(path).flush_visibility
        with self._file_system.new_writable_file(path) as file:
            file.append(_DATA)
            if visible == "flush":
                file.flush()
                self._expect(path, _DATA)
        self._expect(path, _DATA)
        return "ok, and flushed bytes are visible" if visible == "flush" else "ok, visible once the file is closed"

    def _append(self, path: str) -> str:
        with self._file_system.new_appendable_file(path) as file:
            file.append(_DATA)
        self._expect(path, _DATA * 2)
        return "ok"

    def _rename(self, source: str, target: str) -> str:
        self._file_system.rename_file(source, target)
        if self._file_system.file_exists(source) or not self._file_system.file_exists(target):
            raise DataLossError(f"the file should now be at {target}, and no longer at its old name", path=source)
        return "ok"

    def _clean_up(self, scratch: str) -> str:
        if self._file_system.file_exists(scratch):
            self._file_system.delete_recursively(scratch)
        return "ok, nothing is left"

    def _expect(self, path: str, data: bytes) -> None:
        with self._file_system.new_random_access_file(path) as file:
            found = file.read(0, len(data) + 1)
        if found != data:
            raise DataLossError(f"wrote {len(data)} bytes, and read {len(found)} different ones back", path=path)
