"""The conformance scenarios A (appending) and T (truncating)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recordfs.errors import InvalidArgumentError, IsADirectoryError, NotADirectoryError, NotFoundError
from recordfs.testing.numbers import NO_WHOLE_NUMBERS, other_whole_number

if TYPE_CHECKING:
    from recordfs.testing.place import Place

__all__ = ["AppendingScenarios", "TruncatingScenarios"]


class AppendingScenarios:
    """Files that are continued."""

    def test_a1_appending_to_a_missing_file_makes_it(self, place: Place) -> None:
        place.needs("write", "append")
        path = place.path("f")
        with place.file_system.new_appendable_file(path) as file:
            assert file.tell() == 0
            file.append(b"made")
        assert place.get(path) == b"made"

    def test_a2_appending_goes_on_behind_the_end(self, place: Place) -> None:
        place.needs("write", "append")
        path = place.put("f", b"old")
        for number in range(3):
            with place.file_system.new_appendable_file(path) as file:
                assert file.name == path
                assert file.tell() == 3 + 2 * number
                file.append(b"+%d" % number)
                assert file.tell() == 5 + 2 * number
        assert place.get(path) == b"old+0+1+2"

    def test_a3_opening_and_closing_changes_nothing(self, place: Place) -> None:
        place.needs("write", "append")
        path = place.put("f", b"old")
        place.file_system.new_appendable_file(path).close()
        assert place.get(path) == b"old"

    def test_a4_flush_makes_the_appended_visible(self, place: Place) -> None:
        place.needs("write", "append")
        if place.capabilities.flush_visibility != "flush":
            pytest.skip("declares that only close publishes")
        path = place.put("f", b"old")
        with place.file_system.new_appendable_file(path) as file:
            for expected in (b"old+", b"old++"):
                file.append(b"+")
                file.flush()
                assert place.get(path) == expected

    def test_a5_what_cannot_be_appended_to(self, place: Place) -> None:
        place.needs("write", "append")
        directory, below = place.directory("d"), place.put("f") + "/below"
        with place.fails(IsADirectoryError, directory):
            place.file_system.new_appendable_file(directory)
        if place.explicit:
            with place.fails(NotADirectoryError, below):
                place.file_system.new_appendable_file(below)
        missing = place.path("missing/f")
        if place.explicit:
            with place.fails(NotFoundError, missing):
                place.file_system.new_appendable_file(missing)
        else:
            place.file_system.new_appendable_file(missing).close()
            assert place.file_system.file_exists(missing)


class TruncatingScenarios:
    """Files that are cut."""

    def test_t1_cuts_to_the_first_bytes(self, place: Place) -> None:
        place.needs("write", "truncate")
        path = place.put("f", b"0123456789")
        for length in (10, 7, 7, 1, 0, 0):
            place.file_system.truncate_file(path, length)
            assert place.get(path) == b"0123456789"[:length]

    def test_t2_never_makes_a_file_longer(self, place: Place) -> None:
        place.needs("write", "truncate")
        path = place.put("f", b"0123456789")
        for length in (11, -1, 1 << 62):
            with place.fails(InvalidArgumentError, path):
                place.file_system.truncate_file(path, length)
        for no_number in NO_WHOLE_NUMBERS:
            with pytest.raises(TypeError, match="whole number"):
                place.file_system.truncate_file(path, no_number)
        assert place.get(path) == b"0123456789"
        place.file_system.truncate_file(path, other_whole_number(4))
        assert place.get(path) == b"0123"

    def test_t3_what_cannot_be_cut(self, place: Place) -> None:
        place.needs("write", "truncate")
        directory, below = place.directory("d"), place.put("f") + "/below"
        with place.fails(NotFoundError, place.path("missing")):
            place.file_system.truncate_file(place.path("missing"), 0)
        with place.fails(IsADirectoryError, directory):
            place.file_system.truncate_file(directory, 0)
        with place.fails(place.error_below_a_file, below):
            place.file_system.truncate_file(below, 0)
        assert not place.file_system.file_exists(place.path("missing"))

    def test_t4_appending_goes_on_behind_the_cut(self, place: Place) -> None:
        place.needs("write", "truncate", "append")
        path = place.put("f", b"0123456789")
        place.file_system.truncate_file(path, 4)
        with place.file_system.new_appendable_file(path) as file:
            assert file.tell() == 4
            file.append(b"++")
        assert place.get(path) == b"0123++"
