"""Our ladders beside an exchange's, market by market, as of the day the exchange's were in force.

Both are read at four position sizes on the markets ``X/USDT:USDT`` for which there are bars of ours: the average
maintenance rate (rate less deduction over notional) and the initial rate (one over the highest leverage). Ours are
calibrated as of that day with one margin period of risk for all markets and sizes, so that what differs between
markets is their losses and their depth and nothing we chose for them. Three things to know before reading:

- bars are of another venue (perpetuals of Hyperliquid, daily), so a margin period below a day is scaled down by the
  square root of time; levels depend on the period and on the unit of the 99 %, rankings less, and both are shown for
  several;
- no book of that day is at hand: depth is a volume proxy for *every* market, namely the other venue's volume times the
  one ratio by which the exchange trades more bitcoin and ether. Markets whose depth was seen in books are counted
  apart: there are none;
- a market too young for the loss model takes its tail from its peers; those are counted.

The exchange's brackets as a package carries them are compared too, where it can be had; they are of September 2026,
more than a year after our last bar.

Agreement of rankings is Kendall's tau-b with a bootstrap interval over markets; its rivals rank by traded volume and
by market capitalisation alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from leverline import __version__
from leverline.calibrate.book import MarketCalibration, calibrate_book
from leverline.calibrate.margin_period import LossCurve
from leverline.calibrate.requirement import requirement
from leverline.calibrate.tiers import fit_tiers
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, LeverlineError
from leverline.ground.files import sha256
from leverline.market.bars import NS_PER_S, Bars
from leverline.market.brackets import ExchangeBracket, ExchangeBrackets
from leverline.market.reading import read_bars
from leverline.market.sources.bracket_files import read_brackets
from leverline.market.sources.datasets import load_brackets
from leverline.market.symbols import SymbolNaming
from leverline.measure.loss_models import DEFAULT_MODEL
from leverline.measure.rank_agreement import Agreement, difference_interval, spearman_interval, tau_interval
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite
from leverline.model.limitbook import Tier
from leverline.model.quantities import UNITS_PER_ONE

Unit = Literal["per_day", "per_margin_period"]
BARS, BRACKETS = "daily_perp_hyperliquid_all.parquet", "leverage_tiers_binance_2024_10.parquet"
CAPITALISATIONS, OWN_VOLUME = "daily_market_cap.parquet", "m15_perp_binance_btc_eth.parquet"
AS_OF = "2024-10-24"
PACKAGED, LATER = "freqtrade", "2025-07-01"
"""The packaged brackets are of September 2026; our bars end in July 2025. More than a year lies between the two."""
NOTIONALS = (1e4, 1e5, 1e6, 1e7)
SETTINGS: tuple[tuple[float, Unit], ...] = (
    (3_600.0, "per_day"), (600.0, "per_day"), (SECONDS_PER_DAY, "per_day"),
    (3_600.0, "per_margin_period"), (600.0, "per_margin_period"))
"""Margin periods, seconds, and the unit of the 99 %. Claims are made at the first: the unit of the exchange's profile,
and the longest its liquidations may last. The others show what the choice does.
"""
KEY_SIZE = 1e6
GRID: FloatArray = np.geomspace(1e3, 3e7, 181)
VOLUME_DAYS = 30
HIGHEST_LEVERAGE = 125.0
SHOWN = 12
DRAWS = 1000
SEED = 1024
DEPTH = "volume proxy"
_THOUSANDS = "k"
"""The bars' venue calls a thousand of a coin by this letter before its name; the exchange writes 1000."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """One market: rates of both at each of :data:`NOTIONALS`, NaN where a ladder does not reach, and the drivers."""

    market: str
    maintenance: FloatArray
    initial: FloatArray
    their_maintenance: FloatArray
    their_initial: FloatArray
    loss: float
    slippage: FloatArray
    volume_per_day: float
    capitalisation: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All common markets at one margin period, and those that could not be compared with the reason."""

    period_s: float
    unit: Unit
    ladders: tuple[Ladder, ...]
    skipped: tuple[tuple[str, str], ...]
    young: int

    def column(self, name: str, size: int | None = None) -> FloatArray:
        """One field of all ladders, (n_markets,), at the given place in :data:`NOTIONALS` where it has sizes."""
        values = [getattr(ladder, name) for ladder in self.ladders]
        return np.array(values if size is None else [value[size] for value in values], np.float64)


def run(folder: Path) -> Experiment:
    """Compare with the exchange's ladders of 2024-10-24, and with the packaged ones where they can be had."""
    for name in (BARS, BRACKETS, CAPITALISATIONS, OWN_VOLUME):
        if not (folder / name).is_file():
            raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
    done = as_of_day(folder, read_brackets(folder / BRACKETS), AS_OF, SETTINGS)
    try:
        packaged = load_brackets(PACKAGED)
    except LeverlineError as error:  # off line and not cached: the comparison that was asked for stands by itself
        return replace(done, provenance=done.provenance | {PACKAGED: f"not read: {error}"})
    later = as_of_day(folder, packaged, LATER, SETTINGS[:1])
    return replace(done, rows=done.rows + later.rows, variants=done.variants + later.variants,
                   provenance=done.provenance | {PACKAGED: later.provenance})


