"""How long does ``import recordfs`` take, and how much memory does streaming through a large file need?"""

from __future__ import annotations

from functools import partial

from benches.harness import Below, Contestant, Row
from benches.read import make_file

# Both interpreters start in turn, so that a slow moment of the machine meets both.
IMPORT = """
import subprocess, sys, time

def start(statement):
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - begin

def work():
    differences = []
    for _ in range(10):
        bare = start("pass")
        differences.append(start("import recordfs") - bare)
    return 1000 * sorted(differences)[5]
"""

# The peak is the kernel's own (VmHWM), of a fresh process that does nothing else.
PEAK = """
import subprocess, sys

def peak(program):
    program += "\\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    run = subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, text=True)
    return int(run.stdout.split()[-1]) * 1024 / 1e6
"""

STREAM_OURS = (
    PEAK
    + '''
def work():
    return peak("""
import sys
from recordfs import RecordReader
for record in RecordReader(sys.argv[1]):
    pass
""")
'''
)

STREAM_TENSORFLOW = (
    PEAK
    + '''
def work():
    return peak("""
import sys
import tensorflow as tf
for record in tf.compat.v1.io.tf_record_iterator(sys.argv[1]):
    pass
""")
'''
)


def rows(scale: float) -> list[Row]:
    """Import time, peak memory."""
    size = 4_000
    count = max(1, int(500_000 * scale))
    return [
        Row(
            title="import recordfs",
            workload="fresh interpreters with compiled bytecode, beyond the interpreter's own start",
            unit="ms",
            contestants=[Contestant("recordfs", IMPORT)],
            requirements=[Below(50)],
        ),
        Row(
            title="resident memory of streaming a large file",
            workload=f"{count * (size + 16) / 1e9:.2f} GB of {size:,} B records; the peak of a fresh process",
            unit="MB",
            rounds=1,
            make_files=partial(make_file, size=size, count=count),
            contestants=[
                Contestant("recordfs", STREAM_OURS),
                Contestant("TensorFlow", STREAM_TENSORFLOW, peer="tensorflow"),
            ],
            requirements=[Below(30)],
        ),
    ]
