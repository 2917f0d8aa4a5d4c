"""Walking, matching, copying and renaming by path."""

import os

import pytest

from recordfs import operations
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.operations.tree_copy import CopyPair, copy_file, plan_tree_copy
from recordfs.testing.faulty import FaultyFileSystem
from support.key_stores import KeysInMemory


@pytest.fixture(params=["local", "ram"])
def top(request, tmp_path):
    """Return a directory with a tree in it."""
    path = f"{tmp_path}/top" if request.param == "local" else "ram://unit-operations/top"
    for name in ("f", "a/g", "a/b/h", "a/b/.hidden", "c/i"):
        operations.makedirs(f"{path}/{os.path.dirname(name)}")
        write(f"{path}/{name}", name.encode())
    yield path
    if request.param == "ram":
        operations.rmtree("ram://unit-operations")


def write(path, data):
    file_system, name = operations.resolve(path)
    with file_system.new_writable_file(name) as file:
        file.append(data)


def read(path):
    file_system, name = operations.resolve(path)
    with file_system.new_random_access_file(name) as file:
        return file.read(0, file.size())


def seen(walk):
    return [(directory, sorted(directories), sorted(files)) for directory, directories, files in walk]


def test_walk_goes_down(top):
    assert sorted(seen(operations.walk(top))) == [
        (top, ["a", "c"], ["f"]),
        (f"{top}/a", ["b"], ["g"]),
        (f"{top}/a/b", [], [".hidden", "h"]),
        (f"{top}/c", [], ["i"]),
    ]
    assert next(operations.walk(top))[0] == top


def test_walk_comes_up(top):
    order = [directory for directory, _, _ in operations.walk(top, topdown=False)]
    assert order[-1] == top
    assert order.index(f"{top}/a/b") < order.index(f"{top}/a")
    assert sorted(order) == sorted(directory for directory, _, _ in operations.walk(top))


def test_walk_can_be_pruned(top):
    visited = []
    for directory, directories, _ in operations.walk(top):
        visited.append(directory)
        directories[:] = [name for name in directories if name != "a"]
    assert visited == [top, f"{top}/c"]


def test_walk_agrees_with_the_standard_library(tmp_path):
    for name in ("a/b/c", "d", "e/f"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / "a/link").symlink_to(tmp_path / "e")
    for topdown in (True, False):
        ours = seen(operations.walk(tmp_path, topdown))
        assert sorted(ours) == sorted(seen(os.walk(tmp_path, topdown)))


def test_walk_follows_links_when_asked_but_never_in_circles(tmp_path):
    (tmp_path / "tree/a").mkdir(parents=True)
    (tmp_path / "outside/deep").mkdir(parents=True)
    (tmp_path / "tree/out").symlink_to(tmp_path / "outside")
    (tmp_path / "outside/back").symlink_to(tmp_path / "tree")
    for name in ("up", "again"):
        (tmp_path / f"tree/a/{name}").symlink_to(tmp_path / "tree")
    plain = {directory for directory, _, _ in operations.walk(f"{tmp_path}/tree")}
    assert plain == {f"{tmp_path}/tree", f"{tmp_path}/tree/a"}
    errors = []
    followed = [directory for directory, _, _ in operations.walk(f"{tmp_path}/tree", True, errors.append, True)]
    assert sorted(followed) == sorted([*plain, f"{tmp_path}/tree/out", f"{tmp_path}/tree/out/deep"])
    assert sorted(error.path for error in errors) == [
        f"{tmp_path}/tree/a/again",
        f"{tmp_path}/tree/a/up",
        f"{tmp_path}/tree/out/back",
    ]
    assert all(isinstance(error, FailedPreconditionError) for error in errors)


