"""Plans: every step legal, the count of days that of the protocol, and what cannot be reached said with its reason."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leverline.calibrate.collateral_steps import STEERED, grains
from leverline.calibrate.governed_parameter import Why
from leverline.calibrate.governor import Governor, nanoseconds
from leverline.calibrate.plan import Plan, plan_steps
from leverline.calibrate.steward import Steward
from leverline.ground.errors import UsageError
from leverline.margin.rulebooks.aave_risk_steward import STEWARDS, is_allowed
from leverline.market.times import parse_instant
from leverline.model import AssetLimits
from leverline.model.collateral import RateCurve
from leverline.model.quantities import UNITS_PER_ONE
from tests.calibrate.governed_books import AS_OF, FLAT, book_of, flat, governor_of

MILLION = 1_000_000 * UNITS_PER_ONE
HELD = AssetLimits(ltv=0.75, liquidation_threshold=0.78, liquidation_bonus=0.05, supply_cap=MILLION)


def planned(steward: str, **target: float | None) -> Plan:
    """A plan from :data:`HELD` that starts at once."""
    wanted = AssetLimits.model_validate(HELD.model_dump() | target)
    return plan_steps(book_of(FLAT, asset=HELD), book_of(FLAT, asset=wanted), Steward.named(steward),
                      start_ns=nanoseconds(AS_OF))


def values(plan: Plan, name: str) -> list[float | None]:
    return [step.new for step in plan.steps if step.pointer == f"/collateral/WETH/{name}"]


def test_three_points_of_threshold_take_six_steps_and_eighteen_days() -> None:
    """A DAO would be promised a date that the steward's contract does not allow."""
    wanted = HELD.model_copy(update={"liquidation_threshold": 0.75})
    plan = plan_steps(book_of(FLAT, asset=HELD), book_of(FLAT, asset=wanted), Steward.named("manual"))
    assert values(plan, "liquidation_threshold") == [0.775, 0.77, 0.765, 0.76, 0.755, 0.75]
    assert plan.days == 18.0
    assert [row.fall_before_bad_debt for row in plan.risk] == sorted(
        row.fall_before_bad_debt or 0.0 for row in plan.risk)
    assert not plan.unreached
    at_once = planned("manual", liquidation_threshold=0.75)
    assert at_once.steps[0].at == "2026-01-01T00:00:00Z"
    assert at_once.days == 15.0
    assert values(planned("phase3", liquidation_threshold=0.75), "liquidation_threshold") == [0.76, 0.75]


def test_zero_is_left_to_people_and_said_so() -> None:
    """A plan would end in a transaction that reverts."""
    plan = planned("manual", supply_cap=0)
    assert values(plan, "supply_cap") == [UNITS_PER_ONE]
    (left,) = plan.unreached
    assert (left.pointer, left.stops_at, left.target, left.why) == (
        "/collateral/WETH/supply_cap", UNITS_PER_ONE, 0, Why.ZERO.value)


def test_what_the_table_does_not_name_is_not_moved() -> None:
    """An injector would be asked for a change that its contract refuses."""
    plan = planned("automated", ltv=0.7, supply_cap=2 * MILLION)
    assert values(plan, "ltv") == []
    assert values(plan, "supply_cap") == [1.3 * MILLION, 1.69 * MILLION, 2 * MILLION]
    assert [(u.pointer, u.why) for u in plan.unreached] == [("/collateral/WETH/ltv", Why.PEOPLE.value)]


def test_a_threshold_waits_for_the_ltv_above_it() -> None:
    """Loans would open liquidatable for the days in which LTV still stands above the new threshold."""
    plan = planned("manual", ltv=0.74, liquidation_threshold=0.74)
    dates = sorted({step.at for step in plan.steps})
    held = {"ltv": 0.75, "liquidation_threshold": 0.78}
    for date in dates:
        held |= {step.pointer.rsplit("/", 1)[1]: float(step.new or 0.0) for step in plan.steps if step.at == date}
        assert held["ltv"] <= held["liquidation_threshold"]
    assert held == {"ltv": 0.74, "liquidation_threshold": 0.74}


limits = st.tuples(st.integers(3_000, 7_000), st.integers(0, 1_000), st.integers(100, 1_500), st.integers(10, 900))


def drawn(raw: tuple[int, int, int, int]) -> AssetLimits:
    ltv, gap, bonus, cap = raw
    return AssetLimits(ltv=ltv / 1e4, liquidation_threshold=(ltv + gap) / 1e4, liquidation_bonus=bonus / 1e4,
                       supply_cap=cap * UNITS_PER_ONE)


