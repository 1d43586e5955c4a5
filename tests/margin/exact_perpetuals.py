"""What the perpetual venues' own rulebooks say of a pool, in fractions and integers: the exact twins of the presets.

A twin reads the rulebook's functions and figures and nothing of the engine. ``unit`` is what the venue's rounding may
add up to in the pool: floats are compared beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from leverline.margin.brackets import Brackets
from leverline.margin.rulebooks import (
    binance_usdm,
    bitmex,
    bybit,
    drift_v2,
    dydx_v4,
    gate,
    gmx_v2,
    hyperliquid,
    okx,
    synthetix_v3,
)

from .drawn_pools import DrawnPool, Position, Prices
from .test_presets import column, figures, number, okx_tiers


@dataclass(frozen=True, slots=True)
class Exact:
    """Amounts in settlement currency, before any rounding to floats."""

    equity: Fraction
    adjusted_equity_initial: Fraction
    adjusted_equity: Fraction
    initial_margin: Fraction
    maintenance_margin: Fraction
    is_liquidatable: bool
    unit: Fraction = Fraction(0)


def _fractions(venue: str, name: str, key: str) -> list[Fraction]:
    return [Fraction(str(x)) for x in column(figures(venue, name), key)]


def _notional(p: Position, prices: Prices, contract: Fraction = Fraction(1)) -> Fraction:
    return abs(Fraction(p.contracts)) * contract * Fraction(prices[p.symbol].mark)


def _pnl(p: Position, prices: Prices, contract: Fraction = Fraction(1)) -> Fraction:
    return Fraction(p.contracts) * contract * (Fraction(prices[p.symbol].mark) - Fraction(p.entry))


def _linear(pool: DrawnPool, prices: Prices, contract: Callable[[str], Fraction],
            margins: Callable[[Position, Fraction], tuple[Fraction, Fraction]],
            is_liquidatable: Callable[[Fraction, Fraction], bool]) -> Exact:
    """Cash and whole profits against the sum of the positions' margins."""
    equity = Fraction(sum(pool.holdings.values())) + sum(
        (_pnl(p, prices, contract(p.symbol)) for p in pool.positions), Fraction(0))
    both = [margins(p, _notional(p, prices, contract(p.symbol))) for p in pool.positions]
    initial, maintenance = sum((i for i, _ in both), Fraction(0)), sum((m for _, m in both), Fraction(0))
    return Exact(equity, equity, equity, initial, maintenance, is_liquidatable(equity, maintenance))


def _falls_below(equity: Fraction, maintenance: Fraction) -> bool:
    return equity < maintenance


def _one(_symbol: str) -> Fraction:
    return Fraction(1)


def _brackets(venue: str, symbol: str) -> tuple[list[Fraction], Brackets]:
    floors = _fractions(venue, symbol, "notional_floor_usdt")
    return floors, Brackets.from_rates(floors, _fractions(venue, symbol, "maintenance_margin_rate"))


def _holding(floors: list[Fraction], notional: Fraction) -> int:
    return max(k for k, floor in enumerate(floors) if floor <= notional)


def binance(pool: DrawnPool, prices: Prices) -> Exact:
    """USDT-M cross: margin balance against the brackets' maintenance margin."""
    def margins(p: Position, notional: Fraction) -> tuple[Fraction, Fraction]:
        floors, brackets = _brackets("binance-usdm", p.symbol)
        leverage = _fractions("binance-usdm", p.symbol, "max_leverage")[_holding(floors, notional)]
        return notional / leverage, binance_usdm.maintenance_margin(notional, brackets)
    return _linear(pool, prices, _one, margins, binance_usdm.is_liquidatable)


def bybit_linear(pool: DrawnPool, prices: Prices) -> Exact:
    """Cross: both margins at the mark."""
    def margins(p: Position, notional: Fraction) -> tuple[Fraction, Fraction]:
        floors, brackets = _brackets("bybit", p.symbol)
        leverage = _fractions("bybit", p.symbol, "max_leverage")[_holding(floors, notional)]
        return notional / leverage, bybit.maintenance_margin(notional, brackets)
    return _linear(pool, prices, _one, margins, _falls_below)


def _in_coin(pool: DrawnPool, prices: Prices,
             margins: Callable[[Fraction], tuple[Fraction, Fraction]]) -> Exact:
    """An inverse position: everything counted in the coin, as the venue does, and then priced at the mark."""
    (p,) = pool.positions
    price, contracts = Fraction(prices[p.symbol].mark), Fraction(p.contracts)
    coin_price = Fraction(prices["BTC/USD"].mark)
    deposit, pnl = Fraction(pool.holdings["BTC"]), contracts / Fraction(p.entry) - contracts / price
    initial, maintenance = margins(abs(contracts) / price)
    equity = deposit * coin_price + pnl * price
    return Exact(equity, equity, equity, initial * price, maintenance * price, deposit + pnl < maintenance)


