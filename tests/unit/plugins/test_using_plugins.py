"""A plugin's filesystem through the rest of recordfs: gfile, records, the command line, fsspec."""

import os
import subprocess
import sys

import fsspec
import pytest

import recordfs
from recordfs import RecordReader, RecordWriter, gfile
from recordfs.errors import NotFoundError
from recordfs.plugins.plugin_file_system import PluginFileSystem
from support.plugin_libraries import example_plugin


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return example_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(autouse=True)
def plugin(library):
    assert recordfs.load_file_system_library(library) == ["cmem"]
    file_system = recordfs.get_file_system("cmem://")
    if file_system.file_exists("cmem://h/place"):
        file_system.delete_recursively("cmem://h/place")
    file_system.create_dir("cmem://h/place")
    yield file_system
    recordfs.unregister_file_system("cmem")


def test_gfile_does_with_a_plugin_what_it_does_with_the_local_disk():
    with gfile.GFile("cmem://h/place/f", "w") as file:
        file.write("one\n")
    with gfile.GFile("cmem://h/place/f", "a") as file:
        file.write("two\n")
    assert gfile.GFile("cmem://h/place/f").readlines() == ["one\n", "two\n"]
    gfile.makedirs("cmem://h/place/a/b")
    gfile.copy("cmem://h/place/f", "cmem://h/place/a/b/g")
    assert gfile.glob("cmem://h/place/*/*/*") == ["cmem://h/place/a/b/g"]
    assert [(top, sorted(d), sorted(f)) for top, d, f in gfile.walk("cmem://h/place")] == [
        ("cmem://h/place", ["a"], ["f"]),
        ("cmem://h/place/a", ["b"], []),
        ("cmem://h/place/a/b", [], ["g"]),
    ]
    gfile.rmtree("cmem://h/place/a")
    assert gfile.listdir("cmem://h/place") == ["f"]


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_records_go_in_and_come_out(compression):
    records = [b"%d" % number * (number % 500) for number in range(3000)] + [b"x" * 2_000_000]
    with RecordWriter("cmem://h/place/records", compression=compression) as writer:
        for record in records:
            writer.write(record)
    assert list(RecordReader("cmem://h/place/rec*")) == records


def test_fsspec_reaches_a_plugin():
    with fsspec.open("recordfs://cmem://h/place/f", "wb") as file:
        file.write(b"through fsspec")
    with fsspec.open("recordfs://cmem://h/place/f") as file:
        assert file.read() == b"through fsspec"


def test_the_command_line_loads_a_plugin_that_a_module_names(tmp_path, library):
    """A plugin is loaded by an explicit path only; a module of the user's names it for programs one cannot change."""
    (tmp_path / "my_plugins.py").write_text(f"import recordfs\nrecordfs.load_file_system_library({library!r})\n")
    (tmp_path / "f").write_bytes(b"bytes")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "RECORDFS_PLUGIN_MODULES": "my_plugins"}
    command = [sys.executable, "-m", "recordfs.cli"]
    subprocess.run([*command, "cp", str(tmp_path / "f"), "cmem://h/f"], env=environment, check=True)
    schemes = subprocess.run([*command, "schemes"], env=environment, check=True, capture_output=True, text=True)
    assert "cmem://" in schemes.stdout


def test_a_writer_that_nobody_closed_is_closed_at_exit_with_a_warning(tmp_path, library):
    program = f"""
import recordfs
recordfs.load_file_system_library({library!r})
file = recordfs.get_file_system("cmem://").new_writable_file("cmem://h/f")
file.append(b"bytes")
"""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "unclosed writer of cmem://h/f" in done.stderr


class NothingThere:
    """The operations of a plugin that has no file and no directory, not even the top."""

    scheme = "none"
    operations = ("stat", "create_dir", "delete_dir", "new_random_access_file")

    def stat(self, path):
        raise NotFoundError("nothing is there", path=path)

    def translate_name(self, path):
        return path


def test_a_path_is_missing_where_a_plugin_knows_no_directory_above_it_either():
    file_system = PluginFileSystem(NothingThere(), "a library", capabilities={"directories": "explicit"})
    for path in ("none://a/b/c", "none://a", "none://", "/a/b", "a"):
        with pytest.raises(NotFoundError):
            file_system.stat(path)
