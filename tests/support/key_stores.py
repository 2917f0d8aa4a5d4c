"""A store of keys in which any text is a name, as in object stores, without a server."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from recordfs import KeyValueFileSystem

if TYPE_CHECKING:
    from recordfs.filesystem import Capabilities

__all__ = ["KeysInMemory"]


class KeysInMemory(KeyValueFileSystem):
    """Values in a dictionary of one's own, which has no file below another.

    Args:
        values: By key; shared with the caller.
    """

    def __init__(self, values: dict[str, bytes]) -> None:
        super().__init__()
        self.values = values

    def capabilities(self, path: str) -> Capabilities:
        return super().capabilities(path)._replace(verbatim_names=True)

    def find_value(self, key: str) -> tuple[int, int] | None:
        return (len(self.values[key]), 0) if key in self.values else None

    def read_value(self, key: str, offset: int, length: int) -> bytes:
        return self.values[key][offset : offset + length]

    def write_value(self, key: str, data: IO[bytes], length: int) -> None:
        self.values[key] = data.read()

    def delete_value(self, key: str) -> None:
        self.values.pop(key, None)

    def list_values(self, prefix: str) -> list[tuple[str, int, int]]:
        return [(key, len(value), 0) for key, value in self.values.items() if key.startswith(prefix)]
