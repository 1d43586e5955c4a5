"""The numbers of a collateral asset that move by steps: their units, which way is tighter, and what joins them.

A step of one number may wait for another: a loan must not open liquidatable (ltv <= threshold), and a seizure must not
cost more than the collateral (threshold * (1 + bonus) <= 1). Where a step would break that it goes as far as it may,
and its reason says so; since both books satisfy the rules, the way between them never blocks for good.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from leverline.calibrate.rounding import exact
from leverline.model.collateral import AssetLimits

BPS_GRAIN = Fraction(1, 10_000)
WHOLE_GRAIN = Fraction(1_000_000)
"""A whole unit of the settlement currency, in ledger units."""


@dataclass(frozen=True, slots=True)
class Steered:
    """One number: where it stands in :class:`AssetLimits`, what a steward's table calls it, which way is tighter."""

    path: tuple[str, ...]
    steward_name: str
    tighter: Literal[1, -1]
    grain: Fraction  # the unit in which it is set
    least: float = 0.0  # relative steps lead from and to 0 by way of this; 0 where 0 disables the asset


STEERED = (
    Steered(("ltv",), "ltv", -1, BPS_GRAIN),
    Steered(("liquidation_threshold",), "liquidation_threshold", -1, BPS_GRAIN),
    Steered(("liquidation_bonus",), "liquidation_bonus", 1, BPS_GRAIN),
    Steered(("supply_cap",), "supply_cap", -1, WHOLE_GRAIN),
    Steered(("borrow_cap",), "borrow_cap", -1, WHOLE_GRAIN),
    Steered(("debt_ceiling",), "debt_ceiling", -1, WHOLE_GRAIN),
    Steered(("group_limits", "ltv"), "emode_ltv", -1, BPS_GRAIN),
    Steered(("group_limits", "liquidation_threshold"), "emode_liquidation_threshold", -1, BPS_GRAIN),
    Steered(("group_limits", "liquidation_bonus"), "emode_liquidation_bonus", 1, BPS_GRAIN),
    Steered(("rates", "base_per_year"), "base_rate", 1, BPS_GRAIN, 1e-4),
    Steered(("rates", "slope_below_per_year"), "slope_1", 1, BPS_GRAIN, 1e-4),
    Steered(("rates", "slope_above_per_year"), "slope_2", 1, BPS_GRAIN, 1e-4),
    Steered(("rates", "kink"), "kink", -1, BPS_GRAIN),
)
"""The numbers that move by steps, beside haircut tiers. What is not here (price source, quality) is set."""


def value_at(limits: AssetLimits, path: tuple[str, ...]) -> float | int | None:
    """The number at ``path``; None where it, or what holds it, is unset."""
    place: Any = limits
    for part in path:
        place = None if place is None else getattr(place, part)
    return place  # type: ignore[no-any-return]


def grains(value: float, steered: Steered, *, towards: Literal["nearest", "tight"]) -> int:
    """``value`` in the unit in which it is set; ``tight`` rounds against the account."""
    count = exact(value) / steered.grain
    if towards == "nearest":
        return round(count)
    return math.ceil(count) if steered.tighter > 0 else math.floor(count)


def value_of(count: int, steered: Steered) -> float | int:
    """The number that so many grains are: an integer for ledger amounts."""
    value = count * steered.grain
    return int(value) if steered.grain >= 1 else float(value)


def joined(current: AssetLimits, proposed: Mapping[tuple[str, ...], float | int]) -> dict[tuple[str, ...], float | int]:
    """``proposed`` values, held back where they would break a rule together with what stands.

    Values that were held back are in the result with what they may be; compare to see which.
    """
    allowed = dict(proposed)
    for group in ((), ("group_limits",)):
        names = {key: (*group, key) for key in ("ltv", "liquidation_threshold", "liquidation_bonus")}
        old = {key: value_at(current, path) for key, path in names.items()}
        new = {key: allowed.get(path, old[key]) for key, path in names.items()}
        bonus, ltv, threshold = new["liquidation_bonus"], new["ltv"], new["liquidation_threshold"]
        before = old["liquidation_threshold"] or 0.0
        if threshold is not None and ltv is not None and ltv > threshold and threshold < before:
            threshold = ltv  # first, since what the threshold then leaves bounds the bonus
            allowed[names["liquidation_threshold"]] = threshold
        if threshold is not None and bonus is not None and threshold * (1.0 + bonus) > 1.0:
            if threshold > before:
                threshold = max(before, _down(1.0 / (1.0 + bonus)))
                allowed[names["liquidation_threshold"]] = threshold
            else:
                allowed[names["liquidation_bonus"]] = max(old["liquidation_bonus"] or 0.0, _down(1.0 / threshold - 1.0))
        if threshold is not None and ltv is not None and ltv > threshold:
            allowed[names["ltv"]] = threshold
    return allowed


def with_values(limits: AssetLimits, values: Mapping[tuple[str, ...], float | int]) -> AssetLimits:
    """``limits`` with these numbers, and with what follows from them (the LTV past which a liquidation does harm)."""
    document = limits.model_dump()
    for path, value in values.items():
        place = document
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
    if document["harmful_above_ltv"] is not None and ("liquidation_bonus",) in values:
        document["harmful_above_ltv"] = 1.0 / (1.0 + document["liquidation_bonus"])
    return AssetLimits.model_validate(document)


def _down(value: float) -> float:
    return math.floor(value / float(BPS_GRAIN) + 1e-9) * float(BPS_GRAIN)
