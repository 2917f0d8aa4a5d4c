"""How type checkers see a filesystem of one's own; `mypy` and `pyright` run over this file, nothing executes it."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import IO, assert_type

import pytest

import recordfs
from recordfs.errors import NotFoundError
from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.testing.conformance import FileSystemConformance
from recordfs.testing.faulty import FaultyFileSystem
from recordfs.testing.stateful import FileSystemMachine


@recordfs.register_file_system("sqlite")
class SqliteFileSystem(recordfs.KeyValueFileSystem):
    """A key-value store, with an option of its own."""

    def __init__(self, *, database: str, **options: object) -> None:
        super().__init__(**options)
        self._database = sqlite3.connect(database)

    def find_value(self, key: str) -> tuple[int, int] | None:
        row: tuple[int, int] | None = self._database.execute("SELECT 1, 2 WHERE ?", [key]).fetchone()
        return row

    def read_value(self, key: str, offset: int, length: int) -> bytes:
        return key.encode()[offset : offset + length]

    def write_value(self, key: str, data: IO[bytes], length: int) -> None:
        self._database.execute("INSERT INTO files VALUES (?, ?, ?)", [key, data.read(), length])

    def delete_value(self, key: str) -> None:
        self._database.execute("DELETE FROM files WHERE key = ?", [key])

    def list_values(self, prefix: str) -> Iterator[tuple[str, int, int]]:
        yield prefix, 1, 2

    def capabilities(self, path: str) -> recordfs.Capabilities:
        return super().capabilities(path)._replace(server_side_copy=True)


class Page(recordfs.RandomAccessFile):
    """A file that is computed when it is opened."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name)
        self._text = text.encode()

    def _read(self, offset: int, n: int) -> bytes:
        return self._text[offset : offset + n]

    def _size(self) -> int:
        return len(self._text)


class Letter(recordfs.WritableFile):
    """A file that is sent when it is closed."""

    def __init__(self, name: str, send: Callable[[bytes], None]) -> None:
        super().__init__(name)
        self._text = bytearray()
        self._send = send

    def _append(self, data: memoryview) -> None:
        self._text += data

    def _flush(self) -> None:
        self._send(bytes(self._text))

    def _tell(self) -> int:
        return len(self._text)

    def _close(self) -> None:
        self._flush()


class SquaresFileSystem(recordfs.ReadOnlyFileSystem):
    """Files that nobody writes."""

    def new_random_access_file(self, path: str) -> Page:
        number = path.removeprefix("squares://")
        if not number.isdecimal():
            raise NotFoundError("only numbers have squares", path=path)
        return Page(path, str(int(number) ** 2))

    def stat(self, path: str) -> recordfs.FileStatistics:
        with self.new_random_access_file(path) as file:
            assert_type(file, Page)
            return recordfs.FileStatistics(length=file.size(), mtime_nsec=0, is_directory=False)


class TestSqlite(FileSystemConformance):
    """The suite that comes with recordfs."""

    @pytest.fixture
    def file_system_and_root(self) -> tuple[recordfs.FileSystem, str]:
        return SqliteFileSystem(database="files.db"), "sqlite://place/root"


class SqliteMachine(FileSystemMachine):
    """The stateful test that comes with recordfs."""

    def open_place(self) -> tuple[recordfs.FileSystem, str]:
        return SqliteFileSystem(database="files.db"), "sqlite://place/root"


def made_and_registered() -> None:
    assert_type(SqliteFileSystem(database="files.db"), SqliteFileSystem)
    SqliteFileSystem(databse="files.db")  # type: ignore[call-arg]  # misspelt
    SqliteFileSystem(database=1)  # type: ignore[arg-type]  # a name is text
    recordfs.register_file_system("squares", SquaresFileSystem)
    recordfs.register_file_system("squares", SquaresFileSystem())
    recordfs.register_file_system("squares", "package.module:SquaresFileSystem")


def faults() -> None:
    store = FaultyFileSystem(MemoryFileSystem())
    with store.new_writable_file("ram://f") as file:
        assert_type(file, recordfs.WritableFile)
        file.append(b"data")
