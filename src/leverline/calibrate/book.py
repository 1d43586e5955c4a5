"""Market data and an appetite in, a limit book out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from leverline.calibrate.beside_bars import BesideBars, MarketNow, basis_of, depth_of
from leverline.calibrate.cold_start import EarlyVolatility
from leverline.calibrate.explaining import explain_instrument, tier_ends
from leverline.calibrate.funding import FundingTerms, explain_funding, funding_terms, has_funding, reserved
from leverline.calibrate.implied_volatility import ImpliedUse, implied_use
from leverline.calibrate.margin_period import SCALINGS, LossCurves, check_scale, horizons_s, loss_curves
from leverline.calibrate.requirement import (
    MarketMeasures,
    PositionCap,
    Requirement,
    cap_sensitivities,
    longest_period_s,
    position_cap,
    requirement,
    sensitivities,
    size_grid,
)
from leverline.calibrate.tiers import fit_tiers
from leverline.calibrate.tracing import provenance_of
from leverline.ground.arrays import FloatArray
from leverline.ground.display import DisplayTable, ShownAsTables
from leverline.ground.errors import InsufficientDataError
from leverline.ground.progress import track
from leverline.market.bars import Bars, Panel
from leverline.market.symbols import is_unified, parse_unified
from leverline.market.times import NS_PER_S, iso
from leverline.measure.impact import stressed_volume
from leverline.measure.loss_models import (
    DEFAULT_MODEL,
    MIN_HISTORY_DAYS,
    WARMUP_DAYS,
    LossModel,
    daily_volatility,
    days_in_look_back,
    loss_model,
)
from leverline.model import Explanation, InstrumentLimits, LimitBook, Payoff, RiskAppetite
from leverline.model.appetite import SECONDS_PER_DAY
from leverline.model.limitbook import Basis, pointer

if TYPE_CHECKING:  # the rest of the line is drawn from what this module makes
    from leverline.calibrate.whole_line import WholeLine

STALE_BARS = 3
"""A market whose newest bar is older than this many bars (and a day) at the as-of time is not quoted any more."""
SMALLEST_CAP = 1.0
"""Settlement currency: a market in which no larger position could be closed is dust, and no limit is set for it."""
LOOKBACK_DAYS = 365
"""Days over which volume and volatility are stressed: long enough for a bad month, short enough for today's market."""


@dataclass(frozen=True, slots=True)
class MarginLoading:
    """What stands on top of the loss model's margins.

    ``confidence_factor`` multiplies loss quantiles, as realised coverage asks for; with ``reserve_funding`` maintenance
    of perpetuals holds what can fall due inside the margin period, under the clamp of the appetite's ``[fees]``.
    """

    confidence_factor: float = 1.0
    reserve_funding: bool = False


BARE = MarginLoading()


@dataclass(frozen=True, slots=True)
class MarketCalibration:
    """What one market's limits were made from."""

    symbol: str
    column: int
    measures: MarketMeasures
    requirement: Requirement
    cap: PositionCap | None
    limits: InstrumentLimits
    implied: ImpliedUse | None
    own_weight: float | None  # share of its own tail where the market is too young for the model
    funding: FundingTerms | None = None


@dataclass(frozen=True, slots=True)
class Calibration(ShownAsTables):
    """A book, and what stands behind it."""

    book: LimitBook
    markets: tuple[MarketCalibration, ...]
    skipped: tuple[tuple[str, str], ...]
    panel: Panel
    curves: LossCurves
    sigma_per_day: FloatArray  # (n_bars, n_listings), forecast known at each bar's close
    as_of_ns: int
    line: WholeLine | None = None  # all that the book holds beyond margins

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """The limits, and what was left out."""
        left_out = (DisplayTable("Left out", ("market", "why"), self.skipped),) if self.skipped else ()
        return (*self.book.display_tables(), *left_out)


