"""What every command has from the frame: help, options, one-line errors, exit statuses."""

import json
import subprocess
import sys

import pytest

from recordfs import register_file_system, unregister_file_system
from recordfs.cli import main
from recordfs.cli.arguments import parse_filesystem_options
from recordfs.cli.command_table import COMMAND_GROUPS, find_command, module_of
from recordfs.cli.formatting import format_count, format_rate, format_size, format_time
from recordfs.errors import InvalidArgumentError
from recordfs.filesystem import OperationStatistics
from recordfs.filesystems.memory import MemoryFileSystem

ALL_COMMANDS = [entry.name for entries in COMMAND_GROUPS.values() for entry in entries]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_help_lists_every_command_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for entries in COMMAND_GROUPS.values():
        for entry in entries:
            assert sum(line.split() == f"{entry.name} {entry.summary}".split() for line in lines) == 1


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        (["follow", "--timeout", "-1", "f"], "expected at least 0, found -1"),
        (["follow", "--timeout", "nan", "f"], "expected at least 0, found nan"),
        (["follow", "--timeout", "soon", "f"], "expected a number, found 'soon'"),
        (["events", "tail", "--timeout", "-1", "f"], "expected at least 0, found -1"),
        (["checkpoint", "prune", "--older-than", "-24", "d"], "expected at least 0, found -24"),
        (["checkpoint", "diff", "--tolerance", "nan", "a", "b"], "expected at least 0, found nan"),
        (["tensorboard", "--port", "70000", "d"], "expected at most 65535, found 70000"),
        (["tensorboard", "--requests", "0", "d"], "expected at least 1, found 0"),
        (["pack", "--shards", "99999999999999999999", "d", "f"], "expected at most 99999"),
    ],
)
def test_a_number_that_means_nothing_is_wrong_usage(
    words: list[str], trouble: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert trouble in capsys.readouterr().err


def test_calling_without_a_command_is_wrong_usage_and_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: recordfs COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: recordfs {name}")
    for section in ("common options:", "examples:", f"recordfs {name}"):
        assert section in text
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_help_of_a_command_fits_the_terminal(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([name, "--help"]) == 0
    # Examples are lines for a shell and stay as they are.
    text = capsys.readouterr().out.partition("\nexamples:\n")[0]
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_help_imports_no_command_and_no_rich() -> None:
    loaded = run_python(
        "import sys; from recordfs.cli import main; main(['--help']); "
        "print('LOADED', [m for m in sys.modules if m.startswith(('recordfs.cli.commands', 'rich'))])"
    )
    assert loaded.splitlines()[-1] == "LOADED []"


def test_every_command_module_has_its_four_names() -> None:
    import importlib

    for name in ALL_COMMANDS:
        entry = find_command(name)
        assert entry is not None
        module = importlib.import_module(module_of(entry))
        for attribute in ("DESCRIPTION", "EXAMPLES", "add_arguments", "run"):
            assert hasattr(module, attribute), f"{name} lacks {attribute}"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import recordfs

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"recordfs {recordfs.__version__}\n"


def test_a_mistyped_command_is_wrong_usage_and_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mkdri", "x"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "recordfs: there is no command 'mkdri' (did you mean 'mkdir'?); recordfs --help lists all\n"


def test_an_option_before_the_command_is_wrong_usage_and_says_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stats", "count", "x"]) == 2
    assert capsys.readouterr().err.startswith("recordfs: options come after the command: recordfs COMMAND --stats;")


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "--no-such-option"]) == 2
    assert "--no-such-option" in capsys.readouterr().err


def test_an_unknown_scheme_is_one_line_that_names_the_scheme(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "nosuch://x"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("recordfs: no filesystem is registered for nosuch://")
    assert captured.err.count("\n") == 1


def test_debug_lets_errors_through() -> None:
    with pytest.raises(InvalidArgumentError):
        main(["ls", "--debug", "-o", "nonsense", "x"])


def test_options_are_read_as_json_where_they_are_plain_values() -> None:
    texts = ["region=eu", "s3.anon=true", "s3.part_size=8388608", 's3.name="5"', "file.x={", "a.b.key=1", "empty="]
    assert parse_filesystem_options(texts) == {
        "*": {"region": "eu", "empty": ""},
        "s3": {"anon": True, "part_size": 8388608, "name": "5"},
        "file": {"x": "{"},
        "a.b": {"key": 1},
    }


@pytest.mark.parametrize("text", ["novalue", "=x", ".key=x", "s3.=x", "two words=x"])
def test_malformed_options_are_wrong_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "-o", text, "x://y"]) == 2
    assert "-o takes [SCHEME.]KEY=VALUE" in capsys.readouterr().err


def test_an_option_without_a_remote_path_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "-o", "region=eu", "/"]) == 2
    assert "this command has none" in capsys.readouterr().err


def test_help_ends_quietly_when_its_reader_goes_away() -> None:
    command = f"{sys.executable} -m recordfs.cli ls --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout in ("0\n", "141\n")


def test_a_full_disk_behind_standard_output_is_an_error() -> None:
    command = f"{sys.executable} -m recordfs.cli --help > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "recordfs: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("redirection", "words"), [(">&-", "cannot write to standard output: it is closed"), ("2>&-", "")]
)
def test_closed_streams_are_no_traceback(redirection: str, words: str) -> None:
    command = f"{sys.executable} -m recordfs.cli --version {redirection}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if words else 0)
    assert done.stderr == (f"recordfs: {words}\n" if words else "")
    missing = subprocess.run(["bash", "-c", f"{sys.executable} -m recordfs.cli stat /missing 2>&-"], check=False)
    assert missing.returncode == 1


def test_sizes_and_rates() -> None:
    sizes = {0: "0 B", 1023: "1023 B", 1024: "1.00 KiB", 10_230: "9.99 KiB", 10_235: "10.0 KiB"}
    sizes |= {1_048_575: "1.00 MiB", 5 << 40: "5.00 TiB", 1 << 62: "4.00 EiB", 1 << 72: "4096 EiB"}
    assert {length: format_size(length) for length in sizes} == sizes
    assert format_rate(2048, 2.0) == "1.00 KiB/s"
    assert format_rate(1, 0.0) == "-"
    assert format_count(1, "record") == "1 record"
    assert format_count(12345, "record") == "12,345 records"
    assert format_time(1_700_000_000_000_000_000) == "2023-11-14 22:13:20Z"
    assert format_time(0) == "-"


def test_json_is_one_object_a_line(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    from recordfs.cli.console import Console

    console = Console()
    console.print_json({"path": "a\udcff\nb"})
    line = capsysbinary.readouterr().out
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"path": "a\udcff\nb"}


class CountingFileSystem(MemoryFileSystem):
    """A store that counts."""

    def statistics(self) -> dict[str, OperationStatistics]:
        return {"Get": OperationStatistics(3, 0, 4096), "Put": OperationStatistics(1, 17, 0)}


def test_stats_tell_what_was_asked_of_each_store(capsys: pytest.CaptureFixture[str]) -> None:
    register_file_system("counting", CountingFileSystem)
    try:
        assert main(["rm", "-f", "counting://x/y", "--stats"]) == 0
        assert main(["rm", "-f", "counting://x/y"]) == 0
        # What other tests of this process have asked of other stores is told as well.
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("counting://")]
        assert told == ["counting://\tGet\t3\t0\t4096", "counting://\tPut\t1\t17\t0"]
    finally:
        unregister_file_system("counting")
