"""The commands for files, on the local filesystem."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recordfs import FileStatistics, RandomAccessFile, register_file_system, unregister_file_system
from recordfs.errors import UnimplementedError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem
from support.command_line import Recordfs
from support.key_stores import KeysInMemory


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory ``d`` with files, a hidden one, a directory and a link that leads nowhere; the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "b.txt").write_bytes(b"bravo")
    (tmp_path / "d" / "a.txt").write_bytes(b"alpha!")
    (tmp_path / "d" / ".hidden").write_bytes(b"")
    (tmp_path / "d" / "sub" / "c.bin").write_bytes(bytes(range(256)))
    (tmp_path / "d" / "dangling").symlink_to("nowhere")
    for path in ("d/a.txt", "d/b.txt", "d/.hidden", "d/sub/c.bin"):
        os.utime(tmp_path / path, (1_700_000_000, 1_700_000_000))
    return tmp_path


def test_cp_of_a_tree_with_a_pipe_says_that_it_left_it_out(tmp_path: Path, recordfs: Recordfs) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("x")
    os.mkfifo(tmp_path / "tree" / "pipe")
    copied = recordfs("cp", "-r", f"{tmp_path}/tree", f"{tmp_path}/copy")
    assert copied.status == 1
    assert "tree/pipe" in copied.err
    assert os.listdir(tmp_path / "copy") == ["file"]


def test_ls_lists_by_name_and_marks_directories(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("ls", "d") == (0, ".hidden\na.txt\nb.txt\ndangling\nsub/\n", "")
    assert recordfs("ls") == (0, "d/\n", "")


def test_ls_of_a_file_and_of_a_directory_itself(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("ls", "d/a.txt") == (0, "d/a.txt\n", "")
    assert recordfs("ls", "-d", "d") == (0, "d/\n", "")


def test_ls_recursive_and_several(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("ls", "-R", "d").out.splitlines()[-2:] == ["sub/", "sub/c.bin"]
    assert recordfs("ls", "d/sub", "d/a.txt").out == "d/sub/c.bin\nd/a.txt\n"


def test_ls_long_is_tab_separated_for_programs(tree: Path, recordfs: Recordfs) -> None:
    lines = recordfs("ls", "-l", "d").out.splitlines()
    assert lines[1] == "6\t2023-11-14 22:13:20Z\ta.txt"
    assert lines[3] == "0\t-\tdangling"
    assert lines[4].startswith("-\t")


def test_ls_json_is_an_object_a_line(tree: Path, recordfs: Recordfs) -> None:
    rows = [json.loads(line) for line in recordfs("ls", "-R", "--json", "d").out.splitlines()]
    by_path = {row["path"]: row for row in rows}
    assert by_path["d/a.txt"] == {
        "path": "d/a.txt",
        "length": 6,
        "mtime_nsec": 1_700_000_000_000_000_000,
        "is_directory": False,
    }
    assert by_path["d/sub"]["is_directory"] is True
    assert by_path["d/sub/c.bin"]["length"] == 256


def test_patterns_match_and_one_without_a_match_is_an_error(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("ls", "d/*.txt").out == "d/a.txt\nd/b.txt\n"
    assert recordfs("ls", "e/f/*.gif").err == (
        "recordfs: e/f/*.gif: nothing matches this pattern; e/f/: No such file or directory\n"
    )
    assert recordfs("ls", "d/*.gif", "d/sub") == (
        1,
        "d/sub/c.bin\n",
        "recordfs: d/*.gif: nothing matches this pattern\n",
    )


def test_a_name_with_wildcards_that_exists_means_itself(tree: Path, recordfs: Recordfs) -> None:
    (tree / "d" / "[ab].txt").write_bytes(b"itself")
    assert recordfs("cat", "d/[ab].txt").out == "itself"


def test_stat(tree: Path, recordfs: Recordfs) -> None:
    ran = recordfs("stat", "d/a.txt", "d")
    assert ran.status == 0
    assert ran.out.splitlines()[:5] == [
        "path:     d/a.txt",
        "kind:     file",
        "size:     6 bytes",
        "modified: 2023-11-14 22:13:20Z",
        "path:     d",
    ]
    assert json.loads(recordfs("stat", "--json", "d/sub/c.bin").out)["length"] == 256


def test_stat_goes_on_after_what_is_missing(tree: Path, recordfs: Recordfs) -> None:
    ran = recordfs("stat", "--json", "missing", "d/a.txt")
    assert ran.status == 1
    missing, found = map(json.loads, ran.out.splitlines())
    assert (missing["path"], missing["error"], found["path"]) == ("missing", "NotFoundError", "d/a.txt")
    assert ran.err.startswith("recordfs: missing: ")
    assert ran.err.count("\n") == 1


def test_cat_joins_files_byte_for_byte(tree: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recordfs.cli", "cat", "d/sub/c.bin", "d/*.txt"], capture_output=True, check=True
    )
    assert done.stdout == bytes(range(256)) + b"alpha!bravo"


def test_cat_of_a_directory_is_an_error(tree: Path, recordfs: Recordfs) -> None:
    ran = recordfs("cat", "d")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("recordfs: d: ")


def test_cat_ends_quietly_when_its_reader_goes_away(tree: Path) -> None:
    (tree / "big").write_bytes(bytes(8 << 20))
    command = f"{sys.executable} -m recordfs.cli cat big | head -c 1 > taken; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("141\n", "")
    assert (tree / "taken").read_bytes() == b"\0"


def test_rm_deletes_files_but_directories_only_when_told(tree: Path, recordfs: Recordfs) -> None:
    ran = recordfs("rm", "d", "d/a.txt")
    assert ran.status == 1
    assert ran.err == "recordfs: d: this is a directory; -r deletes directories\n"
    assert not (tree / "d" / "a.txt").exists()
    assert recordfs("rm", "-r", "d") == (0, "", "")
    assert not (tree / "d").exists()


def test_rm_deletes_a_link_never_what_it_points_to(tree: Path, recordfs: Recordfs) -> None:
    (tree / "link").symlink_to("d")
    assert recordfs("rm", "-r", "link").status == 0
    assert not (tree / "link").is_symlink()
    assert (tree / "d" / "a.txt").exists()


def test_rm_of_what_is_missing_fails_unless_forced(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("rm", "missing").status == 1
    assert recordfs("rm", "miss*").status == 1
    assert recordfs("rm", "-f", "missing", "miss*") == (0, "", "")


def test_mkdir(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("mkdir", "new") == (0, "", "")
    assert recordfs("mkdir", "new").status == 1
    assert recordfs("mkdir", "x/y").status == 1
    assert recordfs("mkdir", "-p", "x/y", "x/y", "new") == (0, "", "")
    assert (tree / "x" / "y").is_dir()


def test_names_that_are_no_utf8_come_out_as_they_are_on_disk(tree: Path) -> None:
    (tree / os.fsdecode(b"odd\xff")).write_bytes(b"x")
    done = subprocess.run([sys.executable, "-m", "recordfs.cli", "ls"], capture_output=True, check=True)
    assert done.stdout == b"d/\nodd\xff\n"


def files_below(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_cp_to_a_new_name_and_into_a_directory(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("cp", "d/a.txt", "copy.txt") == (0, "", "")
    assert recordfs("cp", "d/a.txt", "d/b.txt", "into") == (0, "", "")
    assert recordfs("cp", "d/*.txt", "into/deep/er/") == (0, "", "")
    assert recordfs("cp", "d/a.txt", "d/sub") == (0, "", "")
    assert (tree / "copy.txt").read_bytes() == b"alpha!"
    assert files_below(tree / "into") == {
        "a.txt": b"alpha!",
        "b.txt": b"bravo",
        "deep/er/a.txt": b"alpha!",
        "deep/er/b.txt": b"bravo",
    }
    assert (tree / "d" / "sub" / "a.txt").read_bytes() == b"alpha!"


def test_cp_of_a_directory_only_when_told_and_to_another_filesystem(tree: Path, recordfs: Recordfs) -> None:
    (tree / "d" / "dangling").unlink()
    (tree / "d" / "empty").mkdir()
    assert recordfs("cp", "d", "e").err == "recordfs: d: this is a directory; -r copies directories\n"
    assert recordfs("cp", "-r", "d", "ram://cli-test/tree") == (0, "", "")
    assert recordfs("cp", "-r", "ram://cli-test/tree", "e") == (0, "", "")
    assert files_below(tree / "e") == files_below(tree / "d")
    assert (tree / "e" / "empty").is_dir()
    assert recordfs("cp", "-r", "d", "e").status == 0
    assert files_below(tree / "e" / "d") == files_below(tree / "d")
    assert recordfs("rm", "-r", "ram://cli-test").status == 0


def test_cp_goes_on_after_a_failure_and_says_which(tree: Path, recordfs: Recordfs) -> None:
    (tree / "d" / "dirlink").symlink_to("sub")
    ran = recordfs("cp", "-r", "d", "e")
    assert ran.status == 1
    assert [line.split(":")[1].strip() for line in ran.err.splitlines()] == ["d/dirlink", "d/dangling"]
    assert files_below(tree / "e").keys() == {".hidden", "a.txt", "b.txt", "sub/c.bin"}


def test_cp_can_refuse_to_overwrite(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("cp", "-n", "d/a.txt", "d/b.txt").status == 1
    assert (tree / "d" / "b.txt").read_bytes() == b"bravo"
    assert recordfs("cp", "d/a.txt", "d/b.txt").status == 0
    assert (tree / "d" / "b.txt").read_bytes() == b"alpha!"


def test_cp_of_a_directory_into_itself_is_wrong_usage(tree: Path, recordfs: Recordfs) -> None:
    ran = recordfs("cp", "-r", "d", "d/sub/again")
    assert ran.status == 2
    assert "cannot be copied into itself" in ran.err
    assert not (tree / "d" / "sub" / "again").exists()


def test_cp_of_a_file_onto_itself_keeps_it(tree: Path, recordfs: Recordfs) -> None:
    recordfs("cp", "d/a.txt", "d/a.txt")
    assert (tree / "d" / "a.txt").read_bytes() == b"alpha!"


def test_several_sources_need_a_directory(tree: Path, recordfs: Recordfs) -> None:
    ran = recordfs("cp", "d/a.txt", "d/sub/c.bin", "d/b.txt")
    assert ran.status == 1
    assert (tree / "d" / "b.txt").read_bytes() == b"bravo"


def test_mv_renames_and_moves_into_directories(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("mv", "d/a.txt", "d/z.txt") == (0, "", "")
    assert recordfs("mv", "d/z.txt", "d/b.txt", "d/sub") == (0, "", "")
    assert recordfs("mv", "d/sub", "moved") == (0, "", "")
    assert files_below(tree / "moved") == {"b.txt": b"bravo", "c.bin": bytes(range(256)), "z.txt": b"alpha!"}


def test_mv_to_another_filesystem_deletes_only_what_arrived(tree: Path, recordfs: Recordfs) -> None:
    ran = recordfs("mv", "d", "ram://cli-test/part")
    assert ran.status == 1
    assert ran.err.splitlines()[-1] == "recordfs: d: not deleted, because not all of it could be copied"
    (tree / "d" / "dangling").unlink()
    before = files_below(tree / "d")
    assert recordfs("mv", "d", "ram://cli-test/moved") == (0, "", "")
    assert not (tree / "d").exists()
    assert recordfs("mv", "ram://cli-test/moved", "back") == (0, "", "")
    assert files_below(tree / "back") == before
    assert recordfs("ls", "ram://cli-test").out == "part/\n"
    assert recordfs("rm", "-r", "ram://cli-test").status == 0


def test_mv_can_refuse_to_overwrite(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("mv", "-n", "d/a.txt", "d/b.txt").status == 1
    assert files_below(tree / "d")["b.txt"] == b"bravo"


def test_sources_of_the_same_name_do_not_replace_each_other(tree: Path, recordfs: Recordfs) -> None:
    (tree / "a.txt").write_bytes(b"another")
    for command in ("cp", "mv"):
        ran = recordfs(command, "d/a.txt", "a.txt", "into/")
        assert ran.status == 2
        assert "into/a.txt: two of the sources have the same name" in ran.err
    assert not (tree / "into").exists()


def test_mv_makes_missing_parents(tree: Path, recordfs: Recordfs) -> None:
    assert recordfs("mv", "d/a.txt", "new/deep/") == (0, "", "")
    assert recordfs("mv", "d/b.txt", "new/other/name") == (0, "", "")
    assert files_below(tree / "new") == {"deep/a.txt": b"alpha!", "other/name": b"bravo"}


@pytest.mark.parametrize("path", ["/", "//", "/..", "/.", "file:///", ".", "..", "d/..", "./"])
def test_rm_never_deletes_roots_or_where_one_stands(tree: Path, recordfs: Recordfs, path: str) -> None:
    ran = recordfs("rm", "-rf", path)
    assert ran.status == 2
    assert "never deleted" in ran.err
    assert (tree / "d" / "a.txt").exists()


@pytest.mark.parametrize("jobs", ["1", "4", "99999999999999999999"])
def test_many_files_are_copied_whatever_the_number_of_jobs(tree: Path, recordfs: Recordfs, jobs: str) -> None:
    many = tree / "many"
    many.mkdir()
    for number in range(50):
        (many / f"{number:02d}").write_bytes(b"%d" % number)
    (many / "25").unlink()
    (many / "25").symlink_to("nowhere")
    ran = recordfs("cp", "-r", "-j", jobs, "many", "ram://cli-test/many")
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("recordfs: many/25: ")
    assert len(recordfs("ls", "ram://cli-test/many").out.splitlines()) == 49
    assert recordfs("rm", "-r", "ram://cli-test").status == 0


class NoRename(WrapperFileSystem):
    """A store that cannot rename, in memory, and sees a file come or grow while another is read."""

    def __init__(self) -> None:
        super().__init__(MemoryFileSystem())

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        raise UnimplementedError("no renames here", path=source)

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        if path.endswith("trigger"):
            with self.inner.new_writable_file(path.replace("trigger", "late")):
                pass
        reader = super().new_random_access_file(path)
        if path.endswith("last"):
            with self.inner.new_appendable_file(path.replace("last", "grows")) as writer:
                writer.append(b" and more")
        return reader

    def new_pinned_random_access_file(self, path: str, known: FileStatistics) -> RandomAccessFile:
        return self.new_random_access_file(path)


@pytest.fixture
def norename() -> Iterator[NoRename]:
    store = NoRename()
    register_file_system("norename", store)
    yield store
    unregister_file_system("norename")


def test_mv_copies_and_deletes_where_a_store_cannot_rename(tree: Path, recordfs: Recordfs, norename: NoRename) -> None:
    recordfs("cp", "-r", "d/sub", "norename://norename-test/d")
    assert recordfs("mv", "norename://norename-test/d", "norename://norename-test/e") == (0, "", "")
    assert recordfs("ls", "-R", "norename://norename-test").out == "e/\ne/c.bin\n"


def test_mv_onto_itself_keeps_the_file_where_a_store_cannot_rename(
    tree: Path, recordfs: Recordfs, norename: NoRename
) -> None:
    recordfs("cp", "d/a.txt", "norename://norename-test/a.txt")
    assert recordfs("mv", "norename://norename-test/a.txt", "norename://norename-test/a.txt") == (0, "", "")
    assert recordfs("cat", "norename://norename-test/a.txt").out == "alpha!"


def test_mv_deletes_only_what_it_copied(tree: Path, recordfs: Recordfs, norename: NoRename) -> None:
    recordfs("cp", "d/a.txt", "norename://norename-test/d/trigger")
    ran = recordfs("mv", "-j1", "norename://norename-test/d", "moved")
    assert ran.status == 1
    assert ran.err.startswith("recordfs: norename://norename-test/d: ")
    assert files_below(tree / "moved") == {"trigger": b"alpha!"}
    assert recordfs("ls", "norename://norename-test/d").out == "late\n"


def test_mv_keeps_a_file_that_was_written_to_while_it_was_moved(
    tree: Path, recordfs: Recordfs, norename: NoRename
) -> None:
    for name in ("grows", "last", "quiet"):
        recordfs("cp", "d/a.txt", f"norename://norename-grows/d/{name}")
    ran = recordfs("mv", "-j1", "norename://norename-grows/d", "moved")  # copies "grows", and then "last"
    assert ran.status == 1
    assert ran.err.startswith("recordfs: norename://norename-grows/d/grows: not deleted, because it was written to")
    assert recordfs("ls", "norename://norename-grows/d").out == "grows\n"
    assert recordfs("cat", "norename://norename-grows/d/grows").out == "alpha! and more"
    assert recordfs("ls", "moved").out == "grows\nlast\nquiet\n"
    recordfs("rm", "-r", "norename://norename-grows")


@pytest.fixture
def keys() -> Iterator[dict[str, bytes]]:
    """The values of the store behind ``keys://``, which takes any text for a name."""
    values: dict[str, bytes] = {}
    register_file_system("keys", KeysInMemory(values))
    yield values
    unregister_file_system("keys")


