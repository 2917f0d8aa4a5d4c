"""`http://`: what web servers have, byte for byte, whatever they can and whatever goes wrong."""

import io
import multiprocessing
import os
import pickle
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

import recordfs
from recordfs.errors import (
    AbortedError,
    ClosedFileError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
)
from recordfs.filesystems import http
from support.web_server import serve

DATA = bytes(range(256)) * 1000


@pytest.fixture
def site():
    with serve() as site:
        site.files["/data/file.bin"] = DATA
        yield site


@pytest.fixture
def url(site):
    return f"{site.url}/data/file.bin"


def open_url(url):
    return recordfs.get_file_system(url).new_random_access_file(url)


def test_size_time_and_existence(site, url):
    file_system = recordfs.get_file_system(url)
    assert file_system.stat(url)[:3] == (len(DATA), 1795230000 * 10**9, False)
    assert file_system.get_file_size(url) == len(DATA)
    assert file_system.file_exists(url)
    assert not file_system.file_exists(f"{site.url}/data/other")
    assert not file_system.is_directory(f"{site.url}/data")
    assert {method for method, _, _ in site.requests[:3]} == {"HEAD"}


@pytest.mark.parametrize("ranges", ["heeded", "ignored", "denied"])
def test_reads_are_the_same_whatever_the_server_makes_of_ranges(site, url, ranges):
    site.ranges = ranges
    with open_url(url) as file:
        assert file.read(0, 10) == DATA[:10]
        assert file.read(1000, 70_000) == DATA[1000:71_000]
        assert file.read(len(DATA) - 5, 100) == DATA[-5:]
        assert file.read(len(DATA), 1) == file.read(2 * len(DATA), 9) == file.read(5, 0) == b""
        wanted = [(200_000, 7), (3, 4), (3, 4), (5, 100_000), (len(DATA) - 1, 5), (len(DATA) + 3, 5), (9, 0)]
        assert file.read_ranges(wanted) == [DATA[start : start + length] for start, length in wanted]
        buffer = bytearray(20)
        assert (file.read_into(100, buffer), bytes(buffer)) == (20, DATA[100:120])
        assert (file.size(), file.name) == (len(DATA), url)


def test_only_what_was_asked_for_is_fetched(site, url):
    with open_url(url) as file:
        file.read(50_000, 100)
        file.read_ranges([(0, 10), (20, 10), (200_000, 10)], max_gap=16)
    asked = sorted(headers["Range"] for method, _, headers in site.requests if method == "GET")
    assert asked == ["bytes=0-29", "bytes=200000-200009", "bytes=50000-50099"]


def test_a_server_without_ranges_is_read_once(site, url):
    site.ranges = "denied"
    with open_url(url) as file:
        for offset in (5000, 0, 100_000):
            assert file.read(offset, 100) == DATA[offset : offset + 100]
    assert [method for method, _, _ in site.requests].count("GET") == 1


def test_a_file_of_unknown_size_is_read(site, url):
    site.tell_size = False
    assert recordfs.get_file_system(url).stat(url).length == -1
    with open_url(url) as file:
        assert file.read(100, 5) == DATA[100:105]
        assert file.size() == len(DATA)
    with open_url(url) as file:
        assert file.size() == len(DATA)


