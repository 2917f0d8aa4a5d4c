"""recordfs seen from fsspec: what its users do, beyond fsspec's own suite."""

import multiprocessing
import os
import pickle
import tarfile
import zipfile
from importlib.metadata import entry_points

import fsspec
import pytest

import recordfs
from recordfs.errors import ClosedFileError, InvalidArgumentError, PermissionDeniedError, UnimplementedError
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.interop.fsspec import RecordFSFileSystem, RecordFSRamFileSystem, RecordFSSchemeFileSystem
from recordfs.registry import canonical_scheme, registration_of
from support.key_stores import KeysInMemory


@pytest.fixture
def ram():
    """`ram://fsspec-test`, empty."""
    file_system = recordfs.get_file_system("ram://")
    file_system.recursively_create_dir("ram://fsspec-test/dir")
    yield file_system
    file_system.delete_recursively("ram://fsspec-test")


def test_fsspec_finds_recordfs_by_its_entry_points(ram):
    with fsspec.open("recordfs://ram://fsspec-test/dir/a", "wb") as file:
        file.write(b"one")
    with fsspec.open("recordfs+ram://fsspec-test/dir/a") as file:
        assert file.read() == b"one"
    assert isinstance(fsspec.filesystem("recordfs"), RecordFSFileSystem)
    assert isinstance(fsspec.filesystem("recordfs+ram"), RecordFSRamFileSystem)


def test_every_scheme_that_comes_with_recordfs_has_a_protocol():
    # Not the local filesystem, which `recordfs://` serves without a second `://`, nor packages, which have no tree, nor
    # other spellings of a scheme.
    schemes = {
        scheme
        for scheme in recordfs.get_registered_schemes()
        if registration_of(scheme)[1] == "built in"
        and scheme not in ("", "file", "memmapped_package")
        and canonical_scheme(f"{scheme}://") == scheme
    }
    for scheme in schemes:
        cls = fsspec.get_filesystem_class(f"recordfs+{scheme}")
        assert (cls.protocol, cls.scheme) == (f"recordfs+{scheme}", scheme)
    paths = {
        point.name for point in entry_points(group="universal_pathlib.implementations", module="recordfs.interop.upath")
    }
    assert paths == {f"recordfs+{scheme}" for scheme in schemes}


def test_every_scheme_is_reached_also_ones_own_and_fsspecs(ram, tmp_path):
    recordfs.register_file_system("foobar", FsspecFileSystem("local"))
    try:
        recordfs.unregister_file_system("foobar")
        recordfs.register_file_system("foobar", type(ram)())
        with fsspec.open("recordfs://foobar://x/f", "wb") as file:
            file.write(b"mine")
        assert fsspec.open("recordfs://foobar://x/f").fs.cat("foobar://x/f") == b"mine"
    finally:
        recordfs.unregister_file_system("foobar")
    (tmp_path / "f").write_bytes(b"local")
    for url in (f"recordfs://{tmp_path}/f", f"recordfs://file://{tmp_path}/f", f"recordfs://local://{tmp_path}/f"):
        with fsspec.open(url) as file:
            assert file.read() == b"local"


def test_the_bridges_do_not_lead_into_each_other():
    for wrapped in (fsspec.filesystem("recordfs"), fsspec.filesystem("recordfs+ram")):
        with pytest.raises(InvalidArgumentError, match="use recordfs itself"):
            FsspecFileSystem(wrapped)
    for url in ("recordfs://recordfs://x", "recordfs://recordfs+ram://x"):
        with pytest.raises(InvalidArgumentError, match="is for fsspec; here write"):
            fsspec.filesystem("recordfs").info(url)


class TakenFileSystem(RecordFSSchemeFileSystem):
    protocol, scheme = "taken", "taken"


def test_a_scheme_that_fsspec_gets_from_recordfs_does_not_come_back():
    fsspec.register_implementation("taken", TakenFileSystem)
    with pytest.raises(recordfs.errors.UnknownSchemeError):
        recordfs.get_file_system("taken://x")


@pytest.mark.parametrize(
    ("path", "stripped", "parent"),
    [
        ("recordfs://ram://a/b/c", "ram://a/b/c", "ram://a/b"),
        ("recordfs://ram://a/b/", "ram://a/b", "ram://a"),
        ("recordfs://ram://a", "ram://a", "ram://"),
        ("recordfs://ram://", "ram://", "ram://"),
        ("recordfs:///a/b", "/a/b", "/a"),
        ("recordfs:///", "/", "/"),
        ("ram://a/b", "ram://a/b", "ram://a"),
    ],
)
def test_a_path_loses_the_protocol_and_finds_its_parent(path, stripped, parent):
    assert RecordFSFileSystem._strip_protocol(path) == stripped
    assert RecordFSFileSystem._parent(path) == parent
    assert fsspec.filesystem("recordfs").unstrip_protocol(stripped) == f"recordfs://{stripped}"


