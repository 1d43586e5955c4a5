"""dYdX v4 liquidation: bankruptcy and fillable price, insurance fund, size limits, deleveraging.

Source: dydxprotocol/v4-chain (2026-03), x/clob/keeper/liquidations.go and deleveraging.go. Amounts are quote quantums
(1e-6 USDC), sizes base quantums, rates ppm. The bankruptcy price rounds up, in favour of the insurance fund.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor, trunc

from leverline.ground.errors import UsageError, require
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source
from leverline.margin.rulebooks.dydx_v4 import (
    PPM,
    Position,
    Risk,
    Transition,
    account_risk,
    judge_undercollateralized,
    position_risk,
)

MAX_UINT64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Account:
    """A subaccount: ``usdc`` in quote quantums, at most one position a market."""

    usdc: int
    positions: tuple[Position, ...]

    def position(self, market: str) -> Position | None:
        """The open position in ``market``, None without one."""
        return next((p for p in self.positions if p.market == market and p.base_quantums != 0), None)

    def risk(self) -> Risk:
        """Net collateral and requirements."""
        return account_risk(self.usdc, self.positions)

    def after_trade(self, market: str, base_delta: int, quote_delta: int) -> Account:
        """The account after a fill that moves its position by ``base_delta`` and its USDC by ``quote_delta``."""
        moved = tuple(replace(p, base_quantums=p.base_quantums + base_delta) if p.market == market else p
                      for p in self.positions)
        return Account(self.usdc + quote_delta, tuple(p for p in moved if p.base_quantums != 0))


def bankruptcy_quote(account: Account, market: str, base_delta: int) -> int:
    """Quote quantums the account receives for ``base_delta`` (negative: pays) at its bankruptcy price, up.

    -dNotional - floor(collateral * |dMaintenance| / maintenance): every part of the account carries its share of the
    collateral, so closing one position leaves the others exactly as close to bankruptcy.
    """
    position = _closing(account, market, base_delta)
    before, total = position_risk(position), account.risk()
    after = position_risk(replace(position, base_quantums=position.base_quantums + base_delta))
    require(total.maintenance > 0, "a bankruptcy price needs a maintenance requirement above 0")
    share = total.net_collateral * (before.maintenance - after.maintenance) // total.maintenance
    return before.net_collateral - after.net_collateral - share


def fillable_price(account: Account, market: str, bankruptcy_adjustment_ppm: int, spread_to_maintenance_ppm: int,
                   ) -> Fraction:
    """Worst price of the liquidation order, quote quantums a base quantum, unrounded.

    (notional - rating * spread * maintenance of the position) / size, the rating running from 0 (just liquidatable) to
    1 (no collateral). With a spread above 1 the price can lie beyond bankruptcy: the fund pays the difference.
    """
    held = _open_position(account, market)
    own, total = position_risk(held), account.risk()
    return fillable_from(own.net_collateral, held.base_quantums, own.maintenance, total.net_collateral,
                         total.maintenance, bankruptcy_adjustment_ppm, spread_to_maintenance_ppm)


def fillable_from(notional: int, size: int, own_maintenance: int, net_collateral: int, maintenance: int,
                  bankruptcy_adjustment_ppm: int, spread_to_maintenance_ppm: int) -> Fraction:
    """The same from figures: signed ``notional`` and ``size`` of the position, the account's collateral and need."""
    require(maintenance > 0, "a fillable price needs a maintenance requirement above 0")
    rating = (1 - Fraction(net_collateral, maintenance)) * Fraction(bankruptcy_adjustment_ppm, PPM)
    spread = min(max(rating, Fraction(0)), Fraction(1)) * own_maintenance * Fraction(spread_to_maintenance_ppm, PPM)
    return (notional - spread) / size