def calibrate_book(
    bars: Bars, appetite: RiskAppetite, *, as_of_ns: int | None = None, scale: str | None = None,
    method: str = DEFAULT_MODEL, beside: BesideBars | None = None,
    cold_start: bool = True, loading: MarginLoading = BARE,
) -> Calibration:
    """Calibrate the margins of every market of ``bars`` that has enough history, as of a time.

    :func:`leverline.calibrate.whole_line.calibrate_line` calibrates all the rest of a book as well.

    ``as_of_ns`` defaults to the close of the newest bar; only bars whose close is known by then are used. ``beside``
    is what else is known of the markets: books, depth bands, mark prices, an implied-volatility index. With
    ``cold_start`` a listing too young for the loss model takes its tail from its peers, where there are five.

    Raises
    ------
    InsufficientDataError
        The margin period is shorter than a bar and no ``scale`` was named, or no market can be calibrated.
    """
    check_scale(scale)
    model, given = loss_model(method), beside or BesideBars()
    as_of = bars.newest_close_ns if as_of_ns is None else as_of_ns
    beside = given.until(as_of)
    known = bars.until(as_of)
    panel = Panel.of(known)
    measured = _measure(panel, appetite, model, scale, beside, cold_start=cold_start,
                        factor=loading.confidence_factor)
    markets: list[MarketCalibration] = []
    skipped: list[tuple[str, str]] = []
    explanations: dict[str, Explanation] = {}
    for symbol, column in track(list(panel.newest.items()), "calibrating"):
        reason = _unusable(panel, measured, column, as_of)
        if reason is None:
            try:
                market = _calibrate_market(symbol, column, panel, measured, appetite, model, beside, as_of, loading)
            except InsufficientDataError as error:
                reason = str(error)
            else:
                markets.append(market)
                ends = tier_ends(market.limits, market.requirement)
                root = pointer("instruments", symbol)
                explanations |= explain_instrument(
                    root, market.limits, market.requirement, market.cap,
                    sensitivities(market.measures, appetite, ends), cap_sensitivities(market.measures, appetite),
                    appetite)
                if market.funding is not None:
                    explanations |= explain_funding(root, market.funding, market.measures, market.requirement, appetite)
        if reason is not None:
            skipped.append((symbol, reason))
    if not markets:
        raise InsufficientDataError(f"no market can be calibrated: {skipped[0][0]}: {skipped[0][1]}",
                                    remedy="give longer or newer bars, or another --as-of")
    warnings = (*_warnings(known, panel, markets, appetite, scale, skipped), *beside.warnings,
                *_warnings_beside(markets, given, known.symbols))
    book = LimitBook.of(
        as_of=_instant(as_of), settlement=appetite.settlement,
        instruments={m.symbol: m.limits for m in markets}, explanations=explanations,
        provenance=provenance_of(known, appetite, as_of, {"loss_model": asdict(model), "scale": scale}, warnings,
                                 beside=given.files))
    return Calibration(book, tuple(markets), tuple(skipped), panel, measured.curves, measured.sigma, as_of)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is measured for all listings at once, before markets are taken one by one."""

    curves: LossCurves
    halved: LossCurves
    reaction: FloatArray  # (n_listings, 2)
    sigma: FloatArray  # (n_bars, n_listings)
    stressed_sigma: FloatArray  # (n_listings,)
    stressed_volume: FloatArray  # (n_listings,)
    implied: dict[int, ImpliedUse]  # by column, where an index was given


def _measure(
    panel: Panel, appetite: RiskAppetite, model: LossModel, scale: str | None, beside: BesideBars, *, cold_start: bool,
    factor: float,
) -> _Measured:
    """Loss curves, reaction losses, stressed volatility and volume of every listing."""
    period, quantile = appetite.margin_period, appetite.margin_period.stressed_volume_quantile
    recent = slice(max(0, panel.ts.size - round(LOOKBACK_DAYS * panel.bars_per_day)), None)
    window = max(1, round(period.max_liquidation_s / panel.spacing_s))
    volume = stressed_volume(panel.volume[recent], panel.close[recent], quantile, window, spacing_s=panel.spacing_s)
    sigma = daily_volatility(panel, model.decays_per_day or loss_model(DEFAULT_MODEL).decays_per_day)
    seen = np.where(np.isfinite(sigma), sigma, np.exp(EarlyVolatility.of(panel, model).log_sigma)) if (
        cold_start and model.decays_per_day) else sigma
    stressed = np.full(sigma.shape[1], np.nan)
    for column in np.flatnonzero(np.isfinite(seen[recent]).any(axis=0)):
        stressed[column] = np.nanquantile(seen[recent, column], 1.0 - quantile)
    longest = longest_period_s(appetite, with_volume=bool(np.isfinite(volume).any()))
    horizons = horizons_s(period.detection_s + period.oracle_delay_s, longest, panel, scale)
    implied = {column: implied_use(panel, sigma, column, beside.implied[symbol])
               for symbol, column in panel.newest.items() if symbol in beside.implied}
    forward = np.full(len(panel.symbols), factor)
    for at, use in implied.items():
        forward[at] *= use.factor**model.filtering
    curves = loss_curves(panel, horizons, appetite, model, scale, cold_start=cold_start)
    halved = loss_curves(panel, horizons, appetite, model, scale, exceedance_factor=0.5, cold_start=cold_start)
    reaction = _reaction_losses(panel, appetite, model, scale, cold_start=cold_start)
    return _Measured(
        replace(curves, quantile=curves.quantile * forward[:, None]),
        replace(halved, quantile=halved.quantile * forward[:, None]), reaction * forward[:, None], sigma, stressed,
        volume, implied)


def _reaction_losses(
    panel: Panel, appetite: RiskAppetite, model: LossModel, scale: str | None, *, cold_start: bool
) -> FloatArray:
    """Loss quantile over the trader's reaction time, (n_listings, 2); zero where no time is given."""
    seconds = appetite.initial.reaction_s
    if not seconds:
        return np.zeros((len(panel.symbols), 2))
    curves = loss_curves(panel, horizons_s(seconds, seconds, panel, scale, "the reaction time"), appetite, model, scale,
                         fixed_exceedance=1.0 - appetite.initial.reaction_confidence, cold_start=cold_start)
    return np.array([curves.of(j).at(np.array([seconds]))[0] for j in range(len(panel.symbols))])