def test_a_deep_tree_is_no_trouble():
    path = "ram://unit-deep/" + "/".join(["d"] * 3000)
    operations.makedirs("ram://unit-deep")
    write(f"{path}/f", b"")
    try:
        for topdown in (True, False):
            assert sum(1 for _ in operations.walk("ram://unit-deep", topdown)) == 3001
    finally:
        operations.rmtree("ram://unit-deep")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**", ["a", "a/b", "a/b/.hidden", "a/b/h", "a/g", "c", "c/i", "f"]),
        ("**/h", ["a/b/h"]),
        ("**/[gi]", ["a/g", "c/i"]),
        ("a/**/h", ["a/b/h"]),
        ("a/**/g", ["a/g"]),
        ("**/b/**", ["a/b/.hidden", "a/b/h"]),
        ("**/**/i", ["c/i"]),
        ("**/", ["", "a/", "a/b/", "c/"]),
        ("*/g", ["a/g"]),
        ("f", ["f"]),
        ("missing/**", []),
        ("f/**", []),
    ],
)
def test_two_stars_cross_directories_when_asked(top, pattern, expected):
    found = operations.glob(f"{top}/{pattern}", recursive=True)
    assert found == [f"{top}/{name}" for name in expected]


def test_two_stars_are_one_unless_asked(top):
    assert operations.glob(f"{top}/**/g") == [f"{top}/a/g"]
    assert operations.glob(f"{top}/**") == [f"{top}/a", f"{top}/c", f"{top}/f"]


