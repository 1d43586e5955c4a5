"""Thinned series look like the whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leverline.report.thinning import displayed_rows, displayed_tail

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, n_rows=st.integers(1, 4000), limit=st.integers(40, 400))
def test_extremes_and_breaches_are_drawn(seed: int, n_rows: int, limit: int) -> None:
    """A committee must never be shown a chart from which the worst day was thinned away."""
    rng = np.random.default_rng(seed)
    price, margin = rng.standard_normal(n_rows), rng.standard_normal(n_rows)
    breach = rng.random(n_rows) < 0.01
    rows = displayed_rows([price, margin], limit, breach)
    assert np.all(np.diff(rows) > 0)
    assert rows[0] == 0
    assert rows[-1] == n_rows - 1
    assert np.isin(np.flatnonzero(breach), rows).all()
    for column in (price, margin):
        assert column[rows].max() == column.max()
        assert column[rows].min() == column.min()
    assert rows.size <= max(limit, min(n_rows, limit + 4)) + breach.sum() + 2


@given(seed=seeds, start=st.integers(1, 2500), length=st.integers(1, 400))
def test_a_gap_stays_a_gap(seed: int, start: int, length: int) -> None:
    """A halt must not be drawn as a straight line, as if the market had traded through it."""
    values = np.random.default_rng(seed).standard_normal(3000)
    values[start:start + length] = np.nan
    drawn = values[displayed_rows([values], 200)]
    before = np.flatnonzero(np.isnan(drawn))
    assert before.size >= 1
    assert np.isnan(values[start])


def test_short_series_are_untouched() -> None:
    """Thinning must not drop anything where there is room for everything."""
    assert displayed_rows([np.arange(100.0)], 200).tolist() == list(range(100))


@given(seed=seeds, n=st.integers(10, 5000))
def test_the_largest_losses_stay_in_the_tail(seed: int, n: int) -> None:
    """The tail plot exists for the largest losses: none of them may be left out, none may change its rank."""
    losses = np.random.default_rng(seed).standard_t(3, n)
    drawn, exceeded = displayed_tail(losses, 300)
    largest = np.sort(losses)[::-1][: min(150, n)]
    largest = largest[largest > 0]
    assert np.array_equal(drawn[: largest.size], largest)
    if drawn.size:
        assert exceeded[0] == 1 / (n + 1)
        assert np.all(np.diff(exceeded) > 0)
