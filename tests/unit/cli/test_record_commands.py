"""The commands for record files."""

import base64
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from recordfs import RecordReader, RecordWriter, registry
from recordfs.filesystem import Capabilities
from recordfs.filesystems.memory import MemoryFileSystem
from support.command_line import Recordfs
from support.framing import record, stream

PAYLOADS = [b"alpha", b"", b"\x00\xff\n" * 30, "grün".encode(), b"x" * 5000]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record files in the current directory: plain and GZIP sound ones, a corrupt and a torn one."""
    monkeypatch.chdir(tmp_path)
    sound = stream(PAYLOADS)
    (tmp_path / "plain.tfrecord").write_bytes(sound)
    with RecordWriter("gzip.tfrecord", compression="GZIP") as writer:
        writer.write_batch(PAYLOADS)
    corrupt = bytearray(sound)
    corrupt[len(record(b"alpha")) + len(record(b"")) + 20] ^= 1
    (tmp_path / "corrupt.tfrecord").write_bytes(corrupt)
    (tmp_path / "torn.tfrecord").write_bytes(sound[:-100])
    return tmp_path


def test_count_of_one_file_is_a_bare_number(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("count", "plain.tfrecord") == (0, "5\n", "")
    assert recordfs("count", "gzip.tfrecord") == (0, "5\n", "")


def test_count_of_several_has_a_total_and_reports_what_is_broken(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("count", "[pgt]*.tfrecord")
    assert ran.out == "5\tgzip.tfrecord\n5\tplain.tfrecord\n10\ttotal without 1 file that could not be counted\n"
    assert ran.status == 1
    assert ran.err.startswith("recordfs: torn.tfrecord: truncated record")
    assert [json.loads(line) for line in recordfs("count", "--json", "[pg]*.tfrecord").out.splitlines()] == [
        {"path": "gzip.tfrecord", "records": 5},
        {"path": "plain.tfrecord", "records": 5},
    ]


def test_verify_of_sound_files(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("verify", "plain.tfrecord", "gzip.tfrecord")
    size = (files / "gzip.tfrecord").stat().st_size
    assert ran == (
        0,
        "plain.tfrecord: ok, 5 records, 4.98 KiB of data\n"
        f"gzip.tfrecord: ok, 5 records, 4.98 KiB of data, GZIP, {size} B stored\n"
        "2 files: all ok, 10 records, 9.96 KiB of data\n",
        "",
    )


def test_verify_says_where_and_how_a_file_is_broken(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("verify", "corrupt.tfrecord")
    lines = ran.out.splitlines()
    assert ran.status == 1
    assert lines[0].startswith("corrupt.tfrecord: BROKEN, 4 records, ")
    assert lines[1].startswith("  at byte 37: ")
    assert lines[1].endswith("106 bytes lost up to the next sound record at byte 143")
    assert len(lines) == 2


def test_verify_tells_a_torn_tail(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("verify", "--json", "torn.tfrecord")
    report = json.loads(ran.out)
    assert ran.status == 1
    assert (report["sound"], report["truncated_tail"], report["records"]) == (False, True, 4)
    assert report["lost"][0]["error"] == "TruncatedRecordError"
    assert report["lost"][0]["offset"] == 164
    assert "`recordfs repair`" in recordfs("verify", "torn.tfrecord").out


@pytest.mark.parametrize(
    ("name", "advice"), [("tiny", "`recordfs repair --force` empties it"), ("tiny.gz", "only copied")]
)
def test_verify_advises_what_repair_would_do(files: Path, recordfs: Recordfs, name: str, advice: str) -> None:
    (files / name).write_bytes(gzip.compress(b"hello") if name.endswith("gz") else b"hello")
    ran = recordfs("verify", name)
    assert ran.status == 1
    assert advice in ran.out


def test_a_directory_is_no_record_file_and_its_pattern_is_told(files: Path, recordfs: Recordfs) -> None:
    (files / "folder").mkdir()
    for command in ("count", "verify", "head", "index"):
        ran = recordfs(command, "folder/")
        assert ran.status == 1
        assert "'folder/*' matches what is in it" in ran.err


def test_verify_goes_on_after_a_missing_file(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("verify", "missing.tfrecord", "plain.tfrecord")
    assert ran.status == 1
    assert ran.out == "plain.tfrecord: ok, 5 records, 4.98 KiB of data\n"
    assert ran.err.startswith("recordfs: missing.tfrecord: ")


def test_the_total_of_verify_tells_what_was_not_read(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("verify", "plain.tfrecord", "missing.tfrecord", "gzip.tfrecord")
    assert ran.out.splitlines()[-1] == "2 files: all ok, 1 more NOT READ, 10 records, 9.96 KiB of data"
    assert ran.status == 1


def test_verify_without_checksums_misses_what_only_they_find(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("verify", "--no-checksums", "corrupt.tfrecord").status == 0


def test_the_error_of_a_file_whose_name_sounds_secret_is_told_whole(files: Path, recordfs: Recordfs) -> None:
    (files / "corrupt.tfrecord").rename("tokens.tfrecord")
    ran = recordfs("verify", "tokens.tfrecord", "password.tfrecord")
    assert "password.tfrecord: No such file or directory" in ran.err
    ran = recordfs("head", "tokens.tfrecord")
    assert ran.err.startswith("recordfs: tokens.tfrecord: corrupt record: the data's checksum is")


def test_forcing_a_compression(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("verify", "--compression", "GZIP", "gzip.tfrecord").status == 0
    assert recordfs("verify", "--compression", "none", "gzip.tfrecord").status == 1
    assert recordfs("verify", "--compression", "gzip", "gzip.tfrecord").status == 2


def test_head_shows_number_offset_length_and_data(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("head", "-n", "4", "--width", "12", "plain.tfrecord") == (
        0,
        "0\t0\t5\talpha\n1\t21\t0\t\n2\t37\t90\t\\x00\\xff\\n\\…\n3\t143\t5\tgrün\n",
        "",
    )


def test_head_skips_and_names_files_if_there_are_several(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("head", "--skip", "3", "-n", "1", "plain.tfrecord", "gzip.tfrecord")
    assert ran.out == "plain.tfrecord\t3\t143\t5\tgrün\ngzip.tfrecord\t3\t143\t5\tgrün\n"


def test_head_as_json_holds_the_whole_data(files: Path, recordfs: Recordfs) -> None:
    rows = [json.loads(line) for line in recordfs("head", "--json", "plain.tfrecord").out.splitlines()]
    assert [base64.b64decode(row["data"]) for row in rows] == PAYLOADS
    assert rows[4] | {"data": ""} == {"path": "plain.tfrecord", "record": 4, "offset": 164, "length": 5000, "data": ""}


def test_head_shows_what_stands_before_a_break_and_reads_no_further_than_asked(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("head", "-n", "2", "corrupt.tfrecord").status == 0
    ran = recordfs("head", "corrupt.tfrecord")
    assert ran.status == 1
    assert ran.out == "0\t0\t5\talpha\n1\t21\t0\t\n"
    assert ran.err.startswith("recordfs: corrupt.tfrecord: ")
    assert ran.err.endswith("(at byte 37)\n")


@pytest.mark.parametrize("words", [["-n", "x"], ["-n", "-1"], ["--width", "0"]])
def test_head_with_wrong_numbers_is_wrong_usage(files: Path, recordfs: Recordfs, words: list[str]) -> None:
    assert recordfs("head", *words, "plain.tfrecord").status == 2


def test_index_is_written_beside_the_file(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("index", "plain.tfrecord") == (0, "plain.tfrecord.idx: 5 records\n", "")
    lines = (files / "plain.tfrecord.idx").read_text().splitlines()
    assert lines == ["0 21", "21 16", "37 106", "143 21", "164 5016"]


def test_index_elsewhere_and_of_files_that_have_none(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("index", "--output", "x.idx", "plain.tfrecord", "gzip.tfrecord").status == 2
    assert recordfs("index", "-q", "--output", "x.idx", "plain.tfrecord") == (0, "", "")
    assert (files / "x.idx").exists()
    ran = recordfs("index", "torn.tfrecord")
    assert (ran.status, ran.out) == (1, "")
    assert not (files / "torn.tfrecord.idx").exists()


def test_repair_cuts_only_a_torn_tail(files: Path, recordfs: Recordfs) -> None:
    before = (files / "torn.tfrecord").read_bytes()
    assert recordfs("repair", "--dry-run", "torn.tfrecord").out == "torn.tfrecord: would cut off 4,916 bytes\n"
    assert (files / "torn.tfrecord").read_bytes() == before
    assert recordfs("repair", "torn.tfrecord", "plain.tfrecord") == (
        0,
        "torn.tfrecord: cut off 4,916 bytes\nplain.tfrecord: nothing to cut off, it ends with a whole record\n",
        "",
    )
    assert list(RecordReader("torn.tfrecord")) == PAYLOADS[:4]


def test_repair_tells_programs_too_and_cuts_short_files_only_by_force(files: Path, recordfs: Recordfs) -> None:
    (files / "note.txt").write_bytes(b"hello\n")
    ran = recordfs("repair", "--json", "--dry-run", "torn.tfrecord", "plain.tfrecord", "note.txt")
    assert ran.status == 1
    *cut, refused = [json.loads(line) for line in ran.out.splitlines()]
    assert cut == [
        {"path": "torn.tfrecord", "cut_bytes": 4916, "dry_run": True},
        {"path": "plain.tfrecord", "cut_bytes": 0, "dry_run": True},
    ]
    assert (refused["path"], refused["error"]) == ("note.txt", "TruncatedRecordError")
    assert recordfs("repair", "note.txt").status == 1
    assert (files / "note.txt").read_bytes() == b"hello\n"
    assert recordfs("repair", "--dry-run", "--force", "note.txt").out == "note.txt: would cut off 6 bytes\n"
    assert json.loads(recordfs("repair", "--json", "--force", "note.txt").out)["cut_bytes"] == 6
    assert (files / "note.txt").read_bytes() == b""


def test_salvage_copies_what_is_sound_and_says_what_is_not(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("salvage", "corrupt.tfrecord", "new.tfrecord")
    lines = ran.out.splitlines()
    assert ran.status == 1
    assert lines[0] == "new.tfrecord: 4 records salvaged, 106 bytes lost"
    assert lines[1].startswith("  at byte 37: ")
    assert recordfs("verify", "new.tfrecord").status == 0
    assert recordfs("salvage", "corrupt.tfrecord", "new.tfrecord").status == 1  # it is there
    assert recordfs("salvage", "plain.tfrecord", "whole.tfrecord") == (
        0,
        "whole.tfrecord: 5 records salvaged, nothing lost\n",
        "",
    )
    ran = recordfs("salvage", "--json", "torn.tfrecord", "json.tfrecord")
    assert (ran.status, json.loads(ran.out)["records"]) == (1, 4)


def test_the_indexes_of_files_are_not_taken_for_record_files(files: Path, recordfs: Recordfs) -> None:
    assert recordfs("index", "-q", "plain.tfrecord").status == 0
    assert recordfs("verify", "plain.tfrecord*").out.startswith("plain.tfrecord: ok")
    # As a shell expands it.
    assert recordfs("count", "plain.tfrecord", "plain.tfrecord.idx").out.startswith("5")
    assert recordfs("repair", "plain.tfrecord", "plain.tfrecord.idx").status == 0
    assert recordfs("ls", "plain.tfrecord*").out.split() == ["plain.tfrecord", "plain.tfrecord.idx"]


def test_repair_leaves_another_break_alone(files: Path, recordfs: Recordfs) -> None:
    data = bytearray((files / "plain.tfrecord").read_bytes())
    data[21] ^= 0x40
    (files / "length.tfrecord").write_bytes(data)
    ran = recordfs("repair", "length.tfrecord")
    assert ran.status == 1
    assert "sound records follow it" in ran.err
    assert (files / "length.tfrecord").read_bytes() == data


def test_follow_prints_what_is_there_and_ends_with_the_timeout(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("follow", "--timeout", "0.1", "--width", "3", "plain.tfrecord")
    assert ran == (0, "0\t0\t5\tal…\n1\t21\t0\t\n2\t37\t90\t\\x…\n3\t143\t5\tgr…\n4\t164\t5000\txx…\n", "")


def test_follow_calls_a_half_written_record_an_error(files: Path, recordfs: Recordfs) -> None:
    ran = recordfs("follow", "--timeout", "0.1", "torn.tfrecord")
    assert ran.status == 1
    assert ran.err == "recordfs: torn.tfrecord: the file ends inside a record (at byte 164)\n"
    last = recordfs("follow", "--timeout", "0.1", "--json", "torn.tfrecord").out.splitlines()[-1]
    assert json.loads(last) == {
        "path": "torn.tfrecord",
        "error": "TruncatedRecordError",
        "message": "the file ends inside a record",
    }


def test_follow_calls_another_file_an_error_or_begins_with_it(files: Path) -> None:
    path = files / "live.tfrecord"
    for options, status, shown in (
        ([], 1, ""),
        (["--on-replaced", "restart", "--timeout", "0.5"], 0, "0\t0\t6\tsecond\n1\t22\t5\tthird\n"),
    ):
        path.write_bytes(record(b"first"))
        command = [sys.executable, "-m", "recordfs.cli", "follow", *options, "live.tfrecord"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "0\t0\t5\tfirst\n"
            (files / "next").write_bytes(record(b"second") + record(b"third"))
            (files / "next").replace(path)
            assert process.stdout.read() == shown
            error = process.stderr.read()
            assert process.wait(30) == status
        if status:
            assert error.startswith("recordfs: live.tfrecord: the file was replaced while it was followed")
        else:
            assert error == ""


def test_follow_shows_a_record_as_soon_as_it_is_whole_and_ends_at_ctrl_c(files: Path) -> None:
    import signal

    path = files / "live.tfrecord"
    path.write_bytes(record(b"first"))
    command = [sys.executable, "-m", "recordfs.cli", "follow", "live.tfrecord"]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
        stack.callback(process.kill)  # whatever fails, nothing waits for it for ever
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0\t0\t5\tfirst\n"
        second = record(b"second")
        with path.open("ab") as file:
            file.write(second[:10])
            file.flush()
            time.sleep(0.05)
            file.write(second[10:])
        assert process.stdout.readline() == "1\t21\t6\tsecond\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "recordfs: interrupted\n"


INTERRUPTED_IN_A_FINALIZER = """
import signal, sys
from recordfs.cli import main
from recordfs.records.followed_file import FollowedFile

