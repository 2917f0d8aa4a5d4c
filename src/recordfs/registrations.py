"""What is registered for which scheme, and what is found for one that is not registered in code.

Backends are named as strings here and imported when a path first needs them, so that importing recordfs loads no SDK.
A scheme is looked for in this order: registered in code, built in, a module that ``RECORDFS_PLUGIN_MODULES`` names,
an installed package's entry point (group ``recordfs.filesystems``), and last, if fsspec is installed, what fsspec
knows.
"""

from __future__ import annotations

import os
import threading

from recordfs.errors import AlreadyExistsError, InvalidArgumentError, MissingDependencyError, UnknownSchemeError
from recordfs.filesystem import FileSystem
from recordfs.installed import fsspec_knows, fsspec_protocols, installed_entry_points, missing_extras
from recordfs.paths import scheme_of
from recordfs.spelling import did_you_mean

__all__ = ["FSSPEC_BRIDGE", "Factory", "Registrations", "checked_scheme", "describe_factory"]

PLUGIN_MODULES_VARIABLE = "RECORDFS_PLUGIN_MODULES"

# Other spellings of the same filesystem: one instance serves both, so that a rename between them is one. Spark and
# Hadoop write s3a:// and s3n://, gcsfs gcs://; a path of viewfs:// leads to one of hdfs://.
_ALIASES = {"file": "", "gcs": "gs", "s3a": "s3", "s3n": "s3", "viewfs": "hdfs"}

_BUILT_IN = {
    "": "recordfs.filesystems.posix:PosixFileSystem",
    "gs": "recordfs.filesystems.gcs:GCSFileSystem",
    "hdfs": "recordfs.filesystems.hdfs:HdfsFileSystem",
    "http": "recordfs.filesystems.http:HttpFileSystem",
    "https": "recordfs.filesystems.http:HttpFileSystem",
    "memmapped_package": "recordfs.filesystems.memmapped:MemmappedFileSystem",
    "ram": "recordfs.filesystems.memory:MemoryFileSystem",
    "s3": "recordfs.filesystems.s3:S3FileSystem",
}

FSSPEC_BRIDGE = "recordfs.filesystems.fsspec:FsspecFileSystem"

Factory = type[FileSystem] | FileSystem | str
"""What can be registered: a class, an instance, or ``"module:Class"``."""


def checked_scheme(scheme: str) -> str:
    """Return a scheme in lower case, or "" for local paths."""
    bare = scheme.removesuffix("://")
    if bare and scheme_of(f"{bare}://") != bare.lower():
        raise InvalidArgumentError(
            f"a scheme is a letter followed by letters, digits and .+_-, found {scheme!r}; give it without slashes"
        )
    return bare.lower()


def describe_factory(factory: Factory) -> str:
    """Return ``module:Class`` for anything that can be registered."""
    if isinstance(factory, str):
        return factory
    cls = factory if isinstance(factory, type) else type(factory)
    return f"{cls.__module__}:{cls.__qualname__}"


