"""The tags of files with the same tags are held once."""

import gc
import os

from recordfs.events import EventsWriter
from recordfs.events.index import TAIL_SIZE, EventIndex
from support.event_files import WALL, scalar


def index_of(directory, tags, values):
    with EventsWriter(str(directory / "events")) as writer:
        for step, value in enumerate(values):
            for tag in tags:
                writer.write_event(scalar(tag, value, step))
    size = os.path.getsize(writer.path)
    with open(writer.path, "rb") as file:
        file.seek(max(0, size - TAIL_SIZE))
        index = EventIndex.from_tail(file.read(), size)
    assert isinstance(index, EventIndex)
    return index


def test_files_with_the_same_tags_share_them_whatever_their_points(tmp_path):
    first = index_of(tmp_path / "a", ["loss", "lr"], [0.5] * 500)
    second = index_of(tmp_path / "b", ["loss", "lr"], [1.5] * 900)
    assert first.tag_set is second.tag_set
    assert [tag.key for tag in first.tag_set.tags] == [("scalar", "loss"), ("scalar", "lr")]
    assert (first.largest(), second.largest()) == ([(499, WALL + 499)] * 2, [(899, WALL + 899)] * 2)
    assert [entry.point_count for entry in second.tags] == [900, 900]
    assert second.entry_of("lr").last_value == 1.5


def test_files_with_other_tags_or_another_order_do_not_share(tmp_path):
    first = index_of(tmp_path / "a", ["loss", "lr"], [0.5] * 500)
    assert index_of(tmp_path / "b", ["lr", "loss"], [0.5] * 500).tag_set is not first.tag_set
    assert index_of(tmp_path / "c", ["loss"], [0.5] * 900).tag_set is not first.tag_set


def test_tags_go_with_the_last_file_that_has_them(tmp_path):
    index = index_of(tmp_path / "a", ["loss/that/nobody/else/has"], [0.5] * 900)
    shared = type(index.tag_set)._shared
    assert index.tag_set in shared.values()
    number = id(index.tag_set)
    del index
    gc.collect()
    assert number not in map(id, shared.values())
