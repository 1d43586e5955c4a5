"""Moving an index there and back: what it costs, and what it must not let one owner take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.manipulation import (
    IndexSource,
    exposure_within_cost,
    gain_of_borrower,
    gain_of_open_interest,
    index_cost,
    move_grid,
    round_trip_cost,
)
from leverline.ground.errors import UsageError
from leverline.measure.cost_curve import CostCurve, curve_from_costs, extend_with_bands, square_root_curve

ROOT = square_root_curve(0.05 / np.sqrt(50e6))  # Y sigma / sqrt(V): 5 % a day, 50 m a day
SOURCE = IndexSource(ROOT, ROOT)
BOOK = curve_from_costs(np.array([1e4, 5e4, 2e5]), np.array([1e-4, 5e-4, 2e-3]), float("nan"))


def bound(source: IndexSource, *, smallest: float = 0.05, safety: float = 2.0, persistence: float = 2 / 3,
          count: int = 1) -> float:
    return exposure_within_cost([source] * count, gain_of_open_interest, smallest_move=smallest, safety=safety,
                                persistence=persistence).exposure


def test_the_square_root_law_costs_two_thirds_of_the_notional_moved() -> None:
    """The price of an attack would be off, and with it every cap that rests on it."""
    move = np.array([0.01, 0.1, 1.0])
    quantity = (move / 0.05) ** 2 * 50e6
    np.testing.assert_allclose(round_trip_cost(ROOT, ROOT, move, 2 / 3), 2 / 3 * move * quantity)
    np.testing.assert_allclose(round_trip_cost(ROOT, ROOT, move, 0.0), 4 / 3 * move * quantity)


def test_an_even_book_that_keeps_the_whole_move_costs_nothing() -> None:
    """A linear permanent impact lets an attacker move the index for free, and the cap must then be nothing."""
    even = extend_with_bands(square_root_curve(0.0), np.array([0.5]), np.array([1e6]))
    cost = round_trip_cost(even, even, np.array([0.1, 0.3]), 1.0)
    assert np.all(cost <= 0.02 * np.array([0.1, 0.3]) * 1e6)  # chords over steps of a 64th


def test_the_bound_of_the_square_root_law_is_that_of_the_smallest_move() -> None:
    """Larger moves cost more per unit taken: an attacker would choose the smallest that pays."""
    found = exposure_within_cost([SOURCE] * 3, gain_of_open_interest, smallest_move=0.05, safety=2.0, persistence=2 / 3)
    assert found.move == pytest.approx(0.05)
    assert found.exposure == pytest.approx(3 * (2 / 3) * 50e6 / 2.0)


@given(move=st.floats(0.02, 0.9), smallest=st.floats(0.01, 0.5), persistence=st.floats(0.0, 0.99),
       direction=st.sampled_from(["up", "down"]))
def test_no_move_takes_out_what_it_costs(move: float, smallest: float, persistence: float, direction: str) -> None:
    """An attacker would find a move between the ones that were looked at."""
    tail = 0.02 / np.sqrt(1e6)
    source = IndexSource(replace(BOOK, root_rate=tail), replace(BOOK.scaled(1.7), root_rate=tail))
    exposure = bound(source, smallest=smallest, safety=1.0, persistence=persistence)
    if move < smallest:
        return
    cost = float(index_cost([source], np.array([move]), direction, persistence)[0])
    assert exposure * move <= cost * 1.15 + 1e-6  # between two moves of the grid, 11 % apart


@given(depth=st.floats(0.1, 1.0), safety=st.floats(1.0, 5.0), later=st.floats(0.01, 0.2))
def test_thinner_or_safer_never_allows_more(depth: float, safety: float, later: float) -> None:
    """A cap that grows when depth shrinks or when more safety is asked for rewards the attacker."""
    base = bound(SOURCE)
    thinner = ROOT.scaled(depth)
    assert bound(IndexSource(thinner, thinner)) <= base * (1 + 1e-9)
    assert bound(SOURCE, safety=2.0 * safety) <= base * (1 + 1e-9)
    assert bound(SOURCE, smallest=0.05 * (1 - later)) <= base * (1 + 1e-9)
    assert bound(SOURCE, persistence=1.0) <= base * (1 + 1e-9)


def test_a_book_without_a_tail_protects_nobody() -> None:
    """Beyond the last level nothing is known; a cost invented there would be a cap invented too."""
    found = exposure_within_cost([IndexSource(BOOK, BOOK)], gain_of_open_interest, smallest_move=0.01, safety=2.0,
                                 persistence=0.5)
    assert np.isnan(found.exposure)


def test_the_grid_has_every_step_of_the_curves() -> None:
    """Just before the next level a move is cheapest: a grid that skips it overstates the cost."""
    steps = np.diff(BOOK.given_up) / np.diff(BOOK.notional)
    grid = move_grid([IndexSource(BOOK, BOOK)], 1e-5, "up")
    assert set(steps.tolist()) <= set(grid.tolist())


def test_falls_are_sold_and_rises_are_bought() -> None:
    """A thin bid would be an open door for an attacker who is short."""
    thin, deep = ROOT.scaled(0.1), ROOT
    source = IndexSource(selling=thin, buying=deep)
    up, down = (index_cost([source], np.array([0.1]), way, 1.0)[0] for way in ("up", "down"))
    assert down < up
    found = exposure_within_cost([source], gain_of_open_interest, smallest_move=0.05, safety=2.0, persistence=1.0)
    assert found.direction == "down"


def test_a_price_cannot_fall_by_more_than_all() -> None:
    """A market without leverage has no fall that bankrupts anybody, and would end the calibration in an error."""
    assert move_grid([SOURCE], 1.0, "down").size == 0
    found = exposure_within_cost([SOURCE], gain_of_open_interest, smallest_move=1.0, safety=1.0, persistence=0.5)
    assert (found.direction, found.move) == ("up", 1.0)


def test_a_borrower_gains_nothing_below_what_is_left_behind() -> None:
    """A loan on pumped collateral pays only once it exceeds what the collateral cost."""
    gain = gain_of_borrower(0.5)
    np.testing.assert_allclose(gain(np.array([0.5, 1.0, 3.0])), [0.0, 0.0, 1.0])


def test_a_higher_ltv_never_allows_more_supply() -> None:
    """Lending more on the same collateral is an easier prey."""
    allowed = [exposure_within_cost([SOURCE], gain_of_borrower(ltv), smallest_move=1 / ltv - 1, safety=2.0,
                                    persistence=0.5, directions=("up",)).exposure for ltv in (0.3, 0.5, 0.7, 0.9)]
    assert allowed == sorted(allowed, reverse=True)


@pytest.mark.parametrize("wrong", [{"safety": 0.5}, {"persistence": 1.5}, {"smallest": 0.0}, {"count": 0}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    """A safety below one would let an attack pay."""
    with pytest.raises(UsageError):
        bound(SOURCE, **wrong)  # type: ignore[arg-type]


def test_unknown_curves_have_unknown_cost() -> None:
    """An unknown cost counted as a number would pass as protection."""
    nothing: CostCurve = square_root_curve(float("nan"))
    assert np.isnan(round_trip_cost(nothing, nothing, np.array([0.1]), 0.5)).all()
