"""Pegs: episodes counted once, bounded where none was seen, and no discount between two clocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.ratio_tail import CONFIRM_S, depeg_record, depegs, ratio_panel
from tests.measure.panels import panel_of


def ratio_of(values: list[float]) -> FloatArray:
    return np.array(values)[:, None]


def test_one_depeg_is_one_episode_however_it_shakes() -> None:
    """A peg that trembles around the line would look like twenty failures, and one that failed twice like one."""
    path = [1.0, 0.97, 0.985, 0.975, 0.985, 0.995, 1.0, 0.90, 1.0]
    found = depegs(panel_of(ratio_of(path)))
    assert [round(e.deepest, 3) for e in found] == [0.03, 0.1]


def test_an_episode_that_has_not_healed_says_so() -> None:
    """A lender would take a coin that is below its peg right now for one with a past."""
    record = depeg_record(panel_of(ratio_of([1.0, 1.0, 0.5, 0.4])), 1)
    assert record.ends_inside
    assert record.deepest == pytest.approx(0.6)
    assert record.worst_loss[0] == pytest.approx(0.5)


def test_no_depeg_seen_is_not_no_depeg_possible() -> None:
    """A peg a month old would be taken for one that cannot break: without an event the bound is -ln(0.05) over time."""
    short, long = (depeg_record(panel_of(np.ones((n, 1))), 1) for n in (30, 3000))
    assert short.per_year == 0.0
    assert short.per_year_bound == pytest.approx(-np.log(0.05) / (30 / 365))
    assert short.per_year_bound > long.per_year_bound > 0.0


def test_two_clocks_are_not_a_depeg() -> None:
    """A staked coin whose price is stamped an hour late would be liquidated for its feed."""
    rows = np.arange(40)
    asset, reference = np.where(rows < 20, 100.0, 80.0), np.where(rows < 21, 100.0, 80.0)
    hourly = panel_of(np.column_stack([asset, reference]), spacing_s=3600)
    assert depegs(panel_of((asset / reference)[:, None], spacing_s=3600)) != ()
    assert depegs(ratio_panel(hourly, 0, 1)) == ()
    lasting = panel_of(np.column_stack([np.r_[np.ones(5), np.full(9, 0.9)], np.ones(14)]), spacing_s=3600)
    assert len(depegs(ratio_panel(lasting, 0, 1))) == 1
    assert CONFIRM_S == 3 * 3600


def test_redemption_is_what_the_ratio_is_measured_against() -> None:
    """A staked coin that has earned a tenth would look safe at a tenth below what it redeems for."""
    close = np.column_stack([np.full(5, 1.0), np.ones(5)])
    record = depeg_record(ratio_panel(panel_of(close), 0, 1, np.full(5, 1.1)), 1)
    assert record.deepest == pytest.approx(1 - 1 / 1.1)


def test_what_cannot_be_a_record_is_refused() -> None:
    """A typed-in zero would make every price a depeg or none."""
    panel = panel_of(np.ones((5, 1)))
    with pytest.raises(UsageError, match="discount"):
        depegs(panel, discount=0.0)
    with pytest.raises(UsageError, match="positive"):
        ratio_panel(panel, 0, None, np.zeros(5))
    with pytest.raises(InsufficientDataError):
        depeg_record(panel_of(ratio_of([1.0, np.nan])), 1)


@given(values=st.lists(st.floats(0.3, 1.1), min_size=3, max_size=60), low=st.floats(0.005, 0.05))
def test_the_record_holds_every_discount(values: list[float], low: float) -> None:
    """A discount outside all episodes would be one that nobody counts."""
    panel = panel_of(ratio_of(values))
    episodes = depegs(panel, discount=low)
    inside = np.zeros(len(values), bool)
    for e in episodes:
        inside |= (panel.ts + panel.spacing_ns >= e.start_ns) & (panel.ts + panel.spacing_ns <= e.end_ns)
    deep = 1.0 - np.array(values) >= low
    assert not np.any(deep & ~inside)
    assert len(episodes) <= deep.sum()
