"""Caps calibrated on data before 2025-10-10, put through the prices of that day: is bad debt within the fund?

Two calibrations, each on daily bars that end before the day: *spot* (to 2025-09-30) and *perpetuals* (another venue, to
2025-07-25, more markets). Limits, caps and fund come from them alone; the fund is the need that
:mod:`leverline.calibrate.fund_in_book` finds with every market full to its cap. Three simpler funds are listed: what
losses beyond margin would have cost on the worst day of those bars, with and without the stressed batch sold into it,
and with every market on its own worst day at once. The first two were tried before the fund of the book was there.

The day: every account is long, isolated, and entered at one of three hours at the leverage drawn for it, so nobody has
a profit to lose first; the worst hour counts. An account is seen at a minute's close and filled at the *low* of the
next minute, less the impact of all that was forced in the hour before, itself included; that impact also lowers the
mark for everybody else, although the day's prices already contain what was liquidated on it. Draws of the distribution
of leverage (Dirichlet around the appetite's adverse one) and of account sizes (Pareto) give the interval.

*Without the caps* open interest is what one other exchange carried in each market on 2025-09-29, held against the same
fund. Multiples of the caps say where the fund ends on the way there. Shorts, who lost nothing that day from the hours
of entry on, and new positions after the start are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leverline import __version__
from leverline.calibrate.book import Calibration, calibrate_book
from leverline.calibrate.caps import MarketFacts, batch_shortfall, caps_appetite, whole_depth, within_leverage
from leverline.calibrate.caps_in_book import CappedMarkets, cap_markets
from leverline.calibrate.fund_in_book import calibrate_fund
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.ground.progress import track
from leverline.margin.forced_impact import CurveImpact, Impact
from leverline.market.reading import read_bars
from leverline.measure.losses import payoffs_of, worst_losses
from leverline.model import RiskAppetite
from leverline.model.quantities import UNITS_PER_ONE

PATHS, VALUES = "oct10_2025_m1_sample.parquet", "daily_market_cap.parquet"
OPEN_INTEREST, GROWTH = "weekly_oi_to_mcap.parquet", "daily_open_interest_perp.parquet"
DAY = datetime(2025, 10, 10, tzinfo=UTC)
START_HOURS = (0, 12, 20)
DRAWS, ACCOUNTS, SEED = 200, 100, 1010
CONCENTRATION = 20.0
"""Of the Dirichlet draws: a share of a fifth has a standard deviation of a twelfth."""
SIZE_TAIL = 1.5
MEMORY_MINUTES = 60
"""Forced sales press on the price this long."""
INTERVAL = (0.025, 0.975)
MULTIPLES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
MARKET_OF = {
    "BTC": ("gemini", "BTCUSD"), "ETH": ("gemini", "ETHUSD"), "SOL": ("gemini", "SOLUSD"),
    "ADA": ("coinbase", "ADA-USD"), "AVAX": ("coinbase", "AVAX-USD"), "DOGE": ("coinbase", "DOGE-USD"),
    "LINK": ("coinbase", "LINK-USD"), "BCH": ("binance-delivery", "BCHUSD_PERP"),
    "UNI": ("binance-delivery", "UNIUSD_PERP"), "POL": ("binance", "POLUSDT"), "TRX": ("binance", "TRXUSDT"),
}
"""Where each asset's path of the day is from: spot where there is one, since an index is made of that."""


@dataclass(frozen=True, slots=True)
class Study:
    """One calibration: its label, and the file of bars it is made on."""

    label: str
    file: str


STUDIES = (Study("spot", "daily_spot_coinbase.parquet"), Study("perpetuals", "daily_perp_hyperliquid_all.parquet"))


@dataclass(frozen=True, slots=True)
class Path1m:
    """Minutes with a trade, in order: close and low, quote per unit, and the hour each began in, (n,) each."""

    close: FloatArray
    low: FloatArray
    hour: FloatArray

    def since(self, hour: int) -> Path1m:
        """The path from ``hour`` on."""
        kept = self.hour >= hour
        return Path1m(self.close[kept], self.low[kept], self.hour[kept])


