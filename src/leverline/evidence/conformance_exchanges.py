"""Families of central exchanges' figures and the rule that answers each: Binance, Bybit, OKX, Gate, BitMEX, flat.

A handler takes a case's inputs and its file's meta and returns figures shaped as the case expects. Figures become
exact fractions before any rule sees them: 0.1 means a tenth.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from leverline.evidence.case_comparison import number_of
from leverline.margin.brackets import Bracket, Brackets
from leverline.margin.rulebooks import binance_usdm, bitmex, bybit, flat, gate, okx

Inputs = dict[str, Any]


def binance_liquidation_price(inputs: Inputs, _meta: Inputs) -> Inputs:
    """The venue's worked examples: isolated, or cross beside another contract, shown to the cent."""
    position, other = inputs["position"], inputs.get("other")
    others = [] if other is None or inputs["mode"] == "isolated" else [_other_contract(other)]
    price = binance_usdm.liquidation_price(
        _figure(inputs["wallet_balance"]), _figure(position["side"]) * _figure(position["size"]),
        _figure(position["entry"]), Bracket(Fraction(0), _figure(position["mmr"]), _figure(position["cum"])), others)
    return {"liquidation_price": None if price is None else float(binance_usdm.shown_price(price))}


def _other_contract(other: Inputs) -> binance_usdm.OtherContract:
    """Its requirement and profit as stated, else from its size (a long where it has no sign), entry and mark."""
    size, mark = _figure(other["size"]) * _figure(other.get("side", 1)), _figure(other["mark"])
    maintenance = (_figure(other["maintenance_margin"]) if "maintenance_margin" in other
                   else abs(size) * mark * _figure(other["mmr"]) - _figure(other["cum"]))
    profit = _figure(other["upnl"]) if "upnl" in other else size * (mark - _figure(other["entry"]))
    return binance_usdm.OtherContract(maintenance, profit)


def binance_isolated_price(inputs: Inputs, _meta: Inputs) -> Inputs:
    """An isolated position at a given bracket."""
    bracket = Bracket(Fraction(0), _figure(inputs["mmr"]), _figure(inputs["maintenance_amount"] or 0))
    return _price(binance_usdm.liquidation_price(
        _figure(inputs["isolated_margin"]), _quantity(inputs), _figure(inputs["entry"]), bracket))


def binance_brackets(inputs: Inputs, _meta: Inputs) -> Inputs:
    """The maintenance amounts of a whole table of (floor, cap, rate, highest leverage)."""
    rows = inputs["tiers_floor_cap_mmr_maxlev"]
    table = Brackets.from_rates([_figure(row[0]) for row in rows], [_figure(row[2]) for row in rows])
    return {"cum": "|".join(str(float(row.deduction)) for row in table.rows)}


def binance_maintenance_amount(inputs: Inputs, _meta: Inputs) -> Inputs:
    """The maintenance amount of one bracket from the one below."""
    amount = binance_usdm.maintenance_amount(
        _figure(inputs["floor"]), _figure(inputs["mmr_n"]), _figure(inputs["mmr_prev"]), _figure(inputs["cum_prev"]))
    return {"maintenance_amount": float(amount)}


def bybit_price(inputs: Inputs, _meta: Inputs) -> Inputs:
    """An isolated position; margin beyond the initial margin counts as added by hand."""
    size, entry, leverage = (_figure(inputs[key]) for key in ("size", "entry", "leverage"))
    return _price(bybit.liquidation_price(
        _quantity(inputs), entry, leverage, _figure(inputs["mmr"]), _figure(inputs.get("maintenance_amount") or 0),
        _figure(inputs["isolated_margin"]) - size * entry / leverage))


def bybit_bankruptcy(inputs: Inputs, _meta: Inputs) -> Inputs:
    """The price at which the initial margin is gone."""
    price = bybit.bankruptcy_price(_figure(inputs["entry"]), _figure(inputs["leverage"]),
                                   is_long={"long": True, "short": False}[inputs["side"]],
                                   is_inverse=inputs["inverse"])
    return {"bankruptcy_price": None if price is None else float(price)}


def gate_price(inputs: Inputs, _meta: Inputs) -> Inputs:
    """An isolated position whose closing fee counts."""
    return _price(gate.liquidation_price(*_with_fee(inputs)))


def okx_price(inputs: Inputs, _meta: Inputs) -> Inputs:
    """An isolated position whose closing fee counts."""
    return _price(okx.liquidation_price(*_with_fee(inputs)))


def okx_partial(inputs: Inputs, _meta: Inputs) -> Inputs:
    """What is closed of a position of tier 3 or above, by the page of about 2020."""
    return {"swaps_to_close": okx.contracts_above_first_tier(inputs["swaps_held"], inputs["tier1_cap"])}


def bitmex_deleveraging(inputs: Inputs, _meta: Inputs) -> Inputs:
    """Who closes a liquidated order, and how much of it: longs against a short, shorts against a long."""
    short = "longs" in inputs
    holders = [bitmex.Holder(account, contracts, _figure(score))
               for account, contracts, score in inputs["longs" if short else "shorts"]]
    contracts = inputs["liquidated_short_size" if short else "liquidated_long_size"]
    return {"fills": [list(fill) for fill in bitmex.deleverage(contracts, holders)]}


def flat_margin(inputs: Inputs, _meta: Inputs) -> Inputs:
    """Standard and leveraged models, and a custom one that multiplies either."""
    notional = _figure(inputs["quantity"]) * _figure(inputs["price"]) * _figure(inputs["multiplier"])
    if "leverage" in inputs["model"].lower():
        margin = flat.leveraged_margin(notional, _figure(inputs["margin_rate"]), _figure(inputs["leverage"]))
    else:
        margin = flat.standard_margin(notional, _figure(inputs["margin_rate"]))
    return {"margin": int(margin) if margin.denominator == 1 else float(margin)}


def _figure(value: object) -> Fraction:
    figure = number_of(value)
    if figure is None:
        raise ValueError(f"{value!r} is not a number")
    return figure


def _quantity(inputs: Inputs) -> Fraction:
    size = _figure(inputs["size"])
    return -size if inputs["is_short"] else size


def _with_fee(inputs: Inputs) -> tuple[Fraction, Fraction, Fraction, Fraction, Fraction]:
    return (_figure(inputs["isolated_margin"]), _quantity(inputs), _figure(inputs["entry"]), _figure(inputs["mmr"]),
            _figure(inputs["taker_fee"]))


def _price(price: Fraction | None) -> Inputs:
    return {"liquidation_price": None if price is None else float(price)}


HANDLERS: dict[str, Callable[[Inputs, Inputs], object]] = {
    "binance-liqprice": binance_liquidation_price,
    "binance-isoliq": binance_isolated_price,
    "binance-tiers": binance_brackets,
    "binance-mmamount": binance_maintenance_amount,
    "bybit-okx-gate-bybit": bybit_price,
    "bybit-okx-gate-gate": gate_price,
    "bybit-okx-gate-okx": okx_price,
    "bybit-bankruptcy": bybit_bankruptcy,
    "okx-partial": okx_partial,
    "bitmex-adl": bitmex_deleveraging,
    "nautilus-margin": flat_margin,
}
