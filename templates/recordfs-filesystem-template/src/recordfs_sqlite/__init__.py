"""``sqlite://``: the rows of a table in an SQLite database as files."""

import contextlib
import sqlite3
import time

from recordfs import KeyValueFileSystem


class SqliteFileSystem(KeyValueFileSystem):
    """Files in one SQLite database, under the option ``database``."""

    def __init__(self, *, database, **options):
        super().__init__(**options)
        self._database = str(database)
        self._run("CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, value BLOB, time INTEGER)")

    def _run(self, statement, *values):
        with contextlib.closing(sqlite3.connect(self._database)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def find_value(self, key):
        rows = self._run("SELECT length(value), time FROM files WHERE key = ?", key)
        return rows[0] if rows else None

    def read_value(self, key, offset, length):
        return self._run("SELECT substr(value, ?, ?) FROM files WHERE key = ?", offset + 1, length, key)[0][0]

    def write_value(self, key, data, length):
        self._run("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", key, data.read(), time.time_ns())

    def delete_value(self, key):
        self._run("DELETE FROM files WHERE key = ?", key)

    def list_values(self, prefix):
        return self._run("SELECT key, length(value), time FROM files WHERE substr(key, 1, length(?1)) = ?1", prefix)