@dataclass(frozen=True, slots=True)
class Drawn:
    """Accounts of one market, (n_draws, n_accounts): leverage, and share of open interest, each draw in sum 1."""

    leverage: FloatArray
    share: FloatArray


def run(folder: Path) -> Experiment:
    """Run both studies on the files in ``folder``."""
    names = (PATHS, VALUES, OPEN_INTEREST, GROWTH, *(study.file for study in STUDIES))
    for name in names:
        if not (folder / name).is_file():
            raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
    appetite, paths = RiskAppetite.profile("exchange"), paths_of_the_day(folder / PATHS)
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    for study in track(STUDIES, "studies"):
        bars = read_bars([folder / study.file])
        chosen = [symbol for symbol in MARKET_OF if symbol in bars.symbols]
        calibration = calibrate_book(bars.select(chosen), appetite, scale="sqrt-time")
        facts = {market.symbol: MarketFacts(market_value=latest_value(folder / VALUES, market.symbol))
                 for market in calibration.markets}
        capped = cap_markets(calibration, appetite, facts)
        before = {symbol: found for symbol in capped.caps
                  if (found := open_interest_before(folder / OPEN_INTEREST, symbol)) is not None}
        more_rows, more_variants = _study(study, calibration, capped, appetite, paths, before)
        rows += more_rows
        variants += more_variants
    variants.append({"growth cap": caps_appetite(appetite).open_interest_growth_per_day,
                     "share of market-days that grew faster": share_of_faster_days(
                         folder / GROWTH, caps_appetite(appetite).open_interest_growth_per_day)})
    provenance = {"software": f"leverline {__version__}", "seed": SEED, "draws": DRAWS, "accounts": ACCOUNTS,
                  "appetite": appetite.name, "files": {name: sha256(folder / name) for name in names}}
    return Experiment("caps-oct10", tuple(rows), provenance, tuple(variants))


def paths_of_the_day(file: Path) -> dict[str, Path1m]:
    """The minutes of each asset's market, by asset. Minutes without a trade have no row and are not filled in."""
    table = pl.read_parquet(file).sort("ts")
    out = {}
    for asset, (venue, market) in MARKET_OF.items():
        rows = table.filter((pl.col("venue") == venue) & (pl.col("market") == market))
        out[asset] = Path1m(rows["close"].to_numpy(), rows["low"].to_numpy(), rows["ts"].dt.hour().to_numpy())
    return out


def latest_value(file: Path, symbol: str) -> float | None:
    """Market value known before the day, or None."""
    rows = pl.read_parquet(file).filter((pl.col("symbol") == symbol) & (pl.col("ts") < DAY)).sort("ts")
    return float(rows["market_cap"][-1]) if len(rows) else None


def open_interest_before(file: Path, symbol: str) -> float | None:
    """Open interest last seen before the day, USD, one market of one exchange; None where it was not seen."""
    rows = pl.read_parquet(file).filter((pl.col("symbol") == symbol) & (pl.col("ts") < DAY)).sort("ts")
    return float(rows["oi_close"][-1]) if len(rows) else None


def share_of_faster_days(file: Path, growth_per_day: float) -> float:
    """Share of market-days on which open interest grew faster than ``growth_per_day``, days a day apart only."""
    table = pl.read_parquet(file).sort("market", "ts").with_columns(
        growth=pl.col("oi_close") / pl.col("oi_close").shift(1).over("market") - 1.0,
        apart=pl.col("ts") - pl.col("ts").shift(1).over("market")).filter(pl.col("apart") == pl.duration(days=1))
    return float((table["growth"] > growth_per_day).mean())  # type: ignore[arg-type]


