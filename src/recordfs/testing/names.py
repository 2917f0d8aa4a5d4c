"""The conformance scenarios S (stat), L (listing), D (directories) and X (deleting)."""

from __future__ import annotations

import time
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
from recordfs.filesystem import DirectoryEntry, FileStatistics

if TYPE_CHECKING:
    from recordfs.testing.place import Place

__all__ = ["DeletingScenarios", "DirectoryScenarios", "ListingScenarios", "StatScenarios"]

ODD_NAMES = [
    "with space",
    " leading and trailing ",
    "ünï-中文",
    "per%20cent",
    "hash#mark",
    "question?mark",
    "star*",
    "[bracket]",
    "back\\slash",
    ".hidden",
    "...",
    "-dash",
    "~tilde",
    "plus+equals=and&",
    "quote'\"",
    "colon:semi;",
    "UPPER",
    "upper",
]


class StatScenarios:
    """What is known about paths."""

    def test_s1_a_file_has_its_length(self, place: Place) -> None:
        path = place.put("f", b"12345")
        statistics = place.file_system.stat(path)
        assert isinstance(statistics, FileStatistics)
        assert (statistics.length, statistics.is_directory) == (5, False)
        assert place.file_system.get_file_size(path) == 5

    def test_s2_a_directory_has_none(self, place: Place) -> None:
        statistics = place.file_system.stat(place.root)
        assert (statistics.length, statistics.is_directory) == (0, True)
        with place.fails(IsADirectoryError, place.root):
            place.file_system.get_file_size(place.root)

    def test_s3_what_is_not_there(self, place: Place) -> None:
        path = place.put("f")
        for call in (place.file_system.stat, place.file_system.get_file_size):
            with place.fails(NotFoundError, place.path("missing")):
                call(place.path("missing"))
            with place.fails(NotFoundError, place.path("missing/deeper")):
                call(place.path("missing/deeper"))
            with place.fails(place.error_below_a_file, f"{path}/below"):
                call(f"{path}/below")

    def test_s4_questions_never_raise_for_what_is_not_there(self, place: Place) -> None:
        path = place.put("f")
        absent = [place.path("missing"), place.path("missing/deeper"), f"{path}/below"]
        for missing in absent:
            assert place.file_system.file_exists(missing) is False
            assert place.file_system.is_directory(missing) is False
        assert place.file_system.file_exists(path) is True
        assert place.file_system.is_directory(path) is False
        assert place.file_system.file_exists(place.root) is True
        assert place.file_system.is_directory(place.root) is True
        assert place.file_system.files_exist([path, *absent, place.root]) == [True, False, False, False, True]
        assert place.file_system.files_exist([]) == []

    def test_s5_the_time_of_modification(self, place: Place) -> None:
        place.needs("write", "modification_time")
        before = time.time_ns()
        path = place.put("f", b"1")
        first = place.file_system.stat(path).mtime_nsec
        # Clocks of stores differ, and some count whole seconds.
        assert abs(first - before) < 120e9
        place.put("f", b"22")
        assert place.file_system.stat(path).mtime_nsec >= first

    def test_s6_names_are_taken_as_they_are(self, place: Place) -> None:
        place.needs("write")
        refused = place.capabilities.refused_characters
        names = [name for name in ODD_NAMES if not set(name) & set(refused)]
        for number, name in enumerate(names):
            path = place.put(name, b"%d" % number)
            assert place.file_system.stat(path).length == len(b"%d" % number), name
        for character in refused:
            with place.fails(InvalidArgumentError, path := place.path(f"a{character}b")):
                place.file_system.new_writable_file(path)
            with place.fails(InvalidArgumentError, path):
                place.file_system.create_dir(path)
        assert place.names() == sorted(names)
        for number, name in enumerate(names):
            assert place.get(place.path(name)) == b"%d" % number, name

    def test_s7_a_name_is_no_prefix(self, place: Place) -> None:
        place.put("common-long")
        place.put("dir-long/f")
        for missing in ("common", "common-", "dir", "dir-long/", "dir-"):
            expected = missing == "dir-long/"
            assert place.file_system.file_exists(place.path(missing)) is expected, missing


