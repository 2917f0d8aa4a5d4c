"""What TensorBoard loads of recordfs: it opens log directories that are URLs, without reading them.

An entry point of the group ``tensorboard_plugins`` names ``RecordFSLoader``. TensorBoard loads it at every start, on
every machine where recordfs is installed, whatever it is to show: so nothing but TensorBoard's base class is imported
here, and nothing ever raises.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from tensorboard.plugins import base_plugin

if TYPE_CHECKING:
    import argparse

    from recordfs.tensorboard.provider import DataProvider
    from recordfs.tensorboard.server import Server

__all__ = ["RecordFSLoader", "provider_options", "serve_directories"]


class RecordFSLoader(base_plugin.TBLoader):  # type: ignore[misc]  # TensorBoard has no types
    """Starts recordfs's data provider and names it to TensorBoard, where the log directory is a URL."""

    def define_flags(self, parser: argparse.ArgumentParser) -> None:
        """Add ``--recordfs``."""
        try:
            group = parser.add_argument_group("recordfs: log directories in buckets and elsewhere")
            group.add_argument(
                "--recordfs",
                metavar="auto|on|off",
                choices=("auto", "on", "off"),
                default="auto",
                help="auto: recordfs reads log directories that are URLs; on: local ones too; off: none",
            )
            group.add_argument(
                "--recordfs_requests",
                metavar="N",
                type=int,
                default=256,
                help="how many requests recordfs has under way at once",
            )
            group.add_argument(
                "--recordfs_projector",
                metavar="on|off",
                choices=("on", "off"),
                default="off",
                help="on: the projector looks for embeddings in each run of a log directory that is a URL",
            )
        except Exception as error:  # noqa: BLE001 (TensorBoard has to start)
            _say(f"its flags could not be added: {error}")

    def fix_flags(self, flags: Any) -> None:
        """Start the provider and set ``--grpc_data_provider``."""
        try:
            _fix_flags(flags)
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            _say(f"TensorBoard reads the log directory itself, because recordfs cannot: {_told(error)}")

    def load(self, context: Any) -> None:
        """Return None: recordfs adds no dashboard."""
        try:
            _contexts.append(context)
        except Exception as error:  # noqa: BLE001 (TensorBoard has to start)
            _say(f"other dashboards look into each run: {type(error).__name__}: {error}")


# By their addresses. A server of gRPC's stops when it is collected; these go with the process.
_running: dict[str, object] = {}

_GARBAGE_THRESHOLDS = (100_000, 50, 100)

# What TensorBoard told its plugins.
_contexts: list[Any] = []


def serve_directories(flags: Any, directories: list[tuple[str, str]], provider: DataProvider) -> Server:
    """Start a provider and name it to TensorBoard, and let that read other files of the log directories by recordfs."""
    from recordfs.redaction import redact
    from recordfs.tensorboard.server import serve

    # TensorBoard and we hold a million objects that are no garbage; with Python's settings, looking for some among them
    # takes more than half of the time to open 1,000 runs.
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    provider.before_plugins = _still_walkers
    server = serve(provider)
    _running[server.address] = server
    flags.grpc_data_provider = server.address
    urls = [path for path, _ in directories if _is_url(path)]
    if not urls:
        return server
    try:
        from recordfs.tensorboard.other_files import register_with_tensorboard

        register_with_tensorboard(urls)
        reads_files = not any(redact(path) != path for path in urls)  # TensorBoard shows the directory as it is
    except Exception as error:  # noqa: BLE001 (runs are shown all the same)
        _say(f"profiles and embeddings are not shown: {type(error).__name__}: {error}")
        reads_files = False
    if not reads_files:
        flags.logdir, flags.logdir_spec = "", ""
    return server


def _still_walkers() -> None:
    """Take the log directory from dashboards that go through all of it before the page is there.

    TensorBoard asks the provider for plugins before it asks them whether they have something to show. When our ``load``
    is called they may not be there yet.
    """
    for context in _contexts:
        try:
            _still_walkers_of(context)
        except Exception as error:  # noqa: BLE001 (the answer does not depend on it)
            _say(f"other dashboards look into each run: {type(error).__name__}: {error}")
    _contexts.clear()


