"""How long does TensorBoard take to open a bucket of 1,000 runs?

A store answers each request after 30 ms and sends one body under every key, so that the bucket has its full size.
Seconds are counted from the first request of a browser, when the process has just said where it listens, to the answer
with the first card's curves of every run, and on to the sixth card's. TensorBoard's own loader reads a run of a tenth
of the steps; its seconds and requests are multiplied up.

Files without an index are asked for with and without the background pass, which goes on to read all of them: without it
the bytes are those that the answers took.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from tools.bound_process import bound_command
from tools.shared_body_store import SharedBodyStore

from benches.harness import Contestant
from benches.surveys import Expectation, Survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.harness import Row

SECONDS_A_REQUEST = 0.03

RUNS, TAGS, STEPS = 1000, 200, 1000

CARDS = 6

COLUMNS = (
    "first card, s",
    "six cards, s",
    "CPU s to six cards",
    "requests to tags",
    "requests",
    "bytes to tags, %",
    "share of bytes, %",
)

_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class _Bucket:
    """Where the logs are.

    Attributes:
        directory: Local files go here.
        whole: The body of every run with an index.
        foreign: The same without.
        tenth: A tenth of its steps, without.
        runs: How many runs there are.
    """

    directory: str
    whole: str
    foreign: str
    tenth: str
    runs: int


def _write_body(directory: str, steps: int, *, index: bool) -> str:
    from recordfs._core import encode_message
    from recordfs.events import EventsWriter

    with EventsWriter(f"{tempfile.mkdtemp(dir=directory)}/events", index=index) as writer:
        for step in range(steps):
            for tag in range(TAGS):
                value = math.sin(0.01 * step + tag) + (step * 7919 * (tag + 1)) % 97 / 970
                summary = encode_message([(1, "b", encode_message([(1, "b", f"tag/{tag:03}"), (2, "f", value)]))])
                writer.write_event(encode_message([(1, "d", 1.7e9 + step), (2, "v", step), (5, "b", summary)]))
    return writer.path


@contextlib.contextmanager
def _bucket(directory: str, runs: int) -> Iterator[_Bucket]:
    yield _Bucket(
        directory,
        _write_body(directory, STEPS, index=True),
        _write_body(directory, STEPS, index=False),
        _write_body(directory, STEPS // 10, index=False),
        runs,
    )


class _Board:
    """A TensorBoard over a store; a context manager."""

    def __init__(self, command: list[str], store: SharedBodyStore, directory: str) -> None:
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": store.endpoint,
            "S3_ENDPOINT": store.endpoint,
            "RECORDFS_CACHE_DIR": tempfile.mkdtemp(dir=directory),
        }
        self._said = tempfile.TemporaryFile("w+", dir=directory)  # noqa: SIM115 (closed by __exit__)
        self._process = subprocess.Popen(
            bound_command([sys.executable, *command]), env=environment, stdout=self._said, stderr=self._said
        )
        self.url = self._wait_for_address()

    def _wait_for_address(self) -> str:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            self._said.seek(0)
            if found := re.search(r"at (http://\S+?)/? ", self._said.read()):
                return found[1].rstrip("/")
            time.sleep(0.02)
        raise RuntimeError("TensorBoard did not start")

    def cpu_seconds(self) -> float:
        """What the process has used, all its threads."""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/data/{path}", timeout=_TIMEOUT_SECONDS) as answer:
            return json.loads(answer.read())

    def card(self, tag: str) -> dict[str, list[dict[str, Any]]]:
        """Return the curves of a tag in every run, asked for as the time series page asks."""
        requests = json.dumps([{"plugin": "scalars", "tag": tag}])
        part = f'--xx\r\nContent-Disposition: form-data; name="requests"\r\n\r\n{requests}\r\n--xx--\r\n'
        request = urllib.request.Request(
            f"{self.url}/data/plugin/timeseries/timeSeries",
            part.encode(),
            {"Content-Type": "multipart/form-data; boundary=xx"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            [found] = json.loads(answer.read())
        curves: dict[str, list[dict[str, Any]]] = found["runToSeries"]
        return curves

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._said.close()


OURS = ["-m", "recordfs.cli", "tensorboard", "s3://bucket/sweep", "--port", "0"]

WITHOUT_BACKGROUND = """
from recordfs.tensorboard.catalog import CatalogOptions
from recordfs.tensorboard.launcher import launch
launch(["s3://bucket/sweep"], ["--port", "0"], CatalogOptions(scan_threads=0))
"""

PLAIN = ["-m", "tensorboard.main", "--logdir", "s3://bucket/sweep", "--port", "0", "--host", "127.0.0.1"]

COMMANDS = {
    "recordfs tensorboard": OURS,
    "tensorboard, recordfs installed": PLAIN,
    "files without an index, no background": ["-c", WITHOUT_BACKGROUND],
    "files without an index": OURS,
}

OWN_LOADER = "TensorBoard's own loader, extrapolated"


def _examine(contestant: Contestant, bucket: _Bucket) -> dict[str, float | str]:
    if contestant.name == OWN_LOADER:
        return _examine_own_loader(bucket)
    body = bucket.foreign if "without" in contestant.name else bucket.whole
    files = {f"sweep/run_{run:04}/events.out.tfevents.1700000000.h.{run}.0": body for run in range(bucket.runs)}
    with SharedBodyStore(files, seconds_a_request=SECONDS_A_REQUEST) as store:
        with _Board(COMMANDS[contestant.name], store, bucket.directory) as board:
            cpu = board.cpu_seconds()
            begin = time.perf_counter()
            tags = board.get("plugin/timeseries/tags")["scalars"]["runTagInfo"]
            assert len(tags) == bucket.runs
            to_tags = dict(store.counts)
            seconds = []
            for number in range(CARDS):
                curves = board.card(f"tag/{number:03}")
                seconds.append(time.perf_counter() - begin)
                assert len(curves) == bucket.runs
                assert {points[-1]["step"] for points in curves.values()} == {STEPS - 1}
            cpu = board.cpu_seconds() - cpu
        counts = dict(store.counts)
    size = bucket.runs * os.path.getsize(body)
    return _cells(seconds, cpu, to_tags, counts, size)


def _examine_own_loader(bucket: _Bucket) -> dict[str, float | str]:
    """Let it read one run of a tenth of the steps; it reads one after another."""
    factor = 10 * bucket.runs
    files = {"sweep/run_0000/events.out.tfevents.1700000000.h.0.0": bucket.tenth}
    with SharedBodyStore(files, seconds_a_request=SECONDS_A_REQUEST) as store:
        with _Board([*PLAIN, "--recordfs", "off", "--load_fast", "false"], store, bucket.directory) as board:
            cpu = board.cpu_seconds()
            begin = time.perf_counter()
            # It puts what it has read into its pages only when it is through with a run's file.
            while not board.get("plugin/timeseries/tags")["scalars"]["runTagInfo"].get("run_0000"):
                time.sleep(0.05)
            while board.card("tag/199").get("run_0000", [{"step": 0}])[-1]["step"] < STEPS // 10 - 1:
                time.sleep(0.05)
            seconds = (time.perf_counter() - begin) * factor
            cpu = (board.cpu_seconds() - cpu) * factor
        counts = {
            kind: count * factor if kind == "bytes" else count * bucket.runs for kind, count in store.counts.items()
        }
    return _cells([seconds], cpu, counts, counts, factor * os.path.getsize(bucket.tenth))


def _cells(
    seconds: list[float], cpu: float, to_tags: dict[str, int], counts: dict[str, int], size: int
) -> dict[str, float | str]:
    figures: tuple[float | str, ...] = (
        f"{seconds[0]:.2f}",
        f"{seconds[-1]:.2f}",
        f"{cpu:.1f}",
        *(sum(some.get(kind, 0) for kind in ("list", "get", "head")) for some in (to_tags, counts)),
        *(f"{100 * some['bytes'] / size:.2f}" for some in (to_tags, counts)),
    )
    return dict(zip(COLUMNS, figures, strict=True))


def _at_most(column: str, most: float) -> Expectation:
    return Expectation(column, f"at most {most:g}", lambda cell: float(cell) <= most)


def rows(scale: float) -> list[Row | Survey]:
    """Opening a bucket; `scale` multiplies the runs."""
    runs = max(10, int(RUNS * scale))
    requests = [_at_most("requests to tags", runs + 10), _at_most("requests", 10 + (1 + CARDS) * runs)]
    asked = {
        "opening a bucket in recordfs tensorboard": (
            ["recordfs tensorboard", OWN_LOADER],
            [_at_most("first card, s", 2), _at_most("share of bytes, %", 1), *requests],
        ),
        "opening a bucket in tensorboard": (
            ["tensorboard, recordfs installed"],
            [_at_most("first card, s", 4), _at_most("share of bytes, %", 1), *requests],
        ),
        "opening a bucket of files without an index": (
            ["files without an index, no background", "files without an index"],
            [_at_most("bytes to tags, %", 0.5), _at_most("share of bytes, %", 1.5)],
        ),
    }
    return [
        Survey(
            title=title,
            workload=f"{runs:,} runs of {TAGS} tags and {STEPS:,} steps in S3, 30 ms a request",
            columns=COLUMNS,
            contestants=[Contestant(name, source="") for name in names],
            running=lambda directory: _bucket(directory, runs),
            examine=_examine,
            expectations=expectations,
        )
        for title, (names, expectations) in asked.items()
    ]
