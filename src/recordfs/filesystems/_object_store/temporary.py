"""Names of the objects that writers stage bytes in: ``<directory of the key>/.recordfs-tmp/<hash of the key>-...``.

They lie beside the object that they are made for, so that credentials that reach only one prefix can write them, and in
the directory of their own, so that one lifecycle rule and one look find them. Listings do not show them.
"""

from __future__ import annotations

import hashlib

__all__ = ["TEMPORARY_DIRECTORY", "is_temporary", "temporary_prefix"]

TEMPORARY_DIRECTORY = ".recordfs-tmp"


def temporary_prefix(key: str) -> str:
    """Return what the names of all temporary objects of one key begin with, and those of no other key.

    The key itself is not in it: TensorBoard takes every name with ``tfevents`` in it for an event file.
    """
    directory = key[: key.rfind("/") + 1]
    return f"{directory}{TEMPORARY_DIRECTORY}/{hashlib.sha256(key.encode()).hexdigest()[:32]}-"


def is_temporary(key: str, prefix: str) -> bool:
    """Tell whether a key below a prefix is a temporary object's, unless the prefix itself names their directory."""
    return f"/{TEMPORARY_DIRECTORY}/" in f"/{key[len(prefix) :]}"