def test_cp_of_keys_that_no_disk_can_hold_copies_the_rest_and_names_each(
    tree: Path, recordfs: Recordfs, keys: dict[str, bytes]
) -> None:
    keys.update({"tr/0": b"0", "tr/../d/a.txt": b"no", "tr//x": b"no", "tr/a": b"a", "tr/a/b": b"no", "tr/z/y": b"y"})
    ran = recordfs("cp", "-r", "keys://tr", "copy")
    assert ran.status == 1
    for path in ("keys://tr/..: ", "keys://tr//: ", "keys://tr/a/: "):
        assert path in ran.err
    assert {str(p.relative_to("copy")) for p in Path("copy").rglob("*") if p.is_file()} == {"0", "a", "z/y"}
    assert (tree / "d/a.txt").read_bytes() == b"alpha!"


def test_cp_of_what_a_pattern_finds_never_leaves_the_target(
    tree: Path, recordfs: Recordfs, keys: dict[str, bytes]
) -> None:
    keys.update({"tr/..": b"no", "tr/b": b"b"})
    (tree / "target").mkdir()
    ran = recordfs("cp", "keys://tr/*", "target")
    assert ran.status != 0
    assert "keys://tr/..: " in ran.err
    assert not any(path.read_bytes() == b"no" for path in tree.rglob("*") if path.is_file())


