"""recordfs's protocols of fsspec as ``universal_pathlib`` paths: ``UPath("recordfs+ram://logs") / "run-1"``.

universal_pathlib takes what stands before a ``+`` for the protocol proper, and refuses to join paths for which that
does not name the same class. Giving it the path without its protocol settles that. Installing recordfs tells it of
this class, by entry points. ``recordfs://`` needs no help for local paths, and for others cannot be had: a path that is
taken apart must not hold another ``://``.
"""

from __future__ import annotations

from typing import Any

from recordfs.errors import MissingDependencyError

try:
    from upath import UPath
except ImportError as missing:
    raise MissingDependencyError("universal_pathlib is not installed; pip install universal_pathlib") from missing

__all__ = ["RecordFSPath"]


class RecordFSPath(UPath):  # type: ignore[misc]  # it is no dependency, so its types are not at hand
    """A path of a protocol that names recordfs and one scheme.

    For a scheme of one's own, add an entry point of the group ``universal_pathlib.implementations`` beside the one that
    fsspec needs (see ``recordfs.interop.fsspec.RecordFSSchemeFileSystem``), with the same name and this class.
    """

    __slots__ = ()

    @classmethod
    def _transform_init_args(
        cls, args: tuple[Any, ...], protocol: str, storage_options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], str, dict[str, Any]]:
        if args and isinstance(args[0], str):
            args = (args[0].removeprefix(f"{protocol}://"), *args[1:])
        transformed: tuple[tuple[Any, ...], str, dict[str, Any]]
        transformed = super()._transform_init_args(args, protocol, storage_options)
        return transformed
