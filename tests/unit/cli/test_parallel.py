"""Work on many files at once."""

import threading

import pytest

from recordfs.cli.parallel import do_in_parallel
from recordfs.cli.progress import Progress, WorkStoppedError
from recordfs.errors import NotFoundError, RecordFSError


def silent() -> Progress:
    return Progress("work", None, "bytes", None)


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_results_come_in_order_and_errors_of_the_library_are_results(jobs: int) -> None:
    handled: list[tuple[int, int | RecordFSError]] = []
    missing = NotFoundError("missing", path="17")

    def work(number: int) -> int:
        if number == 17:
            raise missing
        return number * number

    do_in_parallel(work, range(100), jobs, silent(), lambda item, outcome: handled.append((item, outcome)))
    assert handled == [(n, missing if n == 17 else n * n) for n in range(100)]


def test_a_slow_item_does_not_stop_the_others() -> None:
    others_done = threading.Event()
    done: list[int] = []

    def work(number: int) -> int:
        if number == 0:
            assert others_done.wait(30)
        else:
            done.append(number)
            if len(done) == 5:
                others_done.set()
        return number

    handled: list[int | RecordFSError] = []
    do_in_parallel(work, range(6), 2, silent(), lambda item, outcome: handled.append(outcome))
    assert handled == list(range(6))


def test_only_so_much_is_handed_out_as_the_threads_need() -> None:
    started: list[int] = []

    def handle(item: int, outcome: object) -> None:
        if item == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do_in_parallel(started.append, range(1000), 2, silent(), handle)
    assert len(started) <= 2 * 4 + 3


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_what_ends_it_ends_work_in_other_threads_too(kind: type[BaseException]) -> None:
    progress = silent()
    ended: list[str] = []
    second_runs = threading.Event()

    def work(name: str) -> None:
        if name == "first":
            assert second_runs.wait(30)
            return
        try:
            while True:
                progress.advance(1)
                second_runs.set()
        except WorkStoppedError:
            ended.append(name)
            raise

    def handle(item: str, outcome: object) -> None:
        raise kind

    with pytest.raises(kind):
        do_in_parallel(work, ["first", "second"], 2, progress, handle)
    assert ended == ["second"]
