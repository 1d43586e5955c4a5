"""Cash for a run and for settlement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.liquidity_buffer import calibrate_buffer, profits_due, run_of_withdrawals
from leverline.ground.errors import UsageError
from leverline.margin.curves import BracketCurve
from leverline.margin.rules import MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.model import RiskAppetite
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState
from tests.calibrate import markets as synthetic

NAMES = ("M0/USD:USD", "M1/USD:USD")


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate_book(synthetic.bars_of(*(synthetic.Market(s, seed=k, volume=1e7) for k, s in enumerate(NAMES))),
                          RiskAppetite.profile("ccp"))


def with_liquidity(**changes: float) -> RiskAppetite:
    appetite = RiskAppetite.profile("ccp")
    assert appetite.liquidity is not None
    return appetite.model_copy(update={"liquidity": appetite.liquidity.model_copy(update=changes)})


@given(free=st.floats(0.0, 1e12), share=st.floats(0.0, 1.0))
def test_a_run_takes_no_more_than_there_is(free: float, share: float) -> None:
    """Cash would be held for withdrawals that nobody can make."""
    assert 0.0 <= run_of_withdrawals(free, share) <= free


def test_what_winners_are_due_is_what_losers_lost() -> None:
    """Profits of a move would be counted on both sides, or of one direction only."""
    moves = np.log(np.array([[[1.1, 0.8]], [[0.9, 1.0]]]))
    np.testing.assert_allclose(profits_due(moves, np.array([100.0, 10.0])), [12.0, 10.0])


@pytest.mark.parametrize("tighter", [{"withdrawal_share": 0.6}, {"confidence": 0.995},
                                     {"settlement_horizon_s": 3 * 86_400.0}])
def test_a_more_careful_appetite_holds_more_cash(calibration: Calibration, tighter: dict[str, float]) -> None:
    """A stricter assumption would lower the buffer."""
    cash = [calibrate_buffer(calibration, each, rng=np.random.default_rng(1)).buffer
            for each in (with_liquidity(), with_liquidity(**tighter))]
    assert cash[1].withdrawals + cash[1].settlement > cash[0].withdrawals + cash[0].settlement


def accounts(symbol: str) -> MarginTables:
    """One long of 1,000 with 500 of cash and initial margin of 100."""
    book = AccountBook(
        markets=(Market("v", symbol),), assets=(Asset("v", "USD"),),
        pools=Pools.of([Pool("v", "a", "", "", Mode.CROSS, "")]), position_offsets=np.array([0, 1], np.int32),
        position_market=np.zeros(1, np.uint32), quantity=np.array([10.0]), entry_price=np.array([100.0]),
        holding_offsets=np.array([0, 1], np.int32), holding_asset=np.zeros(1, np.uint32), amount=np.array([500.0]))
    rules = {"v": VenueRules("v", "USD", {symbol: MarketRules(BracketCurve((0.0,), (0.1,), (0.05,), (0.0,)))})}
    return margin_tables(book, rules, MarketState.of({symbol: 100.0}))


def test_actual_accounts_withdraw_what_is_free(calibration: Calibration) -> None:
    """The run would be of money that is bound as margin."""
    found = calibrate_buffer(calibration, with_liquidity(withdrawal_share=0.5), rng=np.random.default_rng(1),
                             accounts=accounts(NAMES[0]))
    assert found.buffer.withdrawals == 200_000_000
    assert 0 < found.buffer.settlement < 1_000_000_000
    assert found.warnings == ()
    elsewhere = calibrate_buffer(calibration, with_liquidity(), rng=np.random.default_rng(1), accounts=accounts("X"))
    assert any("not calibrated" in said for said in elsewhere.warnings)


def test_what_no_path_shows_is_refused(calibration: Calibration) -> None:
    """A confidence beyond the draws would be answered with their largest."""
    silent = RiskAppetite.profile("ccp").model_copy(update={"liquidity": None})
    for wrong in (with_liquidity(confidence=0.9999), silent):
        with pytest.raises(UsageError):
            calibrate_buffer(calibration, wrong, rng=np.random.default_rng(1))
