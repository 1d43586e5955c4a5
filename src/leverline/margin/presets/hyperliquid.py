"""Hyperliquid: maintenance half of the initial rate at each tier's highest leverage, continuous across tiers."""

from __future__ import annotations

from fractions import Fraction

from leverline.margin.curves import BracketCurve, above
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.hyperliquid import RULEBOOK, Tier, brackets_of, initial_margin
from leverline.margin.rules import MarketRules

COINS = ("BTC", "ETH", "SOL")


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    used = {f"{coin}/USDC:USDC": Figures(RULEBOOK, coin) for coin in COINS}
    return {"hyperliquid": engine_preset(
        "hyperliquid", RULEBOOK, "USDC", list(used.values()),
        ("Initial margin is the one at the highest leverage of the tier; an account's own lower choice is not seen.",
         "Portfolio margin and borrowing against tokens are left out."),
        markets={symbol: MarketRules(_curve(tiers_of(of))) for symbol, of in used.items()})}


def tiers_of(of: Figures) -> tuple[Tier, ...]:
    """The rulebook's own tiers out of its figures."""
    rows = zip(of.numbers("tier_floors_usdc"), of.numbers("max_leverage"), strict=True)
    return tuple(Tier(Fraction(floor), Fraction(leverage)) for floor, leverage in rows)


def _curve(tiers: tuple[Tier, ...]) -> BracketCurve:
    rows = brackets_of(tiers).rows
    return BracketCurve(
        floors=above(float(row.floor) for row in rows),
        initial_rates=tuple(float(initial_margin(Fraction(1), tier.max_leverage)) for tier in tiers),
        maintenance_rates=tuple(float(row.rate) for row in rows),
        deductions=tuple(float(row.deduction) for row in rows))
