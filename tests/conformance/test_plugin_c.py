"""The conformance suite on the example plugin in C, in this process and in a helper process."""

import itertools

import pytest

import recordfs
from recordfs.plugins.library import load_file_system_library
from recordfs.testing.conformance import FileSystemConformance
from support.plugin_libraries import example_plugin

_numbers = itertools.count()
KNOWN = {"cmem": {"growing_reads": True, "directories": "explicit"}}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return example_plugin(tmp_path_factory.mktemp("plugin"))


class TestInThisProcess(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, library):
        yield from _loaded(library, helper_process=False)


class TestInAHelperProcess(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, library):
        yield from _loaded(library, helper_process=True)


def _loaded(library, *, helper_process):
    load_file_system_library(library, overwrite=True, capabilities=KNOWN, helper_process=helper_process)
    yield recordfs.get_file_system("cmem://"), f"cmem://host/conformance{next(_numbers)}"
    recordfs.unregister_file_system("cmem")