def as_of_day(folder: Path, brackets: ExchangeBrackets, day: str, settings: tuple[tuple[float, Unit], ...],
              ) -> Experiment:
    """Compare ``brackets`` with ladders of ours calibrated on the files of ``folder`` up to midnight UTC of ``day``."""
    as_of = instant(day)
    bars, own = read_named(folder / BARS, as_of), read_named(folder / OWN_VOLUME, as_of)
    ratio, caps = volume_ratio(bars, own, as_of), capitalisations(folder / CAPITALISATIONS, bars, as_of)
    files = {name: sha256(folder / name) for name in (BARS, BRACKETS, CAPITALISATIONS, OWN_VOLUME)}
    return experiment(bars, brackets, as_of_ns=as_of, volume_ratio=ratio, capitalisation=caps, files=files,
                      settings=settings)


def experiment(
    bars: Bars, brackets: ExchangeBrackets, *, as_of_ns: int, volume_ratio: float, capitalisation: dict[str, float],
    files: dict[str, str], settings: tuple[tuple[float, Unit], ...] = SETTINGS,
) -> Experiment:
    """The same for any day: ``bars`` under the exchange's market names, ``brackets`` in force at ``as_of_ns``.

    ``volume_ratio`` is the exchange's volume over that of the bars; ``capitalisation`` is by market.
    """
    rng = np.random.default_rng(SEED)
    compared = [compare(bars, brackets, as_of_ns, period_s=period, unit=unit, volume_ratio=volume_ratio,
                        capitalisation=capitalisation) for period, unit in settings]
    main = compared[0]
    day = str(np.datetime64(as_of_ns, "ns").astype("datetime64[D]"))
    rows = [row for size in range(len(NOTIONALS)) for row in _size_rows(main, size, day, rng)]
    variants = [v for each in compared for size in range(len(NOTIONALS)) for v in _variants(each, size, rng)]
    variants += [_elasticities(main, size) for size in range(len(NOTIONALS))] + _disagreements(main)
    variants += [{"market": market, "left_out": why} for market, why in main.skipped]
    variants = [{"as_of": day, **variant} for variant in variants]
    provenance = {
        "software": f"leverline {__version__}", "seed": SEED, "files": files, "model": DEFAULT_MODEL,
        "as_of": str(np.datetime64(as_of_ns, "ns").astype("datetime64[s]")) + "Z", "margin_period_s": main.period_s,
        "confidence_unit": main.unit, "scale": "sqrt-time below a day", "volume_ratio": volume_ratio,
        "depth": {"books": 0, DEPTH: len(main.ladders)}, "left_out": len(main.skipped),
        "young": main.young}
    return Experiment("tiers-vs-binance", tuple(rows), provenance, tuple(variants))


def compare(
    bars: Bars, brackets: ExchangeBrackets, as_of_ns: int, *, period_s: float, unit: Unit, volume_ratio: float,
    capitalisation: dict[str, float],
) -> Comparison:
    """Calibrate every common market at one margin period and read both ladders."""
    appetite = one_period(period_s, unit)
    theirs = brackets.by_symbol()
    common = [symbol for symbol in bars.symbols if symbol in theirs]
    scaled = replace(bars.select(common), files=bars.files)
    scaled = replace(scaled, volume=scaled.volume * volume_ratio)
    done = calibrate_book(scaled, appetite, as_of_ns=as_of_ns, scale="sqrt-time")
    ladders, skipped = [], list(done.skipped)
    for market in done.markets:
        if not market.measures.has_volume:
            skipped.append((market.symbol, "no volume is known"))
            continue
        ladders.append(_ladder(market, appetite, period_s, theirs[market.symbol],
                               capitalisation.get(market.symbol, float("nan"))))
    young = int(np.isfinite(done.curves.own_weight).sum())
    return Comparison(period_s, unit, tuple(ladders), tuple(skipped), young)


