"""The clients of a store's SDK: one set for each process, made at first use, and what they tell of themselves."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from recordfs.errors import UnauthenticatedError, UnavailableError
from recordfs.per_process import PerProcess
from recordfs.redaction import remember_secret

if TYPE_CHECKING:
    from recordfs.filesystems._object_store.statistics import RequestCounter

__all__ = ["CONNECTIONS", "SDKClients"]

CONNECTIONS = 64
"""Connections that a client keeps: more than the requests this library ever has in flight on it."""

Own = TypeVar("Own")


class SDKClients(abc.ABC, Generic[Own]):
    """The clients of one filesystem. Safe to use from any thread, and after a fork.

    Args:
        settings: How to reach the store: a StoreSettings of the backend's.
        counter: Where requests are counted.
    """

    def __init__(self, settings: Any, counter: RequestCounter) -> None:
        self.settings = settings
        self.counter = counter
        self._own: PerProcess[Own] = PerProcess(self._make)
        for name in settings.hidden:
            remember_secret(getattr(settings, name))

    @abc.abstractmethod
    def _make(self) -> Own:
        """Return what belongs to one process.

        Raises:
            RecordFSError: What the SDK's error means.
        """

    @abc.abstractmethod
    def _close(self, own: Own) -> None:
        """Close connections."""

    @abc.abstractmethod
    def _describe(self, own: Own) -> dict[str, str]:
        """Return endpoint and source of credentials as they are in use."""

    @abc.abstractmethod
    def _describe_settings(self) -> dict[str, str]:
        """Return what was asked for, where no client can be made."""

    def close(self) -> None:
        """Close this process's connections. Idempotent; what is used afterwards opens others."""
        own = self._own.take()
        if own is not None:
            self._close(own)

    def describe(self) -> dict[str, str]:
        """Return endpoint and source of credentials, for people to read; no secrets.

        Where no credentials can be had it tells why in their place, and of the rest what was asked for.
        """
        try:
            return self._describe(self._own.get())
        except (UnauthenticatedError, UnavailableError) as error:
            return self._describe_settings() | {"credentials": error.message}
