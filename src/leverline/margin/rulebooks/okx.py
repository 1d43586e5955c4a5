"""OKX swaps: equity against maintenance margin and liquidation fee; large positions are cut down by tiers first.

Sources: OKX help, "Forced partial or full liquidation" (page of about 2020, stored copy) and later copies of it by
third parties; freqtrade/freqtrade, tests/exchange/test_exchange.py (2024-10-24). Tiers are counted in contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from leverline.ground.errors import require
from leverline.margin.brackets import Bracket, margin_price
from leverline.margin.rulebooks.description import RulebookDescription, Source

PARTIAL_FROM_TIER = 3
"""Lowest tier, counted from 1, whose positions are cut rather than closed."""
TIERS_CUT = 2


def liquidation_price(
    margin: Fraction, quantity: Fraction, entry: Fraction, maintenance_rate: Fraction, taker_fee_rate: Fraction
) -> Fraction | None:
    """Price at which equity covers just the maintenance margin and the fee of closing, both at that price.

    (entry -+ margin / size) / (1 -+ (maintenance rate + fee rate)); ``margin`` in settlement currency, ``quantity``
    signed in base units. None for a long that is covered at any price.
    """
    at_stake = Bracket(Fraction(0), maintenance_rate + taker_fee_rate, Fraction(0))
    return margin_price(margin, quantity, entry, at_stake)


def margin_ratio(equity: Fraction, maintenance: Fraction, liquidation_fee: Fraction) -> Fraction:
    """Equity over what it has to cover; the account is liquidated at 1 and below."""
    required = maintenance + liquidation_fee
    require(required > 0, "an account with a position has a requirement", got=required)
    return equity / required


def is_liquidatable(equity: Fraction, maintenance: Fraction, liquidation_fee: Fraction) -> bool:
    """Equality liquidates."""
    return margin_ratio(equity, maintenance, liquidation_fee) <= 1


def contracts_above_first_tier(contracts: int, first_tier_cap: int) -> int:
    """Contracts closed of a position in tier 3 or above under the rule of about 2020: down to the first tier's cap."""
    require(first_tier_cap > 0, "a tier's cap is positive", got=first_tier_cap)
    return max(0, contracts - first_tier_cap)


def contracts_of_one_cut(contracts: int, tier_caps: Sequence[int]) -> int:
    """Contracts closed at once under the present rule: down two tiers from tier 3 on, else all.

    ``tier_caps`` ascends; repeated about every minute until the account is safe or the position is in tier 1 or 2.
    """
    require(contracts > 0, "a position has contracts", got=contracts)
    require(0 < contracts <= tier_caps[-1], "the position lies within the venue's tiers", got=contracts)
    tier = next(n for n, cap in enumerate(tier_caps, start=1) if contracts <= cap)
    return contracts if tier < PARTIAL_FROM_TIER else contracts - tier_caps[tier - 1 - TIERS_CUT]


RULEBOOK = RulebookDescription(
    name="okx",
    venue="OKX",
    scope="perpetuals",
    rules={
        "requirement": "maintenance margin = notional x rate of the position tier; tiers are counted in contracts",
        "trigger": "equity / (maintenance margin + liquidation fee) at or below 100 %",
        "liquidation price": "isolated: (entry -+ margin / size) / (1 -+ (maintenance rate + taker fee rate))",
        "liquidation": "a position in tier 3 or above is cut by two tiers, again about every minute (about 2020: at "
                       "once to the first tier); one in tier 1 or 2 is closed whole",
        "bankruptcy": "positions in tier 1 and 2 are taken over at the bankruptcy price",
        "deleveraging": "where the fund is short or has fallen by 30 % within 8 hours; highest leveraged return first",
    },
    rounding="prices exact, contracts whole",
    sources=(Source("okx.com/help: V. Forced partial or full liquidation (page of about 2020)", "2026-11"),
             Source("freqtrade/freqtrade, tests/exchange/test_exchange.py", "2024-10-24")),
    families=("bybit-okx-gate-okx", "okx-partial"),
    cautions=("The deleveraging trigger rests on third parties' copies of the venue's page.",
              "The venue's tier tables are not part of this rulebook: no dated copy of them was read."),
)
