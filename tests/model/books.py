"""A small limit book that tests change one number of at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from leverline.calibrate.schedule import continuous_deductions
from leverline.model import AssetLimits, VenueLimits
from leverline.model.limitbook import Explanation, InstrumentLimits, LimitBook, Override, Tier
from leverline.model.provenance import DataFile, Provenance
from leverline.model.quantities import UNITS_PER_ONE

AS_OF = datetime(2025, 9, 30, tzinfo=UTC)


def schedule(*rows: tuple[float, float | None, float, float]) -> tuple[Tier, ...]:
    """Tiers from (floor, cap, leverage, maintenance rate), amounts in currency."""
    floors = [round(floor * UNITS_PER_ONE) for floor, _, _, _ in rows]
    deductions = continuous_deductions(floors, [rate for _, _, _, rate in rows])
    return tuple(
        Tier(notional_floor=floor, notional_cap=None if cap is None else round(cap * UNITS_PER_ONE),
             max_leverage=leverage, initial_margin_rate=1 / leverage, maintenance_margin_rate=rate,
             maintenance_deduction=int(deduction))
        for floor, deduction, (_, cap, leverage, rate) in zip(floors, deductions, rows, strict=True))


def fields() -> dict[str, Any]:
    """What :meth:`LimitBook.of` is given; every part of the document is filled."""
    btc = InstrumentLimits(
        tiers=schedule((0, 50_000, 50, 0.01), (50_000, 1_000_000, 25, 0.02), (1_000_000, None, 2.5, 0.1)),
        binding_side="short", position_cap=5_000_000 * UNITS_PER_ONE, price_band=0.05, fees={"taker": 0.0005})
    eth = InstrumentLimits(tiers=schedule((0, 100_000, 20, 0.02), (100_000, 2_000_000, 10, 0.05)))
    provenance = Provenance(
        software="leverline 0", versions={"numpy": "2"}, as_of=AS_OF, appetite={"name": "exchange"}, seed=7,
        data=(DataFile(name="bars.parquet", sha256="0" * 64, rows=10),), estimators={"tail": "fhs"})
    return {
        "as_of": AS_OF, "settlement": "USD", "instruments": {"BTC/USDT:USDT": btc, "ETH/USDT:USDT": eth},
        "collateral": {"ETH": AssetLimits(ltv=0.8, liquidation_threshold=0.85, supply_cap=10**12)},
        "venue": VenueLimits(insurance_fund_target=10**12, breakers={"move": 0.1}),
        "explanations": {"/instruments/BTC~1USDT:USDT/position_cap": Explanation(
            binding="share of volume", basis="measured", sensitivity={"depth": 1.0, "horizon": None})},
        "overrides": (Override(pointer="/venue", who="desk", why="listing", until=AS_OF, calibrated="1"),),
        "provenance": provenance,
    }


def book(**changes: Any) -> LimitBook:
    """The sample book with some of its top-level fields replaced."""
    return LimitBook.of(**(fields() | changes))
