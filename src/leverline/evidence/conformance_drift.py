"""Families of Drift v2 cases -> the rulebook: each handler reads a case's inputs and answers in its expected shape."""

from __future__ import annotations

from typing import Any

from leverline.margin.rulebooks import drift_v2 as rule
from leverline.margin.rulebooks import drift_v2_liquidation as liquidation

Inputs = dict[str, Any]
Meta = dict[str, Any]


def _numbers(inputs: Inputs, *names: str) -> list[int]:
    return [int(inputs[name]) for name in names]


def _level(inputs: Inputs) -> rule.Level:
    return rule.Level(inputs["type"].split()[0])


def _by_level(inputs: Inputs, stem: str) -> rule.ByLevel:
    initial = int(inputs.get(f"{stem.format('initial')}", 0))
    return rule.ByLevel(initial, int(inputs.get(stem.format("maintenance"), initial)))


def _marginratio(inputs: Inputs, _: Meta) -> object:
    size, imf = _numbers(inputs, "size", "imf_factor")
    ordinary = _by_level(inputs, "margin_ratio_{}")
    if inputs.get("high_leverage_mode"):
        high = _by_level(inputs, "high_leverage_{}")
        return {"margin_ratio": rule.high_leverage_ratio(size, imf, ordinary, high, _level(inputs))}
    return {"margin_ratio": rule.margin_ratio(size, imf, ordinary, _level(inputs))}


def _assetweight(inputs: Inputs, _: Meta) -> object:
    size, decimals, imf = _numbers(inputs, "size", "decimals", "imf_factor")
    weight = _by_level(inputs, "{}_asset_weight").at(_level(inputs))
    return {"asset_weight": rule.asset_weight(rule.size_in_base(size, decimals), imf, weight)}


def _liabweight(inputs: Inputs, _: Meta) -> object:
    size, decimals, imf = _numbers(inputs, "size", "decimals", "imf_factor")
    weight = _by_level(inputs, "{}_liability_weight").at(_level(inputs))
    return {"liability_weight": rule.liability_weight(rule.size_in_base(size, decimals), imf, weight)}


def _scaledweight(inputs: Inputs, _: Meta) -> object:
    tokens, price, start, weight = _numbers(
        inputs, "total_deposits_tokens", "oracle_price", "scale_start", "initial_asset_weight")
    return {"asset_weight": rule.scaled_initial_weight(weight, tokens * price, start)}


def _upnlweight(inputs: Inputs, _: Meta) -> object:
    pnl, imf = _numbers(inputs, "unrealized_pnl", "unrealized_pnl_imf_factor")
    weight = rule.ByLevel(int(inputs["unrealized_pnl_initial_asset_weight"]),
                          int(inputs.get("unrealized_pnl_maintenance_asset_weight", rule.RATIO)))
    return {"weight": rule.profit_weight(pnl, imf, weight, _level(inputs))}


def _perpvalue(inputs: Inputs, _: Meta) -> object:
    base, quote, price, imf, pnl_imf = _numbers(inputs, "base_asset_amount", "quote_asset_amount", "oracle_price",
                                                "imf_factor", "unrealized_pnl_imf_factor")
    level = _level(inputs)
    pnl = rule.unrealized_pnl(base, quote, price)
    weight = rule.profit_weight(pnl, pnl_imf, rule.ByLevel(rule.RATIO, rule.RATIO), level)
    ratio = rule.margin_ratio(abs(base), imf, _by_level(inputs, "margin_ratio_{}"), level)
    found = rule.perp_requirement(rule.base_value(base, price), ratio, pnl, weight, level)
    return {"margin_requirement": found.margin, "weighted_upnl": found.weighted_pnl}


def _prediction(inputs: Inputs, _: Meta) -> object:
    base, quote, price, top, ratio, weight = _numbers(
        inputs, "base_asset_amount", "quote_asset_amount", "oracle_price", "max_price", "margin_ratio",
        "unrealized_pnl_asset_weight")
    pnl = rule.unrealized_pnl(base, quote, price)
    found = rule.perp_requirement(rule.prediction_liability(base, price, top), ratio, pnl,
                                  weight if pnl > 0 else rule.RATIO, _level(inputs))
    return {"margin_requirement": found.margin, "weighted_upnl": found.weighted_pnl}


