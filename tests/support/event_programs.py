"""Programs that log events and end in every way that a process can end."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from recordfs.events import columns

__all__ = ["LOG_100", "child_of", "run_program", "tag_steps"]

HEAD = """
import os, re, signal, sys, threading, time
from recordfs.errors import UnavailableError
from recordfs.events import EventFileWriter, at_exit, block, close_on_sigterm
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperWritableFile
from recordfs.testing.faulty import FaultyFileSystem
from recordfs._core import encode_scalar

def add(writer, steps, tag="a"):
    for step in steps:
        writer.add_event(encode_scalar(tag, 1.0, step, 1.7e9 + step))

def wait_for_image(writer):
    while writer.queue.queued:
        time.sleep(0.01)

directory, policy = sys.argv[1:]
policy = block(5.0) if policy == "block" else policy
"""

LOG_100 = "writer = EventFileWriter(directory, policy=policy)\nadd(writer, range(100))\n"
"""The beginning of a program: 100 events of the tag ``a`` are logged."""


def run_program(directory: Path, program: str, policy: str = "drop") -> tuple[int, str, dict[str, list[int]]]:
    """Run a program that logs into ``directory``.

    Returns:
        Its exit status, what it said on standard error, and the steps of each tag that it left, sorted.
    """
    done = subprocess.run(
        [sys.executable, "-c", HEAD + textwrap.dedent(program), str(directory), policy],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr, tag_steps(directory)


def child_of(said: str) -> int:
    """Return the process id that a program said it has a child of: ``child 123.``."""
    found = re.search(r"child ([0-9]+)\.", said)
    assert found is not None, said
    return int(found[1])


def tag_steps(directory: Path) -> dict[str, list[int]]:
    """The steps of each tag of a run that has no damage, sorted."""
    found = columns(directory)
    assert found.report.losses == ()
    return {tag: sorted(column.step.tolist()) for tag, column in found.items()}
