"""The files beside event files that TensorBoard's dashboards read, such as profiles: they go through recordfs too.

TensorBoard reads them by TensorFlow's ``gfile`` where TensorFlow is installed, and by a stub of its own where it is
not. The first takes recordfs's filesystems by ``recordfs.interop.tensorflow``, the second by its registry.
Source: ``tensorboard/compat/tensorflow_stub/io/gfile.py``.
"""

from __future__ import annotations

import codecs
import functools
import os
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs import paths
from recordfs.errors import (
    AlreadyExistsError,
    NotFoundError,
    PermissionDeniedError,
    RecordFSError,
    UnauthenticatedError,
)
from recordfs.registry import get_registered_schemes, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["StubFileSystem", "register_with_tensorboard"]

OF_TENSORFLOW = ("gs", "ram", "file")
"""Schemes that TensorFlow serves itself and gives to nobody."""

_Method = TypeVar("_Method", bound="Callable[..., Any]")


def register_with_tensorboard(log_directories: Iterable[str]) -> None:
    """Let TensorBoard read other files of these log directories through recordfs.

    Raises:
        RecordFSError: TensorFlow takes no filesystem for one of their schemes.
        ImportError: TensorBoard is not installed.
    """
    schemes = {scheme for scheme in map(_spelled_scheme, log_directories) if scheme}
    from tensorboard.compat import tf

    if getattr(tf, "__version__", "") == "stub":
        from tensorboard.compat.tensorflow_stub.io import gfile

        for scheme in {*schemes, *filter(None, get_registered_schemes())}:
            gfile.register_filesystem(scheme, StubFileSystem())
        return
    from recordfs.interop.tensorflow import register

    for scheme in sorted(schemes.difference(OF_TENSORFLOW)):
        try:
            register(scheme)
        except AlreadyExistsError:
            continue  # by this process, or by a plugin of TensorFlow's that the user loaded


def _spelled_scheme(path: str) -> str:
    scheme, separator, _ = path.partition("://")
    return scheme if separator else ""


def _translated(method: _Method) -> _Method:
    """Let a method raise TensorBoard's errors, which its dashboards expect."""

    @functools.wraps(method)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return method(*arguments, **keywords)
        except RecordFSError as error:
            from tensorboard.compat.tensorflow_stub import errors

            if isinstance(error, NotFoundError):
                raise errors.NotFoundError(None, None, str(error)) from error
            if isinstance(error, PermissionDeniedError | UnauthenticatedError):
                raise errors.PermissionDeniedError(None, None, str(error)) from error
            raise errors.OpError(None, None, str(error), int(error.code)) from error

    return call  # type: ignore[return-value]  # the same signature


class StubFileSystem:
    """What TensorBoard's registry takes, for paths of any scheme that recordfs knows. Safe to use from many threads.

    Paths come as str or bytes. Errors are TensorBoard's ``OpError`` and its children.
    """

    @_translated
    def exists(self, filename: str | bytes) -> bool:
        """Tell whether there is a file or a directory."""
        file_system, path = resolve(os.fsdecode(filename))
        return file_system.file_exists(path)

    def join(self, path: str | bytes, *parts: str | bytes) -> str:
        """Return the parts as one path."""
        return paths.join(os.fsdecode(path), *map(os.fsdecode, parts))

    @_translated
    def read(
        self,
        filename: str | bytes,
        binary_mode: bool = False,
        size: int | None = None,
        continue_from: dict[str, int] | None = None,
    ) -> tuple[str | bytes, dict[str, int]]:
        """Return bytes, or text, from where the last read ended, and where this one ended.

        Args:
            filename: The file.
            binary_mode: Whether bytes are wanted; else text in UTF-8.
            size: How many bytes to read; all, if None. Of text, a character that they cut is left for the next read.
            continue_from: What the last read returned.
        """
        file_system, path = resolve(os.fsdecode(filename))
        offset = (continue_from or {}).get("offset", 0)
        if size is not None and not binary_mode:
            size = max(size, 4)  # these hold one whole character at least; no text means the end of the file
        with file_system.new_random_access_file(path) as file:
            data = file.read(offset, max(0, file.size() - offset) if size is None else size)
        if binary_mode:
            return data, {"offset": offset + len(data)}
        decoder = codecs.getincrementaldecoder("utf-8")()
        text = decoder.decode(data, final=size is None or len(data) < size)
        return text, {"offset": offset + len(data) - len(decoder.getstate()[0])}

    @_translated
    def write(self, filename: str | bytes, file_content: str | bytes, binary_mode: bool = False) -> None:
        """Write a whole file."""
        file_system, path = resolve(os.fsdecode(filename))
        data = file_content.encode() if isinstance(file_content, str) else file_content
        with file_system.new_writable_file(path) as file:
            file.append(data)

    @_translated
    def glob(self, filename: str | bytes | Iterable[str | bytes]) -> list[str]:
        """Return the paths that match a pattern, or one of several."""
        patterns = [filename] if isinstance(filename, str | bytes) else filename
        found = []
        for pattern in patterns:
            file_system, path = resolve(os.fsdecode(pattern))
            found += file_system.get_matching_paths(path)
        return found

    @_translated
    def isdir(self, dirname: str | bytes) -> bool:
        """Tell whether there is a directory."""
        file_system, path = resolve(os.fsdecode(dirname))
        return file_system.is_directory(path)

    @_translated
    def listdir(self, dirname: str | bytes) -> list[str]:
        """Return the names in a directory."""
        file_system, path = resolve(os.fsdecode(dirname))
        return file_system.get_children(path)

    @_translated
    def makedirs(self, dirname: str | bytes) -> None:
        """Make a directory and those above it."""
        file_system, path = resolve(os.fsdecode(dirname))
        file_system.recursively_create_dir(path)

    @_translated
    def stat(self, filename: str | bytes) -> Any:
        """Return the length of a file, as TensorBoard's ``StatData``."""
        from tensorboard.compat.tensorflow_stub.io.gfile import StatData

        file_system, path = resolve(os.fsdecode(filename))
        return StatData(file_system.get_file_size(path))
