"""BitMEX: risk limits in steps, liquidation down the steps, deleveraging by a queue.

Source: BitMEX documentation, risk limits, liquidation, app/autoDeleveragingExamples (stored copies). Contracts are
whole; every fill of a deleveraging is at the bankruptcy price of the liquidated order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from leverline.ground.errors import require
from leverline.margin.rounding import ceil_div
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source


@dataclass(frozen=True, slots=True)
class RiskLimit:
    """A contract's table: one rate for both margins rises by the same step with every step of size."""

    base: int  # settlement units of position value covered by the base rates
    step: int  # settlement units a further step covers
    initial_rate: Fraction
    maintenance_rate: Fraction
    rate_step: Fraction  # added to both rates with every step


@dataclass(frozen=True, slots=True)
class Holder:
    """A position on the winning side, with its place in the queue."""

    account: object
    contracts: int
    score: Fraction


def steps_taken(value: int, limit: RiskLimit) -> int:
    """Steps above the base that a position with its orders needs; part of a step counts as a whole one."""
    require(limit.step > 0, "a risk step is positive", got=limit.step)
    return max(0, ceil_div(value - limit.base, limit.step))


def margin_rates(value: int, limit: RiskLimit) -> tuple[Fraction, Fraction]:
    """Initial and maintenance rate on the *whole* value: unlike brackets, both jump at every step."""
    extra = steps_taken(value, limit) * limit.rate_step
    return limit.initial_rate + extra, limit.maintenance_rate + extra


def deleveraging_score(mark_value: Fraction, entry_value: Fraction, bankrupt_value: Fraction) -> Fraction:
    """Profit times leverage for a winner, profit over leverage for a loser: highest first.

    Values are signed in settlement currency, positive for what is owned. Leverage = |mark| / (mark - bankrupt),
    profit = (mark - entry) / |entry|. A position worth no more than its bankrupt value has no place in the queue.
    """
    require(entry_value != 0, "a position has an entry value", got=entry_value)
    require(mark_value > bankrupt_value, "a position in the queue is worth more than when bankrupt", got=mark_value)
    leverage = abs(mark_value) / (mark_value - bankrupt_value)
    profit = (mark_value - entry_value) / abs(entry_value)
    return profit * leverage if profit > 0 else profit / leverage


def deleverage(contracts: int, queue: Sequence[Holder]) -> list[tuple[object, int]]:
    """Fills of ``contracts`` against the other side, highest score first, each as far as its position goes.

    Holders of one score stand in the order given. What the queue cannot take stays unfilled.
    """
    require(contracts >= 0, "contracts to close are not negative", got=contracts)
    fills: list[tuple[object, int]] = []
    for holder in sorted(queue, key=lambda h: -h.score):
        taken = min(contracts, holder.contracts)
        if taken > 0:
            fills.append((holder.account, taken))
            contracts -= taken
    return fills


def _steps(base: int, step: int, currency: str, initial_rate: float, maintenance_rate: float) -> dict[str, object]:
    """A preset's figures; base and step in whole ``currency``. Every step adds the base maintenance rate to both."""
    return {
        f"base_risk_limit_{currency}": base,
        f"risk_step_{currency}": step,
        "initial_margin_rate": initial_rate,
        "maintenance_margin_rate": maintenance_rate,
        "rate_step": maintenance_rate,
    }


_LOWERED = Source("blog.bitmex.com: changes to base initial margin, maintenance margin, risk limits and risk steps, "
                  "2025-06-12 (a third party's copy)", "2026-11")

RULEBOOK = RulebookDescription(
    name="bitmex",
    venue="BitMEX",
    scope="perpetuals",
    rules={
        "requirement": "initial and maintenance rate on the whole value rise by one step with every risk step",
        "liquidation": "the risk limit is lowered to position and orders, orders are cancelled, a fill-or-kill order "
                       "steps down a tier, then everything is taken over",
        "bankruptcy": "the takeover is at the bankruptcy price; what the closing brings above it goes to the fund",
        "deleveraging": "score = profit x leverage where there is profit, profit / leverage where there is none; "
                        "highest first, each filled whole before the next, at the bankruptcy price",
    },
    rounding="contracts whole, scores exact",
    sources=(Source("bitmex.com/app/autoDeleveragingExamples", "2026-11"),
             Source("bitmex.com/app/riskLimits", "2026-11")),
    families=("bitmex-adl",),
    cautions=("Both rates jump at a risk step, so a position can become liquidatable by growing past one.",
              "Which contracts trade with which steps now is not stated: the presets are those of their dates."),
    presets=(
        Preset("BTC/USD:BTC", _steps(200, 150, "xbt", 0.01, 0.005) | {"contract_size_usd": 1}, "2021-08-31",
               Source("bitmex.com/app/riskLimitsExamples, XBTUSD; in force since 2021-08-31 by the venue's blog; "
                      "contract: bitmex.com/app/inversePerpetualsGuide", "2026-11")),
        Preset("HYPE/USDT:USDT", _steps(40_000, 40_000, "usdt", 0.02, 0.01), "2025-06-12", _LOWERED),
        Preset("INJ/USDT:USDT", _steps(100_000, 100_000, "usdt", 0.02, 0.01), "2025-06-12", _LOWERED),
    ),
)
