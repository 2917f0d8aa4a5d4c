"""Where paths of HDFS lead, and what answers there: configuration, nameservices, and questions to a namenode."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import NotADirectoryError, NotFoundError, RecordFSError
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.filesystems.hdfs.configuration import HadoopConfiguration
from recordfs.filesystems.hdfs.name_service import NameService
from recordfs.paths import clean_path, dirname, parse_path
from recordfs.per_process import PerProcess

if TYPE_CHECKING:
    from recordfs.filesystems.hdfs.settings import Settings

__all__ = ["Cluster", "Place"]


class Place(NamedTuple):
    """A path on HDFS.

    Attributes:
        name: The full path as the caller gave it.
        authority: The nameservice, or ``host:port``.
        path: The path on it.
    """

    name: str
    authority: str
    path: str


class Cluster:
    """What the paths of one filesystem lead to. Safe to use from any thread, and after a fork.

    Args:
        settings: As of HdfsFileSystem.

    Attributes:
        counter: What was asked in this process.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.counter = RequestCounter()
        self._configuration = PerProcess(self._load_configuration)
        self._services: PerProcess[dict[str, NameService]] = PerProcess(dict)

    def _load_configuration(self) -> HadoopConfiguration:
        return HadoopConfiguration.load(self._settings.config_dir, self._settings.config)

    def describe(self) -> dict[str, str]:
        """Return configuration, namenodes in use and user, for people to read; no secrets."""
        configuration = self._configuration.get()
        services = self._services.peek() or {}
        web = [address for service in services.values() if service.webhdfs for address in service.webhdfs.addresses]
        settings = self._settings
        if configuration.get("hadoop.security.authentication") == "kerberos":
            who = f"Kerberos, {settings.kerberos_principal or 'the ticket cache'}"
        else:
            who = f"user {os.environ.get('HADOOP_USER_NAME') or 'of this process'}, not verified"
        return {
            "configuration": configuration.directory or "none: HADOOP_CONF_DIR and HADOOP_HOME are not set",
            "namenodes": ", ".join(address for service in services.values() for address in service.addresses)
            or "none yet",
            "webhdfs": "not used" if settings.webhdfs is False else ", ".join(web) or "none yet",
            "credentials": who,
        }

    def close(self) -> None:
        """Let go of this process's connections."""
        self._services.take()

    def forget(self) -> None:
        """Let go of connections and configuration."""
        self._services.take()
        self._configuration.take()

    def place(self, path: str) -> Place:
        """Return where a path leads."""
        parsed = parse_path(path)
        scheme, authority = parsed.scheme, parsed.authority
        inside = clean_path(parsed.path) or "/"
        configuration = self._configuration.get()
        try:
            if not authority:
                scheme, authority = configuration.default_authority
            if scheme == "viewfs":
                authority, inside = configuration.resolve_mount(authority, inside)
        except RecordFSError as error:
            error.path = error.path or path
            raise
        return Place(path, authority, inside)

    def service(self, authority: str) -> NameService:
        """Return this process's connection to a nameservice, or ``host:port``."""
        services = self._services.get()
        service = services.get(authority)
        if service is None:
            made = NameService(authority, self._settings, self._configuration.get(), self.counter)
            service = services.setdefault(authority, made)
        return service

    def place_and_service(self, path: str) -> tuple[Place, NameService]:
        """Return where a path leads, and the connection that serves it."""
        place = self.place(path)
        return place, self.service(place.authority)

    def ask(self, place: Place, operation: str, function: Any, *arguments: Any) -> Any:
        """Ask the namenode, and say more exactly what is wrong where it says only that something is missing."""
        try:
            return self.service(place.authority).ask(operation, place.name, function, *arguments)
        except NotFoundError as error:
            if self._is_below_a_file(place):
                raise NotADirectoryError("a part above it is a file", path=place.name) from error
            raise

    def _is_below_a_file(self, place: Place) -> bool:
        """Tell whether a part above a path is a file."""
        service = self.service(place.authority)
        above = dirname(place.path)
        while above not in ("", "/"):
            try:
                status: Any = service.ask("getFileInfo", place.name, service.native.get_file_info, above)
            except NotFoundError:
                above = dirname(above)
                continue
            return not status.isdir
        return False

    def status(self, place: Place) -> Any:
        """Return the native client's status of a path."""
        return self.ask(place, "getFileInfo", self.service(place.authority).native.get_file_info, place.path)

    def status_or_none(self, place: Place) -> Any:
        """Return the native client's status of a path, or None where nothing is."""
        try:
            return self.status(place)
        except NotFoundError:
            return None
