"""OKX swaps: equity against maintenance margin and liquidation fee; large positions are cut down by tiers first.

Sources: OKX help, "Forced partial or full liquidation" (page of about 2020, stored copy) and later copies of it by
third parties; OKX help, "Automatic-deleveraging" (2025-10-28, stored copy);
freqtrade/freqtrade, tests/exchange/test_exchange.py (2024-10-24). Tiers are counted in contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from leverline.ground.errors import require
from leverline.margin.brackets import Bracket, margin_price
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

PARTIAL_FROM_TIER = 3
"""Lowest tier, counted from 1, whose positions are cut rather than closed."""
TIERS_CUT = 2


@dataclass(frozen=True, slots=True)
class PositionTiers:
    """A table as the venue announces it: some tiers in full, then equal steps without an end.

    Tier ``n`` (from 1) holds up to ``caps[n - 1]`` contracts at ``rates[n - 1]`` = (initial, maintenance). Each tier
    beyond adds ``further_contracts`` to the cap and ``further_rate`` to both rates.
    """

    caps: tuple[int, ...]
    rates: tuple[tuple[Fraction, Fraction], ...]
    further_contracts: int
    further_rate: Fraction

    def __post_init__(self) -> None:
        require(len(self.caps) == len(self.rates) > 0, "every tier has a cap and two rates", got=len(self.rates))
        require(self.further_contracts > 0, "a further tier holds more contracts", got=self.further_contracts)

    def tier(self, contracts: int) -> int:
        """Number of the tier that holds a position; its size in contracts decides, never its price."""
        require(contracts > 0, "a position has contracts", got=contracts)
        for number, cap in enumerate(self.caps, start=1):
            if contracts <= cap:
                return number
        return len(self.caps) + ceil_div(contracts - self.caps[-1], self.further_contracts)

    def cap(self, tier: int) -> int:
        """Most contracts in ``tier``."""
        beyond = max(0, tier - len(self.caps))
        return self.caps[min(tier, len(self.caps)) - 1] + beyond * self.further_contracts

    def margin_rates(self, contracts: int) -> tuple[Fraction, Fraction]:
        """Initial and maintenance rate on the whole notional of a position; both jump where a tier begins."""
        tier = self.tier(contracts)
        initial, maintenance = self.rates[min(tier, len(self.rates)) - 1]
        extra = max(0, tier - len(self.rates)) * self.further_rate
        return initial + extra, maintenance + extra


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


def deleveraging_score(profit_rate: Fraction, effective_leverage: Fraction) -> Fraction:
    """The venue's leveraged profit rate, highest first: the position's profit rate times its effective leverage.

    What the two are measured on the page does not say; the profit rate shown to traders is that on initial margin.
    """
    return profit_rate * effective_leverage


def _table(contract_size: float, further_contracts: int, *rows: tuple[int, float, float, float]) -> dict[str, object]:
    """A preset's figures out of (cap in contracts, maintenance rate, initial rate, highest leverage) a tier.

    ``contract_size`` in coins; every further tier adds ``further_contracts`` and half a percent to both rates.
    """
    return {
        "contract_size": contract_size,
        "tier_cap_contracts": [cap for cap, _, _, _ in rows],
        "maintenance_margin_rate": [rate for _, rate, _, _ in rows],
        "initial_margin_rate": [rate for _, _, rate, _ in rows],
        "max_leverage": [leverage for _, _, _, leverage in rows],
        "further_tier_contracts": further_contracts,
        "further_tier_rate": 0.005,
    }


_SIZES = "contract sizes: web-dark707/yellow-web, src/config/options.ts"
_IN_2023 = Source(f"okx.com/help: OKX to adjust position tiers of perpetual swaps, 2023-05-15; {_SIZES}", "2026-11")
_IN_2021 = Source("okex.com/support, article 4402607424781: OKEx position tiers to be adjusted on June 11 (2021 by "
                  f"the article's number); {_SIZES}", "2026-11")

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
        "deleveraging": "where the fund is short or has fallen by 30 % within 8 hours; highest profit rate x effective "
                        "leverage first; at the mark, or at the bankruptcy price where the fund is nearly used up",
    },
    rounding="prices exact, contracts whole",
    sources=(Source("okx.com/help: V. Forced partial or full liquidation (page of about 2020)", "2026-11"),
             Source("okx.com/help: Automatic-deleveraging (page updated 2025-10-28)", "2026-11"),
             Source("freqtrade/freqtrade, tests/exchange/test_exchange.py", "2024-10-24")),
    families=("bybit-okx-gate-okx", "okx-partial"),
    presets=(
        Preset("AAVE/USDT:USDT", _table(
            0.1, 8_000, (1_000, 0.0065, 0.02, 50), (3_000, 0.01, 0.025, 40), (8_000, 0.015, 0.05, 20),
        ), "2023-05-19", _IN_2023),
        Preset("ETH/USDT:USDT", _table(
            0.1, 12_000, (3_000, 0.004, 0.008, 125), (6_000, 0.005, 0.01, 100), (12_000, 0.01, 0.015, 66.66),
        ), "2021-06-11", _IN_2021),
    ),
    cautions=("The deleveraging trigger rests on third parties' copies of the venue's page.",
              "Both presets are old; where the venue's equal steps end was not announced with them.",
              "No copy of the tiers of BTCUSDT was read."),
)