def worst_day_before(calibration: Calibration, open_interest: Mapping[str, float], appetite: RiskAppetite, *,
                with_batch: bool = True, together: bool = False) -> float:
    """Losses beyond margin on the worst day of the bars with ``open_interest`` in every market, all long or all short.

    The loss of a window is scaled to the margin period by the square root of time, as the margins were; with the batch,
    the stressed share of open interest is sold into it. ``together`` takes each market's own worst day for the same
    one.
    """
    panel, caps = calibration.panel, caps_appetite(appetite)
    losses = worst_losses(panel, 1, payoffs_of(panel))
    lost = np.zeros((panel.ts.size, len(calibration.markets), 2))
    for j, market in enumerate(calibration.markets):
        period_s, held = float(market.requirement.margin_period_s[-1]), open_interest[market.symbol]
        factor = min(1.0, float(np.sqrt(period_s / panel.spacing_s)))
        shares = within_leverage(caps.leverage_shares, market.limits.tiers[0].max_leverage)
        curves = whole_depth(market.measures)
        for side in range(2):
            impact = CurveImpact(curves[side]) if with_batch and curves is not None else None
            moves = np.nan_to_num(losses.loss[:, market.column, side]) * factor
            lost[:, j, side] = [batch_shortfall(shares, held, move, caps.stressed_batch_share, impact)
                                for move in moves.tolist()]
    return float(lost.max(axis=0).sum(axis=0).max() if together else lost.sum(axis=1).max())


def draw_accounts(shares: Mapping[float, float], rng: np.random.Generator) -> Drawn:
    """Accounts whose leverage follows a distribution drawn around ``shares``."""
    leverage, weight = np.array(list(shares)), np.array(list(shares.values()))
    mix = rng.dirichlet(CONCENTRATION * weight, DRAWS)
    size = rng.pareto(SIZE_TAIL, (DRAWS, ACCOUNTS)) + 1.0
    size /= size.sum(axis=1, keepdims=True)
    level = (rng.random((DRAWS, ACCOUNTS, 1)) > np.cumsum(mix, axis=1)[:, None, :-1]).sum(axis=2)
    return Drawn(leverage[level], size)


def bad_debt(path: Path1m, drawn: Drawn, open_interest: float, maintenance_rate: float, fee_rate: float,
             impact: Impact, *, moves_mark: bool = True) -> FloatArray:
    """Losses beyond margin of each draw, (n_draws,), quote currency, after a long entry at the first close.

    ``moves_mark`` lets forced sales lower the mark of the others too, beside their own fills.
    """
    entry = float(path.close[0])
    trigger = entry * (1.0 - (1.0 / drawn.leverage - maintenance_rate) / (1.0 - maintenance_rate))
    held = drawn.share * open_interest
    alive = np.ones(held.shape, np.bool_)
    lost, pressed = np.zeros(held.shape[0]), np.zeros(held.shape[0])
    recent: deque[FloatArray] = deque()
    for minute in range(path.close.size - 1):
        if len(recent) == MEMORY_MINUTES:
            pressed = np.maximum(pressed - recent.popleft(), 0.0)
        close = float(path.close[minute])
        hit = _liquidated(trigger, held, alive, close, pressed, impact, moves_mark=moves_mark)
        forced = (held * hit).sum(axis=1)
        recent.append(forced)
        pressed = pressed + forced
        if not hit.any():
            continue
        alive &= ~hit
        fill = float(path.low[minute + 1]) * np.maximum(1.0 - impact.move(pressed), 0.0) / entry
        equity = 1.0 / drawn.leverage + (1.0 - fee_rate) * fill[:, None] - 1.0
        lost -= (np.minimum(equity, 0.0) * held * hit).sum(axis=1)
    return lost


def _liquidated(trigger: FloatArray, held: FloatArray, alive: BoolArray, close: float, pressed: FloatArray,
                impact: Impact, *, moves_mark: bool) -> BoolArray:
    """Accounts that fall at one close, those that the fall of the others brings down with it included."""
    hit = np.zeros(alive.shape, np.bool_)
    forced = pressed
    while True:
        mark = close * (1.0 - impact.move(forced)) if moves_mark else np.full(forced.shape, close)
        reached = alive & (trigger >= mark[:, None])
        if not (reached & ~hit).any():
            return hit
        hit |= reached
        forced = pressed + (held * hit).sum(axis=1)


