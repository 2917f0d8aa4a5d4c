"""Where the tests of checkpoints write."""

import pytest


@pytest.fixture(params=["local", "ram"])
def directory(request, tmp_path):
    """A directory on the local disk, and one in memory."""
    return str(tmp_path) if request.param == "local" else f"ram://written{tmp_path}"
