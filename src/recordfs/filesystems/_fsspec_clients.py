"""Which fsspec instance serves a path: made at first use, one a process, and one a thread where it has to be."""

from __future__ import annotations

import pickle
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, MissingDependencyError
from recordfs.filesystems._fsspec_errors import fsspec_errors
from recordfs.paths import scheme_of
from recordfs.per_process import PerProcess
from recordfs.spelling import explain_chain

try:
    import fsspec
except ImportError as missing:
    raise MissingDependencyError('fsspec is not installed; pip install "recordfs[fsspec]" brings it') from missing

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FsspecClients", "is_our_own_bridge", "knows_protocol"]

# What recordfs.interop.fsspec sets on its classes, so that the two bridges do not lead into each other for ever.
_BRIDGE_MARK = "serves_recordfs"


def is_our_own_bridge(fsspec_class_or_instance: object) -> bool:
    """Tell whether an fsspec filesystem is recordfs itself, seen through fsspec."""
    return getattr(fsspec_class_or_instance, _BRIDGE_MARK, False) is True


def knows_protocol(protocol: str) -> bool:
    """Tell whether fsspec has a filesystem for a protocol, installed or not, that is not recordfs again."""
    from fsspec.registry import known_implementations, registry

    if protocol == "recordfs" or protocol.startswith("recordfs+"):
        return False
    if protocol in registry:
        return not is_our_own_bridge(registry[protocol])
    entry = known_implementations.get(protocol)
    return entry is not None and not entry["class"].startswith("recordfs.")


class FsspecClients:
    """The fsspec instances behind one recordfs filesystem.

    Instances are made without fsspec's listing cache, which would hide what others write, and outside its instance
    cache, so that this changes nobody else's. Those that do their work in fsspec's own thread are shared by all
    threads; any other (FTP has one connection) belongs to the thread that made it. Each process makes its own.

    Args:
        wrapped: A protocol of fsspec, or an instance, which is used as it is.
        storage_options: For instances of the protocol; what a URL says (a host, a user) is added.
    """

    def __init__(self, wrapped: Any, storage_options: Mapping[str, Any]) -> None:
        self._wrapped = wrapped
        self._storage_options = dict(storage_options)
        # In a forked child an instance is made alike if the parent's may not be used there.
        self._instance: PerProcess[Any] = PerProcess(self._alike, made=wrapped)
        self._shared: PerProcess[dict[str, Any]] = PerProcess(dict)
        self._of_thread = PerProcess(threading.local)

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols that fsspec knows the filesystem by."""
        return _protocols_of(self._wrapped)

    @property
    def innermost_protocols(self) -> tuple[str, ...]:
        """The protocols of the store itself, where an instance stands in front of others: a directory, a cache."""
        wrapped = self._wrapped
        while isinstance(inner := getattr(wrapped, "fs", None), fsspec.AbstractFileSystem):
            wrapped = inner
        return _protocols_of(wrapped)

    def close(self) -> None:
        """Forget the instances that were made here: each closes its connections when no open file uses it any more."""
        self._shared.take()
        self._of_thread.take()

    def resolve(self, path: str) -> tuple[Any, str]:
        """Return the fsspec filesystem for a full path, and the path as that filesystem takes it."""
        with fsspec_errors(path):
            if isinstance(self._wrapped, str):
                return self._for_url(self._wrapped, path)
            instance = self._instance.get()
            scheme = scheme_of(path)
            if scheme and scheme not in self.protocols:
                path = path[len(scheme) + 3 :]
            return instance, _without_protocol(instance, path)

    def _alike(self) -> Any:
        if not self._wrapped.async_impl:
            return self._wrapped
        # fsspec pickles an instance as its class and arguments.
        return pickle.loads(pickle.dumps(self._wrapped))  # noqa: S301 (our own bytes)

    def _for_url(self, protocol: str, path: str) -> tuple[Any, str]:
        if not self._storage_options and (trouble := explain_chain(protocol, path)):
            raise InvalidArgumentError(trouble, path=path)
        cls = fsspec.get_filesystem_class(protocol)
        options = {**cls._get_kwargs_from_urls(_guarded(path)), **self._storage_options}
        known = self._shared.get() if cls.async_impl else self._of_thread.get().__dict__
        key = repr(sorted(options.items(), key=lambda item: item[0]))
        instance = known.get(key)
        if instance is None:
            instance = cls(**options, skip_instance_cache=True)
            if is_our_own_bridge(instance):
                raise InvalidArgumentError("this protocol leads back to recordfs; use the URL after it", path=path)
            _send_at_once(instance)
            _close_when_unused(instance)
            listings: Any = getattr(instance, "dircache", None)
            if hasattr(listings, "use_listings_cache"):
                listings.use_listings_cache = False
                listings.clear()
            # Of two threads that come first at once, both use the instance that was kept.
            instance = known.setdefault(key, instance)
        return instance, _without_protocol(instance, path)


def _send_at_once(instance: Any) -> None:
    """Let SFTP send what is left of a block without waiting for the server.

    paramiko leaves Nagle's algorithm on, and the server acknowledges late: each block of 32 KiB took 40 ms.
    """
    get_transport = getattr(getattr(instance, "client", None), "get_transport", None)
    sock = getattr(get_transport() if get_transport else None, "sock", None)
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _close_when_unused(instance: Any) -> None:
    """Let a connection over SSH end with the last of its instance and of the files that are open over it.

    paramiko's thread would keep it for as long as the process lives; others end theirs themselves.
    """
    if "sftp" in _protocols_of(instance) and hasattr(instance, "ftp"):
        weakref.finalize(instance.ftp, instance.client.close).atexit = False


def _protocols_of(wrapped: Any) -> tuple[str, ...]:
    protocol = wrapped if isinstance(wrapped, str) else wrapped.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


# Characters for private use in place of those that end a path where a URL is taken apart.
_GUARDS = {ord("?"): "\ue03f", ord("#"): "\ue023"}
_UNGUARD = {ord(guard): chr(character) for character, guard in _GUARDS.items()}


def _guarded(path: str) -> str:
    """Return a URL in which ``?`` and ``#`` are characters like others; on the web they are not."""
    return path if scheme_of(path) in ("http", "https") else path.translate(_GUARDS)


def _without_protocol(instance: Any, path: str) -> str:
    """Return a path as an instance takes it. Some take ``?`` for the beginning of a query, and would open another."""
    inside = str(instance._strip_protocol(path))
    if any(character in path and character not in inside for character in "?#"):
        inside = str(instance._strip_protocol(_guarded(path))).translate(_UNGUARD)
    return inside
