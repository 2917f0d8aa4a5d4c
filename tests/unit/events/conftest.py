"""What tests of event writers share."""

import pytest

from recordfs.filesystems.posix import PosixFileSystem
from recordfs.testing.faulty import FaultyFileSystem


@pytest.fixture(autouse=True)
def _short_exit(monkeypatch):
    """A writer that a failed test leaves open holds up the end of the run for no longer than this."""
    monkeypatch.setattr("recordfs.events.at_exit.EXIT_SECONDS", 1.0)


@pytest.fixture
def faulty():
    return FaultyFileSystem(PosixFileSystem())


@pytest.fixture
def spools(tmp_path, monkeypatch):
    directory = tmp_path / "spools"
    monkeypatch.setenv("RECORDFS_SPOOL_DIR", str(directory))
    return directory
