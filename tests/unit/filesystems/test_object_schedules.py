"""The commit protocol of object stores, driven through thousands of schedules: each is a seed, and can be run again.

A schedule opens one or two writers of one object on a store that loses answers, is late, refuses and tears calls, lets
them append and flush, heals the store and closes them. What has to be true is checked after every step.
"""

import random
import sys
from concurrent.futures import ALL_COMPLETED, Executor, Future

import pytest

from recordfs.errors import AbortedError, AlreadyExistsError, DataLossError, RecordFSError, UnavailableError
from recordfs.filesystems._object_store import composed_upload, orphans, parallel, part_queue, parts
from recordfs.filesystems._object_store import writer as writer_module
from recordfs.filesystems._object_store.commits import OPENING_METADATA, Ledger
from recordfs.filesystems._object_store.opening import NOTHING_KNOWN, Location, Opening
from recordfs.filesystems._object_store.part_queue import PartQueue
from recordfs.filesystems._object_store.writer import ObjectWriter
from recordfs.testing import object_store, seeded_store
from recordfs.testing.object_store import NO_FAULTS, Faults, SeededObjectStore, SeededPieces, SeededUpload

pytestmark = pytest.mark.filterwarnings(
    "ignore:what writers that died:UserWarning",
    "ignore:.*temporary objects of .* could not be deleted:UserWarning",
    "ignore:the store of bucket .* does not copy parts:UserWarning",
    "ignore:the temporary object .* could not be deleted:UserWarning",
)

SCHEDULES = 10_000
FOUND_WITHIN = 1_000

BUCKET, KEY = "bucket", "key"
LOCATION = Location(f"seeded://{BUCKET}/{KEY}", BUCKET, KEY)
SIZES = [1, 3, 5, 8, 9, 15, 16, 17, 31, 33, 70]


class TornError(BaseException):
    """An interrupt: no RecordFSError, and no Exception."""


class TornLedger(Ledger):
    """A ledger whose steps are torn before or after they are taken, at most one in each call of the writer."""

    tears = None  # returns whether to tear here

    def _torn(self, step, *arguments, **keywords):
        if self.tears is not None and self.tears():
            raise TornError
        result = step(*arguments, **keywords)
        if self.tears is not None and self.tears():
            raise TornError
        return result

    def take(self, data):
        return self._torn(super().take, data)

    def cut(self, size):
        return self._torn(super().cut, size)

    def handed_on(self):
        return self._torn(super().handed_on)

    def begin(self, *, overwrite=False):
        return self._torn(super().begin, overwrite=overwrite)

    def sent(self, commit):
        return self._torn(super().sent, commit)

    def happened(self, commit, tag):
        return self._torn(super().happened, commit, tag)

    def give_up(self):
        return self._torn(super().give_up)


class InAnyOrder(Executor):
    """Makes calls in the order of a schedule, some only when somebody waits, as threads may."""

    def __init__(self, source):
        self.random = source
        self.calls = []

    def submit(self, function, /, *arguments, **keywords):
        future = Future()
        future.executor = self
        self.calls.append((future, function, arguments, keywords))
        if self.random.random() < 0.3:
            self.make_one()
        return future

    def make_one(self):
        future, function, arguments, keywords = self.calls.pop(self.random.randrange(len(self.calls)))
        try:
            future.set_result(function(*arguments, **keywords))
        except TornError as error:
            future.set_exception(UnavailableError("a thread knows no interrupt"))
            raise error
        except Exception as error:
            future.set_exception(error)


def wait_in_any_order(futures, return_when=ALL_COMPLETED):
    enough = all if return_when == ALL_COMPLETED else any
    while not enough(future.done() for future in futures):
        next(future.executor for future in futures if not future.done()).make_one()


