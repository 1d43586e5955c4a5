"""Morpho Blue: one market, one loan-to-value limit, an incentive that follows from it; bad debt is shared at once.

Source: morpho-org/morpho-blue 3085651, src/Morpho.sol and src/libraries/{SharesMathLib,MathLib}.sol, read 2026-11.
Wad rates, oracle prices in 1e-36 debt units per collateral unit. There is no close factor. Once debt exceeds
collateral / incentive, a partial liquidation leaves the borrower a worse ratio by design. Held to the bytecode of npm
@morpho-org/morpho-blue 1.0.0 by ``tests/bytecode``.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.margin.fixed_point import WAD, VenueRefusesError, mul_div_ceil, mul_div_floor
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

PRICE_SCALE = 10**36
VIRTUAL_ASSETS = 1
VIRTUAL_SHARES = 10**6
INCENTIVE_CURSOR = 3 * WAD // 10
MAX_INCENTIVE = 115 * WAD // 100


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A market's debt side: assets owed and the shares they are split into."""

    assets: int
    shares: int

    def shares_up(self, assets: int) -> int:
        """Shares for ``assets``, rounded up."""
        return mul_div_ceil(assets, self.shares + VIRTUAL_SHARES, self.assets + VIRTUAL_ASSETS)

    def assets_up(self, shares: int) -> int:
        """Assets for ``shares``, rounded up."""
        return mul_div_ceil(shares, self.assets + VIRTUAL_ASSETS, self.shares + VIRTUAL_SHARES)

    def assets_down(self, shares: int) -> int:
        """Assets for ``shares``, rounded down."""
        return mul_div_floor(shares, self.assets + VIRTUAL_ASSETS, self.shares + VIRTUAL_SHARES)


@dataclass(frozen=True, slots=True)
class Liquidation:
    """What one liquidation moves; bad debt is taken from the lenders' total."""

    seized: int
    repaid_assets: int
    repaid_shares: int
    bad_debt_assets: int


def incentive_factor(lltv: int, cursor: int = INCENTIVE_CURSOR, largest: int = MAX_INCENTIVE) -> int:
    """min(largest, 1 / (1 - cursor (1 - LLTV))), wad, rounded down: safer markets pay liquidators less."""
    return min(largest, mul_div_floor(WAD, WAD, WAD - mul_div_floor(cursor, WAD - lltv, WAD)))


def max_borrow(collateral: int, price: int, lltv: int) -> int:
    """Debt assets that ``collateral`` carries."""
    return mul_div_floor(mul_div_floor(collateral, price, PRICE_SCALE), lltv, WAD)


def is_healthy(collateral: int, borrow_shares: int, market: Borrowed, price: int, lltv: int) -> bool:
    """Whether the debt, rounded up, is within what the collateral carries."""
    return max_borrow(collateral, price, lltv) >= market.assets_up(borrow_shares)


def liquidate(
    collateral: int, borrow_shares: int, market: Borrowed, price: int, seized: int, incentive: int
) -> Liquidation:
    """Seize ``seized`` collateral of an unhealthy loan for its value / incentive."""
    if not 0 < seized <= collateral:
        raise VenueRefusesError(f"a liquidation seizes a part of the collateral, {collateral}; got {seized}")
    quoted = mul_div_ceil(seized, price, PRICE_SCALE)
    shares = market.shares_up(mul_div_ceil(quoted, WAD, incentive))
    return _settled(collateral, borrow_shares, market, seized, shares)


def liquidate_shares(
    collateral: int, borrow_shares: int, market: Borrowed, price: int, repaid_shares: int, incentive: int
) -> Liquidation:
    """Repay ``repaid_shares`` of an unhealthy loan and seize their value x incentive, rounded down, perhaps nothing."""
    if repaid_shares <= 0:
        raise VenueRefusesError(f"a liquidation repays a part of the debt; got {repaid_shares} shares")
    worth = mul_div_floor(market.assets_down(repaid_shares), incentive, WAD)
    seized = mul_div_floor(worth, PRICE_SCALE, price)
    return _settled(collateral, borrow_shares, market, seized, repaid_shares)


def _settled(collateral: int, borrow_shares: int, market: Borrowed, seized: int, shares: int) -> Liquidation:
    """Both sides of the loan reduced; with the collateral gone the rest is bad debt."""
    if shares > borrow_shares or seized > collateral:
        raise VenueRefusesError("a liquidation takes at most the debt and the collateral")
    repaid = market.assets_up(shares)
    left = Borrowed(max(0, market.assets - repaid), market.shares - shares)
    bad = min(left.assets, left.assets_up(borrow_shares - shares)) if seized == collateral else 0
    return Liquidation(seized, repaid, shares, bad)


_POOLS = Source("karpatkey/defi-kit, sdk/src/protocols/morpho/_ethBluePools.ts, Ethereum", "2026-11")


def _market(collateral: str, loan: str, lltv: float, source: Source) -> Preset:
    """A market's figures never change once it exists; its oracle is not among them."""
    return Preset(f"{collateral}-{loan}".lower(), {"collateral": [collateral], "lltv": [lltv], "debt": [loan]},
                  "2026-11", source)


RULEBOOK = RulebookDescription(
    name="morpho-blue",
    venue="Morpho Blue",
    scope="lending",
    rules={
        "trigger": "collateral x price x LLTV below debt",
        "sizing": "any part, as the liquidator chooses",
        "price policy": "incentive = min(1.15, 1 / (1 - 0.3 (1 - LLTV)))",
        "waterfall": "debt left without collateral is taken from all lenders of the market at once",
    },
    rounding="collateral and incentive down, debt and repayments up; one virtual asset, a million virtual shares",
    sources=(Source("morpho-org/morpho-blue src/Morpho.sol", "2026-11"),),
    families=("morpho-lif", "morpho-exec-liq"),
    presets=(
        Preset("constants", {"cursor": 0.3, "max_incentive": 1.15}, "2026-11",
               Source("morpho-org/morpho-blue src/libraries/ConstantsLib.sol", "2026-11")),
        _market("WETH", "USDC", 0.86, Source("Henri-Guillet/Looping 044783e3, frontend/constants/index.js, market "
                                             "0x8793cf302b8ffd65... on Base", "2026-11")),
        _market("wstETH", "WETH", 0.965, _POOLS),
        _market("USDe", "DAI", 0.77, _POOLS),
    ),
    cautions=("Without a close factor a slightly unhealthy loan can be liquidated whole.",),
)