def _study(study: Study, calibration: Calibration, capped: CappedMarkets, appetite: RiskAppetite,
           paths: Mapping[str, Path1m], before: Mapping[str, float]) -> tuple[list[Row], list[dict[str, Any]]]:
    """Rows and variants of one calibration."""
    cap = {symbol: (limits.open_interest_cap or 0) / UNITS_PER_ONE for symbol, limits in capped.limits.items()}
    need = calibrate_fund(calibration, appetite, rng=np.random.default_rng(SEED), limits=capped.limits).need
    if need is None:
        raise InsufficientDataError(f"{study.label}: no fund can be calibrated from these bars")
    fund = need.amount
    simulated = _Simulated(calibration, appetite, paths)
    at_caps = {f"{multiple:g} x caps": simulated.worst({s: multiple * c for s, c in cap.items()})
               for multiple in MULTIPLES}
    without = simulated.worst(dict(before))
    label, held = f"{study.label}: ", at_caps["1 x caps"]
    rows = [
        Row(f"{label}bad debt with every market at its cap, upper end of 95 %", held[2], f"fund {fund:,.0f}",
            "at most the fund", held[2] <= fund),
        Row(f"{label}bad debt at the open interest of 2025-09-29 without the caps, lower end of 95 %", without[0],
            f"fund {fund:,.0f}", "more than the fund", without[0] > fund),
    ]
    variants: list[dict[str, Any]] = [
        {"study": study.label, "as of": str(calibration.book.as_of), "fund": fund, "markets": len(cap),
         "left out": dict(calibration.skipped), "open interest at caps": sum(cap.values()),
         "worst day, batch sold into it": worst_day_before(calibration, cap, appetite),
         "worst day without the batch": worst_day_before(calibration, cap, appetite, with_batch=False),
         "every market on its own worst day": worst_day_before(calibration, cap, appetite, together=True),
         "open interest of 2025-09-29": sum(before.values()),
         "bad debt": {name: _interval(found) for name, found in {**at_caps, "without caps": without}.items()},
         "bad debt, fills alone pressed": _interval(simulated.worst(cap, moves_mark=False))}]
    variants += [
        {"study": study.label, "market": symbol, "cap": cap[symbol], "open interest of 2025-09-29": before.get(symbol),
         "binding": capped.explanations[f"/instruments/{symbol}/open_interest_cap"].binding.split(";")[0],
         "max leverage": capped.limits[symbol].tiers[0].max_leverage,
         "bad debt": _interval(simulated.worst({symbol: cap[symbol]})),
         "bad debt without caps": _interval(simulated.worst({symbol: before[symbol]})) if symbol in before else None}
        for symbol in cap]
    return rows, variants


Estimate = tuple[float, float, float]
"""Lower end, mean and upper end over draws."""


def _interval(found: Estimate) -> dict[str, float]:
    return dict(zip(("low", "mean", "high"), found, strict=True))


class _Simulated:
    """The day, market by market, with the same accounts whatever the open interest."""

    def __init__(self, calibration: Calibration, appetite: RiskAppetite, paths: Mapping[str, Path1m]) -> None:
        rng = np.random.default_rng(SEED)
        self._fee = appetite.costs.taker_fee_rate
        self._paths = paths
        self._markets = {}
        for market in calibration.markets:
            depth, first = whole_depth(market.measures), market.limits.tiers[0]
            if depth is None:
                continue
            shares = within_leverage(caps_appetite(appetite).leverage_shares, first.max_leverage)
            self._markets[market.symbol] = (
                draw_accounts(shares, rng), first.maintenance_margin_rate, CurveImpact(depth[0]))

    def worst(self, open_interest: Mapping[str, float], *, moves_mark: bool = True) -> Estimate:
        """Bad debt of all markets of ``open_interest`` together, at the hour of entry with the largest mean."""
        found = []
        for hour in START_HOURS:
            total = np.zeros(DRAWS)
            for symbol, amount in open_interest.items():
                drawn, maintenance, impact = self._markets[symbol]
                total += bad_debt(self._paths[symbol].since(hour), drawn, amount, maintenance, self._fee, impact,
                                  moves_mark=moves_mark)
            found.append((float(np.quantile(total, INTERVAL[0])), float(total.mean()),
                          float(np.quantile(total, INTERVAL[1]))))
        return max(found, key=lambda estimate: estimate[1])
