"""What recordfs does, on real files: `make demo`.

Packs the standard library of this interpreter into sharded record files, verifies them, reads every record back and
compares it with the file that it came from, and shows records that TensorFlow and TensorBoard wrote. The record files
stay in .demo/ for a closer look.
"""

import os
import shlex
import shutil
import sys
import sysconfig
import time

from rich.console import Console
from rich.table import Table

from recordfs import RecordReader
from recordfs.cli import main as recordfs
from recordfs.cli.formatting import format_count, format_duration, format_rate, format_size
from recordfs.example import decode_example

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RECORDS = ".demo/stdlib.tfrecord"
SHARDS = ".demo/stdlib-*.tfrecord"
LIBRARY = sysconfig.get_path("stdlib")

console = Console(highlight=False)
table = Table("what", "how much", "time", "rate", title="what this demo did")


def heading(text: str) -> None:
    """Say what comes next."""
    console.print(f"\n[bold]{text}[/bold]", soft_wrap=True)


def run(*words: str) -> float:
    """Show a command as one would type it, run it, and return how many seconds it took."""
    console.print(f"$ recordfs {shlex.join(words)}", style="cyan", soft_wrap=True, markup=False)
    began = time.perf_counter()
    status = recordfs(words)
    seconds = time.perf_counter() - began
    if status != 0:
        sys.exit(f"the command failed with status {status}")
    return seconds


def add_row(what: str, records: int, size: int, seconds: float) -> None:
    """Add a line to the table at the end."""
    amount = f"{format_count(records, 'record')}, {format_size(size)}"
    table.add_row(what, amount, format_duration(seconds), format_rate(size, seconds))


def read_back() -> tuple[int, int, float]:
    """Read every record of all shards, checksums verified; return records, bytes and seconds."""
    began = time.perf_counter()
    records = size = 0
    for record in RecordReader(SHARDS):
        records += 1
        size += len(record)
    return records, size, time.perf_counter() - began


def compare() -> int:
    """Compare every record with the file that it was made of; return how many there were."""
    same = 0
    for record in RecordReader(SHARDS):
        features = decode_example(record)
        (path,), (content,) = features["path"] or [], features["content"] or []
        with open(os.path.join(LIBRARY, os.fsdecode(path)), "rb") as file:
            if file.read() != content:
                sys.exit(f"{path!r} is not what was packed")
        same += 1
    return same


def main() -> None:
    """Run the demo in the directory of the project."""
    os.chdir(ROOT)
    shutil.rmtree(".demo", ignore_errors=True)

    heading(f"1. Pack Python's standard library ({LIBRARY}) into four record files")
    # What belongs to it, and not to this installation.
    excluded = ("--exclude", "__pycache__", "--exclude", "*-packages", "--exclude", "config-*")
    packing = run("pack", LIBRARY, RECORDS, "--shards", "4", *excluded)

    heading("2. Verify them: every length, every checksum")
    verifying = run("verify", SHARDS)

    heading("3. Read every record back in Python, and compare each with the file that it came from")
    console.print(f"for record in RecordReader({SHARDS!r}): ...", style="cyan", markup=False)
    records, size, reading = read_back()
    console.print(f"{format_count(compare(), 'record')} read, each the same as its file")

    heading("4. Records in files that TensorFlow wrote: a compressed one, and one of tf.train.Example")
    run("head", "-n", "5", "--width", "60", "tests/golden/records/mixed.tfrecord.gz")
    run("head", "-n", "2", "--example", "tests/golden/examples/examples.tfrecord")

    heading("5. Records in an event file that TensorBoard's writer wrote")
    run("head", "--width", "60", "tests/golden/events/tensorboard.tfevents")

    add_row("packed the standard library", records, size, packing)
    add_row("verified every checksum", records, size, verifying)
    add_row("read every record", records, size, reading)
    console.print()
    console.print(table)
    console.print("The record files are in .demo/. Try: .venv/bin/recordfs --help")


if __name__ == "__main__":
    main()