def one_period(period_s: float, unit: Unit) -> RiskAppetite:
    """The exchange's profile with one margin period for every market and size, and no lower cap on leverage."""
    profile = RiskAppetite.profile("exchange")
    period = profile.margin_period.model_copy(update={"detection_s": period_s, "participation": 1.0})
    rounding = profile.rounding.model_copy(update={"max_leverage": HIGHEST_LEVERAGE})
    confidence = profile.confidence.model_copy(update={"unit": unit})
    return profile.model_copy(update={"name": "one margin period", "confidence": confidence, "margin_period": period,
                                      "rounding": rounding})


def _ladder(
    market: MarketCalibration, appetite: RiskAppetite, period_s: float, theirs: tuple[ExchangeBracket, ...],
    capitalisation: float,
) -> Ladder:
    """Our tiers with losses of one period at every size, beyond the cap of a book too, beside the exchange's."""
    curve = market.measures.losses
    fixed = LossCurve(np.array([period_s]), curve.at(np.array([period_s])), None)
    measures = replace(market.measures, losses=fixed)
    needs = requirement(measures, appetite, GRID)
    # no rate above one is published: such a position is fully paid
    maintenance = np.minimum(needs.maintenance_rate, 0.9)
    initial = np.minimum(needs.maintenance_rate + needs.reaction, 1.0)
    tiers = fit_tiers(GRID, maintenance * GRID, np.maximum(initial, maintenance) * GRID,
                      n_tiers=appetite.rounding.tiers, rounding=appetite.rounding,
                      minimum_buffer=appetite.initial.minimum_buffer)
    own, other = _rates(tiers), _their_rates(theirs)
    at_sizes = requirement(measures, appetite, np.array(NOTIONALS))
    return Ladder(market.symbol, own[0], own[1], other[0], other[1], float(needs.loss[0]), at_sizes.slippage,
                  market.measures.volume_per_day, capitalisation)


def _rates(tiers: tuple[Tier, ...]) -> tuple[FloatArray, FloatArray]:
    """Maintenance (average) and initial rate of our tiers at each size."""
    as_brackets = tuple(
        ExchangeBracket("", k + 1, "", tier.notional_floor / UNITS_PER_ONE,
                        None if tier.notional_cap is None else tier.notional_cap / UNITS_PER_ONE,
                        tier.maintenance_margin_rate, 1.0 / tier.initial_margin_rate,
                        tier.maintenance_deduction / UNITS_PER_ONE) for k, tier in enumerate(tiers))
    return _their_rates(as_brackets)


def _their_rates(brackets: tuple[ExchangeBracket, ...]) -> tuple[FloatArray, FloatArray]:
    """Maintenance (average) and initial rate of brackets at each size; NaN beyond the last cap."""
    maintenance, initial = np.full(len(NOTIONALS), np.nan), np.full(len(NOTIONALS), np.nan)
    for k, notional in enumerate(NOTIONALS):
        for bracket in brackets:
            if bracket.notional_floor < notional and (bracket.notional_cap is None or notional <= bracket.notional_cap):
                maintenance[k] = bracket.maintenance_margin_rate - bracket.maintenance_deduction / notional
                initial[k] = 1.0 / bracket.max_leverage
    return maintenance, initial


