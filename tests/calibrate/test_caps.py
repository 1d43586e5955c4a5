"""Caps on open interest, profit and lending: what bounds them, exactly where, and that caution never loosens them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from leverline.calibrate.caps import (
    Bound,
    MarketCaps,
    MarketFacts,
    batch_shortfall,
    fund_cap,
    market_caps,
    open_interest_sensitivities,
    reproduction_cap,
    shortfall_rate,
    within_leverage,
)
from leverline.calibrate.lending_caps import lending_caps
from leverline.calibrate.manipulation import IndexSource
from leverline.calibrate.requirement import MarketMeasures
from leverline.ground.errors import UsageError
from leverline.margin.forced_impact import CurveImpact
from leverline.margin.reproduction import Pressure, reproduction_of_distribution
from leverline.measure.cost_curve import CostCurve, curve_from_costs, square_root_curve
from leverline.model import RiskAppetite
from leverline.model.appetite_line import CapsAppetite
from leverline.model.limitbook import Basis, Tier
from leverline.model.quantities import UNITS_PER_ONE
from tests.calibrate.test_requirement import by_volume, changed, market

EXCHANGE = RiskAppetite.profile("exchange")
SHARES = {5.0: 0.3, 10.0: 0.4, 20.0: 0.3}
MAINTENANCE = 0.02
FIRST = (Tier(notional_floor=0, notional_cap=1_000_000 * UNITS_PER_ONE, max_leverage=20.0, initial_margin_rate=0.05,
              maintenance_margin_rate=MAINTENANCE, maintenance_deduction=0),)
BOOK = curve_from_costs(np.array([1e5, 5e5, 2e6, 1e7]), np.array([2e-3, 1e-2, 2e-2, 5e-2]), float("nan"))


def cap_of(curve: CostCurve, shares: dict[float, float] = SHARES, *, pressure: Pressure = Pressure.SELLING,
           average: float = 20_000.0, batch: float = 0.2, largest: float = 0.5) -> float:
    found = reproduction_cap(shares, MAINTENANCE, curve, pressure, average_liquidation=average, batch_share=batch,
                             max_reproduction=largest)
    assert found is not None
    return found


@given(sigma=st.floats(0.02, 0.3), volume=st.floats(1e6, 1e10), batch=st.floats(0.01, 1.0), largest=st.floats(0.1, 0.9),
       average=st.floats(1e3, 1e6), pressure=st.sampled_from(list(Pressure)), booked=st.booleans())
def test_at_the_cap_forced_trades_just_die_out(
    sigma: float, volume: float, batch: float, largest: float, average: float, pressure: Pressure, booked: bool,
) -> None:
    """A market at its cap would feed on its own liquidations, or be kept smaller than it has to be."""
    tail = sigma / np.sqrt(volume)
    curve = replace(BOOK.scaled(volume / 1e8), root_rate=tail) if booked else square_root_curve(tail)
    cap = cap_of(curve, pressure=pressure, average=average, batch=batch, largest=largest)

    def supremum(open_interest: float) -> float:
        return reproduction_of_distribution(SHARES, MAINTENANCE, open_interest, CurveImpact(curve), average,
                                            max(average, batch * open_interest), pressure).supremum

    assert supremum(cap * (1 - 1e-9)) < largest * (1 + 1e-9)
    assert supremum(cap * (1 + 1e-6)) >= largest * (1 - 1e-9)


def test_beyond_the_last_level_no_batch_is_allowed() -> None:
    """A book without a tail would be extrapolated to let in more than anybody saw room for."""
    assert cap_of(BOOK, average=1e4, batch=0.5) <= 1e7 / 0.5
    assert reproduction_cap(SHARES, MAINTENANCE, BOOK, Pressure.SELLING, average_liquidation=2e7, batch_share=0.5,
                            max_reproduction=0.5) is None


@given(thinner=st.floats(0.1, 1.0), stricter=st.floats(0.1, 1.0), more=st.floats(0.0, 1.0))
def test_caution_never_raises_the_reproduction_cap(thinner: float, stricter: float, more: float) -> None:
    """Less depth, a lower R or more leverage must not let the market grow."""
    curve = square_root_curve(0.06 / np.sqrt(1e8))
    base = cap_of(curve)
    moved = {5.0: 0.3 * (1 - more), 10.0: 0.4, 20.0: 0.3 + 0.3 * more}
    assert cap_of(curve.scaled(thinner)) <= base * (1 + 1e-9)
    assert cap_of(curve, largest=0.5 * stricter) <= base * (1 + 1e-9)
    assert cap_of(curve, moved) <= base * (1 + 1e-9)


@given(fund=st.floats(0.0, 1e9), move=st.floats(0.0, 0.9), batch=st.floats(0.01, 1.0))
def test_the_fund_is_used_up_exactly_at_its_cap(fund: float, move: float, batch: float) -> None:
    """A market at its cap would cost the fund more than it has, or leave some of it idle."""
    impact = CurveImpact(square_root_curve(0.06 / np.sqrt(1e8)))
    cap = fund_cap(SHARES, fund, move, batch, impact)
    assert batch_shortfall(SHARES, cap, move, batch, impact) <= fund * (1 + 1e-9)
    if cap > 1.0:
        assert batch_shortfall(SHARES, cap * (1 + 1e-6), move, batch, impact) > fund


def test_shortfall_is_what_margin_does_not_cover() -> None:
    """Losses would be charged to the fund that margin pays, or the other way round."""
    assert shortfall_rate(SHARES, 0.05) == 0.0
    assert shortfall_rate(SHARES, 0.15) == pytest.approx(0.3 * 0.10 + 0.4 * 0.05)


def test_a_move_within_margin_and_no_impact_bounds_nothing() -> None:
    """A bound where nothing is ever lost would be a number without a reason."""
    assert fund_cap(SHARES, 1e6, 0.04, 0.2, None) == float("inf")
    assert np.isnan(batch_shortfall(SHARES, 1e9, 0.04, 0.2, CurveImpact(square_root_curve(float("nan")))))


def test_leverage_that_is_not_offered_counts_as_the_highest_that_is() -> None:
    """Open interest at a leverage nobody may take would fall before the market does."""
    assert within_leverage({5.0: 0.3, 50.0: 0.4, 100.0: 0.3}, 20.0) == pytest.approx({5.0: 0.3, 20.0: 0.7})


def test_the_tightest_bound_binds_and_unknown_ones_are_named() -> None:
    """A venue would not learn that nobody looked at float or fund."""
    found = market_caps(market(), FIRST, EXCHANGE)
    amounts = [bound.notional for bound in found.bounds]
    assert found.open_interest is not None
    assert amounts == sorted(amounts)
    assert len(found.bounds) == 3
    assert any("market value" in text for text in found.unknown)
    assert any("fund" in text for text in found.unknown)


def test_every_fact_given_becomes_a_bound() -> None:
    """What is known of float, fund, leverage and index would be asked for and then not used."""
    known = MarketFacts(leverage_shares=SHARES, market_value=1e6, fund=1e3, stressed_move=0.3)
    found = market_caps(market(), FIRST, EXCHANGE, known)
    assert len(found.bounds) == 5
    assert found.unknown == ()
    assert any("under given distribution" in bound.binding for bound in found.bounds)
    assert any(bound.notional == pytest.approx(0.1 * 1e6) for bound in found.bounds)


def bound_of(found: MarketCaps, word: str) -> Bound:
    return next(bound for bound in found.bounds if word in bound.binding)


def test_the_thinner_side_of_the_book_decides() -> None:
    """Shorts squeezed into a thin ask would be let in by a deep bid."""
    long, short = by_volume().curves
    squeezed = replace(by_volume(), curves=(long, short.scaled(0.1)))
    crashed = replace(by_volume(), curves=(long.scaled(0.1), short))
    for depth, word in ((squeezed, "buying"), (crashed, "selling")):
        found = bound_of(market_caps(market(depth=depth), FIRST, EXCHANGE), "releases")
        assert found.binding.startswith(f"forced {word}")


def test_what_one_owner_takes_is_his_share_of_open_interest() -> None:
    """On a venue that does not know its owners, the attacker would be granted five times too much."""
    moved = 1e8 * (0.05 / 0.06) ** 2  # notional that moves the index by the smallest initial margin
    for share in (0.2, 1.0):
        appetite = changed(EXCHANGE, caps={"owner_share": share, "impact_persistence": 0.0})
        found = bound_of(market_caps(market(), FIRST, appetite), "manipulation")
        assert found.notional == pytest.approx(3 * (4 / 3) * moved / 2.0 / share)


def test_index_sources_that_are_given_replace_the_assumed() -> None:
    """The venue's own thin index would be taken for three markets as deep as its own."""
    thin = by_volume(volume=1e6).curves[0]
    known = MarketFacts(index_sources=(IndexSource(thin, thin),))
    found = market_caps(market(), FIRST, EXCHANGE, known)
    assumed = bound_of(market_caps(market(), FIRST, EXCHANGE), "manipulation")
    assert bound_of(found, "1 index sources as given").notional == pytest.approx(assumed.notional / 300)


