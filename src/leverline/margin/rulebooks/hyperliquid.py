"""Hyperliquid perpetuals: tiers with a continuous deduction, liquidation prices, portfolio borrowing; USDC, rationals.

Source: Hyperliquid documentation (gitbook, read 2026), trading/margin-tiers, margining, liquidations, portfolio-margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from leverline.margin.brackets import Bracket, Brackets, margin_price
from leverline.margin.brackets import liquidation_price as price_in_brackets
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

_LARGE = 100_000  # USDC; a larger position is first cut by a fifth
_BACKSTOP = Fraction(2, 3)


@dataclass(frozen=True, slots=True)
class Tier:
    """Above ``floor`` (USDC notional) leverage is at most ``max_leverage``."""

    floor: Fraction
    max_leverage: Fraction


def maintenance_rate(max_leverage: Fraction) -> Fraction:
    """Half the initial rate at the highest leverage, whatever leverage the account chose."""
    return 1 / (2 * max_leverage)


def initial_margin(notional: Fraction, leverage: Fraction) -> Fraction:
    """Margin in USDC to open at the account's ``leverage``."""
    return notional / leverage


def brackets_of(tiers: Sequence[Tier]) -> Brackets:
    """The maintenance brackets of the venue's tiers, floors ascending from notional 0."""
    return Brackets.from_rates([tier.floor for tier in tiers], [maintenance_rate(tier.max_leverage) for tier in tiers])


def maintenance_margin(notional: Fraction, tiers: Sequence[Tier]) -> Fraction:
    """Margin in USDC to stay open: each part of the notional at its own tier's rate, so it is continuous."""
    return brackets_of(tiers).requirement(notional)


def isolated_liquidation_price(entry: Fraction, side: int, size: Fraction, margin: Fraction, max_leverage: Fraction,
                               ) -> Fraction | None:
    """Price at which an isolated position holds exactly its maintenance margin; None if no price above 0 does.

    ``side`` is 1 for a long and -1 for a short, ``size`` unsigned in coins, ``margin`` in USDC. For a position in the
    first tier; a larger one has a deduction, see :func:`liquidation_price_in_tiers`.
    """
    first_tier = Bracket(Fraction(0), maintenance_rate(max_leverage), Fraction(0))
    return margin_price(margin, side * size, entry, first_tier)


def liquidation_price_in_tiers(entry: Fraction, side: int, size: Fraction, margin: Fraction, tiers: Sequence[Tier],
                               ) -> Fraction | None:
    """The same with the tier that holds the position at that very price, not at entry."""
    return price_in_brackets(margin, side * size, entry, brackets_of(tiers))


def first_liquidation_size(size: Fraction, notional: Fraction) -> Fraction:
    """Coins of the first market order: all, or a fifth of a position above 100,000 USDC (the rest 30 s later)."""
    return size / 5 if notional > _LARGE else size


def backstopped(equity: Fraction, maintenance: Fraction) -> bool:
    """Below two thirds of maintenance the liquidator vault takes the position with its margin; nothing comes back."""
    return equity < maintenance * _BACKSTOP


def deleveraging_index(mark_value: Fraction, entry_value: Fraction, account_value: Fraction, *, is_long: bool,
                       ) -> Fraction:
    """Who is deleveraged first: mark over entry times notional over account value, highest first.

    Values are in USDC, all above 0. The page does not say how a short inverts the ratio; here entry
    over mark, so that winners come first on both sides.
    """
    ratio = mark_value / entry_value if is_long else entry_value / mark_value
    return ratio * mark_value / account_value


def borrowable(balance: Fraction, price: Fraction, ltv: Fraction) -> Fraction:
    """USDC that a token balance lets an account in portfolio margin borrow."""
    return balance * price * ltv


def portfolio_threshold(ltv: Fraction) -> Fraction:
    """Share of a borrowed-against balance that counts when it is checked for liquidation."""
    return (1 + ltv) / 2


_TIERS_READ = Source("hyperliquid.gitbook.io, trading/margin-tiers", "2026")

RULEBOOK = RulebookDescription(
    name="hyperliquid",
    venue="Hyperliquid",
    scope="perpetuals",
    rules={
        "requirement": "initial = notional / leverage; maintenance = notional * rate - deduction, rate = 1 / (2 * the"
                       " tier's highest leverage), continuous across tiers",
        "trigger": "equity (cross) or margin plus pnl (isolated) below maintenance",
        "liquidation price": "(entry - side * margin / size) / (1 - side * rate)",
        "sizing": "a market order for all; above 100,000 USDC a fifth first, the rest after 30 s",
        "backstop": "below 2/3 of maintenance the liquidator vault takes position and margin",
        "deleveraging": "mark / entry x notional / account value, highest first, at the previous mark",
        "portfolio margin": "borrowable = balance * price * LTV; threshold (1 + LTV) / 2",
    },
    rounding="exact rationals: the venue's own rounding is not published",
    sources=(_TIERS_READ, Source("hyperliquid.gitbook.io, trading/liquidations", "2026")),
    families=("hyperliquid-isoliq", "hyperliquid-margin", "hyperliquid-pm"),
    presets=(
        Preset("BTC", {"tier_floors_usdc": [0, 150_000_000], "max_leverage": [40, 20]}, "2026", _TIERS_READ),
        Preset("ETH", {"tier_floors_usdc": [0, 100_000_000], "max_leverage": [25, 15]}, "2026", _TIERS_READ),
        Preset("SOL", {"tier_floors_usdc": [0, 70_000_000], "max_leverage": [20, 10]}, "2026", _TIERS_READ),
    ),
    cautions=("A backstopped account loses the maintenance margin it still had.",
              "The published deleveraging score does not explain the queue observed on 2025-10-10."),
)
