"""Flat rates: no venue's figures, so no preset, but rules for whoever has rates of his own."""

from __future__ import annotations

from collections.abc import Mapping

from leverline.margin.curves import BracketCurve
from leverline.margin.rules import MarketRules, VenueRules


def flat_rules(rates: Mapping[str, tuple[float, float]], settlement: str, name: str = "flat") -> VenueRules:
    """Every size at the same (initial, maintenance) rate of its symbol: the standard model, chosen leverage ignored."""
    return VenueRules(name, settlement, {
        symbol: MarketRules(BracketCurve((0.0,), (initial,), (maintenance,), (0.0,)))
        for symbol, (initial, maintenance) in rates.items()})
