"""``load_file_system_library``: a plugin's shared library becomes filesystems of recordfs."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from recordfs.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    UnimplementedError,
    UnknownSchemeError,
    error_from_os_error,
)
from recordfs.paths import path_to_str
from recordfs.plugins.plugin_file_system import PluginFileSystem, PluginLimits
from recordfs.registry import register_file_system, unregister_file_system
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.paths import PathInput
    from recordfs.plugins.operations import PluginOperations

__all__ = ["get_include", "load_file_system_library"]

_lock = threading.Lock()
_loaded: dict[tuple[str, bool], dict[str, PluginOperations]] = {}
"""The plugins of each library that this process has loaded, by its real path and whether a helper runs it."""


def load_file_system_library(
    path: PathInput,
    *,
    overwrite: bool = False,
    max_read_size: int | None = None,
    max_append_size: int | None = None,
    capabilities: Mapping[str, Mapping[str, object]] | None = None,
    helper_process: bool = False,
) -> list[str]:
    """Load a shared library with filesystem plugins for TensorFlow, and register their schemes.

    TensorFlow need not be installed, and may be imported before or after. The library is one that is built for
    ``tf.experimental.register_filesystem_plugin``: it exports ``TF_InitPlugin`` and imports TensorFlow's C functions.
    Its filesystems then serve ``gfile``, records, the command line and all else that takes a path.

    Loading a library runs its code in this process, with all rights of the process, and it is never unloaded. Load only
    what you trust; nothing is looked for or loaded by itself. A library that was loaded already is not loaded again.

    Args:
        path: The library: an explicit local path, never a bare name that the system would look for.
        overwrite: Replace filesystems that are registered or built in for the plugin's schemes.
        max_read_size: Bytes that one call of the plugin may be asked for, for plugins that misbehave with more.
        max_append_size: Bytes that one call of the plugin may be given, likewise.
        capabilities: What you know of a scheme's filesystem beyond what its table of operations shows, by the names of
            ``recordfs.Capabilities``: ``{"my": {"growing_reads": True, "directories": "implicit"}}``.
        helper_process: Run the plugin in a process of its own. If that dies, calls raise UnavailableError, and this
            process lives on; the next open starts another. Each call costs some tens of microseconds more.

    Returns:
        The schemes, in the plugin's order.

    Raises:
        NotFoundError: There is no such file.
        InvalidArgumentError: The file is no shared library for this machine, or exports no ``TF_InitPlugin``; an option
            is wrong.
        UnimplementedError: The library needs C++ symbols, or C functions, that only TensorFlow has; or the system is
            not Linux with glibc 2.28 or newer.
        FailedPreconditionError: It was built for another ABI of the interface, or its tables are incomplete.
        AlreadyExistsError: A scheme is taken, and ``overwrite`` is False. None is registered then.
        Otherwise what the plugin's ``init`` says.
    """
    limits = _limits(max_read_size, max_append_size)
    library = os.path.realpath(path_to_str(path))
    plugins = _load(library, helper_process)
    said = capabilities or {}
    unknown = said.keys() - plugins.keys()
    if unknown:
        raise InvalidArgumentError(
            f"capabilities are given by scheme: found {', '.join(unknown)}, the library has {', '.join(plugins)}",
            path=library,
        )
    made = [
        _make(operations, library, limits, dict(said.get(scheme, {})), helper_process)
        for scheme, operations in plugins.items()
    ]
    registered: list[str] = []
    try:
        for scheme, file_system in made:
            register_file_system(scheme, file_system, overwrite=overwrite)
            registered.append(scheme)
    except BaseException:
        for scheme in registered:
            with contextlib.suppress(UnknownSchemeError):
                unregister_file_system(scheme)
        raise
    return registered


def get_include() -> str:
    """Return the directory of the C++ headers that recordfs brings, for the compiler's ``-I``.

    A filesystem in the style of TensorFlow's guide (``class MyFileSystem : public FileSystem``, and
    ``REGISTER_FILE_SYSTEM("my", MyFileSystem);``) compiles against them, unchanged, into a library that
    ``load_file_system_library`` and TensorFlow load. C++17.
    """
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "include")


def _limits(max_read_size: int | None, max_append_size: int | None) -> PluginLimits:
    given = {"max_read_size": max_read_size, "max_append_size": max_append_size}
    return PluginLimits(
        **{name: whole_number(size, name, at_least=1) for name, size in given.items() if size is not None}
    )


def _make(
    operations: PluginOperations,
    library: str,
    limits: PluginLimits,
    capabilities: dict[str, object],
    helper_process: bool,
) -> tuple[str, PluginFileSystem]:
    arguments = (library, operations.scheme, limits, capabilities, helper_process)
    return operations.scheme, PluginFileSystem(
        operations, library, limits=limits, capabilities=capabilities, reload=(_reload, arguments)
    )


def _reload(
    library: str, scheme: str, limits: PluginLimits, capabilities: dict[str, object], helper_process: bool
) -> PluginFileSystem:
    """Make a pickled filesystem again, loading its library if this process has not."""
    return _make(_load(library, helper_process)[scheme], library, limits, capabilities, helper_process)[1]


def _load(library: str, helper_process: bool) -> dict[str, PluginOperations]:
    """Return the plugins of a library, by their schemes."""
    if sys.platform != "linux":
        raise UnimplementedError(f"filesystem plugins can be loaded on Linux only, not on {sys.platform}", path=library)
    with _lock:
        found = _loaded.get((library, helper_process))
        if found is None:
            found = _load_in_helper(library) if helper_process else load_in_this_process(library)
            _loaded[library, helper_process] = found
        return found


def load_in_this_process(library: str) -> dict[str, PluginOperations]:
    """Load a library and initialize its filesystems. One that fails makes all of it fail."""
    from recordfs import _core  # loaded when first needed

    try:
        with open(library, "rb") as file:
            contents = file.read()
    except OSError as error:
        raise error_from_os_error(error, library) from error
    schemes: list[Any] = _core.load_plugin_library(library, contents)
    plugins: dict[str, PluginOperations] = {}
    for plugin in schemes:
        if isinstance(plugin, BaseException):
            raise plugin
        if plugin.scheme in plugins or "/" in plugin.scheme:
            trouble = "has two filesystems for the scheme" if plugin.scheme in plugins else "has no sound scheme:"
            raise FailedPreconditionError(
                f"the plugin broke the interface: it {trouble} {plugin.scheme!r}", path=library
            )
        plugins[plugin.scheme] = plugin
    return plugins


def _load_in_helper(library: str) -> dict[str, PluginOperations]:
    from recordfs.plugins.helper_client import start_plugins  # few need it

    return start_plugins(library)


def _renew_lock_in_child() -> None:
    """Another thread of the parent may have held the lock when the process forked."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock_in_child)
