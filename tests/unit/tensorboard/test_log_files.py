"""Event files without an index: shown by samples at first, read once, kept on the local disk, with bounded memory."""

import os
import threading
import time
from typing import ClassVar

import pytest

import recordfs
from recordfs.events import EventsWriter
from recordfs.events.cache import ColumnCache
from recordfs.events.run_files import EventFile
from recordfs.events.stored import index_file
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile
from recordfs.tensorboard import log_file
from recordfs.tensorboard.log_file import LogFile
from recordfs.tensorboard.sections import SectionStore
from support.event_files import scalar, session_start

KEY = ("scalar", "loss")


class ReadsOf(WrapperRandomAccessFile):
    def __init__(self, inner, store):
        super().__init__(inner)
        self.store = store

    def _read_blocks(self, blocks):
        self.store.reads.append(sum(end - begin for begin, end in blocks))
        return super()._read_blocks(blocks)


class Store(WrapperFileSystem):
    def __init__(self):
        super().__init__(MemoryFileSystem())
        self.reads = []

    def wrap_reader(self, file):
        return ReadsOf(file, self)


@pytest.fixture
def store():
    store = Store()
    recordfs.register_file_system("fileslog", store)
    yield store
    recordfs.unregister_file_system("fileslog")
    if MemoryFileSystem().file_exists("ram://files"):
        MemoryFileSystem().delete_recursively("ram://files")


@pytest.fixture(autouse=True)
def close_writers():
    yield
    for writer in Log.writers:
        writer.close()
    Log.writers.clear()


@pytest.fixture
def sections(tmp_path):
    return SectionStore(ColumnCache(str(tmp_path / "cache")))


class Log:
    """An event file that is written without an index, and what is known of it."""

    writers: ClassVar[list] = []

    def __init__(self, store, tags=5):
        self.store = store
        self.tags = tags
        self.steps = 0
        self.writer = EventsWriter("fileslog://files/run/events", index=False)
        self.writers.append(self.writer)

    def write(self, count):
        for step in range(self.steps, self.steps + count):
            for tag in ("loss", *(f"other/{number}" for number in range(1, self.tags))):
                self.writer.write_event(scalar(tag, float(step % 1013), step))
        self.steps += count
        self.writer.flush()
        return self

    @property
    def size(self):
        return self.store.stat(self.writer.path).length

    def open(self, sections, **options):
        return LogFile(self.store, EventFile("run", self.writer.path, None, None, **options), 0, sections)


def look(file):
    file.look(file.statistics())
    return file


def read_to_the_end(file):
    deadline = time.monotonic() + 60
    while file.is_partial:
        file.scan()
        assert time.monotonic() < deadline
    return file


def steps_of(file, key=KEY):
    points, _ = file.points([key])
    return points[key].step.tolist()


