"""Several processes that read the same sources: each record comes once, whatever they are told by whom."""

from __future__ import annotations

import sys
import types
import warnings

import pytest

from recordfs import RecordReader, RecordWriter
from recordfs.errors import CorruptRecordError, InvalidArgumentError, UnavailableError
from recordfs.records import share as share_module

RECORDS = [b"record %d" % number for number in range(103)]
COUNT = 4


@pytest.fixture
def one_file(tmp_path) -> str:
    path = str(tmp_path / "one")
    with RecordWriter(path) as writer:
        writer.write_batch(RECORDS)
    return path


@pytest.fixture
def many_files(tmp_path) -> str:
    for part in range(7):
        with RecordWriter(tmp_path / f"part-{part}") as writer:
            writer.write_batch(RECORDS[15 * part : 15 * part + 15])
    return str(tmp_path / "part-*")


@pytest.fixture(autouse=True)
def nobody_warned(monkeypatch):
    monkeypatch.setattr(share_module, "_warned", None)


def shares(source, **options) -> list[RecordReader]:
    return [RecordReader(source, shard=(index, COUNT), **options) for index in range(COUNT)]


def test_few_files_are_shared_by_record(one_file):
    readers = shares(one_file)
    for index, reader in enumerate(readers):
        assert list(reader) == RECORDS[index::COUNT]
        assert reader.report.records == len(RECORDS[index::COUNT])
        assert reader.report.bytes == sum(map(len, RECORDS[index::COUNT]))


def test_many_files_are_shared_by_file(many_files):
    for index, reader in enumerate(shares(many_files)):
        parts = [RECORDS[15 * part : 15 * part + 15] for part in range(index, 7, COUNT)]
        assert list(reader) == [record for part in parts for record in part]


@pytest.mark.parametrize("form", ["records", "views", "batches"])
def test_every_form_is_shared(one_file, form):
    found = []
    for reader in shares(one_file):
        if form == "batches":
            found += [record for batch in reader.batches(10) for record in batch]
        else:
            found += [bytes(record) for record in (reader if form == "records" else reader.views())]
    assert sorted(found) == sorted(RECORDS)


@pytest.mark.parametrize("source", ["one_file", "many_files"])
@pytest.mark.parametrize("stop_after", [0, 1, 7, 25])
def test_each_share_resumes_where_it_stopped(request, source, stop_after):
    source = request.getfixturevalue(source)
    found = []
    for index, reader in enumerate(shares(source)):
        iterator = iter(reader)
        own = [next(iterator) for _ in range(min(stop_after + index, 12))]
        rest = list(RecordReader(source, shard=(index, COUNT), start=reader.tell()))
        assert own + rest == list(reader)
        found += own + rest
    assert sorted(found) == sorted(RECORDS)


@pytest.mark.parametrize("source", ["one_file", "many_files"])
def test_shares_have_a_start_in_common(request, source):
    source = request.getfixturevalue(source)
    iterator = iter(whole := RecordReader(source))
    for _ in range(50):
        next(iterator)
    rest = [record for reader in shares(source, start=whole.tell()) for record in reader]
    assert sorted(rest) == sorted(RECORDS[50:])


@pytest.mark.parametrize("form", ["records", "batches"])
def test_a_share_of_which_nothing_is_left_stays_at_its_end(many_files, form):
    last = many_files.replace("*", "6")
    found = []
    for index in range(COUNT):
        reader = RecordReader(many_files, shard=(index, COUNT), start=(last, 0))
        for _ in range(2):
            own = [record for batch in reader.batches(10) for record in batch] if form == "batches" else list(reader)
            assert list(RecordReader(many_files, shard=(index, COUNT), start=reader.tell())) == []
        found += own
    assert found == RECORDS[90:]


def test_what_is_broken_is_passed_over_by_all_shares_alike(one_file):
    sizes = [len(record) + 16 for record in RECORDS]
    with open(one_file, "r+b") as file:
        for number in (10, 11, 40):
            file.seek(sum(sizes[:number]) + 14)
            file.write(b"X")
    sound = [record for number, record in enumerate(RECORDS) if number not in (10, 11, 40)]
    for index, reader in enumerate(shares(one_file, on_error="skip")):
        assert list(reader) == sound[index::COUNT]
        assert reader.report.loss_count == 3


def test_the_own_record_comes_before_what_is_broken_after_it(one_file):
    with open(one_file, "r+b") as file:
        file.seek(sum(len(record) + 16 for record in RECORDS[:10]) + 14)
        file.write(b"X")
    for index, reader in enumerate(shares(one_file)):
        iterator = iter(reader)
        assert [next(iterator) for _ in range(len(RECORDS[index:10:COUNT]))] == RECORDS[index:10:COUNT]
        with pytest.raises(CorruptRecordError):
            next(iterator)


