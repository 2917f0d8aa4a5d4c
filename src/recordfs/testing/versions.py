"""Conformance scenarios: versions of files, and opening one that is known. Numbers are those of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recordfs.errors import AbortedError

if TYPE_CHECKING:
    from recordfs.filesystem import FileStatistics
    from recordfs.testing.place import Place

__all__ = ["VersionScenarios"]


class VersionScenarios:
    """``version``, ``new_pinned_random_access_file``."""

    def test_v1_a_file_that_stays_as_it_is_keeps_its_version(self, place: Place) -> None:
        path = place.put("f", b"bytes")
        version = place.file_system.stat(path).version
        assert (version is not None) or not place.capabilities.versions
        assert place.get(path) == b"bytes"
        assert place.file_system.stat(path).version == version
        assert place.file_system.stat(place.root).version is None

    def test_v2_other_content_has_another_version(self, place: Place) -> None:
        place.needs("write", "versions")
        contents = (b"", b"first", b"another", b"first and more")
        versions = [place.file_system.stat(place.put("f", data)).version for data in contents]
        assert len(set(versions)) == len(versions)
        if place.capabilities.append and place.capabilities.flush_visibility == "flush":
            with place.file_system.new_appendable_file(place.path("f")) as writer:
                writer.append(b"flushed")
                writer.flush()
                assert place.file_system.stat(place.path("f")).version not in versions

    def test_v3_a_listing_tells_the_version_of_stat_or_none(self, place: Place) -> None:
        place.needs("write")
        path = place.put("f", b"bytes")
        place.put("directory/g")
        found = {entry.name: entry for entry in place.file_system.list_directory(place.root)}
        assert found["f"].version in (None, place.file_system.stat(path).version)
        assert found["directory"].version is None
        assert found["directory"].statistics is None
        assert found["f"].statistics in (None, place.file_system.stat(path))

    def test_v4_a_pinned_file_is_the_one_that_is_known(self, place: Place) -> None:
        path = place.put("f", b"0123456789")
        known = place.file_system.stat(path)
        for pinned in (known, known._replace(version=None)):
            with place.file_system.new_pinned_random_access_file(path, pinned) as file:
                assert file.name == path
                assert file.read(2, 3) == b"234"
                assert file.read_ranges([(8, 10), (0, 1)]) == [b"89", b"0"]
                assert file.read(10, 5) == b""
                assert file.size() == 10

    def test_v5_what_is_another_file_by_now_is_aborted(self, place: Place) -> None:
        place.needs("write")
        known = place.file_system.stat(place.put("f", b"bytes"))
        place.put("f", b"longer bytes")
        self._is_aborted(place, known)
        place.file_system.delete_file(place.path("f"))
        self._is_aborted(place, known)

    def _is_aborted(self, place: Place, known: FileStatistics) -> None:
        path = place.path("f")
        with (
            pytest.raises(AbortedError) as caught,
            place.file_system.new_pinned_random_access_file(path, known) as file,
        ):
            file.read(0, 5)
        assert caught.value.path == path