class Actor:
    """One writer, and what it may expect."""

    def __init__(self, schedule, opening):
        self.schedule, self.opening = schedule, opening
        known = NOTHING_KNOWN
        self.taken = bytearray()
        if opening.append and opening.found is not None:
            known = schedule.store.known_of(LOCATION, opening.found)
            self.taken += schedule.store.peek(BUCKET, KEY).data
        upload = schedule.store.new_upload(opening, known)
        if schedule.sends_in_any_order:
            queue = upload._queue if isinstance(upload, SeededUpload) else upload._pieces._queue
            queue._most_in_flight, queue._make_pool = 2, lambda: InAnyOrder(schedule.random)
        self.ledger = TornLedger(opening, known, most_kept=upload.most_kept)
        self.ledger.tears = self.tears
        self.token = self.ledger.origin().token[OPENING_METADATA]
        self.writer = schedule.writer_class(LOCATION.path, self.ledger, upload, atomic=opening.atomic)
        self.pending = b""
        self.lost = None
        self.overwrites = False
        self.left = 0
        self.acknowledged = len(self.taken) if opening.append and opening.found is not None else -1

    def tears(self):
        is_torn_already = isinstance(sys.exception(), TornError)
        if self.left and not is_torn_already and self.schedule.random.random() < self.schedule.tearing:
            self.left -= 1
            return True
        return False

    def call(self, function, *arguments, **keywords):
        """Call the writer; return None, or what it raised."""
        self.left = 1
        try:
            function(*arguments, **keywords)
        except (RecordFSError, TornError) as error:
            self.judge(error)
            return error
        finally:
            self.left = 0
            self.ledger._check()
            self.schedule.check_versions()
        return None

    def judge(self, error):
        if isinstance(error, AbortedError | AlreadyExistsError | DataLossError):
            # DataLossError: a commit happened late and was replaced before it was looked for; its upload is gone.
            assert self.schedule.others_wrote(self), "nobody else has written, or taken anything away"
            self.lost = error

    def append(self, size):
        piece = self.schedule.random.randbytes(size)
        before = len(self.taken)
        self.pending = piece
        error = self.call(self.writer.append, piece)
        if not self.writer.closed:
            now = self.writer.tell()
            assert now in (before, before + size)
            if error is None:
                assert now == before + size
            elif isinstance(error, RecordFSError):
                assert now == before, "append that raised has taken nothing"
            if now > before:
                self.taken += piece
        self.pending = b""

    def flush(self):
        if self.call(self.writer.flush) is None and not self.opening.atomic:
            self.expect_published()

    def expect_published(self):
        versions = self.schedule.versions
        own = [version.data for version in versions if version.metadata.get(OPENING_METADATA) == self.token]
        if self.acknowledged != len(self.taken):
            assert self.taken in own, "what was acknowledged was published"
            self.acknowledged = len(self.taken)
        if not self.schedule.others_wrote(self):
            assert versions[-1].data == self.taken, "what was acknowledged is visible"

    def publish_over(self):
        self.overwrites = True
        if self.call(self.writer.publish, overwrite=True) is None:
            self.expect_published()
            self.lost = None

    def close(self):
        """Close until it is through; the store is sound."""
        for _ in range(10):
            error = self.call(self.writer.close)
            if error is None:
                if self.lost is None:
                    self.expect_published()
                return
            if self.lost is not None:
                self.call(self.writer.discard)
                return
        pytest.fail("close never got through")