def price_in_subticks(price: Fraction, *, liquidating_long: bool, subticks_per_tick: int,
                      quantum_conversion_exponent: int) -> int:
    """A fillable price as subticks of the order book, whole ticks: sells round up, buys down; at least one tick."""
    require(price >= 0, "a fillable price is not below 0", got=price)
    subticks = price / Fraction(10) ** quantum_conversion_exponent
    ticks = ceil(subticks / subticks_per_tick) if liquidating_long else floor(subticks / subticks_per_tick)
    return min(max(ticks, 1), MAX_UINT64 // subticks_per_tick) * subticks_per_tick


def insurance_fund_delta(account: Account, market: str, *, is_buy: bool, fill_base_quantums: int, subticks: int,
                         quantum_conversion_exponent: int, max_liquidation_fee_ppm: int) -> int:
    """What the fund receives (negative: pays) when ``fill_base_quantums`` fill at ``subticks``.

    All the fill leaves above bankruptcy goes to the fund, at most ``max_liquidation_fee_ppm`` of the fill.
    """
    require(fill_base_quantums > 0, "a fill is larger than 0", got=fill_base_quantums)
    size = trunc(fill_base_quantums * subticks * Fraction(10) ** quantum_conversion_exponent)
    direction = 1 if is_buy else -1
    surplus = -direction * size - bankruptcy_quote(account, market, direction * fill_base_quantums)
    return surplus if surplus <= 0 else min(size * max_liquidation_fee_ppm // PPM, surplus)


def fund_can_pay(fund_balance: int, delta: int) -> bool:
    """A delta that would overdraw the fund stops the liquidation and calls deleveraging."""
    return delta >= 0 or fund_balance + delta >= 0


def notional_limits(position_notional: int, min_notional: int, max_portion_ppm: int) -> tuple[int, int]:
    """Smallest and largest notional of one position that a block may liquidate."""
    least = min(min_notional, abs(position_notional))
    return least, max(least, abs(position_notional) * max_portion_ppm // PPM)


@dataclass(frozen=True, slots=True)
class Deleveraging:
    """Fills as (candidate's place, base quantums) in order, what remains unmatched, and all accounts afterwards."""

    fills: tuple[tuple[int, int], ...]
    remaining: int
    liquidated: Account
    candidates: tuple[Account, ...]


def deleverage(liquidated: Account, market: str, base_delta: int, candidates: Sequence[Account]) -> Deleveraging:
    """Offset ``base_delta`` of a bankrupt account against ``candidates`` in the order given, at its bankruptcy price.

    The chain ranks nobody: it starts at a pseudo-random account. Candidates without an opposite position are passed
    over, and so are those whom the price would put below what they may be in (bankruptcy prices do not overlap).
    """
    accounts, fills, remaining = list(candidates), [], base_delta
    for place, candidate in enumerate(accounts):
        held = candidate.position(market)
        if remaining == 0:
            break
        if held is None or held.base_quantums * remaining < 0:
            continue  # no position, or on the side that is being closed
        step = min(abs(remaining), abs(held.base_quantums)) * (1 if remaining > 0 else -1)
        quote = bankruptcy_quote(liquidated, market, step)
        offset, closed = candidate.after_trade(market, -step, -quote), liquidated.after_trade(market, step, quote)
        if not (_may_become(candidate, offset) and _may_become(liquidated, closed)):
            continue
        accounts[place], liquidated = offset, closed
        fills.append((place, abs(step)))
        remaining -= step
    return Deleveraging(tuple(fills), abs(remaining), liquidated, tuple(accounts))


def _may_become(before: Account, after: Account) -> bool:
    risk = after.risk()
    return (risk.initially_collateralized
            or judge_undercollateralized(before.risk(), risk) is Transition.SUCCESS)


def _closing(account: Account, market: str, base_delta: int) -> Position:
    held = _open_position(account, market)
    require(held.base_quantums * base_delta < 0 and abs(base_delta) <= abs(held.base_quantums),
            "a liquidation closes part or all of an open position", got=(market, base_delta))
    return held


def _open_position(account: Account, market: str) -> Position:
    held = account.position(market)
    if held is None:
        raise UsageError(f"the account has no open position in {market!r}")
    return held


_GENESIS = Source("dydxprotocol/v4-chain, protocol/testing/genesis.sh", "2026-03-04")
_TIERS = {  # initial ppm, maintenance fraction ppm, open-interest bounds in quote quantums
    "large-cap": (20_000, 600_000, 0, 0),
    "mid-cap": (50_000, 600_000, 40_000_000_000_000, 100_000_000_000_000),
    "small-cap": (100_000, 500_000, 20_000_000_000_000, 50_000_000_000_000),
    "long-tail": (200_000, 500_000, 5_000_000_000_000, 10_000_000_000_000),
    "isolated": (50_000, 600_000, 500_000_000_000, 1_000_000_000_000),
    "fx": (10_000, 500_000, 500_000_000_000, 1_000_000_000_000),
    "safety": (1_000_000, 200_000, 2_000_000_000_000, 5_000_000_000_000),
}
_MARKETS = {  # unified symbols by tier
    "large_cap": ["BTC/USDC:USDC", "ETH/USDC:USDC"],
    "small_cap": [f"{coin}/USDC:USDC" for coin in (
        "ADA", "ATOM", "AVAX", "BCH", "CRV", "DOGE", "DOT", "FIL", "LINK", "LTC", "NEAR", "POL", "SOL", "TRX", "UNI",
        "XLM")],
    "long_tail": ["MKR/USDC:USDC"],
}
_LISTING = Source("dydxprotocol/v4-chain, protocol/testing/genesis.sh, perpetuals 0 to 18 (a stored version with seven "
                  "tiers; its commit is not named)", "2026-11")
_FIGURES = ("initial_margin_ppm", "maintenance_fraction_ppm", "open_interest_lower_quote_quantums",
            "open_interest_upper_quote_quantums")

RULEBOOK = RulebookDescription(
    name="dydx-v4",
    venue="dYdX v4",
    scope="perpetuals",
    rules={
        "requirement": "initial = ceil(notional * rate), the rate rising linearly from the tier's base to 1 between two"
                       " bounds of open interest; maintenance = ceil(ceil(notional * base rate) * fraction),"
                       " whatever the open interest",
        "collateral": "USDC plus the signed notional of every position; no netting between markets",
        "trigger": "maintenance > 0 and maintenance > net collateral",
        "bankruptcy price": "-dNotional - floor(collateral * |dMaintenance| / maintenance)",
        "fillable price": "(notional - clamp(adjustment * (1 - collateral / maintenance), 0, 1) * spread * position"
                          " maintenance) / size; ticks up for sells, down for buys",
        "sizing": "a block takes at most a portion of a position, at least a minimum notional, one market an account",
        "insurance": "receives the surplus over bankruptcy up to a maximum fee of the fill; pays the shortfall",
        "deleveraging": "at the bankruptcy price, from a pseudo-random start, nobody is ranked; same side and invalid"
                        " transitions are passed over",
        "funding": "paid by a signed index; clamp = factor * (initial rate - maintenance rate)",
    },
    rounding="integer quote quantums (1e-6 USDC): notional towards zero, requirements and bankruptcy price up;"
             " for the venue",
    sources=(
        Source("dydxprotocol/v4-chain, protocol/x/perpetuals/types/liquidity_tier.go", "2026-03-04"),
        Source("dydxprotocol/v4-chain, protocol/lib/margin/risk.go", "2026-03-04"),
        Source("dydxprotocol/v4-chain, protocol/x/clob/keeper/liquidations.go", "2026-03-04"),
        Source("dydxprotocol/v4-chain, protocol/x/clob/keeper/deleveraging.go", "2026-03-04"),
    ),
    families=("dydx-mmppm", "dydx-fundclamp", "dydx-imr", "dydx-oimf", "dydx-marginreq", "dydx-marginreqb",
              "dydx-funding", "dydx-notional", "dydx-notionalb", "dydx-isliq", "dydx-initcoll", "dydx-maintcoll",
              "dydx-riskcmp", "dydx-transition", "dydx-acctliq", "dydx-acctrisk", "dydx-bankruptcy", "dydx-fillable",
              "dydx-insurance", "dydx-partial", "dydx-ifvalid", "dydx-adl", "dydx-fundtails", "dydx-subticks"),
    presets=(
        *(Preset(name, dict(zip(_FIGURES, figures, strict=True)), "2026-03-04", _GENESIS)
          for name, figures in _TIERS.items()),
        Preset("markets", _MARKETS, "2026-11", _LISTING),
        Preset("liquidations", {
            "max_liquidation_fee_ppm": 15_000, "min_position_notional_quote_quantums": 1_000_000_000,
            "max_position_portion_ppm": 100_000, "max_account_notional_quote_quantums": 100_000_000_000,
            "max_account_insurance_loss_quote_quantums": 1_000_000_000_000, "bankruptcy_adjustment_ppm": 1_000_000,
            "spread_to_maintenance_ppm": 1_500_000}, "2026-03-04", _GENESIS),
    ),
    cautions=("Which market has which tier is the genesis script's list; governance moves markets between tiers.",
              "With a spread above 1 the fillable price of an insolvent account lies beyond its bankruptcy price.",
              "Deleveraging at the oracle price in final settlement, and the withdrawal gates, are left out."),
)
