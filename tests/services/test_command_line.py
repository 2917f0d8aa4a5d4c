"""The command line on an object store: the same commands, with the store's options on the command line."""

import json
import os
import subprocess
import sys

import pytest

from recordfs import RecordWriter
from recordfs.errors import NotFoundError
from support.servers import SECRET_KEY

pytestmark = pytest.mark.service


@pytest.fixture
def recordfs(object_place, tmp_path):
    """Run ``recordfs`` in a process and a directory of its own, with credentials in the environment."""
    environment = os.environ | object_place.environment

    def run(*words, status=0, shown=None):
        command = [
            sys.executable,
            "-m",
            "recordfs.cli",
            *words,
            "-o",
            f"endpoint_url={object_place.options['endpoint_url']}",
        ]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        if shown is not None:
            return getattr(done, shown)
        return done.stderr if status or "--stats" in words else done.stdout

    return run


@pytest.fixture
def root(object_place):
    return object_place.root


def test_files_go_there_and_come_back(recordfs, root, tmp_path):
    tree = {"a.txt": b"alpha", "sub/b.bin": bytes(range(256)) * 100, "sub/deep/c": b""}
    for name, content in tree.items():
        path = tmp_path / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    recordfs("cp", "-r", "d", f"{root}/d")
    assert recordfs("ls", "-R", f"{root}/d").splitlines() == ["a.txt", "sub/", "sub/b.bin", "sub/deep/", "sub/deep/c"]
    assert recordfs("cat", f"{root}/d/a.txt") == "alpha"
    assert json.loads(recordfs("stat", "--json", f"{root}/d/sub/b.bin"))["length"] == 25600
    recordfs("mv", f"{root}/d/sub", f"{root}/moved")
    recordfs("cp", "-r", f"{root}/moved", "back")
    assert (tmp_path / "back" / "b.bin").read_bytes() == tree["sub/b.bin"]
    assert (tmp_path / "back" / "deep" / "c").read_bytes() == b""
    recordfs("rm", "-r", f"{root}/d", f"{root}/moved")
    assert "d: " in recordfs("ls", f"{root}/d", status=1)


def test_records_are_packed_checked_and_restored_there(recordfs, root, tmp_path):
    (tmp_path / "d").mkdir()
    for number in range(20):
        (tmp_path / "d" / f"{number:02d}").write_bytes(b"%d" % number * 5000)
    recordfs("pack", "-q", "d", f"{root}/packed.tfrecord", "--shards", "3")
    assert recordfs("count", f"{root}/packed-*").splitlines()[-1] == "20\ttotal"
    assert "3 files: all ok, 20 records" in recordfs("verify", f"{root}/packed-*")
    assert recordfs("index", f"{root}/packed-00000-of-00003.tfrecord").endswith(" records\n")
    assert recordfs("head", "-n", "1", f"{root}/packed-00000-of-00003.tfrecord").startswith("0\t0\t")
    recordfs("unpack", "-q", f"{root}/packed-*.tfrecord", f"{root}/back")
    recordfs("cp", "-r", f"{root}/back", "back")
    for number in range(20):
        assert (tmp_path / "back" / f"{number:02d}").read_bytes() == b"%d" % number * 5000


def test_what_is_broken_there_is_found(recordfs, root, object_place, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"x" * 100)
    recordfs("pack", "-q", "d", f"{root}/torn.tfrecord")
    path = f"{root}/torn.tfrecord"
    object_place.put(path, object_place.get(path)[:-10])
    recordfs("verify", f"{root}/torn.tfrecord", status=1)
    assert "truncated record" in recordfs("count", f"{root}/torn.tfrecord", status=1)


def test_what_is_written_there_is_followed(recordfs, object_place, root):
    with RecordWriter(f"{root}/live", file_system=object_place.file_system) as writer:
        writer.write_batch([b"one", b"two"])
        writer.flush()
        shown = recordfs("follow", "--timeout", "0.2", f"{root}/live").splitlines()
    assert [line.split("\t")[-1] for line in shown] == ["one", "two"]
    assert f"{root}/missing" in recordfs("follow", f"{root}/missing", status=1)


