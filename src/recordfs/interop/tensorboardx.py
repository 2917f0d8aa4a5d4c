"""tensorboardX on any filesystem: after ``install()`` its SummaryWriter writes through recordfs.

::

    import recordfs.interop.tensorboardx
    from tensorboardX import SummaryWriter

    recordfs.interop.tensorboardx.install()
    writer = SummaryWriter("hdfs://cluster/runs/1")

It takes the place of ``EventFileWriter`` in ``tensorboardX.writer``, and with it of the queue that hangs when a write
fails. What tensorboardX writes beside event files (``add_embedding``) still goes through its own file factories.
"""

from __future__ import annotations

import importlib
from typing import Any

from recordfs.errors import MissingDependencyError
from recordfs.interop._event_writers import Replacement, stand_in

__all__ = ["install", "uninstall"]

_replacement = Replacement("EventFileWriter")


def install(**settings: Any) -> None:
    """Have SummaryWriters of tensorboardX that are made from now on write through recordfs.

    Args:
        settings: Keywords of ``recordfs.events.EventFileWriter``, such as ``policy`` and ``max_queue_bytes``. Called
            again, the new ones count.

    Raises:
        MissingDependencyError: tensorboardX is not installed.
        FailedPreconditionError: This version of tensorboardX writes in another way.
    """
    try:
        module = importlib.import_module("tensorboardX.writer")
    except ImportError as error:
        raise MissingDependencyError(f"tensorboardX is not installed: pip install tensorboardX ({error})") from error
    _replacement.put(module, stand_in(settings))


def uninstall() -> None:
    """Have tensorboardX write by itself again. Idempotent."""
    _replacement.take_back()
