"""``torch.utils.tensorboard`` on any filesystem: after ``install()`` its SummaryWriter writes through recordfs.

::

    import recordfs.interop.torch
    from torch.utils.tensorboard import SummaryWriter

    recordfs.interop.torch.install()
    writer = SummaryWriter("s3://bucket/runs/1")

It works with TensorFlow installed and without, because it takes the place of the class that writes files
(``EventFileWriter`` in ``torch.utils.tensorboard.writer``), not of what that writes them with. What torch writes beside
event files (``add_embedding``) still goes through TensorBoard's own filesystems.
"""

from __future__ import annotations

import importlib
from typing import Any

from recordfs.errors import MissingDependencyError
from recordfs.interop._event_writers import Replacement, stand_in

__all__ = ["install", "uninstall"]

_replacement = Replacement("EventFileWriter")


def install(**settings: Any) -> None:
    """Have SummaryWriters of torch that are made from now on write through recordfs.

    Args:
        settings: Keywords of ``recordfs.events.EventFileWriter``, such as ``policy`` and ``max_queue_bytes``. Called
            again, the new ones count.

    Raises:
        MissingDependencyError: torch or TensorBoard is not installed; torch needs TensorBoard for its messages.
        FailedPreconditionError: This version of torch writes in another way.
    """
    try:
        module = importlib.import_module("torch.utils.tensorboard.writer")
    except ImportError as error:
        raise MissingDependencyError(
            f"torch's SummaryWriter needs torch and tensorboard: pip install torch tensorboard ({error})"
        ) from error
    _replacement.put(module, stand_in(settings))


def uninstall() -> None:
    """Have torch write by itself again. Idempotent."""
    _replacement.take_back()
