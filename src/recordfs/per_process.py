"""What must not cross a fork: clients, pools and counters that each process makes for itself, and whose a thing is.

A connection that a parent made is shared with its children, and a lock that one of its threads held stays locked in
them. What holds such things holds them in a ``PerProcess``. What belongs to the process that made it, such as a writer,
keeps an ``OwningProcess`` and asks it.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OwningProcess", "PerProcess"]

T = TypeVar("T")


class OwningProcess:
    """The process that made this object, to which what holds it belongs. Thread-safe.

    Attributes:
        pid: Its number.
        current_pid: That of the process that is running, on the class. Python tells of every fork that runs Python code
            afterwards, so that no look costs a system call.
    """

    __slots__ = ("pid",)

    current_pid: ClassVar[int] = os.getpid()

    def __init__(self) -> None:
        self.pid = OwningProcess.current_pid

    @property
    def is_current(self) -> bool:
        """Whether this is that process, and not a child that was forked from it."""
        return self.pid == OwningProcess.current_pid


class PerProcess(Generic[T]):
    """One value in each process, made when it is first asked for. Thread-safe.

    A child that was forked does not see its parent's value. It keeps the reference, so that no destructor of the
    parent's value (which may wait for threads that the child does not have) runs in the child.

    Args:
        make: Returns the value. One call at a time; what it raises reaches the caller, and the next call makes another.
        made: This process's value, where it is there already.
    """

    __slots__ = ("__weakref__", "_lock", "_made", "_make")

    def __init__(self, make: Callable[[], T], made: T | None = None) -> None:
        self._make = make
        self._made: tuple[OwningProcess, T] | None = None if made is None else (OwningProcess(), made)
        self._lock = threading.RLock()
        _instances.add(self)

    def get(self) -> T:
        """Return this process's value, made now if it is not there yet."""
        made = self._made
        if made is not None and made[0].is_current:
            return made[1]
        with self._lock:
            made = self._made
            if made is None or not made[0].is_current:
                made = self._made = (OwningProcess(), self._make())
            return made[1]

    def peek(self) -> T | None:
        """Return this process's value, or None if it has made none."""
        made = self._made
        return made[1] if made is not None and made[0].is_current else None

    def take(self) -> T | None:
        """Return this process's value, or None, and forget it: the next ``get`` makes another."""
        with self._lock:
            value = self.peek()
            self._made = None
            return value


_instances: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()


# What parents made: kept for ever, out of reach of the collector, in every child.
_inherited: list[object] = []


def _renew() -> None:
    """Give a forked child free locks, and nothing of its parent's: the threads that held either are not in it."""
    OwningProcess.current_pid = os.getpid()
    for instance in list(_instances):
        instance._lock = threading.RLock()
        made, instance._made = instance._made, None
        if made is not None:
            _inherited.append(made)


os.register_at_fork(after_in_child=_renew)
