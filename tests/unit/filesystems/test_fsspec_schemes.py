"""How a scheme or an instance of fsspec is found, and what is said where there is none."""

import subprocess
import sys
import zipfile

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from tests.support.whole_files import read, write

import recordfs
from recordfs.errors import (
    InvalidArgumentError,
    MissingDependencyError,
    UnknownSchemeError,
)
from recordfs.filesystems.fsspec import FsspecFileSystem
from recordfs.registry import registration_of

pytestmark = pytest.mark.filterwarnings("ignore:.*shows a file to readers when it is closed:UserWarning")


def test_a_scheme_that_only_fsspec_knows_is_served_through_fsspec(memory):
    assert isinstance(memory, FsspecFileSystem)
    assert memory is recordfs.get_file_system("memory://elsewhere/x")
    assert registration_of("memory") == ("recordfs.filesystems.fsspec:FsspecFileSystem", "fsspec")
    assert "memory" not in recordfs.get_registered_schemes()


def test_what_nobody_knows_is_an_unknown_scheme_that_names_the_extras_that_are_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(UnknownSchemeError, match=r"nobody://.*ram://.*recordfs\[s3\]") as caught:
        recordfs.get_file_system("nobody://x")
    assert "recordfs[fsspec]" not in str(caught.value), "it is installed here"
    with pytest.raises(UnknownSchemeError):
        FsspecFileSystem("nobody")


def test_a_protocol_whose_package_is_missing_says_so():
    with pytest.raises(MissingDependencyError, match="adlfs"):
        recordfs.get_file_system("abfs://x/y").stat("abfs://x/y")


def test_without_fsspec_its_schemes_are_unknown_and_http_says_what_to_install():
    program = """
import sys
sys.modules["fsspec"] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "fsspec" else found(name, package)
import recordfs
for path in ("memory://x", "https://x/y"):
    try:
        recordfs.get_file_system(path)
    except Exception as error:
        print(type(error).__name__, error)
"""
    unknown, missing = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
    assert unknown.startswith("UnknownSchemeError")
    assert 'pip install "recordfs[fsspec]"' in unknown
    assert missing.startswith("MissingDependencyError")
    assert 'pip install "recordfs[http]"' in missing


def test_recordfs_is_never_served_through_fsspec():
    for path in ("recordfs://recordfs://x", "recordfs+ram://x"):
        with pytest.raises(InvalidArgumentError, match="is for fsspec"):
            recordfs.get_file_system(path)


def test_options_of_a_scheme_and_of_a_call_reach_fsspec(tmp_path):
    archive = str(tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("dir/hello.txt", "hello")
    file_system = recordfs.get_file_system("zip://", options={"fo": archive})
    assert read(file_system, "zip://dir/hello.txt") == b"hello"
    assert file_system.get_children("zip://dir") == ["hello.txt"]
    assert file_system.get_matching_paths("zip://*/h*") == ["zip://dir/hello.txt"]


def test_an_instance_is_registered_under_any_scheme(tmp_path):
    recordfs.register_file_system("mystore", FsspecFileSystem(DirFileSystem(str(tmp_path), LocalFileSystem())))
    try:
        (tmp_path / "bucket").mkdir()
        file_system = recordfs.get_file_system("mystore://bucket/file")
        write(file_system, "mystore://bucket/file", b"data")
        assert (tmp_path / "bucket/file").read_bytes() == b"data"
        assert file_system.get_matching_paths("mystore://*/f*") == ["mystore://bucket/file"]
    finally:
        recordfs.unregister_file_system("mystore")
    with pytest.raises(InvalidArgumentError, match="colour"):
        FsspecFileSystem(LocalFileSystem(), colour="red")
