"""The conformance scenarios W: writing."""

from __future__ import annotations

import array
import threading
from typing import TYPE_CHECKING

import pytest

from recordfs.errors import (
    AlreadyExistsError,
    ClosedFileError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
    RecordFSError,
    UnimplementedError,
)
from recordfs.open_files.letting_go import give_up

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem
    from recordfs.testing.place import Place

__all__ = ["WritingScenarios"]


class LeavingError(Exception):
    """What a scenario raises to leave a ``with`` block."""


class WritingScenarios:
    """New files: what they hold, when others see it, what is refused."""

    def test_w1_a_file_holds_what_was_appended(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        with place.file_system.new_writable_file(path) as file:
            file.append(b"one ")
            file.append(b"")
            file.append(b"two")
        assert place.get(path) == b"one two"

    def test_w2_a_file_that_was_never_written_to_is_empty(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        place.file_system.new_writable_file(path).close()
        assert place.file_system.stat(path).length == 0

    def test_w3_a_new_file_replaces_an_old_one(self, place: Place) -> None:
        place.needs("write")
        path = place.put("f", b"old and longer")
        with place.file_system.new_writable_file(path) as file:
            file.append(b"new")
        assert place.get(path) == b"new"

    def test_w4_takes_any_contiguous_buffer_and_nothing_else(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        numbers = array.array("I", [1, 2])
        with place.file_system.new_writable_file(path) as file:
            file.append(bytearray(b"ab"))
            file.append(memoryview(b"xcdx")[1:3])
            file.append(numbers)
            file.append(array.array("I"))
            for wrong in ("text", 7, None, memoryview(b"abcd")[::2]):
                with pytest.raises(TypeError):
                    file.append(wrong)  # type: ignore[arg-type]  # what the scenario is about
                with pytest.raises(TypeError):
                    file.append_parts([b"not this either", wrong])  # type: ignore[list-item]  # as above
        assert place.get(path) == b"abcd" + numbers.tobytes()

    def test_w5_appends_parts_one_behind_another(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        many = [b"%d," % number for number in range(3000)]
        large = [bytes([number]) * 50_000 for number in range(7)]
        with place.file_system.new_writable_file(path) as file:
            file.append_parts([])
            file.append_parts([b"", b"start", b""])
            file.append_parts(many)
            file.append_parts([b"x" * 100_000, *many])
            file.append_parts([large[0], b"", bytearray(large[1]), *large[2:]])
        assert place.get(path) == b"start" + b"".join(many) + b"x" * 100_000 + b"".join(many) + b"".join(large)

    def test_w6_tell_counts_everything_taken(self, place: Place) -> None:
        place.needs("write")
        with place.file_system.new_writable_file(place.path("f")) as file:
            assert file.tell() == 0
            file.append(b"12345")
            assert file.tell() == 5
            file.append_parts([b"6", b"7"])
            assert file.tell() == 7
            file.flush()
            assert file.tell() == 7
            file.append(b"x" * 200_000)
            assert file.tell() == 200_007

    def test_w7_flush_makes_everything_visible(self, place: Place) -> None:
        place.needs("write")
        if place.capabilities.flush_visibility != "flush":
            pytest.skip("declares that only close publishes")
        path = place.path("f")
        expected = b""
        with place.file_system.new_writable_file(path) as file:
            file.flush()
            for number in range(5):
                piece = bytes([number]) * (10 + 40_000 * number)
                file.append(piece)
                file.flush()
                expected += piece
                assert place.get(path) == expected
                assert place.file_system.stat(path).length == len(expected)

    def test_w8_sync_makes_everything_visible_too(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        with place.file_system.new_writable_file(path) as file:
            file.append(b"durable")
            file.sync()
            if place.capabilities.flush_visibility == "flush":
                assert place.get(path) == b"durable"
            file.append(b" and more")
            file.sync()
        assert place.get(path) == b"durable and more"

    def test_w9_a_closed_file_refuses_all_but_its_name(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        file = place.file_system.new_writable_file(path)
        assert file.name == path
        file.append(b"kept")
        file.close()
        file.close()
        assert file.name == path
        for call in (lambda: file.append(b"x"), lambda: file.append_parts([b"x"]), file.flush, file.sync, file.tell):
            with place.fails(ClosedFileError, path):
                call()
        file.discard()
        assert place.get(path) == b"kept"

    def test_w10_leaving_by_an_exception_keeps_what_was_appended(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        with pytest.raises(LeavingError), place.file_system.new_writable_file(path) as file:
            file.append(b"kept")
            raise LeavingError
        assert place.get(path) == b"kept"

    def test_w11_discard_keeps_what_was_flushed_and_ends_the_file(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        file = place.file_system.new_writable_file(path)
        file.append(b"flushed")
        file.flush()
        file.append(b" not")
        try:
            file.discard()
        except UnimplementedError:
            file.close()
            pytest.skip("says that its files cannot be discarded")
        file.discard()
        file.close()
        with place.fails(ClosedFileError, path):
            file.append(b"x")
        if place.capabilities.flush_visibility == "flush":
            assert place.get(path) == b"flushed"

    def test_w12_a_missing_directory(self, place: Place) -> None:
        place.needs("write")
        path = place.path("missing/f")
        if place.explicit:
            with place.fails(NotFoundError, path):
                place.file_system.new_writable_file(path)
            assert place.names() == []
        else:
            place.file_system.new_writable_file(path).close()
            assert place.file_system.is_directory(place.path("missing"))

    def test_w13_what_cannot_be_written(self, place: Place) -> None:
        place.needs("write")
        below = place.put("f") + "/below"
        directory = place.directory("d")
        for atomic in (False, True) if place.capabilities.atomic_write else (False,):
            with place.fails(IsADirectoryError, directory):
                place.file_system.new_writable_file(directory, atomic=atomic)
            if place.explicit:
                with place.fails(NotADirectoryError, below):
                    place.file_system.new_writable_file(below, atomic=atomic)
        assert place.names() == ["d", "f"]

    def test_w14_exclusive_takes_only_a_free_name(self, place: Place) -> None:
        place.needs("write", "exclusive_create")
        path = place.path("f")
        with place.file_system.new_writable_file(path, exclusive=True) as file:
            file.append(b"first")
        # Some stores find out only when they publish.
        with place.fails(AlreadyExistsError, path):
            second = place.file_system.new_writable_file(path, exclusive=True)
            try:
                second.append(b"second")
                second.close()
            finally:
                second.discard()
        assert place.get(path) == b"first"
        directory = place.directory("d")
        with place.fails(AlreadyExistsError, directory):
            place.file_system.new_writable_file(directory, exclusive=True)

    def test_w15_exclusive_has_one_winner(self, place: Place) -> None:
        place.needs("write", "exclusive_create")
        for atomic in (False, True) if place.capabilities.atomic_write else (False,):
            path = place.path(f"f{atomic}")
            won = _race(place, path, atomic=atomic)
            assert len(won) == 1
            assert place.get(path) == won[0]
            place.file_system.delete_file(path)
            assert place.names() == []

    def test_w16_a_large_file_in_odd_pieces(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        piece = bytes(range(251)) * 523
        total = 0
        with place.file_system.new_writable_file(path) as file:
            for number in range(160):
                part = piece[: 1 + (number * 7919) % len(piece)]
                file.append(part)
                total += len(part)
            assert file.tell() == total
        got = place.get(path)
        assert len(got) == total
        expected = b"".join(piece[: 1 + (number * 7919) % len(piece)] for number in range(160))
        assert got == expected

    def test_w17_the_caller_may_change_its_buffer_afterwards(self, place: Place) -> None:
        place.needs("write")
        path = place.path("f")
        with place.file_system.new_writable_file(path) as file:
            for size in (10, 300_000):
                buffer = bytearray(b"a" * size)
                file.append(buffer)
                buffer[:] = b"b" * size
                file.append_parts([buffer, buffer])
                buffer.extend(b"could not grow if somebody still looked at it")
        assert place.get(path) == b"".join(b"a" * size + b"b" * 2 * size for size in (10, 300_000))

    def test_w18_an_atomic_file_appears_at_close(self, place: Place) -> None:
        place.needs("write", "atomic_write")
        fresh, old = place.path("fresh"), place.put("old", b"old")
        for path, before in ((fresh, None), (old, b"old")):
            file = place.file_system.new_writable_file(path, atomic=True)
            assert file.atomic
            file.append(b"new " * 30_000)
            file.flush()
            file.sync()
            if before is None:
                assert not place.file_system.file_exists(path)
            else:
                assert place.get(path) == before
            assert path in place.file_system.get_matching_paths(place.path("*")) or before is None
            assert len(place.file_system.get_matching_paths(place.path("*"))) == (1 if before is None else 2)
            file.close()
            assert place.get(path) == b"new " * 30_000
        assert place.names() == ["fresh", "old"]

    def test_w19_an_atomic_file_left_by_an_exception_changes_nothing(self, place: Place) -> None:
        place.needs("write", "atomic_write")
        fresh, old = place.path("fresh"), place.put("old", b"old")
        for path in (fresh, old):
            with pytest.raises(LeavingError), place.file_system.new_writable_file(path, atomic=True) as file:
                file.append(b"new " * 30_000)
                file.flush()
                raise LeavingError
        assert place.get(old) == b"old"
        assert place.names() == ["old"]

    def test_w20_an_atomic_file_can_be_discarded(self, place: Place) -> None:
        place.needs("write", "atomic_write")
        path = place.path("f")
        file = place.file_system.new_writable_file(path, atomic=True)
        file.append(b"x" * 100_000)
        file.discard()
        file.discard()
        file.close()
        with place.fails(ClosedFileError, path):
            file.flush()
        assert place.names() == []

    def test_w21_an_atomic_exclusive_file_never_replaces(self, place: Place) -> None:
        place.needs("write", "atomic_write", "exclusive_create")
        path = place.path("f")
        file = place.file_system.new_writable_file(path, atomic=True, exclusive=True)
        file.append(b"late")
        place.put("f", b"early")
        with place.fails(AlreadyExistsError, path):
            file.close()
        file.discard()
        assert place.get(path) == b"early"
        assert place.names() == ["f"]

    def test_w23_what_the_store_refuses_is_an_error(self, refused_path: tuple[FileSystem, str] | None) -> None:
        if refused_path is None:
            pytest.skip("give the fixture refused_path to see that a refusal of the store is told")
        file_system, path = refused_path
        for size in (0, 10, 300_000):
            with pytest.raises(RecordFSError):
                _write_or_give_up(file_system, path, b"x" * size)
            assert not file_system.file_exists(path), size

    def test_w22_two_writers_of_two_files_do_not_mix(self, place: Place) -> None:
        place.needs("write")
        with (
            place.file_system.new_writable_file(place.path("a")) as first,
            place.file_system.new_writable_file(place.path("b")) as second,
        ):
            for _ in range(3):
                first.append(b"a" * 50_000)
                second.append(b"b" * 50_000)
        assert place.get(place.path("a")) == b"a" * 150_000
        assert place.get(place.path("b")) == b"b" * 150_000


def _write_or_give_up(file_system: FileSystem, path: str, data: bytes) -> None:
    """Write a file; let go of one that the store refused, which would be tried once more when the interpreter ends."""
    file = file_system.new_writable_file(path)
    try:
        file.append(data)
        file.close()
    except RecordFSError as error:
        give_up(file, error)
        raise


def _race(place: Place, path: str, *, atomic: bool) -> list[bytes]:
    """Let eight threads make one file exclusively; return what the winners wrote."""
    won: list[bytes] = []
    barrier = threading.Barrier(8)

    def run(number: int) -> None:
        data = bytes([number]) * 1000
        barrier.wait()
        try:
            file = place.file_system.new_writable_file(path, exclusive=True, atomic=atomic)
        except AlreadyExistsError:
            return
        try:
            file.append(data)
            file.close()
        except AlreadyExistsError:
            file.discard()
        else:
            won.append(data)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won
