"""Flat keys as one level of a directory, whatever the order and wherever the pages end."""

import itertools
import random

import pytest

from recordfs.filesystem import DirectoryEntry
from recordfs.filesystems._object_store.features import Features
from recordfs.filesystems._object_store.listing import list_one_level
from recordfs.filesystems._object_store.objects import ObjectInfo, ObjectPage

KEYS = ["d/", "d/a", "d/a-1", "d/a-2/x", "d/a/b", "d/a/c/d", "d/b/x", "d/b/y", "d/c", "d/.recordfs-tmp/x", "d//x"]


class Pages:
    """A store whose listing is in order or not, a few names a page."""

    def __init__(self, keys, size, seed=None):
        self.order = sorted(keys, key=str.encode)
        self.ordered = seed is None
        self.size = size
        if seed is not None:
            random.Random(seed).shuffle(self.order)

    scheme = "pages"

    def features(self, bucket):
        return Features()

    def lists_in_order(self, bucket):
        return self.ordered

    def list_page(self, bucket, prefix, *, delimiter="", page=None, limit=1000):
        names = []
        for key in self.order:
            if key.startswith(prefix):
                head, slash, _ = key[len(prefix) :].partition(delimiter)
                names.append(prefix + head + slash)
        names = list(dict.fromkeys(names))
        start = int(page or 0)
        shown = names[start : start + self.size]
        following = str(start + self.size) if start + self.size < len(names) else None
        markers = {prefix}
        return ObjectPage(
            [
                ObjectInfo(name, int(not name.endswith("/")), 2, "tag", {})
                for name in shown
                if not name.endswith("/") or name in markers
            ],
            [name for name in shown if name.endswith("/") and name not in markers],
            following,
        )


@pytest.mark.parametrize(("size", "seed"), list(itertools.product([1, 2, 3, 100], [None, 1, 2, 3])))
def test_each_name_is_listed_once_and_files_win(size, seed):
    found = list(list_one_level(Pages(KEYS, size, seed), "bucket", "d/"))
    entries = [entry for entry in found if entry is not None and not entry.only_in_trees]
    beside = [entry for entry in found if entry is not None and entry.only_in_trees]
    assert sorted(beside) == [DirectoryEntry("", is_directory=True), DirectoryEntry("a/", is_directory=True)]
    assert sorted(entry.name for entry in entries) == ["a", "a-1", "a-2", "b", "c"]
    kinds = {entry.name: entry.is_directory for entry in entries}
    assert kinds == {"a": False, "a-1": False, "a-2": True, "b": True, "c": False}
    assert DirectoryEntry("c", is_directory=False, length=1, mtime_nsec=2, version="tag") in entries
    assert None in found, "the marker and the temporary objects prove that the directory is there"


def test_a_directory_bucket_is_known_by_its_name_at_amazon_only(monkeypatch):
    pytest.importorskip("boto3")
    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    from recordfs.filesystems.s3 import S3FileSystem

    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-west-2"}
    for endpoint, expected in ((None, True), ("http://127.0.0.1:1", False)):
        with S3FileSystem(endpoint_url=endpoint, **keys) as file_system:
            store = file_system._store
            assert store.features("logs--usw2-az1--x-s3").directory_bucket is expected
            assert store.lists_in_order("logs--usw2-az1--x-s3") is not expected
            assert store.lists_in_order("logs")
            # Nothing is asked of Amazon's own buckets that is known of them.
            assert store.features("logs").conditions == dict.fromkeys(
                ("PutObject", "CompleteMultipartUpload"), True if endpoint is None else None
            )


@pytest.mark.parametrize(
    ("endpoint", "option", "expected"),
    [
        ("https://account.r2.cloudflarestorage.com", None, True),
        ("https://account.eu.r2.cloudflarestorage.com", None, True),
        ("https://store.example", None, False),
        ("https://store.example", True, True),
        ("https://account.r2.cloudflarestorage.com", False, False),
    ],
)
def test_where_parts_have_to_be_equal(endpoint, option, expected):
    pytest.importorskip("boto3")
    from recordfs.filesystems.s3 import S3FileSystem

    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "auto"}
    with S3FileSystem(endpoint_url=endpoint, equal_parts=option, **keys) as file_system:
        assert file_system._store.features("bucket").equal_parts is expected
