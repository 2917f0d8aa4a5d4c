"""Copying between buffers in the core."""

import random
import threading

import numpy as np
import pytest

from recordfs._core import copy_still_memory


@pytest.mark.parametrize("size", [0, 1, 1000, 64 << 10, 3 << 20], ids=str)
def test_all_bytes_come_over_and_no_others_change(size):
    source = random.Random(size).randbytes(size)
    target = bytearray(size + 2)
    copy_still_memory(source, memoryview(target)[1 : 1 + size])
    assert target == b"\0" + source + b"\0"


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (bytes(3), bytearray(4)),
        (bytes(4), bytearray(3)),
        (bytes(4), bytes(4)),
        (memoryview(bytes(8))[::2], bytearray(4)),
        (bytes(4), memoryview(bytearray(8))[::2]),
        (np.zeros(1, np.float32), bytearray(4)),
    ],
    ids=["larger-target", "smaller-target", "read-only", "source-with-gaps", "target-with-gaps", "no-bytes"],
)
def test_buffers_that_do_not_fit_are_refused(source, target):
    before = bytes(target)
    with pytest.raises(BufferError):
        copy_still_memory(source, target)
    assert bytes(target) == before


def test_threads_may_copy_into_parts_of_one_array():
    source = random.Random(1).randbytes(8 << 20)
    target = np.empty(len(source), np.uint8)
    step = len(source) // 8

    def copy(part):
        place = slice(part * step, (part + 1) * step)
        copy_still_memory(source[place], target[place])

    threads = [threading.Thread(target=copy, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.tobytes() == source
