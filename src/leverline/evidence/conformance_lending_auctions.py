"""Case families of Maker's vaults and auctions and of Liquity's base rate: inputs to rule, see conformance_lending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leverline.margin import dutch
from leverline.margin.rulebooks import liquity, maker

Inputs = dict[str, Any]


def _linear(inputs: Inputs) -> object:
    return {"price": dutch.linear_price(int(inputs["top"]), int(inputs["dur"]), int(inputs["tau"]))}


def _stairstep(inputs: Inputs) -> object:
    price = dutch.stairstep_price(int(inputs["top"]), int(inputs["dur"]), int(inputs["step"]), int(inputs["cut"]))
    return {"price": price}


def _exponential(inputs: Inputs) -> object:
    return {"price": dutch.exponential_price(int(inputs["top"]), int(inputs["dur"]), int(inputs["cut"]))}


def _top(inputs: Inputs) -> object:
    return {"top": maker.starting_price(int(inputs["feedPriceWad"]), int(inputs["buf"]), int(inputs["par"]))}


def _bark(inputs: Inputs) -> object:
    vault = maker.Vault(int(inputs["ink"]), int(inputs["art"]), int(inputs["rate"]))
    done = maker.bark(vault, int(inputs["dust"]), int(inputs["chop"]), int(inputs["holeRoom"]))
    return {"dart": done.art, "dink": done.lot, "tab": done.tab}


def _take(inputs: Inputs) -> object:
    done = maker.take(
        int(inputs["lot"]), int(inputs["tab"]), int(inputs["price"]), int(inputs["amt"]), int(inputs["chost"])
    )
    return {"owe": done.owe, "slice": done.bought, "tab": done.tab, "lot": done.lot, "reverts": False}


def _needs_redo(inputs: Inputs) -> object:
    top, elapsed = int(inputs["top"]), int(inputs["dur"])
    price = dutch.linear_price(top, elapsed, int(inputs["tau"]))
    return {"needsRedo": maker.needs_redo(elapsed, int(inputs["tail"]), price, top, int(inputs["cusp"]))}


def _auto_line(inputs: Inputs) -> object:
    limits = maker.AutoLine(int(inputs["maxLine"]), int(inputs["gap"]), int(inputs["ttl"]))
    line = maker.next_line(
        int(inputs["debt"]), int(inputs["line"]), limits, int(inputs["now"]), int(inputs["lastInc"])
    )
    return {"newLine": line}


def _power(inputs: Inputs) -> object:
    return {"result": liquity.power(int(inputs["base"]), int(inputs["exponent"]))}


def _decay(inputs: Inputs) -> object:
    rate = liquity.decayed_base_rate(
        int(inputs["initialBaseRate"]), int(inputs["secondsPassed"]), int(inputs["minuteDecayFactor"])
    )
    return {"decayedBaseRate": rate}


def _minutes(inputs: Inputs) -> object:
    return {"minutes": liquity.whole_minutes(int(inputs["secondsPassed"]))}


HANDLERS: dict[str, Callable[[Inputs], object]] = {
    "maker-linear": _linear,
    "maker-stair": _stairstep,
    "maker-exp-halflife": _exponential,
    "maker-top": _top,
    "maker-bark": _bark,
    "maker-take": _take,
    "maker-take-no-partial": _take,
    "maker-reset-tail": _needs_redo,
    "maker-reset-cusp": _needs_redo,
    "maker-autoline": _auto_line,
    "liquity-decpow": _power,
    "liquity-baserate-decay": _decay,
    "liquity-minutes": _minutes,
}
