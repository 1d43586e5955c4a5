"""Offsets: identities of the requirement, and credits that the stressed window earns."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leverline.calibrate.book import calibrate_book
from leverline.calibrate.offsets import (
    LEG_RATIOS,
    CrossPosition,
    calibrate_offsets,
    covered_credit,
    cross_requirement,
    daily_returns,
    pair_evidence,
)
from leverline.ground.errors import UsageError
from leverline.market.bars import Panel
from leverline.model import RiskAppetite
from leverline.model.venue import Offset
from tests.calibrate import markets as synthetic
from tests.calibrate.stressed_markets import cross_appetite

NAMES = ("A", "B", "C", "D", "E")
APPETITE = cross_appetite()

positions = st.lists(st.builds(
    CrossPosition, symbol=st.sampled_from(NAMES), notional=st.floats(-1e6, 1e6), market_risk=st.floats(0.0, 1e5),
    position_cap=st.none() | st.floats(0.0, 1e6), liquidity_group=st.sampled_from(["", "x", "y"]),
    wrong_way=st.booleans()), min_size=1, max_size=5, unique_by=lambda p: p.symbol)
credits_of_pairs = st.lists(st.floats(0.0, APPETITE.offset_cap), min_size=10, max_size=10)


def offsets_of(values: list[float]) -> list[Offset]:
    pairs = itertools.combinations(NAMES, 2)
    return [Offset(first=a, second=b, credit=c, correlation=0.9) for (a, b), c in zip(pairs, values, strict=True)]


@given(held=positions, values=credits_of_pairs)
def test_market_risk_never_exceeds_the_sum_of_isolated_and_add_ons_come_on_top(
    held: list[CrossPosition], values: list[float],
) -> None:
    """Putting positions into one pool would cost more market risk, or hedge away what no hedge removes."""
    found = cross_requirement(held, offsets_of(values), APPETITE)
    alone = [cross_requirement([p], [], APPETITE) for p in held]
    assert found.isolated == pytest.approx(sum(p.market_risk for p in held))
    assert (1 - APPETITE.offset_cap / 2) * found.isolated - 1e-6 <= found.market_risk <= found.isolated
    assert found.concentration == pytest.approx(sum(each.concentration for each in alone))
    assert found.wrong_way == pytest.approx(sum(each.wrong_way for each in alone))
    assert found.total >= found.market_risk
    assert sum(given_back for _, _, given_back in found.matched) == pytest.approx(
        found.isolated - found.market_risk, abs=1e-6)


@given(held=positions, values=credits_of_pairs, which=st.integers(0, 4), more=st.floats(0.0, 1e5))
def test_raising_one_requirement_never_lowers_the_whole(
    held: list[CrossPosition], values: list[float], which: int, more: float,
) -> None:
    """A tighter limit on a hedge would let a trader take more leverage."""
    k = which % len(held)
    raised = [replace(p, market_risk=p.market_risk + more) if i == k else p for i, p in enumerate(held)]
    before, after = (cross_requirement(each, offsets_of(values), APPETITE).total for each in (held, raised))
    assert after >= before + (1 - APPETITE.offset_cap) * more - 1e-6


@given(held=positions, values=credits_of_pairs, order=st.randoms(use_true_random=False))
def test_the_order_of_positions_and_the_sign_of_all_do_not_matter(
    held: list[CrossPosition], values: list[float], order: random.Random,
) -> None:
    """Two equal accounts would need different margin."""
    base = cross_requirement(held, offsets_of(values), APPETITE)
    shuffled, offsets = list(held), offsets_of(values)
    order.shuffle(shuffled)
    order.shuffle(offsets)
    assert cross_requirement(shuffled, offsets, APPETITE).total == pytest.approx(base.total)
    assume(all(p.notional != 0 for p in held))
    mirrored = [replace(p, notional=-p.notional) for p in held]
    assert cross_requirement(mirrored, offsets, APPETITE).total == pytest.approx(base.total)


def test_only_opposite_positions_relieve_each_other() -> None:
    """Two longs that fall together would be taken for a hedge."""
    long, short, other = (CrossPosition("A", 100.0, 10.0), CrossPosition("B", -100.0, 8.0),
                          CrossPosition("B", 100.0, 8.0))
    pair = [Offset(first="A", second="B", credit=0.5, correlation=0.9)]
    assert cross_requirement([long, short], pair, APPETITE).market_risk == 14.0
    assert cross_requirement([long, other], pair, APPETITE).market_risk == 18.0


def test_positions_and_offsets_that_contradict_themselves_are_refused() -> None:
    """One position would be counted twice, or a credit given that the appetite forbids."""
    one = CrossPosition("A", 1.0, 1.0)
    pair = Offset(first="A", second="B", credit=0.5, correlation=0.9)
    for held, offsets in (([one, one], []), ([one], [pair, replace_names(pair)]),
                          ([one], [pair.model_copy(update={"credit": 0.99})]),
                          ([one], [pair.model_copy(update={"second": "A"})]),
                          ([replace(one, market_risk=-1.0)], []), ([replace(one, notional=float("nan"))], [])):
        with pytest.raises(UsageError):
            cross_requirement(held, offsets, APPETITE)


def replace_names(offset: Offset) -> Offset:
    return offset.model_copy(update={"first": offset.second, "second": offset.first})


def returns_of(correlation: float, n: int = 600, seed: int = 2) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(seed)
    shock = rng.standard_normal((n, 2))
    return 0.03 * np.column_stack([shock[:, 0], correlation * shock[:, 0] + np.sqrt(1 - correlation**2) * shock[:, 1]])


def test_a_credit_covers_the_hedge_at_every_ratio_of_its_legs() -> None:
    """A hedge would be margined below what it lost on the worst days of the stress."""
    first, second = returns_of(0.3).T
    credit = covered_credit(first, second)
    worst = [max(np.sort(s * r)[-30:].mean() for s in (1, -1)) for r in (first, second)]
    for t in LEG_RATIOS:
        for big, small in ((first / worst[0], second / worst[1]), (second / worst[1], first / worst[0])):
            lost = max(np.sort(s * (big - t * small))[-30:].mean() for s in (1, -1))
            assert 1 + t - credit * t >= lost - 1e-9


def test_credit_needs_the_lower_bound_of_the_correlation() -> None:
    """A correlation that twenty days cannot tell from chance would halve a margin."""
    earned = {}
    for rho in (0.5, 0.72, 0.95):
        returns = returns_of(rho)
        stressed = np.zeros(600, bool)
        stressed[200:380] = True
        (pair,) = pair_evidence(returns, stressed, ("A", "B"), APPETITE, np.random.default_rng(1))
        assert pair.lower < pair.correlation
        earned[rho] = pair.credit
    assert earned[0.5] == earned[0.72] == 0.0
    assert 0.0 < earned[0.95] <= APPETITE.offset_cap


def test_markets_that_part_in_the_stress_earn_nothing() -> None:
    """Years of calm togetherness would pay for a hedge that breaks when it is needed."""
    calm, broken = returns_of(0.99, 600), returns_of(0.0, 600, seed=9)
    stressed = np.zeros(600, bool)
    stressed[300:480] = True
    returns = np.where(stressed[:, None], broken, calm)
    (pair,) = pair_evidence(returns, stressed, ("A", "B"), APPETITE, np.random.default_rng(1))
    assert np.corrcoef(returns.T)[0, 1] > 0.6
    assert pair.credit == 0.0


def test_daily_returns_end_at_the_newest_bar() -> None:
    """The newest day would be missing, or days would be measured over other hours."""
    panel = Panel.of(synthetic.bars_of(synthetic.Market("A", n=24 * 30, spacing_s=3_600)))
    found = daily_returns(panel, [0])
    assert len(found) == 29
    assert found[-1, 0] == pytest.approx(np.log(panel.close[-1, 0] / panel.close[-25, 0]))


def test_a_calibrated_offset_is_explained_and_a_short_record_gives_none() -> None:
    """A credit would stand in a book without its reason."""
    market = synthetic.Market("A", seed=1, n=700)
    twin = replace(market, symbol="B", price=50.0)
    bars = synthetic.bars_of(market, twin, synthetic.Market("C", seed=8, n=700))
    appetite = RiskAppetite.profile("ccp")
    calibration = calibrate_book(bars, appetite)
    found = calibrate_offsets(calibration, appetite, rng=np.random.default_rng(1))
    assert [(o.first, o.second) for o in found.offsets] == [("A", "B")]
    assert {"/venue/offsets/0/credit", "/venue/offsets/0/correlation"} == set(found.explanations)
    longer = appetite.model_copy(update={"cross_margin": cross_appetite(stressed_window_days=400)})
    short = calibrate_offsets(calibration, longer, rng=np.random.default_rng(1))
    assert short.offsets == ()
    assert short.warnings
    with pytest.raises(UsageError, match="cross margin"):
        calibrate_offsets(calibration, appetite.model_copy(update={"cross_margin": None}),
                          rng=np.random.default_rng(1))
