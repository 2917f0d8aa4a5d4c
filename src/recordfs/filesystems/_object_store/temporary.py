"""Temporary objects, in which writers stage bytes: ``<directory of the key>/.recordfs-tmp/<hash of the key>-...``.

They lie beside the object that they are made for, so that credentials that reach only one prefix can write them.
Listings do not show them. To everything else they are objects: a directory that holds nothing else exists and cannot be
deleted as an empty one, and ``delete_recursively`` removes them. All end alike, because lifecycle rules can name an end
but no directory in the middle of a name.
"""

from __future__ import annotations

import hashlib

__all__ = [
    "TEMPORARY_DIRECTORY",
    "TEMPORARY_SUFFIX",
    "is_temporary",
    "move_record_key",
    "temporary_key",
    "temporary_prefix",
]

TEMPORARY_DIRECTORY = ".recordfs-tmp"
TEMPORARY_SUFFIX = ".recordfs-tmp"


def temporary_key(key: str, name: str) -> str:
    """Return the key of a temporary object.

    Args:
        key: Of the object that it is made for.
        name: What tells it from the others of that key.
    """
    return f"{temporary_prefix(key)}{name}{TEMPORARY_SUFFIX}"


def temporary_prefix(key: str) -> str:
    """Return what the keys of all temporary objects of one key begin with, and those of no other key.

    The key itself is not in it: TensorBoard takes every name with ``tfevents`` in it for an event file.
    """
    directory = key[: key.rfind("/") + 1]
    return f"{directory}{TEMPORARY_DIRECTORY}/{hashlib.sha256(key.encode()).hexdigest()[:32]}-"


def move_record_key(source_bucket: str, source_prefix: str, target_prefix: str) -> str:
    """Return the key of the object that remembers, at its target, that a directory is being moved there."""
    source = hashlib.sha256(f"{source_bucket}/{source_prefix}".encode()).hexdigest()[:32]
    return f"{target_prefix}{TEMPORARY_DIRECTORY}/move-{source}{TEMPORARY_SUFFIX}"


def is_temporary(key: str, prefix: str) -> bool:
    """Tell whether a key below a prefix is a temporary object's, unless the prefix itself names their directory."""
    return f"/{TEMPORARY_DIRECTORY}/" in f"/{key[len(prefix) :]}"
