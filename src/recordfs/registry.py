"""Which filesystem serves a path: the one of its scheme, made once for each set of options, with these options.

What is registered for which scheme is ``registrations``'; what is made of it, and how it is configured, is here.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast, overload

from recordfs.errors import InvalidArgumentError
from recordfs.filesystem import FileSystem
from recordfs.filesystem_defaults.options import options_key
from recordfs.installed import fsspec_knows, import_file_system, is_file_system
from recordfs.paths import path_to_str, scheme_of
from recordfs.per_process import PerProcess
from recordfs.registrations import FSSPEC_BRIDGE, Factory, Registrations, checked_scheme, describe_factory
from recordfs.spelling import explain_misspelt_scheme, explain_misspelt_url, url_taken_for_folder

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

# How often a filesystem is made again because something was registered meanwhile.
_TRIES = 3

_InstanceKey = tuple[str, frozenset[tuple[str, object]]]  # scheme and options
_FileSystemClass = TypeVar("_FileSystemClass", bound=type[FileSystem])


class _State:
    """What this process has registered, configured and made: all of it changes under the lock of the registrations."""

    def __init__(self) -> None:
        self.registrations = Registrations()
        self.scheme_options: dict[str, dict[str, Any]] = {}
        self.instances: PerProcess[dict[_InstanceKey, FileSystem]] = PerProcess(dict)


_state = _State()


def _renew_lock_in_child() -> None:
    """Another thread of the parent may have held the lock when the process forked."""
    _state.registrations.lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock_in_child)


@overload
def register_file_system(scheme: str, *, overwrite: bool = False) -> Callable[[_FileSystemClass], _FileSystemClass]: ...
@overload
def register_file_system(scheme: str, file_system: Factory, *, overwrite: bool = False) -> None: ...
def register_file_system(
    scheme: str, file_system: Factory | None = None, *, overwrite: bool = False
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
    if isinstance(file_system, str):
        module, colon, attribute = file_system.partition(":")
        if not (module and colon and attribute):
            raise InvalidArgumentError(f"expected 'module:Class', found {file_system!r}")
    elif not is_file_system(file_system):
        raise TypeError(f"expected a FileSystem class or instance or 'module:Class', found {file_system!r}")
    name = checked_scheme(scheme)
    with _state.registrations.lock:
        _state.registrations.add(name, file_system, overwrite=overwrite)
        _forget_instances(name)
    return None


def unregister_file_system(scheme: str) -> None:
    """Undo ``register_file_system``; a built-in filesystem that it had replaced serves again.

    Raises:
        UnknownSchemeError: Nothing was registered in code for the scheme.
    """
    name = checked_scheme(scheme)
    with _state.registrations.lock:
        _state.registrations.remove(name)
        _forget_instances(name)


def configure_file_system(scheme: str, **options: object) -> None:
    """Set the options that a scheme's filesystem gets in this process, until configured again.

    Options of a single call win over these, key by key; these win over the environment. Filesystems that are in use
    already keep theirs. ``configure_file_system("s3")`` forgets what was set. Safe to call from any thread. An option
    that is unknown or wrong is told when the filesystem is next made.

    Raises:
        InvalidArgumentError: It is no name of a scheme.
    """
    name = _state.registrations.canonical(checked_scheme(scheme))
    with _state.registrations.lock:
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
        TypeError: The options are not a mapping.
    """
    if not (options is None or isinstance(options, dict) or hasattr(options, "keys")):
        raise TypeError(
            "options has to be a dict of what the filesystem takes, such as {'endpoint_url': ...}, "
            f"found {type(options).__name__}; the compression of records is compression='GZIP'"
        )
    name = canonical_scheme(path)
    made = None
    for _ in range(_TRIES):
        with _state.registrations.lock:
            generation = _state.registrations.generation
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
        with _state.registrations.lock:
            # Loading a plugin registers things too; only if nothing changed does this instance speak for its scheme.
            if generation == _state.registrations.generation:
                return _state.instances.get().setdefault(key, made)
    assert made is not None
    return made  # somebody registers all the time: serve the call, and keep nothing


def file_systems_in_use() -> list[tuple[str, FileSystem]]:
    """Return every filesystem that this process has made and kept, with its scheme; "" is the local one."""
    with _state.registrations.lock:
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
        trouble = explain_misspelt_url(text, _state.registrations)
    elif scheme.startswith("recordfs") and not _state.registrations.is_registered(scheme):
        trouble = explain_misspelt_scheme(scheme, text)
    if trouble is not None:
        raise InvalidArgumentError(trouble, path=text)
    return _state.registrations.canonical(scheme)


def warn_of_url_folder(path: str) -> None:
    """Warn, if a local path has a folder that is named like a URL: a program before this one took that for local."""
    url = None if scheme_of(path) else url_taken_for_folder(path, _state.registrations)
    if url is not None:
        import warnings

        warnings.warn(
            f"{path}: this is a local folder, named by a program that took {url} for a local path; give the URL itself "
            "to recordfs, and keep it as text",
            RuntimeWarning,
            stacklevel=3,
        )


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
    return _state.registrations.schemes(load_plugins=load_plugins)


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
    return _state.registrations.describe(checked_scheme(scheme), load_plugins=load_plugins)


def _forget_instances(name: str) -> None:
    """Let go of a scheme's instances; they go on serving who holds them."""
    instances = _state.instances.get()
    for key in [key for key in instances if key[0] == name]:
        del instances[key]


def _make(name: str, options: dict[str, Any]) -> FileSystem:
    """Make the filesystem for a scheme, outside the lock, because it may import anything."""
    factory = _state.registrations.find(name)
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
        raise InvalidArgumentError(
            f"{describe_factory(factory)}, which serves {name or 'local'} paths: {error}"
        ) from error


def _takes(factory: type[FileSystem], options: dict[str, Any]) -> bool:
    """Tell whether a class can be called with these options at all."""
    import inspect  # only after a failure, because it is slow to import

    try:
        inspect.signature(factory).bind(**options)
    except TypeError:
        return False
    return True


def _make_through_fsspec(name: str, options: dict[str, Any]) -> FileSystem:
    """Make the filesystem for a scheme that recordfs does not know and fsspec does."""
    if not fsspec_knows(name):
        raise _state.registrations.unknown(name)
    bridge: Any = import_file_system(FSSPEC_BRIDGE, name)
    return cast("FileSystem", bridge(name, **options))
