"""NumPy, or the one line that says how to get it."""

from recordfs.errors import MissingDependencyError

try:
    import numpy as np
except ImportError as error:
    raise MissingDependencyError("checkpoints need NumPy: pip install 'recordfs[checkpoint]'") from error

__all__ = ["np"]