class Hesitating:
    """A file each of whose reads fails once, of ten bytes at most."""

    name = "hesitating"

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._content = file.read()
        self._fails = False

    def size(self) -> int:
        return len(self._content)

    def read_into(self, offset: int, buffer) -> int:
        self._fails = not self._fails
        if self._fails:
            raise UnavailableError("not now")
        part = self._content[offset : offset + min(10, len(buffer))]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Nothing is open."""


def test_a_share_loses_nothing_by_trying_again(one_file):
    for index in range(COUNT):
        reader = RecordReader(Hesitating(one_file), shard=(index, COUNT))
        iterator = iter(reader)
        found = []
        while True:
            position = reader.tell()
            try:
                record = next(iterator, None)
            except UnavailableError:
                assert reader.tell() == position
                continue
            if record is None:
                break
            found.append(record)
        assert found == RECORDS[index::COUNT]


@pytest.mark.parametrize("shard", [(4, 4), (-1, 4), (0, 0), (1,), "other", (0.0, 2), 3])
def test_a_share_that_cannot_be_is_refused(one_file, shard):
    with pytest.raises(InvalidArgumentError, match="0 <= index < count"):
        RecordReader(one_file, shard=shard)


def test_a_growing_file_is_not_shared(one_file):
    with pytest.raises(InvalidArgumentError, match="follow"):
        RecordReader(one_file, shard=(0, 2), follow=True)


class FakeTorch:
    """What PyTorch tells a process of its place: in ``sys.modules``, as if the program had imported it."""

    def __init__(self, monkeypatch) -> None:
        self.worker: types.SimpleNamespace | None = None
        self.rank: tuple[int, int] | None = None
        data = types.ModuleType("torch.utils.data")
        data.get_worker_info = lambda: self.worker  # type: ignore[attr-defined]
        distributed = types.ModuleType("torch.distributed")
        distributed.is_available = lambda: True  # type: ignore[attr-defined]
        distributed.is_initialized = lambda: self.rank is not None  # type: ignore[attr-defined]
        distributed.get_rank = lambda: self.rank[0]  # type: ignore[attr-defined, index]
        distributed.get_world_size = lambda: self.rank[1]  # type: ignore[attr-defined, index]
        monkeypatch.setitem(sys.modules, "torch.utils.data", data)
        monkeypatch.setitem(sys.modules, "torch.distributed", distributed)

    def be(self, *, worker: int = 0, workers: int = 1, rank: tuple[int, int] | None = None) -> None:
        self.worker = types.SimpleNamespace(id=worker, num_workers=workers) if workers > 1 else None
        self.rank = rank


@pytest.fixture
def torch(monkeypatch) -> FakeTorch:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return FakeTorch(monkeypatch)


@pytest.mark.parametrize("source", ["one_file", "many_files"])
def test_auto_gives_every_worker_of_every_rank_its_share(request, torch, source):
    source = request.getfixturevalue(source)
    reader = RecordReader(source, shard="auto")
    assert list(reader) == RECORDS
    found = []
    for rank in range(2):
        for worker in range(3):
            torch.be(worker=worker, workers=3, rank=(rank, 2))
            found += list(reader)
    assert sorted(found) == sorted(RECORDS)


def test_auto_takes_the_rank_from_the_environment(one_file, torch, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert list(RecordReader(one_file, shard="auto")) == RECORDS[1::3]
    monkeypatch.setenv("RANK", "three")
    with pytest.raises(InvalidArgumentError, match="RANK"):
        RecordReader(one_file, shard="auto")


def test_auto_keeps_the_rank_of_the_process_that_pickled_it(one_file, torch):
    import pickle

    torch.be(rank=(1, 2))
    pickled = pickle.dumps(RecordReader(one_file, shard="auto"))
    torch.be(worker=0, workers=2)
    assert list(pickle.loads(pickled)) == RECORDS[2::4]


def test_without_a_share_it_warns_once_that_all_read_everything(one_file, torch):
    torch.be(worker=0, workers=2)
    with pytest.warns(RuntimeWarning, match=r'2 processes.*shard="auto".*shard=\(0, 1\)'):
        assert list(RecordReader(one_file)) == RECORDS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(RecordReader(one_file)) == RECORDS  # it has been said
        share_module._warned = None
        torch.be(worker=1, workers=2)
        assert list(RecordReader(one_file)) == RECORDS  # the first worker says it
        torch.be(worker=0, workers=2)
        assert list(RecordReader(one_file, shard=(0, 1))) == RECORDS  # it is meant
        assert len(list(RecordReader(one_file, shard="auto"))) == 52