def bybit_inverse(pool: DrawnPool, prices: Prices) -> Exact:
    """The first level of BTCUSD, counted in BTC."""
    def margins(value: Fraction) -> tuple[Fraction, Fraction]:
        (rate,) = _fractions("bybit", "BTC/USD:BTC", "maintenance_margin_rate")
        (leverage,) = _fractions("bybit", "BTC/USD:BTC", "max_leverage")
        return value / leverage, bybit.maintenance_margin(value, Brackets.from_rates([Fraction(0)], [rate]))
    return _in_coin(pool, prices, margins)


def bitmex_inverse(pool: DrawnPool, prices: Prices) -> Exact:
    """XBTUSD: the step of the position's value in satoshi."""
    of = figures("bitmex", "BTC/USD:BTC")
    limit = bitmex.RiskLimit(
        int(number(of, "base_risk_limit_xbt")) * 10**8, int(number(of, "risk_step_xbt")) * 10**8,
        number(of, "initial_margin_rate"), number(of, "maintenance_margin_rate"), number(of, "rate_step"))

    def margins(value: Fraction) -> tuple[Fraction, Fraction]:
        initial, maintenance = bitmex.margin_rates(int(value * 10**8), limit)
        return value * initial, value * maintenance
    return _in_coin(pool, prices, margins)


def okx_swaps(pool: DrawnPool, prices: Prices) -> Exact:
    """Tiers by contracts, without the fee of closing; equality liquidates there and is safe here, which is no width."""
    def margins(p: Position, notional: Fraction) -> tuple[Fraction, Fraction]:
        initial, maintenance = okx_tiers(p.symbol).margin_rates(abs(int(p.contracts)))
        return notional * initial, notional * maintenance
    return _linear(pool, prices, lambda symbol: number(figures("okx", symbol), "contract_size"), margins,
                   lambda equity, maintenance: okx.is_liquidatable(equity, maintenance, Fraction(0)))


def gate_futures(pool: DrawnPool, prices: Prices) -> Exact:
    """Brackets with the fee of closing in the requirement."""
    def margins(p: Position, notional: Fraction) -> tuple[Fraction, Fraction]:
        k = _holding(_fractions("gate", p.symbol, "notional_floor_usdt"), notional)
        rate, deduction = (_fractions("gate", p.symbol, key)[k]
                           for key in ("maintenance_margin_rate", "maintenance_deduction_usdt"))
        fee = number(figures("gate", p.symbol), "taker_fee_rate")
        return (notional * _fractions("gate", p.symbol, "initial_margin_rate")[k],
                gate.required_margin(notional, rate, fee) - deduction)
    return _linear(pool, prices, lambda symbol: number(figures("gate", symbol), "contract_size"), margins,
                   _falls_below)


def hyperliquid_cross(pool: DrawnPool, prices: Prices) -> Exact:
    """Tiers with a continuous deduction."""
    def margins(p: Position, notional: Fraction) -> tuple[Fraction, Fraction]:
        of = figures("hyperliquid", p.symbol.split("/")[0])
        tiers = [hyperliquid.Tier(Fraction(floor), Fraction(leverage)) for floor, leverage in
                 zip(column(of, "tier_floors_usdc"), column(of, "max_leverage"), strict=True)]
        highest = [tier for tier in tiers if tier.floor <= notional][-1].max_leverage
        return hyperliquid.initial_margin(notional, highest), hyperliquid.maintenance_margin(notional, tiers)
    return _linear(pool, prices, _one, margins, _falls_below)


def dydx(pool: DrawnPool, prices: Prices) -> Exact:
    """The chain's account risk in quote quantums: each position's value and both margins round by up to one."""
    resolution = -6
    listing = figures("dydx-v4", "markets")

    def tier(symbol: str) -> dydx_v4.LiquidityTier:
        (name,) = [key for key, symbols in listing.items() if symbol in list(symbols)]  # type: ignore[call-overload]
        of = figures("dydx-v4", name.replace("_", "-"))
        return dydx_v4.LiquidityTier(*(int(number(of, key)) for key in (
            "initial_margin_ppm", "maintenance_fraction_ppm", "open_interest_lower_quote_quantums",
            "open_interest_upper_quote_quantums")))
    positions = [dydx_v4.Position(
        p.symbol, round(p.contracts * 10**6), Fraction(prices[p.symbol].mark), resolution, tier(p.symbol),
        round(prices[p.symbol].open_interest * 10**6)) for p in pool.positions]
    paid = sum((Fraction(p.contracts) * Fraction(p.entry) for p in pool.positions), Fraction(0))
    usdc = round((Fraction(sum(pool.holdings.values())) - paid) * 10**6)
    risk = dydx_v4.account_risk(usdc, positions)
    equity = Fraction(risk.net_collateral, 10**6)
    return Exact(equity, equity, equity, Fraction(risk.initial, 10**6), Fraction(risk.maintenance, 10**6),
                 risk.liquidatable, unit=Fraction(2 * len(positions) + 1, 10**6))


