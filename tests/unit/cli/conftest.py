"""A way to call the command line in this process and see what it printed."""

import pytest

from recordfs.cli import main
from support.command_line import Ran, Recordfs


@pytest.fixture
def recordfs(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Recordfs:
    monkeypatch.setenv("COLUMNS", "100")

    def call(*words: str) -> Ran:
        status = main(list(words))
        return Ran(status, *capfd.readouterr())

    return call