def test_the_batch_presses_on_the_fund() -> None:
    """The fund would be sized as if everybody could be sold at the price that liquidated them."""
    known = MarketFacts(fund=1e6, stressed_move=0.1)
    deep, unknown = (bound_of(market_caps(market(depth=depth), FIRST, EXCHANGE, known), "use up the fund").notional
                     for depth in (by_volume(), None))
    assert deep < 0.9 * unknown


def test_an_assumed_distribution_of_leverage_is_named() -> None:
    """A number that rests on a guess would pass as measured."""
    found = bound_of(market_caps(market(), FIRST, EXCHANGE), "releases")
    assert "the appetite's adverse distribution of leverage (2x 10 %" in found.binding
    assert found.basis is Basis.ASSUMED


def test_without_depth_and_volume_there_is_no_cap() -> None:
    """A cap made of nothing would look like any other."""
    found = market_caps(market(depth=None, volume_per_day=float("nan")), FIRST, EXCHANGE)
    assert found.open_interest is None
    assert found.profit is None
    assert open_interest_sensitivities(market(depth=None, volume_per_day=float("nan")), FIRST, EXCHANGE) == {}


@pytest.mark.parametrize("bump", ["depth: stressed depth and volume -10 %", "volatility +10 %",
                                  "reproduction allowed -10 %", "all open interest at the highest leverage"])
