"""The tests that universal_pathlib ships, on paths of recordfs: as its users have both, found by their entry points."""

import os

import pytest

from support import peers
from support.peers import peer_process

pytestmark = pytest.mark.peer

SUITE = os.path.join(os.path.dirname(peers.__file__), "upath_suite.py")

RUN = """
import contextlib, io, os, pytest

class Tally:
    passed, failed = 0, []
    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(f"{report.nodeid}: {report.longreprtext}")
        self.passed += report.when == "call" and report.passed

tally = Tally()
with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.redirect_stderr(told):
    options = ["-p", "no:cacheprovider", "-c", os.devnull, "--import-mode=importlib"]
    places = [f"--confcutdir={os.path.dirname(suite)}", f"--basetemp={directory}"]
    status = pytest.main([*options, *places, suite], [tally])
result = [int(status), tally.passed, tally.failed or ([told.getvalue()] if status else [])]
"""


def test_its_own_tests_pass_on_ours(tmp_path):
    with peer_process("upath", recordfs=True, environment={"ROOT": "recordfs+ram://bucket"}) as peer:
        status, passed, failed = peer.call(RUN, suite=SUITE, directory=str(tmp_path))
    assert (status, failed) == (0, [])
    assert passed > 100
