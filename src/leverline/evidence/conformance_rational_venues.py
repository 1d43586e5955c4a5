"""Families of Hyperliquid, GMX v2 and Synthetix v3 cases -> their rulebooks, which count in exact rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from leverline.margin.rulebooks import gmx_v2, hyperliquid, synthetix_v3

Inputs = dict[str, Any]
Meta = dict[str, Any]


def _exact(value: Any) -> Fraction:
    return Fraction(str(value))


def _numbers(inputs: Inputs, *names: str) -> list[Fraction]:
    return [_exact(inputs[name]) for name in names]


def _plain(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(value)


def _hyperliquid_isoliq(inputs: Inputs, _: Meta) -> object:
    entry, size, margin, leverage = _numbers(inputs, "entry_price", "size", "isolated_margin", "max_leverage")
    price = hyperliquid.isolated_liquidation_price(entry, int(inputs["side"]), abs(size), margin, leverage)
    return {"liquidation_price": None if price is None else _plain(price)}


def _hyperliquid_margin(inputs: Inputs, _: Meta) -> object:
    notional, top, leverage = _numbers(inputs, "notional", "max_leverage", "leverage")
    maintenance = hyperliquid.maintenance_margin(notional, [hyperliquid.Tier(Fraction(0), top)])
    return {"initial_margin": _plain(hyperliquid.initial_margin(notional, leverage)),
            "maintenance_margin": _plain(maintenance)}


def _hyperliquid_pm(inputs: Inputs, _: Meta) -> object:
    balance, price, ltv = _numbers(inputs, "token_balance", "oracle_price", "ltv")
    return {"borrowable_usdc": _plain(hyperliquid.borrowable(balance, price, ltv)),
            "liquidation_threshold": _plain(hyperliquid.portfolio_threshold(ltv))}


def _gmx_impact(inputs: Inputs, _: Meta) -> object:
    return {"impact_usd": _plain(gmx_v2.impact(*_numbers(inputs, "diff_usd", "exponent", "impact_factor")))}


def _gmx_liquidation(inputs: Inputs, _: Meta) -> object:
    size, entry, tokens = _numbers(inputs, "size_usd", "entry_price", "collateral_tokens")
    position = gmx_v2.Position(size, entry, tokens, inputs["is_long"])
    now = _numbers(inputs, "collateral_price", "index_price", "price_impact_usd", "fees_usd")
    remaining = gmx_v2.remaining_collateral(position, *now)
    if not gmx_v2.liquidatable(position, remaining, *_numbers(inputs, "min_collateral_factor", "min_collateral_usd")):
        return {"liquidatable": False}
    return {"liquidatable": True, "collateral_returned_tokens": _plain(gmx_v2.returned_tokens(position, *now))}


def _gmx_reserve(inputs: Inputs, _: Meta) -> object:
    return {"error": gmx_v2.reserve_error(
        *_numbers(inputs, "size_usd", "pool_usd", "reserve_factor", "open_interest_reserve_factor"))}


def _gmx_adl(inputs: Inputs, _: Meta) -> object:
    size, entry, price, tokens, most = _numbers(
        inputs, "size_usd", "entry_price", "index_price", "pool_tokens", "max_pnl_factor_for_adl")
    profit = gmx_v2.pnl(gmx_v2.Position(size, entry, Fraction(0), inputs["is_long"]), price)
    return {"adl_enabled": gmx_v2.deleveraging_enabled(profit, tokens * price, most)}


def _gmx_usage(inputs: Inputs, _: Meta) -> object:
    return {"usage_factor": _plain(gmx_v2.usage(*_numbers(inputs, "reserved_usd", "pool_usd", "reserve_factor")))}


def _gmx_borrowing(inputs: Inputs, _: Meta) -> object:
    return {"borrowing_fee_usd": _plain(gmx_v2.borrowing_fee(*_numbers(
        inputs, "size_usd", "reserved_usd", "pool_usd", "borrowing_factor", "exponent", "seconds")))}


def _gmx_priceimpact(inputs: Inputs, _: Meta) -> object:
    size, price, exponent = _numbers(inputs, "size_usd", "index_price", "exponent")
    action, direction = inputs["side"].split()[:2]
    is_long, opens = direction == "long", action == "open"
    known = _exact(inputs["negative_factor"] if opens else inputs["positive_factor"])
    before, after = (Fraction(0), size) if opens else (size, Fraction(0))
    impact = gmx_v2.price_impact(before, after, exponent, known, known)
    execution = (gmx_v2.opening_price if opens else gmx_v2.closing_price)(size, price, impact, is_long=is_long)
    return {"price_impact_usd": _plain(impact), "execution_price": _plain(execution)}


def _synthetix_pnl(inputs: Inputs, _: Meta) -> object:
    found: dict[str, int | float] = {}
    available = _exact(inputs["collateral"])
    for position in inputs["positions"]:
        size, oracle, scale, price = _numbers(position, "size", "entry_oracle_price", "skew_scale", "current_price")
        entry = synthetix_v3.fill_price(oracle, size, _exact(position.get("skew", 0)), scale)
        gain = synthetix_v3.pnl(size, entry, price)
        found[f"pnl_{position['market']}"] = _plain(gain)
        available += gain
    return {**found, "available_margin": _plain(available)}


def _synthetix_oi(inputs: Inputs, _: Meta) -> object:
    sizes = [(_exact(p["size"]), _exact(p["price"])) for p in inputs["positions"]]
    return {"open_interest": _plain(synthetix_v3.open_interest(sizes))}


def _synthetix_liq(inputs: Inputs, _: Meta) -> object:
    if "positions" not in inputs:
        return {"liquidatable": synthetix_v3.liquidatable(*_numbers(inputs, "available_margin", "maintenance_margin"))}
    initial = maintenance = Fraction(0)
    for position in inputs["positions"]:
        scale, fraction, least, scalar = _numbers(position, "skew_scale", "initial_margin_fraction",
                                                  "minimum_initial_margin_ratio", "maintenance_margin_scalar")
        market = synthetix_v3.Market(scale, fraction, least, scalar, _exact(position.get("minimum_position_margin", 0)))
        asked = synthetix_v3.margins(market, *_numbers(position, "size", "current_price"))
        initial, maintenance = initial + asked[0], maintenance + asked[1]
    available = _exact(inputs["computed"]["available_margin"])
    return {"liquidatable": synthetix_v3.liquidatable(available, maintenance),
            "initial_margin": _plain(initial), "maintenance_margin": _plain(maintenance)}


def _synthetix_window(inputs: Inputs, _: Meta) -> object:
    return {"max_liquidation_in_window": _plain(synthetix_v3.window_capacity(
        *_numbers(inputs, "maker_fee", "taker_fee", "skew_scale", "multiplier", "window_seconds")))}


def _synthetix_windowseq(inputs: Inputs, _: Meta) -> object:
    window = synthetix_v3.LiquidationWindow(*_numbers(inputs, "window_cap", "window_seconds"))
    left = {account: abs(_exact(size)) for account, size in inputs["positions"].items()}
    after = []
    for time, account in inputs["calls_t_account"]:
        left[str(account)] -= window.liquidate(_exact(time), left[str(account)])
        after.append([time, account, _plain(left[str(account)])])
    return {"after": after}


HANDLERS = {
    "hyperliquid-isoliq": _hyperliquid_isoliq, "hyperliquid-margin": _hyperliquid_margin,
    "hyperliquid-pm": _hyperliquid_pm, "gmx-impact": _gmx_impact, "gmx-liquidation": _gmx_liquidation,
    "gmx-reserve": _gmx_reserve, "gmx-adl": _gmx_adl, "gmx-usage": _gmx_usage, "gmx-borrowing": _gmx_borrowing,
    "gmx-priceimpact": _gmx_priceimpact, "synthetix-pnl": _synthetix_pnl, "synthetix-oi": _synthetix_oi,
    "synthetix-liq": _synthetix_liq, "synthetix-window": _synthetix_window,
    "synthetix-windowseq": _synthetix_windowseq,
}
