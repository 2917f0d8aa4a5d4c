"""Record files: framing over any file.

A record file (TFRecord) is a row of records, each with its length, its bytes and a checksum over either. See
``docs/formats/tfrecord.md``. ``RecordWriter`` and ``RecordReader`` write and read them in order, ``RecordFile`` reads
any record by its number; the functions count, verify, index, repair and salvage them, and return what they found.

Public names are loaded when first used.
"""

from typing import TYPE_CHECKING

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

_MODULE_OF = {
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


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'recordfs.records' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"recordfs.records.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name everything public, loaded or not."""
    return sorted({*globals(), *__all__})
