"""Leases: who may write a file. A writer renews its lease while it lives; when it dies, the file stays open under it.

Until 60 seconds after the last renewal (HdfsConstants.LEASE_SOFTLIMIT_PERIOD) the namenode lets nobody else in. Then
whoever asks to append, or to cut the file, has the lease recovered: the datanodes agree on the length of the last block
(every flushed byte is in it), and the file is closed. That takes some seconds. Recovering a lease fences the writer
that held it, dead or not.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs.errors import DeadlineExceededError
from recordfs.filesystems.hdfs.errors import LeaseHeldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystems.hdfs.name_service import NameService

__all__ = ["recover_lease", "when_free"]

Result = TypeVar("Result")

PAUSE_SECONDS = 0.25
"""Between two looks whether a recovery is through."""

RECOVERY_SECONDS = 30.0
"""How long the recovery of a lease may take; three seconds are usual, more if datanodes are dead."""

_log = logging.getLogger("recordfs")


def recover_lease(
    service: NameService, name: str, path: str, seconds: float = RECOVERY_SECONDS, *, client: Any = None
) -> None:
    """Close a file that a dead writer left open. Whoever holds its lease is fenced.

    Args:
        service: Where it is.
        name: Its path as the caller of recordfs gave it.
        path: Its path on HDFS.
        seconds: How long that may take.
        client: The native client that asks; None for the service's.

    Raises:
        DeadlineExceededError: It took longer; the namenode goes on with it.
        NotFoundError: The file is missing.
    """
    deadline = time.monotonic() + seconds
    recover = (client or service.native).recover_lease
    while not service.ask("recoverLease", name, recover, path):
        if time.monotonic() >= deadline:
            raise DeadlineExceededError(
                f"the lease of the file was not recovered in {seconds:g} s; the namenode goes on with it (are the "
                "datanodes that hold its last block alive?)",
                path=name,
            )
        time.sleep(PAUSE_SECONDS)


def when_free(service: NameService, name: str, path: str, attempt: Callable[[], Result]) -> Result:
    """Return what an attempt returns that needs a file which nobody writes, waiting for a dead writer's lease.

    With the option ``take_over`` the lease of whoever has the file open is recovered at once. Else the wait lasts at
    most ``lease_wait`` seconds.

    Args:
        service: Where it is.
        name: Its path as the caller of recordfs gave it.
        path: Its path on HDFS.
        attempt: What is to be done. It has the namenode recover a lease that is due.

    Raises:
        LeaseHeldError: Somebody holds it all the time.
    """
    settings = service.settings
    deadline = time.monotonic() + settings.lease_wait
    recovered = announced = False
    while True:
        try:
            return attempt()
        except LeaseHeldError as error:
            if path in service.open_files:
                raise LeaseHeldError("this process has the file open for writing already", path=name) from error
            if settings.take_over and not recovered:
                recover_lease(service, name, path)
                recovered = True
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                raise _held(error, settings.lease_wait) from error
            if not announced:
                announced = True
                _log.warning(
                    "%s is held by another writer (%s); waiting up to %g s, in case it is dead",
                    name, error.message, settings.lease_wait,
                )  # fmt: skip
            time.sleep(min(PAUSE_SECONDS, left))


def _held(error: LeaseHeldError, waited: float) -> LeaseHeldError:
    return LeaseHeldError(
        f"another writer has the file open, and renewed its lease less than a minute ago or its recovery is not "
        f"through ({error.message}); waited {waited:g} s (lease_wait). If it is dead, the option take_over=True takes "
        "the file from it at once; one that is alive would lose what it has not flushed",
        path=error.path,
    )
