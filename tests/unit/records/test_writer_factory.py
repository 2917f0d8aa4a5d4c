import io
import os

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import InvalidArgumentError, NotADirectoryError, NotFoundError, UnimplementedError
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.records import writer_factory
from recordfs.records.writer_factory import directory_check, open_file, register_writer_factory, writer_factory_for


@pytest.fixture(autouse=True)
def clean_registry(monkeypatch):
    monkeypatch.setattr(writer_factory, "_factories", {})


class Factory:
    def __init__(self):
        self.opened = []
        self.checked = []

    def open(self, path):
        self.opened.append(path)
        return self

    def directory_check(self, path):
        self.checked.append(path)
        return "checked"


def test_a_registered_factory_gets_the_path_and_gives_the_result():
    factory = Factory()
    register_writer_factory("mine", factory)
    assert open_file("mine://bucket/log") is factory
    assert directory_check("mine://bucket") == "checked"
    assert (factory.opened, factory.checked) == (["mine://bucket/log"], ["mine://bucket"])
    assert writer_factory_for("mine:anything") is factory
    assert writer_factory_for("mine2://x") is None


def test_a_factory_wins_over_a_filesystem_and_over_an_earlier_factory():
    first, second = Factory(), Factory()
    register_writer_factory("file", first)
    register_writer_factory("file", second)
    open_file("file:///tmp/x")
    assert (first.opened, second.opened) == ([], ["file:///tmp/x"])


def test_a_local_path_without_a_colon_can_be_claimed_too():
    factory = Factory()
    register_writer_factory("logs", factory)
    assert open_file("logs") is factory


def test_a_prefix_holds_no_colon():
    with pytest.raises(ValueError, match="':'"):
        register_writer_factory("s3:", Factory())


@pytest.mark.parametrize("error", [KeyError("inside"), OSError("inside")])
def test_what_a_factory_raises_surfaces(error, tmp_path, monkeypatch):
    class Failing:
        def open(self, path):
            raise error

        directory_check = open

    monkeypatch.chdir(tmp_path)
    register_writer_factory("mine", Failing())
    for function in (open_file, directory_check):
        with pytest.raises(type(error)) as caught:
            function("mine://x")
        assert caught.value is error
    assert os.listdir(tmp_path) == []


def test_other_paths_go_to_the_filesystem(tmp_path):
    directory = str(tmp_path / "a" / "b")
    assert directory_check(directory) is None
    assert directory_check(directory) is None
    assert os.path.isdir(directory)
    with open_file(f"{directory}/log") as writer:
        assert writer.write(b"abc") == 3
        assert writer.write(memoryview(b"defg")) == 4
        writer.flush()
        with open(f"{directory}/log", "rb") as file:
            assert file.read() == b"abcdefg"
        assert writer.name == f"{directory}/log"
    writer.close()
    with open_file(f"file://{directory}/log"):
        pass
    assert os.path.getsize(f"{directory}/log") == 0


def test_errors_of_the_filesystem_surface(tmp_path):
    with pytest.raises(NotFoundError):
        open_file(tmp_path / "missing" / "log")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        directory_check(tmp_path / "file" / "below")


def test_no_directories_are_made_where_none_are_needed(tmp_path):
    class Implicit(PosixFileSystem):
        def capabilities(self, path):
            return super().capabilities(path)._replace(directories="implicit")

    directory_check(tmp_path / "a", file_system=Implicit())
    assert os.listdir(tmp_path) == []


class OnlyWriteAndClose:
    """The least that a factory's writer has; it takes bytes alone, and fails when told to."""

    def __init__(self):
        self.content = b""
        self.closed = 0
        self.error = None

    def write(self, data):
        if self.error is not None:
            raise self.error
        self.content += data

    def close(self):
        self.closed += 1


class FactoryOf:
    def __init__(self, writer):
        self.writer = writer

    def open(self, path):
        return self.writer


def test_a_record_writer_writes_through_a_factory_and_closes_what_it_opened():
    made = OnlyWriteAndClose()
    register_writer_factory("mine", FactoryOf(made))
    with RecordWriter("mine://bucket/log", compression="GZIP") as writer:
        writer.write(b"one")
        writer.write_batch([b"", bytes(100_000)])
        writer.flush()
        assert made.content
        writer.sync()
    writer.close()
    assert made.closed == 1
    assert list(RecordReader(io.BytesIO(made.content))) == [b"one", b"", bytes(100_000)]


def test_an_error_of_a_factorys_writer_surfaces_and_nothing_is_lost():
    made = OnlyWriteAndClose()
    register_writer_factory("mine", FactoryOf(made))
    with RecordWriter("mine:log") as writer:
        writer.write(b"one")
        made.error = KeyError("in the writer")
        with pytest.raises(KeyError, match="in the writer"):
            writer.flush()
        made.error = None
        writer.write(b"two")
    assert list(RecordReader(io.BytesIO(made.content))) == [b"one", b"two"]


def test_a_key_error_of_a_factory_never_falls_through_to_local_disk(tmp_path, monkeypatch):
    class Broken:
        def open(self, path):
            raise KeyError("in the factory")

    monkeypatch.chdir(tmp_path)
    register_writer_factory("mine", Broken())
    with pytest.raises(KeyError, match="in the factory"):
        RecordWriter("mine:log")
    assert not list(tmp_path.iterdir())


def test_what_a_factory_cannot_do_is_refused_before_it_is_asked():
    register_writer_factory("mine", FactoryOf(None))
    for arguments in ({"append": True}, {"atomic": True}):
        with pytest.raises(UnimplementedError, match="writer factory"):
            RecordWriter("mine:log", **arguments)
    with pytest.raises(InvalidArgumentError, match="the path of the index"):
        RecordWriter("mine:log", index=True)


def test_a_file_system_or_options_given_by_the_call_win_over_a_factory(tmp_path):
    register_writer_factory(str(tmp_path / "log"), FactoryOf(None))
    with RecordWriter(tmp_path / "log", file_system=PosixFileSystem()) as writer:
        writer.write(b"local")
    assert list(RecordReader(tmp_path / "log")) == [b"local"]
