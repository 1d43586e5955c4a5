"""Families of dYdX v4 cases -> the rulebook: each handler reads a case's inputs and answers in its expected shape."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from leverline.margin.rulebooks import dydx_v4 as rule
from leverline.margin.rulebooks import dydx_v4_liquidation as liquidation

Inputs = dict[str, Any]
Meta = dict[str, Any]

_RESOLUTION = {"BTC": -8, "ETH": -9}  # of cases that name a market without its resolution


def _tier(inputs: Inputs) -> rule.LiquidityTier:
    return rule.LiquidityTier(int(inputs["initial_margin_ppm"]), int(inputs.get("maintenance_fraction_ppm", 0)),
                              int(inputs.get("oi_lower_cap", 0)), int(inputs.get("oi_upper_cap", 0)))


def _exponent_price(inputs: Inputs) -> Fraction:
    return int(inputs["price"]) * Fraction(10) ** int(inputs["price_exponent"])


def _account(inputs: Inputs) -> liquidation.Account:
    return liquidation.Account(int(inputs["usdc"]), tuple(
        rule.Position(p["market"], int(p["base_quantums"]), Fraction(str(p["oracle_price"])),
                      int(p["atomic_resolution"]), _tier(p)) for p in inputs["positions"]))


def _mmppm(inputs: Inputs, _: Meta) -> object:
    return {"maintenance_margin_ppm": rule.maintenance_rate_ppm(_tier(inputs))}


def _fundclamp(inputs: Inputs, _: Meta) -> object:
    return {"max_abs_funding_ppm": rule.funding_clamp_ppm(_tier(inputs), int(inputs["clamp_factor_ppm"]))}


def _imr(inputs: Inputs, _: Meta) -> object:
    position_notional, open_interest = int(inputs["position_notional"]), int(inputs["oi_notional"])
    return {"initial_margin": rule.initial_margin(position_notional, _tier(inputs), open_interest)}


def _oimf(inputs: Inputs, _: Meta) -> object:
    return {"effective_imf_ppm": rule.initial_rate_ppm(_tier(inputs), int(inputs["oi_notional"]))}


def _marginreq(inputs: Inputs, _: Meta) -> object:
    risk = rule.position_risk(rule.Position(
        "", int(inputs["base_quantums"]), _exponent_price(inputs), int(inputs["atomic_resolution"]), _tier(inputs),
        int(inputs["open_interest_base_quantums"])))
    return {"imr": risk.initial, "mmr": risk.maintenance}


def _funding(inputs: Inputs, _: Meta) -> object:
    return {"net_settlement_ppm": rule.funding_settlement_ppm(
        int(inputs["position_base_quantums"]), int(inputs["funding_index"]), int(inputs["last_funding_index"]))}


def _notional(inputs: Inputs, _: Meta) -> object:
    return {"net_notional": rule.notional(
        int(inputs["base_quantums"]), _exponent_price(inputs), int(inputs["atomic_resolution"]))}


def _isliq(inputs: Inputs, _: Meta) -> object:
    return {"liquidatable": rule.Risk(int(inputs["net_collateral"]), 0, int(inputs["mmr"])).liquidatable}


def _initcoll(inputs: Inputs, _: Meta) -> object:
    risk = rule.Risk(int(inputs["net_collateral"]), int(inputs["imr"]), 0)
    return {"initial_collateralized": risk.initially_collateralized}


def _maintcoll(inputs: Inputs, _: Meta) -> object:
    return {"maintenance_collateralized": rule.Risk(int(inputs["net_collateral"]), 0, int(inputs["mmr"])).maintained}


def _riskcmp(inputs: Inputs, _: Meta) -> object:
    a, b = (rule.Risk(int(inputs[f"{side}_nc"]), 0, int(inputs[f"{side}_mmr"])) for side in "ab")
    return {"cmp": rule.compare_risk(a, b)}


def _transition(inputs: Inputs, _: Meta) -> object:
    before = rule.Risk(int(inputs["old_nc"]), int(inputs["old_imr"]), int(inputs["old_mmr"]))
    after = rule.Risk(int(inputs["new_nc"]), int(inputs.get("new_imr", 0)), int(inputs["new_mmr"]))
    return {"result": str(rule.judge_undercollateralized(before, after))}


def _acctliq(inputs: Inputs, _: Meta) -> object:
    return {"liquidatable": _account(inputs).risk().liquidatable}


def _acctrisk(inputs: Inputs, _: Meta) -> object:
    resolution, tier = int(inputs["atomic_resolution"]), _tier(inputs)
    risk = rule.account_risk(int(inputs["usdc"]), [
        rule.Position(str(k), int(quantums), Fraction(str(price)), resolution, tier)
        for k, (quantums, price) in enumerate(inputs["positions_q_px"])])
    return {"nc": risk.net_collateral, "imr": risk.initial, "mmr": risk.maintenance}


def _bankruptcy(inputs: Inputs, _: Meta) -> object:
    return {"bankruptcy_quote_quantums": liquidation.bankruptcy_quote(
        _account(inputs), inputs["close_market"], int(inputs["delta_base_quantums"]))}


def _fillable(inputs: Inputs, _: Meta) -> object:
    price = liquidation.fillable_price(_account(inputs), inputs["close_market"],
                                       int(inputs["bankruptcy_adjustment_ppm"]), int(inputs["spread_to_mmr_ratio_ppm"]))
    return {"fillable_price": [price.numerator, price.denominator]}


def _insurance(inputs: Inputs, _: Meta) -> object:
    return {"insurance_fund_delta": liquidation.insurance_fund_delta(
        _account(inputs), inputs["close_market"], is_buy=inputs["is_buy"],
        fill_base_quantums=int(inputs["fill_base_quantums"]), subticks=int(inputs["fill_price_subticks"]),
        quantum_conversion_exponent=int(inputs["quantum_conversion_exponent"]),
        max_liquidation_fee_ppm=int(inputs["max_liquidation_fee_ppm"]))}


def _partial(inputs: Inputs, _: Meta) -> object:
    least, most = liquidation.notional_limits(
        int(inputs["position_notional"]), int(inputs["min_position_notional_liquidated"]),
        int(inputs["max_position_portion_liquidated_ppm"]))
    return {"min_notional": least, "max_notional": most}


def _ifvalid(inputs: Inputs, _: Meta) -> object:
    return {"valid": liquidation.fund_can_pay(int(inputs["fund_balance"]), int(inputs["delta"]))}


def _adl(inputs: Inputs, _: Meta) -> object:
    tier = _tier(inputs)

    def account(stated: Inputs) -> liquidation.Account:
        return liquidation.Account(int(stated["usdc"] or 0), tuple(
            rule.Position(p["market"], int(p["base_quantums"]), Fraction(str(inputs["oracle"][p["market"]])),
                          int(p.get("atomic_resolution", _RESOLUTION[p["market"]])), tier)
            for p in stated["positions"]))

    bankrupt, stated = account(inputs["liquidated"]), inputs["candidates_in_order"]
    delta = int(inputs["delta_base_quantums"])
    market = inputs.get("market") or next(
        p.market for p in bankrupt.positions if p.base_quantums * delta < 0 and abs(p.base_quantums) >= abs(delta))
    outcome = liquidation.deleverage(bankrupt, market, delta, [account(candidate) for candidate in stated])
    return {"fills": [[stated[place]["id"], size] for place, size in outcome.fills], "remaining": outcome.remaining,
            "final_usdc": {c["id"]: a.usdc for c, a in zip(stated, outcome.candidates, strict=True)}}


def _fundtails(inputs: Inputs, _: Meta) -> object:
    return {"kept": rule.without_tails([int(x) for x in inputs["samples"]], int(inputs["removal_rate_ppm"]))}


def _subticks(inputs: Inputs, _: Meta) -> object:
    numerator, denominator = inputs["fillable_price"]
    return {"subticks": liquidation.price_in_subticks(
        Fraction(int(numerator), int(denominator)), liquidating_long=inputs["liquidating_long"],
        subticks_per_tick=int(inputs["subticks_per_tick"]),
        quantum_conversion_exponent=int(inputs["quantum_conversion_exponent"]))}


HANDLERS = {
    "dydx-mmppm": _mmppm, "dydx-fundclamp": _fundclamp, "dydx-imr": _imr, "dydx-oimf": _oimf,
    "dydx-marginreq": _marginreq, "dydx-marginreqb": _marginreq, "dydx-funding": _funding,
    "dydx-notional": _notional, "dydx-notionalb": _notional, "dydx-isliq": _isliq, "dydx-initcoll": _initcoll,
    "dydx-maintcoll": _maintcoll, "dydx-riskcmp": _riskcmp, "dydx-transition": _transition, "dydx-acctliq": _acctliq,
    "dydx-acctrisk": _acctrisk, "dydx-bankruptcy": _bankruptcy, "dydx-fillable": _fillable,
    "dydx-insurance": _insurance, "dydx-partial": _partial, "dydx-ifvalid": _ifvalid, "dydx-adl": _adl,
    "dydx-fundtails": _fundtails, "dydx-subticks": _subticks,
}
