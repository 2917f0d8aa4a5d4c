"""The time series page of an unmodified TensorBoard over a bucket, in headless Chromium: curves are on the canvas.

Pictures of the page are left in the directory of the test, for whoever looks into a failure.
"""

import io
import sys

import numpy as np
import pytest
from PIL import Image
from tools.shared_body_store import SharedBodyStore

from recordfs.events import SummaryWriter
from support.browser import Browser
from support.tensorboard import TensorBoard

pytestmark = [pytest.mark.service, pytest.mark.slow]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}

CANVAS = "scalar-card canvas"


@pytest.fixture
def body(tmp_path):
    with SummaryWriter(str(tmp_path / "run")) as writer:
        for step in range(200):
            writer.add_scalar("loss", 1 / (1 + step), step)
    [path] = writer.file_writer.paths
    return path


def coloured_pixels(browser):
    """How many pixels of the first chart have a colour: axes and text are grey, curves are not."""
    place = browser.place_of(CANVAS)
    if place is None:
        return 0
    pixels = np.asarray(Image.open(io.BytesIO(browser.picture(place))).convert("RGB")).astype(int)
    return int((pixels.max(axis=2) - pixels.min(axis=2) > 60).sum())


def tick(browser, row):
    """Tick a run, as a person does: again if the page was just drawn anew under the mouse."""

    def is_ticked():
        if not browser.evaluate(f"document.querySelector('{row}').checked"):
            browser.click(row)
        return browser.evaluate(f"document.querySelector('{row}').checked")

    browser.wait_until(is_ticked)


@pytest.mark.parametrize("runs", [40, 1000])
def test_curves_are_drawn_and_above_500_runs_after_a_tick(body, tmp_path, runs):
    files = {f"sweep/run_{run:04}/events.out.tfevents.1700000000.host.{run}.0": body for run in range(runs)}
    with SharedBodyStore(files) as store:
        environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": store.endpoint}
        with (
            TensorBoard("s3://bucket/sweep", "auto", environment=environment, python=sys.executable) as board,
            Browser() as browser,
        ):
            browser.open(f"{board.url}/#timeseries")
            browser.wait_for(f"document.querySelectorAll('{CANVAS}').length > 0")
            row = "tb-data-table-content-row[data-id$=run_0001] input[type=checkbox]"
            browser.wait_for(f"document.querySelector('{row}') !== null")
            if runs > 500:  # TensorBoard opens the page with no run ticked
                assert not browser.evaluate(f"document.querySelector('{row}').checked")
                assert coloured_pixels(browser) == 0
                tick(browser, row)
            try:
                browser.wait_until(lambda: coloured_pixels(browser) > 200)
            finally:
                browser.screenshot(str(tmp_path / f"runs_{runs}.png"))
            assert browser.evaluate(f"document.querySelector('{row}').checked")
        assert store.counts["list"] + store.counts["get"] + store.counts["head"] <= 2 * runs + 20
        assert "secret" not in board.log()
