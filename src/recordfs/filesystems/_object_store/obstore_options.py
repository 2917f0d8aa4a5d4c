"""obstore's options that are the same for every store: time limits, how often it tries, and plain HTTP."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

__all__ = ["TimeLimits", "client_options", "retry_config"]

LONGEST_REQUEST = dt.timedelta(hours=1)
"""``read_timeout`` finds connections that are stuck; a slow one may take its time over a block."""


class TimeLimits(Protocol):
    """What the settings of every store have."""

    @property
    def connect_timeout(self) -> float: ...
    @property
    def read_timeout(self) -> float: ...
    @property
    def max_attempts(self) -> int: ...


def client_options(settings: TimeLimits, endpoint: str) -> ClientConfig:
    """Return the options of obstore's HTTP client."""
    return {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": dt.timedelta(seconds=settings.connect_timeout),
        "read_timeout": dt.timedelta(seconds=settings.read_timeout),
        "timeout": LONGEST_REQUEST,
    }


def retry_config(settings: TimeLimits) -> RetryConfig:
    """Return how often obstore sends a request again."""
    return {"max_retries": settings.max_attempts - 1, "retry_timeout": dt.timedelta(seconds=60)}
