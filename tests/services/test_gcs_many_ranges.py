"""Many small ranges at once from Google Cloud Storage: cheap, and never of two versions."""

import random

import pytest

from recordfs.errors import AbortedError

pytestmark = pytest.mark.service

DATA = random.Random(1).randbytes(8 << 20)
RANGES = [(place, 1000) for place in range(0, len(DATA) - 1000, 80_000)]


@pytest.fixture
def path(gcs, gcs_root):
    path = f"{gcs_root}/large"
    with gcs.new_writable_file(path) as file:
        file.append(DATA)
    return path


def requests(gcs):
    return {name: counts.requests for name, counts in gcs.statistics().items()}


def test_each_is_asked_for_once_and_the_version_once_for_all(gcs, path):
    with gcs.new_random_access_file(path) as file:
        before = requests(gcs)
        assert file.read_ranges(RANGES) == [DATA[place : place + length] for place, length in RANGES]
        after = requests(gcs)
    assert after["GetRange"] - before.get("GetRange", 0) == len(RANGES)
    assert after["objects.get"] - before["objects.get"] == 1


def test_an_object_that_was_replaced_by_the_same_bytes_is_another_version_all_the_same(
    gcs, google_client, gcs_bucket, path
):
    with gcs.new_random_access_file(path) as file:
        key = path.partition(f"gs://{gcs_bucket}/")[2]
        google_client.bucket(gcs_bucket).blob(key).upload_from_string(DATA)
        with pytest.raises(AbortedError, match="replaced"):
            file.read_ranges(RANGES)


def test_an_object_that_grew_is_read_on(gcs, path):
    with gcs.new_random_access_file(path) as file, gcs.new_appendable_file(path) as writer:
        writer.append(b"more")
        writer.flush()
        expected = [DATA[place : place + length] for place, length in RANGES]
        assert file.read_ranges([*RANGES, (len(DATA), 10)]) == [*expected, b"more"]


def test_a_range_that_fails_is_tried_by_itself(gcs, gcs_proxy, path):
    with gcs.new_random_access_file(path) as file:
        fault = gcs_proxy.fail(r"^GET .*large", "status", status=404, skip=50)
        assert file.read_ranges(RANGES) == [DATA[place : place + length] for place, length in RANGES]
        assert fault.hits == 1