class Dropped:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def read_into(self, offset, buffer, read_into=FollowedFile.read_into, dropped=[Dropped()]):
    dropped.clear()
    return read_into(self, offset, buffer)

FollowedFile.read_into = read_into
sys.exit(main(["follow", "live.tfrecord"]))
"""


def test_follow_ends_at_a_ctrl_c_that_comes_while_an_object_is_finalized(files: Path) -> None:
    (files / "live.tfrecord").write_bytes(record(b"first"))
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IN_A_FINALIZER], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (130, "recordfs: interrupted\n")


class UncuttableFileSystem(MemoryFileSystem):
    """A store that cannot truncate, as object stores cannot."""

    def capabilities(self, path: str) -> Capabilities:
        return super().capabilities(path)._replace(truncate=False)


@pytest.fixture
def uncuttable() -> Iterator[str]:
    registry.register_file_system("uncut", UncuttableFileSystem)
    yield "uncut://x/torn.tfrecord"
    registry.unregister_file_system("uncut")


def test_repair_does_not_promise_what_a_store_cannot_do(files: Path, recordfs: Recordfs, uncuttable: str) -> None:
    recordfs("cp", "torn.tfrecord", uncuttable)
    for words in (["repair", "--dry-run"], ["repair"]):
        ran = recordfs(*words, uncuttable)
        assert (ran.status, ran.out) == (1, "")
        assert "cannot truncate files" in ran.err
        assert "recordfs salvage" in ran.err
    assert "`recordfs repair`" not in recordfs("verify", uncuttable).out
