"""Packages that events do not need: imported when something asks for them, else one line says how to get them."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from recordfs.errors import MissingDependencyError

__all__ = ["require", "require_numpy"]


# It is asked for each tag, and importing what is there already takes 10 us.
@functools.cache
def require(package: str, what: str, install: str) -> Any:
    """Import a package for something that needs it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingDependencyError(f"{what} need {package}: pip install {install}") from error


def require_numpy(what: str) -> Any:
    """Import NumPy for something that needs it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    return require("numpy", what, "'recordfs[events]'")
