"""Forked children read objects in another way than their parent, and say so once, however many there are."""

from __future__ import annotations

import logging
import os

import pytest

pytest.importorskip("obstore")

from recordfs.filesystems._object_store import range_fetcher


def test_children_that_were_forked_after_a_read_warn_once_in_all(monkeypatch, tmp_path):
    monkeypatch.setattr(range_fetcher, "_first_reader", None)
    monkeypatch.setattr(range_fetcher, "_warned", None)
    assert range_fetcher._usable_here()
    log = tmp_path / "log"
    handler = logging.FileHandler(log)
    logger = logging.getLogger("recordfs")
    logger.addHandler(handler)
    try:
        for _ in range(3):  # workers of one epoch after the other
            child = os.fork()
            if not child:
                usable = [range_fetcher._usable_here() for _ in range(2)]
                os._exit(any(usable))
            assert os.waitpid(child, 0)[1] == 0
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert range_fetcher._usable_here()
    assert log.read_text().count("was forked after") == 1
