"""The data provider: bounded answers from few reads, whatever a file, a run or the store does."""

import threading
import time

import numpy as np
import pytest

import recordfs
from recordfs._core import decode_message, encode_message, encode_scalar
from recordfs.errors import InvalidArgumentError, NotFoundError, UnavailableError
from recordfs.events import EventsWriter, SummaryWriter
from recordfs.events.event import SummaryValue
from recordfs.events.index import EventIndex
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile
from recordfs.tensorboard.catalog import CatalogOptions, LogCatalog, LogDirectory
from recordfs.tensorboard.messages import Query
from recordfs.tensorboard.provider import DataProvider
from recordfs.tensorboard.values import tensor_of

OPTIONS = CatalogOptions(requests=8, reload_seconds=0.02, answer_seconds=10.0)
SECONDS = 60


class CountingFile(WrapperRandomAccessFile):
    def __init__(self, inner, store):
        super().__init__(inner)
        self.store = store

    def _read_blocks(self, blocks):
        self.store.begin_read(self.name, blocks)
        return super()._read_blocks(blocks)


class CountingStore(WrapperFileSystem):
    """Memory that counts what is read, and fails or waits where it is told to."""

    def __init__(self):
        super().__init__(MemoryFileSystem())
        self.reads = []
        self.failing = {}
        self.waiting = {}
        self.listings_to_fail = 0
        self.listings = 0

    def tree_lister(self, top):
        self.listings += 1
        if self.listings_to_fail:
            self.listings_to_fail -= 1
            raise UnavailableError("no listing now", path=top)
        return super().tree_lister(top)

    def begin_read(self, path, blocks):
        for part, event in self.waiting.items():
            if part in path:
                event.wait(SECONDS)
        for part, error in self.failing.items():
            if part in path:
                raise error
        self.reads.append((path, sum(end - start for start, end in blocks)))

    def wrap_reader(self, file):
        return CountingFile(file, self)


@pytest.fixture(autouse=True)
def cache_directory(tmp_path, monkeypatch):
    """What the background pass found goes here, and not to the user's directory."""
    monkeypatch.setenv("RECORDFS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store():
    store = CountingStore()
    recordfs.register_file_system("tbstore", store)
    store.delete = MemoryFileSystem().delete_recursively
    yield store
    for event in store.waiting.values():
        event.set()
    recordfs.unregister_file_system("tbstore")
    if MemoryFileSystem().file_exists("ram://tb"):
        MemoryFileSystem().delete_recursively("ram://tb")


ROOT = "tbstore://tb/logs"


def write_run(run, *, steps=3000, tags=("loss", "accuracy"), index=True, offset=0.0):
    with EventsWriter(f"{ROOT}/{run}/events", index=index) as writer:
        for step in range(steps):
            values = [(1, "b", encode_message([(1, "b", tag), (2, "f", offset + step)])) for tag in tags]
            event = [(1, "d", 1e9 + step), (2, "v", step), (5, "b", encode_message(values))]
            writer.write_event(encode_message(event))


def query(plugin="scalars", *, runs=None, tags=None, points=1000):
    fields = [(2, "b", encode_message([(1, "b", plugin)]))]
    filters = []
    if runs is not None:
        filters.append((1, "b", encode_message([(1, "b", run) for run in runs])))
    if tags is not None:
        filters.append((2, "b", encode_message([(1, "b", tag) for tag in tags])))
    if filters:
        fields.append((3, "b", encode_message(filters)))
    return encode_message([*fields, (4, "b", encode_message([(1, "v", points)]))])


def varints(packed):
    numbers, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value - (1 << 64) if value >> 63 else value)
            value, shift = 0, 0
    return numbers


