"""Days on which limits broke, and named spells of stress."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from leverline.evidence.coverage_rows import by_date, stress_rows
from leverline.evidence.crash_days import LISTED, crash_days
from leverline.evidence.scoring import Scored, score
from leverline.evidence.stress_windows import STRESS_WINDOWS, StressWindow, day_number
from leverline.market.bars import Panel
from leverline.measure.losses import worst_losses
from tests.measure.panels import panel_of

MARCH_12 = 11  # row whose close opens the window of 2020-03-12


def crashed() -> tuple[Panel, Scored]:
    """Three markets from 2020-03-01, calm but for a common fall on 12 March and one rise of one market on the 20th."""
    returns = np.full((40, 3), 0.001)
    returns[MARCH_12] = [-0.6, -0.4, 0.0]
    returns[19, 2] = 0.5
    panel = panel_of(100.0 * np.exp(np.cumsum(returns, axis=0)), symbols=("A", "B", "C"), start="2020-03-01")
    return panel, score(panel, worst_losses(panel, 1), np.full((40, 3, 2), 0.2), 0.01, 0, 39)


def test_a_crash_day_names_who_broke_by_how_much_and_how_many_stood() -> None:
    """A committee would be told that one market broke on the day when all did."""
    _, scored = crashed()
    days = crash_days(scored, "book", 0.99, 86_400.0)
    assert [(d.date, d.markets, d.markets_observed, d.name) for d in days] == [
        ("2020-03-12", 2, 3, "COVID crash"), ("2020-03-20", 1, 3, "COVID crash")]
    first = days[0].breaches
    assert [(b.symbol, b.side) for b in first] == [("A", "long"), ("B", "long")]
    assert first[0].loss == pytest.approx(1 - np.exp(-0.6))
    entry = days[0].to_dict()["breaches"][0]
    assert list(entry) == ["symbol", "side", "loss", "margin", "size"]
    assert entry["size"] == pytest.approx(1 - np.exp(-0.6) - 0.2)
    assert (days[1].breaches[0].symbol, days[1].breaches[0].side) == ("C", "short")


def test_a_market_that_breaks_every_hour_of_a_day_is_one_market_with_its_worst_hour() -> None:
    """Twenty-four windows into one crash would be shown as twenty-four markets, or the mildest of them."""
    returns = np.full((72, 1), 0.0)
    returns[30:36, 0] = -0.08
    panel = panel_of(100.0 * np.exp(np.cumsum(returns, axis=0)), spacing_s=3600, start="2024-08-04")
    scored = score(panel, worst_losses(panel, 4), np.full((72, 1, 2), 0.1), 0.01, 0, 71)
    (day,) = crash_days(scored, "model", 0.99, 4 * 3600.0)
    assert (day.date, day.name, day.markets, len(day.breaches)) == ("2024-08-05", "yen unwind", 1, 1)
    assert day.breaches[0].loss == pytest.approx(1 - np.exp(-0.32))


def test_the_days_with_most_markets_come_first_and_the_list_is_bounded() -> None:
    """The day on which the whole market broke would be cut off behind days on which one coin did."""
    rng = np.random.default_rng(0)
    returns = np.where(rng.random((300, 6)) < 0.2, -0.5, 0.0)
    panel = panel_of(1e6 * np.exp(np.cumsum(returns, axis=0)))
    scored = score(panel, worst_losses(panel, 1), np.full((300, 6, 2), 0.3), 0.01, 0, 299)
    days = crash_days(scored, "book", 0.99, 86_400.0)
    assert len(days) == LISTED
    counts = [d.markets for d in days]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == scored.breach.any(axis=2).sum(axis=1).max()


def test_stress_rows_count_the_windows_of_the_spell_and_no_other() -> None:
    """Breaches would be blamed on a crisis that came a week later."""
    _, scored = crashed()
    (row,) = stress_rows(scored, "book", 0.99, 86_400.0)
    assert row.window == "COVID crash"
    assert (row.observations, row.exceedances) == (13 * 6, 3)
    assert row.rate == pytest.approx(3 / 78)
    hits, seen = by_date(scored)
    assert (hits.sum(), seen.sum()) == (3, 39 * 6)
    assert hits[MARCH_12 - 1] == 2


def test_stress_windows_are_ordered_disjoint_spells_of_days() -> None:
    """One crash would be counted in two rows, or a row be empty for ever."""
    for window in STRESS_WINDOWS:
        first, last = window.days
        assert first <= last
        assert (day_number(first), day_number(last)) == (window.first.isoformat(), window.last.isoformat())
    for before, after in pairwise(STRESS_WINDOWS):
        assert before.last < after.first
    assert len({w.name for w in STRESS_WINDOWS}) == len(STRESS_WINDOWS)
    assert isinstance(STRESS_WINDOWS[0], StressWindow)
