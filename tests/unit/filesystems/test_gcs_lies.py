"""A Google Cloud Storage that lies: answers of another shape, of other objects, or that nothing stands for."""

import itertools
from contextlib import nullcontext

import pytest

from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    DirectoryNotEmptyError,
    FailedPreconditionError,
    InvalidArgumentError,
    IsADirectoryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UnknownError,
)
from recordfs.filesystems._object_store import kept_versions
from recordfs.filesystems.gcs import GCSFileSystem
from support.lying_gcs import Answer, LyingGCS

MIB = 1 << 20
D = "gs://bucket/d"


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr("recordfs.filesystems._attempts.FIRST_PAUSE", 0.001)
    with LyingGCS() as store:
        yield store


@pytest.fixture
def gcs(store):
    with GCSFileSystem(endpoint_url=store.endpoint, project="p", max_attempts=2, read_timeout=5.0) as file_system:
        yield file_system


def lie(store, what, answer):
    """Have a kind of request answered otherwise; the sound answer is made all the same."""
    store.twist = lambda asked, sound: answer(asked, sound) if asked.what == what else sound


def with_fields(**fields):
    """Return what answers with other metadata."""
    return lambda asked, sound: sound if "alt" in asked.query else sound._replace(body={**sound.body, **fields})


# Listings

AN_OBJECT = {"name": "d/a", "size": "1", "generation": "1", "updated": "2026-11-27T10:00:00Z"}

PAGES_OF_ANOTHER_SHAPE = {
    "a list": [1],
    "null": None,
    "items by name": {"items": {"a": 1}},
    "items null": {"items": None},
    "items are texts": {"items": ["d/a"]},
    "no name": {"items": [{**AN_OBJECT, "name": None}]},
    "a name that is a number": {"items": [{**AN_OBJECT, "name": 5}]},
    "half a character": {"items": [{**AN_OBJECT, "name": "d/\ud800"}]},
    "no generation": {"items": [{"name": "d/a", "size": "1"}]},
    "a size below nothing": {"items": [{**AN_OBJECT, "size": "-5"}]},
    "a size of many digits": {"items": [{**AN_OBJECT, "size": "9" * 5000}]},
    "a date in words": {"items": [{**AN_OBJECT, "updated": "yesterday"}]},
    "prefixes as one text": {"prefixes": "d/"},
    "prefixes that are numbers": {"prefixes": [1]},
    "a next page that is a number": {"nextPageToken": 7},
    "a key of another directory": {"items": [{**AN_OBJECT, "name": "other/a"}]},
    "a key of another level": {"items": [{**AN_OBJECT, "name": "d/a/b"}]},
    "another directory": {"prefixes": ["other/"]},
    "the directory in itself": {"prefixes": ["d/"]},
    "a directory without its slash": {"prefixes": ["d/abc"]},
}


@pytest.mark.parametrize("page", PAGES_OF_ANOTHER_SHAPE.values(), ids=PAGES_OF_ANOTHER_SHAPE.keys())
def test_a_listing_of_another_shape_is_an_unknown_answer(store, gcs, page):
    lie(store, "objects.list", lambda asked, sound: Answer(200, page))
    with pytest.raises(UnknownError) as caught:
        gcs.get_children(D)
    assert caught.value.path.startswith("gs://bucket/d")


@pytest.mark.parametrize("call", ["delete_recursively", "rename_file"])
def test_what_was_not_asked_for_is_neither_deleted_nor_moved(store, gcs, call):
    for name in ("d/a", "other/precious"):
        store.put(name, b"x")
    every = {"items": [resource for resource, _ in store.objects.values()]}
    lie(store, "objects.list", lambda asked, sound: Answer(200, every))
    with pytest.raises(UnknownError, match="does not belong there"):
        gcs.delete_recursively(D) if call == "delete_recursively" else gcs.rename_file(D, "gs://bucket/e")
    assert sorted(store.objects) == ["d/a", "other/precious"]


CIRCLES = {
    "itself": itertools.repeat("A"),
    "two pages": itertools.cycle("AB"),
    "many pages": itertools.cycle(map(str, range(37))),
    "always another": map(str, itertools.count()),
}


@pytest.mark.parametrize("items", [[], [AN_OBJECT]], ids=["empty", "full"])
@pytest.mark.parametrize("circle", CIRCLES)
def test_a_listing_without_end_is_an_error(store, gcs, circle, items, monkeypatch):
    monkeypatch.setattr("recordfs.filesystems._object_store.listing.MOST_IDLE_PAGES", 50)
    tokens = CIRCLES[circle]
    lie(store, "objects.list", lambda asked, sound: Answer(200, {"items": items, "nextPageToken": next(tokens)}))
    for ask in (gcs.get_children, gcs.tree_lister(D), gcs.file_exists):
        if ask == gcs.file_exists and items:
            continue  # one object is enough for it
        with pytest.raises(UnknownError, match="does not end"):
            list(ask(D))
    lie(store, "buckets.list", lambda asked, sound: Answer(200, {"items": [], "nextPageToken": next(tokens)}))
    with pytest.raises(UnknownError, match="does not end"):
        gcs.get_children("gs://")


