"""What is installed that brings filesystems: modules, entry points, recordfs's own extras, and fsspec.

Nothing here keeps what it found; the registry does.
"""

from __future__ import annotations

from typing import Any, cast

from recordfs.errors import InvalidArgumentError, MissingDependencyError
from recordfs.filesystem import FileSystem

__all__ = [
    "ENTRY_POINT_GROUP",
    "fsspec_knows",
    "fsspec_protocols",
    "import_file_system",
    "installed_entry_points",
    "is_file_system",
    "missing_extras",
]

ENTRY_POINT_GROUP = "recordfs.filesystems"

# What an extra adds to a plain `pip install recordfs`, and the modules that tell whether it is there.
_EXTRAS = {
    "recordfs[http]": ("http:// and https://", ("fsspec", "aiohttp")),
    "recordfs[s3]": ("s3://", ("boto3", "obstore")),
    "recordfs[gcs]": ("gs://", ("google.cloud.storage", "obstore")),
    "recordfs[hdfs]": ("hdfs:// and viewfs://", ("hdfs_native",)),
    "recordfs[fsspec]": ("every scheme that fsspec has a filesystem for", ("fsspec",)),
}


def is_file_system(candidate: object) -> bool:
    """Tell whether something is a FileSystem or a class of them."""
    if isinstance(candidate, type):
        return issubclass(candidate, FileSystem)
    return isinstance(candidate, FileSystem)


def import_file_system(target: str, name: str) -> type[FileSystem] | FileSystem:
    """Import ``module:Class``; what goes wrong names the plugin."""
    import importlib  # only filesystems that are not loaded need it

    module_name, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except MissingDependencyError:
        raise
    except Exception as error:
        raise MissingDependencyError(
            f"the filesystem {target} for {name}:// could not be loaded: {type(error).__name__}: {error}"
        ) from error
    if is_file_system(found):
        return cast("type[FileSystem] | FileSystem", found)
    raise InvalidArgumentError(f"{target}, registered for {name}://, is not a FileSystem but {found!r}")


def fsspec_knows(name: str) -> bool:
    """Tell whether fsspec is installed and has a filesystem for a scheme."""
    import importlib.util  # as above

    if importlib.util.find_spec("fsspec") is None:
        return False
    from recordfs.filesystems._fsspec_clients import knows_protocol  # imports fsspec

    return knows_protocol(name)


def fsspec_protocols() -> list[str]:
    """Return the schemes that fsspec has filesystems for; none if it is not installed."""
    if not _is_installed(("fsspec",)):
        return []
    from fsspec.registry import known_implementations

    return list(known_implementations)


def installed_entry_points() -> dict[str, str]:
    """Return ``{scheme: "module:Class"}`` of the installed packages' entry points."""
    from importlib.metadata import entry_points  # costs about 60 ms, so only when a scheme is unknown

    # A value may name extras after the object: "module:Class [extra]".
    return {
        point.name.lower(): point.value.partition("[")[0].strip() for point in entry_points(group=ENTRY_POINT_GROUP)
    }


def missing_extras() -> list[str]:
    """Return a sentence for each extra of recordfs that is not installed: how it is, and what it adds."""
    return [
        f'pip install "{extra}" adds {what}' for extra, (what, modules) in _EXTRAS.items() if not _is_installed(modules)
    ]


def _is_installed(modules: tuple[str, ...]) -> bool:
    """Tell whether modules can be found, without importing more than the packages around them."""
    import importlib.util  # as above

    try:
        return all(importlib.util.find_spec(module) is not None for module in modules)
    except (ImportError, ValueError):  # a package around one is missing, or stands in sys.modules as missing
        return False
