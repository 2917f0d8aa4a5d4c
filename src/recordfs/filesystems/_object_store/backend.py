"""The frame of a backend over an object store: its settings, clients, counters and range fetcher, made once."""

from __future__ import annotations

import abc
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from recordfs.filesystem import Capabilities
from recordfs.filesystems._object_store.file_system import ObjectStoreFileSystem
from recordfs.filesystems._object_store.range_fetcher import RangeFetcher
from recordfs.filesystems._object_store.statistics import RequestCounter
from recordfs.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems._object_store.clients import SDKClients
    from recordfs.filesystems._object_store.settings import StoreSettings
    from recordfs.filesystems._object_store.statistics import OperationStatistics
    from recordfs.filesystems._object_store.store import ObjectStore

__all__ = ["CAPABILITIES", "ObjectStoreBackend"]

CAPABILITIES = Capabilities(
    verbatim_names=True,
    versions=True,
    truncate=False,
    atomic_rename=False,
    directories="implicit",
    server_side_copy=True,
    memory_region=False,
    detects_replacement=True,
)
"""What files on every object store can do."""


class ObjectStoreBackend(ObjectStoreFileSystem):
    """A filesystem over the SDK of a store. A backend names its settings and connects.

    Args:
        options: The backend's options by name: the fields of its settings.
        allow_bucket_root: Let ``delete_recursively`` empty a whole bucket.
    """

    scheme: ClassVar[str]
    settings_class: ClassVar[type[StoreSettings]]
    full_capabilities: ClassVar[Capabilities] = CAPABILITIES
    """What files can do where the store lacks nothing."""

    def __init__(self, options: dict[str, Any], *, allow_bucket_root: bool) -> None:
        fields = self.settings_class.option_names()
        unknown = {name: value for name, value in options.items() if name not in fields}
        super().__init__(allow_bucket_root=allow_bucket_root, **unknown)
        known = {name: value for name, value in options.items() if name in fields}
        self._counter = RequestCounter()
        self._clients, self._object_store, make_obstore = self._connect(
            self.settings_class(**known).checked(), self._counter
        )
        self._range_fetcher = RangeFetcher(
            self._object_store, partial(make_obstore, self._clients), self._counter, self.scheme
        )

    @abc.abstractmethod
    def _connect(
        self, settings: Any, counter: RequestCounter
    ) -> tuple[SDKClients[Any], ObjectStore, Callable[[Any, str], Any]]:
        """Return the clients, the store over them, and what makes obstore's store for the clients and a bucket."""

    def capabilities(self, path: str) -> Capabilities:
        """See FileSystem. What a store lacks is known only once something has needed it."""
        if self._store.is_without_conditions(parse_path(path).authority):
            return self.full_capabilities._replace(exclusive_create=False)
        return self.full_capabilities

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the options, those of the settings among them."""
        return [*super().option_names(), *cls.settings_class.option_names()]

    @property
    def _store(self) -> ObjectStore:
        return self._object_store

    @property
    def _fetcher(self) -> RangeFetcher:
        return self._range_fetcher

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return what this filesystem has asked of the store in this process, by the store's operation names."""
        return self._counter.snapshot()

    def describe(self) -> dict[str, str]:
        """Return endpoint and source of credentials, for people to read; no secrets."""
        return self._clients.describe()

    def close(self) -> None:
        """Close this process's connections. Idempotent; what is used afterwards opens others."""
        self._clients.close()
