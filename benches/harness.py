"""How every figure is taken: contestants take turns in one run, each in a process of its own, and answer alike.

A benchmark file, ``benches/<name>.py``, has one function ``rows(scale: float) -> list[Row]``; `python -m benches` finds
it by itself. A row is one workload and its contestants, the first of which is recordfs::

    from benches.harness import AtLeast, Contestant, Row

    def rows(scale: float) -> list[Row]:
        return [
            Row(
                title="count lines",
                workload="100,000 lines of 20 bytes in one file",
                items=100_000,
                item="line",
                make_files=write_lines,  # (directory) -> the variables of the contestants' sources
                contestants=[
                    Contestant("recordfs", source=OURS),
                    Contestant("TensorFlow", source=THEIRS, peer="tensorflow"),
                ],
                requirements=[AtLeast(2.0, over="TensorFlow")],
            )
        ]

A contestant's `source` is run once, untimed, with the variables that `make_files` returned. It defines a function
``work()`` that does the whole work once, and may define ``check()``. Each round calls every contestant's ``work`` in
turn (A B C, A B C, ...), timed inside its process, after one round that is not counted. All must give the same answer
(a count, a sum of lengths, a file's size): what ``check`` returned when it was called once before the rounds, or else
what ``work`` returns. It shows that they did the same work; a run in which they differ is an error, not a figure.

In a row with a `unit`, ``work`` returns the figure itself, and no answers are compared.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.peers import PeerMissingError, PeerProcess, own_process, peer_python
from tools.servers import ServerMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

_PREPARE = """
state["work"] = work
state["answer"] = [check()] if "check" in globals() else []
"""

_TIMED = """
import gc, time
gc.collect()
start = time.perf_counter()
answer = state["work"]()
seconds = time.perf_counter() - start
result = [seconds, *(state["answer"] or [answer])]
"""


class BenchmarkError(Exception):
    """The contestants did not do the same work, so there is nothing to compare."""


@dataclass(frozen=True)
class Contestant:
    """One way of doing a row's work.

    Attributes:
        name: what the table calls it.
        source: Python that defines ``work()`` and perhaps ``check()``; common indentation is taken off.
        peer: the peer whose environment it runs in (see ``peers/``); None: our own interpreter and recordfs.
        with_recordfs: whether recordfs can be imported beside the peer, too.
    """

    name: str
    source: str
    peer: str | None = None
    with_recordfs: bool = False


@dataclass(frozen=True)
class AtLeast:
    """The row's first contestant must be `factor` times as fast as the contestant `over`."""

    factor: float
    over: str

    def __str__(self) -> str:
        return f"at least {self.factor:g}x {self.over}"


@dataclass(frozen=True)
class Within:
    """The row's first contestant must take at most `factor` times as long as the contestant `of`."""

    factor: float
    of: str

    def __str__(self) -> str:
        return f"within {self.factor:g}x of {self.of}"


@dataclass(frozen=True)
class Below:
    """The figure of the row's first contestant must be below `limit`, in the row's unit."""

    limit: float

    def __str__(self) -> str:
        return f"below {self.limit:g}"


Requirement = AtLeast | Within | Below


@dataclass(frozen=True)
class Row:
    """One workload, who does it, and what recordfs must reach.

    Attributes:
        title: what is done, in a few words.
        workload: sizes and kind of the data, in one sentence.
        contestants: ours first.
        items: how many items one ``work()`` handles; times are given for one of them.
        item: what an item is called.
        make_files: makes the input in the empty directory it is given, which is removed after the row, and returns the
            variables for the contestants' sources.
        running: what runs meanwhile, such as a server with its data: a context manager over a directory of its own,
            which is removed after the row too, and which gives further variables.
        requirements: what the first contestant must reach.
        unit: None: ``work()`` is timed. Else ``work()`` returns a figure in this unit.
        rounds: overrides the run's number of rounds, for work that is slow or steady.
        new_processes: each round is in processes of its own, for work that a process does once, in memory that it never
            had before.
    """

    title: str
    workload: str
    contestants: Sequence[Contestant]
    items: int = 1
    item: str = "run"
    make_files: Callable[[str], dict[str, Any]] | None = None
    running: Callable[[str], AbstractContextManager[dict[str, Any]]] | None = None
    requirements: Sequence[Requirement] = ()
    unit: str | None = None
    rounds: int | None = None
    new_processes: bool = False


