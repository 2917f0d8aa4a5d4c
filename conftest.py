"""Runs the examples in README.md and docs/ as tests.

- ```` ```python ```` blocks are executed, and so are ```` ```pycon ```` blocks, where what follows a `>>>` line is
  compared; those of one document share their names.
- ```` ```console ```` blocks are run by bash, a ``$ `` at a time, and what a command prints (standard error too) is
  compared with the lines under it; ``...`` stands for anything. A command that fails has to be followed by
  ``$ echo $?``, so that its status is part of the example.
- ```` ```cpp ```` blocks whose first line is ``// NAME`` are written to a file of that name, for commands to compile.
- Any other block (``sh``, ``text``, none) is not run.

Each document has a fresh directory, in which all of its examples run. docs/design/ is history and is not run.

Tests marked ``build`` are skipped without ``--with-builds``, which `make check` gives.

For all tests it writes their files to memory where there is plenty, starts the slow files first, and takes what was
collected out of the garbage collector's sight.
"""

import doctest
import gc
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from recordfs import registry

# A shell that starts tests in the background has them ignore Ctrl-C, and their children too; some tests are about it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SECONDS_PER_COMMAND = 60

_MEMORY = "/dev/shm"
"""Linux's filesystem in memory."""

_CONTAINER = "/sys/fs/cgroup"
"""Where a container sees its own limits."""

_FREE_MEMORY = 4 << 30
"""Bytes that have to be free there for the tests' files; a run keeps a tenth of it at a time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make check` gives."""
    parser.addoption("--with-builds", action="store_true", help="run the tests marked build, which take minutes")


def pytest_configure(config: pytest.Config) -> None:
    """Have `tmp_path` in memory where there is plenty, unless ``--basetemp`` or ``PYTEST_DEBUG_TEMPROOT`` says where.

    The tests make and remove a hundred thousand small files, for which some disks take half a millisecond each. What
    is about a disk asks for `disk_path`; servers, which keep gigabytes, are on the disk too.
    """
    if config.option.basetemp is None and _free_memory() >= _FREE_MEMORY:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)


def _free_memory() -> float:
    """Return how many bytes may be written to memory without harm: 0 where no program may be run from there."""
    if not os.access(_MEMORY, os.W_OK) or os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:
        return 0
    with open("/proc/meminfo") as file:
        kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in file}
    return min(kilobytes["MemAvailable"] << 10, shutil.disk_usage(_MEMORY).free, _free_in_container())


def _free_in_container() -> float:
    """Return how many bytes a container may still take, whose limit files in memory count for; infinity without one."""
    try:
        limit, used = (pathlib.Path(_CONTAINER, name).read_text() for name in ("memory.max", "memory.current"))
    except OSError:
        return math.inf
    return math.inf if limit.strip() == "max" else int(limit) - int(used)


@pytest.fixture
def disk_path() -> Iterator[pathlib.Path]:
    """A fresh directory where temporary files usually are: on a disk, for what is about one."""
    with tempfile.TemporaryDirectory(prefix="recordfs-") as directory:
        yield pathlib.Path(directory)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what builds for minutes, loudly."""
    if item.get_closest_marker("build") and not item.config.getoption("with_builds"):
        pytest.skip("LEFT OUT, it builds for minutes: `make check` runs it, and so does pytest --with-builds")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests: a long one that begins last has one processor busy alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Keep ten thousand tests out of every collection of garbage that comes; many tests ask for one."""
    gc.collect()
    gc.freeze()


def _enter_fresh_directory(namespace: dict[str, Any]) -> None:
    namespace["_started_in"] = os.getcwd()
    namespace["_directory"] = tempfile.mkdtemp(prefix="recordfs-docs-")
    os.chdir(namespace["_directory"])


def _leave_directory(namespace: dict[str, Any]) -> None:
    # What one document registers must not reach into another, or leave files where the tests run.
    for scheme in registry.get_registered_schemes():
        if registry.registration_of(scheme)[1] == "registered in code":
            registry.unregister_file_system(scheme)
            registry.configure_file_system(scheme)
    os.chdir(namespace["_started_in"])
    shutil.rmtree(namespace["_directory"])


def _commands_in(block: str) -> list[tuple[int, str, str]]:
    """Return ``(line in the block, command, expected output)`` for each ``$ `` of a console block."""
    commands: list[tuple[int, str, str]] = []
    continued = False
    for number, line in enumerate(block.splitlines()):
        if line.startswith("$ "):
            commands.append((number, line[2:], ""))
        elif not commands:
            raise ValueError(f"a console block begins with '$ ', found {line!r}")
        elif continued:
            at, command, _ = commands[-1]
            commands[-1] = (at, f"{command}\n{line}", "")
        else:
            at, command, expected = commands[-1]
            commands[-1] = (at, command, f"{expected}{line}\n")
        continued = (line.startswith("$ ") or continued) and line.endswith("\\")
    return commands


def _run_console_block(example: Example) -> str | None:
    """Run the commands of a block, and return what differs."""
    environment = os.environ | {"COLUMNS": "100", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    commands = _commands_in(example.parsed)
    status = 0
    for index, (line, command, expected) in enumerate(commands):
        done = subprocess.run(
            ["bash", "-c", f"(exit {status})\n{command}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=_SECONDS_PER_COMMAND,
            check=False,
        )
        status = done.returncode
        where = f"{example.path}:{example.line + 1 + line}: $ {command}"
        found = done.stdout.decode(errors="backslashreplace")
        if not doctest.OutputChecker().check_output(expected, found, doctest.ELLIPSIS):
            return f"{where}\nexpected:\n{expected}found:\n{found}"
        asked = index + 1 < len(commands) and "$?" in commands[index + 1][1]
        if status != 0 and not asked:
            return f"{where}\nfailed with status {status}, and no '$ echo $?' follows\n{found}"
    return None


def _write_source_block(example: Example) -> None:
    """Write a block of C++ to the file that its first line names; one that names none is only shown."""
    first = example.parsed.partition("\n")[0]
    if first.startswith("// "):
        with open(first.removeprefix("// ").strip(), "w") as file:
            file.write(example.parsed)


class _SessionParser(PythonCodeBlockParser):
    """Finds Python sessions, whose prompts and output the site's copy button leaves out."""

    codeblock_parser_class = staticmethod(lambda language, evaluator: CodeBlockParser("pycon", evaluator))


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser("cpp", _write_source_block),
        PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS),
        _SessionParser(doctest_optionflags=doctest.ELLIPSIS),
        CodeBlockParser("console", _run_console_block),
        SkipParser(),
    ],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    excludes=["*/README.md", "docs/design/*.md"],
    setup=_enter_fresh_directory,
    teardown=_leave_directory,
).pytest()
