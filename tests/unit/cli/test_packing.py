"""Folders packed into record files and restored."""

import json
import os
from pathlib import Path

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.cli.file_records import FoundFile, assign_shards, check_unpacked_name, shard_names, shard_pattern
from recordfs.errors import InvalidArgumentError
from recordfs.example import decode_example, encode_example
from support.command_line import Recordfs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder ``d`` with text, bytes, an empty file, odd names and a directory; the current directory is above it."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "d"
    (directory / "sub" / "deep").mkdir(parents=True)
    (directory / "a.txt").write_bytes(b"alpha")
    (directory / "empty").write_bytes(b"")
    (directory / "sub" / "deep" / "b.bin").write_bytes(bytes(range(256)) * 300)
    (directory / "sub" / "grün [1].txt").write_bytes(b"odd")
    (directory / os.fsdecode(b"not-utf8-\xff")).write_bytes(b"name")
    return tmp_path


def files_below(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def file_record(name: str, content: bytes = b"content") -> bytes:
    return encode_example({"path": name.encode(), "content": content})


def write_records(path: str, *records: bytes) -> None:
    with RecordWriter(path) as writer:
        writer.write_batch(list(records))


@pytest.mark.parametrize("extra", [[], ["--compression", "GZIP"], ["--compression", "ZLIB"], ["--index"]])
def test_what_is_packed_comes_back(folder: Path, recordfs: Recordfs, extra: list[str]) -> None:
    assert recordfs("pack", "-q", "d", "d.tfrecord", *extra) == (0, "", "")
    assert recordfs("unpack", "-q", "d.tfrecord", "back") == (0, "", "")
    assert files_below(folder / "back") == files_below(folder / "d")


def test_a_link_to_a_directory_is_named_and_fails_unless_it_is_excluded(folder: Path, recordfs: Recordfs) -> None:
    (folder / "d" / "sub" / "link").symlink_to(folder / "d" / "sub" / "deep")
    ran = recordfs("pack", "-q", "d", "d.tfrecord")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("recordfs: d/sub/link: not packed: this is a link to a directory")
    assert recordfs("count", "d.tfrecord").out == "5\n"  # the rest is packed
    assert recordfs("pack", "-q", "d", "again.tfrecord", "--exclude", "link") == (0, "", "")


def test_a_packed_file_is_an_example_that_anyone_can_read(folder: Path, recordfs: Recordfs) -> None:
    recordfs("pack", "d", "d.tfrecord")
    examples = [decode_example(record) for record in RecordReader("d.tfrecord")]
    assert examples[0] == {"content": [b"alpha"], "path": [b"a.txt"]}
    assert [example["path"] for example in examples] == [
        [b"a.txt"],
        [b"empty"],
        [b"not-utf8-\xff"],
        [b"sub/deep/b.bin"],
        ["sub/grün [1].txt".encode()],
    ]


def test_shards_hold_everything_once_in_order(folder: Path, recordfs: Recordfs) -> None:
    ran = recordfs("pack", "d", "out/d.tfrecord", "--shards", "3", "--json")
    summary = json.loads(ran.out)
    names = [f"out/d-0000{index}-of-00003.tfrecord" for index in range(3)]
    assert ran.status == 0
    assert summary["record_files"] == names
    assert summary["files"] == 5
    assert summary["bytes"] == sum(map(len, files_below(folder / "d").values()))
    assert sorted(os.listdir("out")) == [os.path.basename(name) for name in names]
    assert recordfs("unpack", "out/d-*", "back").status == 0
    assert files_below(folder / "back") == files_below(folder / "d")


def test_shards_are_about_equal_and_keep_the_order() -> None:
    files = [FoundFile(f"/x/{index}", str(index), 10) for index in range(100)]
    shards = assign_shards(files, 4)
    assert [len(shard) for shard in shards] == [25, 25, 25, 25]
    assert [file for shard in shards for file in shard] == files
    assert [len(shard) for shard in assign_shards(files[:2], 4)] == [1, 0, 1, 0]
    empty = [FoundFile("/x", "x", 0)] * 8
    assert [len(shard) for shard in assign_shards(empty, 4)] == [2, 2, 2, 2]


def test_shards_are_numbered_before_the_extension() -> None:
    assert shard_names("s3://b/v1.2/x.tfrecord", 1) == ["s3://b/v1.2/x.tfrecord"]
    assert shard_names("s3://b/v1.2/x.tfrecord", 2)[1] == "s3://b/v1.2/x-00001-of-00002.tfrecord"
    assert shard_names("s3://b/v1.2/x", 2)[0] == "s3://b/v1.2/x-00000-of-00002"
    assert shard_names("/d/.hidden", 2)[0] == "/d/.hidden-00000-of-00002"
    assert shard_pattern("a[1].rec") == r"a\[1\]-[0-9]*-of-[0-9]*.rec"


def test_packing_again_needs_permission_and_never_mixes_two_sets(folder: Path, recordfs: Recordfs) -> None:
    assert recordfs("pack", "d", "d.tfrecord", "--shards", "2").status == 0
    before = files_below(folder)
    ran = recordfs("pack", "d", "d.tfrecord", "--shards", "2")
    assert ran.status == 1
    assert "--overwrite replaces it" in ran.err
    ran = recordfs("pack", "d", "d.tfrecord", "--shards", "3", "--overwrite")
    assert ran.status == 1
    assert "another number of shards" in ran.err
    assert files_below(folder) == before
    assert recordfs("pack", "d", "d.tfrecord", "--shards", "2", "--overwrite").status == 0


def test_a_folder_can_be_packed_into_itself_again_and_again(folder: Path, recordfs: Recordfs) -> None:
    for _ in range(2):
        summary = json.loads(recordfs("pack", "d", "d/all.tfrecord", "--overwrite", "--json").out)
        assert summary["files"] == 5


def test_names_can_be_left_out_at_any_depth(folder: Path, recordfs: Recordfs) -> None:
    recordfs("pack", "d", "d.tfrecord", "--exclude", "*.txt", "--exclude", "deep")
    assert [decode_example(record)["path"] for record in RecordReader("d.tfrecord")] == [[b"empty"], [b"not-utf8-\xff"]]


def test_an_empty_folder_and_a_missing_one_are_errors(folder: Path, recordfs: Recordfs) -> None:
    (folder / "nothing").mkdir()
    assert recordfs("pack", "nothing", "n.tfrecord").status == 1
    assert recordfs("pack", "missing", "n.tfrecord").status == 1
    assert not (folder / "n.tfrecord").exists()


def test_a_failed_packing_leaves_no_record_file(folder: Path, recordfs: Recordfs) -> None:
    (folder / "d" / "z-dangling").symlink_to("nowhere")
    assert recordfs("pack", "d", "d.tfrecord").status == 1
    assert not (folder / "d.tfrecord").exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "a/../../evil", "", ".", "a//b", "a/./b", "a/", "s3://bucket/evil", "a\0b"]
)
def test_a_name_that_leads_out_is_refused(folder: Path, recordfs: Recordfs, name: str) -> None:
    with pytest.raises(InvalidArgumentError):
        check_unpacked_name(name)
    write_records("evil.tfrecord", file_record("good"), file_record(name))
    before = files_below(folder)
    ran = recordfs("unpack", "evil.tfrecord", "target")
    assert ran.status == 1
    assert ran.err.startswith("recordfs: evil.tfrecord: ")
    assert "is refused" in ran.err
    assert ran.err.endswith("(record 1)\n")
    assert files_below(folder) == before | {"target/good": b"content"}