def _account(inputs: Inputs, _: Meta) -> object:
    level, deposit = _level(inputs), int(inputs["usdc"])
    custom = int(inputs.get("user_max_margin_ratio", 0)) if level is rule.Level.INITIAL else 0
    liability = max(_by_level(inputs, "sol_{}_liability_weight").at(level), rule.RATIO + custom if custom else 0)
    asset = _by_level(inputs, "sol_{}_asset_weight").at(level)
    tokens = int(inputs.get("sol_base", 0)) - int(inputs.get("sol_borrow", 0))
    price = int(inputs["sol_price"] if "sol_price" in inputs else inputs["price"])
    margin, collateral = rule.spot_requirement(
        tokens, int(inputs.get("open_bids", 0)), int(inputs.get("open_asks", 0)), price, asset, liability)
    margin += int(inputs.get("open_orders", 0)) * int(
        inputs.get("open_order_margin_requirement", rule.OPEN_ORDER_REQUIREMENT))
    if "perp_base" in inputs:
        ratio = max(_by_level(inputs, "perp_margin_ratio_{}").at(level), custom)
        margin += rule.base_value(int(inputs["perp_base"]), price) * ratio // rule.RATIO
    return {"margin_requirement": margin + max(-deposit, 0), "total_collateral": collateral + max(deposit, 0)}


