"""OKX: whole positions at their tier's rates, tiers counted in contracts and going on in equal steps.

The venue announced no end of the steps; here they end with the last tier whose initial rate is at most 1, and that
tier's cap is the most that may be opened.
"""

from __future__ import annotations

from fractions import Fraction
from math import inf, nextafter

from leverline.margin.curves import StepCurve
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.okx import RULEBOOK, PositionTiers
from leverline.margin.rules import MarketRules

SYMBOLS = ("AAVE/USDT:USDT", "ETH/USDT:USDT")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    used = {symbol: Figures(RULEBOOK, symbol) for symbol in SYMBOLS}
    return {"okx": engine_preset(
        "okx", RULEBOOK, "USDT", list(used.values()),
        ("The fee of closing, which the venue adds to the requirement, is not stated with the tiers and is left out.",
         "Where the equal steps end is not known: positions are capped where leverage would fall below 1.",
         "Discounts of other collateral than USDT are not stated."),
        markets={symbol: MarketRules(_curve(tiers_of(of)), contract_size=of.number("contract_size"))
                 for symbol, of in used.items()})}


def tiers_of(of: Figures) -> PositionTiers:
    """The rulebook's own tiers out of its figures."""
    initial, maintenance = of.numbers("initial_margin_rate"), of.numbers("maintenance_margin_rate")
    return PositionTiers(
        caps=tuple(int(cap) for cap in of.numbers("tier_cap_contracts")),
        rates=tuple((_exact(i), _exact(m)) for i, m in zip(initial, maintenance, strict=True)),
        further_contracts=int(of.number("further_tier_contracts")), further_rate=_exact(of.number("further_tier_rate")))


def _curve(tiers: PositionTiers) -> StepCurve:
    """A tier holds its cap, so the next one starts at the first size above it."""
    caps = [tiers.cap(1)]
    while tiers.margin_rates(caps[-1] + 1)[0] <= 1:
        caps.append(tiers.cap(len(caps) + 1))
    rates = [tiers.margin_rates(cap) for cap in caps]
    return StepCurve(
        floors=(0.0, *(nextafter(float(cap), inf) for cap in caps[:-1])),
        initial_rates=tuple(float(initial) for initial, _ in rates),
        maintenance_rates=tuple(float(maintenance) for _, maintenance in rates), by_contracts=True, cap=float(caps[-1]))


def _exact(rate: float) -> Fraction:
    """A rate as it is written."""
    return Fraction(str(rate))
