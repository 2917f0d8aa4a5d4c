"""Record files: framing over any file.

A record file (TFRecord) is a row of records, each with its length, its bytes and a checksum over either. See
``docs/formats/tfrecord.md``. ``RecordWriter`` and ``RecordReader`` write and read them in order, ``RecordFile`` reads
any record by its number; the functions count, verify, index, repair and salvage them, and return what they found.

Public names are loaded when first used.
"""

from typing import TYPE_CHECKING

from recordfs.lazy_names import lazy_names

if TYPE_CHECKING:
    from recordfs.records.index import RecordIndex, build_index, is_index_fresh, read_index
    from recordfs.records.random_access import RecordFile
    from recordfs.records.reader import RecordReader
    from recordfs.records.repair import TailCheck, check_tail, repair_tail
    from recordfs.records.report import Loss, ReadReport
    from recordfs.records.salvage import SalvageReport, salvage_file
    from recordfs.records.sources import Position
    from recordfs.records.verify import LostRange, VerifyReport, count_records, verify_file
    from recordfs.records.writer import RecordWriter

_HOME = {
    "Loss": "report",
    "LostRange": "verify",
    "Position": "sources",
    "ReadReport": "report",
    "RecordFile": "random_access",
    "RecordIndex": "index",
    "RecordReader": "reader",
    "RecordWriter": "writer",
    "SalvageReport": "salvage",
    "TailCheck": "repair",
    "VerifyReport": "verify",
    "build_index": "index",
    "check_tail": "repair",
    "count_records": "verify",
    "is_index_fresh": "index",
    "read_index": "index",
    "repair_tail": "repair",
    "salvage_file": "salvage",
    "verify_file": "verify",
}

__all__ = [
    "Loss",
    "LostRange",
    "Position",
    "ReadReport",
    "RecordFile",
    "RecordIndex",
    "RecordReader",
    "RecordWriter",
    "SalvageReport",
    "TailCheck",
    "VerifyReport",
    "build_index",
    "check_tail",
    "count_records",
    "is_index_fresh",
    "read_index",
    "repair_tail",
    "salvage_file",
    "verify_file",
]

if not TYPE_CHECKING:  # a type checker that saw a __getattr__ would take every misspelt name for one of ours
    __getattr__, __dir__ = lazy_names(__name__, _HOME)