class Schedule:
    """One seed."""

    def __init__(self, seed, *, upload_class=None, writer_class=ObjectWriter, is_alone=False, **store):
        upload_class = upload_class or (SeededUpload, SeededPieces)[seed % 2]
        self.random = source = random.Random(seed)
        self.sends_in_any_order = seed % 4 >= 2
        self.writer_class = writer_class
        share = lambda: source.choice([0, 0, 0.05, 0.2, 0.4])  # noqa: E731
        self.faults = Faults(refused=share() / 2, lost=share() / 2, late=share() / 2, torn=share() / 2)
        self.tearing = source.choice([0, 0, 0.02, 0.1])
        self.is_alone = is_alone
        if is_alone:
            self.faults = self.faults._replace(late=0, torn=0)
        self.store = SeededObjectStore(seed, interrupt=TornError, upload_class=upload_class, **store)
        self.checked = 0
        self.actors = []

    def run(self):
        source = self.random
        if source.random() < 0.5:
            self.write_as_another_client()
        kind = source.choice(["append", "replace", "exclusive", "atomic", "append"])
        self.open(kind)
        races = not self.is_alone and source.random() < 0.4
        self.store.faults = self.faults
        for _ in range(source.randrange(4, 25)):
            self.step(races)
        self.store.faults = NO_FAULTS
        self.tearing = 0
        if source.random() < 0.5:
            self.store.land_late()
        for actor in self.actors:
            if actor.lost is not None and source.random() < 0.7:
                actor.publish_over()
            actor.close()
        self.store.land_late()
        self.check_versions()
        if len(self.actors) == 1 and not self.others_wrote(self.actors[0]):
            self.actors[0].expect_published()

    def step(self, races):
        source = self.random
        drawn = source.random()
        actor = source.choice(self.actors)
        if races and drawn < 0.1:
            self.store.faults, before = NO_FAULTS, self.store.faults
            if source.random() < 0.5:
                self.write_as_another_client()
            elif len(self.actors) < 2:
                self.open(source.choice(["append", "replace"]))
            self.store.faults = before
        elif drawn < 0.2:
            self.store.land_late()
            self.check_versions()
        elif actor.lost is not None:
            if drawn < 0.5:
                actor.publish_over()
        elif drawn < 0.7:
            actor.append(source.choice(SIZES))
        else:
            actor.flush()

    def open(self, kind):
        version = self.store.peek(BUCKET, KEY)
        if version is not None and kind == "exclusive":
            kind = "append"
        found = None if version is None else self.store.head(BUCKET, KEY)
        kinds = {name: True for name in (kind,) if name != "replace"}
        self.actors.append(Actor(self, Opening(LOCATION, found, **kinds)))

    def write_as_another_client(self):
        self.store.put(BUCKET, KEY, self.random.randbytes(self.random.choice([0, 1, 7, 8, 40])), {}, None)
        self.check_versions()

    @property
    def versions(self):
        return self.store.versions.get((BUCKET, KEY), [])

    def others_wrote(self, actor):
        """Tell whether anybody else has made a version since a writer was opened."""
        tags = [version.tag for version in self.versions]
        found = actor.opening.found
        since = self.versions if found is None else self.versions[tags.index(found.tag) + 1 :]
        return any(version.metadata.get(OPENING_METADATA) != actor.token for version in since)

    def check_versions(self):
        """What stood under the key was always the bytes of one writer, in order, and replaced what it had seen."""
        versions = self.versions
        by_tag = {version.tag: version for version in versions}
        for version in versions[self.checked :]:
            token = version.metadata.get(OPENING_METADATA)
            actor = next((actor for actor in self.actors if actor.token == token), None)
            if actor is None:
                continue
            everything = bytes(actor.taken + actor.pending)
            assert everything.startswith(version.data), "a version has bytes that were not taken, or in another order"
            found = actor.opening.found
            seen = None if found is None else found.tag
            before = by_tag.get(version.replaced)
            is_own = before is not None and before.metadata.get(OPENING_METADATA) == token
            assert version.replaced == seen or is_own or actor.overwrites, "another's object was replaced unseen"
            if is_own and not actor.overwrites:
                assert len(version.data) >= len(before.data), "an older version came after a newer one"
        self.checked = len(versions)


def one_after_the_other(action, items):
    failures = parallel.Failures()
    for item in items:
        try:
            action(item)
        except RecordFSError as error:
            failures.add(item, error)
    return failures


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    """Small enough for everything to happen in few steps, and in one order."""
    monkeypatch.setattr(writer_module, "TAKEN_AT_ONCE", 8)
    monkeypatch.setattr(composed_upload, "MOST_PIECES", 8)
    monkeypatch.setattr(composed_upload, "MOST_SOURCES", 4)
    monkeypatch.setattr(seeded_store, "MOST_SOURCES", 4)
    monkeypatch.setattr(parts, "LONGEST_COPY", 24)
    for module in (orphans, part_queue):
        monkeypatch.setattr(module, "wait", wait_in_any_order)
    for module in (composed_upload, parts):
        monkeypatch.setattr(module, "for_each_in_parallel", one_after_the_other)


def run(seed, **classes):
    schedule = Schedule(seed, **classes)
    try:
        schedule.run()
    finally:
        for actor in schedule.actors:
            actor.left = 0
            schedule.store.faults = NO_FAULTS
            if not actor.writer.closed:
                actor.writer._end()  # so that nothing is published at exit


def first_failure(**classes):
    """Return the first seed whose schedule fails, and how."""
    for seed in range(FOUND_WITHIN):
        try:
            run(seed, **classes)
        except AssertionError as error:
            return seed, error
        except pytest.fail.Exception as error:
            return seed, error
    return None


