"""Temporary objects, in which writers stage bytes: ``<directory of the key>/.recordfs-tmp/<hash of the key>-...``.

They lie beside the object that they are made for, so that credentials that reach only one prefix can write them; where
its directory leaves no room for their names, in the nearest one above that does.
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

LONGEST_DIRECTORY = 1024 - 128
"""Bytes; a key has 1,024 at most on S3 and Google Cloud Storage, and what is added here has less than 128."""


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
    directory = _with_room(key[: key.rfind("/") + 1])
    return f"{directory}{TEMPORARY_DIRECTORY}/{hashlib.sha256(key.encode()).hexdigest()[:32]}-"


def move_record_key(source_bucket: str, source_prefix: str, target_prefix: str) -> str:
    """Return the key of the object that remembers, at its target, that a directory is being moved there."""
    directory = _with_room(target_prefix)
    # Of a target without room the record lies further above, with those of other targets.
    below = target_prefix[len(directory) :]
    move = hashlib.sha256(f"{source_bucket}/{source_prefix}{below and f' {below}'}".encode()).hexdigest()[:32]
    return f"{directory}{TEMPORARY_DIRECTORY}/move-{move}{TEMPORARY_SUFFIX}"


def _with_room(directory: str) -> str:
    """Return the nearest prefix of a directory, or of one above it, to which a temporary name can be added."""
    while len(directory.encode()) > LONGEST_DIRECTORY:
        directory = directory[: directory.rfind("/", 0, -1) + 1]
    return directory


def is_temporary(key: str, prefix: str) -> bool:
    """Tell whether a key below a prefix is a temporary object's, unless the prefix itself names their directory."""
    return f"/{TEMPORARY_DIRECTORY}/" in f"/{key[len(prefix) :]}"
