"""The process that tests and benchmarks talk to peers through: what it hands back, and that nothing in it can hang."""

import os
import signal
import sys

import pytest
from tools.peers import PeerDiedError, PeerError, PeerMissingError, PeerProcess, own_process, peer_python

import recordfs


def test_arguments_and_results_are_json_and_bytes():
    with PeerProcess(sys.executable) as process:
        answer = process.call("result = [data + b'\\x00', {'n': n}, text]", data=b"\xff", n=3, text="ä")
    assert answer == [b"\xff\x00", {"n": 3}, "ä"]


def test_variables_are_fresh_and_state_is_kept():
    with PeerProcess(sys.executable) as process:
        process.call("state['kept'] = lost = result = 1")
        assert process.call("result = [state, 'lost' in globals()]") == [{"kept": 1}, False]
        assert process.call("pass") is None


def test_an_exception_is_raised_here_with_its_kind_and_message_and_the_process_goes_on():
    with PeerProcess(sys.executable) as process:
        with pytest.raises(PeerError, match="no such thing") as raised:
            process.call("raise LookupError('no such thing')")
        assert (raised.value.kind, raised.value.message) == ("LookupError", "no such thing")
        assert process.call("result = 'alive'") == "alive"


def test_what_a_snippet_prints_does_not_disturb_the_answer():
    with PeerProcess(sys.executable) as process:
        assert process.call("import os; print('noise'); os.write(2, b'noise'); result = 1") == 1


def test_a_crash_tells_the_signal_and_the_last_output():
    with PeerProcess(sys.executable) as process:
        with pytest.raises(PeerDiedError, match=r"(?s)SIGKILL.*last words") as raised:
            process.call("import os; os.write(1, b'last words'); os.kill(os.getpid(), 9)")
        assert raised.value.returncode == -signal.SIGKILL
        assert not process.alive


def test_a_snippet_that_hangs_is_killed_after_its_timeout():
    with PeerProcess(sys.executable) as process, pytest.raises(PeerDiedError, match=r"no answer within 0\.2 s"):
        process.call("import time; time.sleep(60)", timeout=0.2)


def test_recordfs_of_this_process_is_importable_there_when_asked():
    with own_process() as process:
        where = process.call("import recordfs, os; result = os.path.realpath(recordfs.__file__)")
    assert where == os.path.realpath(recordfs.__file__)


def test_a_peer_that_was_not_made_says_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setenv("RECORDFS_PEERS_DIR", str(tmp_path))
    with pytest.raises(PeerMissingError, match="make peers"):
        peer_python("tensorflow")
    with pytest.raises(ValueError, match=r"no such peer: 'tensorfow'; there are .*tensorflow"):
        peer_python("tensorfow")
