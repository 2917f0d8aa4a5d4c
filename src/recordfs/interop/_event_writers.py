"""The writer that stands in for those of torch and tensorboardX: same arguments, same methods, any filesystem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import FailedPreconditionError
from recordfs.events.file_writer import EventFileWriter
from recordfs.paths import path_to_str

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Replacement", "stand_in"]

OUR_PREFIX = "recordfs+"
"""What fsspec calls our schemes by; a writer that does not know it would make a local folder of that name."""

START = 1
"""``SessionLog.START``."""


def stand_in(settings: dict[str, Any]) -> type[EventFileWriter]:
    """Return a class that is made as the peers make their ``EventFileWriter``.

    Args:
        settings: Keywords of EventFileWriter that the peers do not give, such as ``policy``.
    """

    class EventFileWriterStandIn(EventFileWriter):
        """Writes events through recordfs."""

        def __reduce__(self) -> tuple[object, ...]:
            return _restored, (settings, self.__getstate__())

        def __init__(
            self, logdir: Any, max_queue_size: int = 10, flush_secs: float = 120, filename_suffix: str = ""
        ) -> None:
            directory = path_to_str(logdir)
            super().__init__(
                directory.removeprefix(OUR_PREFIX) if "://" in directory else directory,
                max_queue_size,
                flush_secs,
                filename_suffix or "",
                **settings,
            )

        def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
            """Add an event; the start of a job twice, because one alone removes nothing in TensorBoard."""
            super().add_event(event, step, walltime)
            if getattr(getattr(event, "session_log", None), "status", 0) == START:
                super().add_event(event, step, walltime)

    return EventFileWriterStandIn


def _restored(settings: dict[str, Any], state: dict[str, Any]) -> EventFileWriter:
    """Return a pickled writer, in a process where ``install`` may not have been called."""
    kind = stand_in(settings)
    writer = kind.__new__(kind)
    writer.__setstate__(state)
    return writer


class Replacement:
    """A class of another package, put in the place of its own.

    Attributes:
        module: The module that has the name.
        name: The name.
    """

    def __init__(self, name: str) -> None:
        self.module: ModuleType | None = None
        self.name = name
        self._former: Any = None

    def put(self, module: ModuleType, replacement: type) -> None:
        """Put it there; again with other settings, if it is there already."""
        former = getattr(module, self.name, None)
        if former is None:
            raise FailedPreconditionError(
                f"{module.__name__} has no {self.name}: this version of it is not one that recordfs knows"
            )
        if self.module is None:
            self.module, self._former = module, former
        setattr(module, self.name, replacement)

    def take_back(self) -> None:
        """Put the former class back. Idempotent."""
        if self.module is not None:
            setattr(self.module, self.name, self._former)
            self.module = self._former = None
