"""Limits of one collateral asset: what it may back, when it is sold, and what the sale costs its owner."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from leverline.model.quantities import Noun, Rate, Units

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, in [0, 1]."""


class HaircutTier(Noun):
    """From ``value_floor`` of an account's holding on, each further unit of value counts at ``1 - haircut``."""

    value_floor: Units
    haircut: Share


class GroupLimits(Noun):
    """Higher limits that hold while collateral and debt are both of one correlated group (e-mode)."""

    group: str
    ltv: Share
    liquidation_threshold: Share
    liquidation_bonus: Rate


class RateCurve(Noun):
    """Borrow rate by utilisation with a kink, all per year: base, then ``slope_below``, past ``kink`` ``slope_above``.

    The slopes are what the rate gains from 0 to the kink and from the kink to full utilisation.
    """

    base_per_year: Rate
    slope_below_per_year: Rate
    slope_above_per_year: Rate
    kink: Annotated[float, Field(gt=0, lt=1)]


class QualityScore(Noun):
    """How good an asset is as collateral, 0 to 1, with the parts it is made of (same scale, 1 is best)."""

    score: Share
    parts: dict[str, Share | None]  # None: not measured, and left out of the score


class AssetLimits(Noun):
    """Everything the book says of one collateral asset; None is unset.

    ``ltv`` opens, ``liquidation_threshold`` liquidates; ``liquidation_bonus`` is what the liquidator gains on the debt
    it repays. A liquidation raises LTV once LTV is past ``harmful_above_ltv``, 1 / (1 + bonus).
    """

    ltv: Rate | None = None
    liquidation_threshold: Rate | None = None
    liquidation_bonus: Rate | None = None
    protocol_fee_rate: Rate | None = None  # of the debt repaid, beside the bonus
    harmful_above_ltv: Share | None = None
    haircut_tiers: tuple[HaircutTier, ...] | None = None
    supply_cap: Units | None = None
    borrow_cap: Units | None = None
    debt_ceiling: Units | None = None
    group_limits: GroupLimits | None = None
    opening_price: Literal["market", "lower_of_market_and_redemption"] | None = None
    quality: QualityScore | None = None
    rates: RateCurve | None = None

    @model_validator(mode="after")
    def _thresholds_stand(self) -> Self:
        _check_threshold(self.ltv, self.liquidation_threshold, self.liquidation_bonus)
        if self.group_limits is not None:
            group = self.group_limits
            _check_threshold(group.ltv, group.liquidation_threshold, group.liquidation_bonus)
        for lower, upper in pairwise(self.haircut_tiers or ()):
            if upper.value_floor <= lower.value_floor or upper.haircut < lower.haircut:
                raise ValueError("haircut tiers ascend in value and never fall in haircut")
        return self


def _check_threshold(ltv: float | None, threshold: float | None, bonus: float | None) -> None:
    if ltv is not None and threshold is not None and ltv > threshold:
        raise ValueError("ltv does not exceed the liquidation threshold: a loan would open liquidatable")
    if threshold is not None and threshold * (1.0 + (bonus or 0.0)) > 1.0 + 1e-12:
        raise ValueError("threshold * (1 + bonus) does not exceed 1: seizing would cost more than the collateral")
