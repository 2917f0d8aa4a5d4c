"""Which filesystem serves a path: schemes, options, and finding what is not loaded yet.

Backends are named as strings here and imported when a path first needs them, so that importing recordfs loads no SDK.
A scheme is looked for in this order: registered in code, built in, a module that ``RECORDFS_PLUGIN_MODULES`` names,
an installed package's entry point (group ``recordfs.filesystems``), and last, if fsspec is installed, what fsspec
knows.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast, overload

from recordfs.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    MissingDependencyError,
    UnknownSchemeError,
)
from recordfs.filesystem import FileSystem
from recordfs.filesystem_defaults.options import options_key
from recordfs.installed import (
    fsspec_knows,
    fsspec_protocols,
    import_file_system,
    installed_entry_points,
    is_file_system,
    missing_extras,
)
from recordfs.paths import path_to_str, scheme_of
from recordfs.per_process import PerProcess
from recordfs.spelling import did_you_mean, explain_misspelt_scheme, explain_misspelt_url, url_taken_for_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordfs.paths import PathInput

__all__ = [
    "Where",
    "canonical_scheme",
    "configure_file_system",
    "get_file_system",
    "get_registered_schemes",
    "register_file_system",
    "resolve",
    "unregister_file_system",
]

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

_FSSPEC_BRIDGE = "recordfs.filesystems.fsspec:FsspecFileSystem"

# How often a filesystem is made again because something was registered meanwhile.
_TRIES = 3

_Factory = type[FileSystem] | FileSystem | str
_InstanceKey = tuple[str, frozenset[tuple[str, object]]]  # scheme and options
_FileSystemClass = TypeVar("_FileSystemClass", bound=type[FileSystem])


class _State:
    """Everything that registering changes, under one lock that is never held while foreign code runs."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.registered: dict[str, _Factory] = {}
        self.scheme_options: dict[str, dict[str, Any]] = {}
        self.instances: PerProcess[dict[_InstanceKey, FileSystem]] = PerProcess(dict)
        # Counts changes of what is registered, so that an instance made meanwhile from something older is not kept.
        self.generation = 0
        self.plugin_modules_loaded = False
        self.entry_points: dict[str, str] | None = None


_state = _State()


def _renew_lock_in_child() -> None:
    """Another thread of the parent may have held the lock when the process forked."""
    _state.lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock_in_child)


def _checked_scheme(scheme: str) -> str:
    """Return a scheme in lower case, or "" for local paths."""
    bare = scheme.removesuffix("://")
    if bare and scheme_of(f"{bare}://") != bare.lower():
        raise InvalidArgumentError(
            f"a scheme is a letter followed by letters, digits and .+_-, found {scheme!r}; give it without slashes"
        )
    return bare.lower()


@overload
def register_file_system(scheme: str, *, overwrite: bool = False) -> Callable[[_FileSystemClass], _FileSystemClass]: ...
@overload
def register_file_system(scheme: str, file_system: _Factory, *, overwrite: bool = False) -> None: ...
def register_file_system(
    scheme: str, file_system: _Factory | None = None, *, overwrite: bool = False
) -> Callable[[_FileSystemClass], _FileSystemClass] | None:
    """Make a filesystem serve every path with a scheme. Safe to call from any thread.

    Without ``file_system`` it is a class decorator.

    Args:
        scheme: With or without ``://``; "" is the local filesystem.
        file_system: A FileSystem class, which is called with the options of a call and of
            ``configure_file_system``; an instance, which takes none; or ``"module:Class"``, imported at first use.
        overwrite: Replace what is registered or built in.

    Raises:
        AlreadyExistsError: The scheme is taken and ``overwrite`` is False.
        InvalidArgumentError: The scheme, or the string, is malformed.
        TypeError: ``file_system`` is none of the three.
    """
    if file_system is None:

        def decorate(cls: _FileSystemClass) -> _FileSystemClass:
            register_file_system(scheme, cls, overwrite=overwrite)
            return cls

        return decorate
    name = _checked_scheme(scheme)
    if isinstance(file_system, str):
        module, colon, attribute = file_system.partition(":")
        if not (module and colon and attribute):
            raise InvalidArgumentError(f"expected 'module:Class', found {file_system!r}")
    elif not is_file_system(file_system):
        raise TypeError(f"expected a FileSystem class or instance or 'module:Class', found {file_system!r}")
    with _state.lock:
        taken = name in _state.registered or name in _BUILT_IN or name in _ALIASES
        if taken and not overwrite:
            raise AlreadyExistsError(f"the scheme {name!r} is registered already; pass overwrite=True to replace it")
        _state.registered[name] = file_system
        _state.generation += 1
        _forget_instances(name)
    return None


def unregister_file_system(scheme: str) -> None:
    """Undo ``register_file_system``; a built-in filesystem that it had replaced serves again.

    Raises:
        UnknownSchemeError: Nothing was registered in code for the scheme.
    """
    name = _checked_scheme(scheme)
    with _state.lock:
        if name not in _state.registered:
            raise UnknownSchemeError(f"nothing is registered for the scheme {name!r}")
        del _state.registered[name]
        _state.generation += 1
        _forget_instances(name)


