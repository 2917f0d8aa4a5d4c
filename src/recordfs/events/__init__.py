"""Event files: TensorBoard's logs, written and read on any filesystem, without TensorFlow and without protobuf.

Writing: SummaryWriter (the methods of tensorboardX and torch), EventFileWriter (asynchronous), EventsWriter (one file).
Reading: EventFileReader (events one by one), EventLog (the runs below a directory), ``columns`` (scalars as arrays).
"""

from recordfs.events.at_exit import close_on_sigterm
from recordfs.events.cache import ColumnCache
from recordfs.events.columns import Column, Columns, ColumnsReport, columns
from recordfs.events.event import Event, SummaryMetadata, SummaryValue, decode_event
from recordfs.events.file_writer import Block, EventFileWriter, block
from recordfs.events.log import EventLog, RunSummary
from recordfs.events.reader import EventFileReader, EventsReport
from recordfs.events.resumed_spools import ResumedSpool, resume_spools
from recordfs.events.summary_writer import SummaryWriter
from recordfs.events.writer import EventsWriter

__all__ = [
    "Block",
    "Column",
    "ColumnCache",
    "Columns",
    "ColumnsReport",
    "Event",
    "EventFileReader",
    "EventFileWriter",
    "EventLog",
    "EventsReport",
    "EventsWriter",
    "ResumedSpool",
    "RunSummary",
    "SummaryMetadata",
    "SummaryValue",
    "SummaryWriter",
    "block",
    "close_on_sigterm",
    "columns",
    "decode_event",
    "resume_spools",
]
