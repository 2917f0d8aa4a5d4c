"""What does a flush cost? A writer that flushes 200 times: bytes sent, what readers see, memory.

The bytes are counted by a proxy before the server: bodies of requests, retries too. Peers whose ``flush`` publishes
nothing send each byte once and show nothing until they are closed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benches.object_stores import observed_gcs, observed_s3
from benches.surveys import Expectation, Survey, start
from benches.writers import DRIVER, GCS_WRITERS, S3_WRITERS, environment

if TYPE_CHECKING:
    from benches.harness import Contestant
    from benches.object_stores import Observed

MIB = 1 << 20
PIECE = 256 << 10

_PEAK = """
def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024
"""

_BEFORE = f"""{_PEAK}
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak begins anew
state["before"] = resident("VmRSS")
"""

_AFTER = f"""{_PEAK}
result = resident("VmHWM") - state["before"]
"""


def examine(contestant: Contestant, observed: Observed, *, flushes: int) -> dict[str, float | str]:
    """Write, flush and look, again and again."""
    variables = {**observed.variables, "piece_size": PIECE}
    name = contestant.name
    with start(contestant, environment(variables)) as process:
        process.call(contestant.source + DRIVER, **variables)
        # Memory counts from after the first request, which brings in what a client needs.
        process.call('state["begin"](key); state["write"](0); state["close"]()', key=f"{name}-first")
        process.call('state["begin"](key)', key=name)
        process.call(_BEFORE)
        observed.proxy.reset()
        visible = 0
        for number in range(flushes):
            process.call('state["write"](number); state["flush"]()', number=number)
            content = observed.content(name)
            visible += content is not None and len(content) == (number + 1) * PIECE
        growth = process.call(_AFTER)
        process.call('state["close"]()')
    traffic = observed.proxy.traffic()
    return {
        "MiB uploaded": traffic.sent / MIB,
        "requests": traffic.requests,
        f"visible, of {flushes}": visible,
        "memory growth, MiB": growth,
    }


def survey(store: str, running: Any, contestants: list[Contestant], flushes: int, most_uploaded: float) -> Survey:
    """Return the table of one store."""
    visible = f"visible, of {flushes}"
    return Survey(
        title=f"{flushes} flushes, {store}",
        workload=f"{flushes} times 256 KiB and a flush, {flushes * PIECE // MIB} MiB in all, {store}",
        columns=["MiB uploaded", "requests", visible, "memory growth, MiB"],
        contestants=contestants,
        running=running,
        examine=partial(examine, flushes=flushes),
        expectations=[
            Expectation("MiB uploaded", f"at most {most_uploaded:g}", lambda cell: cell <= most_uploaded),
            Expectation(visible, f"{flushes}", lambda cell: cell == flushes),
            Expectation("memory growth, MiB", "below 16", lambda cell: cell < 16),
        ],
    )


def rows(scale: float) -> list[Survey]:
    """One table a store. What may be uploaded stands for the full number of flushes."""
    flushes = max(20, int(200 * scale))
    return [
        survey("SeaweedFS", observed_s3, S3_WRITERS, flushes, 100),
        survey("fake-gcs-server", observed_gcs, GCS_WRITERS, flushes, 52),
    ]
