"""Reading a file of HDFS whose blocks move, are lost, or are still being written, beside a namenode made up here."""

import socket
from types import SimpleNamespace

import pytest

from recordfs.errors import AbortedError, DataLossError, UnavailableError
from recordfs.filesystems.hdfs import reader as reader_module
from recordfs.filesystems.hdfs.errors import error_from_native
from recordfs.filesystems.hdfs.reader import HdfsRandomAccessFile

DATA = bytes(range(100))


def all_failed(*ports):
    shown = ", ".join(
        f'DatanodeInfoProto {{ id: DatanodeIdProto {{ ip_addr: "127.0.0.1", host_name: "localhost", '
        f'datanode_uuid: "d1", xfer_port: {port}, info_port: 1 }}, capacity: Some(5) }}'
        for port in ports
    )
    shown = shown.replace('"', '\\"')
    return RuntimeError(f'DataTransferError("All DataNodes failed: [{shown}]")')


class NativeReader:
    """The native client's: it gives the bytes of finished blocks, or raises what it was made with."""

    def __init__(self, data, error=None):
        self.data = data
        self.error = error

    def __len__(self):
        return len(self.data)


class Service:
    """A NameService of one file: each look at it finds the next of its readers."""

    webhdfs = None
    reaches_datanodes_by_host_name = False
    settings = SimpleNamespace(data_timeout=60.0)

    def __init__(self, *readers, modified=1, space=None):
        self.readers = list(readers)
        self.found = readers[0]
        self.modified = modified
        self.space = space
        self.native = SimpleNamespace(read=self._read, get_file_info=self._status, get_content_summary=self._summary)

    def ask(self, operation, name, function, path):
        return function(path)

    def read_blocks(self, name, reader, start, end):
        if reader.error is not None:
            raise error_from_native(reader.error, name)
        return reader.data[start:end]

    def _read(self, path):
        self.found = self.readers.pop(0) if len(self.readers) > 1 else self.readers[0]
        return self.found

    def _status(self, path):
        return SimpleNamespace(
            length=len(self.found.data), modification_time=self.modified, blocksize=128, replication=3
        )

    def _summary(self, path):
        space = 3 * len(self.found.data) if self.space is None else self.space
        return SimpleNamespace(space_consumed=space)


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    monkeypatch.setattr(reader_module, "READ_PAUSES_SECONDS", (0.0, 0.0))


def opened(service):
    return HdfsRandomAccessFile("hdfs://nn/f", "/f", lambda: service)


def test_a_block_that_moved_is_read_where_it_is_now():
    service = Service(NativeReader(DATA, all_failed(1)), NativeReader(DATA))
    with opened(service) as file:
        assert file.read(10, 20) == DATA[10:30]
        buffer = bytearray(100)
        assert file.read_into(0, buffer) == 100
        assert buffer == DATA


def test_after_a_slow_read_the_datanodes_are_looked_for_again(monkeypatch):
    monkeypatch.setattr(reader_module, "SLOW_READ_SECONDS", -1.0)
    service = Service(NativeReader(DATA), NativeReader(DATA), NativeReader(DATA))
    with opened(service) as file:
        first = service.found
        assert file.read(10, 20) == DATA[10:30]
        assert service.found is not first


def test_a_file_that_was_changed_while_no_datanode_gave_it_is_no_longer_the_one_that_was_opened():
    service = Service(NativeReader(DATA, all_failed(1)), NativeReader(DATA + DATA))
    with opened(service) as file:
        service.modified = 2
        with pytest.raises(AbortedError, match="open it again"):
            file.read(10, 20)


def test_bytes_that_no_living_datanode_has_are_lost_and_those_of_a_dead_one_are_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as living:
        port = living.getsockname()[1]
        with (
            opened(Service(NativeReader(DATA, all_failed(port)))) as file,
            pytest.raises(DataLossError, match=rf"from 10 to 30.*127\.0\.0\.1:{port}.*fsck") as caught,
        ):
            file.read(10, 20)
        assert caught.value.offset == 10
        assert "Proto" not in str(caught.value)
        with (
            opened(Service(NativeReader(DATA, all_failed(port, 1)))) as file,
            pytest.raises(UnavailableError, match=r"not reached: 127\.0\.0\.1:1 \(.*refused"),
        ):
            file.read(10, 20)


def test_a_block_that_is_being_written_is_told_from_the_space_that_the_namenode_counts_for_it():
    with opened(Service(NativeReader(DATA))) as file:
        assert file.read(0, 200) == DATA
        assert file.size() == 100
    # Without WebHDFS nobody can say what is in that block, so nobody says that the file ends before it.
    for space in (3 * (100 + 128), 3 * (100 + 128 + 128)):
        with opened(Service(NativeReader(DATA), space=space)) as file:
            assert file.read(0, 100) == DATA
            for call in (lambda: file.read(0, 101), file.size):
                with pytest.raises(UnavailableError, match="open for writing"):
                    call()
    # What snapshots keep of it is less than a block that is being written counts.
    with opened(Service(NativeReader(DATA), space=3 * (100 + 127))) as file:
        assert file.size() == 100
