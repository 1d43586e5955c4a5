"""Collateral: who bears slippage, what never breaks, what thinner or wilder markets may not win, what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.collateral import CollateralInputs, calibrate_asset, collateral_line
from leverline.calibrate.collateral_haircuts import counted_haircut, haircut_curve, haircut_tiers
from leverline.calibrate.collateral_terms import (
    CollateralMeasures,
    Terms,
    collateral_terms,
    published,
    slippage_within_bonus,
)
from leverline.calibrate.margin_period import LossCurve
from leverline.calibrate.pegged import PegMeasures, stressed_pair_correlation
from leverline.calibrate.quality import quality_score
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, MalformedInputError, UsageError
from leverline.measure.ratio_tail import DepegRecord
from leverline.model import LimitBook, RiskAppetite
from leverline.model.limitbook import Basis
from tests.calibrate.markets import Market, bars_of
from tests.calibrate.test_requirement import HORIZONS, allowance, by_volume, changed, market
from tests.measure.panels import panel_of

DAY_S = 86_400.0
POOL = changed(RiskAppetite.profile("ccp"), costs={"slippage_bearer": "liquidator"}, rounding={
    "minimum_maintenance_rate": 0.0}, collateral={"gas_cost": 5.0, "smallest_liquidation": 500.0,
                                                  "largest_liquidation": 1e6, "protocol_fee_rate": 0.004})
VENUE = changed(POOL, costs={"slippage_bearer": "venue"})


def pledged(**fields: object) -> CollateralMeasures:
    """An asset that loses 10 % a day, sold into a hundred million a day."""
    given = CollateralMeasures("A", market(), latency_loss=0.004, sigma_per_day=0.06)
    return replace(given, **fields)  # type: ignore[arg-type]


def peg(fall: float, *, worst: float = 0.0, reference: LossCurve | None = None) -> PegMeasures:
    flat = np.full((3, 2), fall)
    record = DepegRecord((), 2.0, 0.0, 1.5, 0.0, np.array([worst, 0.0]), ends_inside=False)
    return PegMeasures("B", LossCurve(HORIZONS, flat, None), reference, record)


def test_the_liquidator_never_loses_at_the_bonus_and_would_below_it() -> None:
    """Nobody liquidates at a loss: the pool would be left with the position, or pay more than it must."""
    terms, depth = collateral_terms(pledged(), POOL), by_volume()
    size = np.geomspace(500.0, 1e6, 61)
    kept = (1 - depth.cost_rate(size)) * (1 - 0.004) * (1 - 0.0005)
    capital = 0.1 * 3600 / (365 * DAY_S)

    def profit(bonus: float) -> FloatArray:
        return (1 + bonus) * kept - 1 - 5.0 / size - capital

    assert profit(terms.bonus).min() == pytest.approx(0.0, abs=1e-12)
    assert profit(terms.bonus - 1e-4).min() < 0.0
    # at every size the bonus holds at least the plain sum of the costs there
    assert np.all(terms.bonus >= depth.cost_rate(size) + 5.0 / size + 0.004 + capital)


def test_slippage_stands_in_the_bonus_or_in_the_threshold_and_never_in_both() -> None:
    """Charged twice, a borrower loses leverage for nothing; left out, the pool pays for every sale."""
    pool, venue = collateral_terms(pledged(), POOL), collateral_terms(pledged(), VENUE)
    assert pool.threshold == pytest.approx((1 - pool.loss) / (1 + pool.bonus + 0.004))
    sale = float(by_volume().cost_rate(1e6)[0]) + 0.0005
    assert venue.threshold == pytest.approx((1 - venue.loss - sale) / (1 + 0.01 + 0.004))
    assert venue.bonus == pytest.approx(5.0 / 500.0)  # the gas that the venue pays, nothing else
    assert pool.loss == venue.loss


def test_a_loan_opens_where_the_reaction_loss_cannot_liquidate_it() -> None:
    """Somebody who borrows the most would be liquidated by an ordinary hour."""
    terms = collateral_terms(pledged(market=market(reaction=np.array([0.2, 0.3]))), POOL)
    assert terms.ltv == pytest.approx(terms.threshold * 0.8)
    calm = collateral_terms(pledged(market=market(reaction=np.array([0.01, 0.3]))), POOL)
    assert calm.ltv == pytest.approx(calm.threshold * 0.9)  # the appetite's gap


sizes = st.floats(1e6, 1e10)
losses = st.floats(0.0, 0.6)


@settings(max_examples=60)
@given(volume=sizes, daily=losses, latency=st.floats(0.0, 0.05), fee=st.floats(0.0, 0.05), basis=st.floats(0, 0.02),
       bearer=st.sampled_from(["venue", "liquidator"]))
def test_what_is_published_never_owes_more_than_it_holds(
    volume: float, daily: float, latency: float, fee: float, basis: float, bearer: str
) -> None:
    """A liquidation would seize more than there is: threshold x (1 + bonus + fee) may not exceed what is left."""
    appetite = changed(POOL, costs={"slippage_bearer": bearer}, collateral={"protocol_fee_rate": fee})
    root = daily * np.sqrt(HORIZONS / DAY_S)
    measures = pledged(latency_loss=latency, market=market(
        long=root, volume_per_day=volume, depth=by_volume(volume=volume), basis=allowance(basis)))
    try:
        terms = collateral_terms(measures, appetite)
        out = published(terms, appetite)
    except InsufficientDataError:
        return
    assert out.threshold * (1 + out.bonus + fee) <= 1 - terms.loss + 1e-9
    assert out.threshold * (1 + out.bonus) <= 1.0
    assert 0.0 <= out.ltv <= out.threshold <= terms.threshold + 1e-9
    assert out.bonus >= terms.bonus - 1e-9
    assert out.harmful_above_ltv == pytest.approx(1 / (1 + out.bonus))
    assert out.threshold <= out.harmful_above_ltv  # a liquidation that starts at the threshold lowers LTV


def _terms(measures: CollateralMeasures, appetite: RiskAppetite) -> Terms | None:
    try:
        return collateral_terms(measures, appetite)
    except InsufficientDataError:
        return None


@settings(max_examples=60)
@given(volume=sizes, thinner=st.floats(0.05, 1.0), wilder=st.floats(1.0, 2.0), slower=st.floats(1.0, 3.0),
       dearer=st.floats(1.0, 5.0), bearer=st.sampled_from(["venue", "liquidator"]))
def test_raising_a_requirement_never_raises_leverage(
    volume: float, thinner: float, wilder: float, slower: float, dearer: float, bearer: str
) -> None:
    """A market that dries up, or a venue that asks for more, would let people borrow more."""
    base = changed(POOL, costs={"slippage_bearer": bearer})
    harder = changed(base, margin_period={"detection_s": DAY_S * slower}, collateral={"gas_cost": 5.0 * dearer},
                     costs={"impact_coefficient": dearer})
    measures = pledged(market=market(volume_per_day=volume, depth=by_volume(volume=volume)))
    curve = measures.market.losses
    worse = pledged(latency_loss=0.004 * wilder, market=market(
        long=curve.quantile[:, 0] * wilder, volume_per_day=volume * thinner,
        depth=by_volume(volume=volume * thinner), reaction=measures.market.reaction * wilder))
    before = _terms(measures, base)
    for changed_measures, changed_appetite in ((worse, base), (measures, harder), (worse, harder)):
        after = _terms(changed_measures, changed_appetite)
        if before is None:
            assert after is None
        elif after is not None:
            assert after.threshold <= before.threshold + 1e-12
            assert after.ltv <= before.ltv + 1e-12
            assert after.bonus >= before.bonus - 1e-12


def test_an_asset_that_needs_too_large_a_bonus_is_not_accepted() -> None:
    """A coin nobody can sell would be taken at a number that nobody could collect."""
    thin = pledged(market=market(volume_per_day=1e5, depth=by_volume(volume=1e5)))
    with pytest.raises(InsufficientDataError, match="bonus of"):
        collateral_terms(thin, POOL)
    with pytest.raises(InsufficientDataError, match="neither volume nor a book"):
        collateral_terms(pledged(market=market(depth=None)), POOL)
    with pytest.raises(InsufficientDataError, match="nothing can be lent"):
        collateral_terms(pledged(market=market(long=np.array([1.0, 1.2, 1.5]))), POOL)


def test_a_peg_adds_the_tail_of_its_ratio_and_the_worst_it_has_done() -> None:
    """A staked coin would be lent against as if it could only fall with what it stands for."""
    reference = market().losses
    alone = float(pledged().price_loss(np.array([DAY_S]))[0])
    staked = pledged(peg=peg(0.02, reference=reference))
    assert staked.price_loss(np.array([DAY_S]))[0] == pytest.approx(1 - (1 - alone) * 0.98)
    broke = pledged(peg=peg(0.02, worst=0.3, reference=reference))
    assert broke.price_loss(np.array([DAY_S]))[0] == pytest.approx(1 - (1 - alone) * 0.7)
    assert calibrate_asset(staked, POOL).limits.opening_price == "lower_of_market_and_redemption"


@settings(max_examples=30)
@given(volume=sizes, slices=st.integers(1, 8), bearer=st.sampled_from(["venue", "liquidator"]))
def test_haircuts_cover_what_selling_costs_at_every_size(volume: float, slices: int, bearer: str) -> None:
    """A whale's collateral would count for more than its sale brings."""
    appetite = changed(POOL, costs={"slippage_bearer": bearer})
    curve = haircut_curve(pledged(market=market(volume_per_day=volume, depth=by_volume(volume=volume))), appetite)
    tiers = haircut_tiers(curve, slices)
    value = np.geomspace(curve.value[0], tiers[-1].value_floor / 1e6 or curve.value[-1], 200)
    needed = value * np.interp(value, curve.value, curve.rate)
    assert np.all(counted_haircut(tiers, value) >= needed * (1 - 1e-3) - 1e-6)
    assert len(tiers) <= slices
    assert all(a.haircut < b.haircut for a, b in pairwise(tiers))
    assert slices == 1 or tiers[-1].haircut == 1.0


