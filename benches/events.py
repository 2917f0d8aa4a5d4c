"""What does logging cost the training loop, what do curves cost to read, and what does a log in S3 send?

- ``add_scalar``: CPU time of the calling thread a call, in one tight loop.
- Paced: the 99th percentile of the wall time of a call, 20 at a time with 10 ms between, while every write to the store
  takes 3 seconds. Peers have no such store, so theirs is a local file. One call in 20 comes after the pause, when code
  and data have left the processor's caches and an idle virtual machine has given its processor away, so this is what a
  first call costs, on a quiet machine more than on a busy one. Two floors tell how much of it belongs to any call: a
  method of Python's own that does nothing, and the encoder alone, which has the arguments of ``add_scalar``, keeps
  nothing, and is called as native functions usually are.
- Columns: wall time an event from a file of 200 tags to arrays, by the index and by reading every event.
- Uploads: what 40 flushes of a log of 9.4 MB send to S3, counted by a proxy.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benches.harness import AtLeast, Below, Contestant, Row, Within
from benches.object_stores import observed_s3
from benches.surveys import Expectation, Survey, start
from benches.writers import environment

if TYPE_CHECKING:
    from benches.object_stores import Observed

IDLE = 'Python\'s "".format, which does nothing'

ENCODER = "recordfs's encoder alone, which keeps nothing"

_SLOW_STORE = """
import time
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperWritableFile

class SlowFile(WrapperWritableFile):
    def append(self, data):
        time.sleep(seconds)
        super().append(data)

class SlowStore(WrapperFileSystem):
    def new_writable_file(self, path, **keywords):
        return SlowFile(super().new_writable_file(path, **keywords))

seconds = 3.0
"""

OURS = f"""
{_SLOW_STORE}
import atexit, tempfile
from recordfs.events import SummaryWriter, at_exit

at_exit.EXIT_SECONDS = 0.0
writer = SummaryWriter(tempfile.mkdtemp(dir=directory), file_system=SlowStore(PosixFileSystem()), policy="drop",
                       max_queue_bytes=1 << 30)
add_scalar = writer.add_scalar
"""

NOTHING = """
add_scalar = "".format
"""

ENCODE = """
from recordfs._core import encode_scalar as add_scalar
"""

TENSORFLOW_V1 = """
import os, tempfile
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from tensorflow.core.framework.summary_pb2 import Summary

tf.compat.v1.disable_eager_execution()
writer = tf.compat.v1.summary.FileWriter(tempfile.mkdtemp(dir=directory), max_queue=100_000)

def add_scalar(tag, value, step):
    writer.add_summary(Summary(value=[Summary.Value(tag=tag, simple_value=value)]), step)
"""

TENSORBOARDX = """
import tempfile
from tensorboardX import SummaryWriter

writer = SummaryWriter(tempfile.mkdtemp(dir=directory))
add_scalar = writer.add_scalar
"""

TORCH = """
import tempfile
from torch.utils.tensorboard import SummaryWriter

writer = SummaryWriter(tempfile.mkdtemp(dir=directory))
add_scalar = writer.add_scalar
"""

_TIGHT = """
import time

def work():
    begin = time.thread_time()
    for step in range(count):
        add_scalar("train/loss", 0.5, step)
    return (time.thread_time() - begin) / count * 1e6
"""

_PACED = """
import time

def work():
    times = []
    for step in range(count):
        begin = time.perf_counter()
        add_scalar("train/loss", 0.5, step)
        times.append(time.perf_counter() - begin)
        if step % 20 == 19:
            time.sleep(0.01)
    times.sort()
    return times[int(len(times) * 0.99)] * 1e6
"""

_WRITE_LOG = """
from recordfs._core import encode_scalar
from recordfs.events import EventsWriter

