"""Market data and an appetite in, a limit book out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np

from leverline.calibrate.explaining import explain_instrument
from leverline.calibrate.margin_period import LossCurves, check_scale, horizons_in_bars, loss_curves
from leverline.calibrate.requirement import (
    MarketMeasures,
    PositionCap,
    Requirement,
    position_cap,
    requirement,
    sensitivities,
    size_grid,
)
from leverline.calibrate.tiers import fit_tiers
from leverline.calibrate.tracing import provenance_of
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.progress import track
from leverline.market.bars import NS_PER_S, Bars, Panel
from leverline.market.symbols import is_unified, parse_unified
from leverline.market.times import iso
from leverline.measure.impact import stressed_volume
from leverline.measure.loss_models import (
    DEFAULT_MODEL,
    MIN_HISTORY_DAYS,
    LossModel,
    daily_volatility,
    loss_model,
)
from leverline.model import Explanation, InstrumentLimits, LimitBook, Payoff, RiskAppetite
from leverline.model.limitbook import pointer

STALE_BARS = 3
"""A market whose newest bar is older than this many bars (and a day) at the as-of time is not quoted any more."""
LOOKBACK_DAYS = 365
"""Days over which volume and volatility are stressed: long enough for a bad month, short enough for today's market."""


@dataclass(frozen=True, slots=True)
class MarketCalibration:
    """What one market's limits were made from."""

    symbol: str
    column: int
    measures: MarketMeasures
    requirement: Requirement
    cap: PositionCap | None
    limits: InstrumentLimits


@dataclass(frozen=True, slots=True)
class Calibration:
    """A book, and what stands behind it."""

    book: LimitBook
    markets: tuple[MarketCalibration, ...]
    skipped: tuple[tuple[str, str], ...]
    panel: Panel
    curves: LossCurves
    sigma_per_day: FloatArray  # (n_bars, n_listings), forecast known at each bar's close