def test_the_bonus_left_for_slippage_is_what_it_says() -> None:
    """A cap would rest on a bonus of which gas and delay have already taken half."""
    measures, bonus = pledged(), 0.05
    left = slippage_within_bonus(bonus, measures, POOL)
    capital = 0.1 * 3600 / (365 * DAY_S)
    assert 1.05 * (1 - left) * (1 - 0.004) * (1 - 0.0005) == pytest.approx(1 + 5e-6 + capital)
    assert slippage_within_bonus(0.0, measures, POOL) == 0.0


def test_one_fatal_flaw_is_not_averaged_away() -> None:
    """An asset that cannot be sold would score well for being calm."""
    period = 2 * DAY_S
    good = quality_score(pledged(), period, POOL)
    dead = quality_score(pledged(market=market(depth=by_volume(volume=1e3))), period, POOL)
    assert good.score > 0.5
    assert dead.parts["liquidity"] == 0.0
    assert dead.score == 0.0


def test_what_was_not_measured_is_none_and_not_average() -> None:
    """A missing audit would read as a middling one."""
    parts = quality_score(pledged(), DAY_S, POOL).parts
    assert [name for name, part in parts.items() if part is None] == ["holders", "peg", "oracle", "contract"]
    graded = changed(POOL, collateral={"contract_grades": {"A": 0.3}})
    seen = replace(allowance(0.01), basis=Basis.MEASURED)
    told = quality_score(pledged(holder_concentration=0.4, market=market(basis=seen)), DAY_S, graded).parts
    assert (told["holders"], told["oracle"], told["contract"]) == (0.6, 0.8, 0.3)


