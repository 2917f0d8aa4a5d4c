"""Writing to every object store under faults: no acknowledged byte is lost, losers are told, nothing is left behind."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time

import pytest

import recordfs
from recordfs.errors import AbortedError, AlreadyExistsError, RecordFSError, UnavailableError

pytestmark = pytest.mark.service

MIB = 1 << 20

REQUESTS = {
    "s3": {
        "PutObject": r"PUT /[^?]*$",
        "CreateMultipartUpload": r"POST .*[?&]uploads",
        "UploadPart": r"PUT .*partNumber",
        "CompleteMultipartUpload": r"POST .*uploadId",
    },
    "gs": {
        "objects.insert": r"POST /upload/",
        "objects.compose": r"POST .*/compose",
        "objects.delete": r"DELETE ",
    },
}
SERVERS = {"seaweedfs": "s3", "versitygw": "s3", "fake-gcs-server": "gs"}
CLEANING = {"objects.delete"}
"""Requests whose failure a writer lives with: what they clean up is cleaned up later."""


@pytest.fixture
def store(object_place):
    """The filesystem under test, behind the proxy."""
    return object_place.file_system


@pytest.fixture
def path(object_place):
    """Where no object is yet."""
    return f"{object_place.root}/f"


@pytest.fixture
def stored(object_place):
    """The other pair of eyes."""
    return object_place.stored


@pytest.mark.parametrize("mode", ["reset", "reset_mid_request", "lose_response", "status"])
@pytest.mark.parametrize(
    ("object_place", "request_name"),
    [(server, name) for server, kind in SERVERS.items() for name in REQUESTS[kind]],
    indirect=["object_place"],
)
def test_a_failed_flush_keeps_its_bytes_and_a_later_one_heals(object_place, store, path, stored, request_name, mode):
    source = random.Random(request_name + mode)
    writer = store.new_writable_file(path)
    # More failures than one request is tried again, so that some come through to the writer.
    fault = object_place.proxy.fail(REQUESTS[path.partition(":")[0]][request_name], mode, count=9)
    taken = bytearray()
    failures = 0
    for number in range(36):
        piece = source.randbytes(source.randrange(200_000, 700_000))
        for _ in range(8):
            try:
                writer.append(piece)
            except RecordFSError:
                failures += 1  # nothing was taken
            else:
                taken += piece
                break
        else:
            pytest.fail("append never healed")
        assert writer.tell() == len(taken)
        if number % 3 == 0 and not 15 < number < 33:  # in between, parts are staged
            try:
                writer.flush()
            except RecordFSError:
                failures += 1
            else:
                assert stored.get(path) == taken, "what flush acknowledged is visible"
    writer.close()
    assert stored.get(path) == taken
    assert fault.hits == 9
    if (request_name, mode) != ("CreateMultipartUpload", "lose_response"):  # whose id nobody has learnt
        assert stored.leftovers(path) == []
    if mode == "status" and request_name not in CLEANING:
        assert failures, "an outage that outlasts the retries is told"


@pytest.mark.parametrize("size", [1000, 300_000, 6 * MIB])
def test_bytes_damaged_on_their_way_are_refused_by_the_store_and_sent_again(object_place, store, path, stored, size):
    data = random.Random(size).randbytes(size)
    writer = store.new_writable_file(path)
    taken = b""
    for _ in range(2):
        writer.append(data)
        taken += data
        upload = REQUESTS["gs"]["objects.insert"] if path.startswith("gs:") else r"PUT "
        fault = object_place.proxy.fail(upload, "damage")
        with contextlib.suppress(UnavailableError):
            writer.flush()
        writer.flush()
        assert fault.hits == 1
        assert stored.get(path) == taken
    writer.close()


@pytest.mark.parametrize("object_place", ["versitygw", "fake-gcs-server"], indirect=True)
@pytest.mark.filterwarnings("ignore:what writers that died:UserWarning")
def test_a_clean_up_after_dead_writers_that_fails_does_not_fail_a_flush(object_place, store, path, stored):
    looks = r"GET .*(uploads|prefix=.*recordfs-tmp)"
    fault = object_place.proxy.fail(looks, "status", count=10_000, status=500)
    with store.new_writable_file(path) as writer:
        writer.append(bytes(6 * MIB))
        writer.flush()
        writer.append(bytes(6 * MIB))
        writer.flush()
    assert fault.hits
    assert stored.size(path) == 12 * MIB


def test_the_loser_of_two_writers_is_told_and_keeps_its_bytes(store, path, stored):
    first, second = store.new_writable_file(path), store.new_writable_file(path)
    first.append(b"first")
    second.append(b"second")
    first.flush()
    with pytest.raises(AbortedError, match="another writer") as caught:
        second.flush()
    assert caught.value.unpublished_bytes == 6
    assert stored.get(path) == b"first"
    second.publish(overwrite=True)
    assert stored.get(path) == b"second"
    second.close()
    first.append(b"more")
    with pytest.raises(AbortedError):
        first.close()
    first.discard()
    assert stored.get(path) == b"second"


@pytest.mark.parametrize("size", [10, 300_000, 7 * MIB])
def test_two_that_append_the_same_number_of_bytes_are_told_apart(store, path, stored, size):
    with store.new_writable_file(path) as writer:
        writer.append(bytes(size))
    first, second = store.new_appendable_file(path), store.new_appendable_file(path)
    first.append(b"one")
    second.append(b"two")
    first.close()
    with pytest.raises(AbortedError, match="another writer"):
        second.flush()
    second.discard()
    assert stored.get(path) == bytes(size) + b"one"


def test_a_loser_with_parts_on_the_server_publishes_them_too(store, path, stored):
    data = random.Random(2).randbytes(17 * MIB)
    loser = store.new_writable_file(path)
    for start in range(0, len(data), MIB):
        loser.append(data[start : start + MIB])
    with store.new_writable_file(path) as winner:
        winner.append(b"winner")
    with pytest.raises(AbortedError) as caught:
        loser.flush()
    assert caught.value.unpublished_bytes == len(data)
    assert stored.leftovers(path), "its parts are not thrown away"
    assert stored.get(path) == b"winner"
    loser.publish(overwrite=True)
    loser.close()
    assert stored.get(path) == data
    assert stored.leftovers(path) == []


def test_exclusive_writers_that_both_saw_nothing(store, path, stored):
    first, second = (store.new_writable_file(path, exclusive=True) for _ in range(2))
    first.append(b"1")
    first.close()
    second.append(b"2")
    with pytest.raises(AlreadyExistsError):
        second.close()
    second.discard()
    assert stored.get(path) == b"1"


@pytest.mark.parametrize("size", [0, 1000, 7 * MIB])
def test_appending_goes_on_where_another_client_stopped(store, path, stored, size):
    old = random.Random(size).randbytes(size)
    stored.put(path, old, {"made-by": "somebody"})
    with store.new_appendable_file(path) as writer:
        assert writer.tell() == size
        writer.append(b"new")
        writer.flush()
        assert stored.get(path) == old + b"new"
        writer.append(b"er")
    assert stored.get(path) == old + b"newer"
    assert stored.metadata(path)["made-by"] == "somebody"


def test_discarding_leaves_nothing_behind(store, path, stored):
    writer = store.new_writable_file(path, atomic=True)
    # So much is never on its way at once: the first parts are there.
    writer.append(bytes(60 * MIB))
    writer.flush()
    assert not store.file_exists(path)
    assert stored.leftovers(path)
    writer.discard()
    assert not store.file_exists(path)
    assert stored.leftovers(path) == []


def test_a_store_that_stays_down_is_told_by_close_and_nothing_hangs(object_place, store, path, stored):
    writer = store.new_writable_file(path)
    writer.append(b"kept")
    object_place.proxy.fail(".*", "status", count=10**6)
    with pytest.raises(UnavailableError):
        writer.close()
    object_place.proxy.heal()
    writer.close()
    assert stored.get(path) == b"kept"


IN_ANOTHER_PROCESS = """
import json, sys
from recordfs.registry import get_file_system
path, options = sys.argv[1], json.loads(sys.argv[2])
store = get_file_system(path, options=options)
"""

WRITE_UNTIL_KILLED = """
with store.new_writable_file(path) as writer:
    for number in range(10_000):
        for _ in range(4):
            writer.append(bytes([number % 251]) * 300_000)
        writer.flush()
        print(writer.tell(), flush=True)
