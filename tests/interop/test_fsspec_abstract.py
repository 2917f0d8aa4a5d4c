"""fsspec's own published test suite, on recordfs seen through fsspec."""

import itertools

import fsspec
import fsspec.tests.abstract as abstract
import pytest

_numbers = itertools.count()


class RecordFSFixtures(abstract.AbstractFixtures):
    protocol = "recordfs"

    @pytest.fixture
    def fs(self):
        return fsspec.filesystem(self.protocol, auto_mkdir=True)

    @pytest.fixture
    def fs_join(self):
        return lambda *parts: "/".join(parts)


class RamFixtures(RecordFSFixtures):
    @pytest.fixture
    def fs_path(self, fs):
        root = f"ram://abstract-{next(_numbers)}/root"
        fs.makedirs(root)
        yield root
        fs.rm(root, recursive=True)


class RamProtocolFixtures(RecordFSFixtures):
    protocol = "recordfs+ram"

    @pytest.fixture
    def fs_path(self, fs):
        root = f"abstract-{next(_numbers)}/root"
        fs.makedirs(root)
        yield root
        fs.rm(root, recursive=True)


class LocalFixtures(RecordFSFixtures):
    @pytest.fixture
    def fs_path(self, tmp_path):
        return str(tmp_path / "there")


class TestRamCopy(abstract.AbstractCopyTests, RamFixtures): ...


class TestRamGet(abstract.AbstractGetTests, RamFixtures): ...


class TestRamPut(abstract.AbstractPutTests, RamFixtures): ...


class TestRamPipe(abstract.AbstractPipeTests, RamFixtures): ...


class TestRamOpen(abstract.AbstractOpenTests, RamFixtures): ...


class TestRamProtocolCopy(abstract.AbstractCopyTests, RamProtocolFixtures): ...


class TestRamProtocolGet(abstract.AbstractGetTests, RamProtocolFixtures): ...


class TestRamProtocolPut(abstract.AbstractPutTests, RamProtocolFixtures): ...


class TestRamProtocolPipe(abstract.AbstractPipeTests, RamProtocolFixtures): ...


class TestRamProtocolOpen(abstract.AbstractOpenTests, RamProtocolFixtures): ...


class TestLocalCopy(abstract.AbstractCopyTests, LocalFixtures): ...


class TestLocalGet(abstract.AbstractGetTests, LocalFixtures): ...


class TestLocalPut(abstract.AbstractPutTests, LocalFixtures): ...


class TestLocalPipe(abstract.AbstractPipeTests, LocalFixtures): ...


class TestLocalOpen(abstract.AbstractOpenTests, LocalFixtures): ...
