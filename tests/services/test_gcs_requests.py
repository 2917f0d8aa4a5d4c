"""Google Cloud Storage's own: generations, requests and what they cost, copies, bulk deletion, other servers."""

import gzip
import re
import threading

import google.cloud.storage
import pytest
from google.auth.credentials import AnonymousCredentials

import recordfs
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
)
from recordfs.filesystems._object_store.temporary import temporary_key
from recordfs.filesystems.gcs import GCSFileSystem
from support.recording_proxy import RecordingProxy, Reply
from support.servers import FakeGcsServer
from support.stored_objects import GCSObjects

pytestmark = pytest.mark.service

MIB = 1 << 20


def key_of(path):
    return path.partition("://")[2].partition("/")[2]


@pytest.fixture
def bucket(google_client, gcs_bucket):
    """The bucket, seen by another client."""
    return google_client.bucket(gcs_bucket)


def counted(file_system):
    return {name: counts.requests for name, counts in file_system.statistics().items()}


def test_a_read_costs_one_look_and_one_range(gcs, gcs_root, bucket):
    bucket.blob(key_of(f"{gcs_root}/f")).upload_from_string(b"0123456789")
    with gcs.new_random_access_file(f"{gcs_root}/f") as file:
        assert file.read(2, 3) == b"234"
    assert counted(gcs) == {"objects.get": 1, "GetRange": 1}
    assert gcs.statistics()["GetRange"].bytes_received == 3


def test_a_server_without_the_xml_api_is_read_through_the_json_api(tmp_path, caplog):
    """fake-gcs-server as people start it takes itself for storage.googleapis.com, and answers obstore with 404."""
    data = bytes(range(256)) * 4096
    with (
        FakeGcsServer(str(tmp_path), is_told_its_address=False) as server,
        GCSFileSystem(endpoint_url=server.endpoint, project="test") as file_system,
    ):
        GCSObjects(google_storage_client(server)).put("gs://bucket/dir/f", data, {})
        with file_system.new_random_access_file("gs://bucket/dir/f") as file:
            assert file.read(0, len(data)) == data
            assert file.read_ranges([(number * 1000, 10) for number in range(100)]) == [
                data[number * 1000 : number * 1000 + 10] for number in range(100)
            ]
            requests = sum(counted(file_system).values())
            assert file.read(7, 5) == data[7:12]
            assert sum(counted(file_system).values()) == requests + 1, "remembered for the endpoint"
        with recordfs.RecordWriter("gs://bucket/dir/r", file_system=file_system) as writer:
            writer.write(b"record")
            writer.flush()
        assert list(recordfs.RecordReader("gs://bucket/dir/r", file_system=file_system)) == [b"record"]
        with pytest.raises(NotFoundError):
            file_system.new_random_access_file("gs://bucket/dir/missing")
    assert sum("does not answer obstore's requests" in message for message in caplog.messages) == 1


PAGE = b"<html>a console, or what to sign in by</html>"


@pytest.mark.parametrize("status", [200, 206, 400, 401, 403, 405, 410, 501])
def test_an_endpoint_that_answers_the_xml_api_in_some_other_way_is_read_through_the_json_api(tmp_path, status):
    """As behind a gateway that lets only some paths through."""
    data = bytes(range(256)) * 100

    def refuse(request):
        is_json = re.match(r"/(storage/v1|upload|download|resumable)/", request.target)
        return None if is_json else Reply(status, {"Content-Type": "text/html"}, PAGE)

    with (
        FakeGcsServer(str(tmp_path), is_told_its_address=False) as server,
        RecordingProxy(server.port) as gateway,
        GCSFileSystem(endpoint_url=gateway.endpoint, project="test", anonymous=True) as file_system,
    ):
        gateway.rule = refuse
        GCSObjects(google_storage_client(server)).put("gs://bucket/f", data, {})
        with file_system.new_random_access_file("gs://bucket/f") as file:
            assert file.read(1000, 10) == data[1000:1010]
            asked = len(gateway.requests)
            assert file.read(0, len(data)) == data
        assert [request.target.startswith("/download") for request in gateway.requests[asked:]] == [True]


