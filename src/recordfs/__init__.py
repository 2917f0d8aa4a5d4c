"""recordfs: record files, event files and filesystems of the TensorFlow ecosystem, without TensorFlow.

Public names are loaded when first used, so that ``import recordfs`` stays quick and loads no SDK.
"""

from typing import TYPE_CHECKING

from recordfs.lazy_names import lazy_names

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
    "AppendableFile": "filesystem",
    "Capabilities": "filesystem",
    "DirectoryEntry": "filesystem",
    "FileStatistics": "filesystem",
    "FileSystem": "filesystem",
    "KeyValueFileSystem": "filesystems.key_value",
    "Loss": "records.report",
    "Position": "records.sources",
    "RandomAccessFile": "filesystem",
    "ReadOnlyFileSystem": "filesystems.read_only",
    "ReadOnlyMemoryRegion": "filesystem",
    "ReadReport": "records.report",
    "RecordFile": "records.random_access",
    "RecordReader": "records.reader",
    "RecordWriter": "records.writer",
    "UpdateFile": "filesystem",
    "WritableFile": "filesystem",
    "configure_file_system": "registry",
    "directory_check": "records.writer_factory",
    "errors": "",
    "file_io": "",
    "get_file_system": "registry",
    "get_include": "plugins.library",
    "get_registered_schemes": "registry",
    "gfile": "",
    "load_file_system_library": "plugins.library",
    "make_valid_tf_name": "records.tf_names",
    "open_file": "records.writer_factory",
    "register_file_system": "registry",
    "register_writer_factory": "records.writer_factory",
    "unregister_file_system": "registry",
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

if not TYPE_CHECKING:  # a type checker that saw a __getattr__ would take every misspelt name for one of ours
    __getattr__, __dir__ = lazy_names(__name__, _HOME)
