"""Parts on their way to a store: their order, how many there are, and what becomes of those that fail."""

import threading
import time

import pytest

from recordfs.errors import UnavailableError
from recordfs.filesystems._object_store import part_queue
from recordfs.filesystems._object_store.commits import Part
from recordfs.filesystems._object_store.part_queue import PartQueue, parts_in_flight

MIB = 1 << 20
PATIENCE_SECONDS = 30


class Store:
    """Takes parts, each when it may, and remembers what arrived."""

    def __init__(self):
        self.gates = {}
        self.arrived = {}
        self.failing = set()

    def hold(self, place):
        self.gates[place] = threading.Event()
        return self.gates[place]

    def send(self, place, body):
        if place in self.gates:
            assert self.gates[place].wait(PATIENCE_SECONDS)
        if place in self.failing:
            self.failing.remove(place)
            raise UnavailableError(f"part {place}")
        self.arrived[place] = bytes(body)
        return f"answer {place}"


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def queue(store):
    queue = PartQueue(store.send, 2)
    yield queue
    for gate in store.gates.values():
        gate.set()
    queue.close()


def add(queue, *places):
    for place in places:
        queue.add(Part(10 * place, bytearray(b"%d" % place * 10)), place)


def test_parts_that_arrive_in_another_order_are_listed_in_that_of_their_bytes(store, queue):
    gate = store.hold(0)
    add(queue, 0, 1, 2)
    queue.settle(1)  # returns, though the first is on its way
    assert set(store.arrived) == {1, 2}
    assert queue.sent == []
    gate.set()
    queue.settle(0)
    assert [(part.place, part.answer, part.size) for part in queue.sent] == [
        (place, f"answer {place}", 10) for place in range(3)
    ]
    assert store.arrived[0] == b"0" * 10


def test_parts_that_have_arrived_take_no_memory_while_one_before_them_is_on_its_way(store, queue):
    store.hold(0)
    bodies = [bytearray(10) for _ in range(5)]
    for place, body in enumerate(bodies):
        queue.add(Part(10 * place, body), place)
        queue.settle()
    queue.settle(1)
    assert [waiting.body for waiting in queue._parts[0]] == [bodies[0], *[b""] * 4]
    assert all(queue.has(Part(10 * place, bytearray())) for place in range(5))


def test_a_part_that_fails_is_told_and_sent_again_with_its_bytes(store, queue):
    gate = store.hold(0)
    store.failing = {1}
    add(queue, 0, 1, 2)
    with pytest.raises(UnavailableError, match="part 1"):
        queue.settle(1)
    gate.set()
    queue.settle(0)
    assert store.arrived == {place: b"%d" % place * 10 for place in range(3)}
    assert [part.place for part in queue.sent] == [0, 1, 2]


def test_where_all_writers_have_much_on_its_way_each_waits_for_all_but_two_parts(monkeypatch):
    monkeypatch.setattr(part_queue, "BYTES_OF_ALL_WRITERS", 25)
    store = Store()
    crowd, queue = PartQueue(store.send, 5), PartQueue(store.send, 5)
    gates = [store.hold(place) for place in range(6)]
    try:
        add(crowd, 0, 1)
        crowd.settle()
        add(queue, 3, 4)
        queue.settle()
        while part_queue._on_its_way.get().size < 40:
            time.sleep(0.001)
        add(queue, 5)
        threading.Timer(0.05, gates[4].set).start()
        queue.settle()
        assert set(store.arrived) == {4}, "of three two are on their way"
    finally:
        for gate in gates:
            gate.set()
        for one in (crowd, queue):
            one.settle(0)
            one.close()
    assert part_queue._on_its_way.get().size == 0


def test_calls_are_made_while_parts_are_on_their_way(store, queue):
    gate = store.hold(0)
    add(queue, 0)

    def call():
        gate.set()
        return "called"

    assert queue.settle_with([call]) == ["called"]
    assert store.arrived == {0: b"0" * 10}


def test_a_call_beside_a_part_that_fails_has_ended_when_that_is_told(store, queue):
    gate = store.hold(0)
    store.failing = {0}
    ended = []
    add(queue, 0)

    def call():
        gate.set()
        ended.append(True)

    with pytest.raises(UnavailableError, match="part 0"):
        queue.settle_with([call])
    assert ended


def test_a_call_that_fails_beside_parts_is_told_and_the_parts_are_kept(store, queue):
    add(queue, 0, 1)

    def call():
        raise UnavailableError("the call")

    with pytest.raises(UnavailableError, match="the call"):
        queue.settle_with([call])
    assert [part.place for part in queue.sent] == [0, 1]


def test_waiting_ends_when_parts_and_calls_have_ended_whatever_became_of_them(store, queue):
    gate, called = store.hold(1), threading.Event()
    store.failing = {0}
    add(queue, 0, 1)
    with pytest.raises(UnavailableError):
        queue.settle(1)
    calling = queue.beside(lambda: called.wait(PATIENCE_SECONDS))
    threading.Timer(0.01, lambda: (gate.set(), called.set())).start()
    queue.wait()
    assert calling.done()
    assert 1 in store.arrived


def test_as_many_parts_are_in_flight_as_25_mib_have_and_two_of_any_size():
    assert parts_in_flight(5 * MIB) == 5
    assert parts_in_flight(4 * MIB) == 6
    assert parts_in_flight(5 << 30) == 2