def test_no_stress_raises_the_cap(bump: str) -> None:
    """A sensitivity with the wrong sign would tell the venue to loosen in a storm."""
    change = open_interest_sensitivities(market(), FIRST, EXCHANGE)[bump]
    assert change is not None
    assert change <= 1e-12


@given(stricter=st.floats(0.1, 1.0), safety=st.floats(1.0, 4.0), crowding=st.floats(1.0, 5.0))
def test_no_stricter_appetite_raises_the_cap(stricter: float, safety: float, crowding: float) -> None:
    """An appetite for less risk must not end in more."""
    base = market_caps(market(), FIRST, EXCHANGE).open_interest
    harder = changed(EXCHANGE, caps={"max_reproduction": 0.5 * stricter, "manipulation_safety": 2.0 * safety,
                                     "batch_volume_share": 0.25 * stricter})
    found = market_caps(market(), FIRST, harder).open_interest
    assert base is not None
    assert found is not None
    assert found.notional <= base.notional * (1 + 1e-9)
    long, short = (curve.scaled(1 / crowding) for curve in by_volume().curves)
    shared = replace(by_volume(), curves=(long, short), crowding=crowding)
    alike = market_caps(market(depth=shared), FIRST, EXCHANGE).open_interest
    assert alike is not None
    assert alike.notional == pytest.approx(base.notional)  # the whole market's depth, however it is shared out