def _size_rows(compared: Comparison, size: int, day: str, rng: np.random.Generator) -> list[Row]:
    """Rank agreement and level at one size, maintenance rates."""
    ours, theirs = compared.column("maintenance", size), compared.column("their_maintenance", size)
    tau = tau_interval(ours, theirs, rng=rng, draws=DRAWS)
    if not np.isfinite(tau.value):
        return []  # too few markets whose ladders both reach so far; the variants say how many
    where = f"as of {day} at {NOTIONALS[size]:,.0f}, margin period {compared.period_s:g} s, depth {DEPTH}"
    rivals = {"volume": -compared.column("volume_per_day"), "capitalisation": -compared.column("capitalisation")}
    alone = {name: tau_interval(rival, theirs, rng=rng, draws=DRAWS) for name, rival in rivals.items()}
    said = ", ".join(f"{name} alone {a.value:.3f} ({a.low:.3f} to {a.high:.3f}, {a.markets} markets)"
                     for name, a in alone.items() if np.isfinite(a.value))
    middle, low, high = _median_interval(ours / theirs, rng)
    said += f"; median ratio of ours to theirs {middle:.2f} ({low:.2f} to {high:.2f})"
    rows = [Row(f"rank agreement of maintenance, {tau.markets} markets {where}: tau-b", tau.value, f"0; {said}",
                f"lower end of the 95 % interval above 0: {tau.low:.3f} to {tau.high:.3f}", tau.low > 0.0)]
    if NOTIONALS[size] == KEY_SIZE:
        for name, rival in rivals.items():
            better = difference_interval(theirs, ours, rival, rng=rng, draws=DRAWS)
            if not np.isfinite(better.value):
                continue
            rows.append(Row(
                f"tau-b less that of ranking by {name} alone, {better.markets} markets {where}", better.value, "0",
                f"95 % interval not wholly below 0: {better.low:.3f} to {better.high:.3f}", better.high >= 0.0))
    return rows