def calibrate_book(
    bars: Bars, appetite: RiskAppetite, *, as_of_ns: int | None = None, scale: str | None = None,
    method: str = DEFAULT_MODEL,
) -> Calibration:
    """Calibrate every market of ``bars`` that has enough history, as of a time.

    ``as_of_ns`` defaults to the close of the newest bar; only bars whose close is known by then are used.

    Raises
    ------
    InsufficientDataError
        The margin period is shorter than a bar and no ``scale`` was named, or no market can be calibrated.
    """
    check_scale(scale)
    model = loss_model(method)
    as_of = bars.newest_close_ns if as_of_ns is None else as_of_ns
    known = bars.until(as_of)
    panel = Panel.of(known)
    measured = _measure(panel, appetite, model, scale)
    markets: list[MarketCalibration] = []
    skipped: list[tuple[str, str]] = []
    explanations: dict[str, Explanation] = {}
    for symbol, column in track(list(panel.newest.items()), "calibrating"):
        reason = _unusable(panel, measured, column, as_of)
        if reason is None:
            try:
                market = _calibrate_market(symbol, column, measured, appetite, model)
            except InsufficientDataError as error:
                reason = str(error)
            else:
                markets.append(market)
                moves = sensitivities(market.measures, appetite, _tier_ends(market))
                explanations |= explain_instrument(
                    pointer("instruments", symbol), market.limits, market.requirement, market.cap, moves)
        if reason is not None:
            skipped.append((symbol, reason))
    if not markets:
        raise InsufficientDataError(f"no market can be calibrated: {skipped[0][0]}: {skipped[0][1]}",
                                    remedy="give longer or newer bars, or another --as-of")
    warnings = _warnings(known, panel, markets, scale, skipped)
    book = LimitBook.of(
        as_of=datetime.fromtimestamp(as_of / NS_PER_S, UTC), settlement=appetite.settlement,
        instruments={m.symbol: m.limits for m in markets}, explanations=explanations,
        provenance=provenance_of(known, appetite, as_of, {"loss_model": asdict(model), "scale": scale}, warnings))
    return Calibration(book, tuple(markets), tuple(skipped), panel, measured.curves, measured.sigma)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is measured for all listings at once, before markets are taken one by one."""

    curves: LossCurves
    halved: LossCurves
    reaction: FloatArray  # (n_listings, 2)
    sigma: FloatArray  # (n_bars, n_listings)
    stressed_sigma: FloatArray  # (n_listings,)
    stressed_volume: FloatArray  # (n_listings,)


def _measure(panel: Panel, appetite: RiskAppetite, model: LossModel, scale: str | None) -> _Measured:
    """Loss curves, reaction losses, stressed volatility and volume of every listing."""
    period, quantile = appetite.margin_period, appetite.margin_period.stressed_volume_quantile
    recent = slice(max(0, panel.ts.size - round(LOOKBACK_DAYS * panel.bars_per_day)), None)
    window = max(1, round(period.max_liquidation_s / panel.spacing_s))
    volume = stressed_volume(panel.volume[recent], panel.close[recent], quantile, window, spacing_s=panel.spacing_s)
    sigma = daily_volatility(panel, model.decays_per_day or loss_model(DEFAULT_MODEL).decays_per_day)
    stressed = np.full(sigma.shape[1], np.nan)
    for column in np.flatnonzero(np.isfinite(sigma[recent]).any(axis=0)):
        stressed[column] = np.nanquantile(sigma[recent, column], 1.0 - quantile)
    fixed = period.detection_s + period.oracle_delay_s
    longest = fixed + (period.max_liquidation_s if np.isfinite(volume).any() else 0.0)
    horizons = horizons_in_bars(fixed, longest, panel, scale)
    initial = appetite.initial
    reaction_horizons = horizons_in_bars(initial.reaction_s, initial.reaction_s, panel, scale)
    reaction = loss_curves(panel, reaction_horizons, appetite, model, scale,
                           fixed_exceedance=1.0 - initial.reaction_confidence)
    at_reaction = [reaction.of(j).at(np.array([initial.reaction_s]))[0] for j in range(len(panel.symbols))]
    return _Measured(
        loss_curves(panel, horizons, appetite, model, scale),
        loss_curves(panel, horizons, appetite, model, scale, exceedance_factor=0.5),
        np.array(at_reaction), sigma, stressed, volume)


def _unusable(panel: Panel, measured: _Measured, column: int, as_of: int) -> str | None:
    """Why a listing cannot be calibrated, or None."""
    seen = np.flatnonzero(np.isfinite(panel.close[:, column]))
    if not seen.size:
        return "no bar is fit for estimation"
    last = int(panel.ts[seen[-1]]) + panel.spacing_ns
    allowed = max(STALE_BARS * panel.spacing_ns, 86_400 * NS_PER_S)
    if as_of - last > allowed:
        return f"stale: the newest bar closed at {iso(last)}, the book is as of {iso(as_of)}"
    if not np.isfinite(measured.curves.quantile[:, column]).all():
        return f"{seen.size / panel.bars_per_day:.0f} days of bars since its listing, {MIN_HISTORY_DAYS} are needed"
    return None


def _calibrate_market(
    symbol: str, column: int, measured: _Measured, appetite: RiskAppetite, model: LossModel
) -> MarketCalibration:
    """Requirement, tiers and caps of one market."""
    measures = MarketMeasures(
        symbol=symbol, losses=measured.curves.of(column), losses_at_half_exceedance=measured.halved.of(column),
        reaction=measured.reaction[column], sigma_per_day=float(measured.stressed_sigma[column]),
        volume_per_day=float(measured.stressed_volume[column]), filtering=model.filtering)
    cap = position_cap(measures, appetite)
    grid = size_grid(cap)
    needs = requirement(measures, appetite, grid)
    tiers = fit_tiers(grid, needs.maintenance_rate * grid, needs.initial_rate * grid,
                      n_tiers=appetite.rounding.tiers, rounding=appetite.rounding,
                      minimum_buffer=appetite.initial.minimum_buffer)
    if cap is None:
        tiers = (*tiers[:-1], tiers[-1].model_copy(update={"notional_cap": None}))
    instrument = parse_unified(symbol) if is_unified(symbol) else None
    limits = InstrumentLimits(
        kind=instrument.kind if instrument else None, payoff=instrument.payoff if instrument else Payoff.LINEAR,
        tiers=tiers, binding_side="long" if needs.binding_side == "long" else "short",
        position_cap=tiers[-1].notional_cap, fees={"taker": appetite.costs.taker_fee_rate})
    return MarketCalibration(symbol, column, measures, needs, cap, limits)


def _tier_ends(market: MarketCalibration) -> FloatArray:
    """Size at which each tier's numbers are explained: its cap, or the end of the grid where it is open."""
    end = float(market.requirement.notional[-1])
    return np.array([end if t.notional_cap is None else t.notional_cap / 1e6 for t in market.limits.tiers])


def _warnings(
    bars: Bars, panel: Panel, markets: list[MarketCalibration], scale: str | None, skipped: list[tuple[str, str]]
) -> tuple[str, ...]:
    """Everything a reader of the book should know before trusting it."""
    out = list(bars.warnings)
    closes = [m.symbol for m in markets if panel.close_only[m.column]]
    dry = [m.symbol for m in markets if not m.measures.has_volume]
    if closes:
        out.append(f"{_names(closes)}: bars carry closes only, so the worst price inside a bar is not seen")
    if dry:
        out.append(f"{_names(dry)}: no volume, so no liquidity term, no position cap, and one rate for all sizes")
    if scale:
        out.append(f"the margin period is shorter than a bar; losses were scaled by {scale}")
    if skipped:
        total = len(skipped) + len(markets)
        out.append(f"{len(skipped)} of {total} markets were left out: {_names([s for s, _ in skipped])}")
    return tuple(out)


def _names(symbols: list[str]) -> str:
    """The first few names, and how many more."""
    return ", ".join(symbols[:6]) + (f" and {len(symbols) - 6} more" if len(symbols) > 6 else "")