def test_an_appetite_without_caps_is_refused() -> None:
    """Defaults would decide about money that the appetite is silent on."""
    with pytest.raises(UsageError, match="says nothing of caps"):
        market_caps(market(), FIRST, EXCHANGE.model_copy(update={"caps": None}))


@pytest.mark.parametrize("wrong", [
    {"leverage_distribution": {"5": 0.5}}, {"leverage_distribution": {"5": 0.5, "5.0": 0.5}},
    {"leverage_distribution": {"fast": 1.0}}, {"leverage_distribution": {"0.5": 1.0}},
    {"leverage_distribution": {"nan": 1.0}}, {"max_reproduction": 1.0}, {"owner_share": 0.0},
    {"stressed_batch_share": 0.0}, {"manipulation_safety": 0.9}, {"impact_persistence": 1.1}, {"index_sources": 0}])
def test_contradictory_caps_are_refused(wrong: dict[str, object]) -> None:
    """A distribution that is not whole, or an R of one, would be computed with."""
    assert EXCHANGE.caps is not None
    with pytest.raises(ValidationError):
        CapsAppetite.model_validate(EXCHANGE.caps.model_dump() | wrong)


def lent(ltv: float = 0.6, bonus: float = 0.05, given: MarketMeasures | None = None, **facts: float) -> list[float]:
    found = lending_caps(given or market(), EXCHANGE, ltv=ltv, liquidation_bonus=bonus, facts=MarketFacts(**facts))  # type: ignore[arg-type]
    return [found.supply[0].notional, found.borrow[0].notional]


def test_borrowing_stays_below_its_share_of_supply() -> None:
    """More would be lent than was deposited."""
    supply, borrow = lent()
    assert borrow <= 0.8 * supply * (1 + 1e-12)


@given(less=st.floats(0.3, 1.0))
def test_a_thinner_or_more_generous_market_takes_no_more_collateral(less: float) -> None:
    """Supply must not grow as depth shrinks, as the bonus that pays the sale shrinks, or as more is lent on it."""
    base = lent()
    for moved in (lent(given=market(depth=by_volume(volume=1e8 * less), volume_per_day=1e8 * less)),
                  lent(bonus=0.05 * less), lent(ltv=1 - 0.4 * less), lent(market_value=1e9 * less)):
        assert moved[0] <= base[0] * (1 + 1e-9)
        assert moved[1] <= base[1] * (1 + 1e-9)


def test_loans_are_bought_back_and_collateral_is_sold() -> None:
    """A thin ask would not hold back what may be lent out: the squeeze of CRV in November 2022."""
    long, short = by_volume().curves
    asks = market(depth=replace(by_volume(), curves=(long, short.scaled(1e-3))))
    plain, squeezed = (lending_caps(each, EXCHANGE, ltv=0.6, liquidation_bonus=0.05) for each in (market(), asks))

    def of(bounds: tuple[Bound, ...], word: str) -> float:
        return next(bound.notional for bound in bounds if word in bound.binding)

    assert of(squeezed.supply, "is sold within") == pytest.approx(of(plain.supply, "is sold within"))
    assert of(squeezed.borrow, "is bought back") == pytest.approx(of(plain.borrow, "is bought back") * 1e-3)


def test_a_protocol_that_can_lose_little_takes_little() -> None:
    """The cap would not know what a fall costs: a fall of 60 % at 60 % leaves 0.6 - 0.4 / 1.05 of value unpaid."""
    supply, _ = lent(fund=1e3, stressed_move=0.6)
    assert supply == pytest.approx(1e3 / (0.6 - 0.4 / 1.05))


def test_a_threshold_that_seizes_more_than_all_is_refused() -> None:
    """Contradictory thresholds would be given a cap instead of an error."""
    with pytest.raises(UsageError, match="does not exceed 1"):
        lent(ltv=0.97, bonus=0.05)