def _strict(inputs: Inputs, _: Meta) -> object:
    tokens, price, average, base, quote, perp_price = _numbers(
        inputs, "usdc_tokens", "usdc_price", "usdc_twap_5min", "perp_base", "perp_quote", "perp_price")
    low, high = (min(price, average), max(price, average)) if "strict" in inputs["type"] else (price, price)
    level = _level(inputs)
    pnl = rule.unrealized_pnl(base, quote, perp_price)
    weight = int(inputs.get("unrealized_pnl_initial_asset_weight", 0)) if pnl > 0 else rule.RATIO
    found = rule.perp_requirement(rule.base_value(base, perp_price), _by_level(inputs, "margin_ratio_{}").at(level),
                                  pnl, weight, level, asset_price=low, liability_price=high)
    return {"margin_requirement": found.margin, "total_collateral": tokens * low // rule.PRICE + found.weighted_pnl}


def _buffer(inputs: Inputs, _: Meta) -> object:
    deposit, pnl, buffer = _numbers(inputs, "usdc", "perp_quote", "margin_buffer")
    return {"total_collateral": deposit + pnl,
            "total_collateral_plus_buffer": liquidation.buffered_collateral(deposit, pnl, buffer)}


def _isolated(inputs: Inputs, _: Meta) -> object:
    deposit, borrow, price, weight, base, quote, own, ratio, buffer = _numbers(
        inputs, "cross_usdc", "sol_borrow", "price", "sol_initial_liability_weight", "iso_base", "iso_quote",
        "iso_deposit", "margin_ratio_initial", "buffer")
    borrowed, held = rule.base_value(borrow, price), rule.base_value(base, price)
    cross_mr = borrowed * weight // rule.RATIO + borrowed * buffer // rule.RATIO
    iso_mr = held * ratio // rule.RATIO + held * buffer // rule.RATIO
    iso_tc = liquidation.buffered_collateral(own, rule.unrealized_pnl(base, quote, price), buffer)
    meets_cross, meets_iso = deposit >= cross_mr, iso_tc >= iso_mr
    return {"cross_mr": cross_mr, "cross_tc": deposit, "iso_mr": iso_mr, "iso_tc": iso_tc,
            "meets_all": meets_cross and meets_iso, "meets_cross": meets_cross, "meets_iso": meets_iso}


def _basetocover(inputs: Inputs, _: Meta) -> object:
    return {"base_asset_amount": liquidation.base_to_cover(*_numbers(
        inputs, "margin_shortage", "margin_ratio", "liquidation_fee", "if_liquidation_fee", "oracle_price",
        "quote_oracle_price"))}


def _liabtransfer(inputs: Inputs, _: Meta) -> object:
    return {"liability_transfer": liquidation.liability_to_cover(*_numbers(
        inputs, "margin_shortage", "asset_weight", "asset_liq_multiplier", "liability_weight",
        "liability_liq_multiplier", "liability_decimals", "liability_price", "if_liquidation_fee"))}


def _liabimplied(inputs: Inputs, _: Meta) -> object:
    return {"liability_transfer": liquidation.liability_for_asset(*_numbers(
        inputs, "asset_amount", "asset_liq_multiplier", "asset_decimals", "asset_price", "liability_liq_multiplier",
        "liability_decimals", "liability_price"))}


def _assettransfer(inputs: Inputs, _: Meta) -> object:
    return {"asset_transfer": liquidation.asset_for_liability(*_numbers(
        inputs, "asset_amount", "asset_liq_multiplier", "asset_decimals", "asset_price", "liability_amount",
        "liability_liq_multiplier", "liability_decimals", "liability_price"))}


def _socialloss(inputs: Inputs, _: Meta) -> object:
    if "loss" in inputs:
        return {"cumulative_funding_rate_delta": liquidation.funding_delta(
            *_numbers(inputs, "loss", "base_long", "base_short"))}
    return {"delta": liquidation.deposit_interest_delta(
        *_numbers(inputs, "borrow", "total_deposits", "cumulative_deposit_interest"))}


def _perpiffee(inputs: Inputs, _: Meta) -> object:
    return {"if_fee": liquidation.fund_fee_of_perp(*_numbers(
        inputs, "margin_shortage", "user_base", "margin_ratio", "liquidator_fee", "oracle_price",
        "quote_oracle_price", "max_if_fee"))}


def _spotiffee(inputs: Inputs, _: Meta) -> object:
    return {"if_fee": liquidation.fund_fee_of_spot(*_numbers(
        inputs, "margin_shortage", "token_amount", "asset_weight", "asset_liq_multiplier", "liability_weight",
        "liability_liq_multiplier", "decimals", "oracle_price", "max_if_fee"))}


def _maxpct(inputs: Inputs, _: Meta) -> object:
    slots = int(inputs["slot"]) - int(inputs["last_active_slot"])
    shortage, freed, initial, duration = _numbers(inputs, "margin_shortage", "margin_freed", "initial_pct", "duration")
    return {"max_pct": liquidation.max_share(shortage, freed, slots, initial, duration)}


def _liqfee(inputs: Inputs, _: Meta) -> object:
    slots = int(inputs["current_slot"]) - int(inputs["last_active_slot"])
    base_fee, max_fee = _numbers(inputs, "base_fee", "max_fee")
    return {"fee": liquidation.liquidator_fee(base_fee, max_fee, slots)}


def _swapband(inputs: Inputs, _: Meta) -> object:
    return {"ok": liquidation.swap_is_fair(*_numbers(
        inputs, "asset_transfer", "liability_transfer", "asset_decimals", "liability_decimals", "asset_price",
        "liability_price", "asset_mult", "liability_mult"))}


def _liquidate(inputs: Inputs, _: Meta) -> object:
    user = liquidation.PerpAccount(*_numbers(inputs["user"], "base", "quote", "usdc", "bids", "asks", "orders"))
    market = liquidation.PerpMarket(*_numbers(
        inputs, "oracle_price", "margin_ratio_maintenance", "imf_factor", "liquidator_fee", "if_liquidation_fee",
        "buffer_ratio", "initial_pct", "duration", "step"))
    done = liquidation.liquidate_perp(user, market, int(inputs["max_base"]), int(inputs["slot"]))
    return {"user_base": done.account.base, "user_quote": done.account.quote, "liq_base": done.liquidator_base,
            "liq_quote": done.liquidator_quote, "if_fee": done.fund_fee, "margin_freed": done.margin_freed}


def _whale(inputs: Inputs, _: Meta) -> object:
    base, bids, orders, price, ratio, imf = _numbers(
        inputs, "base", "open_bids", "orders", "oracle_price", "margin_ratio_maintenance", "imf_factor")
    account = liquidation.PerpAccount(base, 0, 0, bids, int(inputs.get("open_asks", 0)), orders)
    return {"margin_requirement": liquidation.perp_margin(account, price, ratio, imf)[0]}


def _bankruptcy(inputs: Inputs, _: Meta) -> object:
    paid = liquidation.resolve_bankruptcy(*_numbers(
        inputs, "user_quote", "insurance_vault", "quote_max_insurance", "fee_pool", "base_long", "base_short"))
    delta = paid.funding_rate_delta
    return {"cum_funding_long": int(inputs["cum_funding_long"]) + delta,
            "cum_funding_short": int(inputs["cum_funding_short"]) - delta, "total_social_loss": paid.social_loss,
            "each_5_base_holder_pays": liquidation.funding_payment(delta, 5 * rule.BASE),
            "insurance": paid.insurance, "fee_pool": paid.fee_pool}


HANDLERS = {
    "drift-marginratio": _marginratio, "drift-assetweight": _assetweight, "drift-liabweight": _liabweight,
    "drift-scaledweight": _scaledweight, "drift-upnlweight": _upnlweight, "drift-perpvalue": _perpvalue,
    "drift-prediction": _prediction, "drift-account": _account, "drift-strict": _strict, "drift-buffer": _buffer,
    "drift-isolated": _isolated, "drift-basetocover": _basetocover, "drift-liabtransfer": _liabtransfer,
    "drift-liabimplied": _liabimplied, "drift-assettransfer": _assettransfer, "drift-socialloss": _socialloss,
    "drift-perpiffee": _perpiffee, "drift-spotiffee": _spotiffee, "drift-maxpct": _maxpct, "drift-liqfee": _liqfee,
    "drift-swapband": _swapband, "drift-liquidate": _liquidate, "drift-whale": _whale,
    "drift-bankruptcy": _bankruptcy,
}
