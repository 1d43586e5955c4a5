"""Haircuts on their way: never farther in one step than the bound, lawful at every date, and there in the end."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leverline.calibrate.governed_parameter import Why
from leverline.calibrate.governor import Governor, nanoseconds
from leverline.calibrate.haircut_steps import MAX_TIERS, bounded, furthest
from leverline.calibrate.plan import plan_steps
from leverline.model import AssetLimits
from leverline.model.collateral import HaircutTier
from leverline.model.policy import PolicyState
from tests.calibrate.governed_books import AS_OF, FLAT, book_of, governor_of

ASSET = AssetLimits(ltv=0.7, liquidation_threshold=0.8, liquidation_bonus=0.05)
AT = "/collateral/WETH/haircut_tiers"


@st.composite
def haircuts(draw: st.DrawFn) -> tuple[HaircutTier, ...] | None:
    """Any lawful schedule of up to four tiers, or none."""
    floors = sorted(draw(st.sets(st.integers(0, 1_000), max_size=4)))
    rates = sorted(draw(st.lists(st.integers(0, 100), min_size=len(floors), max_size=len(floors))))
    tiers = tuple(HaircutTier(value_floor=f, haircut=r / 100) for f, r in zip(floors, rates, strict=True))
    return tiers or None


def with_haircuts(tiers: tuple[HaircutTier, ...] | None) -> AssetLimits:
    return AssetLimits.model_validate(ASSET.model_dump() | {"haircut_tiers": tiers})


@given(held=haircuts(), wanted=haircuts(), up=st.floats(0.01, 1.0), down=st.floats(0.0, 1.0))
def test_no_size_moves_farther_than_the_bound_or_past_the_target(
    held: tuple[HaircutTier, ...] | None, wanted: tuple[HaircutTier, ...] | None, up: float, down: float,
) -> None:
    """A holder at one size would lose half the weight of his collateral while the report speaks of five points."""
    between = bounded(held, wanted, up, down)
    rise, fall = furthest(held, between)
    assert rise <= up + 1e-9
    assert fall >= -down - 1e-9
    most, least = furthest(held, wanted)
    assert rise <= most + 1e-9
    assert fall >= least - 1e-9
    with_haircuts(between)  # refused unless it is a lawful schedule


@given(held=haircuts(), wanted=haircuts())
@hypothesis_settings(max_examples=40, deadline=None)
def test_the_way_ends_at_the_target_one_bounded_step_a_day(
    held: tuple[HaircutTier, ...] | None, wanted: tuple[HaircutTier, ...] | None,
) -> None:
    """Haircuts would jump, or stop half-way for ever."""
    appetite = governor_of()
    plan = plan_steps(book_of(FLAT, asset=with_haircuts(held)), book_of(FLAT, asset=with_haircuts(wanted)),
                      Governor(appetite))
    assert not plan.unreached
    assert furthest(plan.final.collateral["WETH"].haircut_tiers, wanted) == (0.0, 0.0)
    for step in plan.steps:
        assert step.pointer == AT
        assert step.new is not None
        bound = appetite.emergency_max_tightening if step.reason == Why.EMERGENCY else appetite.max_tightening
        assert -appetite.max_loosening - 1e-9 <= step.new <= bound + 1e-9


def test_a_tighter_haircut_is_not_taken_over_whole() -> None:
    """Collateral that counted in the morning would count for half at noon, at the same price."""
    target = book_of(FLAT, asset=with_haircuts((HaircutTier(value_floor=0, haircut=0.5),)),
                     as_of=AS_OF + timedelta(days=1))
    appetite = governor_of(emergency_trigger=1.9)
    made = Governor(appetite).next_book(book_of(FLAT, asset=ASSET), target,
                                        PolicyState(nanoseconds(AS_OF) + 2 * 86_400 * 10**9))
    tiers = made.book.collateral["WETH"].haircut_tiers
    assert tiers is not None
    assert tiers[0].haircut == appetite.max_tightening
    (decision,) = [d for d in made.decisions if d.pointer == AT]
    assert decision.reason == Why.BOUNDED
    assert f"{AT}/0/haircut" in made.book.explanations
    soon = Governor(appetite).next_book(
        made.book, target.model_copy(update={"as_of": made.book.as_of}),
        PolicyState(nanoseconds(made.book.as_of) + 10**9, parameters=made.state.parameters))
    assert soon.book.collateral["WETH"].haircut_tiers == tiers


def test_a_long_way_of_changing_targets_stays_short() -> None:
    """A book would grow by tiers with every calibration until nobody could read it."""
    many = tuple(HaircutTier(value_floor=k, haircut=k / 200) for k in range(120))
    between = bounded(None, many, 1.0, 0.0)
    assert between is not None
    assert len(between) == MAX_TIERS
    assert furthest(many, between)[1] == 0.0
