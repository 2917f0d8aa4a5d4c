"""Where the index of an event file stands beside it: what reads record files has to tell one from the other."""

from __future__ import annotations

import hashlib

from recordfs.paths import basename, dirname, join

__all__ = ["STORED_INDEX_PREFIX", "stored_index_path"]

STORED_INDEX_PREFIX = ".recordfs-index-"
"""What the names of indexes beside event files begin with."""


def stored_index_path(path: str) -> str:
    """Return where the index of an event file stands beside it."""
    name = hashlib.sha256(basename(path).encode()).hexdigest()[:32]
    directory = dirname(path)
    name = f"{STORED_INDEX_PREFIX}{name}"
    return join(directory, name) if directory else name
