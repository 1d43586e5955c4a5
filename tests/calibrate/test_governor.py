"""The governor: bounded steps, lawful books all the way, and a reason for everything."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from leverline.calibrate.governed_parameter import Pace, Why, next_level
from leverline.calibrate.governor import Governor, nanoseconds
from leverline.calibrate.overrides import with_override
from leverline.calibrate.schedule import initial_amount, maintenance_amount, tier_of
from leverline.calibrate.tier_steps import common_curves, envelope, most_and_least
from leverline.ground.errors import UsageError
from leverline.model import AssetLimits, LimitBook, RiskAppetite
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.appetite import PROFILES
from leverline.model.limitbook import Tier
from leverline.model.market_state import MarketState
from leverline.model.policy import LimitPolicy, ParameterHistory, PolicyState, PolicyStep
from tests.calibrate.governed_books import (
    AS_OF,
    BTC,
    DAY_NS,
    FLAT,
    TIERS_AT,
    book_of,
    flat,
    governor_of,
    schedules,
)

NOW = nanoseconds(AS_OF) + DAY_NS
SIZES = [10**6 * size for size in (1, 999, 1_000, 50_001, 333_333, 999_999)]
ROUNDING = 2e-3
"""Relative: a rate of 0.4 % is published to a millionth, and tiers in between credit roundings to one another."""


def policy(**changes: float) -> LimitPolicy:
    return Governor(governor_of(**changes))


def stepped(current: LimitBook, target: LimitBook, state: PolicyState | None = None, **changes: float) -> PolicyStep:
    return policy(**changes).next_book(current, target, state or PolicyState(NOW))


def asked(tiers: tuple[Tier, ...], notional: int) -> tuple[Fraction, Fraction]:
    tier = tier_of(tiers, notional)
    assert tier is not None
    return initial_amount(tier, notional), maintenance_amount(tier, notional)


def reason(step: PolicyStep, at: str = TIERS_AT) -> str:
    return next(d.reason for d in step.decisions if d.pointer == at)


@given(current=schedules(), target=schedules())
@hypothesis_settings(max_examples=25)
def test_no_step_asks_more_than_the_bound_of_any_size(current: tuple[Tier, ...], target: tuple[Tier, ...]) -> None:
    """One size of position would be tightened by half while the report speaks of five percent."""
    after = stepped(book_of(current), book_of(target), emergency_trigger=1e6).book.instruments[BTC].tiers
    for size in SIZES:
        for old, new in zip(asked(current, size), asked(after, size), strict=True):
            assert 0.99 * (1 - ROUNDING) <= new / old <= 1.05 * (1 + ROUNDING)


@given(current=schedules(), target=schedules())
@hypothesis_settings(max_examples=25)
def test_a_step_never_leaves_the_space_between_the_books(current: tuple[Tier, ...], target: tuple[Tier, ...]) -> None:
    """On the way from one line to another a position would be asked more, or less, than by either."""
    after = stepped(book_of(current), book_of(target), decay_s=86_400.0).book.instruments[BTC].tiers
    for size in SIZES:
        for old, new, goal in zip(asked(current, size), asked(after, size), asked(target, size), strict=True):
            assert min(old, goal) * (1 - Fraction(1, 10**9)) <= new <= max(old, goal) * Fraction(1 + ROUNDING)


@given(current=schedules(), target=schedules(), decay=st.sampled_from([0.0, 200_000.0]))
@hypothesis_settings(max_examples=6)
def test_the_way_ends_at_the_target_and_every_book_on_it_is_lawful(
    current: tuple[Tier, ...], target: tuple[Tier, ...], decay: float
) -> None:
    """The governor would stop half-way for ever, or publish initial margin below maintenance on the way."""
    book, goal, state = book_of(current), book_of(target), PolicyState(NOW)
    mover = policy(max_tightening=0.5, max_loosening=0.3, emergency_max_tightening=0.5, five_day_budget=1e6,
                   decay_s=decay)
    for day in range(120):
        made = mover.next_book(book, goal.model_copy(update={"as_of": AS_OF + timedelta(days=1 + day)}), state)
        assert LimitBook.model_validate(made.book.model_dump(by_alias=True)).id == made.book.content_hash()
        for size in SIZES:
            initial, maintenance = asked(made.book.instruments[BTC].tiers, size)
            assert initial >= maintenance - 1
        book, state = made.book, PolicyState(NOW + (day + 1) * DAY_NS, None, made.state.parameters,
                                             made.state.announcements)
    assert book.instruments[BTC].tiers == target


@given(first=schedules(), second=schedules())
def test_the_envelope_asks_at_least_what_either_asks(first: tuple[Tier, ...], second: tuple[Tier, ...]) -> None:
    """Tightening some sizes would loosen others by the way."""
    a, b = common_curves(first, second)
    for other in (a, b):
        _, least = most_and_least(envelope(a, b), other)
        assert least >= 1


def test_the_line_tightens_faster_than_it_loosens() -> None:
    """A crash would be met as slowly as a calm is rewarded."""
    up = stepped(book_of(FLAT), book_of(flat(1.4))).book.instruments[BTC].tiers[0].maintenance_margin_rate
    down = stepped(book_of(FLAT), book_of(flat(0.6))).book.instruments[BTC].tiers[0].maintenance_margin_rate
    assert up == pytest.approx(0.0105)
    assert down == pytest.approx(0.0099)


def test_inside_the_dead_band_nothing_moves_and_the_book_keeps_its_id() -> None:
    """Every calibration would change every limit by noise, and nobody would read the changes any more."""
    made = stepped(book_of(FLAT), book_of(flat(1.08)), dead_band=0.1)
    assert made.book.id == book_of(FLAT).id
    assert reason(made) == Why.DEAD_BAND


def test_the_buffer_is_spent_before_margins_rise_and_kept_before_they_fall() -> None:
    """Margins would rise in a storm although the calm had saved up for it."""
    held = book_of(flat(1.2))
    for calibrated in (1.0, 1.19):
        assert reason(stepped(held, book_of(flat(calibrated)), buffer=0.25)) == Why.DEAD_BAND
    assert stepped(held, book_of(flat(1.21)), buffer=0.25).book.instruments[BTC].tiers[0].max_leverage < 50 / 1.2
    assert stepped(held, book_of(flat(0.95)), buffer=0.25).book.instruments[BTC].tiers[0].max_leverage > 50 / 1.2


@given(distances=st.tuples(st.floats(0.2, 5.0), st.floats(0.2, 5.0)), direction=st.sampled_from([-1, 0, 1]),
       waited=st.tuples(st.booleans(), st.booleans()), lowest=st.floats(0.5, 1.0))
def test_a_more_demanding_target_never_leads_to_a_less_demanding_step(
    distances: tuple[float, float], direction: int, waited: tuple[bool, bool], lowest: float
) -> None:
    """More measured risk would be answered with more leverage."""
    pace = Pace.of_margin(governor_of(dead_band=0.1, buffer=0.25, hysteresis=0.05))
    changed, emergency = (NOW - DAY_NS if over else NOW - 1 for over in waited)
    history = ParameterHistory(changed, emergency, direction, ((NOW - DAY_NS, lowest),))
    low, high = (next_level(distance, 1.0, history, pace, NOW).factor for distance in sorted(distances))
    assert low <= high


def test_every_number_on_its_way_says_why_it_stands_there() -> None:
    """A risk committee would see tiers that no calibration ever asked for, and no word on them."""
    made = stepped(book_of(FLAT), book_of(flat(1.04))).book
    again = stepped(book_of(FLAT), book_of(flat(1.2))).book
    assert f"{TIERS_AT}/0/initial_margin_rate" in made.explanations
    assert again.explanations[f"{TIERS_AT}/0/max_leverage"].binding == f"governor: {Why.BOUNDED}"


def test_an_emergency_has_its_own_bound_and_does_not_wait() -> None:
    """A crash on the day of an ordinary change would find the governor asleep until tomorrow."""
    state = PolicyState(NOW, parameters={TIERS_AT: ParameterHistory(changed_ns=NOW - 1)})
    ordinary = stepped(book_of(FLAT), book_of(flat(1.3)), state)
    assert reason(ordinary) == Why.TOO_SOON
    made = stepped(book_of(FLAT), book_of(flat(2.0)), state)
    assert reason(made) == Why.EMERGENCY
    assert made.book.instruments[BTC].tiers[0].maintenance_margin_rate == pytest.approx(0.0125)
    again = stepped(made.book, book_of(flat(2.0), as_of=AS_OF + timedelta(days=1)),
                    PolicyState(NOW + 1, parameters=made.state.parameters))
    assert reason(again) == Why.TOO_SOON


def test_the_five_day_budget_stops_a_climb() -> None:
    """Bounded daily steps would still add up to a margin call of any size in a week."""
    book, state, levels = book_of(FLAT), PolicyState(NOW), []
    for day in range(12):
        made = stepped(book, book_of(flat(3.0), as_of=AS_OF + timedelta(days=1 + day)), state,
                       five_day_budget=1.12, emergency_trigger=1e6)
        book = made.book
        state = PolicyState(NOW + (day + 1) * DAY_NS, parameters=made.state.parameters)
        levels.append(book.instruments[BTC].tiers[0].maintenance_margin_rate)
    path = np.array([0.01, *levels])
    assert np.max(path[5:] / path[:-5]) <= 1.12 * (1 + ROUNDING)
    assert path[-1] > 1.2 * path[0]


def test_turning_round_asks_for_a_larger_distance() -> None:
    """A target that trembles around the line would move it to and fro every day."""
    pace = Pace.of_margin(governor_of(hysteresis=0.1))
    loosened = ParameterHistory(direction=-1)
    assert next_level(1.05, 1.0, loosened, pace, NOW).why is Why.TURNING
    assert next_level(1.05, 1.0, ParameterHistory(direction=1), pace, NOW).factor == pytest.approx(1.05)
    assert next_level(1.2, 1.0, loosened, pace, NOW).factor > 1.0


def test_a_stale_target_moves_nothing_but_announced_schedules() -> None:
    """Limits would go on moving for days on the last numbers of a feed that has died."""
    old = book_of(flat(2.0))
    made = policy().next_book(book_of(FLAT), old, PolicyState(NOW + 30 * DAY_NS))
    assert made.book.id == book_of(FLAT).id
    assert reason(made) == Why.STALE
    with pytest.raises(UsageError, match="known before it is acted on"):
        policy().next_book(book_of(FLAT), old, PolicyState(NOW - 2 * DAY_NS))


def test_new_risk_meets_a_tighter_line_at_once_and_open_positions_along_a_line() -> None:
    """An open position would be liquidated by the hour of an announcement, or newcomers let in on the old terms."""
    first = stepped(book_of(FLAT), book_of(flat(1.04)), decay_s=4 * 86_400.0)
    tier = first.book.instruments[BTC].tiers[0]
    assert tier.initial_margin_rate == pytest.approx(0.0208)
    assert tier.maintenance_margin_rate == pytest.approx(0.01)
    book, seen = first.book, []
    state = first.state
    for day in range(1, 6):
        made = stepped(book, book_of(flat(1.04), as_of=AS_OF + timedelta(days=1 + day)),
                       PolicyState(NOW + day * DAY_NS, None, state.parameters, state.announcements),
                       decay_s=4 * 86_400.0)
        book, state = made.book, made.state
        seen.append(book.instruments[BTC].tiers[0].maintenance_margin_rate)
    assert seen == pytest.approx([0.0101, 0.0102, 0.0103, 0.0104, 0.0104])
    assert not state.announcements


def accounts(collateral: float, quantity: float = 10.0) -> AccountBook:
    """One long of ``quantity`` bitcoin, entered at the mark of 100, and cash."""
    return AccountBook(
        markets=(Market("", BTC),), assets=(Asset("", "USDT"),),
        pools=Pools.of([Pool("", "a", "", "a", Mode.CROSS, "")]),
        position_offsets=np.array([0, 1], np.int32), position_market=np.array([0], np.uint32),
        quantity=np.array([quantity]), entry_price=np.array([100.0]), holding_offsets=np.array([0, 1], np.int32),
        holding_asset=np.array([0], np.uint32), amount=np.array([collateral]))


def test_a_step_that_liquidates_at_unchanged_prices_is_refused() -> None:
    """People would lose their positions by decree, with no move of the market."""
    marks = MarketState.of({BTC: 100.0})
    close = PolicyState(NOW, accounts=accounts(10.2), marks=marks)  # needs 10.0 now and 10.5 after the step
    made = stepped(book_of(FLAT), book_of(flat(1.3)), close)
    assert made.book.id == book_of(FLAT).id
    assert reason(made) == f"{Why.LIQUIDATES.value} (1)"
    assert made.state.parameters[TIERS_AT].changed_ns is None
    safe = PolicyState(NOW, accounts=accounts(11.0), marks=marks)
    assert stepped(book_of(FLAT), book_of(flat(1.3)), safe).book.id != book_of(FLAT).id
    lost = PolicyState(NOW, accounts=accounts(9.0), marks=marks)  # liquidatable already: not by the step
    assert stepped(book_of(FLAT), book_of(flat(1.3)), lost).book.id != book_of(FLAT).id


def test_what_a_person_set_stands_until_its_end_and_is_led_back_by_steps() -> None:
    """The model would undo a human decision overnight, or jump back to its own number when the decision ends."""
    at = "/collateral/WETH/ltv"
    asset = AssetLimits(ltv=0.7, liquidation_threshold=0.8, liquidation_bonus=0.05)
    until = AS_OF + timedelta(days=3)
    held = with_override(book_of(FLAT, asset=asset), at, 0.5, who="risk desk", why="exploit", until=until, now=AS_OF)
    assert held.collateral["WETH"].ltv == 0.5
    assert held.overrides[0].calibrated == 0.7
    made = stepped(held, book_of(FLAT, asset=asset))
    assert made.book.collateral["WETH"].ltv == 0.5
    assert reason(made, at) == Why.OVERRIDDEN
    later = policy().next_book(held, book_of(FLAT, asset=asset, as_of=until + timedelta(hours=1)),
                               PolicyState(nanoseconds(until) + DAY_NS // 12))
    assert later.book.collateral["WETH"].ltv == pytest.approx(0.5 / 0.99)
    assert later.book.overrides == ()


@pytest.mark.parametrize(("at", "value", "words"), [
    ("/collateral/WETH/ltv", 0.9, "contradicts"), ("/collateral/WBTC/ltv", 0.5, "nothing at"),
    ("/collateral/WETH", 0.5, "one number"), ("/provenance/software", 0.5, "sets a limit"),
])
def test_an_override_that_cannot_be_is_refused(at: str, value: float, words: str) -> None:
    """A slip of the hand at night would open loans that are liquidatable at once."""
    asset = AssetLimits(ltv=0.7, liquidation_threshold=0.8, liquidation_bonus=0.05)
    with pytest.raises(UsageError, match=words):
        with_override(book_of(FLAT, asset=asset), at, value, who="a", why="b", until=AS_OF + timedelta(days=1),
                      now=AS_OF)


def test_a_market_the_target_leaves_out_keeps_its_limits() -> None:
    """A data outage of one market would delist it."""
    both = book_of(FLAT)
    empty = LimitBook.of(**{name: getattr(both, name) for name in ("as_of", "settlement", "provenance")},
                         instruments={})
    made = stepped(both, empty)
    assert made.book.instruments == both.instruments
    assert reason(made, TIERS_AT.removesuffix("/tiers")) == Why.UNSET


@given(current=st.floats(0.3, 0.9), target=st.floats(0.3, 0.9), gaps=st.tuples(*[st.floats(0.0, 0.09)] * 2),
       bonuses=st.tuples(*[st.floats(0.001, 0.1)] * 2))
@hypothesis_settings(max_examples=40)
def test_loans_never_open_liquidatable_on_the_way(current: float, target: float, gaps: tuple[float, float],
                                                  bonuses: tuple[float, float]) -> None:
    """Threshold and LTV move at their own pace; on some day a new loan could be seized in the block it opened."""
    ends = [AssetLimits(ltv=round(ltv, 4), liquidation_threshold=round(min(ltv + gap, 0.999 / (1 + bonus)), 4)
                        if ltv + gap < 0.999 / (1 + bonus) else round(ltv, 4), liquidation_bonus=round(bonus, 4))
            for ltv, gap, bonus in zip((current, target), gaps, bonuses, strict=True)
            if round(ltv, 4) * (1 + round(bonus, 4)) <= 1]
    if len(ends) < 2:
        return
    book, state = book_of(FLAT, asset=ends[0]), PolicyState(NOW)
    mover = policy(max_tightening=0.4, max_loosening=0.2, emergency_max_tightening=0.5)
    for day in range(60):
        made = mover.next_book(book, book_of(FLAT, asset=ends[1], as_of=AS_OF + timedelta(days=1 + day)), state)
        held = made.book.collateral["WETH"]
        assert held.ltv is not None
        assert held.liquidation_threshold is not None
        assert held.ltv <= held.liquidation_threshold
        if made.book is book and not any(d.due_ns for d in made.decisions):
            break
        book, state = made.book, PolicyState(NOW + (day + 1) * DAY_NS, parameters=made.state.parameters)
    assert held.ltv == ends[1].ltv
    assert held.liquidation_threshold == ends[1].liquidation_threshold


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_a_governor_with_a_sound_pace(name: str) -> None:
    """A venue that takes our profile as it ships would have no governor, or one that loosens in a crash."""
    chosen = RiskAppetite.profile(name).governor
    assert chosen is not None
    assert chosen.max_loosening < chosen.max_tightening < chosen.emergency_max_tightening


@pytest.mark.parametrize("wrong", [{"max_loosening": 0.2}, {"emergency_max_tightening": 0.01},
                                   {"emergency_trigger": 1.05, "dead_band": 0.1}, {"five_day_budget": 1.0}])
def test_a_pace_that_contradicts_itself_is_refused(wrong: dict[str, float]) -> None:
    """A governor that loosens faster than it tightens would be taken at its word."""
    with pytest.raises(ValidationError):
        governor_of(**wrong)
