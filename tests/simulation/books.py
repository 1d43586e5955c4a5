"""Limit books of a simulated venue: real documents, tighter and looser, with breakers and without."""

from __future__ import annotations

from functools import cache
from typing import Any

from leverline.model import AssetLimits, LimitBook, VenueLimits
from leverline.model.collateral import HaircutTier
from leverline.model.limitbook import InstrumentLimits
from leverline.model.quantities import UNITS_PER_ONE
from tests.enforce.worlds import BTC, ETH
from tests.model.books import fields, schedule

OLD = "OLD/USDT:USDT"
MARKETS = (BTC, ETH, OLD)
COINS = ("COIN", "PEG")
FIRST_PRICE = {BTC: 10_000, ETH: 10_000, OLD: 10_000, "COIN": 10**6, "PEG": 2 * 10**6}

BREAKERS: tuple[dict[str, float] | None, ...] = (
    None,
    {"quorum": 1, "opening_quorum": 1, "growth_floor": 10_000, "longest_halt_s": 300},
    {"growth_floor": 10_000},
    {"growth_floor": 10_000, "notice_s": 1, "grace_s": 5, "longest_halt_s": 60, "weight:a": 3, "latency_s": 10},
)
"""None: whatever one source says is the price. Then one source with checks, three, and impatient ones."""
TIGHTNESS = (0.5, 0.8, 1.0, 1.5, 3.0)
"""Factors on margin rates."""


@cache
def book(tightness: float, breakers: int) -> LimitBook:
    """Three markets of 100 units a lot and tick with tiers, caps and classes, and two collateral assets."""
    def market(leverage: float, maintenance: float, **rest: Any) -> InstrumentLimits:
        first, second = leverage / tightness, leverage / 2 / tightness
        low = maintenance * tightness
        tiers = schedule((0, 2_000, first, low), (2_000, 20_000, second, 2 * low), (20_000, None, second / 2, 3 * low))
        return InstrumentLimits(tick=0.1, lot=0.001, tiers=tiers, liquidation_fee_rate=0.002, **rest)

    coin = AssetLimits(ltv=0.8, liquidation_threshold=0.9, haircut_tiers=(
        HaircutTier(value_floor=0, haircut=0.05), HaircutTier(value_floor=500 * UNITS_PER_ONE, haircut=0.4)))
    instruments = {
        BTC: market(25, 0.02, price_band=0.1),
        ETH: market(50, 0.01, open_interest_cap=10_000 * UNITS_PER_ONE, owner_share_cap=0.6),
        OLD: market(10, 0.05, profit_collateral_cap=50 * UNITS_PER_ONE, open_interest_growth_cap=2.0),
    }
    return LimitBook.of(
        as_of=fields()["as_of"], settlement="USDT", instruments=instruments, provenance=fields()["provenance"],
        collateral={"COIN": coin, "PEG": AssetLimits(ltv=0.9, liquidation_threshold=0.95, supply_cap=10**12)},
        venue=VenueLimits(breakers=BREAKERS[breakers]))


@cache
def document(tightness: float, breakers: int) -> str:
    """The same as it is published."""
    return book(tightness, breakers).to_json()
