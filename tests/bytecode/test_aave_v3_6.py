"""Our Aave v3.6 rulebook against the bytecode of Aave's published sources."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from leverline.margin.rulebooks import aave_v3_3 as ours
from leverline.margin.rulebooks.aave_v3 import Position
from tests.bytecode import aave_v3_6_market
from tests.bytecode.aave_market import AaveMarket
from tests.bytecode.comparing import Liquidated, Rulebook, compare_accounts, compare_at_thresholds, compare_liquidations
from tests.bytecode.contracts import Artifacts
from tests.bytecode.evm import Machine

pytestmark = pytest.mark.network
NewMachine = Callable[[], Machine]
ACCOUNTS = 500
LIQUIDATIONS = 300


def liquidate(position: Position, collateral: str, debt: str, debt_to_cover: int | None) -> Liquidated:
    done = ours.liquidate(position, collateral, debt, debt_to_cover)
    return Liquidated(done.taken, done.after, done.deficits)


RULEBOOK = Rulebook(ours.account_state, liquidate)


@pytest.fixture(scope="module")
def still_market(new_machine: NewMachine, aave_v3_6: Artifacts, aave_v3_0: Artifacts) -> AaveMarket:
    """Without interest, so that every balance is the amount that was moved."""
    return aave_v3_6_market.market(new_machine(), aave_v3_6, mocks=aave_v3_0, yearly_rate_bps=0)


@pytest.fixture(scope="module")
def live_market(new_machine: NewMachine, aave_v3_6: Artifacts, aave_v3_0: Artifacts) -> AaveMarket:
    """With interest."""
    return aave_v3_6_market.market(new_machine(), aave_v3_6, mocks=aave_v3_0, yearly_rate_bps=1_234)


def test_account_figures_equal_the_bytecodes(live_market: AaveMarket) -> None:
    """A borrower would be told another health, threshold or borrowing room than the venue acts on."""
    seen = compare_accounts(live_market, RULEBOOK, np.random.default_rng(60), ACCOUNTS)
    assert min(seen[kind] for kind in ("healthy", "unhealthy", "several collaterals")) > ACCOUNTS // 10, seen


def test_liquidated_amounts_equal_the_bytecodes(still_market: AaveMarket) -> None:
    """A liquidator would expect another amount than the venue pays, a lender another deficit."""
    seen = compare_liquidations(still_market, RULEBOOK, np.random.default_rng(61), LIQUIDATIONS)
    kinds = ("most that is allowed", "health above 0.95", "debt repaid whole", "collateral short", "with a fee",
             "deficit", "deficit in several reserves", "refused")
    assert min(seen[kind] for kind in kinds) > LIQUIDATIONS // 20, seen


def test_the_figures_at_which_a_rule_changes_are_on_the_bytecodes_side(still_market: AaveMarket) -> None:
    """At exactly 0.95, or at exactly 2,000 owed, the account would be treated as if it stood on the other side."""
    seen = compare_at_thresholds(still_market, RULEBOOK)
    assert (seen["done"], seen["refused"]) == (9, 3)


def test_liquidations_after_years_of_interest_equal_the_bytecodes(live_market: AaveMarket) -> None:
    """The rule would hold only while balances stand still, as they never do on the live venue."""
    compare_liquidations(live_market, RULEBOOK, np.random.default_rng(62), LIQUIDATIONS // 3, interest=True)
