"""`next` of a line at hand has a short way: it does what the general way does, and what `readline` does."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from recordfs.gfile import GFile

if TYPE_CHECKING:
    from pathlib import Path

LINES = [f"{number} \N{EURO SIGN}{'x' * (number % 97)}\n" for number in range(20_000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lines"
    path.write_text("".join(LINES) + "the last, without a newline", encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_a_loop_gives_the_lines_that_readline_gives(path: Path, mode: str) -> None:
    with GFile(path, mode) as file:
        looped = list(file)
        assert list(file) == []
    with GFile(path, mode) as file:
        read = list(iter(file.readline, "" if mode == "r" else b""))
    assert looped == read
    assert len(looped) == len(LINES) + 1
    assert isinstance(looped[0], str if mode == "r" else bytes)


def test_a_loop_goes_on_where_other_calls_have_left_the_file(path: Path) -> None:
    with GFile(path, "r") as file:
        assert [next(file), next(file), file.readline(), next(file)] == LINES[:4]
        file.seek(0)
        assert next(file) == LINES[0]


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_a_loop_leaves_the_counts_of_references_as_they_were(path: Path, mode: str) -> None:
    with GFile(path, mode) as file:
        lines: list[Any] = [next(file), next(file)]
        before = sys.getrefcount(file)
        lines += [next(file) for _ in range(1000)]
        assert sys.getrefcount(file) == before
        lines.append(bytes(bytearray(10)))  # made for this list alone
        assert len({sys.getrefcount(line) for line in lines}) == 1


def test_a_class_derived_from_a_file_can_have_its_own_next_and_its_base_s(path: Path) -> None:
    class Numbered(GFile):
        """A file whose lines come with their numbers."""

        number = 0

        def __next__(self) -> Any:
            line = super().__next__()
            self.number += 1
            return self.number, line

    with Numbered(path, "r") as file:
        assert [next(file), next(file)] == [(1, LINES[0]), (2, LINES[1])]
        assert sum(1 for _ in file) == len(LINES) - 1


def test_a_file_in_the_middle_of_its_lines_is_collected(path: Path) -> None:
    file = GFile(path, "rb")
    next(file)
    file.itself = file  # type: ignore[attr-defined]
    gone = weakref.ref(file)
    file.close()
    del file
    gc.collect()
    assert gone() is None
