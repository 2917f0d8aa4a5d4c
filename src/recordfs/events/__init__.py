"""Event files: TensorBoard's logs, written and read on any filesystem, without TensorFlow and without protobuf.

Writing: SummaryWriter (the methods of tensorboardX and torch), EventFileWriter (asynchronous), EventsWriter (one file).
Reading: EventFileReader (events one by one), EventLog (the runs below a directory), ``columns`` (scalars as arrays).
"""

from recordfs.events.columns import Column, Columns, ColumnsReport, columns
from recordfs.events.event import Event, SummaryMetadata, SummaryValue, decode_event
from recordfs.events.writer import EventsWriter

__all__ = [
    "Column",
    "Columns",
    "ColumnsReport",
    "Event",
    "EventsWriter",
    "SummaryMetadata",
    "SummaryValue",
    "columns",
    "decode_event",
]