@pytest.fixture(scope="module")
def calibrated() -> Calibration:
    bars = bars_of(Market("BTC/USDT:USDT", 1, n=700, volume=1e7), Market("BTC/USDT", 1, n=700, volume=1e6),
                   Market("DUST/USDT:USDT", 3, n=700, daily_volatility=0.08, volume=1e2),
                   Market("PEG/USDT:USDT", 5, n=700, daily_volatility=0.001, price=1.0, volume=1e8),
                   Market("YOUNG/USDT:USDT", 6, n=20))
    return calibrate_book(bars, POOL, scale="sqrt-time")


def test_every_number_of_the_line_is_explained_and_fits_a_book(calibrated: Calibration) -> None:
    """A committee would be asked to adopt a number that nobody can account for."""
    line = collateral_line(calibrated, POOL, CollateralInputs(pegs={"PEG": "USD"}, debt_ceilings=True,
                                                              loss_capacity=1e6))
    assert set(line.limits) == {"BTC", "PEG"}
    for asset, limits in line.limits.items():
        stated = {name for name, value in limits.model_dump().items() if value is not None}
        told = {key.removeprefix(f"/collateral/{asset}/").split("/")[0] for key in line.explanations
                if key.startswith(f"/collateral/{asset}/")}
        assert told == stated, asset
        assert limits.debt_ceiling is not None
        assert limits.debt_ceiling <= 1e12
    assert any("DUST" in warning for warning in line.warnings)
    assert all(line.explanations[f"/collateral/BTC/{name}"].sensitivity for name in
               ("ltv", "liquidation_threshold", "liquidation_bonus", "supply_cap", "borrow_cap"))
    book = calibrated.book.model_dump() | {"collateral": {k: v.model_dump() for k, v in line.limits.items()}}
    LimitBook.model_validate(book)


def test_an_asset_is_sold_where_it_trades_most(calibrated: Calibration) -> None:
    """Depth of the side market would set the bonus of the main one."""
    (btc,) = [each for each in collateral_line(calibrated, POOL).assets if each.measures.asset == "BTC"]
    assert btc.measures.market.symbol == "BTC/USDT:USDT"