@dataclass(frozen=True)
class Spread:
    """A median with the least and the greatest of what it is the median of."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of `values`, which are not empty."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Outcome:
    """A requirement and what was seen: `figure` and `reached` are None where a contestant was missing."""

    requirement: Requirement
    figure: Spread | None = None
    reached: bool | None = None


@dataclass
class Result:
    """What a row's run gave.

    Attributes:
        row: what was run.
        samples: for each contestant's name, the figure of each round: seconds for the whole work, or the row's unit.
        missing: the contestants whose peer or server is not there, and why.
        outcomes: one for each of the row's requirements.
    """

    row: Row
    samples: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def ratio(self, numerator: str, denominator: str) -> Spread:
        """The spread of one contestant's figure over another's, taken round by round."""
        pairs = zip(self.samples[numerator], self.samples[denominator], strict=True)
        return Spread.of([above / below for above, below in pairs])


def run_row(row: Row, *, rounds: int, directory: str) -> Result:
    """Runs `row` with its files in a new directory under `directory`.

    Raises:
        BenchmarkError: two contestants gave different answers.
        PeerError: a contestant raised an exception.
        PeerDiedError: a contestant's process ended.
    """
    result = Result(row)
    with contextlib.ExitStack() as stack:

        def new_directory() -> str:
            return stack.enter_context(tempfile.TemporaryDirectory(prefix="recordfs-bench-", dir=directory))

        variables = row.make_files(new_directory()) if row.make_files else {}
        if row.running is not None:
            try:
                variables |= stack.enter_context(row.running(new_directory()))
            except ServerMissingError as error:
                result.missing = {contestant.name: str(error) for contestant in row.contestants}
                result.outcomes = [Outcome(requirement) for requirement in row.requirements]
                return result
        wanted = row.rounds or rounds
        if row.new_processes:
            for number in range(wanted + 1):
                with _processes(row, result, variables) as processes:
                    _take_turns(row, result, processes, [number])
        else:
            with _processes(row, result, variables) as processes:
                _take_turns(row, result, processes, range(wanted + 1))
    result.outcomes = [judge(result, requirement) for requirement in row.requirements]
    return result


def _start(contestant: Contestant) -> PeerProcess:
    if contestant.peer is None:
        return own_process()
    return PeerProcess(peer_python(contestant.peer), recordfs=contestant.with_recordfs)


@contextlib.contextmanager
def _processes(row: Row, result: Result, variables: dict[str, Any]) -> Iterator[dict[str, PeerProcess]]:
    """Run a process for each contestant that is there, ready to work; tell in `result` who is missing."""
    processes: dict[str, PeerProcess] = {}
    try:
        for contestant in row.contestants:
            try:
                process = _start(contestant)
            except PeerMissingError as error:
                result.missing[contestant.name] = str(error)
                continue
            processes[contestant.name] = process
            process.call(textwrap.dedent(contestant.source) + _PREPARE, **variables)
        yield processes
    finally:
        for process in processes.values():
            process.close()


def _take_turns(row: Row, result: Result, processes: dict[str, PeerProcess], numbers: Iterable[int]) -> None:
    """Take rounds of these numbers; that of number 0 is not counted."""
    answers: dict[str, Any] = {}
    for number in numbers:
        for name, process in processes.items():
            seconds, answer = process.call(_TIMED, timeout=1800)
            answers[name] = answer
            samples = result.samples.setdefault(name, [])
            if number > 0:
                samples.append(seconds if row.unit is None else float(answer))
        if row.unit is None and len({repr(answer) for answer in answers.values()}) > 1:
            raise BenchmarkError(f"{row.title}: the contestants' answers differ: {answers}")


def judge(result: Result, requirement: Requirement) -> Outcome:
    """What `requirement` comes to: the median of the rounds decides."""
    ours = result.row.contestants[0].name
    other = {AtLeast: "over", Within: "of"}.get(type(requirement))
    names = [ours] if other is None else [ours, getattr(requirement, other)]
    if any(name in result.missing for name in names):
        return Outcome(requirement)
    if isinstance(requirement, AtLeast):
        figure = result.ratio(requirement.over, ours)
        return Outcome(requirement, figure, figure.median >= requirement.factor)
    if isinstance(requirement, Within):
        figure = result.ratio(ours, requirement.of)
        return Outcome(requirement, figure, figure.median <= requirement.factor)
    figure = Spread.of(result.samples[ours])
    return Outcome(requirement, figure, figure.median < requirement.limit)
