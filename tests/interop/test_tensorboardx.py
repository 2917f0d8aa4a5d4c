"""What recordfs.records takes over from tensorboardX's record_writer: same names, arguments and results."""

import os

import pytest

from golden.contents import mixed_records
from recordfs import RecordReader, RecordWriter
from recordfs.records.tf_names import make_valid_tf_name
from recordfs.records.writer_factory import directory_check, open_file, register_writer_factory
from support.peers import call_peer, peer_process

pytestmark = pytest.mark.peer

NAMES = [
    "loss",
    "a b",
    "/x",
    "_x",
    ".x",
    "-x",
    "",
    "train/loss:0",
    "ä",
    "aä b",
    "a//b",
    "a\\b",
    "\n",
    "9",
    "a b  c",
    " ",
]


def test_make_valid_tf_name_gives_the_same_names():
    theirs = call_peer(
        "tensorboardx",
        """
        from tensorboardX.record_writer import make_valid_tf_name
        result = [make_valid_tf_name(name) for name in names]
        """,
        names=NAMES,
    )
    assert [make_valid_tf_name(name) for name in NAMES] == theirs


def test_we_read_what_tensorboardx_writes(tmp_path):
    path = str(tmp_path / "file")
    call_peer(
        "tensorboardx",
        """
        from tensorboardX.record_writer import RecordWriter
        writer = RecordWriter(path)
        for record in records:
            writer.write(record)
        writer.flush()
        writer.close()
        """,
        path=path,
        records=mixed_records(),
    )
    with RecordReader(path) as reader:
        assert list(reader) == mixed_records()
    ours = str(tmp_path / "ours")
    with RecordWriter(ours) as writer:
        writer.write_batch(mixed_records())
    with open(path, "rb") as their_file, open(ours, "rb") as our_file:
        assert our_file.read() == their_file.read()


def test_we_read_the_events_of_its_summary_writer(tmp_path):
    tags = call_peer(
        "tensorboardx",
        """
        import os
        from tensorboardX import SummaryWriter
        writer = SummaryWriter(directory)
        for step in range(20):
            writer.add_scalar(f"tag{step}", step, step)
        writer.close()
        result = sorted(os.listdir(directory))
        """,
        directory=str(tmp_path),
    )
    (name,) = tags
    with RecordReader(str(tmp_path / name)) as reader:
        records = list(reader)
    assert b"brain.Event:2" in records[0]
    assert [b"tag%d" % step in record for step, record in enumerate(records[1:])] == [True] * 20


# The same program for either module: what it prints must be the same.
FACTORIES = """
import os

class Opened:
    def __init__(self, path):
        self.path, self.log = path, []
    def write(self, data):
        self.log.append(["write", bytes(data)])
    def flush(self):
        self.log.append(["flush"])
    def close(self):
        self.log.append(["close"])

class Factory:
    def __init__(self):
        self.opened, self.checked = [], []
    def open(self, path):
        self.opened.append(Opened(path))
        return self.opened[-1]
    def directory_check(self, path):
        self.checked.append(path)
        return "checked"

def exercise(register_writer_factory, directory_check, open_file, RecordWriter, directory):
    seen = []
    factory = Factory()
    try:
        register_writer_factory("with:colon", factory)
    except ValueError:
        seen.append("ValueError")
    seen.append(register_writer_factory("interop", factory))
    seen.append(directory_check("interop://bucket/logs"))
    seen.append(open_file("interop:no/slashes") is factory.opened[0])
    writer = RecordWriter("interop://bucket/logs/file")
    for record in (b"one", b"", b"three"):
        writer.write(record)
    writer.flush()
    writer.close()
    log = factory.opened[1].log
    written = b"".join(entry[1] for entry in log if entry[0] == "write")
    seen.append([written, [entry[0] for entry in log if entry[0] != "write"]])
    seen.append([factory.checked, [opened.path for opened in factory.opened]])

    seen.append(directory_check(os.path.join(directory, "new", "nested")))
    seen.append(os.path.isdir(os.path.join(directory, "new", "nested")))
    seen.append(directory_check(directory))
    with open_file(os.path.join(directory, "plain")) as file:
        file.write(b"plain bytes")
        file.flush()
    with open(os.path.join(directory, "plain"), "rb") as file:
        seen.append(file.read())
    return seen
"""


def test_factories_directories_and_files_behave_the_same(tmp_path):
    for name in ("ours", "theirs"):
        os.mkdir(tmp_path / name)
    variables = {}
    exec(FACTORIES, variables)
    ours = variables["exercise"](
        register_writer_factory, directory_check, open_file, RecordWriter, str(tmp_path / "ours")
    )
    with peer_process("tensorboardx") as process:
        theirs = process.call(
            FACTORIES
            + """
import tensorboardX.record_writer as module
result = exercise(
    module.register_writer_factory, module.directory_check, module.open_file, module.RecordWriter, directory
)
""",
            directory=str(tmp_path / "theirs"),
        )
    assert ours == theirs
