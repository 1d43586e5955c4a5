"""Compound III (Comet): whole accounts are absorbed, their collateral is sold from a storefront at a fixed discount.

Source: compound-finance/comet d5a30b0a, contracts/Comet.sol and CometCore.sol, read 2026-11. Prices carry 8 decimals,
factors and rates 18, interest indices 15. Divisions truncate: collateral is never overstated, debt rounds toward zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.margin.fixed_point import WAD, mul_div_floor
from leverline.margin.rounding import truncated_div
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

INDEX_SCALE = 10**15
SECONDS_PER_YEAR = 31_536_000


@dataclass(frozen=True, slots=True)
class Collateral:
    """One supplied asset; ``factor`` is the borrow or the liquidation factor, as the question asks."""

    amount: int
    scale: int  # token units in one whole token
    price: int  # 8 decimals
    factor: int  # wad


@dataclass(frozen=True, slots=True)
class Kinked:
    """A yearly rate, wad, piecewise linear in utilisation."""

    base: int
    slope_low: int
    kink: int  # utilisation, wad
    slope_high: int


def liquidity(base_balance: int, base_price: int, base_scale: int, collaterals: Sequence[Collateral]) -> int:
    """Factored collateral value less debt value; ``base_balance`` is signed and negative for debt.

    Adding stops as soon as the sum is not negative, as the venue does; its sign is right, its size then a lower bound.
    """
    total = truncated_div(base_balance * base_price, base_scale)
    for held in collaterals:
        if total >= 0:
            break
        total += mul_div_floor(mul_div_floor(held.amount, held.price, held.scale), held.factor, WAD)
    return total


def is_liquidatable(base_balance: int, base_price: int, base_scale: int, collaterals: Sequence[Collateral]) -> bool:
    """Whether the account may be absorbed; factors are the liquidation factors."""
    return base_balance < 0 and liquidity(base_balance, base_price, base_scale, collaterals) < 0


def is_borrow_collateralized(
    base_balance: int, base_price: int, base_scale: int, collaterals: Sequence[Collateral]
) -> bool:
    """Whether the account may borrow what it owes; factors are the borrow factors."""
    return base_balance >= 0 or liquidity(base_balance, base_price, base_scale, collaterals) >= 0


def storefront_price(price: int, storefront_factor: int, liquidation_factor: int) -> int:
    """Price at which absorbed collateral is sold: buyers get the storefront's share of the penalty off."""
    discount = mul_div_floor(storefront_factor, WAD - liquidation_factor, WAD)
    return mul_div_floor(price, WAD - discount, WAD)


def quote_collateral(base_amount: int, base_price: int, base_scale: int, asset_scale: int, sale_price: int) -> int:
    """Collateral units for ``base_amount`` at the storefront's price."""
    return base_price * base_amount * asset_scale // sale_price // base_scale


def absorbed_balance(
    base_balance: int, base_price: int, base_scale: int, collaterals: Sequence[tuple[int, int, int, int]]
) -> int:
    """Base balance after absorption: collateral (amount, scale, price, liquidation factor) is credited less penalty.

    Never below zero: the protocol's reserves carry the rest. The whole account is taken however small the shortfall.
    """
    credited = sum(
        mul_div_floor(mul_div_floor(amount, price, scale), factor, WAD) for amount, scale, price, factor in collaterals
    )
    return max(0, base_balance + mul_div_floor(credited, base_scale, base_price))


def rate_per_second(utilization: int, curve: Kinked) -> int:
    """Rate at a utilisation, wad per second: the yearly parameters are divided first, each rounded down."""
    base, low, high = (rate // SECONDS_PER_YEAR for rate in (curve.base, curve.slope_low, curve.slope_high))
    below = mul_div_floor(low, min(utilization, curve.kink), WAD)
    return base + below + mul_div_floor(high, max(0, utilization - curve.kink), WAD)


def present_value(principal: int, index: int) -> int:
    """Supplied or borrowed principal with interest, rounded down; not negative."""
    return mul_div_floor(principal, index, INDEX_SCALE)


def reserves(balance: int, supplied: int, supply_index: int, borrowed: int, borrow_index: int) -> int:
    """What the protocol itself owns, base units; negative when lenders could not all be paid."""
    return balance - present_value(supplied, supply_index) + present_value(borrowed, borrow_index)


RULEBOOK = RulebookDescription(
    name="compound-iii",
    venue="Compound III (Comet)",
    scope="lending",
    rules={
        "requirement": "sum of value x borrow factor not below the debt's value",
        "trigger": "sum of value x liquidation factor below the debt's value",
        "sizing": "the whole account",
        "price policy": "storefront price = price x (1 - storefront factor x (1 - liquidation penalty factor)), open "
                        "while reserves are below their target",
        "waterfall": "the protocol's reserves take what the collateral does not cover",
        "rates": "base + low slope x utilisation up to the kink, high slope above; own curve for each side",
    },
    rounding="values truncate toward zero, rates down per second",
    sources=(Source("compound-finance/comet contracts/Comet.sol", "2026-11"),),
    families=("comet-quote", "comet-buy", "comet-is-liquidatable", "comet-is-borrow-collateralized", "comet-rate",
              "comet-reserves"),
    presets=(
        Preset("constants", {"index_scale": INDEX_SCALE, "seconds_per_year": SECONDS_PER_YEAR}, "2026-11",
               Source("compound-finance/comet contracts/CometCore.sol", "2026-11")),
        Preset("mainnet-usdc", {
            "base": "USDC", "collateral": ["COMP", "WBTC", "WETH", "UNI", "LINK"],
            "borrow_factor": [0.65, 0.7, 0.82, 0.75, 0.79], "liquidation_factor": [0.73, 0.78, 0.9, 0.83, 0.87],
            "liquidation_penalty_factor": [0.93, 0.95, 0.95, 0.93, 0.93], "storefront_factor": 0.5,
        }, "2026-11", Source("compound-finance/comet 3daf2050, deployments/mainnet/usdc/configuration.json (the "
                             "commit's date was not stored; its supply caps are 0)", "2026-11")),
    ),
    cautions=("An account a cent short loses the penalty on all of its collateral.",
              "The balance after absorption stands without a figure of the venue's to check it."),
)
