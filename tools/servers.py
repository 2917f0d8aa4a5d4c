"""Real object-store servers, started and stopped by the tests and the benchmarks themselves.

Each class is a context manager: entering starts the server on free loopback ports in a directory of its own and waits
until it answers; leaving stops it, and so does the end of the thread that started it, even by SIGKILL.
`python -m tools.make_servers` installs them below `.servers/`. Tests use it through tests/support/servers.py, which
skips where one is missing.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, ClassVar, Self

from tools.bound_process import bound_command
from tools.make_servers import servers_directory

if TYPE_CHECKING:
    from types import TracebackType

START_SECONDS = 60
STOP_SECONDS = 10

FREE_BYTES = 4 << 30
FREE_SHARE = 0.02
"""What a disk must have free: SeaweedFS takes no more bytes where less than a hundredth is, and says so to nobody."""

ACCESS_KEY = "recordfs-test"
SECRET_KEY = "recordfs-test-secret"


class ServerMissingError(Exception):
    """A server has not been installed."""


class ServerFailedError(Exception):
    """A server ended, or did not answer in time, after it was started; the message holds the end of its log."""


def free_port() -> int:
    """Return a loopback port that is free, and so is the one 10,000 above it, which SeaweedFS takes too.

    Both lie below the range from which the system gives ports to outgoing connections, so none of these can take one
    between this look and the server's start.
    """
    while True:
        port = random.SystemRandom().randrange(12_000, 22_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


def check_free_space(directory: str) -> None:
    """Raise ServerFailedError where servers would run out of space: each write would wait for its time limit."""
    usage = shutil.disk_usage(directory)
    needed = max(FREE_BYTES, int(usage.total * FREE_SHARE))
    if usage.free < needed:
        raise ServerFailedError(
            f"{directory}: {usage.free >> 20} MiB are free, servers need {needed >> 20} MiB: make room on this disk"
        )


class Server:
    """A server process on loopback.

    Raises ServerMissingError when it is made, and ServerFailedError when it is started, where it cannot run.

    Attributes:
        port: Where it listens.
        endpoint: ``http://127.0.0.1:port``.
    """

    program: ClassVar[str]
    """The executable, relative to the servers' directory."""

    ready_statuses: ClassVar[frozenset[int]] = frozenset({200, 400, 403, 404})
    """HTTP statuses of ``ready_path`` that mean it is up: most of these answer a bare GET with a refusal."""

    ready_path: ClassVar[str] = "/"

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.executable = os.path.join(servers_directory(), self.program)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        if not os.path.exists(self.executable):
            raise ServerMissingError(f"{self.executable} is missing: run `make servers`")

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the arguments behind the executable, making the directories that it needs."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the environment variables of the process."""
        return dict(os.environ)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.port = self.port or free_port()
        os.makedirs(self.directory, exist_ok=True)
        check_free_space(self.directory)
        log = os.path.join(self.directory, "server.log")
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                bound_command([self.executable, *self.command()]),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self.environment(),
                cwd=self.directory,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                with open(log, errors="replace") as file:
                    raise ServerFailedError(f"{self.program} did not start:\n{file.read()[-4000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.endpoint + self.ready_path, timeout=2) as response:
                return response.status in self.ready_statuses
        except urllib.error.HTTPError as error:
            return error.code in self.ready_statuses
        except OSError:
            return False

    def stop(self) -> None:
        """End the process and all that it started."""
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        self.process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class SeaweedFS(Server):
    """S3 by SeaweedFS: a wheel, so no compiler is needed."""

    program = os.path.join("python", "bin", "weed")

    def command(self) -> list[str]:
        """See Server."""
        data = os.path.join(self.directory, "data")
        os.makedirs(data, exist_ok=True)
        return [
            "-logdir", self.directory,
            "mini",
            "-dir", data,
            "-ip", "127.0.0.1",
            "-ip.bind", "127.0.0.1",
            "-s3.port", str(self.port),
            "-master.port", str(free_port()),
            "-volume.port", str(free_port()),
            "-filer.port", str(free_port()),
            "-webdav=false",
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.allowDeleteBucketNotEmpty=false",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """See Server; its only user comes by the environment."""
        return {**os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}


class VersityGateway(Server):
    """S3 by versitygw over a local directory: strict about preconditions and checksums."""

    program = os.path.join("bin", "versitygw")

    def command(self) -> list[str]:
        """See Server."""
        folders = {name: os.path.join(self.directory, name) for name in ("iam", "versions", "data")}
        for folder in folders.values():
            os.makedirs(folder, exist_ok=True)
        return [
            "--access", ACCESS_KEY,
            "--secret", SECRET_KEY,
            "--port", f"127.0.0.1:{self.port}",
            "--region", "us-east-1",
            "--iam-dir", folders["iam"],
            "posix",
            "--versioning-dir", folders["versions"],
            folders["data"],
        ]  # fmt: skip


class FakeGcsServer(Server):
    """Google Cloud Storage by fake-gcs-server; stands behind StrictGcsProxy, which checks what this one does not."""

    program = os.path.join("bin", "fake-gcs-server")
    ready_path = "/storage/v1/b?project=test"

    def __init__(self, directory: str, *, public_port: int | None = None, is_told_its_address: bool = True) -> None:
        super().__init__(directory)
        self.public_port = public_port
        # By default it takes itself for storage.googleapis.com, and serves the XML API at that name only.
        self.is_told_its_address = is_told_its_address

    def command(self) -> list[str]:
        """See Server."""
        public = f"127.0.0.1:{self.public_port or self.port}"
        address = ["-public-host", public, "-external-url", f"http://{public}"] if self.is_told_its_address else []
        return [
            "-scheme", "http",
            "-host", "127.0.0.1",
            "-port", str(self.port),
            *address,
            "-backend", "memory",
            "-log-level", "error",
        ]  # fmt: skip


class GcpStorageEmulator(Server):
    """Google Cloud Storage by gcp-storage-emulator: for resumable status, batch delete and match_glob only."""

    program = os.path.join("python", "bin", "gcp-storage-emulator")

    def command(self) -> list[str]:
        """See Server."""
        return ["start", "--host", "127.0.0.1", "--port", str(self.port), "-M", "-q"]


class MotoServer(Server):
    """S3 by moto: keeps every key as it is, which the other two do not; ignores checksums and some conditions."""

    program = os.path.join("python", "bin", "moto_server")

    def command(self) -> list[str]:
        """See Server."""
        return ["-H", "127.0.0.1", "-p", str(self.port)]
