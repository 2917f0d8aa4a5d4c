"""Work that several threads share."""

import threading

import pytest

from recordfs.checkpoint.parallel import do_all


@pytest.mark.parametrize("threads", [1, 2, 5, 100])
def test_every_task_is_done_once(threads):
    done = []
    do_all(done.append, range(50), threads)
    assert sorted(done) == list(range(50))


def test_tasks_are_done_by_as_many_threads_as_asked_for():
    meeting = threading.Barrier(3, timeout=30)
    do_all(lambda _: meeting.wait(), range(3), 3)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("error", [ValueError("first"), StopIteration("first"), KeyboardInterrupt("first")])
def test_first_error_is_raised_and_ends_the_work(threads, error):
    done = []
    threads_before = set(threading.enumerate())

    def work(task):
        if task == 10:
            raise error
        done.append(task)

    with pytest.raises(type(error), match="first"):
        do_all(work, range(100_000), threads)
    assert len(done) < 100_000
    assert len(set(threading.enumerate()) - threads_before) < 50
