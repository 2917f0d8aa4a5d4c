"""How a file object is opened: TensorFlow's mode strings taken apart."""

from __future__ import annotations

from typing import NamedTuple

from recordfs.errors import InvalidArgumentError

__all__ = ["Mode", "parse_mode"]


class Mode(NamedTuple):
    """A mode taken apart.

    Attributes:
        kind: "r", "w" or "a".
        update: With ``+``: both reading and writing.
        binary: With ``b``: reads give bytes, otherwise str.
    """

    kind: str
    update: bool
    binary: bool

    @property
    def readable(self) -> bool:
        """Whether the mode allows reading."""
        return self.update or self.kind == "r"

    @property
    def writable(self) -> bool:
        """Whether the mode allows writing."""
        return self.update or self.kind != "r"


def parse_mode(mode: str, path: str) -> Mode:
    """Take a mode apart: ``r w a``, with ``+`` after it or not, and ``b`` anywhere.

    Raises:
        InvalidArgumentError: It is anything else, ``rt`` and ``x`` included.
        TypeError: It is not a str.
    """
    if not isinstance(mode, str):
        raise TypeError(f"a mode has to be a str, found {type(mode).__name__}")
    bare = mode.replace("b", "")
    if bare not in ("r", "w", "a", "r+", "w+", "a+"):
        raise InvalidArgumentError(
            f"a mode has to be one of r, w, a, r+, w+, a+, with or without b, found {mode!r}", path=path
        )
    return Mode(bare[0], len(bare) == 2, bare != mode)
