"""The servers of tools/servers.py for tests; a missing one is a loud skip, and a failure where CI is set."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tools import hdfs_cluster, servers
from tools.hdfs_cluster import HdfsCommandError
from tools.servers import ACCESS_KEY, SECRET_KEY, Server, ServerMissingError

from support.strict_gcs import StrictGcsProxy

__all__ = [
    "ACCESS_KEY",
    "REPOSITORY",
    "SECRET_KEY",
    "FakeGcsServer",
    "GcpStorageEmulator",
    "HdfsCluster",
    "HdfsCommandError",
    "MotoServer",
    "SeaweedFS",
    "Server",
    "StrictFakeGcsServer",
    "VersityGateway",
]

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _skip_without(error: ServerMissingError) -> None:
    """Skip the test that needs a server which is not installed, or fail it in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have every server: {error}")
    pytest.skip(f"SERVER MISSING: {error}")


class _NeededByTest(Server):
    """Skips the test that needs a server which is not installed."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        try:
            super().__init__(*arguments, **keywords)
        except ServerMissingError as error:
            _skip_without(error)


class SeaweedFS(_NeededByTest, servers.SeaweedFS):
    """See tools/servers.py."""


class VersityGateway(_NeededByTest, servers.VersityGateway):
    """See tools/servers.py."""


class FakeGcsServer(_NeededByTest, servers.FakeGcsServer):
    """See tools/servers.py."""


class StrictFakeGcsServer(FakeGcsServer):
    """fake-gcs-server behind StrictGcsProxy; ``port`` and ``endpoint`` are the proxy's."""

    def start(self) -> None:
        """See Server."""
        self._proxy = StrictGcsProxy()
        self.public_port = self._proxy.port
        super().start()
        self._proxy.forward_to(self.port)
        self.port = self._proxy.port

    def stop(self) -> None:
        """See Server."""
        super().stop()
        self._proxy.close()


class GcpStorageEmulator(_NeededByTest, servers.GcpStorageEmulator):
    """See tools/servers.py."""


class MotoServer(_NeededByTest, servers.MotoServer):
    """See tools/servers.py."""


class HdfsCluster(hdfs_cluster.HdfsCluster):
    """See tools/hdfs_cluster.py."""

    def __init__(self, directory: str, *words: str) -> None:
        try:
            super().__init__(directory, *words)
        except ServerMissingError as error:
            _skip_without(error)
