"""The command line as a person meets it: under a terminal."""

import io
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest

from recordfs import get_file_system, register_file_system, unregister_file_system
from recordfs.cli import console as console_module
from recordfs.cli import progress as progress_module
from recordfs.cli.console import Console
from recordfs.filesystem import FileStatistics
from recordfs.filesystems.memory import MemoryFileSystem
from support.framing import stream


class Terminal:
    """A command under a pseudo-terminal of 100 columns."""

    def __init__(self, *words: str) -> None:
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(COLUMNS="100", LINES="40", TERM="xterm")
            os.execv(sys.executable, [sys.executable, "-m", "recordfs.cli", *words])

    def read_until(self, expected: bytes, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while expected not in self.shown:
            ready, _, _ = select.select([self.fd], [], [], deadline - time.monotonic())
            assert ready, f"{expected!r} has not come; shown so far: {self.shown!r}"
            self.shown += os.read(self.fd, 65536)

    def end(self) -> int:
        """Read to the end and return the exit status."""
        while True:
            try:
                chunk = os.read(self.fd, 65536)
            except OSError:  # what Linux gives when the other side is closed
                break
            if not chunk:
                break
            self.shown += chunk
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Silent(MemoryFileSystem):
    """Answers only when the person has been told that it does not."""

    told = threading.Event()

    def stat(self, path: str) -> FileStatistics:
        assert self.told.wait(30)
        return super().stat(path)


@pytest.mark.parametrize(("quiet", "terminal"), [(False, True), (True, True), (False, False)])
def test_a_person_who_sees_nothing_is_told_what_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, quiet: bool, terminal: bool
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

        def write(self, text: str) -> int:
            Silent.told.set()
            return super().write(text)

    said = not quiet and terminal
    Silent.told.clear()
    if not said:
        Silent.told.set()
    monkeypatch.setattr(console_module, "PATIENCE_SECONDS", 0.001)
    register_file_system("silent", Silent)
    try:
        screen = Screen()
        console = Console(quiet=quiet, stdout=io.BytesIO(), stderr=screen)
        with console.patience(["silent://host"]):
            get_file_system("silent://host/x").is_directory("silent://host/x")
    finally:
        unregister_file_system("silent")
    assert screen.getvalue() == ("recordfs: still waiting for silent://host; Ctrl-C ends it\n" if said else "")


def test_a_command_that_has_shown_something_is_not_said_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    class AtOnce:
        """A timer that has run out when it is started."""

        def __init__(self, seconds: float, call: Callable[..., None], arguments: tuple[object, ...]) -> None:
            self.start = lambda: calls.append(lambda: call(*arguments))
            self.cancel = lambda: None

    calls: list[Callable[[], None]] = []
    monkeypatch.setattr(threading, "Timer", AtOnce)
    screen = Screen()
    console = Console(stdout=io.BytesIO(), stderr=screen)
    with console.patience([]):
        console.print("a result")
        calls[0]()
    assert screen.getvalue() == ""
    console = Console(stdout=io.BytesIO(), stderr=screen)
    with console.patience([]):
        calls[1]()
    assert screen.getvalue() == "recordfs: still at work; Ctrl-C ends it\n"


def test_a_table_has_a_head_and_aligned_columns(directory: Path) -> None:
    (directory / "short").write_bytes(b"x")
    (directory / "long").write_bytes(bytes(2048))
    for name in ("short", "long"):
        os.utime(directory / name, (1_700_000_000, 1_700_000_000))
    terminal = Terminal("ls", "-l")
    assert terminal.end() == 0
    assert terminal.shown.decode().splitlines() == [
        "    size  modified              name",
        "2.00 KiB  2023-11-14 22:13:20Z  long",
        "     1 B  2023-11-14 22:13:20Z  short",
    ]


def test_what_is_broken_is_red_and_what_was_done_is_said(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "BROKEN-is-my-name").write_bytes(stream([b"sound"]))
    (directory / "torn").write_bytes(stream([b"torn"])[:-1])
    terminal = Terminal("verify", "BROKEN-is-my-name", "torn")
    assert terminal.end() == 1
    lines = terminal.shown.split(b"\r\n")
    assert lines[0].startswith(b"BROKEN-is-my-name: ok, 1 record")
    assert lines[1].startswith(b"torn: \x1b[1;31mBROKEN\x1b[0m, 0 records")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal("verify", "torn")
    terminal.end()
    assert terminal.shown.startswith(b"torn: BROKEN, 0 records")
    for words, said in (
        (["cp", "torn", "copy"], b"copied 1 file (19 B) in "),
        (["mv", "copy", "moved"], b"moved 1 of 1"),
        (["rm", "moved", "torn"], b"deleted 2 paths"),
    ):
        terminal = Terminal(*words)
        assert terminal.end() == 0
        assert said in terminal.shown
    (directory / "torn").write_bytes(b"x")
    terminal = Terminal("rm", "-q", "torn")
    assert (terminal.end(), terminal.shown) == (0, b"")


def test_ctrl_c_while_a_command_is_being_loaded_ends_it_in_a_word(directory: Path) -> None:
    program = """
import subprocess
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from recordfs.cli import main
sys.exit(main(["verify", "x"]))
"""
    for module in ("recordfs.cli.application", "recordfs.cli.commands.verify", "recordfs.records.verify", "argparse"):
        done = subprocess.run([sys.executable, "-c", program, module], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "recordfs: interrupted\n"), module


def test_names_cannot_steer_the_terminal(directory: Path) -> None:
    (directory / "a\x1b[31m\nb\udcff").write_bytes(b"")
    terminal = Terminal("ls")
    assert terminal.end() == 0
    assert terminal.shown == b"a\\x1b[31m\\nb\\udcff\r\n"


def test_ctrl_c_is_one_line_and_status_130(directory: Path) -> None:
    (directory / "live.tfrecord").write_bytes(stream([b"first"]))
    terminal = Terminal("follow", "live.tfrecord")
    terminal.read_until(b"first\r\n")
    os.write(terminal.fd, b"\x03")
    assert terminal.end() == 130
    assert terminal.shown.split(b"\r\n")[-2].endswith(b"recordfs: interrupted")
    assert b"Traceback" not in terminal.shown


class FakeTerminal:
    """A stream that says it is a terminal and keeps what is drawn."""

    def __init__(self) -> None:
        self.drawn = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.drawn += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.fixture
def fake_terminal(monkeypatch: pytest.MonkeyPatch) -> FakeTerminal:
    monkeypatch.setattr(progress_module, "_DELAY_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    return FakeTerminal()


def as_text_stream(fake: FakeTerminal) -> TextIO:
    return fake  # type: ignore[return-value]  # it has what is used of a TextIO


def test_progress_shows_what_amount_and_rate(fake_terminal: FakeTerminal) -> None:
    console = Console(stderr=as_text_stream(fake_terminal))
    path = "s3://bucket/a/very/long/name/that/has/to/be/cut/part-00000.tfrecord"
    with console.progress("copying", total=4 << 20) as progress:
        progress.advance(1 << 20, path)
        progress.advance(3 << 20)
    assert f"…{path[-39:]} " in fake_terminal.drawn
    assert "1.0/4.0 MiB" in fake_terminal.drawn


def test_lines_are_printed_above_a_bar_that_is_drawn(fake_terminal: FakeTerminal) -> None:
    console = Console(stderr=as_text_stream(fake_terminal))
    with console.progress("copying", total=2) as progress:
        progress.advance(1)
        console.error("this [bold]went[/bold] wrong")
    assert "recordfs: this [bold]went[/bold] wrong\n" in fake_terminal.drawn


@pytest.mark.parametrize("quiet", [True, False])
def test_no_bar_where_nobody_looks_on(fake_terminal: FakeTerminal, quiet: bool, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as file:
        console = Console(quiet=quiet, stderr=as_text_stream(fake_terminal) if quiet else file)
        with console.progress("copying", total=2) as progress:
            progress.advance(1)
            progress.advance(1)
    assert fake_terminal.drawn == ""
    assert (tmp_path / "stderr").read_text() == ""


def test_work_that_is_soon_done_imports_no_rich(directory: Path) -> None:
    import subprocess

    (directory / "a.tfrecord").write_bytes(stream([b"x"]))
    code = (
        "import sys; from recordfs.cli import main; main(['verify', 'a.tfrecord']); main(['ls', '-l']); "
        "print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_several_files_are_verified_under_a_terminal(directory: Path) -> None:
    for name in ("a", "b"):
        (directory / name).write_bytes(stream([b"x" * 100]))
    terminal = Terminal("verify", "a", "b", "missing")
    assert terminal.end() == 1
    assert terminal.shown.decode().splitlines() == [
        "a: ok, 1 record, 100 B of data",
        "b: ok, 1 record, 100 B of data",
        "recordfs: missing: No such file or directory",
        "2 files: all ok, 1 more \x1b[1;31mNOT READ\x1b[0m, 2 records, 200 B of data",
    ]
