"""Counting requests from many threads, and in forked children."""

import os
import threading

import pytest

from recordfs.filesystems._object_store.statistics import OperationStatistics, RequestCounter


def test_nothing_is_lost_while_it_is_read():
    counter = RequestCounter()

    def count():
        for _ in range(2_000):
            counter.add("Get", requests=1, sent=2, received=3)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    seen = [counter.snapshot().get("Get", OperationStatistics()).requests for _ in range(200)]
    for thread in threads:
        thread.join()
    assert seen == sorted(seen)
    assert counter.snapshot() == {"Get": OperationStatistics(8_000, 16_000, 24_000)}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_counts_from_zero_even_if_a_thread_was_counting():
    counter = RequestCounter()
    counter.add("Get", requests=5)
    with counter._counts.get().lock:  # as a thread that is not in the child
        child = os.fork()
        if child == 0:
            counter.add("Get", requests=1)
            os._exit(0 if counter.snapshot() == {"Get": OperationStatistics(1)} else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert counter.snapshot()["Get"].requests == 5