def write(path, index):
    with EventsWriter(path + "/events", index=index) as writer:
        for step in range(events // 200):
            for tag in range(200):
                wall = 1.7e9 + step * 0.7 + tag * 1e-5
                writer.write_event(encode_scalar(f"loss/of_layer_{tag:03d}", 1 / (1 + step + tag), step, wall))

write(directory + "/indexed", True)
write(directory + "/plain", False)
"""

_BY_INDEX = """
from recordfs.events import columns

def work():
    return sum(len(column.value) for column in columns(directory + "/indexed").values())
"""

_BY_SCAN = """
from recordfs.events import columns

def work():
    return sum(len(column.value) for column in columns(directory + "/plain").values())
"""

_ACCUMULATOR = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

def work():
    accumulator = EventAccumulator(directory + "/plain", size_guidance={"scalars": 0})
    accumulator.Reload()
    return sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])
"""


def logging_rows(scale: float) -> list[Row]:
    """What a call costs whoever logs."""
    contestants = [
        ("recordfs, 3 s a write to the store", OURS, None),
        ("TensorFlow's v1 FileWriter", TENSORFLOW_V1, "tensorflow"),
        ("tensorboardX", TENSORBOARDX, "tensorboardx"),
        ("torch", TORCH, "torch"),
        (IDLE, NOTHING, None),
    ]
    rows = []
    for title, source, count, requirements in (
        ("add_scalar, CPU of the caller", _TIGHT, int(20_000 * max(scale, 0.1)), [Below(0.5)]),
        (
            "add_scalar, 99th percentile of paced calls",
            _PACED,
            int(2000 * max(scale, 0.5)),
            [Below(10), Within(1.5, of=IDLE)],
        ),
    ):
        with_time = source.replace("0.5, step)", "0.5, step, 1.7e9)")
        rows.append(
            Row(
                title=title,
                workload=f"{count:,} calls of add_scalar",
                items=1,
                item="call",
                make_files=partial(_variables, count=count),
                contestants=[
                    *(Contestant(name, setup + source, peer=peer) for name, setup, peer in contestants),
                    Contestant(ENCODER, ENCODE + with_time),
                ],
                requirements=[*requirements, AtLeast(5, over="TensorFlow's v1 FileWriter")],
                unit="µs",
            )
        )
    return rows


def _variables(directory: str, **variables: Any) -> dict[str, Any]:
    return {"directory": directory, **variables}


def _log_variables(directory: str, events: int) -> dict[str, Any]:
    exec(_WRITE_LOG, {"directory": directory, "events": events})
    return {"directory": directory}


def reading_row(scale: float) -> Row:
    """What it costs to have curves as arrays."""
    events = int(400_000 * max(scale, 0.1)) // 200 * 200
    return Row(
        title="scalars of a run as columns",
        workload=f"{events:,} scalars of 200 tags in one file",
        items=events,
        item="event",
        make_files=partial(_log_variables, events=events),
        contestants=[
            Contestant("recordfs, by the index", _BY_INDEX),
            Contestant("recordfs, by every event", _BY_SCAN),
            Contestant("TensorBoard's EventAccumulator", _ACCUMULATOR, peer="tensorflow"),
        ],
        requirements=[AtLeast(20, over="TensorBoard's EventAccumulator")],
    )


_OURS_IN_S3 = """
import recordfs
from recordfs.events import SummaryWriter

recordfs.configure_file_system(
    "s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
)
writer = SummaryWriter(f"s3://{bucket}/ours", flush_secs=3600)
"""

_TENSORBOARDX_IN_S3 = """
from tensorboardX import SummaryWriter

writer = SummaryWriter(f"s3://{bucket}/theirs", flush_secs=3600)
"""

_LOG = """
for flush in range(flushes):
    for step in range(calls):
        writer.add_scalar("train/loss/of_the_model", 0.5, flush * calls + step)
    writer.flush()
writer.close()
"""


def _examine(contestant: Contestant, observed: Observed, *, flushes: int, calls: int) -> dict[str, float | str]:
    with start(contestant, environment(observed.variables)) as process:
        observed.proxy.reset()
        process.call(contestant.source + _LOG, **observed.variables, flushes=flushes, calls=calls)
    traffic = observed.proxy.traffic()
    return {"MB uploaded": traffic.sent / 1e6, "requests": traffic.requests}


def upload_survey() -> Survey:
    """What 40 flushes of a log of 9.4 MB send."""
    return Survey(
        title="40 flushes of a log of 9.4 MB, S3",
        workload="40 times 3,760 scalars (235 KB) and a flush, SeaweedFS",
        columns=["MB uploaded", "requests"],
        contestants=[
            Contestant("recordfs", _OURS_IN_S3),
            Contestant("tensorboardX", _TENSORBOARDX_IN_S3, peer="s3"),
        ],
        running=observed_s3,
        examine=partial(_examine, flushes=40, calls=3760),
        expectations=[Expectation("MB uploaded", "at most 20", lambda cell: cell <= 20)],
    )


def rows(scale: float) -> list[Row | Survey]:
    """All of it."""
    return [*logging_rows(scale), reading_row(scale), upload_survey()]