def test_an_unknown_option_is_named_and_no_secret_is_printed(recordfs, root):
    message = recordfs("ls", root, "-o", "no_such_option=1", status=2)
    assert "no_such_option" in message
    assert SECRET_KEY not in message


def test_stats_tell_what_was_asked_of_the_store(recordfs, root, tmp_path):
    (tmp_path / "x").write_bytes(bytes(100_000))
    lines = recordfs("cp", "x", f"{root}/x", "--stats").splitlines()
    rows = [line.split("\t") for line in lines]
    scheme = root.partition("://")[0]
    assert {row[0] for row in rows} == {f"{scheme}://"}
    assert all(int(row[2]) >= 1 for row in rows)
    assert sum(int(row[3]) for row in rows) >= 100_000
    missing = recordfs("cat", f"{root}/missing", "--stats", status=1).splitlines()
    assert missing[0].startswith("recordfs: ")
    assert missing[1].startswith(f"{scheme}://\t")


def test_doctor_takes_a_place_where_nothing_is_yet(recordfs, root):
    assert "stat:         ok, nothing there yet" in recordfs("doctor", f"{root}/new").splitlines()
    lines = recordfs("doctor", "--write", f"{root}/new").splitlines()
    assert {"appending:    ok", "cleaning up:  ok, nothing is left"} <= set(lines)
    recordfs("ls", f"{root}/new", status=1)


@pytest.mark.parametrize("below", ["", "/logs/new", "/logs/"])
def test_a_bucket_that_is_missing_is_named_as_such(recordfs, root, below):
    missing = f"{root.partition('://')[0]}://recordfs-no-such{below}"
    for command in (["ls"], ["ls", "-R"], ["stat"]):
        assert f"{missing}: there is no bucket recordfs-no-such" in recordfs(*command, missing, status=1)
    assert "stat:         FAILED" in recordfs("doctor", missing, status=1, shown="stdout")
    assert "there is no bucket recordfs-no-such" in recordfs("count", f"{missing}/*.tfrecord", status=1)


def test_an_object_that_is_missing_is_named_as_such(recordfs, root):
    for command in ("cat", "count", "stat", "rm"):
        said = recordfs(command, f"{root}/missing", status=1)
        assert f"{root}/missing: no object has this name, and none lies below it" in said


def test_writing_to_a_bucket_that_is_missing_fails_when_it_is_opened(object_place):
    path = f"{object_place.root.partition('://')[0]}://recordfs-no-such/logs/f"
    for open_file in (object_place.file_system.new_writable_file, object_place.file_system.new_appendable_file):
        with pytest.raises(NotFoundError, match="there is no bucket recordfs-no-such") as caught:
            open_file(path)
        assert caught.value.path == path


def test_a_bucket_is_emptied_only_by_an_option_that_is_true(recordfs, root):
    bucket = f"{root.partition('://')[0]}://recordfs-no-such"
    assert "-o allow_bucket_root=true" in recordfs("rm", "-r", bucket, status=1)
    for value, said in [("True", "there is no bucket"), ("False", "everything in the bucket")]:
        assert said in recordfs("rm", "-r", bucket, "-o", f"allow_bucket_root={value}", status=1)
    assert "takes bool (true or false)" in recordfs("rm", "-r", bucket, "-o", "allow_bucket_root=no", status=2)


def test_doctor_tells_how_the_store_is_reached_and_leaves_nothing(recordfs, root, object_place):
    object_place.put(f"{root}/f", b"content")
    lines = recordfs("doctor", "--write", root).splitlines()
    assert any(line.startswith("endpoint:") and object_place.options["endpoint_url"] in line for line in lines)
    assert any(line.startswith("credentials:") for line in lines)
    assert SECRET_KEY not in "\n".join(lines)
    assert "reading:      ok" in "\n".join(lines)
    assert "cleaning up:  ok, nothing is left" in lines
    assert "f" in recordfs("ls", root).splitlines()
