"""One table of HTTP statuses: whatever the store, a status alone means the same error."""

import pytest

from recordfs.errors import DeadlineExceededError, InvalidArgumentError, NotFoundError, UnavailableError, UnknownError
from recordfs.filesystems import _fsspec_errors
from recordfs.filesystems.gcs import errors as gcs_errors
from recordfs.filesystems.s3 import errors as s3_errors
from recordfs.testing.object_store import SeededObjectStore


@pytest.mark.parametrize("status", range(400, 600))
def test_a_status_means_the_same_error_on_every_store(status):
    other = SeededObjectStore()
    found = {
        type(s3_errors.error_from_answer("GetObject", status, "", "", "s3://b/k")),
        type(s3_errors.error_from_answer("HeadObject", status, str(status), "", "s3://b/k")),
        type(gcs_errors.error_from_answer(status, "", "gs://b/k")),
        type(_fsspec_errors.error_from_http_status(status, "", "https://h/f")),
        type(other.error_from_answer("GET", status, "", "", "seeded://b/k")),
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (410, NotFoundError),
        (413, InvalidArgumentError),
        (418, UnknownError),
        (429, UnavailableError),
        (500, UnavailableError),
        (504, DeadlineExceededError),
        (599, UnavailableError),
    ],
)
def test_what_some_statuses_mean(status, expected):
    assert type(gcs_errors.error_from_answer(status, "", "gs://b/k")) is expected
