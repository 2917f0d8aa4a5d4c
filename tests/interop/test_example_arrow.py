"""Polars, DuckDB and pandas take Examples without pyarrow in between, and give them back."""

from __future__ import annotations

import pytest

from support.peers import peer_process

pytestmark = pytest.mark.peer

SETUP = """
    import numpy as np
    from recordfs.example import encode_example, from_arrow, to_arrow

    def record(i):
        features = {"id": i, "vector": np.arange(3, dtype=np.float32) * i, "image": bytes([i % 256]) * (i % 7)}
        if i % 3:
            features["tags"] = [f"tag{j}" for j in range(i % 3)]
        return encode_example(features)

    records = [record(i) for i in range(2000)]
    examples = to_arrow(records)
"""


def run(source: str) -> object:
    with peer_process("arrow", recordfs=True) as arrow:
        return arrow.call(SETUP + source)


def test_polars_takes_and_gives_them() -> None:
    result = run("""
    import polars
    import sys

    frame = polars.DataFrame(examples)
    back = list(from_arrow(frame)) == records
    shape = list(frame.shape)
    row = frame.row(5, named=True)
    result = [back, shape, row["id"], list(row["vector"]), row["image"], row["tags"], frame["tags"].null_count()]
    result.append("pyarrow" in sys.modules)
    """)
    assert result == [True, [2000, 4], 5, [0.0, 5.0, 10.0], b"\5" * 5, [b"tag0", b"tag1"], 667, False]


def test_duckdb_takes_and_gives_them() -> None:
    result = run("""
    import duckdb

    counted = duckdb.sql("select count(*), sum(id), count(tags) from examples").fetchall()
    back = list(from_arrow(duckdb.sql("select * from examples order by id"))) == records
    result = [list(counted[0]), back]
    """)
    assert result == [[2000, 1999000, 1333], True]


def test_pandas_takes_and_gives_them() -> None:
    result = run("""
    import pandas

    frame = pandas.DataFrame.from_arrow(examples)
    back = list(from_arrow(frame[["id"]])) == [encode_example({"id": i}) for i in range(2000)]
    result = [len(frame), int(frame["id"].sum()), frame["image"][5], back]
    """)
    assert result == [2000, 1999000, b"\5" * 5, True]
