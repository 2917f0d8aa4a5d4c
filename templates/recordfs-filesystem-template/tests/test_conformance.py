"""The filesystem keeps the whole contract."""

import pytest

import recordfs
from recordfs.testing.conformance import FileSystemConformance


class TestSqlite(FileSystemConformance):
    @pytest.fixture
    def file_system_and_root(self, tmp_path):
        options = {"database": tmp_path / "files.db"}
        return recordfs.get_file_system("sqlite://", options=options), "sqlite://place/root"
