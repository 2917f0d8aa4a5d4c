"""universal_pathlib's own tests on a path of recordfs, for pytest in the peer's environment. ROOT names the place."""

import itertools
import os
import pathlib

import fsspec
import pytest
from upath import UPath
from upath.tests.cases import BaseTests
from upath.tests.utils import OverrideMeta, overrides_base

_numbers = itertools.count()


# The fixtures of its conftest.py that these tests use; that file imports clients of stores which are not at hand.


@pytest.fixture
def local_testdir(tmp_path):
    for folder, content in (("", "hello world"), ("folder1", None)):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in ("file1.txt", "file2.txt"):
            (tmp_path / folder / name).write_text(content or name)
    return str(tmp_path)


@pytest.fixture
def pathlib_base(local_testdir):
    return pathlib.Path(local_testdir)


@pytest.fixture
def clear_fsspec_memory_cache():
    yield
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


class TestRecordFSPath(BaseTests, metaclass=OverrideMeta):
    @pytest.fixture(autouse=True)
    def path(self):
        self.path = UPath(f"{os.environ['ROOT']}/{next(_numbers)}/test_dir")
        self.prepare_file_system()

    @overrides_base
    def test_is_correct_class(self):
        assert type(self.path).__name__ == "RecordFSPath"
