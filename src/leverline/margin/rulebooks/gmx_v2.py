"""GMX v2: isolated positions against a pool; amounts in USD and tokens as exact rationals.

Source: gmx-io/gmx-synthetics (2026-03), contracts/position/PositionUtils.sol, market/MarketUtils.sol,
pricing/PricingUtils.sol, adl/AdlUtils.sol. The chain counts in 1e-30 USD and its power function is noisy by about
1e-16; the rule here is the one it approximates.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

_DIGITS = 50


@dataclass(frozen=True, slots=True)
class Position:
    """An open position: size in USD at entry, prices in USD a token, collateral in tokens."""

    size_usd: Fraction
    entry_price: Fraction
    collateral_tokens: Fraction
    is_long: bool


def power(value: Fraction, exponent: Fraction) -> Fraction:
    """``value ** exponent`` as the chain takes it: below 1 it is 0."""
    if value < 1:
        return Fraction(0)
    if exponent.denominator == 1:
        return value**exponent.numerator
    with localcontext(prec=_DIGITS):
        base = Decimal(value.numerator) / Decimal(value.denominator)
        return Fraction(base ** (Decimal(exponent.numerator) / Decimal(exponent.denominator)))


def impact(imbalance_usd: Fraction, exponent: Fraction, factor: Fraction) -> Fraction:
    """Price impact (USD) that an open-interest imbalance stands for."""
    return power(imbalance_usd, exponent) * factor


def price_impact(before_usd: Fraction, after_usd: Fraction, exponent: Fraction, positive_factor: Fraction,
                 negative_factor: Fraction) -> Fraction:
    """Impact (USD) of moving the signed imbalance: paid for widening it, received for narrowing it.

    A trade that crosses the balance is paid up to it and charged beyond it; a positive factor never exceeds the
    negative one.
    """
    positive_factor = min(positive_factor, negative_factor)
    if before_usd * after_usd < 0:
        return impact(abs(before_usd), exponent, positive_factor) - impact(abs(after_usd), exponent, negative_factor)
    factor = positive_factor if abs(after_usd) < abs(before_usd) else negative_factor
    return impact(abs(before_usd), exponent, factor) - impact(abs(after_usd), exponent, factor)


def opening_price(size_usd: Fraction, price: Fraction, impact_usd: Fraction, *, is_long: bool) -> Fraction:
    """Execution price of an increase: impact in tokens is added to a long, cut from a short."""
    tokens = size_usd / price + (impact_usd if is_long else -impact_usd) / price
    return size_usd / tokens


def closing_price(size_usd: Fraction, price: Fraction, impact_usd: Fraction, *, is_long: bool) -> Fraction:
    """Execution price of a decrease: impact moves the price in proportion to the size closed."""
    return price * (1 + (impact_usd if is_long else -impact_usd) / size_usd)


def pnl(position: Position, index_price: Fraction) -> Fraction:
    """Profit in USD at ``index_price``, before any cap by the pool."""
    change = position.size_usd / position.entry_price * index_price - position.size_usd
    return change if position.is_long else -change


def remaining_collateral(position: Position, collateral_price: Fraction, index_price: Fraction,
                         closing_impact_usd: Fraction, fees_usd: Fraction) -> Fraction:
    """USD left if the position closed now: a gain from impact is not counted, the liquidation fee neither."""
    loss_to_impact = min(closing_impact_usd, Fraction(0))
    return position.collateral_tokens * collateral_price + pnl(position, index_price) + loss_to_impact - fees_usd


def liquidatable(position: Position, remaining_usd: Fraction, min_collateral_factor: Fraction,
                 min_collateral_usd: Fraction) -> bool:
    """Whether too little remains: below the smallest collateral, nothing, or below a share of the size."""
    return (remaining_usd < min_collateral_usd or remaining_usd <= 0
            or remaining_usd < position.size_usd * min_collateral_factor)


def returned_tokens(position: Position, collateral_price: Fraction, index_price: Fraction, impact_usd: Fraction,
                    fees_usd: Fraction) -> Fraction:
    """Collateral tokens that come back from a full liquidation: losses and fees are taken from them first."""
    _, cost = _gain_and_cost(position, index_price, impact_usd, fees_usd)
    return max(position.collateral_tokens - cost / collateral_price, Fraction(0))


def profit_paid(position: Position, collateral_price: Fraction, index_price: Fraction, impact_usd: Fraction,
                fees_usd: Fraction) -> Fraction:
    """Profit (USD) that a full liquidation pays on top: a position can be liquidated because its collateral fell.

    Paid in the pool's token of the position's side, which may be the collateral's own. Costs that the collateral does
    not cover are taken from it.
    """
    gain, cost = _gain_and_cost(position, index_price, impact_usd, fees_usd)
    uncovered = max(cost - position.collateral_tokens * collateral_price, Fraction(0))
    return max(gain - uncovered, Fraction(0))


def _gain_and_cost(position: Position, index_price: Fraction, impact_usd: Fraction, fees_usd: Fraction,
                   ) -> tuple[Fraction, Fraction]:
    """What closing brings and what it takes, USD, each from pnl and impact."""
    changes = pnl(position, index_price), impact_usd
    return (sum((max(change, Fraction(0)) for change in changes), Fraction(0)),
            fees_usd - sum((min(change, Fraction(0)) for change in changes), Fraction(0)))


def order_collateral_factor(market_factor: Fraction, open_interest_usd: Fraction, multiplier: Fraction) -> Fraction:
    """Collateral factor asked of an order: rises with open interest after it; open positions are spared."""
    return max(market_factor, open_interest_usd * multiplier)


def reserve_error(reserved_usd: Fraction, pool_usd: Fraction, reserve_factor: Fraction,
                  open_interest_reserve_factor: Fraction) -> str | None:
    """Why the pool cannot stand behind ``reserved_usd``, None if it can."""
    if reserved_usd > pool_usd * reserve_factor:
        return "InsufficientReserve"
    if reserved_usd > pool_usd * open_interest_reserve_factor:
        return "InsufficientReserveForOpenInterest"
    return None


def usage(reserved_usd: Fraction, pool_usd: Fraction, reserve_factor: Fraction) -> Fraction:
    """Share of the pool's reservable value that is reserved."""
    return reserved_usd / (pool_usd * reserve_factor)


