"""Collecting garbage in tests that do it very often."""

import gc

__all__ = ["forget_what_is_here"]


def forget_what_is_here() -> None:
    """Keep everything that is alive now out of later collections, which would look at all of it each time.

    By then a process of the tests has a million objects, and a collection takes a tenth of a second.
    """
    gc.collect()
    gc.freeze()