def test_a_page_that_goes_back_is_an_error_even_if_the_listing_ends(store, gcs):
    for name in "abcd":
        store.put(f"d/{name}", b"")
    store.page_size = 2

    def again(asked, sound):
        return sound if "pageToken" not in asked.query else Answer(200, {"items": [store.objects["d/a"][0]]})

    lie(store, "objects.list", again)
    with pytest.raises(UnknownError, match="does not end"):
        gcs.get_children(D)


def test_empty_pages_before_the_first_object_hide_no_directory(store, gcs):
    """The service may answer with an empty page although others follow."""
    for name in ("d/", "d/a", "e/x"):
        store.put(name, b"")
    empty = itertools.count(10)

    def late(asked, sound):
        token = asked.query.get("pageToken", "")
        return sound if token == "0" else Answer(200, {"nextPageToken": "0" if token else str(next(empty))})

    lie(store, "objects.list", late)
    assert gcs.is_directory(D)
    assert gcs.get_children(D) == ["a"]
    with pytest.raises(DirectoryNotEmptyError):
        gcs.delete_dir(D)
    with pytest.raises(DirectoryNotEmptyError):
        gcs.rename_file("gs://bucket/e", D)
    with pytest.raises(IsADirectoryError):
        gcs.new_writable_file(D)
    assert sorted(store.objects) == ["d/", "d/a", "e/x"]


# Objects

METADATA_OF_ANOTHER_SHAPE = {
    "no generation": {"generation": None},
    "a generation in words": {"generation": "newest"},
    "a size in words": {"size": "abc"},
    "a size below nothing": {"size": "-1"},
    "a date in words": {"updated": "now"},
    "a date that is a number": {"updated": 5},
    "a list of metadata": {"metadata": ["a"]},
    "metadata that are numbers": {"metadata": {"recordfs-sequence": 5}},
    "a checksum that is a number": {"crc32c": 7},
    "another object": {"name": "other"},
}


@pytest.mark.parametrize("fields", METADATA_OF_ANOTHER_SHAPE.values(), ids=METADATA_OF_ANOTHER_SHAPE.keys())
def test_metadata_of_another_shape_are_an_unknown_answer(store, gcs, fields):
    store.put("d/a", b"x" * 200_000)
    lie(store, "objects.get", with_fields(**fields))
    for ask in (gcs.stat, gcs.new_random_access_file, gcs.new_appendable_file):
        with pytest.raises(UnknownError, match="endpoint right"):
            ask(f"{D}/a")


@pytest.mark.parametrize("checksum", ["!!", "AAAA", "AAAAAAAAAA=="])
def test_a_checksum_that_is_none_is_an_unknown_answer(store, gcs, checksum):
    store.put("d/a", b"x")
    lie(store, "objects.get", with_fields(crc32c=checksum))
    with pytest.raises(UnknownError, match="endpoint right"):
        gcs.new_appendable_file(f"{D}/a")


GATEWAYS_SAY = ["overloaded", 5, {"error": "invalid_token"}, {"error": [1]}, {"error": None}, [1]]


@pytest.mark.parametrize("said", GATEWAYS_SAY, ids=str)
def test_a_refusal_in_other_words_keeps_its_class(store, gcs, said):
    store.put("d/a", b"x")
    classes = {403: PermissionDeniedError, 404: NotFoundError, 503: UnavailableError}
    for status, cls in classes.items():
        store.asked.clear()
        store.twist = lambda asked, sound, status=status: Answer(status, said)
        with pytest.raises(cls):
            gcs.stat(f"{D}/a")
        assert status != 503 or len(store.asked) == 2, "asked again"


@pytest.mark.parametrize("name", [".", ".."])
def test_names_that_mean_the_bucket_in_an_address_are_refused(store, gcs, name):
    """``DELETE /b/bucket/o/..`` is sent as ``DELETE /b/bucket``."""
    calls = (gcs.stat, gcs.delete_file, gcs.new_random_access_file, gcs.new_writable_file, gcs.delete_recursively)
    for call in calls:
        with pytest.raises(InvalidArgumentError, match="named so"):
            call(f"gs://bucket/{name}")
    assert not store.asked


@pytest.mark.parametrize(
    "said", [{"versioning": [1]}, {"versioning": "yes"}, {"softDeletePolicy": {"retentionDurationSeconds": "x"}}, [1]]
)
def test_a_bucket_of_another_shape_fails_no_flush(store, gcs, said, monkeypatch):
    monkeypatch.setattr(kept_versions, "_asked", set())
    store.put("d/f", b"old")
    lie(store, "buckets.get", lambda asked, sound: Answer(200, said))
    with gcs.new_writable_file(f"{D}/f") as writer:
        writer.append(b"new")
    assert store.data("d/f") == b"new"


