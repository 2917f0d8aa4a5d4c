"""add_scalar has a short way for plain numbers of tags that it knows: it is to do what the general way does."""

import inspect
import math
import os
import threading

import numpy as np
import pytest

from recordfs import RecordReader
from recordfs.errors import InvalidArgumentError
from recordfs.events import SummaryWriter, decode_event


class Name(str):
    """A str whose end can be seen."""

    ended = 0

    def __del__(self):
        type(self).ended += 1


class Number(float):
    def __float__(self):
        return 99.0


class Step(int):
    def __int__(self):
        return 99


def events_of(path):
    with RecordReader(path) as reader:
        events = [decode_event(record) for record in reader]
    return [event for event in events[1:] if not event.is_index]


def scalars_of(path):
    """Return (tag, value, step, wall time) of every event."""
    return [(e.summary[0].tag, e.summary[0].content, e.step, e.wall_time) for e in events_of(path)]


@pytest.mark.parametrize(
    "tag", ["a", "", "t" * 48, "t" * 49, "t" * 300, "ü" * 24, "ü" * 25, "日本/損失", "a\0b", Name("a")]
)
@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((1.5, 7, 12.5), {}),
        ((1.5,), {"global_step": 7, "walltime": 12.5}),
        ((), {"walltime": 12.5, "global_step": 7, "scalar_value": 1.5}),
        ((1.5, -3, -1.0), {}),
        ((1.5, None, 12.5), {}),
        ((1.5, 2**63 - 1, 0.0), {}),
        ((1.5, -(2**63), 5e-324), {}),
        ((math.inf, True, 12.5), {}),
        ((1e300, Step(4), 12), {}),
        ((Number(1.5), np.int64(4), np.float64(12.5)), {}),
        ((3, 4.9, 12.5, False, False, "", ""), {}),
    ],
)
def test_a_call_logs_the_same_when_its_tag_is_known(tmp_path, tag, arguments, keywords):
    with SummaryWriter(tmp_path) as writer:
        for _ in range(3):
            writer.add_scalar(tag, *arguments, **keywords)
    first, *others = scalars_of(writer.file_writer.paths[0])
    assert first[0] == tag
    assert others == [first, first]


