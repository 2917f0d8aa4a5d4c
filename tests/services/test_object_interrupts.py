"""Ctrl-C, and errors that nobody expects, anywhere in a write: no byte is lost, none is published twice."""

import random
import signal
import threading
import time

import pytest

pytestmark = pytest.mark.service

MIB = 1 << 20


WRITING = tuple(
    f"filesystems/{name}.py"
    for name in (
        "_object_store/writer",
        "_object_store/commits",
        "_object_store/part_queue",
        "s3/object_upload",
        "s3/multipart_upload",
    )
)


class Driver:
    """Writes until everything is taken, whatever is thrown at it, and knows what the file has to hold."""

    def __init__(self, writer, seed, errors):
        self.writer, self.source, self.errors = writer, random.Random(seed), errors
        self.taken = bytearray()
        self.hits = 0

    def size(self):
        while True:
            try:
                return self.writer.tell()
            except self.errors:
                self.hits += 1

    def append(self, size):
        piece = self.source.randbytes(size)
        for _ in range(200):
            before = len(self.taken)
            try:
                self.writer.append(piece)
            except self.errors:
                self.hits += 1
                # All of the piece, or nothing: this is how a record writer finds out which.
                if self.size() == before:
                    continue
            self.taken += piece
            assert self.size() == len(self.taken)
            return
        pytest.fail("append never got through")

    def until_done(self, call):
        for _ in range(200):
            try:
                call()
            except self.errors:
                self.hits += 1
            else:
                return
        pytest.fail("never got through")


class UnexpectedError(Exception):
    """Nothing that recordfs knows."""


STEPS = [
    *(300_000, MIB, 200_000, 3 * MIB, "flush", 2 * MIB, "flush", 100, "flush", 12 * MIB, 7, "flush", 900_000, "flush"),
    *(600_000, "flush", 500),
]
"""Small puts, an upload with a copy, one with parts of its own, and a tail for close."""


@pytest.mark.parametrize("object_place", ["versitygw", "fake-gcs-server"], indirect=True)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, UnexpectedError, MemoryError])
def test_every_request_is_interrupted_once(object_place, monkeypatch, error, when):
    """Whatever the request was: before it is sent, and when it has succeeded and its answer is lost."""
    store = object_place.file_system
    requests = type(store._store)
    call = requests.call
    seen = set()

    def interrupted(self, *arguments, **parameters):
        # Of each kind of request in each phase one, so that each step is torn at each of its requests.
        operation = next(
            getattr(argument, "__qualname__", argument) for argument in arguments if "://" not in str(argument)
        )
        place = (operation, driver.writer.tell())
        if threading.current_thread() is threading.main_thread() and place not in seen:
            seen.add(place)
            if when == "after":
                call(self, *arguments, **parameters)
            raise error
        return call(self, *arguments, **parameters)

    path = f"{object_place.root}/f"
    driver = Driver(store.new_writable_file(path), when, (error,))
    monkeypatch.setattr(requests, "call", interrupted)
    for step in STEPS:
        if step == "flush":
            driver.until_done(driver.writer.flush)
            assert object_place.get(path) == driver.taken
        else:
            driver.append(step)
    driver.until_done(driver.writer.close)
    assert object_place.get(path) == driver.taken
    assert len(seen) >= driver.hits >= 8


# An interrupt in the middle of connecting leaves a socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("object_place", ["versitygw"], indirect=True)
def test_ctrl_c_at_random_moments(object_place):
    source = random.Random(7)
    store, stored = object_place.file_system, object_place.get
    path = f"{object_place.root}/f"
    driver = Driver(store.new_writable_file(path), path, (KeyboardInterrupt,))

    def interrupt(_number, frame):
        files = []
        while frame is not None:
            files.append(frame.f_code.co_filename)
            frame = frame.f_back
        if any(file.endswith(("threading.py", "concurrent/futures/thread.py")) for file in files):
            # A lock of Python's own, which is written in Python, would stay taken for ever: wait until it is let go.
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        elif any(file.endswith(WRITING) for file in files):
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        deadline = time.monotonic() + 60
        while driver.hits < 100 and time.monotonic() < deadline:
            signal.setitimer(signal.ITIMER_REAL, source.random() * 0.01)
            driver.append(source.choice([1000, 100_000, 250_000, 2 * MIB, 7 * MIB]))
            if source.random() < 0.7:
                signal.setitimer(signal.ITIMER_REAL, source.random() * 0.1)
                driver.until_done(driver.writer.flush)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if len(driver.taken) > 64 * MIB:
                driver.writer.close()
                assert stored(path) == driver.taken
                path += "+"
                driver.writer, driver.taken = store.new_writable_file(path), bytearray()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    driver.writer.close()
    assert stored(path) == driver.taken
    assert driver.hits >= 20
