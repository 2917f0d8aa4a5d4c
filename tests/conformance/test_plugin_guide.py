"""The conformance suite on the filesystem of TensorFlow's guide, compiled against recordfs's adapter in each shape."""

import itertools

import pytest

import recordfs
from recordfs.plugins.library import load_file_system_library
from recordfs.testing.conformance import FileSystemConformance
from support.plugin_libraries import guide_plugin

pytestmark = pytest.mark.slow  # a C++ compiler takes seconds for each shape

# What the class over a POSIX filesystem can do beyond what its table shows.
KNOWN = {"foobar": {"growing_reads": True, "rename_directory": True, "atomic_rename": True}}
_numbers = itertools.count()


class Guide(FileSystemConformance):
    """Not collected itself: its name does not begin with Test."""

    macros: tuple[str, ...] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def library(cls, tmp_path_factory):
        return guide_plugin(tmp_path_factory.mktemp("guide"), *cls.macros)

    @pytest.fixture
    def file_system_and_root(self, library, tmp_path, monkeypatch):
        monkeypatch.setenv("FOOBAR_ROOT", str(tmp_path))
        load_file_system_library(library, capabilities=KNOWN)
        recordfs.unregister_file_system("emptybar")
        yield recordfs.get_file_system("foobar://"), f"foobar://path/conformance{next(_numbers)}"
        recordfs.unregister_file_system("foobar")


class TestAsInTheGuide(Guide):
    pass


class TestWithTransactionTokens(Guide):
    macros = ("TOKENS",)


class TestAppendByReference(Guide):
    macros = ("BY_REFERENCE",)