def borrowing_fee(size_usd: Fraction, reserved_usd: Fraction, pool_usd: Fraction, factor: Fraction,
                  exponent: Fraction, seconds: Fraction) -> Fraction:
    """Fee in USD for ``seconds``: factor * reserved ** exponent / pool a second, of the size."""
    return size_usd * factor * power(reserved_usd, exponent) / pool_usd * seconds


def deleveraging_enabled(profit_usd: Fraction, pool_usd: Fraction, max_pnl_factor: Fraction) -> bool:
    """Whether traders' profit has outgrown its share of the pool; a keeper then picks whom to close."""
    return profit_usd > pool_usd * max_pnl_factor


_MARKETS = Source("gmx-io/gmx-synthetics, config/markets.ts, Arbitrum, a stored version that has liquidation factors "
                  "of its own (its commit is not named)", "2026-11")
_FIGURES = (
    "min_collateral_factor", "min_collateral_factor_for_liquidation", "open_interest_multiplier_per_usd",
    "max_open_interest_usd", "reserve_factor", "open_interest_reserve_factor", "positive_impact_factor",
    "negative_impact_factor", "impact_exponent", "max_pnl_factor_for_adl", "min_pnl_factor_after_adl",
    "liquidation_fee_factor",
)
_EVERYWHERE = {"min_collateral_usd": 1, "position_fee_factor_positive_impact": 0.0004,
               "position_fee_factor_negative_impact": 0.0006, "max_impact_factor_for_liquidations": 0.0}


def _market(name: str, *figures: float) -> Preset:
    """Figures of one market; factors are fractions, an impact factor is per USD to the exponent."""
    return Preset(name, dict(zip(_FIGURES, figures, strict=True)) | _EVERYWHERE, "2026-11", _MARKETS)


RULEBOOK = RulebookDescription(
    name="gmx-v2",
    venue="GMX v2",
    scope="perpetuals",
    rules={
        "requirement": "a share of the size, 1 USD at least; orders also face a factor that rises with open interest",
        "trigger": "collateral + pnl + min(0, closing impact) - fees below the requirement",
        "sizing": "always the whole position",
        "price impact": "|imbalance| ** exponent * factor, before minus after",
        "reserve": "what traders can win is reserved: at most a factor of the pool",
        "borrowing": "size * factor * reserved ** exponent / pool, by the second",
        "deleveraging": "enabled when profit / pool passes a factor; a keeper chooses the position",
    },
    rounding="exact rationals; fractional powers to 50 digits where the chain is noisy by 1e-16 relative",
    sources=(Source("gmx-io/gmx-synthetics, contracts/position/PositionUtils.sol", "2026-03-13"),
             Source("gmx-io/gmx-synthetics, contracts/pricing/PricingUtils.sol", "2026-03-13"),
             Source("gmx-io/gmx-synthetics, contracts/market/MarketUtils.sol", "2026-03-13")),
    families=("gmx-impact", "gmx-liquidation", "gmx-reserve", "gmx-adl", "gmx-usage", "gmx-borrowing",
              "gmx-priceimpact"),
    presets=(
        _market("BTC/USD:USD", 0.005, 0.005, 6e-11, 60_000_000, 3.5, 3.45, 3e-11, 9e-11, 2, 0.85, 0.77, 0.002),
        _market("ETH/USD:USD", 0.005, 0.005, 6e-11, 80_000_000, 2.75, 2.7, 3e-11, 9e-11, 2, 0.85, 0.77, 0.002),
        _market("XRP/USD:USD", 0.005, 0.005, 2.5e-9, 2_000_000, 1.85, 1.8, 7e-9, 21e-9, 2, 0.65, 0.6, 0.003),
    ),
    cautions=("The presets are the pools of an index token with USDC; a risk oracle may have moved them since.",
              "Deleveraging has no slippage limit and no ranking: the keeper decides who is closed.",
              "Virtual inventories, funding and the kinked borrowing curve are left out."),
)
