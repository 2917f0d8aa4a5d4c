"""What a type checker sees of the public names; `mypy` and `pyright` run over this file, nothing executes it."""

import io
import os
from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np

import recordfs
import recordfs.filesystem
import recordfs.records
from recordfs import checkpoint, errors, events, example, file_io, gfile


def records(path: os.PathLike[str], store: recordfs.FileSystem) -> None:
    with recordfs.RecordWriter(path, compression="GZIP", compression_level=6, file_system=store) as writer:
        assert_type(writer, recordfs.RecordWriter)
        writer.write(b"bytes")
        writer.write(bytearray(b"bytes"))
        writer.write(memoryview(b"bytes"))
        writer.write_batch([b"one", b"two"])
        assert_type(writer.tell(), int)
    writer.write("text")  # type: ignore[arg-type]  # records are bytes

    reader = recordfs.RecordReader([path, b"bytes path", "glob*"], start=0, options={"key": 1})
    for record in reader:
        assert_type(record, bytes)
    for batch in reader.batches(100):
        assert_type(batch, list[bytes])
    for view in reader.views():
        assert_type(view, memoryview)
    assert_type(reader.tell(), recordfs.Position)
    assert_type(reader.report, recordfs.ReadReport)

    recordfs.RecordReader(path, shard="auto")
    recordfs.RecordReader(path, shard=(0, 4))
    recordfs.RecordReader(path, shard="automatic")  # type: ignore[arg-type]

    file = recordfs.RecordFile(path, f"{path}.idx", file_system=store)
    assert_type(len(file), int)
    assert_type(file[0], bytes)
    assert_type(file[0:3], list[bytes])
    assert_type(file.__getitems__(np.arange(3)), list[bytes])

    assert_type(recordfs.records.count_records(path), int)
    assert_type(recordfs.records.verify_file(path).sound, bool)
    assert_type(recordfs.records.salvage_file(path, "new").records, int)

    recordfs.RecordReader(io.BytesIO())
    recordfs.RecordReader(path, follow=True, follow_timeout=1.5, on_replaced="restart").stop()
    recordfs.RecordWriter(io.BytesIO())


def filesystems(path: str) -> None:
    store = recordfs.get_file_system(path, options={"endpoint_url": "http://localhost"})
    assert_type(store, recordfs.FileSystem)
    assert_type(store.stat(path), recordfs.FileStatistics)
    assert_type(store.list_directory(path), Iterator[recordfs.DirectoryEntry])
    assert_type(store.capabilities(path).append, bool)
    with store.new_random_access_file(path) as file:
        assert_type(file, recordfs.RandomAccessFile)
        assert_type(file.read(0, 10), bytes)
    with store.new_writable_file(path, atomic=True) as target:
        assert_type(target, recordfs.WritableFile)
        target.append(b"data")
    assert_type(recordfs.get_registered_schemes(), list[str])


def files_as_tensorflow_names_them(path: os.PathLike[str]) -> None:
    with gfile.GFile(path, "w") as file:
        assert_type(file, gfile.GFile)
        assert_type(file.write("text"), int)
        assert_type(file.write(b"bytes"), int)
        assert_type(file.tell(), int)
        assert_type(file.name, str | bytes | os.PathLike[str] | os.PathLike[bytes])
    with file_io.FileIO(path, mode="rb") as other:
        assert_type(other.readinto(bytearray(4)), int)
        for line in other:
            print(line)
    assert_type(gfile.exists(path), bool)
    assert_type(gfile.glob(["a*", path], recursive=True), list[str])
    assert_type(gfile.walk(path, topdown=False), Iterator[tuple[str, list[str], list[str]]])
    assert_type(gfile.stat(path), recordfs.FileStatistics)
    assert_type(gfile.Glob(path, options={}), list[str])
    file_io.atomic_write_string_to_file(path, "text", overwrite=False, file_system=None)
    assert_type(file_io.file_crc32(path), str)


def caught(error: errors.CorruptRecordError) -> None:
    assert_type(error.path, str | None)
    assert_type(error.offset, int | None)
    assert_type(error.code, errors.StatusCode)
    as_builtin: OSError = error
    print(as_builtin)


@recordfs.register_file_system("mine")
class Mine(recordfs.FileSystem):
    """The decorator keeps the class's type."""


assert_type(Mine, type[Mine])


