"""A real HDFS for the tests and the benchmarks: Hadoop's mini-cluster in one Java process, commanded through pipes.

``python -m tools.make_servers`` builds it from tests/services/hdfs. The process ends when this one does: its input
ends then, and it is killed where it is paused. ``HdfsCluster`` is a context manager like the servers of
tools/servers.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from tools.bound_process import bound_command
from tools.make_servers import JAVA_OPTIONS, servers_directory
from tools.servers import ServerFailedError, ServerMissingError, check_free_space

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["HdfsCluster", "HdfsCommandError"]

START_SECONDS = 120
COMMAND_SECONDS = 120
STOP_SECONDS = 20


class HdfsCommandError(Exception):
    """The cluster could not carry out a command; the message is Java's."""


class HdfsCluster:
    """An HDFS on loopback with three datanodes.

    Raises ServerMissingError when it is made, and ServerFailedError when it is started, where it cannot run.

    Args:
        directory: Where it keeps its data and its log.
        words: What HdfsCluster.java takes after the directory, such as ``"high-availability"`` or ``"key=value"``.

    Attributes:
        facts: What the cluster told of itself: ``namenodes``, ``http_addresses`` and ``datanodes`` as ``host:port``.
    """

    def __init__(self, directory: str, *words: str) -> None:
        self.directory = directory
        self.facts: dict[str, Any] = {}
        self._words = words
        self._installed = os.path.realpath(os.path.join(servers_directory(), "hdfs"))
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        if not os.path.exists(os.path.join(self._installed, "cluster.jsa")):
            raise ServerMissingError(
                f"{self._installed} holds no HDFS: install a JDK (17 or newer) and Maven, and run `make servers`"
            )

    @property
    def url(self) -> str:
        """``hdfs://host:port`` of the first namenode."""
        return f"hdfs://{self.facts['namenodes'][0]}"

    @property
    def http_address(self) -> str:
        """``host:port`` of the first namenode's web server, WebHDFS included."""
        return str(self.facts["http_addresses"][0])

    def start(self) -> None:
        """Start the process and wait until the cluster serves."""
        os.makedirs(self.directory, exist_ok=True)
        check_free_space(self.directory)
        log = os.path.join(self.directory, "cluster.log")
        with open(os.path.join(self._installed, "classpath")) as file:
            classpath = file.read()
        archive = os.path.join(self._installed, "cluster.jsa")
        command = ["java", *JAVA_OPTIONS, f"-XX:SharedArchiveFile={archive}", f"-Djava.io.tmpdir={self.directory}"]
        command += ["-Xlog:disable", "-cp", classpath, "HdfsCluster", os.path.join(self.directory, "data")]
        with open(log, "ab") as errors:
            self._process = subprocess.Popen(
                bound_command([*command, *self._words]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.directory,
                text=True,
                start_new_session=True,  # Ctrl-C in a test run must not reach it before the tests are through
            )
        self._collector = threading.Thread(target=self._collect, args=(self._process,), daemon=True)
        self._collector.start()
        try:
            self.facts = json.loads(self._answers.get(timeout=START_SECONDS))
        except (queue.Empty, json.JSONDecodeError):
            self.stop()
            with open(log, errors="replace") as file:
                raise ServerFailedError(f"the HDFS cluster did not start:\n{file.read()[-4000:]}") from None

    def _collect(self, process: subprocess.Popen[str]) -> None:
        """Hand the process's lines on; an empty one says that it ended."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._answers.put(line)
        self._answers.put("")

    def command(self, *words: str) -> Any:
        """Have the cluster carry out a command of HdfsCluster.java, and return its result.

        Raises:
            HdfsCommandError: Java raised, or did not answer in time.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        try:
            line = self._answers.get(timeout=COMMAND_SECONDS)
        except queue.Empty:
            raise HdfsCommandError(f"{' '.join(words)} took more than {COMMAND_SECONDS} seconds") from None
        if not line:
            raise HdfsCommandError(f"the cluster ended at {' '.join(words)}")
        answer = json.loads(line)
        if "error" in answer:
            raise HdfsCommandError(answer["error"])
        return answer["result"]

    def shell(self, *words: str) -> str:
        """Run Hadoop's ``hdfs dfs`` with these words, and return what it printed.

        Raises:
            HdfsCommandError: It failed.
        """
        result = self.command("shell", *words)
        if result["status"]:
            raise HdfsCommandError(f"hdfs dfs {' '.join(words)} failed: {result['output']}")
        return str(result["output"])

    def pause(self) -> None:
        """Freeze the whole cluster, so that nothing answers and no connection breaks."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        while not all(state in "TZX" for state in self._thread_states()):
            time.sleep(0.001)  # the signal stops each thread only when it is scheduled

    def _thread_states(self) -> list[str]:
        """Return the letter of each thread's state; see proc_pid_stat(5)."""
        assert self._process is not None
        tasks = f"/proc/{self._process.pid}/task"
        states = []
        for task in os.listdir(tasks):
            with contextlib.suppress(FileNotFoundError), open(f"{tasks}/{task}/stat") as file:
                states.append(file.read().rpartition(")")[2].split()[0])
        return states

    def resume(self) -> None:
        """End ``pause``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def process_id(self) -> int:
        """The number of the Java process."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._collector.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