class ListingScenarios:
    """What is in a directory."""

    def test_l1_children_have_bare_names_and_kinds(self, place: Place) -> None:
        place.put("f")
        place.put(".hidden")
        place.put("d/inner")
        place.put("d/e/deep")
        entries = list(place.file_system.list_directory(place.root))
        assert all(isinstance(entry, DirectoryEntry) for entry in entries)
        kinds = sorted((entry.name, entry.is_directory, entry.is_symbolic_link) for entry in entries)
        assert kinds == [(".hidden", False, False), ("d", True, False), ("f", False, False)]
        assert place.names(place.path("d")) == ["e", "inner"]

    def test_l2_an_empty_directory_has_none(self, place: Place) -> None:
        place.needs("write")
        assert list(place.file_system.list_directory(place.directory("d"))) == []

    def test_l3_what_cannot_be_listed(self, place: Place) -> None:
        path = place.put("f")
        for call in (lambda p: list(place.file_system.list_directory(p)), place.file_system.get_children):
            with place.fails(NotFoundError, place.path("missing")):
                call(place.path("missing"))
            with place.fails(NotADirectoryError, path):
                call(path)
            with place.fails(place.error_below_a_file, f"{path}/below"):
                call(f"{path}/below")

    def test_l4_many_children_come_each_once(self, place: Place) -> None:
        names = {f"{number:05d}" for number in range(1100)}
        directory = place.put_empty_files("many", sorted(names))
        listed = [entry.name for entry in place.file_system.list_directory(directory)]
        assert len(listed) == len(names)
        assert set(listed) == names

    def test_l5_what_a_listing_tells_agrees_with_stat(self, place: Place) -> None:
        place.put("f", b"12345")
        place.put("d/inner")
        for entry in place.file_system.list_directory(place.root):
            statistics = place.file_system.stat(place.path(entry.name))
            assert statistics.is_directory == entry.is_directory
            if entry.length is not None:
                assert entry.length == statistics.length
            if entry.mtime_nsec is not None and not entry.is_directory:
                assert entry.mtime_nsec == statistics.mtime_nsec

    def test_l6_a_trailing_slash_names_the_same_directory(self, place: Place) -> None:
        place.put("d/inner")
        path = place.path("d/")
        assert place.file_system.get_children(path) == ["inner"]
        assert place.file_system.is_directory(path)

    def test_l7_a_half_used_listing_can_be_dropped(self, place: Place) -> None:
        for name in "abc":
            place.put(name)
        listing = place.file_system.list_directory(place.root)
        next(iter(listing))
        del listing
        assert place.names() == ["a", "b", "c"]

    def test_l8_what_is_there_is_told_anew_after_a_change(self, place: Place) -> None:
        place.needs("write")
        for name in ("stays", "grows", "goes"):
            place.put(name, b"1")
        assert _lengths(place) == {"stays": 1, "grows": 1, "goes": 1, "comes": None}
        assert _listed_in_every_way(place) == [["goes", "grows", "stays"]] * 5
        place.put("comes", b"12")
        place.put("grows", b"12345")
        place.file_system.delete_file(place.path("goes"))
        assert _lengths(place) == {"stays": 1, "grows": 5, "goes": None, "comes": 2}
        assert _listed_in_every_way(place) == [["comes", "grows", "stays"]] * 5
        for entry in place.file_system.list_directory(place.root):
            assert entry.length in (_lengths(place)[entry.name], None)


class DirectoryScenarios:
    """Making and removing directories."""

    def test_d1_a_directory_can_be_made(self, place: Place) -> None:
        place.needs("write")
        path = place.directory("d")
        assert place.file_system.is_directory(path)
        assert place.names() == ["d"]
        assert place.names(path) == []

    def test_d2_nothing_is_made_where_something_stands(self, place: Place) -> None:
        place.needs("write")
        for path in (place.directory("d"), place.put("f")):
            with place.fails(AlreadyExistsError, path):
                place.file_system.create_dir(path)
        assert place.get(place.path("f")) == b"data"

    def test_d3_a_missing_parent(self, place: Place) -> None:
        place.needs("write")
        path = place.path("missing/d")
        if place.explicit:
            with place.fails(NotFoundError, path):
                place.file_system.create_dir(path)
        else:
            place.file_system.create_dir(path)
            assert place.file_system.is_directory(place.path("missing"))

    def test_d4_no_directory_below_a_file(self, place: Place) -> None:
        place.needs("write")
        if not place.explicit:
            pytest.skip("where directories are implicit, a key may stand below another")
        path = place.put("f") + "/below"
        with place.fails(NotADirectoryError, path):
            place.file_system.create_dir(path)

    def test_d5_parents_can_be_made_too(self, place: Place) -> None:
        place.needs("write")
        path = place.path("a/b/c")
        for _ in range(2):
            place.file_system.recursively_create_dir(path)
            assert place.file_system.is_directory(path)
        place.file_system.recursively_create_dir(place.path("a/b/d/"))
        assert place.names(place.path("a/b")) == ["c", "d"]

    def test_d6_a_file_in_the_way_of_parents(self, place: Place) -> None:
        place.needs("write")
        path = place.put("f")
        for wrong in (path, f"{path}/b", f"{path}/b/c") if place.explicit else (path,):
            with place.fails(NotADirectoryError, path, wrong):
                place.file_system.recursively_create_dir(wrong)
        assert place.names() == ["f"]

    def test_d7_an_empty_directory_can_be_deleted(self, place: Place) -> None:
        place.needs("write")
        path = place.directory("d")
        place.file_system.delete_dir(path)
        assert not place.file_system.file_exists(path)

    def test_d8_a_directory_with_children_stays(self, place: Place) -> None:
        place.needs("write")
        place.put("d/f")
        with place.fails(DirectoryNotEmptyError, place.path("d")):
            place.file_system.delete_dir(place.path("d"))
        assert place.get(place.path("d/f")) == b"data"

    def test_d9_what_is_no_directory_to_delete(self, place: Place) -> None:
        place.needs("write")
        path = place.put("f")
        with place.fails(NotFoundError, place.path("missing")):
            place.file_system.delete_dir(place.path("missing"))
        with place.fails(NotADirectoryError, path):
            place.file_system.delete_dir(path)
        with place.fails(place.error_below_a_file, f"{path}/below"):
            place.file_system.delete_dir(f"{path}/below")
        assert place.names() == ["f"]

    def test_d10_what_the_last_child_leaves_behind(self, place: Place) -> None:
        place.needs("write")
        path = place.put("d/f")
        place.file_system.delete_file(path)
        assert place.file_system.is_directory(place.path("d")) is place.explicit
        assert place.names() == (["d"] if place.explicit else [])