def google_storage_client(server):
    """Return Google's own client of a server, on which it has made a bucket."""
    client = google.cloud.storage.Client(
        project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": server.endpoint}
    )
    client.create_bucket("bucket")
    return client


def test_every_request_on_the_wire_is_counted_retries_too(gcs, gcs_root, gcs_proxy):
    gcs.file_exists(f"{gcs_root}/warm")
    before = sum(counted(gcs).values())
    gcs_proxy.reset()
    gcs_proxy.fail("GET .*/o/", "status", count=2)
    gcs_proxy.fail("POST /upload/", "reset", count=1)
    with gcs.new_writable_file(f"{gcs_root}/f") as file:
        file.append(b"x" * 1000)
    with gcs.new_random_access_file(f"{gcs_root}/f") as file:
        assert file.read(0, 2000) == b"x" * 1000
    assert sum(counted(gcs).values()) - before == gcs_proxy.traffic().requests


def test_a_store_that_stays_away_is_told_after_a_bounded_number_of_tries(gcs, gcs_root, gcs_proxy):
    fault = gcs_proxy.fail("GET ", "status", count=1000, status=429)
    with pytest.raises(ConnectionError, match="429"):
        gcs.stat(f"{gcs_root}/f")
    assert fault.hits == 4
    assert not any("inject" in name for name in counted(gcs))