def test_mv_deletes_nothing_of_a_tree_that_could_not_be_copied_whole(
    tree: Path, recordfs: Recordfs, keys: dict[str, bytes]
) -> None:
    keys.update({"tr/0": b"0", "tr/../x": b"x"})
    assert recordfs("mv", "keys://tr", "moved").status == 1
    assert keys == {"tr/0": b"0", "tr/../x": b"x"}


def test_ls_recursive_shows_every_key(recordfs: Recordfs, keys: dict[str, bytes]) -> None:
    keys.update(dict.fromkeys(["tr/a", "tr/a/b", "tr//x", "tr/../y"], b"1"))
    rows = [json.loads(line) for line in recordfs("ls", "-R", "--json", "keys://tr").out.splitlines()]
    assert [row["path"] for row in rows if not row["is_directory"]] == [
        "keys://tr//x",
        "keys://tr/../y",
        "keys://tr/a",
        "keys://tr/a/b",
    ]


def test_pack_of_keys_that_could_not_be_unpacked_says_so(recordfs: Recordfs, keys: dict[str, bytes]) -> None:
    keys.update({"tr/0": b"0", "tr/../x": b"x"})
    ran = recordfs("pack", "keys://tr", "keys://out")
    assert ran.status != 0
    assert "keys://tr/..: " in ran.err
    assert "out" not in keys