"""


def test_a_killed_writer_loses_nothing_that_was_acknowledged(object_place, path, stored):
    source = random.Random(3)
    step = 4 * 300_000
    for number in range(30):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                IN_ANOTHER_PROCESS + WRITE_UNTIL_KILLED,
                f"{path}{number}",
                json.dumps(object_place.options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        first = child.stdout.readline()
        time.sleep(source.random() * 0.5)
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        acknowledged = int((rest or [first])[-1])
        found = stored.get(f"{path}{number}")
        assert len(found) >= acknowledged
        assert len(found) % step == 0, "whole flushes only"
        for index in range(len(found) // step):
            assert found[index * step : (index + 1) * step] == bytes([index % 251]) * step


@pytest.mark.parametrize("size", [4, 30 * MIB])
def test_exit_without_close_publishes(object_place, path, stored, size):
    program = f"writer = store.new_writable_file(path)\nfor _ in range(4): writer.append(b'x' * {size // 4})\n"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", IN_ANOTHER_PROCESS + program, path, json.dumps(object_place.options)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert stored.get(path) == b"x" * (size // 4 * 4)
    assert "ResourceWarning" in done.stderr
    assert "unclosed writer" in done.stderr
    assert "lost" not in done.stderr


UNCLOSED_RECORD_WRITERS = """
import gc
import recordfs