def drift(pool: DrawnPool, prices: Prices) -> Exact:
    """Ordinary accounts in the program's integers; each amount is cut by up to 1e-6, SOL's weight by 1e-4 of value."""
    level, quote = drift_v2.Level, Fraction(1, 10**6)
    usdc = Fraction(pool.holdings.get("USDC", 0.0))
    equity, collateral = usdc, {level.INITIAL: usdc, level.MAINTENANCE: usdc}
    margin = {level.INITIAL: Fraction(0), level.MAINTENANCE: Fraction(0)}
    unit = 2 * (len(pool.positions) + 1) * quote
    for p in pool.positions:
        of = {key: int(number(figures("drift-v2", p.symbol), key)) for key in figures("drift-v2", p.symbol)}
        base, price = round(p.contracts * drift_v2.BASE), round(prices[p.symbol].mark * drift_v2.PRICE)
        entered = -round(Fraction(p.contracts) * Fraction(p.entry) * 10**6)
        pnl = drift_v2.unrealized_pnl(base, entered, price)
        equity += pnl * quote
        weights = drift_v2.ByLevel(of["unrealized_pnl_initial_asset_weight_1e4"],
                                   of["unrealized_pnl_maintenance_asset_weight_1e4"])
        ordinary = drift_v2.ByLevel(of["initial_margin_ratio_1e4"], of["maintenance_margin_ratio_1e4"])
        for at in collateral:
            asked = drift_v2.perp_requirement(
                drift_v2.base_value(base, price), drift_v2.margin_ratio(abs(base), of["imf_factor_1e6"], ordinary, at),
                pnl, drift_v2.profit_weight(pnl, of["unrealized_pnl_imf_factor_1e6"], weights, at), at)
            margin[at] += asked.margin * quote
            collateral[at] += asked.weighted_pnl * quote
    if "SOL" in pool.holdings:
        held = {key: int(number(figures("drift-v2", "SOL"), key)) for key in figures("drift-v2", "SOL")}
        tokens, price = round(pool.holdings["SOL"] * 10**9), round(prices["SOL/USD"].mark * drift_v2.PRICE)
        equity += Fraction(tokens * price, 10**15)
        for at, key in ((level.INITIAL, "initial"), (level.MAINTENANCE, "maintenance")):
            listed = held[f"{key}_asset_weight_1e4"]
            weight = drift_v2.asset_weight(drift_v2.size_in_base(tokens, 9), held["imf_factor_1e6"], listed)
            collateral[at] += drift_v2.spot_requirement(tokens, 0, 0, price, weight, 0)[1] * quote
            if weight < listed:
                unit += Fraction(tokens * price, 10**15) / drift_v2.RATIO
    return Exact(equity, collateral[level.INITIAL], collateral[level.MAINTENANCE], margin[level.INITIAL],
                 margin[level.MAINTENANCE], collateral[level.MAINTENANCE] < margin[level.MAINTENANCE], unit)


def gmx(pool: DrawnPool, prices: Prices) -> Exact:
    """One position and one token of collateral, at the worse end of the oracle's prices, closed without impact."""
    (p,), ((token, amount),) = pool.positions, pool.holdings.items()
    of, is_long = figures("gmx-v2", p.symbol), p.contracts > 0
    size = abs(Fraction(p.contracts)) * Fraction(p.entry)
    position = gmx_v2.Position(size, Fraction(p.entry), Fraction(amount), is_long)
    index = Fraction(prices[p.symbol].low if is_long else prices[p.symbol].high)
    worth, fee = Fraction(prices[f"{token}/USD"].low), size * number(of, "position_fee_factor_negative_impact")
    remaining = gmx_v2.remaining_collateral(position, worth, index, Fraction(0), fee)
    least = number(of, "min_collateral_usd")
    initial, maintenance = (max(size * number(of, key), least) for key in (
        "min_collateral_factor", "min_collateral_factor_for_liquidation"))
    return Exact(remaining + fee, remaining + fee, remaining + fee, initial + fee, maintenance + fee,
                 gmx_v2.liquidatable(position, remaining, number(of, "min_collateral_factor_for_liquidation"), least))


def synthetix(pool: DrawnPool, prices: Prices) -> Exact:
    """Cross margin without the keeper's reward."""
    def margins(p: Position, _notional: Fraction) -> tuple[Fraction, Fraction]:
        of = figures("synthetix-v3", p.symbol)
        market = synthetix_v3.Market(*(number(of, key) for key in (
            "skew_scale_base", "initial_margin_fraction", "minimum_initial_ratio", "maintenance_scalar",
            "minimum_position_margin_usd")))
        return synthetix_v3.margins(market, Fraction(p.contracts), Fraction(prices[p.symbol].mark))
    return _linear(pool, prices, _one, margins,
                   lambda equity, maintenance: synthetix_v3.liquidatable(equity, maintenance))
