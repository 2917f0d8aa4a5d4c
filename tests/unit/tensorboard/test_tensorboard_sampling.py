"""Which points of a long curve are shown."""

import numpy as np
import pytest

from recordfs.tensorboard.sampling import choose_evenly, choose_points


@pytest.mark.parametrize(("count", "most"), [(10, 3), (10, 9), (1000, 7), (11, 2), (5, 1), (5, 5), (5, 8), (0, 4)])
def test_evenly_chosen_points_are_as_many_as_asked_for_and_reach_from_end_to_end(count, most):
    chosen = choose_evenly(count, most)
    assert len(set(chosen.tolist())) == len(chosen) == min(count, most)
    assert chosen.tolist() == sorted(chosen)
    assert chosen[-1:].tolist() == [count - 1][:count]
    if most > 1:
        assert chosen[:1].tolist() == [0][:count]
        assert max(np.diff(chosen), default=1) - min(np.diff(chosen), default=1) <= 1


def test_no_points_are_chosen_where_none_are_wanted():
    assert choose_evenly(10, 0).tolist() == []
    assert choose_points(np.arange(10.0), 0).tolist() == []


@pytest.mark.parametrize("most", [1, 4, 5, 16, 100])
def test_chosen_points_of_a_curve_keep_its_spikes_and_its_newest_point(most):
    values = np.sin(np.arange(10_000) / 500)
    values[1234], values[7654], values[5000] = 9.0, -9.0, np.nan
    chosen = choose_points(values, most).tolist()
    assert 1 <= len(chosen) <= most
    assert chosen == sorted(set(chosen))
    assert chosen[-1] == 9_999
    if most >= 5:
        assert {1234, 7654} <= set(chosen)