def configure_file_system(scheme: str, **options: object) -> None:
    """Set the options that a scheme's filesystem gets in this process, until configured again.

    Options of a single call win over these, key by key; these win over the environment. Filesystems that are in use
    already keep theirs. ``configure_file_system("s3")`` forgets what was set.
    """
    name = _canonical(_checked_scheme(scheme))
    with _state.lock:
        _state.scheme_options[name] = dict(options)


def get_file_system(path: PathInput, *, options: Mapping[str, Any] | None = None) -> FileSystem:
    """Return the filesystem that serves a path.

    One instance serves all equal calls of a process: it is made once for each scheme and set of options. Safe to call
    from any thread. A forked child makes its own.

    Args:
        path: A full path, or just ``scheme://``.
        options: What this filesystem's class takes; see its docstring.

    Raises:
        UnknownSchemeError: Nothing is registered for the scheme.
        MissingDependencyError: recordfs knows the scheme, and what it needs is not installed.
        InvalidArgumentError: An option is unknown or wrong.
    """
    name = canonical_scheme(path)
    made = None
    for _ in range(_TRIES):
        with _state.lock:
            generation = _state.generation
            merged = {**_state.scheme_options.get(name, {}), **(options or {})}
        frozen = options_key(merged)
        key = None if frozen is None else (name, frozen)
        if key is not None:
            found = _state.instances.get().get(key)
            if found is not None:
                return found
        made = _make(name, merged)
        if key is None:
            return made
        with _state.lock:
            # Loading a plugin registers things too; only if nothing changed does this instance speak for its scheme.
            if generation == _state.generation:
                return _state.instances.get().setdefault(key, made)
    assert made is not None
    return made  # somebody registers all the time: serve the call, and keep nothing


def file_systems_in_use() -> list[tuple[str, FileSystem]]:
    """Return every filesystem that this process has made and kept, with its scheme; "" is the local one."""
    with _state.lock:
        return [(name, made) for (name, _), made in _state.instances.get().items()]


def canonical_scheme(path: PathInput) -> str:
    """Return the scheme under which a path's filesystem is kept: "" for local paths and for ``file://``.

    Raises:
        InvalidArgumentError: The path is a URL that is spelt wrong, and would be taken for a local name.
    """
    text = path_to_str(path)
    scheme = scheme_of(text)
    trouble = None
    if not scheme:
        trouble = explain_misspelt_url(text, _KnownSchemes())
    elif scheme.startswith("recordfs") and scheme not in _state.registered:
        trouble = explain_misspelt_scheme(scheme, text)
    if trouble is not None:
        raise InvalidArgumentError(trouble, path=text)
    return _canonical(scheme)


def warn_of_url_folder(path: str) -> None:
    """Warn, if a local path has a folder that is named like a URL: a program before this one took that for local."""
    url = None if scheme_of(path) else url_taken_for_folder(path, _KnownSchemes())
    if url is not None:
        import warnings

        warnings.warn(
            f"{path}: this is a local folder, named by a program that took {url} for a local path; give the URL itself "
            "to recordfs, and keep it as text",
            RuntimeWarning,
            stacklevel=3,
        )


class _KnownSchemes:
    """The schemes that recordfs serves, and those of fsspec; neither plugins nor other packages are asked."""

    def __contains__(self, scheme: object) -> bool:
        if scheme in _BUILT_IN or scheme in _ALIASES or scheme in _state.registered:
            return True
        # Of `C:/x` nobody thinks as of a URL, and fsspec knows no such scheme.
        return isinstance(scheme, str) and len(scheme) > 1 and fsspec_knows(scheme)


def _canonical(scheme: str) -> str:
    return scheme if scheme in _state.registered else _ALIASES.get(scheme, scheme)


class Where(TypedDict, total=False):
    """The keywords of a function that takes a path, which say what serves it; ``resolve`` takes them.

    Attributes:
        file_system: What serves the path; None is what is registered for its scheme.
        options: For the registered filesystem, whose class names them.
    """

    file_system: FileSystem | None
    options: Mapping[str, Any] | None


