"""What if prices stood elsewhere: who moves, who stays, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.what_if import read_shifts, shifted
from leverline.model.market_state import MarketState

MARKS = {"BTC/USDT:USDT": 100.0, "BTC/USD:BTC": 101.0, "BTC/USD": 100.5, "ETH/BTC": 0.05, "ETH/USDT:USDT": 5.0,
         "1000PEPE": 2.0, "BTC/USD:BTC-261225-90000-C": 12.0}
STATE = MarketState.of(MARKS)


def moved(**shifts: float) -> set[str]:
    """Names whose mark moved."""
    after = shifted(STATE, shifts)
    return {name for name, before, now in zip(STATE.names, STATE.mark, after.mark, strict=True) if before != now}


def test_an_underlying_moves_its_markets_and_its_asset_price() -> None:
    """A fall of bitcoin would reach its perpetual and leave bitcoin collateral at the old price."""
    assert moved(BTC=-0.2) == {"BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USD"}
    assert shifted(STATE, {"BTC": -0.2}).mark[0] == 80.0


def test_a_whole_name_moves_only_itself() -> None:
    """A question about one market would be answered about three."""
    assert moved(**{"BTC/USD": -0.2}) == {"BTC/USD"}
    assert moved(**{"1000PEPE": 0.5}) == {"1000PEPE"}


def test_an_option_does_not_move_with_its_underlying() -> None:
    """An option would be priced as if its delta were 1 and its strike did not matter."""
    assert moved(**{"*": -0.1}) == set(MARKS) - {"BTC/USD:BTC-261225-90000-C"}


@given(order=st.permutations(["*", "BTC", "BTC/USD:BTC"]))
def test_the_narrowest_shift_holds_in_any_order(order: list[str]) -> None:
    """The same three wishes would give three different answers."""
    wishes = {"*": -0.1, "BTC": -0.2, "BTC/USD:BTC": -0.5}
    after = shifted(STATE, {name: wishes[name] for name in order})
    np.testing.assert_allclose(after.mark[:5], [80.0, 50.5, 80.4, 0.045, 4.5])


def test_bounds_and_index_move_with_the_mark() -> None:
    """A strict venue would value positions at an unmoved low price above the moved mark."""
    state = replace(STATE, low=STATE.mark * 0.99, high=STATE.mark * 1.01, index=STATE.mark * 1.001)
    after = shifted(state, {"*": -0.5})
    for column in (after.low, after.high, after.index):
        assert column[0] == pytest.approx(50.0, rel=0.02)


def test_volatility_scales_alone() -> None:
    """Stressing volatility would move prices, or do nothing."""
    state = replace(STATE, volatility_per_day=np.array([0.02, 0.03, np.nan, 0.1, 0.1, 0.1, 0.1]))
    after = shifted(state, {"volatility": 0.5})
    np.testing.assert_allclose(after.volatility_per_day, state.volatility_per_day * 1.5)
    np.testing.assert_array_equal(after.mark, state.mark)
    with pytest.raises(UsageError, match="no volatility is known"):
        shifted(STATE, {"volatility": 0.5})


@pytest.mark.parametrize("name", ["DOGE", "USDT", "btc", "BTC/USDT"])
def test_a_name_that_moves_nothing_is_refused(name: str) -> None:
    """A typing error would be reported as a book that nothing can hurt."""
    with pytest.raises(UsageError, match="no price has this name"):
        shifted(STATE, {name: -0.2})


@pytest.mark.parametrize("shift", [-1.0, -1.5, float("nan"), float("inf")])
def test_a_price_cannot_fall_below_nothing(shift: float) -> None:
    """Prices of zero or less would reach the valuation."""
    with pytest.raises(UsageError, match="100 %"):
        shifted(STATE, {"BTC": shift})


def test_texts_are_read_as_percent() -> None:
    """-20 % would be taken for -2000 %, or for -0.2 %."""
    assert read_shifts(["BTC=-20%", "*=+5.5 %", "volatility=50%"]) == pytest.approx(
        {"BTC": -0.2, "*": 0.055, "volatility": 0.5})


@pytest.mark.parametrize("text", ["BTC", "BTC=", "BTC=-20", "=-20%", "BTC=-20%%", "BTC=abc%", "BTC=1e3%", "BTC=-20%;"])
def test_a_text_of_another_form_is_refused(text: str) -> None:
    """A wish that was not understood would be answered all the same."""
    with pytest.raises(UsageError, match="is not a what-if"):
        read_shifts([text])


def test_a_name_is_moved_once() -> None:
    """One of two contradicting wishes would be forgotten in silence."""
    with pytest.raises(UsageError, match="once"):
        read_shifts(["BTC=-20%", "BTC=+20%"])
