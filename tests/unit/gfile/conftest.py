"""What the tests of gfile share."""

import pytest


@pytest.fixture
def path(tmp_path):
    """Where a file may be made."""
    return str(tmp_path / "file")