def resolve(
    path: PathInput, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> tuple[FileSystem, str]:
    """Return the filesystem for a path as every public function's keywords say, and the path as str.

    Raises:
        InvalidArgumentError: Both ``file_system`` and ``options`` are given.
    """
    text = path_to_str(path)
    if file_system is None:
        return get_file_system(text, options=options), text
    if options is not None:
        raise InvalidArgumentError("give file_system or options, not both: an instance has its options", path=text)
    return file_system, text


def get_registered_schemes(*, load_plugins: bool = True) -> list[str]:
    """Return every scheme that is registered, sorted; "" is the local filesystem. What fsspec adds is not among them.

    Loads the modules that ``RECORDFS_PLUGIN_MODULES`` names and reads the installed packages' entry points, but
    imports no filesystem.

    Args:
        load_plugins: False takes only those plugin modules into account that are loaded already.

    Raises:
        MissingDependencyError: A plugin module cannot be loaded. The others have been.
    """
    if load_plugins:
        _load_plugin_modules()
    installed = _installed_entry_points()
    with _state.lock:
        return sorted({*_state.registered, *_BUILT_IN, *_ALIASES, *installed})


def registration_of(scheme: str, *, load_plugins: bool = True) -> tuple[str, str]:
    """Return what serves a scheme and where it was registered, for people to read.

    Args:
        scheme: Its name; "" is the local filesystem.
        load_plugins: As for ``get_registered_schemes``.

    Returns:
        ``("module:Class", "registered in code" | "built in" | "entry point" | "fsspec")``.

    Raises:
        UnknownSchemeError: Nothing does.
        MissingDependencyError: A plugin module cannot be loaded.
    """
    if load_plugins:
        _load_plugin_modules()
    name = _canonical(_checked_scheme(scheme))
    factory = _state.registered.get(name)
    if factory is not None:
        return _describe(factory), "registered in code"
    if name in _BUILT_IN:
        return _BUILT_IN[name], "built in"
    entry = _installed_entry_points().get(name)
    if entry is not None:
        return entry, "entry point"
    if fsspec_knows(name):
        return _FSSPEC_BRIDGE, "fsspec"
    raise _unknown_scheme(name)


def _describe(factory: _Factory) -> str:
    """Return ``module:Class`` for anything that can be registered."""
    if isinstance(factory, str):
        return factory
    cls = factory if isinstance(factory, type) else type(factory)
    return f"{cls.__module__}:{cls.__qualname__}"


def _forget_instances(name: str) -> None:
    """Let go of a scheme's instances; they go on serving who holds them."""
    instances = _state.instances.get()
    for key in [key for key in instances if key[0] == name]:
        del instances[key]


def _make(name: str, options: dict[str, Any]) -> FileSystem:
    """Make the filesystem for a scheme, outside the lock, because it may import anything."""
    factory = _find(name)
    if factory is None:
        return _make_through_fsspec(name, options)
    if isinstance(factory, str):
        factory = import_file_system(factory, name)
    if isinstance(factory, FileSystem):
        if options:
            raise InvalidArgumentError(
                f"{name}:// is served by an instance, which takes no options; found {', '.join(sorted(options))}"
            )
        return factory
    try:
        return factory(**options)
    except TypeError as error:
        if _takes(factory, options):
            raise
        raise InvalidArgumentError(f"{_describe(factory)}, which serves {name or 'local'} paths: {error}") from error


def _takes(factory: type[FileSystem], options: dict[str, Any]) -> bool:
    """Tell whether a class can be called with these options at all."""
    import inspect  # only after a failure, because it is slow to import

    try:
        inspect.signature(factory).bind(**options)
    except TypeError:
        return False
    return True


def _find(name: str) -> _Factory | None:
    """Look a scheme up, nearest source first; None if only fsspec is left to ask."""
    factory = _state.registered.get(name, _BUILT_IN.get(name))
    if factory is not None:
        return factory
    _load_plugin_modules()
    factory = _state.registered.get(name)
    return _installed_entry_points().get(name) if factory is None else factory


def _make_through_fsspec(name: str, options: dict[str, Any]) -> FileSystem:
    """Make the filesystem for a scheme that recordfs does not know and fsspec does."""
    if not fsspec_knows(name):
        raise _unknown_scheme(name)
    bridge: Any = import_file_system(_FSSPEC_BRIDGE, name)
    return cast("FileSystem", bridge(name, **options))


def _load_plugin_modules() -> None:
    """Import what ``RECORDFS_PLUGIN_MODULES`` names (separated by commas).

    Threads that meet here all import: Python lets one do it and the others wait, and returns a module that is being
    imported by the same thread. Only when all are there is it over, so a broken one is named at every call; those
    after it are loaded all the same.
    """
    if _state.plugin_modules_loaded:
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
    _state.plugin_modules_loaded = True


def _installed_entry_points() -> dict[str, str]:
    """Return ``{scheme: "module:Class"}`` of the installed packages, read once."""
    if _state.entry_points is None:
        _state.entry_points = installed_entry_points()
    return _state.entry_points


def _unknown_scheme(name: str) -> UnknownSchemeError:
    """Return the error that tells what is registered and how to add more."""
    known = [scheme for scheme in get_registered_schemes() if scheme]
    missing = missing_extras()
    extras = f": {'; '.join(missing)}" if missing else ""
    return UnknownSchemeError(
        f"no filesystem is registered for {name}://{did_you_mean(name, known + fsspec_protocols(), suffix='://')}; "
        f"registered are local paths, {', '.join(f'{scheme}://' for scheme in known)}. Register one with "
        f"recordfs.register_file_system({name!r}, ...), or install a package that brings it{extras}"
    )