def test_an_empty_file_is_read_as_no_bytes(site):
    site.files["/empty"] = b""
    with open_url(f"{site.url}/empty") as file:
        assert (file.size(), file.read(0, 10)) == (0, b"")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, UnauthenticatedError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (410, NotFoundError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
def test_statuses_are_told_apart(site, url, status, error):
    file_system = recordfs.get_file_system(url)
    file = open_url(url)
    site.statuses["/data/file.bin"] = status
    for call in (file_system.stat, file_system.new_random_access_file, lambda _: file.read(10, 5)):
        with pytest.raises(error) as caught:
            call(url)
        assert caught.value.path == url
    if error is not NotFoundError:
        with pytest.raises(error):
            file_system.file_exists(url)


def test_nobody_listening_is_unavailable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x"
        with pytest.raises(UnavailableError):
            recordfs.get_file_system(url).stat(url)


@pytest.mark.parametrize("ranges", ["heeded", "denied"])
def test_a_replaced_file_is_never_mixed_with_the_one_that_was_opened(site, url, ranges):
    site.ranges = ranges
    with open_url(url) as file:
        site.files["/data/file.bin"] = DATA[::-1]
        with pytest.raises(AbortedError, match="replaced"):
            file.read(10, 5)
    with open_url(url) as file:
        assert file.read(10, 5) == DATA[::-1][10:15]


@pytest.mark.parametrize("how", ["told", "broken off"])
@pytest.mark.parametrize("tags", [True, False])
def test_an_answer_that_is_too_short_is_asked_for_again_and_then_an_outage(site, url, how, tags, monkeypatch):
    monkeypatch.setattr("recordfs.filesystems._attempts.FIRST_PAUSE", 0.01)
    site.tags = tags
    with open_url(url) as file:
        site.short = how, 2
        assert file.read(10, 1000) == DATA[10:1010]
        site.short = how, 3
        with pytest.raises(UnavailableError, match=r"file\.bin"):
            file.read(10, 1000)
        assert file.read(10, 1000) == DATA[10:1010]


def test_a_follower_of_a_server_with_short_answers_hands_nothing_out_twice(site, url, monkeypatch):
    monkeypatch.setattr("recordfs.filesystems._attempts.FIRST_PAUSE", 0.01)
    records = [b"%06d" % number for number in range(2000)]
    file = io.BytesIO()
    with recordfs.RecordWriter(file) as writer:
        writer.write_batch(records)
    site.files["/data/file.bin"] = file.getvalue()
    site.short = "told", 5
    reader = recordfs.RecordReader(url, follow=True, follow_timeout=0.2, on_replaced="restart")
    assert list(reader) == records
    assert reader.report.restarts == 0


def test_without_tags_a_file_that_became_shorter_is_noticed(site, url):
    site.tags = False
    with open_url(url) as file:
        site.files["/data/file.bin"] = DATA[:100]
        with pytest.raises(AbortedError, match="replaced"):
            file.read(50, 100)
        with pytest.raises(AbortedError, match="replaced"):
            file.read(5000, 100)


def test_everything_else_is_unimplemented_by_name(url):
    file_system = recordfs.get_file_system(url)
    assert file_system.capabilities(url).write is False
    for call in (
        file_system.new_writable_file,
        file_system.new_appendable_file,
        lambda path: list(file_system.list_directory(path)),
        file_system.create_dir,
        file_system.delete_file,
        file_system.delete_dir,
        file_system.delete_recursively,
        lambda path: file_system.rename_file(path, path + "2"),
        lambda path: file_system.copy_file(path, path + "2"),
        lambda path: file_system.truncate_file(path, 0),
    ):
        with pytest.raises(UnimplementedError, match="HttpFileSystem cannot"):
            call(url)


def test_wrong_arguments_and_a_closed_file(url):
    file = open_url(url)
    for wrong in ((-1, 5), (0, -5)):
        with pytest.raises(InvalidArgumentError):
            file.read(*wrong)
    file.close()
    file.close()
    for call in (lambda: file.read(0, 1), file.size, lambda: file.read_ranges([(0, 1)])):
        with pytest.raises(ClosedFileError):
            call()


def test_headers_are_sent_with_every_request(site, url):
    file_system = recordfs.get_file_system(url, options={"headers": {"Authorization": "Bearer 123"}})
    with file_system.new_random_access_file(url) as file:
        file.read(5, 5)
    assert len(site.requests) == 2
    for _, _, headers in site.requests:
        assert headers["Authorization"] == "Bearer 123"
        assert headers["Accept-Encoding"] == "identity"
    again = pickle.loads(pickle.dumps(file_system))
    again.stat(url)
    assert site.requests[-1][2]["Authorization"] == "Bearer 123"


def test_many_threads_read_one_file(url):
    with open_url(url) as file, ThreadPoolExecutor(8) as pool:
        offsets = range(0, len(DATA), 4000)
        assert list(pool.map(lambda offset: file.read(offset, 4000), offsets)) == [
            DATA[offset : offset + 4000] for offset in offsets
        ]


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_after_this_one_did(url, method):
    with open_url(url) as file:
        assert file.read(0, 3) == DATA[:3]
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map_async(read_size_and_start, [url] * 4).get(60) == [(len(DATA), DATA[5:10])] * 4
        if method == "fork":
            child = os.fork()
            if child == 0:
                os._exit(0 if file.read(7, 7) == DATA[7:14] else 1)
            assert os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_child_that_reads_a_temporary_file_does_not_move_its_parents_place_in_it(site, url, monkeypatch):
    monkeypatch.setattr(http, "_SPOOL_IN_MEMORY", 1000)
    site.ranges = "ignored"
    with open_url(url) as file:
        assert file.read(10, 10) == DATA[10:20]
        child = os.fork()
        if child == 0:
            os._exit(0 if file.read(200_000, 10) == DATA[200_000:200_010] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert file.read(15, 100_000) == DATA[15:100_015]


def read_size_and_start(url):
    with open_url(url) as file:
        return file.size(), file.read(5, 5)


def test_records_are_read_from_a_web_server(site):
    with recordfs.RecordWriter("ram://http-test/records") as writer:
        writer.write_batch([b"one", b"two" * 100_000, b"three"])
    file_system = recordfs.get_file_system("ram://")
    with file_system.new_random_access_file("ram://http-test/records") as file:
        site.files["/records"] = file.read(0, file.size())
    file_system.delete_recursively("ram://http-test")
    with recordfs.RecordReader(f"{site.url}/records") as reader:
        assert list(reader) == [b"one", b"two" * 100_000, b"three"]


def test_options_that_nobody_knows_are_refused_at_once(url):
    for options in ({"no_such_option": 1}, {"method": "PUT"}):
        with pytest.raises(InvalidArgumentError, match=next(iter(options))):
            recordfs.get_file_system(url, options=options)
    options = {"headers": {"X-Mine": "1"}, "client_kwargs": {}, "encoded": True, "allow_redirects": True}
    assert recordfs.get_file_system(url, options=options).file_exists(url)


def test_a_server_that_looks_at_no_condition_mixes_no_versions(site, url):
    site.heeds_conditions = False
    with open_url(url) as file:
        assert file.read(0, 10) == DATA[:10]
        site.files["/data/file.bin"] = DATA[::-1]
        with pytest.raises(AbortedError, match="replaced"):
            file.read(10, 10)


def test_another_range_than_was_asked_for_is_never_handed_out(site, url):
    with open_url(url) as file:
        site.twist = lambda status, headers, body: (
            (206, {**headers, "Content-Range": f"bytes 0-9/{len(DATA)}"}, DATA[:10])
            if status == 206
            else (status, headers, body)
        )
        with pytest.raises(UnknownError, match="does not honour ranges"):
            file.read(100, 10)


def test_a_page_in_place_of_a_range_is_not_handed_out(site, url):
    """As a proxy answers whose users have to sign in, of as many bytes as were asked for."""
    with open_url(url) as file:
        site.twist = lambda status, headers, body: (200, {**headers, "ETag": "none"}, b"<html>sign in</html>")
        with pytest.raises((AbortedError, UnavailableError)):
            file.read(100, 20)


def test_an_answer_that_never_ends_takes_only_the_memory_of_what_was_asked_for(site, url):
    with open_url(url) as file:
        site.twist = lambda status, headers, body: (206, headers, body + b"more" * 1_000_000)
        assert file.read(100, 10) == DATA[100:110]