def _still_walkers_of(context: Any) -> None:
    flags = context.flags
    if getattr(flags, "grpc_data_provider", "") not in _running:
        return
    dashboards = context.plugin_name_to_instance or {}
    # The projector asks for several files of every run, one after another.
    stilled = [] if getattr(flags, "recordfs_projector", "") == "on" else [dashboards.get("projector")]
    # The profiler lists every directory by fsspec, and reads profiles by itself, which it can from gs:// only.
    profiler = dashboards.get("profile")
    if not str(getattr(profiler, "logdir", "")).startswith("gs://"):
        stilled.append(profiler)
    for dashboard in stilled:
        if dashboard is not None and _is_url(getattr(dashboard, "logdir", "") or ""):
            dashboard.logdir = ""


def _fix_flags(flags: Any) -> None:
    mode = getattr(flags, "recordfs", "auto")
    if mode == "off" or getattr(flags, "grpc_data_provider", ""):
        return
    directories = _directories(getattr(flags, "logdir", "") or "", getattr(flags, "logdir_spec", "") or "")
    urls = [path for path, _ in directories if _is_url(path)]
    if not directories or (mode == "auto" and not urls):
        return
    if mode == "auto" and len(urls) < len(directories):
        _say("some log directories are local, so TensorBoard reads all of them itself; --recordfs on takes all")
        return
    from recordfs.registry import resolve

    for path, _ in directories:
        resolve(path)  # raises where recordfs has no filesystem for it: TensorBoard may
    from recordfs.tensorboard.catalog import CatalogOptions, LogCatalog, LogDirectory
    from recordfs.tensorboard.provider import DataProvider

    seconds = getattr(flags, "reload_interval", None)
    options = CatalogOptions(
        requests=getattr(flags, "recordfs_requests", 256),
        reload_seconds=5.0 if seconds is None else max(0.0, float(seconds)),
    )
    # The store answers while the rest is made ready.
    catalog = LogCatalog([LogDirectory(path, prefix) for path, prefix in directories], options).start()
    try:
        serve_directories(flags, directories, DataProvider(catalog, **provider_options(flags)))
    except BaseException:
        catalog.close()
        raise


def provider_options(flags: Any) -> dict[str, Any]:
    """Return what TensorBoard's flags say to a provider, by the names of its arguments."""
    return {
        "name": getattr(flags, "window_title", "") or "",
        "purge": "tensorboard" if getattr(flags, "purge_orphaned_data", True) else "none",
    }


def _directories(logdir: str, spec: str) -> list[tuple[str, str]]:
    """Return ``(path, prefix of its runs)`` of each log directory, as TensorBoard reads the two flags."""
    if logdir:
        return [(_expanded(logdir), "")]
    found = []
    for number, part in enumerate(filter(None, spec.split(","))):
        name, colon, path = part.partition(":")
        if colon and not path.startswith("//"):
            found.append((_expanded(path), name))
        else:
            found.append((_expanded(part), f"run{number}" if "," in spec else ""))
    return found


def _expanded(path: str) -> str:
    """Return a path with the home directory in place of ``~``, as TensorBoard reads it."""
    return path if _is_url(path) else os.path.expanduser(path)


def _is_url(path: str) -> bool:
    return re.match(r"(?!file:)[A-Za-z][A-Za-z0-9.+_-]*://", path) is not None


def _told(error: BaseException) -> str:
    """Return what an error says, without secrets and in one line."""
    text = f"{type(error).__name__}: {error}".replace("\n", " ")
    try:
        from recordfs.redaction import redact

        return redact(text)
    except Exception:  # noqa: BLE001 (recordfs itself is broken, and TensorBoard has to start)
        return type(error).__name__


def _say(text: str) -> None:
    print(f"recordfs: {text}", file=sys.stderr)
