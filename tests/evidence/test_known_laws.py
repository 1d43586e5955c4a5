"""Coverage where the truth is known: the default holds, the perfect model holds, the control must fail."""

from __future__ import annotations

import numpy as np
import pytest

from leverline.evidence.backtest import BacktestPlan, Walk, walk
from leverline.evidence.coverage_rows import by_date, in_band_share, top_volatility
from leverline.evidence.scoring import score
from leverline.ground.arrays import BoolArray, FloatArray
from leverline.market.bars import Panel
from leverline.measure.loss_models import DEFAULT_MODEL, loss_model
from leverline.measure.losses import worst_losses
from leverline.measure.resampling import pooled_rate
from leverline.model.appetite import RiskAppetite
from tests.measure.panels import DAY_S, closes, garch, panel_of, unit_t, unit_t_quantile

CONFIDENCES = (0.99, 0.995, 0.999)
DAYS, MARKETS = 1800, 24
TOLERANCE = {0.99: 0.15, 0.995: 0.20, 0.999: 0.40}
"""How far the pooled rate may be from nominal, relative: about three binomial standard errors of 72,000 windows, and
what parameters fitted to 500 days add."""


def constant() -> tuple[Panel, FloatArray]:
    """Independent Student-t(4) returns of 3 % a day, and that 3 %."""
    returns = 0.03 * unit_t(np.random.default_rng(31), (DAYS, MARKETS))
    return panel_of(closes(returns)), np.full(returns.shape, 0.03)


def clustered() -> tuple[Panel, FloatArray]:
    """GARCH(1,1) with t(4) shocks, and the true volatility of each row."""
    returns, sigma = garch(np.random.default_rng(32), DAYS, MARKETS)
    return panel_of(closes(returns)), sigma


LAWS = {"constant": constant(), "clustered": clustered()}


def walked(law: str, method: str) -> Walk:
    plan = BacktestPlan(confidences=CONFIDENCES)
    return walk(LAWS[law][0], RiskAppetite.profile("ccp"), loss_model(method), plan, float(DAY_S))


def rate_of(breaches: BoolArray, observed: BoolArray) -> float:
    return float(breaches.sum() / observed.sum())


@pytest.mark.parametrize("law", sorted(LAWS))
def test_the_default_model_covers_what_it_claims(law: str) -> None:
    """The margins that ship would be breached more often than they say, in the plainest of markets."""
    run = walked(law, DEFAULT_MODEL)
    for confidence in CONFIDENCES:
        scored, nominal = run.scored["model", confidence], 1.0 - confidence
        assert scored.observed.sum() > 70_000
        assert rate_of(scored.breach, scored.observed) == pytest.approx(nominal, rel=TOLERANCE[confidence])
        book = run.scored["book", confidence]
        assert rate_of(book.breach, book.observed) < nominal
        share, sides = in_band_share(scored, 500)
        assert sides == 2 * MARKETS
        assert share > 0.85


@pytest.mark.parametrize("law", sorted(LAWS))
def test_the_control_fails(law: str) -> None:
    """A backtest that passes normal margins on fat tails passes anything."""
    run = walked(law, "normal-ewma")
    for confidence, times in ((0.99, 1.2), (0.995, 1.5), (0.999, 3.0)):
        scored = run.scored["model", confidence]
        rate = pooled_rate(*by_date(scored), rng=np.random.default_rng(1))
        assert rate.low > times * (1.0 - confidence)
        assert in_band_share(scored, 500)[0] < 0.5


@pytest.mark.parametrize("law", sorted(LAWS))
def test_the_true_quantile_is_in_band(law: str) -> None:
    """The scoring would condemn a model that is right, or its windows be a bar away from its margins."""
    panel, sigma = LAWS[law]
    losses = worst_losses(panel, 1)
    for confidence in CONFIDENCES:
        reach = sigma * unit_t_quantile(1.0 - confidence)
        true = np.stack([-np.expm1(-reach), np.expm1(reach)], axis=2)  # row t: the law of the return of row t
        margin = np.full_like(true, np.nan)
        margin[:-1] = true[1:]  # a window that opens at the close of t earns the return of t + 1
        scored = score(panel, losses, margin, 1.0 - confidence, 0, DAYS - 1)
        rate = pooled_rate(*by_date(scored), rng=np.random.default_rng(1))
        assert rate.low <= 1.0 - confidence <= rate.high
        assert in_band_share(scored, 500)[0] > 0.9


def test_in_the_storm_the_default_holds_and_plain_history_does_not() -> None:
    """The figure that tells a margin for the storm from one for the average would tell nothing."""
    rates = {}
    for method in (DEFAULT_MODEL, "historical-365"):
        run = walked("clustered", method)
        scored = run.scored["model", 0.99]
        top = top_volatility(scored, run.conditioning, run.panel) & scored.observed
        rates[method] = float(scored.breach[top].mean())
    assert rates[DEFAULT_MODEL] < 0.015 < 0.02 < rates["historical-365"]
