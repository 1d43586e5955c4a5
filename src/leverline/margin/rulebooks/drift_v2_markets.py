"""Drift v2's markets and collateral in the venue's own integers, from accounts of the main network.

Source: velocity-exchange/protocol-v2 (it continues drift-labs/protocol-v2), programs/drift/src/controller/amm/tests.rs.
The accounts of SOL-PERP (slot 409451609), ETH-PERP (409497574) and USDC (409451751) stand there in base64; their fields
were read by the layout of PerpMarket and SpotMarket. The clocks inside say 2026-03-28.
"""

from __future__ import annotations

from leverline.margin.rulebooks.description import Preset, Source

_ON_CHAIN = Source("velocity-exchange/protocol-v2, programs/drift/src/controller/amm/tests.rs (accounts of the main "
                   "network)", "2026-11")
_DOCS = Source("docs.drift.trade/getting-started/cross-collateral-deposits (stored copy without a date)", "2026-11")
_CODE = Source("drift-labs/protocol-v2, programs/drift/src/math/constants.rs", "2026-04-01")

_MARKET_FIGURES = (
    "initial_margin_ratio_1e4", "maintenance_margin_ratio_1e4", "imf_factor_1e6", "high_leverage_initial_ratio_1e4",
    "high_leverage_maintenance_ratio_1e4", "unrealized_pnl_initial_asset_weight_1e4",
    "unrealized_pnl_maintenance_asset_weight_1e4", "unrealized_pnl_imf_factor_1e6",
    "unrealized_pnl_max_imbalance_1e6_usdc", "liquidator_fee_1e6", "fund_liquidation_fee_1e6",
    "fund_at_most_1e6_usdc", "base_step_1e9", "price_tick_1e6",
)
_ASSET_FIGURES = ("initial_asset_weight_1e4", "maintenance_asset_weight_1e4", "initial_liability_weight_1e4",
                  "maintenance_liability_weight_1e4", "imf_factor_1e6", "token_decimals")


def _market(name: str, *figures: int) -> Preset:
    return Preset(name, dict(zip(_MARKET_FIGURES, figures, strict=True)), "2026-03-28", _ON_CHAIN)


def _asset(name: str, as_of: str, source: Source, *figures: int) -> Preset:
    return Preset(name, dict(zip(_ASSET_FIGURES, figures, strict=True)), as_of, source)


PRESETS = (
    _market("SOL/USDC:USDC", 500, 300, 50, 99, 66, 0, 10_000, 0, 1_000_000, 7_500, 7_500, 1_000_000_000_000,
            10_000_000, 100),
    _market("ETH/USDC:USDC", 500, 200, 250, 99, 66, 0, 10_000, 0, 100_000_000, 5_000, 7_500, 999_999_999_999,
            1_000_000, 10_000),
    _asset("USDC", "2026-03-28", _ON_CHAIN, 10_000, 10_000, 10_000, 10_000, 0, 6),
    _asset("SOL", "2026-11", _DOCS, 8_000, 9_000, 12_000, 11_000, 1_250, 9),
    Preset("liquidation", {"buffer_ratio_1e4": 200}, "2026-04-01", _CODE),
)
"""Markets by unified symbol, collateral by asset, and the venue-wide default buffer."""
