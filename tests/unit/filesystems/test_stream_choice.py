"""Choosing between one stream and several ranges at once by what each of them brings."""

import pytest

from recordfs.filesystems._object_store.stream_choice import StreamChoice

MIB = 1 << 20
SLOW = 50.0 * MIB


class Clock:
    """A time that passes when it is told to."""

    now = 1000.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


def wait_for_all(choice, clock, bytes_a_second, at_once, *, is_range, size=8 * MIB):
    """Wait for so many requests that are under way together, at a pace that all of them have together."""

    def wait(others):
        if others:
            choice.measured(lambda: wait(others - 1), lambda _: size, is_range=is_range)
        clock.passes(size / bytes_a_second)

    choice.measured(lambda: wait(at_once - 1), lambda _: size, is_range=is_range)


def try_ranges(choice, clock, bytes_a_second, count=8):
    """Fetch ranges of 8 MiB, two at a time, at a pace that both together have."""
    for _ in range(count // 2):
        wait_for_all(choice, clock, bytes_a_second, 2, is_range=True)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def choice(clock):
    """A choice to which slow streams have come."""
    choice = StreamChoice(clock)
    for _ in range(16):
        wait_for_all(choice, clock, SLOW, 1, is_range=False, size=4 * MIB)
        clock.passes(0.5)  # what a reader does between its blocks does not count
    return choice


def test_streams_are_the_first_choice():
    assert StreamChoice().prefers_streams


def test_ranges_that_are_faster_are_kept_for_a_while(choice, clock):
    assert choice.gives_up_slow_stream()
    assert not choice.prefers_streams
    try_ranges(choice, clock, 2 * SLOW)
    assert not choice.prefers_streams
    clock.passes(61)
    assert choice.prefers_streams


def test_streams_come_back_and_stay_where_ranges_are_no_faster(choice, clock):
    assert choice.gives_up_slow_stream()
    try_ranges(choice, clock, SLOW, count=6)
    assert not choice.prefers_streams, "too little has come to tell"
    try_ranges(choice, clock, SLOW, count=2)
    assert choice.prefers_streams
    assert not choice.gives_up_slow_stream(), "what was found holds for a while"
    assert choice.prefers_streams
    clock.passes(61)
    assert choice.gives_up_slow_stream()


def test_what_a_reader_does_between_its_ranges_does_not_count(choice, clock):
    choice.gives_up_slow_stream()
    for _ in range(4):
        clock.passes(5)
        try_ranges(choice, clock, 2 * SLOW, count=2)
    assert not choice.prefers_streams


def test_a_range_that_failed_brings_nothing(choice, clock):
    choice.gives_up_slow_stream()

    def fail():
        clock.passes(0.1)
        raise OSError("the connection broke")

    for _ in range(20):
        with pytest.raises(OSError, match="broke"):
            choice.measured(fail, len, is_range=True)
    try_ranges(choice, clock, 10 * SLOW)
    assert choice.prefers_streams, "the time that failures took counts"


def test_ranges_of_many_readers_are_not_compared_with_one_stream(clock):
    choice = StreamChoice(clock)
    for _ in range(4):
        wait_for_all(choice, clock, SLOW, 8, is_range=False, size=4 * MIB)
    assert choice.gives_up_slow_stream()
    for _ in range(2):
        wait_for_all(choice, clock, SLOW, 8, is_range=True)
    assert choice.prefers_streams, "all of them have what one line gives"


def test_streams_that_go_on_during_the_trial_count_on_its_side(choice, clock):
    assert choice.gives_up_slow_stream()
    for _ in range(8):
        clock.passes(0)
        wait_for_all(choice, clock, 2 * SLOW, 1, is_range=True)
        wait_for_all(choice, clock, 2 * SLOW, 1, is_range=False)
    assert not choice.prefers_streams


def test_what_came_long_ago_is_not_what_ranges_are_compared_with(clock):
    choice = StreamChoice(clock)
    wait_for_all(choice, clock, 20 * SLOW, 64, is_range=False)
    for _ in range(64):
        wait_for_all(choice, clock, SLOW, 1, is_range=False)
    assert choice.gives_up_slow_stream()
    try_ranges(choice, clock, 2 * SLOW)
    assert not choice.prefers_streams
