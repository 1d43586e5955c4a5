"""GMX v2: a share of the size at entry, 1 USD at least, and the fee of closing; every position a pool of its own."""

from __future__ import annotations

from leverline.margin.curves import EntryCurve
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.gmx_v2 import RULEBOOK
from leverline.margin.rules import AssetRules, MarketRules

SYMBOLS = ("BTC/USD:USD", "ETH/USD:USD", "XRP/USD:USD")
COLLATERAL = ("USDC", "BTC", "ETH")
"""Tokens of the pools, by the name of what they are worth; deposits count whole, at the oracle's lower price."""


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    used = {symbol: Figures(RULEBOOK, symbol) for symbol in SYMBOLS}
    return {"gmx-v2": engine_preset(
        "gmx-v2", RULEBOOK, "USD", list(used.values()),
        ("The price impact of closing and the accrued funding and borrowing fees, which the venue takes off first, are "
         "not seen; the fee of closing is, at the rate of a close that widens the imbalance.",
         "The rise of an order's factor with open interest is left out.",
         "Give each position its own pool (isolated) and its collateral in one token of its market."),
        markets={symbol: _market(of) for symbol, of in used.items()},
        assets={token: AssetRules() for token in COLLATERAL}, strict_prices=True)}


def _market(of: Figures) -> MarketRules:
    fee = of.number("position_fee_factor_negative_impact")
    curve = EntryCurve(
        initial_rate=of.number("min_collateral_factor"),
        maintenance_rate=of.number("min_collateral_factor_for_liquidation"),
        least=of.number("min_collateral_usd"), fee_rate=fee)
    return MarketRules(curve, taker_fee_rate=fee, open_interest_cap=of.number("max_open_interest_usd"))
