"""What a call of the command line within the test's process looks like; the fixture is in tests/unit/cli."""

from typing import NamedTuple, Protocol


class Ran(NamedTuple):
    """What a call left: its exit status, standard output and standard error."""

    status: int
    out: str
    err: str


class Recordfs(Protocol):
    """Calls ``recordfs`` with words."""

    def __call__(self, *words: str) -> Ran: ...
