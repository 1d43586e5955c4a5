"""Synthetix v3 perpetuals: cross margin that grows with size over the market's skew scale; exact rationals, USD.

Source: Synthetixio/synthetix-v3 (2025-06), markets/perps-market/contracts/storage/PerpsMarketConfiguration.sol,
PerpsAccount.sol, PerpsMarket.sol, AsyncOrder.sol.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source


@dataclass(frozen=True, slots=True)
class Market:
    """Margin figures of a market: ``skew_scale`` in base units, ratios as fractions, minimum in USD a position."""

    skew_scale: Fraction
    initial_margin_fraction: Fraction
    minimum_initial_ratio: Fraction
    maintenance_scalar: Fraction
    minimum_position_margin: Fraction = Fraction(0)


def fill_price(price: Fraction, size: Fraction, skew: Fraction, skew_scale: Fraction) -> Fraction:
    """Price of a trade of signed ``size``: the premium half way between the skew before and after it."""
    return price * (1 + (skew + size / 2) / skew_scale)


def pnl(size: Fraction, entry_price: Fraction, price: Fraction) -> Fraction:
    """Profit in USD of a signed position."""
    return size * (price - entry_price)


def open_interest(positions: Iterable[tuple[Fraction, Fraction]]) -> Fraction:
    """USD value of an account's positions, given as (signed size, price), without netting."""
    return sum((abs(size) * price for size, price in positions), start=Fraction(0))


def margins(market: Market, size: Fraction, price: Fraction) -> tuple[Fraction, Fraction]:
    """(initial, maintenance) margin in USD: the ratio rises linearly with size over the skew scale."""
    ratio = abs(size) / market.skew_scale * market.initial_margin_fraction + market.minimum_initial_ratio
    notional = abs(size) * price
    return (notional * ratio + market.minimum_position_margin,
            notional * ratio * market.maintenance_scalar + market.minimum_position_margin)


def liquidatable(available: Fraction, maintenance: Fraction, keeper_reward: Fraction = Fraction(0)) -> bool:
    """The account must also be able to pay the keeper that liquidates it; equality is safe."""
    return maintenance + keeper_reward > available


def window_capacity(maker_fee: Fraction, taker_fee: Fraction, skew_scale: Fraction, multiplier: Fraction,
                    seconds: Fraction) -> Fraction:
    """Base units of a market that may be liquidated in one window."""
    return (maker_fee + taker_fee) * skew_scale * multiplier * seconds


class LiquidationWindow:
    """What a sliding window of ``seconds`` leaves to liquidate; everybody's liquidations in the market share it."""

    def __init__(self, capacity: Fraction, seconds: Fraction) -> None:
        self.capacity = capacity
        self.seconds = seconds
        self._done: list[tuple[Fraction, Fraction]] = []

    def liquidate(self, at: Fraction, size: Fraction) -> Fraction:
        """Liquidate up to ``size`` (unsigned) at time ``at`` (seconds, never falling); returns how much."""
        self._done = [(time, amount) for time, amount in self._done if time > at - self.seconds]
        left = max(self.capacity - sum(amount for _, amount in self._done), Fraction(0))
        amount = min(left, size)
        if amount > 0:
            self._done.append((at, amount))
        return amount


_FIGURES = (
    "skew_scale_base", "initial_margin_fraction", "minimum_initial_ratio", "maintenance_scalar",
    "minimum_position_margin_usd", "flag_reward_ratio", "maker_fee_ratio", "taker_fee_ratio", "window_multiplier",
    "window_seconds", "window_max_premium", "max_market_size_base", "max_market_value_usd",
)


def _market(asset: str, commit: str, *figures: float) -> Preset:
    """A market of the deployment on Base; its maintenance margin is the scalar times the initial ratio."""
    where = (f"Synthetixio/synthetix-deployments {commit}, tomls/omnibus-base-mainnet-andromeda/perps/markets/"
             f"{asset.lower()}.toml (the commit's date was not stored)")
    return Preset(f"{asset}/USD:USD", dict(zip(_FIGURES, figures, strict=True)), "2026-11", Source(where, "2026-11"))


RULEBOOK = RulebookDescription(
    name="synthetix-v3",
    venue="Synthetix v3 perps",
    scope="perpetuals",
    rules={
        "requirement": "initial ratio = |size| / skew scale * fraction + minimum; maintenance ratio = initial * scalar;"
                       " plus a minimum a position",
        "collateral": "deposits plus the pnl of all positions; fills at price * (1 + (skew + size / 2) / skew scale)",
        "trigger": "maintenance + keeper reward > available margin",
        "sizing": "per market at most (maker + taker fee) * skew scale * multiplier * seconds in a sliding window",
    },
    rounding="exact rationals; the chain counts in 1e-18",
    sources=(Source("Synthetixio/synthetix-v3, markets/perps-market/contracts/storage", "2025-06-12"),),
    families=("synthetix-pnl", "synthetix-oi", "synthetix-liq", "synthetix-window", "synthetix-windowseq"),
    presets=(
        _market("BTC", "5b0caa0", 12_500, 1.54, 0.02, 0.28, 15, 0.0003, 0.000001, 0.0005, 1.5, 30, 0.0005, 1_200,
                50_000_000),
        _market("ETH", "2249a8f", 350_000, 1.16, 0.02, 0.28, 50, 0.0003, 0.000001, 0.0005, 1.5, 30, 0.0005, 10_000,
                15_000_000),
        Preset("keepers", {"min_reward_usd": 1, "min_profit_ratio": 1, "max_reward_usd": 500, "max_scaling_ratio": 1},
               "2026-11", Source("Synthetixio/synthetix-deployments 006454a, tomls/omnibus-base-mainnet-andromeda/"
                                 "perps/global.toml (the commit's date was not stored)", "2026-11")),
    ),
    cautions=("The presets are of two commits of the deployment's history; which one is in force was not read.",
              "Flagging an account for liquidation takes all its collateral, even if a part would do.",
              "The extra block of throughput near zero skew and the endorsed liquidator are left out.",
              "Whether the window's edge counts stands without a figure of the venue's to check it."),
)
