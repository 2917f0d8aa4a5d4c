"""Writing to Google Cloud Storage, as far as it differs from other stores: see test_object_writing for the rest."""

import base64
import datetime as dt
import itertools
import random
import struct
import subprocess
import sys
import time

import pytest

from recordfs._core import crc32c
from recordfs.errors import AbortedError, DataLossError, DeadlineExceededError, UnavailableError
from recordfs.filesystems._object_store import composed_upload, orphans
from recordfs.filesystems.gcs import GCSFileSystem
from support.stored_objects import GCSObjects, split_path

pytestmark = pytest.mark.service

KIB, MIB = 1 << 10, 1 << 20
INSERT, COMPOSE, DELETE = r"POST /upload/", r"POST .*/compose", r"DELETE "


@pytest.fixture
def stored(google_client):
    return GCSObjects(google_client)


def write(store, path, *pieces):
    """Write pieces with a flush after each."""
    with store.new_writable_file(path) as writer:
        for piece in pieces:
            writer.append(piece)
            writer.flush()


def requests_by_kind(proxy):
    """Return how many requests of each method and kind passed the proxy."""
    counts = {}
    for request, count in proxy.traffic().by_request.items():
        method, _, target = request.partition(" ")
        kind = {"POST": "compose" if target.endswith("/compose") else "insert"}.get(method, method)
        counts[kind] = counts.get(kind, 0) + count
    return counts


def test_200_flushes_cost_the_new_bytes_and_three_requests_each(gcs, gcs_root, gcs_proxy, stored):
    path = f"{gcs_root}/events"
    piece = random.Random(1).randbytes(256 * KIB)
    with gcs.new_writable_file(path) as writer:
        writer.append(piece)
        writer.flush()
        gcs_proxy.reset()
        for number in range(2, 201):
            writer.append(piece)
            writer.flush()
            assert stored.size(path) == number * len(piece)
    assert gcs_proxy.traffic().sent + len(piece) <= 52 * MIB
    counts = requests_by_kind(gcs_proxy)
    assert (counts["insert"], counts["compose"], counts["DELETE"]) == (199, 199, 199)
    # Besides, orphans and the bucket are looked at once, and what this server's own answer to a deletion means.
    assert sum(counts.values()) <= 3 * 199 + 3
    assert stored.leftovers(path) == []