def test_paths_of_a_protocol_for_one_scheme():
    assert RecordFSRamFileSystem._strip_protocol("recordfs+ram://a/b/") == "a/b"
    assert RecordFSRamFileSystem._strip_protocol("ram://a/b") == "a/b"
    assert RecordFSRamFileSystem._parent("a/b") == "a"
    assert RecordFSRamFileSystem._parent("a") == ""


def test_listing_walking_and_patterns(ram):
    fs = fsspec.filesystem("recordfs", auto_mkdir=True)
    for name in ("dir/a.txt", "dir/sub/b.txt", "c.txt"):
        fs.pipe(f"ram://fsspec-test/{name}", name.encode())
    assert fs.find("ram://fsspec-test") == [f"ram://fsspec-test/{n}" for n in ("c.txt", "dir/a.txt", "dir/sub/b.txt")]
    assert fs.glob("ram://fsspec-test/**/*.txt") == fs.find("ram://fsspec-test")
    assert fs.glob("recordfs://ram://fsspec-test/d*/*.txt") == ["ram://fsspec-test/dir/a.txt"]
    assert sorted(fs.ls("ram://fsspec-test", detail=False)) == ["ram://fsspec-test/c.txt", "ram://fsspec-test/dir"]
    assert [(top, sorted(directories), sorted(files)) for top, directories, files in fs.walk("ram://fsspec-test")] == [
        ("ram://fsspec-test", ["dir"], ["c.txt"]),
        ("ram://fsspec-test/dir", ["sub"], ["a.txt"]),
        ("ram://fsspec-test/dir/sub", [], ["b.txt"]),
    ]
    info = fs.info("ram://fsspec-test/c.txt")
    assert (info["name"], info["size"], info["type"]) == ("ram://fsspec-test/c.txt", 5, "file")
    assert fs.ls("ram://fsspec-test/c.txt") == [info]
    assert fs.du("ram://fsspec-test") == sum(map(len, ("dir/a.txt", "dir/sub/b.txt", "c.txt")))
    fs.rm("ram://fsspec-test/dir/*.txt")
    assert fs.find("ram://fsspec-test/dir") == ["ram://fsspec-test/dir/sub/b.txt"]
    with pytest.raises(ValueError, match="recursive=True"):
        fs.rm("ram://fsspec-test/dir")
    fs.rm("ram://fsspec-test/dir", recursive=True)
    assert not fs.exists("ram://fsspec-test/dir")


def test_names_that_look_like_patterns_are_names_where_they_exist(ram):
    fs = fsspec.filesystem("recordfs")
    for name in ("[a]", "a"):
        fs.pipe(f"ram://fsspec-test/{name}", b"x")
    fs.rm("ram://fsspec-test/[a]")
    assert sorted(fs.ls("ram://fsspec-test/", detail=False)) == ["ram://fsspec-test/a", "ram://fsspec-test/dir"]
    fs.mv("ram://fsspec-test/a", "ram://fsspec-test/[a]")
    assert fs.cat_file("ram://fsspec-test/[a]") == b"x"


def test_copies_and_moves_cross_stores(ram, tmp_path):
    fs = fsspec.filesystem("recordfs", auto_mkdir=True)
    fs.pipe("ram://fsspec-test/dir/a", b"data")
    fs.copy("ram://fsspec-test/dir/a", f"{tmp_path}/new/b")
    fs.mv(f"{tmp_path}/new/b", "ram://fsspec-test/c")
    assert fs.cat("ram://fsspec-test/c") == b"data"
    assert os.listdir(tmp_path / "new") == []