def test_small_reads_in_many_threads_get_their_own_bytes(gcs, gcs_root, bucket):
    data = bytes(range(256)) * 4096
    bucket.blob(key_of(f"{gcs_root}/f")).upload_from_string(data)
    wrong = []
    with gcs.new_random_access_file(f"{gcs_root}/f") as file:

        def read(start):
            wrong.extend(
                offset
                for offset in range(start, len(data), 50_021)
                if file.read(offset, 100) != data[offset : offset + 100]
            )

        threads = [threading.Thread(target=read, args=(start,)) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_the_sdk_reads_the_pinned_generation_too(gcs, gcs_root, bucket):
    # A key that obstore would change.
    path = f"{gcs_root}/a//b"
    bucket.blob(key_of(path)).upload_from_string(b"a" * 100)
    with gcs.new_random_access_file(path) as file:
        assert file.read(0, 10) == b"a" * 10
        bucket.blob(key_of(path)).upload_from_string(b"b" * 200)
        with pytest.raises(AbortedError, match="replaced"):
            file.read(10, 10)


def test_an_object_that_is_stored_packed_is_read_as_it_is_stored(gcs, gcs_root, bucket):
    packed = gzip.compress(b"unpacked" * 1000)
    for name in ("by-obstore", "by//the-sdk"):
        blob = bucket.blob(key_of(f"{gcs_root}/{name}"))
        blob.content_encoding = "gzip"
        blob.upload_from_string(packed)
        with gcs.new_random_access_file(f"{gcs_root}/{name}") as file:
            assert file.read(0, 100_000) == packed
            assert file.read(5, 7) == packed[5:12]


def test_of_copies_to_one_name_one_wins(gcs, gcs_root):
    for number in range(8):
        with gcs.new_writable_file(f"{gcs_root}/{number}") as file:
            file.append(b"%d" % number * 1000)
    outcomes = {}

    def copy(number):
        try:
            gcs.copy_file(f"{gcs_root}/{number}", f"{gcs_root}/target", overwrite=False)
            outcomes[number] = "won"
        except AlreadyExistsError:
            outcomes[number] = "lost"

    threads = [threading.Thread(target=copy, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["lost"] * 7 + ["won"]
    winner = next(number for number, outcome in outcomes.items() if outcome == "won")
    with gcs.new_random_access_file(f"{gcs_root}/target") as file:
        assert file.read(0, 2000) == b"%d" % winner * 1000


def test_metadata_survive_a_copy_and_appending(gcs, gcs_root, bucket):
    blob = bucket.blob(key_of(f"{gcs_root}/f"))
    blob.metadata = {"Kept": "Value"}
    blob.cache_control = "no-store"
    blob.upload_from_string(b"1", content_type="text/plain")
    gcs.copy_file(f"{gcs_root}/f", f"{gcs_root}/g")
    with gcs.new_appendable_file(f"{gcs_root}/g") as file:
        file.append(b"2" * MIB)
    found = bucket.get_blob(key_of(f"{gcs_root}/g"))
    assert found.metadata["Kept"] == "Value"
    assert (found.cache_control, found.content_type, found.size) == ("no-store", "text/plain", MIB + 1)


def test_a_tree_is_deleted_in_bulk_and_what_fails_is_reported(gcs, gcs_root, gcs_proxy):
    for number in range(40):
        with gcs.new_writable_file(f"{gcs_root}/d/{number:02d}") as file:
            file.append(b"x")
    gcs_proxy.fail("DELETE .*07", "status", count=1000, status=403)
    with pytest.raises(FailedPreconditionError) as caught:
        gcs.delete_recursively(f"{gcs_root}/d")
    ((path, error),) = caught.value.failures
    assert path == f"{gcs_root}/d/07"
    assert isinstance(error, PermissionDeniedError)
    assert gcs.get_children(f"{gcs_root}/d") == ["07"]
    gcs_proxy.heal()
    gcs.delete_recursively(f"{gcs_root}/d")
    assert not gcs.file_exists(f"{gcs_root}/d")


def test_a_deletion_whose_answer_was_lost_succeeds(gcs, gcs_root, gcs_proxy):
    with gcs.new_writable_file(f"{gcs_root}/f") as file:
        file.append(b"x")
    fault = gcs_proxy.fail("DELETE ", "lose_response")
    gcs.delete_file(f"{gcs_root}/f")
    assert fault.hits == 1
    assert not gcs.file_exists(f"{gcs_root}/f")


def test_a_directory_whose_making_got_no_answer_is_made(gcs, gcs_root, gcs_proxy):
    fault = gcs_proxy.fail("POST /upload", "lose_response")
    gcs.create_dir(f"{gcs_root}/d")
    assert fault.hits == 1
    assert gcs.is_directory(f"{gcs_root}/d")
    with pytest.raises(AlreadyExistsError):
        gcs.create_dir(f"{gcs_root}/d")


def test_temporary_objects_are_not_listed_and_go_with_the_tree(gcs, gcs_root, bucket):
    with gcs.new_writable_file(f"{gcs_root}/d/f") as file:
        file.append(b"x")
    staged = temporary_key(key_of(f"{gcs_root}/d/f"), "writer-1")
    bucket.blob(staged).upload_from_string(b"staged")
    assert gcs.get_children(f"{gcs_root}/d") == ["f"]
    gcs.delete_file(f"{gcs_root}/d/f")
    assert gcs.get_children(f"{gcs_root}/d") == []
    with pytest.raises(DirectoryNotEmptyError, match="temporary"):
        gcs.delete_dir(f"{gcs_root}/d")
    gcs.rename_file(f"{gcs_root}/d", f"{gcs_root}/e")
    assert bucket.blob(staged).exists()
    gcs.delete_recursively(f"{gcs_root}/d")
    assert not bucket.blob(staged).exists()
    assert not gcs.file_exists(f"{gcs_root}/d")


def test_buckets_are_the_children_of_the_scheme(gcs, gcs_bucket):
    assert gcs_bucket in gcs.get_children("gs://")
    assert gcs.is_directory(f"gs://{gcs_bucket}")
    assert not gcs.file_exists("gs://no-such-bucket")
    with pytest.raises(PermissionDeniedError, match="allow_bucket_root"):
        gcs.delete_recursively(f"gs://{gcs_bucket}")


def test_times_have_their_microseconds(gcs, gcs_root, bucket):
    with gcs.new_writable_file(f"{gcs_root}/f") as file:
        file.append(b"x")
    updated = bucket.get_blob(key_of(f"{gcs_root}/f")).updated
    found = gcs.stat(f"{gcs_root}/f").mtime_nsec
    assert found == int(updated.timestamp()) * 10**9 + updated.microsecond * 1000


@pytest.mark.parametrize("gcs_server", ["gcp-storage-emulator"], indirect=True)
def test_a_server_without_the_fast_api_is_read_through_the_sdk(gcs_server, google_client, gcs_bucket, caplog):
    google_client.close()  # the server serves one connection at a time
    path = f"gs://{gcs_bucket}/slow/f"
    with GCSFileSystem(endpoint_url=gcs_server.endpoint, project="test") as file_system:
        with file_system.new_writable_file(path) as file:
            file.append(b"first")
            file.flush()
            with file_system.new_random_access_file(path) as reader:
                assert reader.read(0, 100) == b"first"
                assert reader.read(1, 2) == b"ir"
            file.append(b" and more")
        with file_system.new_random_access_file(path) as reader:
            assert reader.read(0, 100) == b"first and more"
        assert file_system.get_children(f"gs://{gcs_bucket}/slow") == ["f"]
        file_system.rename_file(path, f"{path}2")
        assert not file_system.file_exists(path)
        file_system.delete_file(f"{path}2")
    assert [record.message for record in caplog.records if "read through the store's SDK" in record.message]


def test_the_same_bytes_uploaded_again_are_read_on(gcs, gcs_root, bucket):
    """Some writers upload all of a file at each flush, even one without anything new."""
    blob = bucket.blob(key_of(f"{gcs_root}/f"))
    blob.upload_from_string(b"a" * 1000)
    with gcs.new_random_access_file(f"{gcs_root}/f") as file:
        assert file.read(0, 10) == b"a" * 10
        blob.upload_from_string(b"a" * 1000)
        assert file.read(10, 2000) == b"a" * 990
        blob.upload_from_string(b"b" * 1000)
        with pytest.raises(AbortedError, match="replaced"):
            file.read(20, 10)


def test_a_versioned_bucket_never_mixes_versions_either(gcs, google_client):
    versioned = google_client.bucket("versioned")
    versioned.versioning_enabled = True
    versioned = google_client.create_bucket(versioned)
    versioned.blob("f").upload_from_string(b"a" * 1000)
    with gcs.new_random_access_file("gs://versioned/f") as file:
        assert file.read(0, 10) == b"a" * 10
        versioned.blob("f").upload_from_string(b"b" * 1000)
        assert file.read(500, 10) == b"a" * 10
        with pytest.raises(AbortedError, match="replaced"):
            file.size()


def test_credentials_that_may_only_write_can_write(gcs, gcs_root, gcs_proxy, bucket):
    bucket.blob(key_of(f"{gcs_root}/there")).upload_from_string(b"old")
    gcs_proxy.fail("GET ", "status", count=10**6, status=403)
    with pytest.warns(UserWarning, match=r"storage\.objects\.get"):
        writer = gcs.new_writable_file(f"{gcs_root}/there")
    with writer:
        writer.append(b"new")
        writer.flush()
        writer.append(b" and more")
    assert bucket.blob(key_of(f"{gcs_root}/there")).download_as_bytes() == b"new and more"
    with gcs.new_writable_file(f"{gcs_root}/there") as writer:
        writer.append(b"first")
        writer.flush()
        bucket.blob(key_of(f"{gcs_root}/there")).upload_from_string(b"another's")
        writer.append(b"second")
        with pytest.raises(AbortedError):
            writer.flush()
        writer.discard()
    with gcs.new_writable_file(f"{gcs_root}/there", exclusive=True) as writer:
        writer.append(b"x")
        with pytest.raises((AlreadyExistsError, AbortedError)):
            writer.close()
        writer.discard()
    assert bucket.blob(key_of(f"{gcs_root}/there")).download_as_bytes() == b"another's"
