"""Is gfile on the local disk as quick as Python's own ``open`` and ``os.walk``?

Beside TensorFlow's gfile, whose time is shown and required of nobody. Files are warm in the page cache: what is
measured is what stands between the program and the system calls.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from benches.harness import Contestant, Row, Within

OPEN = "open"
OS_WALK = "os.walk"
TENSORFLOW = "TensorFlow"

MIB = 1 << 20

_OPENERS = {
    "recordfs": "from recordfs.gfile import GFile as opened",
    OPEN: "opened = open",
    TENSORFLOW: "from tensorflow.io.gfile import GFile as opened",
}

_READ = """
{opener}

def work():
    total = 0
    for _ in range(times):
        with opened(path, "{mode}") as file:
            total += len(file.read())
    return total
"""

_READ_IN_PIECES = """
{opener}

def work():
    total = 0
    with opened(path, "rb") as file:
        while piece := file.read(1 << 20):
            total += len(piece)
    return total
"""

_WRITE = """
{opener}

def work():
    for _ in range(times):
        with opened(target, "{mode}") as file:
            file.write(data)
    return len(data)
"""

_LINES = """
{opener}

def check():
    with opened(path, "{mode}") as file:
        return sum(map(len, file))

def work():
    with opened(path, "{mode}") as file:
        for line in file:
            pass
"""

_WALK = """
{imported}

def work():
    directories = files = 0
    for _, names, others in walk(top):
        directories += len(names)
        files += len(others)
    return [directories, files]
"""

# os.walk is the yardstick for glob, too: it is the least that finding the names takes.
_FILTERED_OS_WALK = """
import os

def work():
    found = []
    for directory, _, names in os.walk(top):
        found += [os.path.join(directory, name) for name in names if name.endswith(".tfrecord")]
    return len(found)
"""


def _contestants(source: str, *, tensorflow: bool = True, **parts: Any) -> list[Contestant]:
    """The same work by recordfs, Python and TensorFlow; the parts fill the source's places."""
    names = ["recordfs", OPEN, *([TENSORFLOW] if tensorflow else [])]
    return [
        Contestant(
            name,
            source=source.format(opener=_OPENERS[name], **parts),
            peer="tensorflow" if name == TENSORFLOW else None,
        )
        for name in names
    ]


def _write_file(directory: str, data: bytes) -> str:
    path = os.path.join(directory, "file")
    with open(path, "wb") as file:
        file.write(data)
    return path


def _target_and_data(directory: str, *, data: str | bytes, times: int) -> dict[str, Any]:
    return {"target": os.path.join(directory, "x"), "data": data, "times": times}


def _lines(count: int) -> bytes:
    return b"".join(b"%d %s\n" % (i, b"x" * (i * 7919 % 120)) for i in range(count))


def _make_tree(directory: str, files: int) -> dict[str, Any]:
    """Make a tree of directories with a hundred files each."""
    top = os.path.join(directory, "tree")
    for number in range(files // 100):
        below = os.path.join(top, f"{number // 32:03d}", f"{number:05d}")
        os.makedirs(below)
        for index in range(100):
            os.close(os.open(os.path.join(below, f"part-{index:05d}.tfrecord"), os.O_CREAT | os.O_WRONLY))
    return {"top": top}


def _transfer_rows(times: int) -> list[Row]:
    rows = []
    for mode, kind in (("r", "text"), ("rb", "bytes")):
        rows.append(
            Row(
                title=f"read 1 MiB of {kind}",
                workload="a file of 1 MiB of ASCII, opened and read whole",
                items=times,
                item="file",
                make_files=lambda directory: {
                    "path": _write_file(directory, b"0123456789abcde\n" * 65536),
                    "times": times,
                },
                contestants=_contestants(_READ, mode=mode),
                requirements=[Within(1.3, of=OPEN)],
            )
        )
    for mode, data in (("w", "x" * MIB), ("wb", b"x" * MIB)):
        rows.append(
            Row(
                title=f"write 1 MiB of {'text' if mode == 'w' else 'bytes'}",
                workload="a file of 1 MiB made or replaced by one write",
                items=times,
                item="file",
                make_files=functools.partial(_target_and_data, data=data, times=times),
                contestants=_contestants(_WRITE, mode=mode),
                requirements=[Within(1.3, of=OPEN)],
            )
        )
    return rows


def rows(scale: float) -> list[Row]:
    """The workloads; a scale of 1 takes a second or two for each contestant."""
    times = max(10, int(200 * scale))
    lines = max(10_000, int(1_000_000 * scale))
    files = max(1000, int(100_000 * scale) // 100 * 100)
    found = _transfer_rows(times)
    found.append(
        Row(
            title="read 1 MiB at a time",
            workload="one file, read with read(1 << 20)",
            items=times,
            item="MiB",
            make_files=lambda directory: {"path": _write_file(directory, bytes(times * MIB))},
            contestants=_contestants(_READ_IN_PIECES),
            requirements=[Within(1.3, of=OPEN)],
        )
    )
    for mode, kind in (("r", "text"), ("rb", "bytes")):
        found.append(
            Row(
                title=f"iterate over lines of {kind}",
                workload=f"{lines:,} lines of 2 to 127 bytes in one file",
                items=lines,
                item="line",
                make_files=lambda directory: {"path": _write_file(directory, _lines(lines))},
                contestants=_contestants(_LINES, mode=mode),
                requirements=[Within(1.3, of=OPEN)],
            )
        )
    tree = f"{files:,} files, 100 in each directory"
    found.append(
        Row(
            title="walk",
            workload=tree,
            items=files,
            item="file",
            make_files=lambda directory: _make_tree(directory, files),
            contestants=[
                Contestant("recordfs", source=_WALK.format(imported="from recordfs.gfile import walk")),
                Contestant(OS_WALK, source=_WALK.format(imported="from os import walk")),
                Contestant(
                    TENSORFLOW,
                    source=_WALK.format(imported="from tensorflow.io.gfile import walk"),
                    peer="tensorflow",
                ),
            ],
            requirements=[Within(1.5, of=OS_WALK)],
        )
    )
    glob = "from {package} import glob\n\ndef work():\n    return len(glob(top + '/*/*/*.tfrecord'))\n"
    found.append(
        Row(
            title="glob",
            workload=tree,
            items=files,
            item="file",
            make_files=lambda directory: _make_tree(directory, files),
            contestants=[
                Contestant("recordfs", source=glob.format(package="recordfs.gfile")),
                Contestant(OS_WALK, source=_FILTERED_OS_WALK),
                Contestant(TENSORFLOW, source=glob.format(package="tensorflow.io.gfile"), peer="tensorflow"),
            ],
            requirements=[Within(1.5, of=OS_WALK)],
        )
    )
    return found