@pytest.mark.parametrize("part", range(10))
def test_no_schedule_loses_doubles_or_mixes_bytes(part):
    for seed in range(part * SCHEDULES // 10, (part + 1) * SCHEDULES // 10):
        try:
            run(seed)
        except BaseException as error:
            error.add_note(f"schedule {seed}: run({seed}) in this file runs it again")
            raise


@pytest.mark.parametrize(
    "lacking",
    [
        {"copies_ranges": False, "most_kept": 15},
        # What such a store carries out late, or for somebody else, replaces what is there by then: nothing can help it.
        {"keeps_conditions": False, "is_alone": True},
    ],
    ids=lambda lacking: next(iter(lacking)),
)
def test_no_schedule_loses_bytes_on_a_store_that_lacks_something(lacking):
    for seed in range(500):
        try:
            run(seed, upload_class=SeededUpload, **lacking)
        except BaseException as error:
            error.add_note(f"schedule {seed}")
            raise


def test_an_atomic_write_of_more_parts_than_an_upload_takes_is_staged_and_leaves_nothing():
    store = SeededObjectStore()
    file_system = object_store.SeededObjectFileSystem(store)
    data = random.Random(1).randbytes(500)
    with file_system.new_writable_file(LOCATION.path, atomic=True) as file:
        for start in range(0, len(data), 10):
            file.append(data[start : start + 10])
        assert store.peek(BUCKET, KEY) is None
    assert store.peek(BUCKET, KEY).data == data
    staged = {key: versions for (_, key), versions in store.versions.items() if key != KEY}
    assert len(staged) > 1
    assert all(versions[-1] is None for versions in staged.values()), "every temporary object was deleted"
    assert store.uploads() == 0


def test_a_schedule_is_the_same_each_time():
    def requests(seed):
        schedule = Schedule(seed)
        schedule.run()
        return schedule.store.requests, [version.data for version in schedule.versions]

    for seed in range(20):
        assert requests(seed) == requests(seed)


# Planted faults: each is what a hurried change could make of the protocol.


class WithoutCondition(SeededUpload):
    """Commits whatever is there by now."""

    def commit(self, commit):
        return super().commit(commit._replace(replaces=None))


class ComposedWithoutCondition(SeededPieces):
    """The same."""

    def commit(self, commit):
        return super().commit(commit._replace(replaces=None))


class ForgottenRest(SeededPieces):
    """Composes the parts, and leaves out what was in memory."""

    def prepare(self, commit):
        super().prepare(commit)
        self._prepared = self._prepared[0], self._prepared[1][:-1]


class AcknowledgedBeforeTheAnswer(SeededUpload):
    """Takes an answer that did not come for a good one."""

    def commit(self, commit):
        try:
            return super().commit(commit)
        except UnavailableError:
            return "taken for done"


class LossyQueue(PartQueue):
    """Forgets a part that could not be delivered, after its error was told."""

    def settle(self, leave=None):
        try:
            super().settle(leave)
        except RecordFSError:
            self._parts = self._parts[0][1:], self._parts[1]
            raise


class WithoutRetry(SeededUpload):
    """Sends each part once."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._queue = LossyQueue(self._send_part, 2, self._queue._make_pool)


class PartsFromTheCommitBefore(SeededUpload):
    """Goes on with the upload that a commit has consumed."""

    def _turn_to(self, origin):
        self._origin = origin


class WriterWithoutDoubt(ObjectWriter):
    """Takes a commit without an answer for one that did not happen."""

    def _look_after(self, error, commit):
        try:
            super()._look_after(error, commit)
        except UnavailableError:
            self._ledger.give_up()
            raise


@pytest.mark.parametrize(
    "planted",
    [
        {"upload_class": WithoutCondition},
        {"upload_class": ComposedWithoutCondition},
        {"upload_class": ForgottenRest},
        {"upload_class": AcknowledgedBeforeTheAnswer},
        {"upload_class": WithoutRetry},
        {"upload_class": PartsFromTheCommitBefore},
        {"writer_class": WriterWithoutDoubt},
    ],
    ids=lambda planted: next(iter(planted.values())).__name__,
)
def test_a_planted_fault_is_found(planted):
    assert first_failure(**planted) is not None
