"""Adapters between open files of the contract and Python's own file objects, in both directions.

``readers`` and ``writers`` make files of the contract out of what programs have open: FileObjectReader,
FileObjectWriter and FactoryWriter of Python's file objects, BorrowedReader and BorrowedWriter of a file that its owner
goes on using. ``streams`` makes Python's file objects out of files of the contract.
"""

from recordfs.file_objects.protocols import (
    SupportsAppendParts,
    SupportsRead,
    SupportsReadInto,
    SupportsWrite,
    is_file_object,
    name_of,
)
from recordfs.file_objects.readers import BorrowedReader, FileObjectReader
from recordfs.file_objects.streams import InputStream, OutputStream, WholeFileStream, open_input, open_output
from recordfs.file_objects.writers import BorrowedWriter, FactoryWriter, FileObjectWriter

__all__ = [
    "BorrowedReader",
    "BorrowedWriter",
    "FactoryWriter",
    "FileObjectReader",
    "FileObjectWriter",
    "InputStream",
    "OutputStream",
    "SupportsAppendParts",
    "SupportsRead",
    "SupportsReadInto",
    "SupportsWrite",
    "WholeFileStream",
    "is_file_object",
    "name_of",
    "open_input",
    "open_output",
]