@given(current=limits, target=limits, steward=st.sampled_from(sorted(STEWARDS)))
@hypothesis_settings(max_examples=15)
def test_every_step_passes_the_check_of_the_contract(current: tuple[int, int, int, int],
                                                     target: tuple[int, int, int, int], steward: str) -> None:
    """A step of the plan would revert on chain."""
    plan = plan_steps(book_of(FLAT, asset=drawn(current)), book_of(FLAT, asset=drawn(target)), Steward.named(steward))
    last: dict[str, int] = {}
    for step in plan.steps:
        (item,) = [item for item in STEERED if f"/collateral/WETH/{'/'.join(item.path)}" == step.pointer]
        now = parse_instant(step.at)
        waited = (now - last.get(step.pointer, nanoseconds(AS_OF))) // 10**9
        assert step.old is not None
        assert step.new is not None
        assert is_allowed(grains(step.old, item, towards="nearest"), grains(step.new, item, towards="nearest"), waited,
                          STEWARDS[steward][item.steward_name])
        last[step.pointer] = now
    left = {u.pointer.rsplit("/", 1)[1] for u in plan.unreached}
    for name in ("ltv", "liquidation_threshold", "liquidation_bonus", "supply_cap"):
        assert name in left or getattr(plan.final.collateral["WETH"], name) == getattr(drawn(target), name)


def test_books_that_agree_need_no_plan_and_strangers_are_refused() -> None:
    """An empty plan would look like a failure; two currencies would be compared as numbers."""
    plan = planned("manual")
    assert (plan.steps, plan.unreached, plan.complete_at) == ((), (), None)
    euro = book_of(FLAT).model_copy(update={"settlement": "EUR"})
    with pytest.raises(UsageError, match="same asset"):
        plan_steps(book_of(FLAT), euro, Steward.named("manual"))
    with pytest.raises(UsageError, match="choose one of manual"):
        Steward.named("robot")


def test_a_governor_is_planned_like_a_steward_and_the_plan_is_plain_json() -> None:
    """A venue without a steward could not see when its own line would arrive."""
    plan = plan_steps(book_of(FLAT), book_of(flat(1.2)), Governor(governor_of(decay_s=172_800.0)))
    assert plan.final.instruments == book_of(flat(1.2)).instruments
    assert plan.complete_at is not None
    assert parse_instant(plan.complete_at) >= nanoseconds(AS_OF + timedelta(days=5))
    document = plan.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_base_rate_may_become_nothing_and_leave_it() -> None:
    """A pool would keep a charge of one basis point for good, since a rule about caps was read as one about rates."""
    def curve(base: float) -> AssetLimits:
        return HELD.model_copy(update={"rates": RateCurve(
            base_per_year=base, slope_below_per_year=0.04, slope_above_per_year=0.6, kink=0.9)})

    for policy in (Steward.named("manual"), Steward.named("automated"), Governor(governor_of())):
        for old, new in ((0.02, 0.0), (0.0, 0.02)):
            plan = plan_steps(book_of(FLAT, asset=curve(old)), book_of(FLAT, asset=curve(new)), policy)
            assert plan.final.collateral["WETH"].rates == curve(new).rates, (policy, plan.unreached)
            assert len(plan.steps) > 1


def test_no_share_of_nothing_leads_away_from_it() -> None:
    """A plan would blame the unit for a cap of 0 that a relative step can never lift."""
    closed = HELD.model_copy(update={"supply_cap": 0})
    plan = plan_steps(book_of(FLAT, asset=closed), book_of(FLAT, asset=HELD), Steward.named("phase3"))
    assert [(u.pointer, u.why) for u in plan.unreached] == [("/collateral/WETH/supply_cap", Why.ZERO.value)]


def test_a_bonus_waits_where_the_ltv_holds_the_threshold_up() -> None:
    """The way would pass a book whose seizures cost more than the collateral: it was refused with a traceback."""
    held = AssetLimits(ltv=0.8, liquidation_threshold=0.8, liquidation_bonus=0.249)
    wanted = AssetLimits(ltv=None, liquidation_threshold=0.7, liquidation_bonus=0.4)
    for policy in (Steward.named("manual"), Governor(governor_of())):
        plan = plan_steps(book_of(FLAT, asset=held), book_of(FLAT, asset=wanted), policy)
        final = plan.final.collateral["WETH"]
        assert (final.ltv, final.liquidation_threshold, final.liquidation_bonus) == (0.8, 0.8, 0.25)
        assert {u.pointer.rsplit("/", 1)[1] for u in plan.unreached} == {
            "ltv", "liquidation_threshold", "liquidation_bonus"}
