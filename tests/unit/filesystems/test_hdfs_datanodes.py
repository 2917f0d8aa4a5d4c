"""Datanodes that are dead, frozen or well, as a writer that waits for them sees it."""

import socket
import threading

import pytest

from recordfs.errors import UnavailableError
from recordfs.filesystems.hdfs import datanodes as datanodes_module
from recordfs.filesystems.hdfs.datanodes import Datanode, DatanodeWatch, named_datanodes


@pytest.fixture
def listening():
    """Sockets that take connections, as the system does for a process that is frozen."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    yield sockets
    for each in sockets:
        each.close()


def datanode_of(sockets):
    return Datanode("127.0.0.1", *(each.getsockname()[1] for each in sockets))


def test_a_dead_datanode_is_named():
    watch = DatanodeWatch(lambda: [Datanode("127.0.0.1", 1)], "hdfs://nn/f")
    with watch, pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 cannot be reached.*refused"):
        watch.look()


def test_a_frozen_datanode_is_named_when_it_has_been_silent_for_long(listening, monkeypatch):
    datanode = datanode_of(listening)
    with DatanodeWatch(lambda: [datanode], "hdfs://nn/f") as watch:
        for _ in range(3):
            watch.look()
        monkeypatch.setattr(datanodes_module, "SILENT_SECONDS", 1e-9)
        with pytest.raises(UnavailableError, match=f"{datanode} has answered nothing"):
            watch.look()


def test_a_datanode_that_answers_lives_whatever_it_says(listening, monkeypatch):
    monkeypatch.setattr(datanodes_module, "SILENT_SECONDS", 1e-9)
    answered = threading.Event()

    def answer():
        for words in (b"HTTP/1.1 404 Not Found\r\n\r\n", b""):
            connection, _ = listening[1].accept()
            with connection:
                connection.recv(1000)
                connection.sendall(words)
            answered.set()

    thread = threading.Thread(target=answer)
    thread.start()
    with DatanodeWatch(lambda: [datanode_of(listening)], "hdfs://nn/f") as watch:
        for _ in range(2):
            watch.look()  # asks
            assert answered.wait(60)
            answered.clear()
            watch.look()  # is answered
    thread.join()


def test_a_web_server_that_cannot_be_reached_says_nothing_of_the_datanode(listening):
    datanode = datanode_of(listening)._replace(web_port=1)
    with DatanodeWatch(lambda: [datanode], "hdfs://nn/f") as watch:
        for _ in range(2):
            watch.look()


def test_the_datanodes_that_the_native_client_names_are_found_by_number_or_by_name():
    text = 'All DataNodes failed: [D { ip_addr: "10.0.0.1", host_name: "dn1", uuid: "x", xfer_port: 9866, p: 1 }, D { '
    text += 'ip_addr: "10.0.0.2", host_name: "dn2", uuid: "y", xfer_port: 9867 }]'
    assert list(map(str, named_datanodes(text, by_host_name=False))) == ["10.0.0.1:9866", "10.0.0.2:9867"]
    assert list(map(str, named_datanodes(text, by_host_name=True))) == ["dn1:9866", "dn2:9867"]
