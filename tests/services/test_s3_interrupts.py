"""Ctrl-C, and errors that nobody expects, anywhere in a write: no byte is lost, none is published twice."""

import random
import signal
import threading
import time

import pytest

from recordfs.filesystems.s3.store import S3Store
from support.servers import VersityGateway

pytestmark = pytest.mark.service

MIB = 1 << 20


@pytest.fixture
def s3_server(servers):
    return servers({"versitygw": VersityGateway}, "versitygw")


@pytest.fixture
def stored(boto3_client):
    """Read an object through another client."""

    def get(path):
        bucket, _, key = path.removeprefix("s3://").partition("/")
        return boto3_client.get_object(Bucket=bucket, Key=key)["Body"].read()

    return get


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


STEPS = [300_000, MIB, 200_000, 3 * MIB, "flush", 2 * MIB, "flush", 100, "flush", 12 * MIB, 7, "flush", 900_000]
"""Small puts, an upload with a copy, one with parts of its own, and a tail for close."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, UnexpectedError, MemoryError])
def test_every_request_is_interrupted_once(s3, root, stored, monkeypatch, error, when):
    """Whatever the request was: before it is sent, and when it has succeeded and its answer is lost."""
    call = S3Store.call
    seen = set()

    def interrupted(self, operation, path, **parameters):
        # Of each kind of request in each phase one, so that each step is torn at each of its requests.
        place = (operation, driver.writer.tell())
        if threading.current_thread() is threading.main_thread() and place not in seen:
            seen.add(place)
            if when == "after":
                call(self, operation, path, **parameters)
            raise error
        return call(self, operation, path, **parameters)

    path = f"{root}/f"
    driver = Driver(s3.new_writable_file(path), path, (error,))
    monkeypatch.setattr(S3Store, "call", interrupted)
    for step in STEPS:
        if step == "flush":
            driver.until_done(driver.writer.flush)
            assert stored(path) == driver.taken
        else:
            driver.append(step)
    driver.until_done(driver.writer.close)
    assert stored(path) == driver.taken
    assert len(seen) >= driver.hits >= 15


# An interrupt in the middle of connecting leaves a socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_ctrl_c_at_random_moments(s3, root, stored):
    source = random.Random(7)
    path = f"{root}/f"
    driver = Driver(s3.new_writable_file(path), path, (KeyboardInterrupt,))

    def interrupt(_number, frame):
        while frame is not None:
            if frame.f_code.co_filename.endswith("_object_store/writer.py"):
                raise KeyboardInterrupt
            frame = frame.f_back

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
                driver.writer, driver.taken = s3.new_writable_file(path), bytearray()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    driver.writer.close()
    assert stored(path) == driver.taken
    assert driver.hits >= 20