# Reading

DATA = b"0123456789abcdefghijABCDEFGHIJ"


OTHER_BYTES = {
    ("objects.read", "another range"): UnavailableError,
    ("objects.read", "another version"): AbortedError,
    ("objects.read", "all of it"): None,  # the other API is asked
    ("objects.read", "no range told"): None,
    ("objects.get", "another range"): UnknownError,
    ("objects.get", "another version"): AbortedError,
    ("objects.get", "all of it"): UnknownError,
    ("objects.get", "no range told"): UnknownError,
}


@pytest.mark.parametrize(("api", "how"), OTHER_BYTES)
def test_bytes_that_were_not_asked_for_are_never_handed_out(store, gcs, api, how):
    store.put("d/a", DATA)
    store.has_xml_api = api == "objects.read"

    def other(asked, sound):
        if api == "objects.get" and asked.query.get("alt") != "media":
            return sound
        told = {name: value for name, value in sound.headers.items() if name != "Content-Range"}
        if how == "another range":
            return sound._replace(body=DATA[:10], headers={**told, "Content-Range": "bytes 0-9/30"})
        if how == "another version":
            return sound._replace(body=b"X" * 10, headers={**sound.headers, "X-Goog-Generation": "99"})
        return Answer(200, DATA, told) if how == "all of it" else sound._replace(body=b"X" * 10, headers=told)

    expected = OTHER_BYTES[api, how]
    with gcs.new_random_access_file(f"{D}/a") as file:
        lie(store, api, other)
        with nullcontext() if expected is None else pytest.raises(expected):
            assert file.read(10, 10) == DATA[10:20]


def test_a_server_without_the_fast_api_that_stumbles_has_not_lost_the_file(store, gcs):
    store.put("d/a", DATA)
    with gcs.new_random_access_file(f"{D}/a") as file:
        lie(store, "objects.get", lambda asked, sound: Answer(503) if "alt" in asked.query else sound)
        with pytest.raises(UnavailableError):
            file.read(0, 10)


def test_bytes_that_arrive_damaged_are_not_appended_to(store, gcs):
    store.put("d/a", DATA)
    lie(
        store,
        "objects.get",
        lambda asked, sound: sound if asked.query.get("alt") != "media" else sound._replace(body=b"X" * 30),
    )
    with pytest.raises(UnavailableError, match="damaged"):
        gcs.new_appendable_file(f"{D}/a")


# Writing