def _unusable(panel: Panel, measured: _Measured, column: int, as_of: int) -> str | None:
    """Why a listing cannot be calibrated, or None."""
    seen = np.flatnonzero(np.isfinite(panel.close[:, column]))
    if not seen.size:
        return "no bar is fit for estimation"
    last = int(panel.ts[seen[-1]]) + panel.spacing_ns
    allowed = max(STALE_BARS * panel.spacing_ns, 86_400 * NS_PER_S)
    if as_of - last > allowed:
        return f"stale: the newest bar closed at {iso(last)}, the book is as of {iso(as_of)}"
    sound = all(np.isfinite(at[..., column, :]).all() for at in (
        measured.curves.quantile, measured.halved.quantile, measured.reaction))
    model = measured.curves.forecasts[0].model
    days = float(days_in_look_back(panel, model, panel.ts.size - 1)[column])
    longest_days = float(measured.curves.horizon_s[-1]) / SECONDS_PER_DAY
    needed = MIN_HISTORY_DAYS + (WARMUP_DAYS if model.decays_per_day else 0) + longest_days
    if not sound and days <= needed:
        since = "since its listing" if days == seen.size / panel.bars_per_day else f"in the last {model.window_days}"
        return f"{days:.0f} days of bars {since}, more than {needed:.0f} are needed"
    return None if sound else "one side hardly ever lost, so its tail cannot be measured"


