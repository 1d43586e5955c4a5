"""Limits of the venue as a whole: its insurance fund, what may offset what, and the cash it keeps at hand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leverline.model.collateral import Share
from leverline.model.quantities import Noun, Rate, Units


class FundLimits(Noun):
    """The insurance fund: how large, what it pays for, and what flows into it."""

    target: Units
    covered_perils: tuple[str, ...]
    cover_owners: int  # the largest owners by stressed loss that the fund outlasts
    bonus_share: Share  # of each liquidation penalty
    market_share: dict[str, Share]  # of the target that one market may use
    asset_haircuts: dict[str, Share]  # of what the fund itself holds


class Offset(Noun):
    """Two markets whose opposite positions relieve each other: share of the smaller margin that is given back."""

    first: str
    second: str
    credit: Share
    correlation: float  # in the stressed window


class LiquidityBuffer(Noun):
    """Cash kept ready: what a run of withdrawals and the settlement of stressed profits would take."""

    withdrawals: Units
    settlement: Units


class VenueLimits(Noun):
    """Limits of the venue as a whole; None is unset."""

    insurance_fund_target: Units | None = None
    insurance_fund: FundLimits | None = None
    offsets: tuple[Offset, ...] | None = None
    liquidity_buffer: LiquidityBuffer | None = None
    confidence_adjustment: Annotated[float, Field(gt=0)] | None = None  # factor on margins from realised coverage
    account_classes: dict[str, Annotated[float, Field(ge=1)]] | None = None  # class to its highest leverage
    breakers: dict[str, Rate] | None = None
