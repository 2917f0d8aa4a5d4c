"""Public names of a package that are imported when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(package: str, home: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return what a package assigns to its ``__getattr__`` and ``__dir__``, unless a type checker looks.

    Args:
        package: Its ``__name__``.
        home: For each name the module below the package that it is imported from; "" if it is such a module itself.
    """
    namespace = vars(sys.modules[package])

    def load(name: str) -> object:
        module = home.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        import importlib

        loaded = importlib.import_module(f"{package}.{module or name}")
        value = getattr(loaded, name) if module else loaded
        namespace[name] = value
        return value

    def names() -> list[str]:
        return sorted({*namespace, *home})

    return load, names
