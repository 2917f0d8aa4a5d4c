"""Pictures, sounds, histograms and metadata through the data provider."""

import numpy as np
import pytest

from recordfs._core import decode_message, encode_message, encode_scalar
from recordfs.errors import InvalidArgumentError, NotFoundError
from recordfs.events import EventsWriter, SummaryWriter
from support.counting_store import SECONDS
from support.data_providers import ROOT, blobs_in, lengths_in, open_provider, query, tags_in, varints, wait_until_whole


def test_blobs_come_by_keys_that_name_nothing_else(store):
    writer = SummaryWriter(f"{ROOT}/run")
    writer.add_image("image", np.zeros((3, 4, 5), "uint8"), 2)
    writer.close()
    catalog, provider = open_provider()
    with catalog:
        answer = provider.ReadBlobSequences(query("images"))
        [(_, run)] = decode_message(answer)
        data = dict(decode_message(dict(decode_message(decode_message(run)[1][1]))[2]))
        keys = [dict(decode_message(one))[1].decode() for _, one in decode_message(data[3])]

        def blob(key):
            parts = provider.ReadBlob(encode_message([(1, "b", key)]))
            return b"".join(dict(decode_message(part)).get(1, b"") for part in parts)

        assert [blob(key) for key in keys[:2]] == [b"5", b"4"]
        assert blob(keys[2]).startswith(b"\x89PNG")
        for hostile in ("", "../../etc/passwd", "MA==", "LTEuMC4wLjAueA", keys[0][:-3] + "%%%"):
            with pytest.raises(InvalidArgumentError):
                blob(hostile)
        with pytest.raises(NotFoundError):
            blob("OTkuMC4xMC4wLng")  # 99.0.10.0.x: a file that the catalog does not have


def test_pictures_of_a_run_are_read_some_at_a_time(store):
    writer = SummaryWriter(f"{ROOT}/run")
    for step in range(40):
        writer.add_image("image", np.full((3, 400, 400), step, "uint8"), step)
    writer.close()
    catalog, provider = open_provider()
    with catalog:
        [(_, run)] = decode_message(provider.ReadBlobSequences(query("images")))
        data = dict(decode_message(dict(decode_message(decode_message(run)[1][1]))[2]))
    assert varints(data[1]) == list(range(40))


def events_with(*values, wall_time=1.0, step=1):
    """An event with values of these fields: ``(tag, number of the field, content)``."""
    summary = [(1, "b", encode_message([(1, "b", tag), (number, "b", content)])) for tag, number, content in values]
    return encode_message([(1, "d", wall_time), (2, "v", step), (5, "b", encode_message(summary))])


PICTURE = encode_message([(1, "v", 4), (2, "v", 5), (3, "v", 3), (4, "b", b"\x89PNG" + bytes(9000))])
HISTOGRAM = encode_message([(1, "d", 0.0), (2, "d", 1.0), (6, "b", bytes(8)), (7, "b", bytes(8))])


def image_tensor(count):
    strings = [(8, "b", b"5"), (8, "b", b"4"), *((8, "b", bytes(9000)) for _ in range(count))]
    shape = encode_message([(2, "b", encode_message([(1, "v", count + 2)]))])
    return encode_message([(1, "v", 7), (2, "b", shape), *strings])


@pytest.mark.parametrize("index", [True, False])
def test_runs_that_use_one_tag_for_different_kinds_each_show_their_own(store, index):
    kinds = {"pictures": (4, PICTURE), "histograms": (5, HISTOGRAM), "sounds": (6, b"\x22\x04RIFF")}
    for run, (number, content) in kinds.items():
        with EventsWriter(f"{ROOT}/{run}/events", index=index) as writer:
            for step in range(300):
                writer.write_event(events_with(("x", number, content), step=step))
    with EventsWriter(f"{ROOT}/numbers/events", index=index) as writer:
        writer.write_event(encode_scalar("x", 1.0, 1, 1.0))
    catalog, provider = open_provider()
    with catalog:
        assert tags_in(provider.ListTensors(query("histograms"))) == {"histograms": ["x"]}
        assert tags_in(provider.ListBlobSequences(query("images"))) == {"pictures": ["x"]}
        assert tags_in(provider.ListBlobSequences(query("audio"))) == {"sounds": ["x"]}
        assert tags_in(provider.ListScalars(query())) == {"numbers": ["x"]}
        assert lengths_in(provider.ListBlobSequences(query("images"))) == {("pictures", "x"): 3}


@pytest.mark.parametrize("index", [True, False])
def test_runs_with_more_and_fewer_pictures_a_step_tell_their_own_number(store, index):
    metadata = encode_message([(1, "b", encode_message([(1, "b", "images")])), (4, "v", 3)])
    for run, count in (("one", 1), ("three", 3)):
        with EventsWriter(f"{ROOT}/{run}/events", index=index) as writer:
            value = encode_message([(1, "b", "x"), (8, "b", image_tensor(count)), (9, "b", metadata)])
            for step in range(20):
                summary = encode_message([(1, "b", value)])
                writer.write_event(encode_message([(1, "d", 1.0), (2, "v", step), (5, "b", summary)]))
    catalog, provider = open_provider()
    with catalog:
        assert wait_until_whole(catalog, SECONDS)
        assert lengths_in(provider.ListBlobSequences(query("images"))) == {("one", "x"): 3, ("three", "x"): 5}


@pytest.mark.parametrize("index", [True, False])
def test_run_metadata_is_shown_by_its_tags(store, index):
    with EventsWriter(f"{ROOT}/run/events", index=index) as writer:
        for step, (tag, content) in enumerate([("step1", b"first"), ("step2", b"second" * 2000), ("step1", b"third")]):
            tagged = encode_message([(1, "b", tag), (2, "b", content)])
            writer.write_event(encode_message([(1, "d", 1.0), (2, "v", step), (8, "b", tagged)]))
    catalog, provider = open_provider()
    with catalog:
        plugin = "graph_tagged_run_metadata"
        assert lengths_in(provider.ListBlobSequences(query(plugin))) == {("run", "step1"): 1, ("run", "step2"): 1}
        assert blobs_in(provider, query(plugin, tags=["step2"])) == [b"second" * 2000]
        assert blobs_in(provider, query(plugin, tags=["step1"])) == [b"first", b"third"]
