"""The native module. Its classes take their documentation from here; the Rust beside it says how."""

from types import TracebackType
from typing import Self, final

# region.rs

@final
class ReadOnlyMemoryRegion:
    """The bytes of a file as a read-only buffer: mapped, or held as ``bytes``.

    ``memoryview(region)``, ``numpy.frombuffer(region, ...)`` and everything else that takes a buffer see the bytes
    without a copy, and ``memoryview(region)[a:b]`` is a slice without one. The memory stays until the region is closed
    or collected *and* every such view is gone, so a view can never outlive its bytes. Safe to use from many threads.

    A mapped file that another process shortens kills this process (SIGBUS) when the missing part is touched: map only
    files that nobody writes.

    Args:
        data: The bytes to hold; they are not copied.
    """

    def __new__(cls, data: bytes) -> Self: ...
    @staticmethod
    def map_file(file_descriptor: int) -> ReadOnlyMemoryRegion:
        """Map the whole of an open regular file; the descriptor may be closed afterwards.

        An empty file gives an empty region.

        Raises:
            OSError: The descriptor cannot be mapped (a directory, a pipe, not open for reading).
        """

    @property
    def length(self) -> int:
        """The number of bytes; known also after closing."""

    @property
    def data(self) -> memoryview:
        """A new view over all bytes.

        Raises:
            ClosedFileError: The region is closed.
        """

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""

    def close(self) -> None:
        """Refuse new views and, once the existing ones are gone, let go of the memory. Idempotent."""

    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
