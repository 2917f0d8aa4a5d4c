"""Servers of the tests and benchmarks end with the process that started them, however that ends."""

import os
import select
import signal
import subprocess
import sys

import pytest
from tools.bound_process import bound_command

from support.servers import REPOSITORY

STARTER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from tools.servers import Server

class FileServer(Server):
    program = sys.executable
    def command(self):
        return ["-m", "http.server", str(self.port), "--bind", "127.0.0.1"]

server = FileServer(sys.argv[2])
server.start()
print(server.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_server_whose_starter_is_ended_by_a_signal_ends(tmp_path, name):
    command = [sys.executable, "-c", STARTER, REPOSITORY, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as starter:
        assert starter.stdout is not None
        server = os.pidfd_open(int(starter.stdout.readline()))
        try:
            assert select.select([server], [], [], 0)[0] == [], "it runs"
            starter.send_signal(signal.Signals[name])
            assert select.select([server], [], [], 30)[0] == [server], "it outlived its starter"
        finally:
            os.close(server)


def test_program_has_the_number_the_output_and_the_status_of_its_own_process():
    code = "import os; print(os.getpid()); os._exit(7)"
    with subprocess.Popen(bound_command([sys.executable, "-c", code]), stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate()
    assert said == f"{process.pid}\n"
    assert process.returncode == 7


def test_broken_pipe_ends_a_program_as_it_does_without_us():
    """Python ignores SIGPIPE, and what it becomes would too."""
    with subprocess.Popen(bound_command(["yes"]), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(30) == -signal.SIGPIPE