def test_debt_ceilings_only_where_the_protocol_has_them(calibrated: Calibration) -> None:
    """A newer protocol would be sent a parameter that it has deleted."""
    assert all(limits.debt_ceiling is None for limits in collateral_line(calibrated, POOL).limits.values())


@pytest.mark.parametrize(("inputs", "said"), [
    (CollateralInputs(pegs={"stETH": "USD"}), "no market prices stETH"),
    (CollateralInputs(pegs={"PEG": "EUR"}), "no market prices EUR"),
    (CollateralInputs(groups={"g": ("BTC", "LSD")}), "no market prices LSD"),
    (CollateralInputs(groups={"g": ("BTC",)}), "at least one other"),
    (CollateralInputs(groups={"g": ("BTC", "PEG"), "h": ("DUST", "PEG")}), "limits of one group"),
    (CollateralInputs(holder_concentration={"BTC": 1.2}), "share in"),
    (CollateralInputs(market_value={"BTC": 0.0}), "market value is positive"),
    (CollateralInputs(loss_capacity=-1.0), "loss capacity"),
    (CollateralInputs(redemption={"BTC": np.ones(3)}), "belongs to a peg"),
])
def test_names_and_figures_that_cannot_be_meant_are_refused(
    calibrated: Calibration, inputs: CollateralInputs, said: str
) -> None:
    """A misspelt asset would silently keep the limits of one that is pegged to nothing."""
    with pytest.raises(UsageError, match=said):
        collateral_line(calibrated, POOL, inputs)


def test_a_grade_for_an_unknown_asset_and_an_appetite_without_collateral_are_refused(calibrated: Calibration) -> None:
    """A grade for stEHT would grade nobody."""
    with pytest.raises(UsageError, match="no market prices stEHT"):
        collateral_line(calibrated, changed(POOL, collateral={"contract_grades": {"stEHT": 0.5}}))
    with pytest.raises(UsageError, match=r"section \[collateral\]"):
        collateral_line(calibrated, POOL.model_copy(update={"collateral": None}))


@pytest.mark.parametrize(("old", "new"), [
    ("smallest_liquidation = 10_000.0", "smallest_liquidation = 1e9"), ("max_bonus = 0.1", "max_bonus = 1.5"),
    ("latency_confidence = 0.95", "latency_confidence = 0.5"), ("haircut_slices = 3", "haircut_slices = 0"),
])
def test_an_appetite_out_of_range_is_refused(old: str, new: str, tmp_path: Path) -> None:
    """A bonus of 150 % would be read as a decision."""
    shipped = Path(__file__).parents[2] / "src" / "leverline" / "model" / "profiles" / "ccp.toml"
    text = shipped.read_text(encoding="utf-8")
    assert old in text
    target = tmp_path / "appetite.toml"
    target.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MalformedInputError, match="collateral"):
        RiskAppetite.read(target)


def test_a_group_is_granted_to_what_moves_together_and_to_nothing_else() -> None:
    """Two coins that part in a crash would back each other at 95 %."""
    base = Market("ETH", 1, n=700, volume=1e8)
    bars = bars_of(base, Market("STAKED", 1, n=700, volume=1e7, daily_volatility=0.0301), Market("OTHER", 9, n=700))
    line = collateral_line(calibrate_book(bars, POOL, scale="sqrt-time"), POOL, CollateralInputs(
        pegs={"STAKED": "ETH"}, groups={"eth": ("ETH", "STAKED", "OTHER")}))
    assert any("OTHER has no group limits: correlation" in warning for warning in line.warnings)
    paired = collateral_line(calibrate_book(bars, POOL, scale="sqrt-time"), POOL, CollateralInputs(
        pegs={"STAKED": "ETH"}, groups={"eth": ("ETH", "STAKED")}))
    grown = paired.limits["STAKED"]
    assert grown.group_limits is not None
    assert grown.liquidation_threshold is not None
    assert grown.group_limits.liquidation_threshold > grown.liquidation_threshold
    assert "/collateral/STAKED/group_limits/ltv" in paired.explanations


def test_stress_is_chosen_before_the_day_and_not_by_it() -> None:
    """Correlation found by picking the days of large moves would group coins that have nothing in common."""
    rng = np.random.default_rng(4)
    close = np.exp(np.cumsum(0.03 * rng.standard_t(4, (2000, 2)), axis=0))
    sigma = np.full((2000, 2), 0.03)
    sigma[1000:1200] = 0.06
    assert abs(stressed_pair_correlation(panel_of(close), 0, 1, sigma, 0.1)) < 0.2
    assert np.isnan(stressed_pair_correlation(panel_of(close[:20]), 0, 1, sigma[:20], 0.1))