def test_memory_stays_bounded_with_and_without_flushes(gcs_server, gcs_root):
    program = """
import resource, sys
from recordfs.filesystems.gcs import GCSFileSystem
store = GCSFileSystem(endpoint_url=sys.argv[1])
piece = bytes(256 << 10)

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def write(name, pieces, every):
    with store.new_writable_file(sys.argv[2] + name) as writer:
        for number in range(pieces):
            writer.append(piece)
            if number % every == 0:
                writer.flush()

write("first", 2, 1)
before = most()
write("flushed", 100, 1)
print(most() - before)
write("long", 800, 1000)
print(most() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, gcs_server.endpoint, f"{gcs_root}/"], capture_output=True, text=True, check=True
    )
    flushed, long = map(int, done.stdout.split())
    assert flushed < 16 * KIB, "KiB"
    assert long < 40 * KIB, "KiB"


def test_small_objects_are_uploaded_again_in_one_request(gcs, gcs_root, gcs_proxy, stored):
    path = f"{gcs_root}/f"
    with gcs.new_writable_file(path) as writer:
        gcs_proxy.reset()
        for number in range(4):
            writer.append(bytes([number]) * 32 * KIB)
            writer.flush()
        writer.append(b"beyond")
        writer.flush()
        assert requests_by_kind(gcs_proxy)["insert"] == 5
        assert "compose" not in requests_by_kind(gcs_proxy)
        sent = gcs_proxy.traffic().sent
        writer.append(b"more")
        writer.flush()
        assert requests_by_kind(gcs_proxy)["compose"] == 1
        assert gcs_proxy.traffic().sent - sent < 4 * KIB, "above 128 KiB the new bytes and nothing else"
    assert stored.get(path) == b"".join(bytes([number]) * 32 * KIB for number in range(4)) + b"beyondmore"


def test_a_long_write_of_many_parts_is_composed_in_several_steps(gcs, gcs_root, stored, monkeypatch):
    monkeypatch.setattr(composed_upload, "MOST_PIECES", 40)
    monkeypatch.setattr("recordfs.filesystems.gcs.object_upload.GCSObjectUpload.part_size", 64 * KIB)
    path = f"{gcs_root}/f"
    data = random.Random(5).randbytes(64 * KIB * 150 + 17)
    with gcs.new_writable_file(path) as writer:
        for start in range(0, len(data), 50_000):
            writer.append(data[start : start + 50_000])
        assert len(stored.leftovers(path)) <= 50
        writer.flush()
        writer.append(data[:100_000])
    assert stored.get(path) == data + data[:100_000]
    assert stored.leftovers(path) == []


@pytest.mark.parametrize("request_pattern", [INSERT, COMPOSE])
def test_steps_that_fail_in_a_long_write_are_done_again(gcs, gcs_root, gcs_proxy, stored, monkeypatch, request_pattern):
    monkeypatch.setattr(composed_upload, "MOST_PIECES", 40)
    monkeypatch.setattr("recordfs.filesystems.gcs.object_upload.GCSObjectUpload.part_size", 64 * KIB)
    path = f"{gcs_root}/f"
    data = random.Random(6).randbytes(64 * KIB * 100)
    writer = gcs.new_writable_file(path)
    fault = gcs_proxy.fail(request_pattern, "status", count=30, skip=1)
    told = 0
    for start in range(0, len(data), 50_000):
        for _ in range(12):
            try:
                writer.append(data[start : start + 50_000])
                break
            except UnavailableError:
                told += 1
    for _ in range(12):
        try:
            writer.close()
            break
        except UnavailableError:
            told += 1
    assert fault.hits == 30
    assert told
    assert stored.get(path) == data
    assert stored.leftovers(path) == []


def test_the_store_knows_the_checksum_of_the_whole(gcs, gcs_root, stored):
    path = f"{gcs_root}/f"
    pieces = [random.Random(n).randbytes(300_000) for n in range(3)]
    write(gcs, path, *pieces)
    blob = stored.blob(path)
    blob.reload()
    assert blob.crc32c == base64.b64encode(struct.pack(">I", crc32c(b"".join(pieces)))).decode()


def test_an_object_composed_of_other_bytes_is_refused(gcs, gcs_root, stored, google_client):
    path = f"{gcs_root}/f"
    writer = gcs.new_writable_file(path)
    writer.append(bytes(300_000))
    writer.flush()
    ledger = writer._ledger
    ledger._state = ledger._state._replace(
        crc=ledger._state.crc ^ 1
    )  # as if the store held other bytes than this writer has taken
    writer.append(b"more")
    with pytest.raises(DataLossError, match="CRC32C"):
        writer.flush()
    assert stored.size(path) == 300_000
    writer.discard()
    assert stored.leftovers(path) == []


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_request_that_arrives_damaged_loses_nothing(gcs, gcs_root, gcs_proxy, stored, size, monkeypatch):
    """Nothing protects the words of a request: a name, a generation or a checksum in it may arrive as another."""
    monkeypatch.setattr("recordfs.filesystems._attempts.FIRST_PAUSE", 0.01)
    path = f"{gcs_root}/f"
    # As long as a compose or a small insert is, each of its bytes is damaged in turn, and one flush for each.
    damages = itertools.count()
    monkeypatch.setattr("tools.fault_proxy.damaged_place", lambda length: next(damages) * 7 % length)
    writer = gcs.new_writable_file(path)
    taken = bytearray()
    for number in range(60):
        piece = random.Random(number).randbytes(size)
        writer.append(piece)
        taken += piece
        fault = gcs_proxy.fail(INSERT if number % 3 == 0 else f"{INSERT}|{COMPOSE}", "damage", skip=number % 2)
        for _ in range(5):
            try:
                writer.flush()
            except UnavailableError:
                continue
            break
        gcs_proxy.heal()
        assert stored.get(path) == taken, fault.hits
    writer.close()
    assert stored.get(path) == taken


def test_flushes_faster_than_the_service_takes_them_wait(gcs, gcs_root, gcs_proxy, stored):
    path = f"{gcs_root}/f"
    fault = gcs_proxy.fail(f"{INSERT}|{COMPOSE}", "status", status=429, count=3, skip=1)
    write(gcs, path, b"x" * 200_000, b"y" * 200_000)
    assert fault.hits == 3
    assert stored.size(path) == 400_000


def test_a_pause_that_the_service_asks_for_is_kept(gcs, gcs_root, gcs_proxy, stored):
    path = f"{gcs_root}/f"
    fault = gcs_proxy.fail(INSERT, "status", status=429, seconds=3)
    begun = time.monotonic()
    write(gcs, path, b"x")
    assert time.monotonic() - begun >= 3
    assert fault.hits == 1
    assert stored.get(path) == b"x"


def test_appending_keeps_what_another_client_said_of_the_object(gcs, gcs_root, stored):
    for size in (10, 300_000):
        path = f"{gcs_root}/{size}"
        blob = stored.blob(path)
        blob.metadata = {"made-by": "somebody"}
        blob.cache_control = "no-store"
        blob.content_language = "de"
        blob.upload_from_string(bytes(size), content_type="text/csv")
        with gcs.new_appendable_file(path) as writer:
            writer.append(b"new")
        blob = stored.blob(path)
        blob.reload()
        assert (blob.content_type, blob.cache_control, blob.content_language) == ("text/csv", "no-store", "de")
        assert blob.metadata["made-by"] == "somebody"
        assert blob.size == size + 3


def test_temporary_objects_that_cannot_be_deleted_are_told_at_close(gcs, gcs_root, gcs_proxy, stored):
    path = f"{gcs_root}/f"
    writer = gcs.new_writable_file(path)
    gcs_proxy.fail(DELETE, "status", count=10**6)
    for _ in range(2):
        writer.append(bytes(200_000))
        writer.flush()
    with pytest.warns(UserWarning, match="1 temporary objects .* could not be deleted"):
        writer.close()
    assert stored.size(path) == 400_000
    assert len(stored.leftovers(path)) == 1


def test_temporary_objects_of_dead_writers_are_deleted_after_a_day(gcs, gcs_root, stored, monkeypatch):
    path, neighbour = f"{gcs_root}/f", f"{gcs_root}/g"
    for name in (path, neighbour):
        dead = gcs.new_writable_file(name)
        dead.append(bytes(20 * MIB))
        dead._upload.settle(0)
        dead._end()
    assert len(stored.leftovers(path)) == 8
    write(gcs, path, bytes(200_000), bytes(200_000))
    assert len(stored.leftovers(path)) == 8, "younger than a day they may be a live writer's"
    monkeypatch.setattr(orphans, "ORPHAN_AGE", dt.timedelta(0))
    time.sleep(0.01)
    write(gcs, path, bytes(200_000), bytes(200_000))
    assert len(stored.leftovers(path)) == 4, "those of another key stay"


def test_a_part_that_somebody_deletes_is_told_as_lost(gcs, gcs_root, stored, google_client):
    path = f"{gcs_root}/f"
    writer = gcs.new_writable_file(path)
    writer.append(bytes(20 * MIB))
    writer._upload.settle(0)
    bucket, _ = split_path(path)
    google_client.bucket(bucket).blob(stored.leftovers(path)[0]).delete()
    with pytest.raises(DataLossError, match=r"1 temporary objects .* gone"):
        writer.flush()
    with pytest.raises(DataLossError):
        writer.close()


def test_a_loser_whose_flushed_bytes_were_replaced_says_where_the_rest_is(gcs, gcs_root, stored):
    path = f"{gcs_root}/f"
    loser = gcs.new_writable_file(path)
    loser.append(bytes(300_000))
    loser.flush()
    stored.put(path, b"other", {})
    loser.append(b"behind")
    with pytest.raises(AbortedError, match="another writer") as caught:
        loser.flush()
    assert caught.value.unpublished_bytes == 6
    assert [stored.get(f"gs://{split_path(path)[0]}/{key}") for key in caught.value.temporary_objects] == [b"behind"]
    with pytest.raises(DataLossError, match="300000 bytes that were flushed before are gone"):
        loser.publish(overwrite=True)
    loser.discard()
    assert stored.get(path) == b"other"


@pytest.mark.parametrize("sizes", [(1000, 50, 9), (1000, 300_000, 9), (300_000, 50, 9)])
@pytest.mark.parametrize("behind", [0, 7, 500_000])
def test_a_commit_that_happens_after_its_writer_looked_is_no_other_writers(
    gcs_server, gcs_root, gcs_proxy, stored, sizes, behind
):
    path = f"{gcs_root}/f"
    store = GCSFileSystem(endpoint_url=gcs_proxy.endpoint, read_timeout=0.5, max_attempts=1)
    committed, late, last = (random.Random(size).randbytes(size) for size in sizes)
    with store.new_writable_file(path) as writer:
        writer.append(committed)
        writer.flush()
        writer.append(late)
        # The writer does not wait so long for an answer; the store gets the request all the same.
        fault = gcs_proxy.fail(f"{COMPOSE}|POST /upload/.*ifGenerationMatch=[1-9]", "delay", seconds=1.5)
        with pytest.raises(DeadlineExceededError):
            writer.flush()
        assert fault.hits == 1
        assert stored.size(path) == len(committed)
        writer.append(bytes(behind))
        while stored.size(path) == len(committed):
            time.sleep(0.05)
        writer.append(last)
    assert stored.get(path) == committed + late + bytes(behind) + last
    assert stored.leftovers(path) == []


def test_a_bucket_that_keeps_versions_is_told_once(gcs, google_client):
    bucket = google_client.bucket("recordfs-versions")
    bucket.versioning_enabled = True
    google_client.create_bucket(bucket)
    path = "gs://recordfs-versions/f"
    write(gcs, path, b"a single flush of a new object replaces nothing")
    with pytest.warns(UserWarning, match="recordfs-versions keeps .* versioning is on") as said:
        write(gcs, path, b"1", b"2", b"3")
    assert len(said) == 1
    write(gcs, path, b"4")


def test_a_bucket_with_soft_delete_is_told_once(gcs, google_client):
    bucket = google_client.bucket("recordfs-soft-delete")
    bucket.soft_delete_policy.retention_duration_seconds = 7 * 86_400
    google_client.create_bucket(bucket)
    with pytest.warns(UserWarning, match="recordfs-soft-delete keeps .* soft delete is on, for 7 days") as said:
        write(gcs, "gs://recordfs-soft-delete/f", b"1", b"2", b"3")
    assert len(said) == 1


def test_who_may_not_look_at_the_bucket_is_told_nothing(gcs, gcs_root, gcs_proxy, stored, google_client):
    google_client.create_bucket("recordfs-unseen")
    path = "gs://recordfs-unseen/f"
    fault = gcs_proxy.fail(r"GET /storage/v1/b/recordfs-unseen\?", "status", status=403, count=10)
    write(gcs, path, b"1", b"2", b"3")
    assert fault.hits == 1
    assert stored.get(path) == b"123"


def test_an_atomic_write_shows_nothing_before_it_is_closed(gcs, gcs_root, stored):
    path = f"{gcs_root}/f"
    stored.put(path, b"old", {})
    data = random.Random(9).randbytes(20 * MIB)
    with gcs.new_writable_file(path, atomic=True) as writer:
        writer.append(data)
        writer.flush()
        assert stored.get(path) == b"old"
    assert stored.get(path) == data


def test_what_was_written_is_counted(gcs, gcs_root):
    write(gcs, f"{gcs_root}/f", bytes(200_000), bytes(200_000))
    counted = gcs.statistics()
    assert counted["objects.insert"].requests == 2
    assert 400_000 <= counted["objects.insert"].bytes_sent < 402_000
    assert counted["objects.compose"].requests == 1