def columns_of_examples(paths: list[str], records: list[bytes]) -> None:
    fixed = {"a": example.FixedLenFeature([], np.int64)}
    ragged = {"a": example.VarLenFeature(bytes)}
    mixed = {"a": example.FixedLenFeature(2, np.int64), "b": example.SparseFeature("i", "v", np.float32, 10)}
    for batch in example.read_examples(paths, fixed, batch_size=10, compression="GZIP"):
        assert_type(batch["a"], np.ndarray[Any, Any])
        batch["a"].mean()
    for rows in example.read_examples(paths, ragged, batch_size=10):
        assert_type(rows["a"], example.RaggedColumn)
    reader = example.read_examples(paths, mixed, batch_size=10, shard="auto")
    for columns in reader:
        columns["a"].mean()
        columns["b"].dense_shape.tolist()
    assert_type(reader.tell(), recordfs.Position)
    assert_type(reader.report, recordfs.ReadReport)
    example.parse_example(records, fixed)["a"].mean()
    example.parse_example(records, ragged)["a"].to_list()
    example.parse_example(records, {"a": example.FixedLenFeature([], np.int64), "b": example.VarLenFeature(bytes)})
    example.parse_example(records, example.infer_features(records))["a"].mean()
    example.read_examples(paths, fixed, batch_size=10, compresion="GZIP")  # type: ignore[call-overload]  # misspelt


def checkpoints(prefix: str) -> None:
    with checkpoint.load_checkpoint(prefix) as reader:
        assert_type(reader["kernel"], np.ndarray[Any, np.dtype[Any]])
        assert_type(reader.entry("kernel").shape, tuple[int, ...])
        reader.get_slice("kernel", np.s_[1:3, ..., 0]).mean()
        for name, array in reader.get_many(["kernel"], mapped=True).items():
            print(name.upper(), array.shape)
    with checkpoint.CheckpointWriter(prefix, num_shards=2) as writer:
        writer.add("kernel", np.ones(3), dtype="float32")
        writer.add_slice("embedding", (10, 2), np.s_[:5], np.ones((5, 2)))
    assert_type(checkpoint.save_checkpoint(prefix, {"kernel": [1.0]}, by_attribute=True), str)
    manager = checkpoint.CheckpointManager("run", best="loss", mode="min")
    assert_type(manager.save_async({"kernel": 1}, 3, metrics={"loss": 0.5}).result(timeout=10), str)
    assert_type(checkpoint.latest_checkpoint("run"), str | None)
    assert_type(checkpoint.verify_checkpoint(prefix).sound, bool)


def event_files(logdir: str) -> None:
    with events.SummaryWriter(logdir, policy=events.block(timeout=5)) as writer:
        assert_type(writer, events.SummaryWriter)
        writer.add_scalar("loss", 0.5, 1, walltime=2.0)
        writer.add_scalar("loss", np.float32(0.5), np.int64(1))
        writer.add_histogram("weights", np.ones(10), 1)
        writer.add_image("picture", np.zeros((3, 8, 8)), 1, dataformats="CHW")
        writer.add_text("remark", "text", 1)
        writer.add_text("remark", b"text")  # type: ignore[arg-type]  # a text is a str
        writer.add_hparams({"rate": 0.1}, {"loss": 0.5})
        writer.flush()
    for event in events.EventFileReader(logdir, follow=True, follow_timeout=1.5):
        assert_type(event, events.Event)
        assert_type(event.wall_time, float)
        assert_type(event.summary, list[events.SummaryValue])
    log = events.EventLog(logdir)
    assert_type(log.runs, list[str])
    assert_type(log.summary("train"), events.RunSummary)
    columns = log.columns("train", ["loss"], purge="tensorboard")
    assert_type(columns["loss"], events.Column)
    columns["loss"].value.mean()
    columns["loss"].step.tolist()
    log.columns("train", purge="tensorbord")  # type: ignore[arg-type]  # misspelt
    for event in log.events("train"):
        assert_type(event, events.Event)
    for event in log.follow("train", timeout=1.0):
        assert_type(event, events.Event)
    events.columns(logdir).to_pandas()


def misspelt_names() -> None:
    # Packages load their public names when first used; a name that they do not have is an error all the same.
    recordfs.RecordReadr  # type: ignore[attr-defined]  # noqa: B018
    recordfs.filesystem.RandomAccesFile  # type: ignore[attr-defined]  # noqa: B018
    recordfs.records.verify_files  # type: ignore[attr-defined]  # noqa: B018
    checkpoint.CheckpointReadr  # type: ignore[attr-defined]  # noqa: B018
    events.SummaryWritr  # type: ignore[attr-defined]  # noqa: B018
    example.parse_examples  # type: ignore[attr-defined]  # noqa: B018
