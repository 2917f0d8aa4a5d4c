"""Addresses of stores as people write them, with or without a scheme; what cannot be an address is refused."""

from __future__ import annotations

from urllib.parse import urlsplit

from recordfs.errors import InvalidArgumentError

__all__ = ["PLAIN_HTTP", "checked_endpoint"]

PLAIN_HTTP = "the endpoint was addressed by https and answers as one of plain http does: write http:// in front of it"


def checked_endpoint(endpoint: str, origin: str, scheme: str) -> str:
    """Return an endpoint as a URL without a slash at its end.

    Args:
        endpoint: As it was written.
        origin: Where it was found, for the error.
        scheme: What it gets where it has none.

    Raises:
        InvalidArgumentError: It is no URL of an HTTP server.
    """
    url = endpoint.strip()
    if "://" not in url:
        url = f"{scheme}://{url}"
    expected = "expected an address such as https://host:port"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is parsed only when asked for
    except ValueError:
        # Without cause and value: who writes a password into an address must not find it in a log.
        raise InvalidArgumentError(f"{expected} in {origin}, found a host or port that cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidArgumentError(f"{expected} in {origin}, found the scheme {parts.scheme!r} and the host {host!r}")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidArgumentError(f"{expected} in {origin}, without user, password, query or fragment")
    return url.rstrip("/")
