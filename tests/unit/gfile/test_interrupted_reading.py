"""Ctrl-C wherever it can come in a block reader: whoever reads on gets what comes next, nothing twice or left out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from recordfs.gfile import GFile
from support.interrupts import interrupted_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Lines within a block, over the end of one, longer than one, and one without an end.
LINES = [f"{number} \N{EURO SIGN}{'x' * (number % 3000)}\n" for number in range(0, 60_000, 400)]
LINES += ["y" * 50_000 + "\n", *LINES[:3], "no end"]


def loop(file: GFile, got: list[Any]) -> None:
    for line in file:
        got.append(line)  # noqa: PERF402  # what came before an interrupt counts


def loop_and_tell(file: GFile, got: list[Any]) -> None:
    for line in file:
        got.append(line)
        if len(got) % 7 == 0:
            file.tell()


def read_lines(file: GFile, got: list[Any]) -> None:
    while line := file.readline():
        got.append(line)


def read_pieces(file: GFile, got: list[Any]) -> None:
    while piece := file.read(7777 if len(got) % 2 else 40_000):
        got.append(piece)


def read_into(file: GFile, got: list[Any]) -> None:
    buffer = bytearray(30_000)
    while count := file.readinto(buffer):
        got.append(bytes(buffer[:count]))


def read_all(file: GFile, got: list[Any]) -> None:
    got.append(file.read())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_text("".join(LINES), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("mode", "read"),
    [
        ("r", loop),
        ("rb", loop),
        ("r", loop_and_tell),
        ("rb", read_lines),
        ("rb", read_pieces),
        ("rb", read_into),
        ("rb", read_all),
    ],
)
def test_reading_goes_on_after_an_interrupt_at_any_place(
    path: Path, mode: str, read: Callable[[GFile, list[Any]], None]
) -> None:
    modules = [sys.modules["recordfs.gfile.block_reader"]]
    whole = path.read_bytes() if "b" in mode else path.read_bytes().decode()
    place, step = 1, 1
    while True:
        got: list[Any] = []
        with GFile(path, mode) as file:
            file.tell()
            file.read(0)
            reached = interrupted_after(place, lambda: read(file, got), modules)  # noqa: B023  # called at once
            read(file, got)
            assert whole[:0].join(got) == whole, place
        if not reached:
            break
        place += step
        step = 1 if place < 300 else 11
    assert place > 10