def _calibrate_market(
    symbol: str, column: int, panel: Panel, measured: _Measured, appetite: RiskAppetite, model: LossModel,
    beside: BesideBars, as_of: int, loading: MarginLoading,
) -> MarketCalibration:
    """Requirement, tiers and position cap of one market."""
    losses = measured.curves.of(column)
    now = MarketNow(
        symbol=symbol, column=column, as_of_ns=as_of, loss_rate=float(losses.quantile[0].max()),
        horizon_s=float(losses.horizon_s[0]), sigma_per_day=float(measured.sigma[-1, column]),
        stressed_sigma_per_day=float(measured.stressed_sigma[column]),
        stressed_volume_per_day=float(measured.stressed_volume[column]))
    measures = MarketMeasures(
        symbol=symbol, losses=losses, losses_at_half_exceedance=measured.halved.of(column),
        reaction=measured.reaction[column], volume_per_day=now.stressed_volume_per_day, filtering=model.filtering,
        depth=depth_of(now, panel, beside, appetite), basis=basis_of(symbol, panel, column, beside, appetite))
    cap = position_cap(measures, appetite)
    if cap is not None and cap.notional < SMALLEST_CAP:
        raise InsufficientDataError(f"too little is traded: the position cap would be {cap.notional:.2g}")
    grid = size_grid(cap)
    needs = requirement(measures, appetite, grid)
    funding = None
    if loading.reserve_funding and appetite.fees is not None and has_funding(symbol):
        funding = funding_terms(needs, appetite.fees)
        needs = reserved(needs, funding)
    tiers = fit_tiers(grid, needs.maintenance_rate * grid, needs.initial_rate * grid,
                      n_tiers=appetite.rounding.tiers, rounding=appetite.rounding,
                      minimum_buffer=appetite.initial.minimum_buffer)
    if cap is None:
        tiers = (*tiers[:-1], tiers[-1].model_copy(update={"notional_cap": None}))
    instrument = parse_unified(symbol) if is_unified(symbol) else None
    limits = InstrumentLimits(
        kind=instrument.kind if instrument else None, payoff=instrument.payoff if instrument else Payoff.LINEAR,
        tiers=tiers, binding_side="long" if needs.binding_side_at(grid[0]) == "long" else "short",
        position_cap=tiers[-1].notional_cap, fees={"taker": appetite.costs.taker_fee_rate},
        funding=None if funding is None else funding.limits())
    weight = float(measured.curves.own_weight[column])
    return MarketCalibration(symbol, column, measures, needs, cap, limits, measured.implied.get(column),
                             weight if np.isfinite(weight) else None, funding)


def _instant(ns: int) -> datetime:
    """The same time to the microsecond, without a detour through floating point."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=ns // 1_000)


def _warnings(
    bars: Bars, panel: Panel, markets: list[MarketCalibration], appetite: RiskAppetite, scale: str | None,
    skipped: list[tuple[str, str]],
) -> tuple[str, ...]:
    """What a reader of the book should know of its bars before trusting it."""
    out = list(bars.warnings)
    closes = [m.symbol for m in markets if panel.close_only[m.column]]
    dry = [m.symbol for m in markets if m.measures.depth is None]
    period = appetite.margin_period
    spans = (("the margin period", period.detection_s + period.oracle_delay_s),
             ("the reaction time", appetite.initial.reaction_s))
    shorter = [what for what, seconds in spans if seconds < panel.spacing_s]
    if closes:
        out.append(f"{_names(closes)}: bars carry closes only, so the worst price inside a bar is not seen")
    if dry:
        out.append(f"{_names(dry)}: no volume, so no liquidity term, no position cap, and one rate for all sizes")
    if shorter and scale is not None:
        out.append(f"shorter than a bar: {' and '.join(shorter)}; losses were scaled by {scale}: {SCALINGS[scale]}; "
                   "a backtest scores whole bars and does not test the scaling")
    young = [f"{m.symbol} (own {m.own_weight:.2f}, peers {1.0 - m.own_weight:.2f})" for m in markets
             if m.own_weight is not None]
    if young:
        out.append(f"too young for the loss model, tail pooled with peers: {_names(young)}")
    if skipped:
        total = len(skipped) + len(markets)
        out.append(f"{len(skipped)} of {total} markets were left out: {_names([s for s, _ in skipped])}")
    return tuple(out)


def _warnings_beside(markets: list[MarketCalibration], given: BesideBars, symbols: tuple[str, ...]) -> list[str]:
    """What became of everything that was given beside the bars."""
    out: list[str] = []
    for m in markets:
        depth, basis = m.measures.depth, m.measures.basis
        if m.symbol in given.books or m.symbol in given.bands:
            notes = depth.notes if depth is not None else (
                "the depth given is too old, or rejected, on at least one side: without volume it cannot be used",)
            out += [f"{m.symbol}: {note}" for note in notes]
        if m.implied:
            out.append(f"{m.symbol}: volatility is {m.implied.basis}")
        if given.marks is not None and m.symbol in given.marks.symbols and basis.basis is Basis.ASSUMED:
            out.append(f"{m.symbol}: mark prices were given, but the basis is assumed: {basis.why}")
    unmatched = given.unmatched(symbols)
    if unmatched:
        out.append(f"given beside the bars, but no market has the name: {_names(unmatched)}")
    return out


def _names(symbols: list[str]) -> str:
    """The first few names, and how many more."""
    return ", ".join(symbols[:6]) + (f" and {len(symbols) - 6} more" if len(symbols) > 6 else "")
