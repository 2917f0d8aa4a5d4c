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


def try_ranges(choice, clock, bytes_a_second, count=8):
    """Fetch ranges of 8 MiB, two at a time, at a pace that both together have."""

    def fetch():
        clock.passes(8 * MIB / bytes_a_second)
        return "inner"

    for _ in range(count // 2):
        choice.measured(lambda: choice.measured(fetch, 8 * MIB) and clock.passes(8 * MIB / bytes_a_second), 8 * MIB)


def test_streams_are_the_first_choice():
    assert StreamChoice().prefers_streams


def test_ranges_that_are_faster_are_kept_for_a_while():
    clock = Clock()
    choice = StreamChoice(clock)
    assert choice.gives_up_slow_stream(SLOW)
    assert not choice.prefers_streams
    try_ranges(choice, clock, 2 * SLOW)
    assert not choice.prefers_streams
    clock.passes(61)
    assert choice.prefers_streams


def test_streams_come_back_and_stay_where_ranges_are_no_faster():
    clock = Clock()
    choice = StreamChoice(clock)
    assert choice.gives_up_slow_stream(SLOW)
    try_ranges(choice, clock, SLOW, count=6)
    assert not choice.prefers_streams, "too little has come to tell"
    try_ranges(choice, clock, SLOW, count=2)
    assert choice.prefers_streams
    assert not choice.gives_up_slow_stream(SLOW), "what was found holds for a while"
    assert choice.prefers_streams
    clock.passes(61)
    assert choice.gives_up_slow_stream(SLOW)


def test_what_a_reader_does_between_its_ranges_does_not_count():
    clock = Clock()
    choice = StreamChoice(clock)
    choice.gives_up_slow_stream(SLOW)
    for _ in range(4):
        clock.passes(5)
        try_ranges(choice, clock, 2 * SLOW, count=2)
    assert not choice.prefers_streams


def test_a_range_that_failed_brings_nothing():
    clock = Clock()
    choice = StreamChoice(clock)
    choice.gives_up_slow_stream(SLOW)

    def fail():
        clock.passes(0.1)
        raise OSError("the connection broke")

    for _ in range(20):
        with pytest.raises(OSError, match="broke"):
            choice.measured(fail, 8 * MIB)
    try_ranges(choice, clock, 10 * SLOW)
    assert choice.prefers_streams, "the time that failures took counts"
