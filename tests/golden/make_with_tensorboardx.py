"""Writes the golden files that come from tensorboardX; see README.md."""

import os
import sys
import time

import tensorboardX.event_file_writer
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

if __name__ == "__main__":
    golden = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    os.makedirs(f"{golden}/events", exist_ok=True)
    real_time = time.time
    time.time = lambda: 1_700_000_000.25  # of the file's name and of the first event
    try:
        writer = tensorboardX.event_file_writer.EventsWriter(f"{golden}/events/scratch")
    finally:
        time.time = real_time
    for step in range(5):
        value = Summary.Value(tag="loss", simple_value=1 / (step + 1))
        writer.write_event(Event(wall_time=1_700_000_001.5 + step, step=step, summary=Summary(value=[value])))
    writer.close()
    os.replace(writer._file_name, f"{golden}/events/tensorboardx.tfevents")
