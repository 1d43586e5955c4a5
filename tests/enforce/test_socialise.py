"""Shared loss: who bears how much of what nothing else covered, to the unit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.deleveraging.apportion import in_proportion
from leverline.enforce.effects import LossShared, Stage, StageRefused
from leverline.enforce.events import PoolKey
from leverline.enforce.policies import LossStage
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.sizing import WholePool
from leverline.enforce.socialise import SocialisedLoss, largest_remainder
from leverline.enforce.socialise_by_position import SocialisedByPosition
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.margin.rulebooks.drift_v2_liquidation import funding_delta, funding_payment
from tests.enforce.invariants import lots_sum_to_zero, money_is_conserved
from tests.enforce.worlds import ANN, BOB, BTC, CAT, DAN, ETH, World, market

USDT = 10**6
CASH = {BOB: 100, CAT: 300, DAN: 600}
STAGES: list[LossStage] = [SocialisedLoss(), SocialisedByPosition()]


def shared(stage: LossStage, price: int = 8_000, cash: dict[PoolKey, int] = CASH,
           ) -> tuple[dict[PoolKey, int], int, list[StageRefused]]:
    """Losses of Bob (10 lots long), Cat (30 short) and Dan (another market), Ann's cash, and the refusals.

    Ann's 100 lots from 10,000 ticks are sold at ``price`` by herself: she owes what her 12 USDT do not cover.
    """
    policies = replace(LEVERLINE, size=WholePool(), closing_stages=(), loss_stages=(stage,))
    world = World.of(policies, market(BTC, penalty_ppm=0), market(ETH))
    world.open(ANN, 12 * USDT)
    for key, amount in cash.items():
        world.open(key, amount * USDT)
    for name in (BTC, ETH):
        world.price(name, 10_000)
    world.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    world.trade(BOB, OUTSIDE_MARKET, 10, 10_000)
    world.trade(OUTSIDE_MARKET, CAT, 30, 10_000)
    world.trade(DAN, OUTSIDE_MARKET, 40, 10_000, ETH)
    world.price(BTC, price)
    before = {key: world.cash(key) for key in cash}
    effects = world.trade(OUTSIDE_MARKET, ANN, 100, price)
    borne = {key: before[key] - world.cash(key) for key in cash}
    assert borne == {**dict.fromkeys(cash, 0), **{e.pool: e.amount for e in effects if isinstance(e, LossShared)}}
    money_is_conserved(world.venue.state)
    lots_sum_to_zero(world.venue.state)
    return borne, world.cash(ANN), [e for e in effects if isinstance(e, StageRefused)]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20), st.data())
def test_shares_sum_to_the_loss_and_nobody_bears_more_than_it_has(weights: list[int], data: st.DataObject) -> None:
    """A unit short is a debt that nobody carries; a unit beyond equity makes the next one bankrupt."""
    total = data.draw(st.integers(0, sum(weights)))
    shares = largest_remainder(total, weights)
    assert sum(shares) == total
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
@pytest.mark.parametrize("price", [8_799, 8_000, 7_001])
def test_the_debt_is_gone_and_the_shares_are_the_debt(stage: LossStage, price: int) -> None:
    """A venue that socialises another sum than it lost makes or destroys money."""
    borne, left, refused = shared(stage, price)
    assert (sum(borne.values()), left, refused) == ((8_800 - price) * 100 * 100, 0, [])


def test_equity_bears_in_proportion_wherever_it_stands() -> None:
    """Sharing by account instead of by money would ruin the small ones first."""
    borne, _, _ = shared(SocialisedLoss())
    equity = {BOB: 98, CAT: 306, DAN: 600}  # Bob lost 2 on his own, Cat won 6
    assert all(abs(borne[key] - 8 * USDT * equity[key] / 1_004) < 1 for key in borne)


def test_holders_of_the_market_bear_lot_for_lot_and_others_nothing() -> None:
    """Somebody who never held a market would pay for those who did."""
    assert shared(SocialisedByPosition())[0] == {BOB: 2 * USDT, CAT: 6 * USDT, DAN: 0}


def test_a_holder_pays_no_more_than_it_has_and_the_rest_falls_on_the_others() -> None:
    """A share beyond equity is a new debt of somebody who did nothing."""
    borne, left, refused = shared(SocialisedByPosition(), 8_000, {BOB: 3, CAT: 300, DAN: 600})
    assert (borne, left, refused) == ({BOB: 1 * USDT, CAT: 7 * USDT, DAN: 0}, 0, [])


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
def test_what_nobody_can_bear_stays_owed(stage: LossStage) -> None:
    """Writing the rest off would show a solvent venue that is not."""
    small = {BOB: 10, CAT: 4, DAN: 5}
    borne, left, refused = shared(stage, 500, small)
    assert left == -((8_800 - 500) * 100 * 100 - sum(borne.values())) < 0
    assert [effect.stage for effect in refused] == [Stage.SOCIALISED]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=12), st.integers(1, 10**12))
def test_shares_by_position_are_the_funding_payments_of_the_rulebook_to_a_unit(base: list[int], loss: int) -> None:
    """Ours would charge holders something else than the venue's funding index does.

    The index rounds up and its payments down; above 1e9 base the first is worth more than a unit.
    """
    delta = funding_delta(loss, sum(base), 0)
    ours = in_proportion(loss, base, [loss] * len(base))
    assert all(abs(share - funding_payment(delta, lots)) <= 1 + lots // 10**9 + 1
               for share, lots in zip(ours, base, strict=True))
