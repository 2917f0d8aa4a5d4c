"""NumPy, or the one line that says how to get it."""

from __future__ import annotations

from recordfs.errors import MissingDependencyError

try:
    import numpy as np
except ImportError as error:
    raise MissingDependencyError(
        "columns of Examples need NumPy: pip install 'recordfs[example]' "
        "(decode_example works without it, and so does encode_example for plain Python values)"
    ) from error

__all__ = ["np"]
