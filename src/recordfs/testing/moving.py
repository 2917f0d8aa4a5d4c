"""The conformance scenarios M (renaming), C (copying) and G (patterns)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from recordfs.errors import (
    AlreadyExistsError,
    DirectoryNotEmptyError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
)

if TYPE_CHECKING:
    from recordfs.testing.place import Place

__all__ = ["CopyingScenarios", "PatternScenarios", "RenamingScenarios"]


class RenamingScenarios:
    """Moving files and directories."""

    def test_m1_a_file_gets_another_name(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("a", b"bytes"), place.path("b")
        place.file_system.rename_file(source, target)
        assert place.names() == ["b"]
        assert place.get(target) == b"bytes"
        elsewhere = place.path("d/c")
        place.file_system.recursively_create_dir(place.path("d"))
        place.file_system.rename_file(target, elsewhere)
        assert place.names() == ["d"]
        assert place.get(elsewhere) == b"bytes"

    def test_m2_a_file_replaces_a_file(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("a", b"new"), place.put("b", b"old, and longer")
        place.file_system.rename_file(source, target)
        assert place.names() == ["b"]
        assert place.get(target) == b"new"

    def test_m3_without_overwrite_what_stands_there_stays(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("a", b"new"), place.put("b", b"old")
        directory = place.directory("d")
        for standing in (target, directory):
            with place.fails(AlreadyExistsError, standing):
                place.file_system.rename_file(source, standing, overwrite=False)
        assert place.get(source) == b"new"
        assert place.get(target) == b"old"
        free = place.path("free")
        place.file_system.rename_file(source, free, overwrite=False)
        assert place.get(free) == b"new"
        assert place.names() == ["b", "d", "free"]

    def test_m4_without_overwrite_one_of_several_wins(self, place: Place) -> None:
        place.needs("write", "atomic_rename", "exclusive_create")
        sources = [place.put(f"s{number}", b"%d" % number) for number in range(8)]
        target = place.path("target")
        won: list[bytes] = []
        barrier = threading.Barrier(len(sources))

        def run(number: int) -> None:
            barrier.wait()
            try:
                place.file_system.rename_file(sources[number], target, overwrite=False)
            except AlreadyExistsError:
                return
            won.append(b"%d" % number)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(sources))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert place.get(target) == won[0]
        assert len(place.names()) == len(sources)

    def test_m5_onto_itself_nothing_happens(self, place: Place) -> None:
        place.needs("write")
        path = place.put("f", b"bytes")
        place.file_system.rename_file(path, path)
        assert place.get(path) == b"bytes"
        with place.fails(AlreadyExistsError, path):
            place.file_system.rename_file(path, path, overwrite=False)

    def test_m6_a_missing_source(self, place: Place) -> None:
        place.needs("write")
        source, target = place.path("missing"), place.put("b", b"old")
        with place.fails(NotFoundError, source):
            place.file_system.rename_file(source, target)
        with place.fails(NotFoundError, source):
            place.file_system.rename_file(source, place.path("free"), overwrite=False)
        assert place.get(target) == b"old"

    def test_m7_a_missing_directory_of_the_target(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("a"), place.path("missing/b")
        if place.explicit:
            for overwrite in (True, False):
                with place.fails(NotFoundError, target):
                    place.file_system.rename_file(source, target, overwrite=overwrite)
            assert place.names() == ["a"]
        else:
            place.file_system.rename_file(source, target)
            assert place.get(target) == b"data"

    def test_m8_a_file_never_replaces_a_directory(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("a"), place.directory("d")
        with place.fails(IsADirectoryError, target):
            place.file_system.rename_file(source, target)
        below = place.put("f") + "/below"
        if place.explicit:
            with place.fails(NotADirectoryError, below):
                place.file_system.rename_file(source, below)
        assert place.names() == ["a", "d", "f"]

    def test_m9_a_directory_moves_with_all_in_it(self, place: Place) -> None:
        place.needs("write", "rename_directory")
        place.put("d/f", b"1")
        place.put("d/e/g", b"2")
        place.put("d2", b"a neighbour")
        for overwrite, source, target in ((True, "d", "moved"), (False, "moved", "again")):
            place.file_system.rename_file(place.path(source), place.path(target), overwrite=overwrite)
        assert place.names() == ["again", "d2"]
        assert place.get(place.path("again/f")) == b"1"
        assert place.get(place.path("again/e/g")) == b"2"

    def test_m10_a_directory_replaces_an_empty_one_only(self, place: Place) -> None:
        place.needs("write", "rename_directory")
        place.put("d/f", b"1")
        empty = place.directory("empty")
        place.put("full/g", b"2")
        with place.fails(DirectoryNotEmptyError, place.path("full")):
            place.file_system.rename_file(place.path("d"), place.path("full"))
        with place.fails(AlreadyExistsError, empty):
            place.file_system.rename_file(place.path("d"), empty, overwrite=False)
        place.file_system.rename_file(place.path("d"), empty)
        assert place.names() == ["empty", "full"]
        assert place.get(place.path("empty/f")) == b"1"

    def test_m11_a_directory_never_replaces_a_file(self, place: Place) -> None:
        place.needs("write", "rename_directory")
        place.put("d/f")
        target = place.put("file")
        with place.fails(NotADirectoryError, target):
            place.file_system.rename_file(place.path("d"), target)
        assert place.get(target) == b"data"

    def test_m12_a_directory_never_moves_into_itself(self, place: Place) -> None:
        place.needs("write", "rename_directory")
        place.put("d/e/f")
        for overwrite in (True, False):
            with place.fails(InvalidArgumentError, place.path("d")):
                place.file_system.rename_file(place.path("d"), place.path("d/e/inside"), overwrite=overwrite)
        assert place.get(place.path("d/e/f")) == b"data"

    def test_m13_the_declared_atomicity_is_what_has_atomic_move_says(self, place: Place) -> None:
        assert place.file_system.has_atomic_move(place.root) is place.capabilities.atomic_rename


class CopyingScenarios:
    """Copying files."""

    def test_c1_a_copy_has_the_bytes_and_the_source_keeps_them(self, place: Place) -> None:
        place.needs("write")
        for name, data in (("empty", b""), ("small", b"bytes"), ("large", bytes(range(256)) * 20_000)):
            source, target = place.put(name, data), place.path(f"{name}-copy")
            place.file_system.copy_file(source, target)
            assert place.get(target) == data
            assert place.get(source) == data

    def test_c2_a_copy_replaces_a_file(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("a", b"new"), place.put("b", b"old, and longer")
        place.file_system.copy_file(source, target)
        assert place.get(target) == b"new"
        assert place.names() == ["a", "b"]

    def test_c3_without_overwrite_what_stands_there_stays(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("a", b"new"), place.put("b", b"old")
        directory = place.directory("d")
        for standing in (target, directory, source):
            with place.fails(AlreadyExistsError, standing):
                place.file_system.copy_file(source, standing, overwrite=False)
        assert place.get(source) == b"new"
        assert place.get(target) == b"old"
        place.file_system.copy_file(source, place.path("free"), overwrite=False)
        assert place.get(place.path("free")) == b"new"

    def test_c4_a_copy_onto_itself_keeps_the_file(self, place: Place) -> None:
        place.needs("write")
        path = place.put("f", b"bytes")
        place.file_system.copy_file(path, path)
        assert place.get(path) == b"bytes"

    def test_c5_a_missing_source_makes_nothing(self, place: Place) -> None:
        place.needs("write")
        source, target = place.path("missing"), place.put("b", b"old")
        for other in (target, place.path("free")):
            with place.fails(NotFoundError, source):
                place.file_system.copy_file(source, other)
        assert place.get(target) == b"old"
        assert place.names() == ["b"]

    def test_c6_only_files_can_be_copied(self, place: Place) -> None:
        place.needs("write")
        path, directory = place.put("f"), place.directory("d")
        with place.fails(IsADirectoryError, directory):
            place.file_system.copy_file(directory, place.path("free"))
        with place.fails(IsADirectoryError, directory):
            place.file_system.copy_file(path, directory)
        below = place.put("g") + "/below"
        if place.explicit:
            with place.fails(NotADirectoryError, below):
                place.file_system.copy_file(path, below)
        assert place.names() == ["d", "f", "g"]
        assert place.names(directory) == []

    def test_c7_a_missing_directory_of_the_target(self, place: Place) -> None:
        place.needs("write")
        source, target = place.put("f"), place.path("missing/copy")
        if place.explicit:
            with place.fails(NotFoundError, target):
                place.file_system.copy_file(source, target)
            assert place.names() == ["f"]
        else:
            place.file_system.copy_file(source, target)
            assert place.get(target) == b"data"

    def test_c8_a_copy_is_a_file_of_its_own(self, place: Place) -> None:
        place.needs("write", "append")
        source, target = place.put("a", b"bytes"), place.path("b")
        place.file_system.copy_file(source, target)
        with place.file_system.new_appendable_file(target) as file:
            file.append(b" and more")
        assert place.get(source) == b"bytes"
        assert place.get(target) == b"bytes and more"


class PatternScenarios:
    """Wildcards."""

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*", [".hidden", "a1", "a2", "b", "d", "e[1]"]),
            ("a*", ["a1", "a2"]),
            ("a?", ["a1", "a2"]),
            ("?", ["b", "d"]),
            ("a[12]", ["a1", "a2"]),
            ("a[0-1]", ["a1"]),
            ("a[!1]", ["a2"]),
            ("a[^1]", ["a2"]),
            ("[a-b]*", ["a1", "a2", "b"]),
            ("*1*", ["a1", "e[1]"]),
            (r"e\[*", ["e[1]"]),
            ("e[[]1]", ["e[1]"]),
            ("a[", []),
            ("e[1*", ["e[1]"]),
            ("a[[:digit:]]", ["a1", "a2"]),
            ("A*", []),
            ("z*", []),
            (".*", [".hidden"]),
        ],
    )
    def test_g1_wildcards_match_within_a_name(self, place: Place, pattern: str, expected: list[str]) -> None:
        _make_names(place)
        found = place.file_system.get_matching_paths(place.path(pattern))
        assert found == [place.path(name) for name in expected]

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*/x*", ["d/x", "d/xy"]),
            ("d/*", ["d/sub", "d/x", "d/xy"]),
            ("*/*/deep", ["d/sub/deep"]),
            ("*/sub/*", ["d/sub/deep"]),
            ("d/*/deep", ["d/sub/deep"]),
            ("**", [".hidden", "a1", "a2", "b", "d", "e[1]"]),
            ("**/deep", []),
            ("a1/*", []),
            ("missing/*", []),
            ("*/", ["d/"]),
        ],
    )
    def test_g2_wildcards_never_cross_a_slash(self, place: Place, pattern: str, expected: list[str]) -> None:
        _make_names(place)
        found = place.file_system.get_matching_paths(place.path(pattern))
        assert found == [place.path(name) for name in expected]

    def test_g3_a_pattern_without_wildcards_is_a_name(self, place: Place) -> None:
        _make_names(place)
        for pattern, name in (("a1", "a1"), (r"e\[1\]", "e[1]"), ("d", "d"), ("d/x", "d/x")):
            assert place.file_system.get_matching_paths(place.path(pattern)) == [place.path(name)]
        for missing in ("missing", "missing/deeper", "a1/below"):
            assert place.file_system.get_matching_paths(place.path(missing)) == []


def _make_names(place: Place) -> None:
    for name in ("a1", "a2", "b", ".hidden", "e[1]", "d/x", "d/xy", "d/sub/deep"):
        place.put(name)