def curves_in(answer):
    """The curves of a ReadScalarsResponse: {run: {tag: [(step, wall time, value)]}}."""
    runs = {}
    for _, run in decode_message(answer):
        name, *tags = decode_message(run)
        found = runs.setdefault(name[1].decode(), {})
        for _, tag in tags:
            (_, tag_name), (_, data) = decode_message(tag)
            data = dict(decode_message(data))
            walls = np.frombuffer(data[2], "<f8").tolist()
            values = np.frombuffer(data[3], "<f4").tolist()
            found[tag_name.decode()] = list(zip(varints(data[1]), walls, values, strict=True))
    return runs


def tags_in(answer):
    runs = {}
    for _, run in decode_message(answer):
        name, *tags = decode_message(run)
        runs[name[1].decode()] = [dict(decode_message(tag))[1].decode() for _, tag in tags]
    return runs


def open_provider(options=OPTIONS):
    catalog = LogCatalog([LogDirectory(ROOT)], options).start()
    return catalog, DataProvider(catalog)


def wait_until_whole(catalog, seconds):
    """Wait until every event of every file has been looked at; return whether that came about in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if catalog.runs() and not catalog.partial_runs():
            return True
        time.sleep(0.05)
    return False


def until(check):
    """Wait for what the background brings about."""
    pause = threading.Event()
    for _ in range(SECONDS * 50):
        if check():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come about")


def test_opening_reads_one_tail_a_file_and_a_curve_one_range(store):
    for run in range(5):
        write_run(f"run{run}", offset=run)
    sizes = [entry.length for entry in MemoryFileSystem().list_directory("ram://tb/logs/run0")]
    catalog, provider = open_provider(OPTIONS._replace(reload_seconds=0))
    with catalog:
        assert tags_in(provider.ListScalars(query())) == {f"run{run}": ["loss", "accuracy"] for run in range(5)}
        assert len(store.reads) == 5
        curves = curves_in(provider.ReadScalars(query(tags=["loss"], points=100)))
        assert len(store.reads) == 10
        assert sum(count for _, count in store.reads) < 5 * sizes[0] / 4
    assert set(curves) == {f"run{run}" for run in range(5)}
    for run in range(5):
        points = curves[f"run{run}"]["loss"]
        assert 40 < len(points) <= 100
        assert points[0] == (0, 1e9, float(run))
        assert points[-1] == (2999, 1e9 + 2999, run + 2999.0)


def test_curve_of_many_points_keeps_its_spikes_and_ends(store):
    with EventsWriter(f"{ROOT}/run/events") as writer:
        for step in range(5000):
            value = {1234: 1e6, 3456: -1e6}.get(step, float(step % 7))
            writer.write_event(
                encode_message(
                    [
                        (1, "d", float(step)),
                        (2, "v", step),
                        (5, "b", encode_message([(1, "b", encode_message([(1, "b", "x"), (2, "f", value)]))])),
                    ]
                )
            )
    catalog, provider = open_provider()
    with catalog:
        points = curves_in(provider.ReadScalars(query(points=40)))["run"]["x"]
        newest = curves_in(provider.ReadScalars(query(points=1)))["run"]["x"]
        assert provider.ReadScalars(query(points=0)) == b""
    assert len(points) <= 40
    assert {1e6, -1e6} <= {value for _, _, value in points}
    assert (points[0][0], points[-1][0]) == (0, 4999)
    assert [step for step, _, _ in newest] == [4999]


def test_answer_of_many_runs_is_bounded(store):
    for run in range(40):
        write_run(f"run{run:02}", steps=2500, tags=("loss",))
    catalog, provider = open_provider()
    with catalog:
        curves = curves_in(provider.ReadScalars(query(points=1000)))
    assert len(curves) == 40
    assert sum(len(run["loss"]) for run in curves.values()) <= 30_000


@pytest.mark.parametrize("index", [True, False])
def test_points_that_are_flushed_show_after_a_look_and_cost_one_read(store, index):
    writer = EventsWriter(f"{ROOT}/run/events", index=index)

    def write(begin, end):
        for step in range(begin, end):
            value = encode_message([(1, "b", "loss"), (2, "f", float(step))])
            writer.write_event(
                encode_message([(1, "d", float(step)), (2, "v", step), (5, "b", encode_message([(1, "b", value)]))])
            )
        writer.flush()

    write(0, 4000)
    write_run("other", steps=10)
    catalog, provider = open_provider()
    with catalog:
        assert wait_until_whole(catalog, SECONDS)

        def last():
            return curves_in(provider.ReadScalars(query(runs=["run"])))["run"]["loss"][-1][0]

        assert last() == 3999
        del store.reads[:]
        write(4000, 4100)
        until(lambda: last() == 4099)
        looks = [count for path, count in store.reads if "/run/" in path and count < 60_000]
        assert not [path for path, _ in store.reads if "/other/" in path]
        assert looks
        writer.close()
        until(lambda: last() == 4099)
        assert len(curves_in(provider.ReadScalars(query(runs=["run"], points=100_000)))["run"]["loss"]) == 4100


def test_foreign_file_shows_its_tags_and_newest_values_before_it_is_read(store):
    write_run("run", steps=20_000, index=False)
    size = next(entry.length for entry in MemoryFileSystem().list_directory("ram://tb/logs/run"))
    catalog, provider = open_provider(OPTIONS._replace(scan_threads=0))
    with catalog:
        assert tags_in(provider.ListScalars(query())) == {"run": ["loss", "accuracy"]}
        points = curves_in(provider.ReadScalars(query(tags=["loss"])))["run"]["loss"]
        assert (points[0][0], points[-1][0]) == (0, 19_999)
        assert sum(count for _, count in store.reads) < size * 0.05
        assert catalog.partial_runs() == ["run"]
    whole, provider = open_provider()
    with whole:
        assert wait_until_whole(whole, SECONDS)
        points = curves_in(provider.ReadScalars(query(tags=["loss"], points=30_000)))["run"]["loss"]
    assert [step for step, _, _ in points] == list(range(20_000))


def test_slow_run_holds_up_no_other(store):
    write_run("quick")
    write_run("slow")
    store.waiting["/slow/"] = threading.Event()
    catalog, provider = open_provider(OPTIONS._replace(answer_seconds=0.2))
    with catalog:
        until(lambda: tags_in(provider.ListScalars(query())).get("quick") == ["loss", "accuracy"])
        until(lambda: list(curves_in(provider.ReadScalars(query()))) == ["quick"])
        store.waiting["/slow/"].set()
        until(lambda: sorted(curves_in(provider.ReadScalars(query()))) == ["quick", "slow"])


def test_background_reads_on_though_an_answer_hangs(store):
    write_run("slow")
    catalog, provider = open_provider(OPTIONS._replace(answer_seconds=SECONDS))
    with catalog:
        assert provider.ListRuns(b"")
        store.waiting["slow"] = threading.Event()
        asking = threading.Thread(target=provider.ReadScalars, args=(query(tags=["loss"]),))
        asking.start()
        write_run("foreign", index=False)
        until(lambda: "foreign" in catalog.runs() and not catalog.partial_runs())
        assert asking.is_alive()
        store.waiting["slow"].set()
        asking.join(SECONDS)


def test_broken_run_is_told_and_tried_again(store, caplog):
    write_run("sound")
    write_run("broken")
    store.failing["/broken/"] = UnavailableError("500 every time")
    catalog, provider = open_provider()
    with catalog:
        assert list(curves_in(provider.ReadScalars(query()))) == ["sound"]
        until(lambda: any("500 every time" in text for text in catalog.troubles().values()))
        until(lambda: any("500 every time" in record.getMessage() for record in caplog.records))
        del store.failing["/broken/"]
        until(lambda: sorted(curves_in(provider.ReadScalars(query()))) == ["broken", "sound"])
        until(lambda: not catalog.troubles())


def test_listing_that_fails_is_tried_again(store):
    write_run("run")
    store.listings_to_fail = 3
    catalog, provider = open_provider()
    with catalog:
        until(lambda: list(curves_in(provider.ReadScalars(query()))) == ["run"])
        assert catalog.troubles() == {}


def test_run_that_is_deleted_or_written_anew_is_shown_as_it_is_now(store):
    write_run("kept")
    write_run("gone")
    catalog, provider = open_provider()
    with catalog:
        assert sorted(curves_in(provider.ReadScalars(query()))) == ["gone", "kept"]
        MemoryFileSystem().delete_recursively("ram://tb/logs/gone")
        until(lambda: list(curves_in(provider.ReadScalars(query()))) == ["kept"])
        [path] = MemoryFileSystem().get_matching_paths("ram://tb/logs/kept/*")
        write_run("other", steps=7, tags=("new",))
        [other] = MemoryFileSystem().get_matching_paths("ram://tb/logs/other/*")
        MemoryFileSystem().copy_file(other, path)
        until(lambda: tags_in(provider.ListScalars(query()))["kept"] == ["new"])
        assert len(curves_in(provider.ReadScalars(query(runs=["kept"])))["kept"]["new"]) == 7


def test_restarted_job_shows_what_counts(store):
    for run in ("first", "second"):
        writer = SummaryWriter(f"{ROOT}/run", purge_step=None if run == "first" else 50)
        for step in range(100) if run == "first" else range(50, 80):
            writer.add_scalar("loss", {"first": 0.0, "second": 1.0}[run], step)
        writer.close()
    catalog, provider = open_provider()
    with catalog:
        points = curves_in(provider.ReadScalars(query(points=10_000)))["run"]["loss"]
    assert [step for step, _, _ in points] == list(range(80))
    assert [value for _, _, value in points] == [0.0] * 50 + [1.0] * 30


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


def test_filter_that_is_empty_means_none_and_one_that_is_absent_all(store):
    write_run("run")
    catalog, provider = open_provider()
    with catalog:
        assert provider.ReadScalars(query(runs=[])) == b""
        assert provider.ReadScalars(query(tags=[])) == b""
        assert tags_in(provider.ListScalars(query(tags=["loss", "none"]))) == {"run": ["loss"]}
        assert provider.ListScalars(query("nobody")) == b""
        with pytest.raises(InvalidArgumentError):
            provider.ListScalars(b"\x13\x37\xff")


def test_file_that_is_written_anew_and_longer_is_not_taken_for_the_old_one(store):
    write_run("run", steps=1000, tags=("old",), index=False)
    [path] = MemoryFileSystem().get_matching_paths("ram://tb/logs/run/*")
    catalog, provider = open_provider()
    with catalog:
        assert wait_until_whole(catalog, SECONDS)
        write_run("other", steps=1500, tags=("new",), index=False)
        [other] = MemoryFileSystem().get_matching_paths("ram://tb/logs/other/*")
        MemoryFileSystem().copy_file(other, path)
        MemoryFileSystem().delete_recursively("ram://tb/logs/other")
        until(lambda: tags_in(provider.ListScalars(query())) == {"run": ["new"]})
        assert wait_until_whole(catalog, SECONDS)
        points = curves_in(provider.ReadScalars(query(points=10_000)))["run"]["new"]
        assert [step for step, _, _ in points] == list(range(1500))


def test_file_that_grows_while_it_is_scanned_is_whole_in_the_end(store):
    writer = EventsWriter(f"{ROOT}/run/events", index=False)

    def write(begin, end):
        for step in range(begin, end):
            value = encode_message([(1, "b", "loss"), (2, "f", float(step))])
            payload = encode_message([(1, "b", "pad"), (2, "f", 0.0), (7, "b", b"x" * 2000)])
            writer.write_event(
                encode_message(
                    [
                        (1, "d", float(step)),
                        (2, "v", step),
                        (5, "b", encode_message([(1, "b", value), (1, "b", payload)])),
                    ]
                )
            )
        writer.flush()

    write(0, 5000)  # 10 MB: three chunks
    catalog, provider = open_provider(OPTIONS._replace(scan_threads=0))
    with catalog:
        until(lambda: catalog.partial_runs() == ["run"])
        [file] = catalog.runs()["run"]
        steps = 5000
        for _ in range(100):
            write(steps, steps + 5)
            steps += 5
            until(
                lambda last=steps - 1: (
                    curves_in(provider.ReadScalars(query(tags=["loss"])))["run"]["loss"][-1][0] == last
                )
            )
            file.scan()
            if not file.is_partial:
                break
        until(lambda: not file.is_partial)
        points = curves_in(provider.ReadScalars(query(tags=["loss"], points=30_000)))["run"]["loss"]
    writer.close()
    assert [step for step, _, _ in points] == list(range(steps))


def test_damaged_column_of_an_index_is_read_from_the_events(store):
    write_run("run", steps=5000, tags=("loss", "accuracy"))
    [path] = MemoryFileSystem().get_matching_paths("ram://tb/logs/run/*")
    with MemoryFileSystem().new_random_access_file(path) as file:
        content = bytearray(file.read(0, file.size()))
    index = EventIndex.from_tail(bytes(content), len(content))
    [(offset, length)] = index.ranges("loss")
    content[offset + length // 2] ^= 0xFF
    with MemoryFileSystem().new_writable_file(path) as file:
        file.append(content)
    catalog, provider = open_provider()
    with catalog:
        assert provider.ReadScalars(query())
        until(
            lambda: [len(curves_in(provider.ReadScalars(query(tags=["loss"], points=9000)))["run"]["loss"])] == [5000]
        )
        assert "index is damaged" in catalog.troubles()[path.replace("ram", "tbstore")]


def test_restart_counts_for_tags_that_the_new_file_does_not_have_yet(store):
    first = SummaryWriter(f"{ROOT}/run")
    for step in range(10):
        first.add_scalar("loss", 1.0, step)
        first.add_scalar("eval", 1.0, step)
    first.close()
    second = SummaryWriter(f"{ROOT}/run", purge_step=5)
    second.add_scalar("loss", 2.0, 5)
    second.close()
    catalog, provider = open_provider()
    with catalog:
        points = curves_in(provider.ReadScalars(query(tags=["eval"])))["run"]["eval"]
    assert [step for step, _, _ in points] == list(range(5))


def test_directory_that_cannot_be_listed_takes_no_other_with_it(store):
    write_run("run")
    directories = [LogDirectory(ROOT, "here"), LogDirectory("tbstore://tb/missing", "there")]
    with LogCatalog(directories, OPTIONS).start() as catalog:
        provider = DataProvider(catalog)
        assert tags_in(provider.ListScalars(query())) == {"here/run": ["loss", "accuracy"]}
        assert list(catalog.troubles()) == ["tbstore://tb/missing"]


def test_file_below_two_of_the_directories_is_a_run_of_each_look_after_look(store):
    write_run("sub/a")
    directories = [LogDirectory(ROOT, "all"), LogDirectory(f"{ROOT}/sub", "some")]
    with LogCatalog(directories, OPTIONS).start() as catalog:
        provider = DataProvider(catalog)
        for _ in range(3):
            enough = store.listings + 6
            until(lambda enough=enough: store.listings > enough)
            curves = provider.scalar_curves(Query("scalars", None, ("loss",), 10))
            assert set(curves) == {"all/sub/a", "some/a"}


def test_file_that_cannot_be_opened_holds_up_no_scan_of_another(store):
    write_run("a", index=False)
    write_run("b", index=False, steps=30_000)
    store.failing["/a/"] = UnavailableError("not this one")
    catalog, _ = open_provider()
    with catalog:
        until(lambda: catalog.partial_runs() == ["a"])


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


def lengths_in(answer):
    """The most blobs of each tag in a ListBlobSequencesResponse."""
    found = {}
    for _, run in decode_message(answer):
        name, *tags = decode_message(run)
        for _, tag in tags:
            fields = dict(decode_message(tag))
            found[name[1].decode(), fields[1].decode()] = dict(decode_message(fields[2]))[3]
    return found


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


def blobs_in(provider, request):
    """The blobs of the only tag that is asked for."""
    [(_, run)] = decode_message(provider.ReadBlobSequences(request))
    data = dict(decode_message(dict(decode_message(decode_message(run)[1][1]))[2]))
    points = [
        value for number, value in decode_message(dict(decode_message(decode_message(run)[1][1]))[2]) if number == 3
    ]
    assert len(varints(data[1])) == len(points)
    found = []
    for point in points:
        for _, reference in decode_message(point):
            key = dict(decode_message(reference))[1].decode()
            parts = provider.ReadBlob(encode_message([(1, "b", key)]))
            found.append(b"".join(dict(decode_message(part)).get(1, b"") for part in parts))
    return found


def descriptions_in(answer):
    found = {}
    for _, run in decode_message(answer):
        _, *tags = decode_message(run)
        for _, tag in tags:
            fields = dict(decode_message(tag))
            metadata = dict(decode_message(dict(decode_message(fields[2]))[3]))
            found[fields[1].decode()] = metadata.get(3, b"").decode()
    return found


def test_partial_run_says_so_until_it_is_read(store):
    write_run("run", steps=20_000, index=False)
    catalog, provider = open_provider(OPTIONS._replace(scan_threads=0))
    with catalog:
        assert "still reading" in descriptions_in(provider.ListScalars(query()))["loss"]
        assert b"still reading" in provider.GetExperiment(b"")
        [file] = catalog.runs()["run"]
        while file.is_partial:
            file.scan()
        assert descriptions_in(provider.ListScalars(query())) == {"loss": "", "accuracy": ""}
        assert b"still reading" not in provider.GetExperiment(b"")


def test_run_that_hangs_shows_what_is_known_of_it_and_delays_no_answer(store):
    for run in range(20):
        write_run(f"run{run:02}")
    catalog, provider = open_provider(OPTIONS._replace(answer_seconds=3600.0))
    with catalog:
        assert len(tags_in(provider.ListScalars(query()))) == 20
        store.waiting["/run07/"] = threading.Event()
        curves = curves_in(provider.ReadScalars(query(tags=["loss"])))
        store.waiting["/run07/"].set()
        assert len(curves) == 20
        assert [step for step, _, _ in curves.pop("run07")["loss"]] == [2999]
        assert all(len(curve["loss"]) > 100 for curve in curves.values())


def test_run_whose_store_fails_after_it_was_seen_shows_its_newest_value(store):
    write_run("run")
    catalog, provider = open_provider()
    with catalog:
        assert tags_in(provider.ListScalars(query())) == {"run": ["loss", "accuracy"]}
        store.failing["/run/"] = UnavailableError("500 every time")
        assert curves_in(provider.ReadScalars(query(tags=["loss"])))["run"]["loss"] == [(2999, 1e9 + 2999, 2999.0)]


def test_histogram_of_values_beyond_32_bits_is_shown_with_infinite_edges():
    limits, counts = np.array([1e300, 2e300]), np.array([3.0, 4.0])
    content = [(1, "d", -1e300), (2, "d", 2e300), (6, "b", limits.tobytes()), (7, "b", counts.tobytes())]
    tensor = dict(decode_message(tensor_of(SummaryValue("h", "histo", encode_message(content)))))
    assert np.frombuffer(tensor[4], "<f4").reshape(2, 3).tolist() == [
        [float("-inf"), float("inf"), 3.0],
        [float("inf"), float("inf"), 4.0],
    ]
