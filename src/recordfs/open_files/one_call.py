"""Refusing a call to a writer from inside another of its calls: a signal handler runs between any two lines of one."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from recordfs.errors import FailedPreconditionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.open_files.open_file import OpenFile

__all__ = ["CallUnderWay", "no_call", "one_call", "refuse_call"]

Method = TypeVar("Method", bound="Callable[..., Any]")


class CallUnderWay:
    """A call that is under way: it lives as long as the function that makes it, however that ends."""

    __slots__ = ("__weakref__",)


def no_call() -> CallUnderWay | None:
    """Return that no call is under way, as a reference to one that has ended does."""
    return None


def refuse_call(file: OpenFile) -> FailedPreconditionError:
    """Return the error of a call inside another one: it would undo what that has done, or be forgotten by it."""
    return FailedPreconditionError(
        "the writer was called again from inside one of its own calls, by a signal handler or by another thread; it "
        "takes one call at a time",
        path=file.name,
    )


def one_call(method: Method) -> Method:
    """Refuse a method of a writer, by FailedPreconditionError, while another one so marked is under way in it."""

    @functools.wraps(method)
    def guarded(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if self.__dict__.get("_call_under_way", no_call)() is not None:
            raise refuse_call(self)
        call = CallUnderWay()
        self._call_under_way = weakref.ref(call)
        try:
            return method(self, *arguments, **keywords)
        finally:
            del call  # the traceback of an error would keep it

    return guarded  # type: ignore[return-value]  # it is called as the method is