def _variants(compared: Comparison, size: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Levels, and both rank coefficients of ours and of each rival with the exchange's, at one period and size."""
    volume, cap = -compared.column("volume_per_day"), -compared.column("capitalisation")
    rankings = {"ours": None, "volume": volume, "capitalisation": cap, "loss quantile alone": compared.column("loss"),
                "slippage alone": compared.column("slippage", size)}
    out = []
    for what in ("maintenance", "initial"):
        ours, theirs = compared.column(what, size), compared.column(f"their_{what}", size)
        ratio = [_known(x) for x in _median_interval(ours / theirs, rng)]
        for name, rival in rankings.items():
            ranked = ours if rival is None else rival
            tau = tau_interval(ranked, theirs, rng=rng, draws=DRAWS)
            rho = spearman_interval(ranked, theirs, rng=rng, draws=DRAWS)
            out.append({"margin_period_s": compared.period_s, "confidence_unit": compared.unit,
                        "notional": NOTIONALS[size], "rate": what,
                        "ranked_by": name, "depth": DEPTH, "markets": tau.markets, "tau_b": _triple(tau),
                        "spearman": _triple(rho),
                        "median_ratio_ours_to_theirs_with_interval": ratio if rival is None else None,
                        "beyond_their_last_tier": int(np.isnan(theirs).sum())})
    return out


def _elasticities(compared: Comparison, size: int) -> dict[str, Any]:
    """Least squares of the log rates of both on our log loss quantile and log volume: what each ladder prices."""
    drivers = np.column_stack([np.ones(len(compared.ladders)), np.log(compared.column("loss")),
                               np.log(compared.column("volume_per_day"))])
    out: dict[str, Any] = {"notional": NOTIONALS[size], "elasticity_of_maintenance_to": ["loss quantile", "volume"]}
    for who, name in (("ours", "maintenance"), ("theirs", "their_maintenance")):
        rate = compared.column(name, size)
        known = np.isfinite(rate)
        slopes = np.linalg.lstsq(drivers[known], np.log(rate[known]), rcond=None)[0][1:]
        out[who] = [float(slope) for slope in slopes]
    return out


def _disagreements(compared: Comparison) -> list[dict[str, Any]]:
    """The markets farthest from the median ratio at the key size, and which term drives each."""
    size = NOTIONALS.index(KEY_SIZE)
    ours, theirs = compared.column("maintenance", size), compared.column("their_maintenance", size)
    with np.errstate(invalid="ignore"):
        apart = np.log(ours / theirs)
    apart = apart - np.nanmedian(apart)
    losses, slippages = compared.column("loss"), compared.column("slippage", size)
    out = []
    for k in np.argsort(-np.where(np.isfinite(apart), np.abs(apart), -np.inf))[:SHOWN]:
        ladder = compared.ladders[k]
        terms = {"loss quantile": np.log(losses[k] / np.median(losses)),
                 "depth (slippage)": np.log(slippages[k] / np.median(slippages))}
        of_rate = {"loss quantile": losses[k], "depth (slippage)": slippages[k]}
        # the term that moves our own rate in the direction of the disagreement, by its share of the rate
        push = {name: np.sign(apart[k]) * terms[name] * of_rate[name] / ours[k] for name in terms}
        driver = max(push, key=lambda name: push[name])
        if push[driver] <= 0.0:
            driver = "the exchange's own rate: neither of our terms is unusual in that direction"
        out.append({"market": ladder.market, "notional": KEY_SIZE, "ours": float(ours[k]), "theirs": float(theirs[k]),
                    "log_ratio_less_median": float(apart[k]), "driver": driver, "loss_quantile": float(losses[k]),
                    "slippage": float(slippages[k]), "stressed_volume_per_day": ladder.volume_per_day,
                    "capitalisation": _known(ladder.capitalisation)})
    return out


def read_named(path: Path, as_of_ns: int) -> Bars:
    """Bars known by then, under the exchange's market names."""
    coins = pl.scan_parquet(path).select(pl.col("symbol").unique()).collect()["symbol"].to_list()
    mapping = {coin: market_name(coin) for coin in coins}
    return read_bars([path], naming=SymbolNaming(mapping=mapping), until_ns=as_of_ns)


def market_name(coin: str) -> str:
    """Linear perpetual of a coin as the exchange names it."""
    thousands = coin.startswith(_THOUSANDS) and coin[1:].isupper()
    return f"{'1000' + coin[1:] if thousands else coin}/USDT:USDT"


def volume_ratio(bars: Bars, own: Bars, as_of_ns: int) -> float:
    """The exchange's daily volume over that of the bars: median over its markets in ``own`` (BTC, ETH), 30 days."""
    ratios = [_median_day(own, market, as_of_ns) / _median_day(bars, market, as_of_ns)
              for market in own.symbols if market in bars.symbols]
    if not ratios:
        raise InsufficientDataError("no market is in both files", remedy="give a file with volumes of the exchange")
    return float(np.exp(np.mean(np.log(ratios))))


def _median_day(bars: Bars, symbol: str, as_of_ns: int) -> float:
    """Median notional of a UTC day over the last 30 days."""
    rows = bars.rows(symbol)
    day = (as_of_ns - 1 - bars.ts[rows]) // int(SECONDS_PER_DAY * NS_PER_S)
    recent = (day >= 0) & (day < VOLUME_DAYS)
    notional = np.bincount(day[recent], (bars.volume[rows] * bars.close[rows])[recent])
    return float(np.median(notional[notional > 0.0]))


def capitalisations(path: Path, bars: Bars, as_of_ns: int) -> dict[str, float]:
    """Market -> capitalisation of its coin, of the newest day known by then, carried to that time by the price.

    The file stops early for many coins; a constant supply since then is the assumption, and a coin without a bar on its
    last day in the file has none.
    """
    known = pl.read_parquet(path).filter(pl.col("ts").dt.epoch("ns") < as_of_ns)
    day = pl.col("ts").dt.epoch("ns").alias("ns")
    by_coin = known.with_columns(day).sort("ns").group_by("symbol", maintain_order=True).agg(pl.all().last())
    newest = {coin: (ns, cap) for coin, ns, cap in by_coin.select("symbol", "ns", "market_cap").iter_rows()}
    out = {}
    for market in bars.symbols:
        coin = market.partition("/")[0].removeprefix("1000")
        rows = bars.rows(market)
        at = int(np.searchsorted(bars.ts[rows], newest.get(coin, (-1, 0.0))[0], side="right")) - 1
        if coin in newest and at >= 0:
            out[market] = newest[coin][1] * float(bars.close[rows][-1] / bars.close[rows][at])
    return out


def instant(day: str) -> int:
    """Midnight UTC of a day, ns."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def _median_interval(values: FloatArray, rng: np.random.Generator) -> tuple[float, float, float]:
    """Median, and lower and upper end of its 95 % bootstrap interval over markets."""
    seen = values[np.isfinite(values)]
    if not seen.size:
        return float("nan"), float("nan"), float("nan")
    drawn = np.median(seen[rng.integers(0, seen.size, size=(DRAWS, seen.size))], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.median(seen)), float(low), float(high)


def _triple(agreement: Agreement) -> list[float | None]:
    """Value and interval for JSON."""
    return [_known(x) for x in (agreement.value, agreement.low, agreement.high)]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