def test_file_without_index_is_coarse_at_a_hundredth_of_its_bytes_and_whole_after_the_scan(store, sections):
    log = Log(store, tags=20).write(12_000)
    file = look(log.open(sections))
    assert sum(store.reads) <= 0.005 * log.size
    entry_of = file.tag_table().entry_of
    assert len(file.tag_table().tag_set.tags) == 20
    assert entry_of(KEY).last_step == 11_999
    steps = steps_of(file)
    assert sum(store.reads) <= 0.015 * log.size
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, 11_999)
    assert {step // 1714 for step in steps} >= set(range(7))
    assert file.is_partial
    before = len(store.reads)
    assert steps_of(file, ("scalar", "other/3"))[0] == 0
    assert len(store.reads) == before
    assert steps_of(read_to_the_end(file)) == list(range(12_000))


def test_file_that_was_scanned_is_read_by_its_tail_at_the_next_start(store, sections):
    log = Log(store).write(12_000)
    read_to_the_end(look(log.open(sections)))
    del store.reads[:]
    again = look(log.open(sections))
    assert not again.is_partial
    assert sum(store.reads) <= 32 << 10
    assert steps_of(again) == list(range(12_000))
    assert sum(store.reads) <= 32 << 10
    entry = again.tag_table().entry_of(KEY)
    assert (entry.point_count, entry.last_step, entry.max_step) == (12_000, 11_999, 11_999)


def test_file_that_grew_between_two_starts_is_read_from_where_it_ended(store, sections):
    log = Log(store).write(12_000)
    read_to_the_end(look(log.open(sections)))
    before = log.size
    log.write(3_000)
    del store.reads[:]
    again = read_to_the_end(look(log.open(sections)))
    assert sum(store.reads) <= (log.size - before) * 1.2 + (64 << 10)
    assert steps_of(again) == list(range(15_000))


def test_scanned_events_go_to_the_disk_section_by_section_and_leave_memory(store, sections, monkeypatch):
    monkeypatch.setattr(log_file, "SECTION_SIZE", 1 << 20)
    monkeypatch.setattr(log_file, "CHUNK", 300 << 10)
    log = Log(store).write(20_000)
    log.writer.write_event(session_start(15_000))
    log.write(500)
    file = look(log.open(sections))
    most = 0
    while file.is_partial:
        file.scan()
        most = max(most, file.held_bytes)
    assert most < 2 << 20 < log.size
    points, starts = file.points([KEY])
    assert points[KEY].step.tolist() == list(range(20_500))
    order = points[KEY].order.tolist()
    assert order == sorted(order)
    assert [start.step for start in starts] == [15_000]
    assert order[19_999] < starts[0].order <= order[20_000]
    again = read_to_the_end(look(log.open(sections)))
    assert steps_of(again) == list(range(20_500))


def test_file_that_grows_goes_on_after_it_was_settled(store, sections):
    log = Log(store).write(2_000)
    file = read_to_the_end(look(log.open(sections)))
    for _ in range(5):
        log.write(200)
        look(file)
        file.settle()
        assert file.held_bytes == 0
    log.write(1)
    assert steps_of(look(file)) == list(range(3_001))


def test_file_that_was_replaced_is_not_believed_from_the_disk(store, sections):
    log = Log(store).write(12_000)
    read_to_the_end(look(log.open(sections)))
    with EventsWriter("fileslog://files/other/events", index=False) as writer:
        for step in range(80_000):
            writer.write_event(scalar("new", 1.0, step))
    store.copy_file(writer.path, log.writer.path)
    file = read_to_the_end(look(log.open(sections)))
    assert [tag.tag for tag in file.tag_table().tag_set.tags] == ["new"]
    assert steps_of(file, ("scalar", "new")) == list(range(80_000))


@pytest.mark.parametrize("fault", ["removed", "cut", "flipped"])
def test_section_that_is_gone_or_damaged_on_the_disk_is_scanned_again(store, sections, tmp_path, fault):
    log = Log(store).write(12_000)
    file = read_to_the_end(look(log.open(sections)))
    [name] = os.listdir(tmp_path / "cache")
    path = tmp_path / "cache" / name
    content = bytearray(path.read_bytes())
    if fault == "removed":
        path.unlink()
    elif fault == "cut":
        path.write_bytes(content[:80])
    else:
        for place in range(100, len(content) * 3 // 4, 50):
            content[place] ^= 0xFF
        path.write_bytes(content)
    assert steps_of(file)[-1] == 11_999
    assert file.is_partial
    assert steps_of(read_to_the_end(file)) == list(range(12_000))
    assert steps_of(look(log.open(sections)))[-1] == 11_999


def test_damaged_file_is_told_at_each_start(store, sections):
    log = Log(store).write(12_000)
    with store.new_random_access_file(log.writer.path) as opened:
        content = bytearray(opened.read(0, log.size))
    content[len(content) // 2] ^= 0xFF
    log.writer.close()
    with store.new_writable_file(log.writer.path) as opened:
        opened.append(bytes(content))
    for _ in range(2):
        file = read_to_the_end(look(log.open(sections)))
        assert len(steps_of(file)) >= 11_999
        assert "give no event" in file.damage
        assert file.held_bytes == 0


def test_index_beside_a_file_is_used(store, sections):
    log = Log(store).write(40_000)
    log.writer.close()
    assert index_file(log.writer.path).outcome == "indexed"
    del store.reads[:]
    file = look(log.open(sections, has_stored_index=True))
    assert not file.is_partial
    assert steps_of(file) == list(range(40_000))
    assert sum(store.reads) < 0.1 * log.size


def test_directory_that_takes_no_file_costs_nothing_but_the_next_start(store, tmp_path):
    (tmp_path / "file").write_text("no directory")
    sections = SectionStore(ColumnCache(str(tmp_path / "file" / "below")))
    log = Log(store).write(12_000)
    file = read_to_the_end(look(log.open(sections)))
    assert file.held_bytes == 0
    assert steps_of(file) == list(range(12_000))


def test_curves_that_are_asked_for_while_it_is_scanned_are_never_worse(store, sections, monkeypatch):
    monkeypatch.setattr(log_file, "CHUNK", 256 << 10)
    monkeypatch.setattr(log_file, "SECTION_SIZE", 1 << 20)
    log = Log(store).write(20_000)
    file = look(log.open(sections))
    seen, ended = [], threading.Event()

    def ask():
        while not ended.is_set():
            seen.append(steps_of(file))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        read_to_the_end(file)
    finally:
        ended.set()
        thread.join()
    for steps in seen:
        assert steps == sorted(set(steps))
        assert (steps[0], steps[-1]) == (0, 19_999)
    assert steps_of(file) == list(range(20_000))