class Registrations:
    """The schemes that lead to a filesystem. Safe to use from many threads.

    Attributes:
        lock: Held around every change, and never while foreign code runs.
        generation: Counts the changes: what was made of an older one no longer speaks for its scheme.
        plugin_modules_loaded: Whether all modules that the environment names have been loaded.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.generation = 0
        self.plugin_modules_loaded = False
        self._registered: dict[str, Factory] = {}
        self._entry_points: dict[str, str] | None = None

    def add(self, name: str, factory: Factory, *, overwrite: bool) -> None:
        """Register what serves a scheme.

        Raises:
            AlreadyExistsError: The scheme is taken and ``overwrite`` is False.
        """
        with self.lock:
            if self._is_taken(name) and not overwrite:
                raise AlreadyExistsError(
                    f"the scheme {name!r} is registered already; pass overwrite=True to replace it"
                )
            self._registered[name] = factory
            self.generation += 1

    def remove(self, name: str) -> None:
        """Undo ``add``.

        Raises:
            UnknownSchemeError: Nothing was registered in code for the scheme.
        """
        with self.lock:
            if name not in self._registered:
                raise UnknownSchemeError(f"nothing is registered for the scheme {name!r}")
            del self._registered[name]
            self.generation += 1

    def is_registered(self, name: str) -> bool:
        """Tell whether a scheme was registered in code."""
        return name in self._registered

    def canonical(self, name: str) -> str:
        """Return the scheme that another spelling of it stands for."""
        return name if name in self._registered else _ALIASES.get(name, name)

    def __contains__(self, name: object) -> bool:
        """Tell whether recordfs or fsspec serves a scheme; neither plugins nor other packages are asked."""
        if self._is_taken(name):
            return True
        # Of `C:/x` nobody thinks as of a URL, and fsspec knows no such scheme.
        return isinstance(name, str) and len(name) > 1 and fsspec_knows(name)

    def find(self, name: str) -> Factory | None:
        """Look a scheme up, nearest source first; None if only fsspec is left to ask.

        Raises:
            MissingDependencyError: A plugin module cannot be loaded.
        """
        factory = self._registered.get(name, _BUILT_IN.get(name))
        if factory is not None:
            return factory
        self._load_plugin_modules()
        factory = self._registered.get(name)
        return self._installed().get(name) if factory is None else factory

    def schemes(self, *, load_plugins: bool) -> list[str]:
        """Return every scheme, sorted, as ``get_registered_schemes`` says."""
        if load_plugins:
            self._load_plugin_modules()
        installed = self._installed()
        with self.lock:
            return sorted({*self._registered, *_BUILT_IN, *_ALIASES, *installed})

    def describe(self, name: str, *, load_plugins: bool) -> tuple[str, str]:
        """Return what serves a scheme and where it was registered, as ``registration_of`` says."""
        if load_plugins:
            self._load_plugin_modules()
        name = self.canonical(name)
        factory = self._registered.get(name)
        if factory is not None:
            return describe_factory(factory), "registered in code"
        if name in _BUILT_IN:
            return _BUILT_IN[name], "built in"
        entry = self._installed().get(name)
        if entry is not None:
            return entry, "entry point"
        if fsspec_knows(name):
            return FSSPEC_BRIDGE, "fsspec"
        raise self.unknown(name)

    def unknown(self, name: str) -> UnknownSchemeError:
        """Return the error that tells what is registered and how to add more."""
        known = [scheme for scheme in self.schemes(load_plugins=True) if scheme]
        missing = missing_extras()
        extras = f": {'; '.join(missing)}" if missing else ""
        suggestion = did_you_mean(name, known + fsspec_protocols(), suffix="://")
        return UnknownSchemeError(
            f"no filesystem is registered for {name}://{suggestion}; registered are local paths, "
            f"{', '.join(f'{scheme}://' for scheme in known)}. Register one with "
            f"recordfs.register_file_system({name!r}, ...), or install a package that brings it{extras}"
        )

    def _is_taken(self, name: object) -> bool:
        return name in self._registered or name in _BUILT_IN or name in _ALIASES

    def _load_plugin_modules(self) -> None:
        """Import what ``RECORDFS_PLUGIN_MODULES`` names (separated by commas).

        Threads that meet here all import: Python lets one do it and the others wait, and returns a module that is being
        imported by the same thread. Only when all are there is it over, so a broken one is named at every call; those
        after it are loaded all the same.
        """
        if self.plugin_modules_loaded:
            return
        broken: MissingDependencyError | None = None
        for module_name in filter(None, map(str.strip, os.environ.get(PLUGIN_MODULES_VARIABLE, "").split(","))):
            import importlib  # as above

            try:
                importlib.import_module(module_name)
            except Exception as error:  # noqa: BLE001  # a plugin may raise anything, and it is raised below
                broken = broken or MissingDependencyError(
                    f"the module {module_name}, named by {PLUGIN_MODULES_VARIABLE}, could not be loaded: "
                    f"{type(error).__name__}: {error}"
                )
                broken.__cause__ = broken.__cause__ or error
        if broken is not None:
            raise broken
        self.plugin_modules_loaded = True

    def _installed(self) -> dict[str, str]:
        """Return ``{scheme: "module:Class"}`` of the installed packages, read once."""
        if self._entry_points is None:
            self._entry_points = installed_entry_points()
        return self._entry_points
