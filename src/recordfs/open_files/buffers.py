"""Buffers of callers as flat views of bytes, and answers of backends as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import InternalError, InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["byte_view", "bytes_of_answer", "writable_byte_view"]


def byte_view(data: Buffer) -> memoryview:
    """Return any contiguous buffer as a flat view of its bytes. Release it after use.

    Raises:
        TypeError: ``data`` is str, no buffer, or not contiguous.
    """
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"expected bytes or another buffer, found {type(data).__name__}") from None
    if view.ndim == 1 and view.format == "B" and view.c_contiguous:
        return view
    if "O" in (view.format or ""):
        raise TypeError("expected a buffer of bytes or numbers, found one of Python objects")
    if not view.c_contiguous:
        raise TypeError("expected a contiguous buffer, found one with gaps; copy it with bytes() first")
    # Views with a zero in their shape cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def writable_byte_view(buffer: Buffer, path: str) -> memoryview:
    """Return a writable contiguous buffer as a flat view of its bytes. Release it after use.

    Raises:
        InvalidArgumentError: It is read-only or not contiguous.
        TypeError: It is not a buffer.
    """
    with memoryview(buffer) as view:
        if "O" in (view.format or ""):
            raise InvalidArgumentError("read_into needs a buffer of bytes or numbers, found Python objects", path=path)
        if view.readonly or not view.c_contiguous:
            trouble = "a read-only one" if view.readonly else "one with gaps"
            raise InvalidArgumentError(f"read_into needs a writable, contiguous buffer, found {trouble}", path=path)
        return view.cast("B") if view.nbytes else memoryview(bytearray())


def bytes_of_answer(answer: Buffer, n: int, kind: type[object], path: str) -> bytes:
    """Return what a backend's ``_read`` gave for ``n`` bytes as bytes, unless it can be no answer.

    Raises:
        InternalError: It is not a buffer, or has more than ``n`` bytes; names the backend's class.
    """
    try:
        content = answer if isinstance(answer, bytes) else bytes(memoryview(answer))
    except TypeError:
        raise InternalError(
            f"{kind.__name__}._read returned {type(answer).__name__}; expected bytes", path=path
        ) from None
    if len(content) > n:
        raise InternalError(f"{kind.__name__}._read returned {len(content)} bytes; expected at most {n}", path=path)
    return content
