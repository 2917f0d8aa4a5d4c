"""recordfs: record files, event files and filesystems of the TensorFlow ecosystem, without TensorFlow.

Public names are loaded when first used, so that ``import recordfs`` stays quick and loads no SDK.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recordfs import errors, file_io, gfile
    from recordfs.filesystem import (
        AppendableFile,
        Capabilities,
        DirectoryEntry,
        FileStatistics,
        FileSystem,
        RandomAccessFile,
        ReadOnlyMemoryRegion,
        UpdateFile,
        WritableFile,
    )
    from recordfs.filesystems.key_value import KeyValueFileSystem
    from recordfs.filesystems.read_only import ReadOnlyFileSystem
    from recordfs.plugins.library import get_include, load_file_system_library
    from recordfs.records.random_access import RecordFile
    from recordfs.records.reader import RecordReader
    from recordfs.records.report import Loss, ReadReport
    from recordfs.records.sources import Position
    from recordfs.records.tf_names import make_valid_tf_name
    from recordfs.records.writer import RecordWriter
    from recordfs.records.writer_factory import directory_check, open_file, register_writer_factory
    from recordfs.registry import (
        configure_file_system,
        get_file_system,
        get_registered_schemes,
        register_file_system,
        unregister_file_system,
    )

__version__ = "0.1.0"

# Where each public name lives. A name that is a module of its own has no module to look in.
_HOME = {
    "AppendableFile": "recordfs.filesystem",
    "Capabilities": "recordfs.filesystem",
    "DirectoryEntry": "recordfs.filesystem",
    "FileStatistics": "recordfs.filesystem",
    "FileSystem": "recordfs.filesystem",
    "KeyValueFileSystem": "recordfs.filesystems.key_value",
    "Loss": "recordfs.records.report",
    "Position": "recordfs.records.sources",
    "RandomAccessFile": "recordfs.filesystem",
    "ReadOnlyFileSystem": "recordfs.filesystems.read_only",
    "ReadOnlyMemoryRegion": "recordfs.filesystem",
    "ReadReport": "recordfs.records.report",
    "RecordFile": "recordfs.records.random_access",
    "RecordReader": "recordfs.records.reader",
    "RecordWriter": "recordfs.records.writer",
    "UpdateFile": "recordfs.filesystem",
    "WritableFile": "recordfs.filesystem",
    "configure_file_system": "recordfs.registry",
    "directory_check": "recordfs.records.writer_factory",
    "errors": "",
    "file_io": "",
    "get_file_system": "recordfs.registry",
    "get_include": "recordfs.plugins.library",
    "get_registered_schemes": "recordfs.registry",
    "gfile": "",
    "load_file_system_library": "recordfs.plugins.library",
    "make_valid_tf_name": "recordfs.records.tf_names",
    "open_file": "recordfs.records.writer_factory",
    "register_file_system": "recordfs.registry",
    "register_writer_factory": "recordfs.records.writer_factory",
    "unregister_file_system": "recordfs.registry",
}

__all__ = [
    "AppendableFile",
    "Capabilities",
    "DirectoryEntry",
    "FileStatistics",
    "FileSystem",
    "KeyValueFileSystem",
    "Loss",
    "Position",
    "RandomAccessFile",
    "ReadOnlyFileSystem",
    "ReadOnlyMemoryRegion",
    "ReadReport",
    "RecordFile",
    "RecordReader",
    "RecordWriter",
    "UpdateFile",
    "WritableFile",
    "__version__",
    "configure_file_system",
    "directory_check",
    "errors",
    "file_io",
    "get_file_system",
    "get_include",
    "get_registered_schemes",
    "gfile",
    "load_file_system_library",
    "make_valid_tf_name",
    "open_file",
    "register_file_system",
    "register_writer_factory",
    "unregister_file_system",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'recordfs' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name) if home else importlib.import_module(f"recordfs.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name everything public, loaded or not."""
    return sorted({*globals(), *__all__})
