"""Another limit book comes into force: at once for new risk, in announced steps for what is open."""

from __future__ import annotations

from typing import Any

import pytest

from leverline.enforce.effects import Accepted, Effect, LimitStep, Reject, Rejected
from leverline.enforce.events import AdoptLimits, OrderIntent, TimePassed
from leverline.enforce.margining import maintenance_of
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.terms import terms_of_book
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.model import VenueLimits
from leverline.model.limitbook import InstrumentLimits, LimitBook
from tests.enforce.worlds import ANN, BTC, SECOND, World
from tests.model.books import book, schedule

DAY = 86_400
USDT = 10**6


def written(leverage: float, **changes: Any) -> LimitBook:
    """A book with one market in one tier: initial margin 1 / ``leverage``, maintenance half of it."""
    limits = InstrumentLimits(tiers=schedule((0, None, leverage, 0.5 / leverage)),
                              **{"tick": 0.1, "lot": 0.001, "liquidation_fee_rate": 0.001, **changes})
    return book(settlement="USDT", instruments={BTC: limits}, collateral={}, explanations={}, overrides=(),
                venue=VenueLimits())


def world() -> World:
    """Ann is long 100 lots, 100 USDT, under a book of ten times leverage."""
    made = World(Venue(terms_of_book(written(10)), LEVERLINE))
    made.open(ANN, 12 * USDT)
    made.price(BTC, 10_000)
    made.trade(ANN, OUTSIDE_MARKET, 100, 10_000)
    return made


def adopt(made: World, limits: LimitBook, days: float = 0) -> tuple[Effect, ...]:
    return made.do(AdoptLimits(limits.to_json(), int(days * DAY * SECOND)))


def need(made: World) -> int:
    return maintenance_of(made.venue.state, BTC, 100 * USDT)


def test_new_risk_meets_the_new_line_at_once() -> None:
    """A line that tightens only later invites everybody to get in before."""
    made = world()
    assert made.must(OrderIntent(ANN, BTC, 20, 10_000)) == (Accepted(ANN, BTC, 20, 20),)
    assert adopt(made, written(5), days=10) == (LimitStep(BTC, 0, 10),)
    assert made.do(OrderIntent(ANN, BTC, 1, 10_000))[0].reason is Reject.BELOW_INITIAL  # type: ignore[union-attr]


def test_open_positions_reach_it_in_steps() -> None:
    """A requirement that doubles overnight liquidates traders for a decision of the venue."""
    made = world()
    adopt(made, written(5), days=10)
    seen = [need(made)]
    for _ in range(10):
        made.must(TimePassed(), after_s=DAY)
        seen.append(need(made))
    assert seen == [5_000_000 + step * 500_000 for step in range(11)]
    assert made.venue.state.room("decay") == {}


def test_a_line_that_loosens_is_there_at_once() -> None:
    """Relief that waits liquidates traders whom the venue holds to be safe."""
    made = world()
    adopt(made, written(20), days=10)
    assert need(made) == 2_500_000


def test_another_book_does_not_give_back_what_was_reached() -> None:
    """Who adopts often would hold open positions at the oldest line for ever."""
    made = world()
    adopt(made, written(5), days=10)
    made.must(TimePassed(), after_s=4 * DAY)
    assert need(made) == 7_000_000
    adopt(made, written(4), days=10)
    assert need(made) == 7_000_000
    made.must(TimePassed(), after_s=5 * DAY)
    assert need(made) == 7_000_000 + (12_500_000 - 7_000_000) // 2
    for leverage in (3.9, 3.8, 3.7, 3.6, 3.5, 3.4):
        adopt(made, written(leverage), days=10)
    assert adopt(made, written(3.3), days=10)[0] == Rejected(Reject.LIMITS, f"{BTC}: too many schedules are under way")
    adopt(made, written(3.3))
    assert need(made) == -(-100 * USDT * 151_516 // 10**6)  # 0.5 / 3.3 rounded up to a part per million


def test_a_pool_that_the_new_line_does_not_carry_is_called_or_sold_at_once() -> None:
    """An emergency line that looks at nobody until the next price is no emergency line."""
    made = world()
    effects = adopt(made, written(4))
    assert [type(effect).__name__ for effect in effects] == ["MarginCall", "LiquidationOrder"]


@pytest.mark.parametrize(("limits", "days", "words"), [
    (written(5).model_copy(update={"id": "0" * 64}), 0, "id does not match"),
    (written(5, tick=0.2), 0, "tick and lot stay"),
    (written(5), 91, "at most 90 days"),
    (written(10), 0, "in force"),
    (book(settlement="USDT", instruments={}, collateral={}, explanations={}, overrides=()), 0, "is held"),
    (book(explanations={}, overrides=()), 0, ""),
])
def test_a_book_that_cannot_be_carried_is_refused(limits: Any, days: Any, words: Any) -> None:
    """A venue that forgets the terms of what it holds cannot margin it."""
    made = world()
    before = made.venue.state.digest()
    answer = adopt(made, limits, days)[0]
    assert isinstance(answer, Rejected)
    assert words in answer.detail
    assert made.venue.state.digest() == before


def test_what_is_no_book_is_refused() -> None:
    """A half-sent document must not become a line."""
    made = world()
    assert made.do(AdoptLimits("{", 0))[0].reason is Reject.LIMITS  # type: ignore[union-attr]
    assert made.do(AdoptLimits(written(5).to_json(), -1))[0].reason is Reject.LIMITS  # type: ignore[union-attr]