def test_a_tree_of_any_depth_is_listed_copied_and_packed(tmp_path: Path, recordfs: Recordfs) -> None:
    deep = "ram://unit-cli-deep/" + "d/" * 1500
    make_file(deep + "f")
    try:
        assert recordfs("ls", "-R", "ram://unit-cli-deep").out.splitlines()[-1].endswith("d/f")
        assert recordfs("cp", "-r", "ram://unit-cli-deep", "ram://unit-cli-deep-copy").status == 0
        assert recordfs("pack", "ram://unit-cli-deep", f"{tmp_path}/packed").status == 0
    finally:
        recordfs("rm", "-r", "-f", "ram://unit-cli-deep", "ram://unit-cli-deep-copy")


def make_file(path: str) -> None:
    with MemoryFileSystem().new_writable_file(path) as file:
        file.append(b"data")


def test_doctor_names_what_a_writer_has_not_published(tmp_path: Path, recordfs: Recordfs) -> None:
    assert "unpublished:  ok, no writer has left anything\n" in recordfs("doctor", str(tmp_path)).out
    (tmp_path / ".recordfs-tmp-0123456789abcdef").write_bytes(b"12345")
    lines = recordfs("doctor", str(tmp_path)).out.splitlines()
    (line,) = [line for line in lines if line.startswith("unpublished:")]
    assert f"1 file of writers that live, or died before they published: {tmp_path}/.recordfs-tmp-0123" in line
    assert "(5 B, written " in line


def test_what_is_missing_is_a_json_line_too(tree: Path, recordfs: Recordfs) -> None:
    for command in ("stat", "count", "verify", "index", "ls"):
        ran = recordfs(command, "--json", "missing", "d/*.nothing")
        assert ran.status == 1
        rows = [json.loads(line) for line in ran.out.splitlines()]
        assert {(row["path"], row["error"]) for row in rows} == {
            ("missing", "NotFoundError"),
            ("d/*.nothing", "NotFoundError"),
        }, command
        assert len(ran.err.splitlines()) == 2, command
