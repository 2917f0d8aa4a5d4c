"""Large local files are read by a thread while what came before is parsed: the same comes out, and no thread stays."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from recordfs.errors import CorruptRecordError, TruncatedRecordError
from recordfs.example import BadRecordError, FixedLenFeature, encode_example, read_examples
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile
from recordfs.records.reader import RecordReader
from recordfs.records.writer import RecordWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

FEATURES = {"id": FixedLenFeature([], np.int64), "image": FixedLenFeature([], bytes)}
RECORDS = 4500
BATCH = 64
NOISE = os.urandom(8000)


def record(number: int) -> bytes:
    size = 90_000 if number % 500 == 7 else number * 7919 % 6000
    return encode_example({"id": number, "image": NOISE[:size] if size < len(NOISE) else bytes(size)})


WHOLE = [record(number) for number in range(RECORDS)]
"""14 MB: reading ahead begins after 1 MiB where 8 MiB are left."""


def write(path: Path, records: list[bytes]) -> str:
    with RecordWriter(str(path)) as writer:
        writer.write_batch(records)
    return str(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("whole") / "file", WHOLE)


def threads_ahead() -> int:
    """Return how many threads of that name show; a new one, and one that has ended, may take its time."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            names.append((task / "comm").read_text().strip())
    return names.count("recordfs-ahead")


def is_reading_ahead() -> bool:
    return threads_ahead() > 0


def wait_for_thread(*, is_there: bool = True) -> None:
    deadline = time.monotonic() + 20
    while is_reading_ahead() is not is_there:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def open_descriptors(path: str) -> int:
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one by which the directory is read
            links.append(os.readlink(link))
    return links.count(path)


def ids(source: Any, **keywords: Any) -> Iterator[list[int]]:
    for columns in read_examples(source, FEATURES, batch_size=BATCH, **keywords):
        for number, image in zip(columns["id"].tolist(), columns["image"], strict=True):
            assert image == (NOISE if len(image) <= len(NOISE) else bytes(len(image)))[: len(image)], number
        yield columns["id"].tolist()