def test_relative_patterns_stay_relative(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").touch()
    (tmp_path / "d/loop").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert operations.glob("*") == ["d"]
    assert operations.glob("**/f", recursive=True) == ["d/f"]
    assert operations.glob("./*/f") == ["./d/f"]


def test_copy_between_filesystems_and_back(tmp_path):
    local, memory = f"{tmp_path}/f", "ram://unit-copy/f"
    data = bytes(range(256)) * 40_000
    write(local, data)
    moved = []
    try:
        operations.copy(local, memory, progress=moved.append)
        assert read(memory) == data
        assert sum(moved) == len(data)
        with pytest.raises(AlreadyExistsError):
            operations.copy(memory, local)
        write(memory, b"changed")
        operations.copy(memory, local, overwrite=True)
        assert read(local) == b"changed"
        with pytest.raises(NotFoundError):
            operations.copy("ram://unit-copy/missing", f"{tmp_path}/new")
        with pytest.raises(IsADirectoryError):
            operations.copy("ram://unit-copy", f"{tmp_path}/new")
        with pytest.raises(IsADirectoryError):
            operations.copy(memory, tmp_path, overwrite=True)
    finally:
        operations.rmtree("ram://unit-copy")
    assert os.listdir(tmp_path) == ["f"]


def test_a_file_cut_short_while_it_is_copied_is_an_error_and_one_that_grows_is_none(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    target.write_bytes(b"old")
    copy_file_range = os.copy_file_range
    new_size = 0

    def resize_after_a_part(reader, writer, count):
        copied = copy_file_range(reader, writer, 1000)
        os.truncate(source, new_size)
        return copied

    monkeypatch.setattr(os, "copy_file_range", resize_after_a_part)
    for new_size in (0, 999):
        source.write_bytes(bytes(5000))
        with pytest.raises(AbortedError, match=f"cut short to {new_size} bytes while it was copied") as caught:
            operations.copy(source, target, overwrite=True)
        assert caught.value.path == str(source)
        assert (target.read_bytes(), sorted(os.listdir(tmp_path))) == (b"old", ["source", "target"])
    for new_size in (5000, 6000):
        source.write_bytes(bytes(5000))
        operations.copy(source, target, overwrite=True)
        assert target.stat().st_size == new_size


def test_a_file_cut_short_while_it_is_copied_elsewhere_is_an_error(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(5 << 20))
    write("ram://unit-operations-cut/target", b"old")
    with pytest.raises(AbortedError, match="cut short to 10 bytes while it was copied"):
        operations.copy(
            source,
            "ram://unit-operations-cut/target",
            overwrite=True,
            progress=lambda _: os.truncate(source, 10),
        )
    assert read("ram://unit-operations-cut/target") == b"old"
    operations.rmtree("ram://unit-operations-cut")


def test_copy_within_a_filesystem_leaves_it_to_that():
    faulty = FaultyFileSystem(MemoryFileSystem())
    write("ram://unit-server/f", b"data")
    moved = []
    try:
        operations.copy("ram://unit-server/f", "ram://unit-server/g", file_system=faulty, progress=moved.append)
        assert moved == [4]
        assert "read" not in [operation for operation, _ in faulty.calls]
        assert read("ram://unit-server/g") == b"data"
    finally:
        operations.rmtree("ram://unit-server")


def test_a_tree_is_copied_to_another_filesystem(top, tmp_path):
    for target in (f"{tmp_path}/copied", "ram://unit-tree/copied"):
        done = operations.copy_tree(top, target)
        assert done == (5, 4, len(b"f" + b"a/g" + b"a/b/h" + b"a/b/.hidden" + b"c/i"))
        assert [path.removeprefix(target) for path in operations.glob(f"{target}/**", recursive=True)] == [
            path.removeprefix(top) for path in operations.glob(f"{top}/**", recursive=True)
        ]
        assert read(f"{target}/a/b/h") == b"a/b/h"
        with pytest.raises(AlreadyExistsError):
            operations.copy_tree(top, target)
        operations.copy_tree(f"{top}/", f"{target}/", overwrite=True)
    operations.rmtree("ram://unit-tree")


def test_a_tree_is_never_copied_into_itself(top):
    for target in (top, f"{top}/", f"{top}/a/copy", f"{top}/a/../inside"):
        with pytest.raises(InvalidArgumentError):
            operations.copy_tree(top, target)
    operations.copy_tree(top, f"{top}-neighbour")
    assert operations.exists(f"{top}-neighbour/a/b/h")


def test_an_empty_directory_is_copied_too(tmp_path):
    (tmp_path / "source/empty").mkdir(parents=True)
    operations.copy_tree(tmp_path / "source", "ram://unit-empty")
    assert operations.isdir("ram://unit-empty/empty")
    operations.rmtree("ram://unit-empty")


def test_copying_a_tree_with_a_loop_says_so(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source/loop").symlink_to(".")
    with pytest.raises(FailedPreconditionError, match="leads back"):
        operations.copy_tree(tmp_path / "source", tmp_path / "target")


def tree_with_link(tmp_path, place, leads_to):
    """Make a source whose link leads somewhere beside, above or into the copy."""
    source, target = tmp_path / "d/s", tmp_path / "d/s2"
    (source / "inner").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (source / "f").write_bytes(b"f")
    (source / place).symlink_to(leads_to.format(tmp=tmp_path))
    return source, target


@pytest.mark.parametrize("place", ["a", "z", "inner/link"])
@pytest.mark.parametrize("leads_to", ["{tmp}", "{tmp}/d", "{tmp}/d/s", "{tmp}/d/s2", "{tmp}/d/s2/new", "/"])
def test_a_tree_is_never_copied_round_through_a_link(tmp_path, place, leads_to):
    source, target = tree_with_link(tmp_path, place, leads_to)
    if "s2" in leads_to:
        (tmp_path / "d/s2/new").mkdir(parents=True)
    with pytest.raises(FailedPreconditionError, match=r"leads (back )?to"):
        operations.copy_tree(source, target, overwrite=True)
    assert len(list(target.rglob("*"))) < 6


def test_a_link_to_a_neighbour_is_copied_as_what_it_points_to(tmp_path):
    source, target = tree_with_link(tmp_path, "link", "{tmp}/other")
    (tmp_path / "other/g").write_bytes(b"g")
    assert operations.copy_tree(source, target) == (2, 3, 2)
    assert (target / "link/g").read_bytes() == b"g"


HOSTILE = [
    "tr/../x",
    "tr/a/../../x",
    "tr/./x",
    "tr/..",
    "tr//etc/x",
    "tr//x",
    "tr/a/",
    "tr/sub/..",
    "tr/a\0b",
    "tr/a\0b/c",
]


@pytest.mark.parametrize("key", HOSTILE)
def test_no_key_of_a_store_is_copied_out_of_a_local_target(tmp_path, key):
    (tmp_path / "x").write_bytes(b"mine")
    store = KeysInMemory({"tr/0": b"sound", key: b"hostile"})
    with pytest.raises((InvalidArgumentError, IsADirectoryError), match="store://tr"):
        operations.copy_tree("store://tr", f"{tmp_path}/target", file_system=store, overwrite=True)
    assert (tmp_path / "x").read_bytes() == b"mine"
    assert all(path.is_relative_to(tmp_path / "target") for path in tmp_path.rglob("*") if path.name != "x")
    assert not any(path.read_bytes() == b"hostile" for path in tmp_path.rglob("*") if path.is_file())


def test_a_key_and_a_key_below_it_are_not_both_copied_to_a_disk_and_that_is_said(tmp_path):
    store = KeysInMemory({"tr/a": b"file", "tr/a/b": b"below"})
    with pytest.raises(FailedPreconditionError, match="store://tr/a/"):
        operations.copy_tree("store://tr", f"{tmp_path}/target", file_system=store)


def test_every_key_of_a_tree_is_copied_to_another_store_of_keys():
    # This store has no file below another, so none of them is beside keys below it.
    values = dict.fromkeys(["tr/../x", "tr/a/../../x", "tr/./x", "tr//etc/x", "tr//y", "tr///z", "tr/sub/.."], b"data")
    source, target = KeysInMemory(values), KeysInMemory({})
    operations.copy_tree("store://tr", "store://copy", file_system=source, target_file_system=target)
    assert target.values == {f"copy{key.removeprefix('tr')}": b"data" for key in values}


def test_rename_stays_within_a_filesystem(tmp_path):
    source = tmp_path / "f"
    source.write_bytes(b"data")
    with pytest.raises(UnimplementedError, match="ram://"):
        operations.rename(source, "ram://unit-rename")
    operations.rename(source, f"file://{tmp_path}/g")
    with pytest.raises(NotFoundError):
        operations.rename(source, f"{tmp_path}/h")
    (tmp_path / "i").touch()
    with pytest.raises(AlreadyExistsError):
        operations.rename(f"file://{tmp_path}/g", tmp_path / "i")
    operations.rename(f"file://{tmp_path}/g", tmp_path / "i", overwrite=True)
    assert (tmp_path / "i").read_bytes() == b"data"


def test_the_short_names_take_every_kind_of_path(tmp_path):
    operations.mkdir(os.fsencode(tmp_path / "d"))
    operations.makedirs(tmp_path / "e/f")
    (tmp_path / "g").write_bytes(b"12345")
    assert sorted(operations.listdir(tmp_path)) == ["d", "e", "g"]
    assert operations.isdir(tmp_path / "d")
    assert operations.stat(f"file://{tmp_path}/g").length == 5
    operations.remove(tmp_path / "g")
    operations.rmtree(tmp_path / "e")
    assert not operations.exists(tmp_path / "g")
    with pytest.raises(AlreadyExistsError):
        operations.mkdir(tmp_path / "d")


def test_two_filesystems_are_told_apart_by_what_serves_them(tmp_path):
    first, second = FaultyFileSystem(MemoryFileSystem()), FaultyFileSystem(MemoryFileSystem())
    write("ram://unit-two/f", b"data")
    try:
        operations.copy("ram://unit-two/f", "ram://unit-two/g", file_system=first, target_file_system=second)
    finally:
        operations.rmtree("ram://unit-two")
    assert {operation for operation, _ in first.calls} == {"new_random_access_file", "read", "size"}
    assert "new_writable_file" in {operation for operation, _ in second.calls}


def test_a_small_file_of_a_tree_is_read_as_its_listing_told_and_a_changed_one_anew(tmp_path):
    memory = MemoryFileSystem()
    faulty = FaultyFileSystem(memory)
    write("ram://unit-known/tree/same", b"same")
    write("ram://unit-known/tree/changed", b"old")
    plan = plan_tree_copy(
        CopyPair(faulty, "ram://unit-known/tree", PosixFileSystem(), f"{tmp_path}/copy"), follow_links=False
    )
    steps = {step.source: step for step in plan}
    write("ram://unit-known/tree/changed", b"new and longer")
    (tmp_path / "copy").mkdir()
    try:
        for name in ("same", "changed"):
            step = steps[f"ram://unit-known/tree/{name}"]
            assert step.known is not None
            pair = CopyPair(faulty, step.source, PosixFileSystem(), step.target)
            copy_file(pair, overwrite=False, progress=None, known=step.known)
    finally:
        operations.rmtree("ram://unit-known")
    assert (tmp_path / "copy/same").read_bytes() == b"same"
    assert (tmp_path / "copy/changed").read_bytes() == b"new and longer"