def write():
    writer = recordfs.RecordWriter(path, file_system=store, append=True)
    writer.write_batch([b"appended"] * 20_000)
    writer.flush()
    writer.write(b"last")

class Job:
    def __init__(self):
        self.writer = recordfs.RecordWriter(path + "-replaced", file_system=store)
        self.writer.write(b"new")

write()
gc.collect()
job = Job()
recordfs.RecordWriter(path + "-atomic", file_system=store, atomic=True).write(b"half")
raise RuntimeError("what ends the job")
"""


def test_exit_publishes_the_records_of_writers_that_nobody_closed(store, object_place, path):
    for name in (path, f"{path}-replaced", f"{path}-atomic"):
        with recordfs.RecordWriter(name, file_system=store) as writer:
            writer.write(b"first")
    program = IN_ANOTHER_PROCESS + UNCLOSED_RECORD_WRITERS
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, path, json.dumps(object_place.options)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(recordfs.RecordReader(path, file_system=store)) == [b"first", *[b"appended"] * 20_000, b"last"]
    assert list(recordfs.RecordReader(f"{path}-replaced", file_system=store)) == [b"new"]
    assert list(recordfs.RecordReader(f"{path}-atomic", file_system=store)) == [b"first"]
    assert done.stderr.count("unclosed writer") == 3
    assert "Exception ignored" not in done.stderr
    assert "lost" not in done.stderr


def test_the_loser_of_two_record_writers_publishes_its_records(store, path):
    for closes in (False, True):
        winner, loser = (recordfs.RecordWriter(path, file_system=store) for _ in range(2))
        winner.write(b"winner")
        loser.write(b"loser")
        winner.close()
        with pytest.raises(AbortedError, match="publish"):
            loser.close() if closes else loser.flush()
        loser.publish(overwrite=True)
        assert list(recordfs.RecordReader(path, file_system=store)) == [b"loser"]
        loser.close()
        assert list(recordfs.RecordReader(path, file_system=store)) == [b"loser"]


def test_a_writer_refuses_another_process(object_place, path, stored):
    program = """
import os
from recordfs.errors import FailedPreconditionError
writer = store.new_writable_file(path)
writer.append(b"parent")
child = os.fork()
if child == 0:
    try:
        writer.append(b"child")
    except FailedPreconditionError:
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
writer.close()
"""
    subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS + program, path, json.dumps(object_place.options)], check=True
    )
    assert stored.get(path) == b"parent"


def test_records_written_flushed_and_appended(store, path):
    directory = path.rpartition("/")[0]
    path = f"{directory}/deep/records.tfrecord"
    records = [random.Random(n).randbytes(n * 37 % 4000) for n in range(3000)]
    with recordfs.RecordWriter(path, file_system=store) as writer:
        writer.write_batch(records)
        writer.flush()
        assert sum(1 for _ in recordfs.RecordReader(path, file_system=store)) == len(records)
        writer.write(b"last")
    assert list(recordfs.RecordReader(path, file_system=store)) == [*records, b"last"]
    with recordfs.RecordWriter(path, append=True, file_system=store) as writer:
        writer.write(b"appended")
    assert list(recordfs.RecordReader(f"{directory}/deep/*.tfrecord", file_system=store))[-1] == b"appended"


@pytest.mark.parametrize("size", [100, 9 * MIB])
def test_a_rename_deletes_nothing_that_was_flushed_meanwhile(store, path, stored, monkeypatch, size):
    writer = store.new_writable_file(path)
    writer.append(b"1" * size)
    writer.flush()
    copy = store._store.copy

    def copy_and_then_write(*arguments, **keywords):
        copy(*arguments, **keywords)
        writer.append(b"2")
        writer.flush()

    monkeypatch.setattr(store._store, "copy", copy_and_then_write)
    with pytest.raises(AbortedError, match="changed while it was renamed"):
        store.rename_file(path, f"{path}.old")
    writer.append(b"3")
    writer.close()
    assert stored.get(path) == b"1" * size + b"23"
    monkeypatch.undo()
    store.rename_file(path, f"{path}.old")
    assert stored.get(f"{path}.old") == b"1" * size + b"23"
    assert not store.file_exists(path)