class DeletingScenarios:
    """Deleting files and trees."""

    def test_x1_a_file_can_be_deleted(self, place: Place) -> None:
        place.needs("write")
        path, other = place.put("f"), place.put("other")
        place.file_system.delete_file(path)
        assert not place.file_system.file_exists(path)
        assert place.get(other) == b"data"

    def test_x2_what_is_no_file_to_delete(self, place: Place) -> None:
        place.needs("write")
        path, directory = place.put("f"), place.directory("d")
        with place.fails(NotFoundError, place.path("missing")):
            place.file_system.delete_file(place.path("missing"))
        with place.fails(IsADirectoryError, directory):
            place.file_system.delete_file(directory)
        with place.fails(place.error_below_a_file, f"{path}/below"):
            place.file_system.delete_file(f"{path}/below")
        assert place.names() == ["d", "f"]

    def test_x3_a_tree_can_be_deleted(self, place: Place) -> None:
        place.needs("write")
        for name in ("d/f", "d/.hidden", "d/e/g", "d/e/h/i"):
            place.put(name)
        place.file_system.recursively_create_dir(place.path("d/empty"))
        place.file_system.delete_recursively(place.path("d"))
        assert not place.file_system.file_exists(place.path("d"))
        assert not place.file_system.file_exists(place.path("d/e/h/i"))

    def test_x4_neighbours_of_a_tree_stay(self, place: Place) -> None:
        place.needs("write")
        for name in ("d/f", "d2/f", "d-", "c"):
            place.put(name)
        place.file_system.delete_recursively(place.path("d"))
        assert place.names() == ["c", "d-", "d2"]
        assert place.get(place.path("d2/f")) == b"data"

    def test_x5_a_file_is_a_tree_of_one(self, place: Place) -> None:
        place.needs("write")
        place.file_system.delete_recursively(place.put("f"))
        assert place.names() == []

    def test_x6_a_missing_tree(self, place: Place) -> None:
        place.needs("write")
        path = place.put("f")
        with place.fails(NotFoundError, place.path("missing")):
            place.file_system.delete_recursively(place.path("missing"))
        with place.fails(place.error_below_a_file, f"{path}/below"):
            place.file_system.delete_recursively(f"{path}/below")
        assert place.names() == ["f"]


def _lengths(place: Place) -> dict[str, int | None]:
    """Return the length of each of the files that L8 is about, None for one that every method says is not there."""
    file_system = place.file_system
    lengths: dict[str, int | None] = {}
    names = ("stays", "grows", "goes", "comes")
    exist = file_system.files_exist([place.path(name) for name in names])
    for name, exists in zip(names, exist, strict=True):
        path = place.path(name)
        assert file_system.file_exists(path) is exists
        assert not file_system.is_directory(path)
        if exists:
            lengths[name] = file_system.stat(path).length
            assert file_system.get_file_size(path) == lengths[name]
            assert len(place.get(path)) == lengths[name]
            continue
        lengths[name] = None
        with place.fails(NotFoundError, path):
            file_system.stat(path)
    return lengths


def _listed_in_every_way(place: Place) -> list[list[str]]:
    """Return the names in the directory, sorted, from each of the methods that list."""
    file_system, root = place.file_system, place.root
    entries = (
        file_system.list_directory(root),
        file_system.tree_lister(root)(root),
        file_system.series_lister([root])(root),
    )
    return [
        place.names(),
        *(sorted(entry.name for entry in listed) for listed in entries),
        sorted(path.rpartition("/")[2] for path in file_system.get_matching_paths(place.path("*"))),
    ]
