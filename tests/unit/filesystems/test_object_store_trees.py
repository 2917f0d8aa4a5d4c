"""A tree on an object store is the same whether it is listed flat, in parallel, or one directory after the other."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordfs import operations
from recordfs.errors import NotADirectoryError, NotFoundError, PermissionDeniedError
from recordfs.filesystem.file_system import FileSystem
from recordfs.filesystems._object_store import tree
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage
from recordfs.filesystems._object_store.store import ObjectStore
from recordfs.paths import join_entry

PAGE = 7


def size_of(key):
    """Markers of directories are empty, and some keys that look like one hold something."""
    return 0 if key.endswith("/") and key.count("a") % 2 else 1


class KeysInMemory(ObjectStore):
    """Keys and nothing else, listed in pages of a few as the stores do it."""

    def __init__(self, keys):
        super().__init__("keys")
        self.keys = sorted(keys, key=str.encode)
        self.requests = 0
        self.refuse_flat = False
        self._lock = threading.Lock()

    def _list_page(self, bucket, prefix, *, delimiter, page, limit):
        with self._lock:
            self.requests += 1
        if self.refuse_flat and not delimiter:
            raise PermissionDeniedError("only level by level", path=prefix)
        objects, prefixes, last = [], [], page
        for key in self.keys:
            if not key.startswith(prefix) or (page is not None and key.encode() <= page.encode()):
                continue
            rest = key[len(prefix) :]
            common = prefix + rest[: rest.index("/") + 1] if delimiter and "/" in rest else None
            if common is not None and (common in prefixes or (page is not None and page.startswith(common))):
                continue
            if len(objects) + len(prefixes) == min(PAGE, limit):
                return ObjectPage(objects, prefixes, last)
            if common is None:
                objects.append(ObjectInfo(key, size_of(key), 0, "tag", {}))
            else:
                prefixes.append(common)
            last = common or key
        return ObjectPage(objects, prefixes, None)

    def head(self, bucket, key):
        if key not in self.keys:
            raise NotFoundError("none", path=key)
        return ObjectInfo(key, 1, 0, "tag", {})

    def bucket_exists(self, bucket):
        return True

    def list_buckets(self):
        return ["bucket"]

    def _unused(self, *_arguments, **_keywords):
        raise AssertionError("no listing needs this")

    _put_marker = _delete = delete_many = copy = get_range = range_options = known_of = new_upload = _unused


class Keys(ObjectStoreFileSystem):
    def __init__(self, keys):
        super().__init__()
        self.store = KeysInMemory(keys)

    @property
    def _store(self):
        return self.store


class OneByOne(Keys):
    def tree_lister(self, top):
        return self._list_with_all_keys

    def series_lister(self, directories):
        return self._list_with_all_keys

    files_exist = FileSystem.files_exist


names = st.sampled_from(["a", "b", "a-", "a.b", "ü", "", ".recordfs-tmp"])
keys = st.lists(names, min_size=1, max_size=5).map("/".join).filter(bool)
trees = st.sets(keys, min_size=1, max_size=40)


def everything(file_system, top):
    return {
        directory: (sorted(directories), sorted(files))
        for directory, directories, files in operations.walk(top, file_system=file_system)
    }


@given(trees, st.sampled_from(["s3://bucket", "s3://bucket/a", "s3://bucket/a/", "s3://bucket/b/a"]))
def test_a_walk_sees_the_same_either_way(stored, top):
    expected = everything(OneByOne(stored), top)
    assert everything(Keys(stored), top) == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "FLAT_PAGES", 0)
        assert everything(Keys(stored), top) == expected
        patch.setattr(tree, "MOST_AHEAD", 2)
        assert everything(Keys(stored), top) == expected


@given(trees, st.booleans())
def test_a_walk_and_two_stars_come_to_every_key(stored, flat):
    file_system = Keys(stored)
    expected = sorted(
        f"s3://bucket/{key}"
        for key in stored
        if not (key.endswith("/") and not size_of(key)) and ".recordfs-tmp" not in key
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "FLAT_PAGES", 20 if flat else 0)
        walked = [
            join_entry(directory, name, is_directory=False)
            for directory, _, files in operations.walk("s3://bucket", file_system=file_system)
            for name in files
        ]
        found = operations.glob("s3://bucket/**", recursive=True, file_system=file_system)
    assert sorted(walked) == expected
    assert set(expected) <= set(found)
    assert len(found) == len(set(found))


@given(
    trees,
    st.sampled_from(
        ["**", "a/**", "**/a", "**/a*", "**/b/*", "**/**/a", "*/**/[ab]", "*/*", "*/*/*", "*/a", "*/a/*", "[ab]/*/a*"]
    ),
)
def test_a_pattern_finds_the_same_either_way(stored, pattern):
    def find(file_system):
        return operations.glob(f"s3://bucket/{pattern}", recursive=True, file_system=file_system)

    assert find(Keys(stored)) == find(OneByOne(stored))


def deep_tree(directories):
    return [f"top/{number % 10}/{number}/file-{index}" for number in range(directories) for index in range(3)]


def test_a_small_tree_takes_one_request_for_each_page():
    file_system = Keys(deep_tree(40))
    assert len(everything(file_system, "s3://bucket/top")) == 51
    assert file_system.store.requests == -(-120 // PAGE)


def test_a_large_tree_wastes_no_more_than_the_pages_of_a_small_one(monkeypatch):
    monkeypatch.setattr(tree, "FLAT_PAGES", 5)
    file_system, slow = Keys(deep_tree(40)), OneByOne(deep_tree(40))
    assert everything(file_system, "s3://bucket/top") == everything(slow, "s3://bucket/top")
    assert file_system.store.requests <= slow.store.requests + 5


def test_listings_of_a_large_tree_are_in_flight_together(monkeypatch):
    """The first listing below the top does not end before a second one has begun."""
    monkeypatch.setattr(tree, "FLAT_PAGES", 0)
    file_system = Keys(deep_tree(40))
    together = threading.Barrier(2)
    list_page = file_system.store.list_page

    def wait_for_another(bucket, prefix, **keywords):
        if prefix in ("top/0/", "top/1/"):
            together.wait(20)
        return list_page(bucket, prefix, **keywords)

    file_system.store.list_page = wait_for_another
    assert len(everything(file_system, "s3://bucket/top")) == 51


@pytest.mark.parametrize("pattern", ["top/*/*/file-*", "top/*/7"])
def test_what_a_pattern_asks_for_is_in_flight_together(pattern):
    """The first of the requests below the top does not end before a second one has begun."""
    file_system = Keys(deep_tree(40))
    together = threading.Barrier(2)
    list_page = file_system.store.list_page

    def wait_for_another(bucket, prefix, **keywords):
        if prefix in ("top/0/", "top/1/", "top/0/7/", "top/1/7/"):
            together.wait(20)
        return list_page(bucket, prefix, **keywords)

    file_system.store.list_page = wait_for_another
    found = operations.glob(f"s3://bucket/{pattern}", file_system=file_system)
    assert found == operations.glob(f"s3://bucket/{pattern}", file_system=OneByOne(deep_tree(40)))


def test_a_walk_can_be_pruned(monkeypatch):
    for pages in (20, 0):
        monkeypatch.setattr(tree, "FLAT_PAGES", pages)
        seen = []
        for directory, directories, _ in operations.walk("s3://bucket/top", file_system=Keys(deep_tree(40))):
            seen.append(directory)
            directories[:] = [name for name in directories if name in ("3", "13")]
        assert seen == ["s3://bucket/top", "s3://bucket/top/3", "s3://bucket/top/3/13", "s3://bucket/top/3/3"]


def test_who_may_only_list_level_by_level_can_walk():
    file_system = Keys(deep_tree(4))
    file_system.store.refuse_flat = True
    assert everything(file_system, "s3://bucket/top") == everything(OneByOne(deep_tree(4)), "s3://bucket/top")


def test_what_is_no_directory_is_told_as_by_a_listing():
    lister = Keys(["file"]).tree_lister("s3://bucket/file")
    with pytest.raises(NotADirectoryError):
        list(lister("s3://bucket/file"))
    with pytest.raises(NotFoundError):
        list(Keys(["file"]).tree_lister("s3://bucket/missing")("s3://bucket/missing"))
    assert [entry.name for entry in Keys(["file"]).tree_lister("s3://")("s3://")] == ["bucket"]
