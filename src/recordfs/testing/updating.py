"""The conformance scenarios U: changing files in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from recordfs.errors import (
    ClosedFileError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
)
from recordfs.testing.numbers import NO_WHOLE_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystem import UpdateFile
    from recordfs.testing.place import Place

__all__ = ["UpdatingScenarios"]


class UpdatingScenarios:
    """Writing at any offset of a file that is there."""

    def test_u1_a_file_is_read_and_changed_by_one_object(self, place: Place) -> None:
        place.needs("write", "update_in_place")
        path = place.put("f", b"0123456789")
        with place.file_system.new_update_file(path) as file:
            assert file.name == path
            assert (file.size(), file.read(3, 4), file.read(10, 1)) == (10, b"3456", b"")
            file.write(4, b"ab")
            assert file.read(3, 4) == b"3ab6"
            file.write(10, bytearray(b"end"))
            assert (file.size(), file.read(8, 100)) == (13, b"89end")
        assert place.get(path) == b"0123ab6789end"

    def test_u2_a_gap_is_filled_with_zeros(self, place: Place) -> None:
        place.needs("write", "update_in_place")
        path = place.put("f", b"01")
        with place.file_system.new_update_file(path) as file:
            file.write(4, memoryview(b"x"))
            file.write(1, b"")
        assert place.get(path) == b"01\0\0x"

    def test_u3_the_length_can_be_set(self, place: Place) -> None:
        place.needs("write", "update_in_place")
        path = place.put("f", b"0123456789")
        with place.file_system.new_update_file(path) as file:
            file.truncate(3)
            assert (file.size(), file.read(0, 10)) == (3, b"012")
            file.truncate(5)
        assert place.get(path) == b"012\0\0"

    def test_u4_new_readers_see_what_was_flushed(self, place: Place) -> None:
        place.needs("write", "update_in_place")
        path = place.put("f", b"0123")
        with place.file_system.new_update_file(path) as file:
            file.write(1, b"x")
            file.flush()
            assert place.get(path) == b"0x23"
            file.write(2, b"y")
            file.sync()
            assert place.get(path) == b"0xy3"

    def test_u5_what_cannot_be_opened(self, place: Place) -> None:
        place.needs("write", "update_in_place")
        path = place.put("f")
        directory = place.directory("d")
        file_system = place.file_system
        with place.fails(NotFoundError, place.path("missing")):
            file_system.new_update_file(place.path("missing"))
        with place.fails(IsADirectoryError, directory):
            file_system.new_update_file(directory)
        with place.fails(NotADirectoryError, f"{path}/below"):
            file_system.new_update_file(f"{path}/below")
        assert place.names() == ["d", "f"]

    def test_u6_wrong_arguments_change_nothing(self, place: Place) -> None:
        place.needs("write", "update_in_place")
        path = place.put("f", b"0123")
        no_buffer: Any = "text"
        with place.file_system.new_update_file(path) as file:
            with place.fails(InvalidArgumentError, path):
                file.write(-1, b"x")
            with place.fails(InvalidArgumentError, path):
                file.truncate(-1)
            with pytest.raises(TypeError):
                file.write(0, no_buffer)
            for no_number in NO_WHOLE_NUMBERS:
                with pytest.raises(TypeError, match="whole number"):
                    file.write(no_number, b"x")
                with pytest.raises(TypeError, match="whole number"):
                    file.truncate(no_number)
        assert place.get(path) == b"0123"

    def test_u7_a_closed_file_refuses_all_but_its_name(self, place: Place) -> None:
        place.needs("write", "update_in_place")
        path = place.put("f")
        file = place.file_system.new_update_file(path)
        file.close()
        file.close()
        assert file.name == path
        calls: list[Callable[[UpdateFile], object]] = [
            lambda f: f.read(0, 1),
            lambda f: f.size(),
            lambda f: f.write(0, b"x"),
            lambda f: f.truncate(0),
            lambda f: f.flush(),
            lambda f: f.sync(),
        ]
        for call in calls:
            with place.fails(ClosedFileError, path):
                call(file)
        assert place.get(path) == b"data"