def test_links_in_the_target_lead_nowhere(folder: Path, recordfs: Recordfs) -> None:
    (folder / "target").mkdir()
    (folder / "target" / "out").symlink_to(folder)
    (folder / "target" / "file").symlink_to(folder / "elsewhere")
    for name in ("out/evil", "out/new/evil", "file"):
        write_records("evil.tfrecord", file_record(name))
        ran = recordfs("unpack", "--overwrite", "evil.tfrecord", "target")
        assert ran.status != 0
        assert "it is refused" in ran.err
    assert not {"evil", "new", "elsewhere"} & set(os.listdir(folder))


def test_a_record_that_is_no_file_is_an_error_that_says_so(folder: Path, recordfs: Recordfs) -> None:
    for record in (b"just text", encode_example({"path": b"x", "label": b"y"}), encode_example({})):
        write_records("other.tfrecord", record)
        ran = recordfs("unpack", "other.tfrecord", "target")
        assert ran.status == 1
        assert "this record holds no packed file" in ran.err
        assert ran.err.count("\n") == 1
        (line,) = recordfs("unpack", "--json", "other.tfrecord", "target").out.splitlines()
        told = json.loads(line)
        assert told["path"] == "other.tfrecord"
        assert "holds no packed file" in told["message"]
        assert told["message"].endswith("(record 0)")


def test_unpacking_replaces_files_only_when_told(folder: Path, recordfs: Recordfs) -> None:
    recordfs("pack", "d", "d.tfrecord")
    (folder / "back").mkdir()
    (folder / "back" / "a.txt").write_bytes(b"mine")
    assert recordfs("unpack", "d.tfrecord", "back").status == 1
    assert (folder / "back" / "a.txt").read_bytes() == b"mine"
    assert recordfs("unpack", "--overwrite", "d.tfrecord", "back").status == 0
    assert (folder / "back" / "a.txt").read_bytes() == b"alpha"


@pytest.mark.parametrize("extra", [[], ["--overwrite"]])
def test_two_files_of_one_name_do_not_replace_each_other(folder: Path, recordfs: Recordfs, extra: list[str]) -> None:
    write_records("1.tfrecord", file_record("x", b"first"), file_record("y"))
    write_records("2.tfrecord", file_record("x", b"second"))
    ran = recordfs("unpack", *extra, "?.tfrecord", "back")
    assert (ran.status, "back/x: two records hold a file of this name" in ran.err) == (1, True)
    assert (folder / "back" / "x").read_bytes() == b"first"


def test_packing_and_unpacking_on_another_filesystem(folder: Path, recordfs: Recordfs) -> None:
    assert recordfs("pack", "d", "ram://pack-test/d.tfrecord", "--shards", "2").status == 0
    assert recordfs("unpack", "ram://pack-test/d-*", "ram://pack-test/back").status == 0
    assert recordfs("cp", "-r", "ram://pack-test/back", "back").status == 0
    assert files_below(folder / "back") == files_below(folder / "d")
    assert recordfs("rm", "-r", "ram://pack-test").status == 0
