"""Hadoop's configuration: what core-site.xml and hdfs-site.xml say, and what follows from it about namenodes.

The native client reads the same files by itself. Here they are read for what it does not tell: where the namenodes'
web servers are, and which namenode stands after a path of viewfs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from recordfs.errors import InvalidArgumentError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HadoopConfiguration", "Namenode"]

CONFIGURATION_FILES = ("core-site.xml", "hdfs-site.xml")

DEFAULT_RPC_PORT = 8020
DEFAULT_HTTP_PORT = 9870
DEFAULT_HTTPS_PORT = 9871
"""Hadoop 3: DFS_NAMENODE_RPC_PORT_DEFAULT and its neighbours in HdfsClientConfigKeys."""

LARGEST_FILE = 16 << 20


class Namenode(NamedTuple):
    """Where a namenode listens.

    Attributes:
        rpc: ``host:port`` of Hadoop's own protocol.
        web: ``http://host:port`` or ``https://host:port`` of WebHDFS.
    """

    rpc: str
    web: str


class HadoopConfiguration:
    """The properties of a Hadoop client.

    Args:
        values: By their names.
        directory: Where they were read from, for messages; None if nowhere.
    """

    def __init__(self, values: Mapping[str, str], directory: str | None = None) -> None:
        self._values = dict(values)
        self.directory = directory

    @classmethod
    def load(cls, directory: str | None, overrides: Mapping[str, str]) -> HadoopConfiguration:
        """Read the files of a directory; None for ``HADOOP_CONF_DIR``, else ``etc/hadoop`` in ``HADOOP_HOME``.

        Raises:
            InvalidArgumentError: The directory was named and is missing, or a file in it is no XML.
        """
        found = directory or os.environ.get("HADOOP_CONF_DIR")
        if not found and os.environ.get("HADOOP_HOME"):
            found = os.path.join(os.environ["HADOOP_HOME"], "etc", "hadoop")
        if directory is not None and not os.path.isdir(directory):
            raise InvalidArgumentError(
                "config_dir has to be a directory of Hadoop's configuration files", path=directory
            )
        values: dict[str, str] = {}
        for name in CONFIGURATION_FILES if found else ():
            values.update(_properties(os.path.join(found or "", name)))
        values.update(overrides)
        return cls(values, found or None)

    def get(self, name: str, default: str = "") -> str:
        """Return a property, or the default where it is not set."""
        return self._values.get(name, default)

    def has(self, name: str) -> bool:
        """Tell whether a property is set."""
        return name in self._values

    @property
    def default_authority(self) -> tuple[str, str]:
        """Scheme and authority of ``fs.defaultFS``, for paths that name no namenode.

        Raises:
            InvalidArgumentError: It is not set, or names no HDFS.
        """
        url = self.get("fs.defaultFS")
        scheme, separator, rest = url.partition("://")
        authority = rest.partition("/")[0]
        if not separator or scheme not in ("hdfs", "viewfs") or not authority:
            raise InvalidArgumentError(
                "the path names no namenode, and fs.defaultFS names no HDFS: write hdfs://namenode:port/path, or set "
                "HADOOP_CONF_DIR or the option config_dir to where core-site.xml is"
            )
        return scheme, authority

    def namenodes(self, authority: str) -> list[Namenode]:
        """Return the namenodes of a nameservice, or the one at ``host:port``, with their web servers."""
        for suffix in self._all_suffixes():
            rpc = self.get(f"dfs.namenode.rpc-address{suffix}")
            if rpc and rpc == authority:
                return [Namenode(rpc, self._web(suffix, rpc))]
        members = self._members(authority)
        addresses = [(self.get(f"dfs.namenode.rpc-address{suffix}"), suffix) for suffix in members]
        if found := [Namenode(rpc, self._web(suffix, rpc)) for rpc, suffix in addresses if rpc]:
            return found
        rpc = authority if ":" in authority else f"{authority}:{DEFAULT_RPC_PORT}"
        # A web server that the configuration names without a namenode is that of its own cluster, and of no other.
        own = self.get("fs.defaultFS").partition("://")[2].partition("/")[0] in (authority, rpc)
        return [Namenode(rpc, self._web("" if own else None, rpc))]

    def resolve_mount(self, table: str, path: str) -> tuple[str, str]:
        """Return authority and path on HDFS of a path of viewfs.

        Raises:
            NotFoundError: No link of the mount table leads there.
        """
        prefix = f"fs.viewfs.mounttable.{table}."
        links = {
            name[len(prefix) + 5 :]: url for name, url in self._values.items() if name.startswith(f"{prefix}link.")
        }
        for link in sorted(links, key=len, reverse=True):
            at = link.rstrip("/")
            if path == at or path.startswith(f"{at}/"):
                return _joined(links[link], path[len(at) :])
        if fallback := self.get(f"{prefix}linkFallback"):
            return _joined(fallback, path)
        known = ", ".join(sorted(links)) or "none"
        raise NotFoundError(f"no link of the mount table {table} leads there; its links: {known}")

    def _members(self, service: str) -> list[str]:
        """Return what the properties of a nameservice's namenodes end with."""
        names = self._list(f"dfs.ha.namenodes.{service}")
        return [f".{service}.{name}" for name in names] or [f".{service}"]

    def _all_suffixes(self) -> list[str]:
        return ["", *(suffix for service in self._list("dfs.nameservices") for suffix in self._members(service))]

    def _list(self, name: str) -> list[str]:
        return [part.strip() for part in self.get(name).split(",") if part.strip()]

    def _web(self, suffix: str | None, rpc: str) -> str:
        """Return the address of a namenode's web server, for None the usual port of its host.

        One that listens everywhere is on the namenode's host.
        """
        secure = self.get("dfs.http.policy") == "HTTPS_ONLY"
        kind = "https" if secure else "http"
        address = "" if suffix is None else self.get(f"dfs.namenode.{kind}-address{suffix}")
        host, _, port = address.rpartition(":")
        if host in ("", "0.0.0.0"):  # noqa: S104 (an address that is compared, not listened on)
            host = rpc.rpartition(":")[0]
        return f"{kind}://{host}:{port or (DEFAULT_HTTPS_PORT if secure else DEFAULT_HTTP_PORT)}"


def _joined(url: str, rest: str) -> tuple[str, str]:
    """Return authority and path of a link's target with what follows the link."""
    scheme, separator, after = url.partition("://")
    authority, _, below = after.partition("/")
    if scheme != "hdfs" or not separator or not authority:
        raise InvalidArgumentError(f"a mount table can lead to hdfs:// only, found {url!r}")
    return authority, f"/{below}".rstrip("/") + rest or "/"


def _properties(path: str) -> dict[str, str]:
    """Return the properties of one file; none if it is missing."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE)
    except FileNotFoundError:
        return {}
    try:
        root = ET.fromstring(content)  # noqa: S314 (the system's own configuration)
    except ET.ParseError as error:
        raise InvalidArgumentError(f"this is not XML: {error}", path=path) from error
    return {
        name.strip(): (element.findtext("value") or "").strip()
        for element in root.iter("property")
        if (name := element.findtext("name"))
    }
