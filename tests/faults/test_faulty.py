"""The faulty filesystem does what was planned, and no more."""

import time

import pytest

from recordfs.errors import InvalidArgumentError, ResourceExhaustedError, UnavailableError
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.testing.faulty import FaultyFileSystem


@pytest.fixture
def faulty():
    return FaultyFileSystem(PosixFileSystem())


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def test_the_nth_call_fails_and_the_others_do_not(faulty, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    path = f"{tmp_path}/f"
    faulty.fail("stat", nth=2, times=2, error=ResourceExhaustedError("as planned"))
    assert faulty.stat(path).length == 5
    for _ in range(2):
        with pytest.raises(ResourceExhaustedError) as caught:
            faulty.stat(path)
        assert caught.value.path == path
    assert faulty.stat(path).length == 5
    assert faulty.calls == [("stat", path)] * 4


def test_plans_for_several_operations_count_apart(faulty, tmp_path):
    faulty.fail("create_dir", nth=2)
    faulty.fail(nth=4)
    faulty.create_dir(f"{tmp_path}/a")
    with pytest.raises(UnavailableError):
        faulty.create_dir(f"{tmp_path}/b")
    faulty.create_dir(f"{tmp_path}/c")
    with pytest.raises(UnavailableError):
        faulty.stat(f"{tmp_path}/a")
    faulty.stat(f"{tmp_path}/a")


def test_heal_forgets_the_plans(faulty, tmp_path):
    faulty.fail("stat", times=100)
    faulty.heal()
    faulty.stat(f"{tmp_path}")


def test_a_lost_answer_fails_after_the_deed(faulty, tmp_path):
    faulty.fail("create_dir", afterwards=True)
    with pytest.raises(UnavailableError):
        faulty.create_dir(f"{tmp_path}/d")
    assert (tmp_path / "d").is_dir()


def test_plans_that_would_break_the_contract_are_refused(faulty):
    for wrong in (
        {"operation": "append", "afterwards": True},
        {"operation": None, "afterwards": True},
        {"operation": "append", "partial": True},
        {"operation": "stat", "nth": 0},
    ):
        with pytest.raises(InvalidArgumentError):
            faulty.fail(**wrong)
    with pytest.raises(InvalidArgumentError):
        faulty.shorten_reads(0)


def test_a_failed_append_has_taken_nothing(faulty, tmp_path):
    with faulty.new_writable_file(f"{tmp_path}/f") as file:
        file.append(b"one")
        faulty.fail("append")
        with pytest.raises(UnavailableError):
            file.append(b"lost")
        assert file.tell() == 3
        file.append(b"two")
    assert contents(tmp_path / "f") == b"onetwo"


def test_a_partial_flush_shows_half_and_keeps_the_rest(faulty, tmp_path):
    with faulty.new_writable_file(f"{tmp_path}/f") as file:
        file.append(b"12345678")
        faulty.fail("flush", partial=True)
        with pytest.raises(UnavailableError):
            file.flush()
        assert contents(tmp_path / "f") == b"1234"
        assert file.tell() == 8
        file.flush()
        assert contents(tmp_path / "f") == b"12345678"


def test_a_close_that_fails_can_be_tried_again(faulty, tmp_path):
    file = faulty.new_writable_file(f"{tmp_path}/f")
    file.append(b"data")
    faulty.fail("close")
    with pytest.raises(UnavailableError):
        file.close()
    file.close()
    assert contents(tmp_path / "f") == b"data"


def test_a_crash_loses_exactly_what_was_not_flushed(faulty, tmp_path):
    file = faulty.new_writable_file(f"{tmp_path}/f")
    file.append(b"flushed" * 50_000)
    file.flush()
    file.append(b"lost" * 50_000)
    faulty.crash()
    with pytest.raises(UnavailableError):
        faulty.stat(f"{tmp_path}/f")
    faulty.restart()
    for call in (lambda: file.append(b"x"), file.flush, file.close):
        with pytest.raises(UnavailableError):
            call()
    file.discard()
    assert faulty.stat(f"{tmp_path}/f").length == 350_000
    assert contents(tmp_path / "f") == b"flushed" * 50_000


def test_short_reads_are_short_and_reach_the_end(faulty, tmp_path):
    (tmp_path / "f").write_bytes(b"0123456789")
    faulty.shorten_reads(3)
    with faulty.new_random_access_file(f"{tmp_path}/f") as file:
        buffer = bytearray(10)
        assert [file.read_into(offset, buffer) for offset in (0, 3, 6, 9, 10)] == [3, 3, 3, 1, 0]
        assert file.read(0, 10) == b"0123456789"


def test_a_delay_takes_its_time_and_succeeds(faulty, tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    faulty.delay("stat", 2.5)
    faulty.stat(str(tmp_path))
    faulty.stat(str(tmp_path))
    assert slept == [2.5]


def test_a_listing_can_fail_in_the_middle(faulty, tmp_path):
    for name in "abc":
        (tmp_path / name).touch()
    faulty.fail("next_entry", nth=3)
    seen = []
    with pytest.raises(UnavailableError):
        seen.extend(faulty.list_directory(str(tmp_path)))
    assert len(seen) in (0, 2)
    assert len(faulty.get_children(str(tmp_path))) == 3
