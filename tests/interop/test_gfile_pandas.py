"""pandas reads and writes through GFile, text and binary; in an environment of its own that has pandas."""

import pytest

from support.peers import peer_process

pytestmark = pytest.mark.peer

# Longer than what pandas reads at a time, so that its reads end inside characters of several bytes.
ROUND_TRIPS = """
import pandas
from recordfs.gfile import GFile

frame = pandas.DataFrame({"name": ["é€😀" * 20 + str(i) for i in range(20_000)], "number": range(20_000)})
result = []
for mode in ("w", "wb"):
    with GFile(path, mode) as file:
        frame.to_csv(file, index=False)
    for read_mode in ("r", "rb"):
        for engine in ("c", "python"):
            with GFile(path, read_mode) as file:
                pandas.testing.assert_frame_equal(pandas.read_csv(file, engine=engine), frame)
            result.append([mode, read_mode, engine])
with GFile(path, "wb") as file:
    frame.to_pickle(file)
with GFile(path, "rb") as file:
    pandas.testing.assert_frame_equal(pandas.read_pickle(file), frame)
with GFile(path, "wb") as file:
    frame.to_parquet(file)
with GFile(path, "rb") as file:
    pandas.testing.assert_frame_equal(pandas.read_parquet(file), frame)
"""


def test_pandas_takes_gfile_for_a_file(tmp_path):
    with peer_process("arrow", recordfs=True) as peer:
        done = peer.call(ROUND_TRIPS, path=str(tmp_path / "frame"))
    assert len(done) == 8