def halved(store, asked, sound):
    """Keep half of what was made, and say so."""
    name = sound.body["name"]
    data = store.data(name)
    return Answer(200, store.put(name, data[: len(data) // 2], store.objects[name][0]))


@pytest.mark.parametrize(("request_name", "size"), [("objects.insert", 1000), ("objects.compose", 9 * MIB)])
def test_an_object_that_the_store_made_too_short_is_not_taken_for_written(store, gcs, request_name, size):
    lie(store, request_name, lambda asked, sound: halved(store, asked, sound) if sound.status == 200 else sound)
    writer = gcs.new_writable_file(f"{D}/f")
    writer.append(b"z" * size)
    with pytest.raises((UnavailableError, AbortedError)):
        writer.flush()
    store.twist = lambda asked, sound: sound
    writer.publish(overwrite=True)
    writer.close()
    assert store.data("d/f") == b"z" * size


def test_a_part_that_arrived_half_is_sent_again(store, gcs):
    lies = iter([True])

    def once(asked, sound):
        is_part = sound.status == 200 and ".recordfs-tmp" in sound.body["name"]
        return halved(store, asked, sound) if is_part and next(lies, False) else sound

    lie(store, "objects.insert", once)
    with gcs.new_writable_file(f"{D}/f") as writer:
        writer.append(b"z" * (9 * MIB))
        with pytest.raises(UnavailableError, match="sent again"):
            writer.flush()
    assert store.data("d/f") == b"z" * (9 * MIB)
    assert sorted(store.objects) == ["d/f"]


@pytest.mark.parametrize("depth", ["k" * 1000, "a/b/" + "k" * 950, "é" * 460])
def test_a_directory_that_leaves_no_room_for_temporary_names_takes_files_of_any_size(store, gcs, depth):
    path = f"gs://bucket/{depth}/f"
    store.twist = lambda asked, sound: (
        Answer(400, {"error": {"message": "The specified object name is not valid"}})
        if any(len(name.encode()) > 1024 for name in store.objects)
        else sound
    )
    with gcs.new_writable_file(path) as writer:
        writer.append(b"q" * (9 * MIB))
        writer.flush()
        writer.append(b"r" * MIB)
    assert list(store.objects) == [f"{depth}/f"]
    gcs.rename_file(f"gs://bucket/{depth}", f"gs://bucket/{'m' * 1000}")
    assert list(store.objects) == [f"{'m' * 1000}/f"]


# Deleting, copying, renaming

NOT_DELETED = {
    "nothing": Answer(200, b""),
    "a page": Answer(200, b"<html>sign in</html>"),
    "JSON": Answer(200, {}),
    "the way to a page": Answer(302, b"", {"Location": "/sign-in"}),
}


@pytest.mark.parametrize("answer", NOT_DELETED.values(), ids=NOT_DELETED.keys())
def test_a_deletion_that_was_not_done_is_an_error(store, gcs, answer):
    store.put("d/a", DATA)

    def undone(asked, sound):
        if asked.what == "objects.delete":
            store.put(asked.name, DATA)
            return answer
        return Answer(200, b"") if asked.what == "other.request" else sound

    store.twist = undone
    for delete in (lambda: gcs.delete_file(f"{D}/a"), lambda: gcs.rename_file(f"{D}/a", f"{D}/b")):
        with pytest.raises(UnknownError):
            delete()
    with pytest.raises(FailedPreconditionError):
        gcs.delete_recursively(D)


def test_an_upload_is_never_followed_to_another_address(store, gcs):
    """On the web it would become a look, and the answer to that be taken for the upload's."""
    store.put("d/old", b"z" * 1000)

    def elsewhere(asked, sound):
        store.objects.pop("d/f", None)
        return Answer(302, b"", {"Location": "/storage/v1/b/bucket/o/d%2Fold"})

    lie(store, "objects.insert", elsewhere)
    writer = gcs.new_writable_file(f"{D}/f")
    writer.append(b"z" * 1000)
    with pytest.raises(UnknownError, match="302"):
        writer.flush()
    store.twist = lambda asked, sound: sound
    writer.close()
    assert store.data("d/f") == b"z" * 1000


def first_answer_lost(then):
    answered = iter([Answer(0)])
    return lambda asked, sound: next(answered, None) or then(asked, sound)


def test_a_rename_whose_deletion_was_done_without_an_answer_succeeds(store, gcs):
    """The second attempt finds no generation to match."""
    store.put("d/a", DATA)
    refused = Answer(412, {"error": {"message": "At least one of the pre-conditions you specified did not hold."}})
    lie(store, "objects.delete", first_answer_lost(lambda asked, sound: refused))
    gcs.rename_file(f"{D}/a", f"{D}/b")
    assert list(store.objects) == ["d/b"]


def test_a_copy_that_was_made_without_an_answer_is_no_others(store, gcs):
    store.put("d/a", DATA)
    lie(store, "objects.rewrite", first_answer_lost(lambda asked, sound: sound))
    gcs.copy_file(f"{D}/a", f"{D}/b", overwrite=False)
    assert store.data("d/b") == DATA
    store.put("d/c", b"another's")
    lie(store, "objects.list", lambda asked, sound: Answer(200, {}))
    with pytest.raises(AlreadyExistsError):
        gcs.copy_file(f"{D}/a", f"{D}/c", overwrite=False)


def test_a_copy_goes_on_until_all_of_it_is_there(store, gcs):
    """The service copies large objects between places in several steps."""
    store.put("d/a", DATA)
    tokens = []

    def in_two_steps(asked, sound):
        tokens.append(asked.query.get("rewriteToken"))
        half = {"done": False, "rewriteToken": "half", "totalBytesRewritten": "15", "objectSize": "30"}
        return sound if tokens[-1] else Answer(200, half)

    lie(store, "objects.rewrite", in_two_steps)
    gcs.copy_file(f"{D}/a", f"{D}/b")
    assert tokens == [None, "half"]
    assert store.data("d/b") == DATA


COPIES = {
    "never done": Answer(200, {"done": False, "rewriteToken": "t", "totalBytesRewritten": "0", "objectSize": "30"}),
    "of another size": None,
    "without an object": Answer(200, {"done": True, "totalBytesRewritten": "30", "objectSize": "30"}),
    "nothing": Answer(200, {}),
    "a list": Answer(200, []),
}


@pytest.mark.parametrize("answer", COPIES.values(), ids=COPIES.keys())
def test_a_rename_deletes_nothing_that_was_not_copied(store, gcs, answer):
    store.put("d/a", DATA)

    def uncopied(asked, sound):
        store.objects.pop("d/b")
        return answer or sound._replace(body={**sound.body, "resource": store.put("d/b", b"half")})

    lie(store, "objects.rewrite", uncopied)
    with pytest.raises(UnknownError):
        gcs.rename_file(f"{D}/a", f"{D}/b")
    assert store.data("d/a") == DATA
