"""Drift v2, ordinary accounts: rates with the square root of size, cut to 1e-4 as the program cuts them."""

from __future__ import annotations

from math import sqrt

from leverline.margin.curves import SizeRootCurve
from leverline.margin.presets.engine_preset import EnginePreset, Figures, engine_preset
from leverline.margin.rulebooks.drift_v2 import BASE, INITIAL_PNL_CAP, PRICE, RATIO
from leverline.margin.rulebooks.drift_v2_liquidation import RULEBOOK
from leverline.margin.rules import AssetRules, MarketRules

SYMBOLS = ("SOL/USDC:USDC", "ETH/USDC:USDC")
_IMF = 1e6  # unit of a size factor


def presets() -> dict[str, EnginePreset]:
    """The venue's engine presets by name."""
    used = {symbol: Figures(RULEBOOK, symbol) for symbol in SYMBOLS}
    sol = Figures(RULEBOOK, "SOL")
    return {"drift-v2": engine_preset(
        "drift-v2", RULEBOOK, "USDC", [*used.values(), sol],
        ("High-leverage mode, open orders, strict prices of the quote coin and the scaling of initial weights with all "
         "deposits are left out.",
         "SOL cannot be borrowed here: the rise of its liability weight with size is not carried.",
         "The weight of a large SOL deposit is not cut to 1e-4.",
         "The liquidation buffer is a share of notional, which a buffer on maintenance does not express: an account is "
         "out of liquidation here once it meets maintenance."),
        markets={symbol: _market(of) for symbol, of in used.items()}, assets={"SOL": _asset(sol)})}


def _market(of: Figures) -> MarketRules:
    curve = SizeRootCurve(
        initial_rate=of.number("initial_margin_ratio_1e4") / RATIO,
        maintenance_rate=of.number("maintenance_margin_ratio_1e4") / RATIO,
        factor=_per_root(of), unit=float(BASE), rate_unit=1.0 / RATIO)
    return MarketRules(
        curve, tick=of.number("price_tick_1e6") / PRICE, lot=of.number("base_step_1e9") / BASE,
        profit_weight_initial=of.number("unrealized_pnl_initial_asset_weight_1e4") / RATIO,
        profit_weight_maintenance=of.number("unrealized_pnl_maintenance_asset_weight_1e4") / RATIO,
        profit_cap_initial=INITIAL_PNL_CAP / PRICE)


def _asset(of: Figures) -> AssetRules:
    return AssetRules(
        initial_weights=(of.number("initial_asset_weight_1e4") / RATIO,),
        maintenance_weights=(of.number("maintenance_asset_weight_1e4") / RATIO,), root_discount=_per_root(of),
        debt_initial_weight=of.number("initial_liability_weight_1e4") / RATIO,
        debt_maintenance_weight=of.number("maintenance_liability_weight_1e4") / RATIO)


def _per_root(of: Figures) -> float:
    """The size factor per root of ten base units: the program takes the root of ten times 1e-9 units over 1e5."""
    return of.number("imf_factor_1e6") / _IMF / sqrt(10.0)
