"""The backtest that belongs to a book: its own confidence, its own margin period, its own method."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from leverline.calibrate.book import Calibration
from leverline.calibrate.tracing import provenance_of
from leverline.evidence.backtest import SEED, BacktestPlan, BacktestResult, backtest
from leverline.evidence.method_comparison import MethodScore, compare_methods
from leverline.market.bars import Bars
from leverline.measure.loss_models import MODELS, loss_model
from leverline.model import RiskAppetite

LOOSEST = 0.99
"""Confidences shown beside the book's own where that is stricter: breaches enough to count."""


def prove_book(
    made: Calibration, bars: Bars, appetite: RiskAppetite, *, method: str, start_ns: int | None = None
) -> BacktestResult:
    """Walk forward over the calibrated markets, up to the book's as-of time.

    The horizon is the fixed part of the margin period in whole bars, at least one; confidences are the book's own
    at that horizon and, where that is stricter, 99 % as well.
    """
    spacing = bars.spacing_s
    fixed = appetite.margin_period.detection_s + appetite.margin_period.oracle_delay_s
    horizon_s = max(1, round(fixed / spacing)) * spacing
    own = round(1.0 - appetite.confidence.exceedance_per_margin_period(horizon_s), 9)
    confidences = (own,) if own <= LOOSEST else (LOOSEST, own)
    known = bars.until(made.as_of_ns).select([market.symbol for market in made.markets])
    plan = BacktestPlan(horizons_s=(horizon_s,), confidences=confidences, start_ns=start_ns, method=method)
    provenance = provenance_of(
        known, appetite, made.as_of_ns, {"loss_model": asdict(loss_model(method)), "plan": asdict(plan)}, seed=SEED)
    return backtest(known, appetite, plan, provenance)


def rival_methods(tested: BacktestResult, start_ns: int | None = None) -> tuple[MethodScore, ...]:
    """Every loss model on the windows of ``tested``, at its first horizon and loosest confidence."""
    walk = tested.walks[0]
    horizon_s = walk.losses.horizon_bars * walk.panel.spacing_s
    confidence = min(confidence for _, confidence in walk.scored)
    compared = compare_methods(walk.panel, tuple(MODELS.values()), horizon_s, (confidence,),
                               rng=np.random.default_rng(SEED), start_ns=start_ns)
    return compared.scores
