"""recordfs's protocols of fsspec as ``universal_pathlib`` paths: ``UPath("recordfs+ram://logs") / "run-1"``.

universal_pathlib takes a path apart by the rules of the fsspec class that it finds among those that are loaded, or,
where none is, by rules of its own that fit no protocol of ours. So the class is loaded before any path is made. It
takes what stands before a ``+`` for the protocol proper, and refuses to join paths for which that does not name the
same class; giving it the path without its protocol settles that. By entry points, installing recordfs is enough.

``recordfs://`` needs no help for local paths, and for others cannot be had: a path that is taken apart must not hold
another ``://``.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from recordfs.errors import MissingDependencyError

try:
    import fsspec
    from upath._flavour import WrappedFileSystemFlavour
    from upath.implementations.cloud import CloudPath
except ImportError as missing:
    raise MissingDependencyError("universal_pathlib is not installed; pip install universal_pathlib") from missing

__all__ = ["RecordFSPath"]


class RecordFSPath(CloudPath):  # type: ignore[misc]  # it is no dependency, so its types are not at hand
    """A path of a protocol that names recordfs and one scheme; the bucket or host is its anchor, as in an S3Path.

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


def _prepare_protocols() -> None:
    """Make known how the protocols whose paths are of this class, ours and other packages', are taken apart."""
    # universal_pathlib has no public way to say that a bucket or host is the anchor of a path, as in its S3Path.
    anchored = WrappedFileSystemFlavour.protocol_config["netloc_is_anchor"]
    for point in entry_points(group="universal_pathlib.implementations"):
        if point.value.partition(":")[0] == __name__:
            fsspec.get_filesystem_class(point.name)
            anchored.add(point.name)


_prepare_protocols()