def test_a_tag_given_by_name_is_the_tag(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar(scalar_value=0.5, tag="a", walltime=1.0, global_step=step)
    assert scalars_of(writer.file_writer.paths[0]) == [("a", 0.5, step, 1.0) for step in range(3)]


def test_a_call_without_a_time_is_logged_with_the_time_of_the_call(tmp_path):
    import time

    with SummaryWriter(tmp_path) as writer:
        before = time.time()
        for step in range(3):
            writer.add_scalar("a", 0.5, step)
        after = time.time()
    times = [wall_time for *_, wall_time in scalars_of(writer.file_writer.paths[0])]
    # The last digit of a time in seconds is a quarter of a microsecond.
    assert before - 1e-6 <= times[0] <= times[1] <= times[2] <= after + 1e-6


@pytest.mark.parametrize(
    ("arguments", "keywords", "error"),
    [
        ((1.5, 0, math.nan), {}, InvalidArgumentError),
        ((1.5, 0, math.inf), {}, InvalidArgumentError),
        ((1.5, 2**63), {}, InvalidArgumentError),
        (("text",), {}, TypeError),
        ((None, 1), {}, TypeError),
        ((1.5, [1]), {}, TypeError),
        ((1.5, 1, "now"), {}, TypeError),
        ((), {}, TypeError),
        ((1.5,), {"scalar_value": 1.5}, TypeError),
        ((1.5, 1, None, False, False, "", "", 1), {}, TypeError),
        ((1.5,), {"step": 1}, TypeError),
    ],
)
def test_a_wrong_call_raises_and_logs_nothing_when_its_tag_is_known(tmp_path, arguments, keywords, error):
    with SummaryWriter(tmp_path) as writer:
        for _ in range(2):
            writer.add_scalar("a", 0.5)
        with pytest.raises(error):
            writer.add_scalar("a", *arguments, **keywords)
    assert len(events_of(writer.file_writer.paths[0])) == 2


def test_a_tag_that_is_no_str_is_refused(tmp_path):
    with SummaryWriter(tmp_path) as writer, pytest.raises(TypeError):
        writer.add_scalar(7, 0.5)
    with pytest.raises(TypeError):
        SummaryWriter.add_scalar(object(), "a", 0.5)


def test_a_ctrl_c_while_a_value_is_asked_for_its_number_is_raised(tmp_path):
    class Interrupted:
        def item(self):
            raise KeyboardInterrupt

    with SummaryWriter(tmp_path) as writer, pytest.raises(KeyboardInterrupt):
        writer.add_scalar("a", Interrupted())


@pytest.mark.parametrize("place", ["value", "step"])
def test_a_ctrl_c_is_raised_also_where_there_is_another_way_to_the_number(tmp_path, place):
    class Interrupted:
        def __float__(self):
            raise KeyboardInterrupt

        __index__ = __float__

        def item(self):
            return 1

        __int__ = item

    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(KeyboardInterrupt):
            writer.add_scalar("a", Interrupted() if place == "value" else 0.5, Interrupted())
        writer.add_scalar("a", 0.5)
    assert len(scalars_of(writer.file_writer.paths[0])) == 1


def test_more_tags_than_are_kept_are_all_logged_in_order(tmp_path):
    tags = [f"tag{number}" for number in range(2000)]
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            for tag in tags:
                writer.add_scalar(tag, float(step), step, 1.0)
    expected = [(tag, float(step), step, 1.0) for step in range(3) for tag in tags]
    assert scalars_of(writer.file_writer.paths[0]) == expected


def test_tags_made_anew_for_each_call_are_told_apart(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in range(3000):
            writer.add_scalar(f"tag{step % 7}", float(step % 7), step, 1.0)
    assert all(tag == f"tag{value:.0f}" for tag, value, *_ in scalars_of(writer.file_writer.paths[0]))


def test_a_tag_is_let_go_of_with_the_writer(tmp_path):
    import sys

    tag = "".join(["a", "tag"])
    before = sys.getrefcount(tag)
    writer = SummaryWriter(tmp_path)
    for _ in range(10):
        writer.add_scalar(tag, 0.5)
    writer.close()
    del writer
    assert sys.getrefcount(tag) == before
    Name.ended = 0
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar(Name("b"), 0.5)
        assert Name.ended == 1


def test_a_known_tag_keeps_its_kind_in_every_queue(tmp_path):
    writer = SummaryWriter(tmp_path)
    for _ in range(3):
        writer.add_scalar("a", 0.5)
    writer.close()
    with pytest.raises(InvalidArgumentError):
        writer.add_histogram("a", [1.0])
    writer.add_scalar("a", 0.5)
    writer.close()
    assert [len(events_of(path)) for path in writer.file_writer.paths] == [3, 1]


def test_a_full_queue_drops_a_known_tags_scalars_and_counts_them(tmp_path):
    writer = SummaryWriter(tmp_path, max_queue_bytes=500, policy="drop")
    for step in range(100_000):
        writer.add_scalar("a", 0.5, step)
    with pytest.warns(RuntimeWarning, match="events were dropped"):
        writer.close()
    kept = sum(len(events_of(path)) for path in writer.file_writer.paths)
    assert kept + writer.file_writer.dropped_events == 100_000


def test_threads_that_log_one_tag_lose_nothing(tmp_path):
    writer = SummaryWriter(tmp_path)

    def log(thread):
        for step in range(5000):
            writer.add_scalar("a", float(thread), step, 1.0)

    threads = [threading.Thread(target=log, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        writer.flush()
        writer.file_writer.close()
    for thread in threads:
        thread.join()
    writer.close()
    found = sorted((value, step) for path in writer.file_writer.paths for _, value, step, _ in scalars_of(path))
    assert found == [(float(thread), step) for thread in range(4) for step in range(5000)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_logs_known_tags_into_its_own_file(tmp_path):
    writer = SummaryWriter(tmp_path)
    for step in range(3):
        writer.add_scalar("a", 0.5, step, 1.0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for step in range(3, 6):
                writer.add_scalar("a", 0.5, step, 1.0)
            writer.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    writer.close()
    logged = sorted([step for _, _, step, _ in scalars_of(path)] for path in map(str, tmp_path.iterdir()))
    assert logged == [[0, 1, 2], [3, 4, 5]]


def test_a_subclass_may_log_more_with_each_scalar(tmp_path):
    class Twice(SummaryWriter):
        def add_scalar(self, tag, scalar_value, *arguments, **keywords):
            super().add_scalar(tag, scalar_value, *arguments, **keywords)
            super().add_scalar(tag + "/twice", 2 * scalar_value, *arguments, **keywords)

    with Twice(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("a", 0.5, step)
    assert [value for _, value, *_ in scalars_of(writer.file_writer.paths[0])] == [0.5, 1.0] * 3


def test_editors_see_the_signature_and_the_description():
    parameters = inspect.signature(SummaryWriter.add_scalar).parameters
    assert list(parameters)[:5] == ["self", "tag", "scalar_value", "global_step", "walltime"]
    assert SummaryWriter.add_scalar.__doc__.startswith("Log one number.")
