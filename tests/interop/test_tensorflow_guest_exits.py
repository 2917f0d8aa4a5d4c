"""Processes that end while TensorFlow's threads read through a filesystem of recordfs: each ends, soon, and whole."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

import recordfs
from support.peers import require_peer

pytestmark = [pytest.mark.peer, pytest.mark.slow]

PROCESSES_OF_EACH_KIND = 3
SECONDS_FOR_OUR_END = 2.0
SECONDS_FOR_CALLS_AT_EXIT = 0.5  # which recordfs gives a read that is stuck
SECONDS_TO_BEGIN = 300.0  # importing TensorFlow takes its time on a busy machine
SECONDS_UNTIL_HUNG = 120.0

PROGRAM = """
import atexit, signal, sys, threading, time
import tensorflow as tf

ending = []
# Runs last, after recordfs has let go of TensorFlow's threads.
atexit.register(lambda: print("recordfs took", time.monotonic() - ending[0], "atexit", flush=True))

from recordfs.interop.tensorflow import register
from recordfs.filesystems.posix import PosixFileSystem

kind, directory = sys.argv[1:]

stuck_reads = []

class SlowFileSystem(PosixFileSystem):

    def new_random_access_file(self, path):
        file = super().new_random_access_file(path.removeprefix("slow://"))
        read_into = file.read_into

        class Slow(type(file)):
            def read_into(self, offset, buffer):
                if path.endswith("/stuck"):
                    stuck_reads.append(path)
                    time.sleep(20)
                if path.endswith("/endless"):
                    stuck_reads.append(path)
                    while True:
                        time.sleep(0.001)
                return read_into(offset, buffer)

        file.__class__ = Slow
        return file

    def stat(self, path):
        return super().stat(path.removeprefix("slow://"))

    def new_writable_file(self, path, **options):
        return super().new_writable_file(path.removeprefix("slow://"), **options)

register("slow", SlowFileSystem())
with tf.io.TFRecordWriter(f"{directory}/records") as writer:
    for number in range(20_000):
        writer.write(b"%d" % number * 100)
names = [f"slow://{directory}/records"] * 8
# TensorFlow's own thread that tunes a pipeline may keep an iterator from ending for up to a minute.
tuned_by_hand = tf.data.Options()
tuned_by_hand.autotune.enabled = False
dataset = tf.data.TFRecordDataset(names, num_parallel_reads=4).repeat().batch(10).prefetch(4)
iterator = iter(dataset.with_options(tuned_by_hand))
for _ in range(20):
    next(iterator)
if kind in ("stuck", "writer interrupted at exit"):
    open(f"{directory}/stuck", "wb").write(b"never read")
    paths = tf.data.Dataset.from_tensor_slices([f"slow://{directory}/records", f"slow://{directory}/stuck"])
    # Gives the first file while a thread of TensorFlow's reads the second.
    reads_ahead = iter(paths.map(tf.io.read_file).prefetch(2).with_options(tuned_by_hand))
    next(reads_ahead)
    while not stuck_reads:
        time.sleep(0.01)
if kind in ("writer", "writer interrupted at exit"):
    forgotten = tf.io.TFRecordWriter(f"slow://{directory}/forgotten")
    forgotten.write(b"published at exit")
if kind == "daemon thread":
    open(f"{directory}/endless", "wb").write(b"never read")
    threading.Thread(target=tf.io.read_file, args=(f"slow://{directory}/endless",), daemon=True).start()
    while not stuck_reads:
        time.sleep(0.01)
interrupts = []

# Runs first.
@atexit.register
def begin_to_end():
    ending.append(time.monotonic())
    if kind == "writer interrupted at exit":
        # While recordfs waits for the read that is stuck.
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.25)

if kind == "interrupt":
    # As docs/tensorflow.md advises: TensorFlow crashes if KeyboardInterrupt is raised at a certain place in next().
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))
print("ready", flush=True)
if kind == "interrupt":
    while not interrupts:
        next(iterator)
    raise KeyboardInterrupt
if kind == "sys.exit":
    sys.exit(3)
if kind == "exception":
    raise ValueError("the program's own")
"""

STATUS = {"interrupt": -signal.SIGINT, "sys.exit": 3, "exception": 1}


@pytest.mark.parametrize(
    "kind",
    ["end", "sys.exit", "exception", "interrupt", "writer", "stuck", "writer interrupted at exit", "daemon thread"],
)
def test_a_process_ends_in_the_middle_of_reading(tmp_path, kind):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(_Run(script, kind)) for _ in range(PROCESSES_OF_EACH_KIND)]
        for run in runs:
            run.finish(kind)
            assert run.status == STATUS.get(kind, 0), run.output
            took = float(run.output.split("recordfs took ")[1].split(" atexit")[0])
            assert took < SECONDS_FOR_OUR_END
            if kind in ("stuck", "writer interrupted at exit"):
                assert took >= SECONDS_FOR_CALLS_AT_EXIT
            if kind == "writer interrupted at exit":
                assert "KeyboardInterrupt" in run.output
            if kind == "exception":
                assert "ValueError: the program's own" in run.output
            if kind.startswith("writer"):
                assert list(recordfs.RecordReader(f"{run.directory}/forgotten")) == [b"published at exit"]


class _Run:
    """One process of the kind."""

    def __init__(self, script, kind):
        interpreter = require_peer("tensorflow")  # which may skip the test, before anything is there to be closed
        self._temporary = tempfile.TemporaryDirectory(prefix="recordfs-exit-")
        self.directory = self._temporary.name
        os.makedirs(f"{self.directory}/path")
        os.symlink(os.path.dirname(os.path.abspath(recordfs.__file__)), f"{self.directory}/path/recordfs")
        self._log = open(f"{self.directory}/log", "w+")  # noqa: SIM115 (closed by __exit__)
        self._process = subprocess.Popen(
            [interpreter, str(script), kind, self.directory],
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": f"{self.directory}/path", "TF_CPP_MIN_LOG_LEVEL": "2"},
            # A shell may have had this process, and all that it starts, ignore Ctrl-C.
            preexec_fn=_hear_interrupts,
        )
        self.status = None

    @property
    def output(self):
        with open(self._log.name) as log:
            return log.read()

    def finish(self, kind):
        deadline = time.monotonic() + SECONDS_TO_BEGIN
        while "ready" not in self.output:
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, "the program did not begin"
            time.sleep(0.05)
        if kind == "interrupt":
            self._process.send_signal(signal.SIGINT)
        try:
            self.status = self._process.wait(SECONDS_UNTIL_HUNG)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the process of kind {kind} hangs; its output:\n{self.output}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._temporary.cleanup()


def _hear_interrupts():
    signal.signal(signal.SIGINT, signal.default_int_handler)


if sys.platform != "linux":
    pytestmark.append(pytest.mark.skip("recordfs registers with TensorFlow on Linux only"))