def flat(batches: Iterator[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


def outcome(source: Any, threads: int, **keywords: Any) -> Any:
    """What comes of reading: in place and ahead by one thread, from lists and not ahead by two."""
    reader = read_examples(source, FEATURES, batch_size=BATCH, threads=threads, **keywords)
    numbers: list[int] = []
    error: Any = None
    try:
        for count, columns in enumerate(reader):
            numbers += columns["id"].tolist()
            if threads == 1 and count == 10:
                wait_for_thread()
            assert threads == 1 or not is_reading_ahead()
    except (BadRecordError, CorruptRecordError, TruncatedRecordError) as caught:
        error = type(caught), caught.message, caught.path, caught.offset, getattr(caught, "record", None)
    report, position = reader.report, reader.tell()
    reader.close()
    wait_for_thread(is_there=False)
    is_misfit = error is not None and error[0] is BadRecordError
    return numbers, error, None if is_misfit else (position, report.records, report.losses)


@pytest.mark.parametrize("keywords", [{}, {"shard": (1, 3)}, {"verify_checksums": False}, {"start": "third record"}])
def test_a_large_file_reads_the_same_ahead(whole: str, keywords: dict[str, Any]) -> None:
    if "start" in keywords:
        keywords = {"start": sum(len(one) + 16 for one in WHOLE[:3])}
    assert outcome(whole, 1, **keywords) == outcome(whole, 2, **keywords)


@pytest.mark.parametrize("on_error", ["raise", "skip", "stop"])
@pytest.mark.parametrize("damage", ["header", "payload", "cut"])
def test_damage_far_into_a_large_file_is_found_in_its_place(tmp_path: Path, on_error: str, damage: str) -> None:
    data = bytearray(Path(write(tmp_path / "file", WHOLE)).read_bytes())
    begin = sum(len(one) + 16 for one in WHOLE[:2500])
    if damage == "cut":
        del data[-9:]
    else:
        data[begin + (1 if damage == "header" else 40)] ^= 0xFF
    (tmp_path / "file").write_bytes(data)
    path = str(tmp_path / "file")
    assert outcome(path, 1, on_error=on_error) == outcome(path, 2, on_error=on_error)


def test_a_large_record_in_a_large_file_is_read_whole(tmp_path: Path) -> None:
    records = [*WHOLE[:2500], encode_example({"id": 2500, "image": bytes(1_000_000)}), *WHOLE[2501:]]
    path = write(tmp_path / "file", records)
    assert outcome(path, 1) == outcome(path, 2)


def test_a_record_that_does_not_fit_is_named_with_its_place_when_it_was_read_ahead(tmp_path: Path) -> None:
    records = [*WHOLE]
    records[2600] = encode_example({"id": 1})
    path = write(tmp_path / "file", records)
    _, error, _ = outcome(path, 1)
    assert error[2:] == (path, sum(len(one) + 16 for one in records[:2600]), 2600)


def test_several_large_files_are_read_one_after_the_other(whole: str) -> None:
    assert flat(ids([whole, whole])) == [*range(RECORDS), *range(RECORDS)]
    assert open_descriptors(whole) == 0


@pytest.mark.parametrize("ending", ["exhausted", "closed", "dropped"])
def test_no_thread_and_no_descriptor_stays(whole: str, ending: str) -> None:
    reader = read_examples(whole, FEATURES, batch_size=BATCH)
    batches = iter(reader)
    for _ in range(30):
        next(batches)
    wait_for_thread()
    if ending == "exhausted":
        assert sum(1 for _ in batches) > 0
    elif ending == "closed":
        reader.close()
        assert open_descriptors(whole) == 0
    else:
        del reader, batches
    wait_for_thread(is_there=False)
    assert ending == "exhausted" or open_descriptors(whole) == 0


def test_a_process_reads_few_files_ahead_at_a_time_and_all_of_them_whole(whole: str) -> None:
    for _ in range(2):
        readers = [ids(whole) for _ in range(24)]
        seen = [[number for _ in range(30) for number in next(reader)] for reader in readers]
        wait_for_thread()
        assert threads_ahead() <= 16
        assert open_descriptors(whole) <= 24 + 16
        for reader, numbers in zip(readers[::7], seen[::7], strict=True):
            assert [*numbers, *flat(reader)] == list(range(RECORDS))
        del reader, readers
        wait_for_thread(is_there=False)


def test_a_position_in_a_file_that_is_read_ahead_resumes(whole: str) -> None:
    reader = read_examples(whole, FEATURES, batch_size=BATCH)
    batches = iter(reader)
    seen = [number for _ in range(40) for number in next(batches)["id"].tolist()]
    wait_for_thread()
    assert [*seen, *flat(ids(whole, start=reader.tell()))] == list(range(RECORDS))


def test_a_file_that_is_cut_while_it_is_read_ahead_ends_at_the_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "file", WHOLE)
    batches = ids(path)
    seen = [number for _ in range(30) for number in next(batches)]
    wait_for_thread()
    offset = sum(len(one) + 16 for one in WHOLE[:4000])
    os.truncate(path, offset + 20)
    with pytest.raises(TruncatedRecordError) as error:
        seen.extend(number for batch in batches for number in batch)
    assert seen == list(range(4000))
    assert error.value.offset == offset


def test_a_file_that_grows_while_it_is_read_ahead_is_read_to_its_new_end(tmp_path: Path) -> None:
    path = write(tmp_path / "file", WHOLE)
    batches = ids(path)
    seen = [number for _ in range(30) for number in next(batches)]
    wait_for_thread()
    with RecordWriter(path, append=True) as writer:
        writer.write_batch([record(number) for number in range(RECORDS, RECORDS + 600)])
    assert [*seen, *flat(batches)] == list(range(RECORDS + 600))


def test_a_forked_child_reads_on_where_the_parent_was_read_ahead(whole: str) -> None:
    batches = ids(whole)
    seen = [number for _ in range(30) for number in next(batches)]
    wait_for_thread()
    child = os.fork()
    if not child:
        status = 1
        try:
            rest = flat(batches)
            # Of what the child inherited, the copy that the parent's thread reads from is closed, too.
            if [*seen, *rest] == list(range(RECORDS)) and not is_reading_ahead() and open_descriptors(whole) <= 1:
                status = 0
        finally:
            os._exit(status)
    assert [*seen, *flat(batches)] == list(range(RECORDS))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Inverting(WrapperFileSystem):
    """Files whose bytes are the complements of those that the descriptor of the inner file leads to."""

    def new_random_access_file(self, path: Any) -> Any:
        return InvertingFile(super().new_random_access_file(path))


class InvertingFile(WrapperRandomAccessFile):
    def _read_into(self, offset: int, view: memoryview) -> int:
        count = self.inner.read_into(offset, view)
        view[:count] = (~np.frombuffer(view[:count], np.uint8)).tobytes()
        return count


def test_a_wrapper_that_changes_bytes_is_read_by_its_own_methods(whole: str, tmp_path: Path) -> None:
    path = tmp_path / "inverted"
    path.write_bytes((~np.fromfile(whole, np.uint8)).tobytes())
    batches = ids(str(path), file_system=Inverting(PosixFileSystem()))
    seen = [number for _ in range(30) for number in next(batches)]
    assert not is_reading_ahead()
    assert [*seen, *flat(batches)] == list(range(RECORDS))


@pytest.mark.parametrize("kind", ["small", "follower", "file object"])
def test_what_is_not_read_ahead_starts_no_thread(whole: str, tmp_path: Path, kind: str) -> None:
    small = write(tmp_path / "small", WHOLE[:1800])
    with open(whole, "rb") as file:
        reader = RecordReader(
            {"small": small, "follower": whole, "file object": file}[kind],
            follow=kind == "follower",
            follow_timeout=0 if kind == "follower" else None,
        )
        count = 0
        for columns in read_examples(reader, FEATURES, batch_size=BATCH):
            count += len(columns["id"])
            assert not is_reading_ahead()
    assert count == (1800 if kind == "small" else RECORDS)