def test_a_range_of_a_file_is_that_of_its_bytes(ram):
    fs = fsspec.filesystem("recordfs")
    data = bytes(range(200))
    fs.pipe({"ram://fsspec-test/a": data, "ram://fsspec-test/b": data[::-1]})
    for start, end in ((None, None), (5, 9), (-7, None), (None, -190), (150, 900), (9, 5), (300, 400)):
        assert fs.cat_file("ram://fsspec-test/a", start, end) == data[start:end]
    a, b, missing = (f"ram://fsspec-test/{name}" for name in ("a", "b", "missing"))
    found = fs.cat_ranges([a, b, a, missing], [0, 1, 5, 0], [3, 3, 9, 1])
    assert found[:3] == [data[:3], data[::-1][1:3], data[5:9]]
    assert isinstance(found[3], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges([missing], 0, 1, on_error="raise")
    with fs.open(a) as file:
        file.seek(-3, 2)
        assert (file.tell(), file.read(), file.size) == (197, data[-3:], 200)


def test_text_compression_and_archives(ram):
    with fsspec.open("recordfs://ram://fsspec-test/t", "w", encoding="utf-8") as file:
        file.write("größe\n")
    with fsspec.open("recordfs://ram://fsspec-test/t", encoding="utf-8", mode="r") as file:
        assert file.readlines() == ["größe\n"]
    with fsspec.open("recordfs://ram://fsspec-test/t.gz", "wb", compression="infer") as file:
        file.write(b"packed" * 100)
    with fsspec.open("recordfs://ram://fsspec-test/t.gz", compression="infer") as file:
        assert file.read() == b"packed" * 100
    with (
        fsspec.open("recordfs://ram://fsspec-test/z.zip", "wb") as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        archive.writestr("inner", b"zipped")
    with fsspec.open("zip://inner::recordfs://ram://fsspec-test/z.zip") as file:
        assert file.read() == b"zipped"
    with fsspec.open("recordfs://ram://fsspec-test/t.tar", "wb") as file, tarfile.open(fileobj=file, mode="w|") as tar:
        tar.addfile(tarfile.TarInfo("empty"))


def test_flush_shows_what_was_written_and_modes_are_told_apart(ram):
    fs = fsspec.filesystem("recordfs")
    path = "ram://fsspec-test/log"
    with fs.open(path, "wb") as file:
        assert file.write(memoryview(b"one")) == 3
        file.flush()
        assert fs.cat(path) == b"one"
    file.close()
    for call in (lambda: file.write(b"x"), file.tell):
        with pytest.raises(ClosedFileError):
            call()
    with fs.open(path, "ab") as file:
        assert file.tell() == 3
        file.write(b"two")
    assert fs.cat(path) == b"onetwo"
    with pytest.raises(FileExistsError):
        fs.open(path, "xb")
    with pytest.raises(NotImplementedError, match="'r\\+b'"):
        fs.open(path, "r+b")


def test_a_transaction_publishes_all_or_nothing(tmp_path):
    fs = RecordFSFileSystem(skip_instance_cache=True)
    with fs.transaction:
        for name in ("a", "b"):
            with fs.open(f"{tmp_path}/{name}", "wb") as file:
                file.write(b"x")
        assert not fs.exists(f"{tmp_path}/a")
    assert sorted(fs.ls(str(tmp_path), detail=False)) == [f"{tmp_path}/a", f"{tmp_path}/b"]
    with pytest.raises(KeyError), fs.transaction:  # noqa: PT012 (leaving it by an exception is what is tested)
        with fs.open(f"{tmp_path}/c", "wb") as file:
            file.write(b"x")
        raise KeyError
    assert not os.path.exists(tmp_path / "c")
    assert len(os.listdir(tmp_path)) == 2


def test_a_file_that_could_not_be_published_says_so(ram, monkeypatch):
    fs = fsspec.filesystem("recordfs")
    file = fs.open("ram://fsspec-test/f", "wb")
    file.write(b"x")

    def fail():
        raise recordfs.errors.UnavailableError("no network", path="ram://fsspec-test/f")

    close = file._file.close
    monkeypatch.setattr(type(file._file), "close", lambda self: fail())
    with pytest.raises(ConnectionError, match="no network"):
        file.close()
    monkeypatch.undo()
    assert not file.closed
    file.close()
    close()
    assert fs.cat("ram://fsspec-test/f") == b"x"


def test_options_reach_the_filesystem(tmp_path):
    archive = str(tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("hello.txt", "hello")
    with fsspec.open("recordfs://zip://hello.txt", fo=archive) as file:
        assert file.read() == b"hello"
    with pytest.raises(ValueError, match="colour"):
        fsspec.filesystem("recordfs", colour="red").info("/tmp")


def test_instances_are_pickled_and_work_in_other_processes(tmp_path):
    (tmp_path / "f").write_bytes(b"data")
    fs = fsspec.filesystem("recordfs", auto_mkdir=True)
    again = pickle.loads(pickle.dumps(fs))
    assert again.auto_mkdir
    assert again == fs
    assert fsspec.AbstractFileSystem.from_json(fs.to_json()) == fs
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(fs.cat_file, (f"{tmp_path}/f",)).get(60) == b"data"


def test_times_are_told_where_they_are_kept(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    os.utime(tmp_path / "f", (1000, 2000))
    assert fsspec.filesystem("recordfs").modified(f"{tmp_path}/f").timestamp() == 2000


def test_a_file_right_behind_the_scheme_is_written_and_read():
    import fsspec

    url = "recordfs://ram://right-behind-the-scheme"
    with fsspec.open(url, "wb") as file:
        file.write(b"bytes")
    with fsspec.open(url, "rb") as file:
        assert file.read() == b"bytes"
    file_system = recordfs.get_file_system("ram://")
    assert not file_system.is_directory("ram://right-behind-the-scheme")
    file_system.delete_file("ram://right-behind-the-scheme")


def test_a_size_that_the_caller_knows_is_no_trouble(ram):
    file_system = fsspec.filesystem("recordfs+ram")
    file_system.pipe("fsspec-test/f", b"0123456789")
    for size in (10, 4):
        with file_system.open("fsspec-test/f", "rb", size=size) as file:
            assert (file.size, file.read()) == (10, b"0123456789")


def test_a_file_that_is_there_is_touched_only_to_be_emptied(ram):
    fs = fsspec.filesystem("recordfs+ram")
    fs.touch("fsspec-test/new", truncate=False)
    assert fs.cat_file("fsspec-test/new") == b""
    fs.pipe_file("fsspec-test/new", b"bytes")
    with pytest.raises(UnimplementedError, match="time of modification cannot be set"):
        fs.touch("fsspec-test/new", truncate=False)
    assert fs.cat_file("fsspec-test/new") == b"bytes"
    fs.touch("fsspec-test/new")
    assert fs.cat_file("fsspec-test/new") == b""


def test_a_file_that_is_not_published_yet_is_in_no_pattern_or_walk(tmp_path):
    fs = fsspec.filesystem("recordfs")
    source, target = tmp_path / "source", tmp_path / "target"
    with recordfs.RecordWriter(source / "x", atomic=True) as writer:
        writer.write(b"record")
        writer.flush()
        assert len(os.listdir(source)) == 1
        assert fs.glob(f"{source}/*") == fs.find(source) == []
        assert [files for _, _, files in fs.walk(source)] == [[]]
        fs.get(str(source), str(target), recursive=True)
        assert os.listdir(target) == []
    assert fs.glob(f"{source}/*") == fs.find(source) == [f"{source}/x"]


def test_a_chain_of_stores_is_for_fsspec_and_said_so():
    with pytest.raises(InvalidArgumentError, match=r"fsspec\.open\('zip://a::s3://bucket/b\.zip'\)"):
        recordfs.get_file_system("zip://").stat("zip://a::s3://bucket/b.zip")


def test_a_bucket_that_cannot_be_made_is_said_in_the_stores_words(ram):
    with pytest.raises(NotImplementedError, match="makes no buckets"):
        BucketsOnly().mkdir("new-bucket")
    fsspec.filesystem("recordfs+ram").mkdir("fsspec-test-new")
    assert ram.is_directory("ram://fsspec-test-new")
    ram.delete_dir("ram://fsspec-test-new")


class NoBuckets(MemoryFileSystem):
    """Makes none, and knows nothing above them, as object stores do."""

    def create_dir(self, path):
        if path.count("/") == 2:
            raise UnimplementedError("makes no buckets", path=path)
        super().create_dir(path)

    def recursively_create_dir(self, path):
        if path.endswith("://"):
            raise InvalidArgumentError("found no bucket", path=path)
        super().recursively_create_dir(path)


class BucketsOnly(RecordFSSchemeFileSystem):
    protocol, scheme = "recordfs+nobuckets", "nobuckets"
    cachable = False

    def _serving(self, path):
        return NoBuckets(), self._full(path)


def test_the_time_of_a_directory_is_told_only_where_one_is_kept(ram, monkeypatch):
    file_system = fsspec.filesystem("recordfs+ram")
    assert file_system.modified("fsspec-test/dir").year > 2000
    stat = MemoryFileSystem.stat
    monkeypatch.setattr(MemoryFileSystem, "stat", lambda self, path: stat(self, path)._replace(mtime_nsec=0))
    with pytest.raises(NotImplementedError, match="of directories"):
        file_system.modified("fsspec-test/dir")


class KeysFileSystem(RecordFSSchemeFileSystem):
    protocol, scheme = "recordfs+keys", "keys"
    cachable = False


@pytest.fixture
def keys():
    """The values of the store behind ``keys://``, which takes any text for a name."""
    values: dict[str, bytes] = {}
    recordfs.register_file_system("keys", KeysInMemory(values))
    yield values
    recordfs.unregister_file_system("keys")


@pytest.mark.parametrize("target", ["moved", "recordfs+ram"])
def test_a_recursive_move_loses_no_key_that_no_path_can_name(ram, keys, target, tmp_path):
    kept = {"tr/0": b"0", "tr//x": b"x", "tr/s//t/deep": b"deep"}
    keys.update(kept)
    file_system = KeysFileSystem()
    moves = {
        "moved": lambda: file_system.mv("tr", "moved", recursive=True),
        "recordfs+ram": lambda: fsspec.filesystem("recordfs").mv("keys://tr", "ram://fsspec-test/m", recursive=True),
    }
    with pytest.raises(InvalidArgumentError, match="no path of fsspec can name it"):
        moves[target]()
    assert {key: keys[key] for key in kept} == kept


def test_a_key_beside_keys_below_it_is_moved_with_them(keys):
    keys.update({"tr/a": b"file", "tr/b/c": b"below"})
    KeysFileSystem().mv("tr", "moved", recursive=True)
    assert {key: value for key, value in keys.items() if value} == {"moved/a": b"file", "moved/b/c": b"below"}


def test_a_key_with_keys_below_it_is_in_every_tree_with_them(keys, ram, tmp_path):
    keys.update({"tr/a": b"file", "tr/a/b": b"below", "tr/c": b"other"})
    fs = KeysFileSystem()
    assert fs.find("tr") == fs.expand_path("tr", recursive=True)[1:] == ["tr/a", "tr/a/b", "tr/c"]
    assert fs.find("tr/a") == ["tr/a", "tr/a/b"]
    assert fs.du("tr") == 14
    # Where a name is one of a file or of a directory, one of the two has no place: that is said, and neither is lost.
    with pytest.raises(FileExistsError):
        fs.get("tr", str(tmp_path / "got"), recursive=True)
    with pytest.raises(NotADirectoryError, match="copied/a is a file"):
        fs.copy("tr", "copied", recursive=True)
    with pytest.raises(OSError, match="fsspec-test/moved/a"):
        fsspec.filesystem("recordfs").mv("keys://tr", "ram://fsspec-test/moved", recursive=True)
    assert sorted(key for key in keys if key.startswith("tr")) == ["tr/a", "tr/a/b", "tr/c"]


def test_what_comes_into_a_tree_while_it_is_moved_stays(ram, tmp_path, monkeypatch):
    file_system = fsspec.filesystem("recordfs")
    file_system.pipe("ram://fsspec-test/tree/a", b"a")
    copy = type(file_system).copy

    def copy_and_write(self, *arguments, **keywords):
        copy(self, *arguments, **keywords)
        self.pipe("ram://fsspec-test/tree/late", b"late")

    monkeypatch.setattr(type(file_system), "copy", copy_and_write)
    with pytest.raises(OSError, match="not empty"):
        file_system.mv("ram://fsspec-test/tree", f"{tmp_path}/moved", recursive=True)
    assert file_system.cat("ram://fsspec-test/tree/late") == b"late"
    assert (tmp_path / "moved/a").read_bytes() == b"a"


def test_a_directory_that_cannot_be_listed_is_left_out_of_nothing_in_silence(ram, monkeypatch):
    file_system = fsspec.filesystem("recordfs+ram")
    file_system.pipe("fsspec-test/tree/sub/f", b"f")
    list_directory = MemoryFileSystem.list_directory

    def refuse(self, path):
        if path.endswith("/sub"):
            raise PermissionDeniedError("not for you", path=path)
        return list_directory(self, path)

    monkeypatch.setattr(MemoryFileSystem, "list_directory", refuse)
    for call in (file_system.find, file_system.du, lambda path: file_system.get(path, "/tmp/unused", recursive=True)):
        with pytest.raises(PermissionDeniedError):
            call("fsspec-test/tree")
    seen = []
    assert list(file_system.walk("fsspec-test/tree", on_error=seen.append)) == [("fsspec-test/tree", ["sub"], [])]
    assert [type(error) for error in seen] == [PermissionDeniedError]
