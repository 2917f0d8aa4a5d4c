"""What lies below a key that is itself an object is in every tree, pattern and copy, and the object is beside it."""

import uuid

import pytest

from recordfs import operations
from recordfs.registry import register_file_system, unregister_file_system
from recordfs.testing.object_store import SeededObjectFileSystem
from support.key_stores import KeysInMemory

RecordFSFileSystem = pytest.importorskip("recordfs.interop.fsspec").RecordFSFileSystem

CONTENTS = {"a": b"1", "a-": b"22", "a/b": b"333", "a/c/d": b"4444", "q": b"5", "z/e": b"66"}


@pytest.fixture(params=["objects", "values"])
def top(request):
    """A tree with `a`, `a/b` and `a/c/d`, in a store of keys with a scheme of its own."""
    scheme = f"keys{uuid.uuid4().hex[:8]}"
    if request.param == "objects":
        file_system = SeededObjectFileSystem()
        for key, content in CONTENTS.items():
            file_system.store.put("bucket", f"t/{key}", content, {}, None)
    else:
        file_system = KeysInMemory({f"bucket/t/{key}": content for key, content in CONTENTS.items()})
    register_file_system(scheme, file_system)
    yield f"{scheme}://bucket/t"
    unregister_file_system(scheme)


@pytest.fixture
def fs():
    return RecordFSFileSystem()


def below(top, paths):
    return sorted(path.removeprefix(f"{top}/") for path in paths)


def test_find_sees_every_key(fs, top):
    assert below(top, fs.find(top)) == sorted(CONTENTS)


def test_find_from_a_key_that_is_a_prefix_too_has_the_key_itself(fs, top):
    assert below(top, fs.find(f"{top}/a")) == ["a", "a/b", "a/c/d"]
    assert fs.du(f"{top}/a") == 1 + 3 + 4
    assert {below(top, [path])[0]: info["size"] for path, info in fs.find(f"{top}/a", detail=True).items()} == {
        "a": 1,
        "a/b": 3,
        "a/c/d": 4,
    }


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(1, ["a", "a-", "q"]), (2, ["a", "a-", "a/b", "q", "z/e"]), (3, ["a", "a-", "a/b", "a/c/d", "q", "z/e"])],
)
def test_find_to_a_depth_goes_below_a_key(fs, top, depth, expected):
    assert below(top, fs.find(top, maxdepth=depth)) == expected
    assert below(top, fs.find(f"{top}/a", maxdepth=1)) == ["a", "a/b"]


def test_what_is_a_file_and_a_directory_is_found_as_the_file(fs, top):
    for depth in (None, 1, 3):
        found = fs.find(top, maxdepth=depth, withdirs=True, detail=True)
        assert (found[f"{top}/a"]["type"], found[f"{top}/a"]["size"]) == ("file", 1), "a data set would miss its bytes"
    assert fs.glob(f"{top}/*", detail=True)[f"{top}/a"]["type"] == "file"


@pytest.mark.parametrize("topdown", [True, False])
def test_a_walk_to_a_depth_sees_what_a_whole_one_does(fs, top, topdown):
    walks = [list(fs.walk(f"{top}{start}", topdown=topdown, maxdepth=9)) for start in ("", "/a")]
    assert walks == [list(fs.walk(f"{top}{start}", topdown=topdown)) for start in ("", "/a")]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a", "a-", "q", "z"]),
        ("a/*", ["a/b", "a/c"]),
        ("*/*", ["a/b", "a/c", "z/e"]),
        ("*/b", ["a/b"]),
        ("?/c/d", ["a/c/d"]),
    ],
)
def test_patterns_go_below_a_key(fs, top, pattern, expected):
    assert below(top, fs.glob(f"{top}/{pattern}")) == expected
    assert below(top, operations.glob(f"{top}/{pattern}")) == expected


def test_a_pattern_for_one_level_lists_no_whole_tree(fs):
    file_system = SeededObjectFileSystem()
    for number in range(300):
        file_system.store.put("bucket", f"t/{number % 3}/{number}", b"", {}, None)
    asked = []
    list_page = file_system.store.list_page

    def note(*where, limit=1000, **how):
        if limit > 1:  # else it is only asked whether there is anything
            asked.append(how.get("delimiter"))
        return list_page(*where, limit=limit, **how)

    file_system.store.list_page = note
    scheme = f"keys{uuid.uuid4().hex[:8]}"
    register_file_system(scheme, file_system)
    try:
        assert len(fs.glob(f"{scheme}://bucket/t/*")) == 3
    finally:
        unregister_file_system(scheme)
    assert set(asked) == {"/"}
    assert asked.count("/") == 1


@pytest.mark.parametrize("top", ["values"], indirect=True)
def test_a_copy_to_where_both_cannot_be_fails_and_says_so(fs, top, tmp_path):
    with pytest.raises(NotADirectoryError):
        fs.cp(f"{top}/a", f"{top}-copy", recursive=True, on_error="raise")
    with pytest.raises(OSError, match="exists"):
        fs.get(top, str(tmp_path / "copy"), recursive=True)


@pytest.mark.parametrize("top", ["objects"], indirect=True)
def test_a_recursive_copy_takes_the_key_and_what_is_below_it(fs, top):
    fs.cp(f"{top}/a", f"{top}-copy", recursive=True, on_error="raise")
    assert {path.removeprefix(f"{top}-copy"): fs.cat_file(path) for path in fs.find(f"{top}-copy")} == {
        "": b"1",
        "/b": b"333",
        "/c/d": b"4444",
    }


def test_expanding_and_deleting_by_it_leaves_nothing(fs, top):
    assert below(top, fs.expand_path(f"{top}/a", recursive=True)) == ["a", "a/b", "a/c", "a/c/d"]
    fs.rm(fs.find(f"{top}/a"))
    assert below(top, fs.find(top)) == ["a-", "q", "z/e"]


@pytest.mark.parametrize("key", ["t/../out", "t/x/../../out", "t/./a", "t/../../../out"])
@pytest.mark.parametrize("call", ["copy", "mv", "get"])
def test_no_key_leads_a_copy_out_of_its_target(fs, tmp_path, key, call):
    """A bucket's owner chooses its keys, and has no say in what lies beside the target."""
    target = tmp_path / "deep" / "er" / "target"
    target.parent.mkdir(parents=True)
    file_system = SeededObjectFileSystem()
    for name in ("t/ok", key):
        file_system.store.put("bucket", name, b"x", {}, None)
    scheme = f"keys{uuid.uuid4().hex[:8]}"
    register_file_system(scheme, file_system)
    try:
        if key == "t/./a":
            getattr(fs, call)(f"{scheme}://bucket/t", str(target), recursive=True)
        else:
            with pytest.raises(ValueError, match="outside"):
                getattr(fs, call)(f"{scheme}://bucket/t", str(target), recursive=True)
            assert file_system.store.peek("bucket", key) is not None, "what was not copied is not deleted"
    finally:
        unregister_file_system(scheme)
    assert {path.name for path in target.parent.iterdir()} <= {"target"}
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
