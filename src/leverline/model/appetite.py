"""What a venue is willing to lose, and why: the only place where money decisions enter a calibration.

Profiles are TOML files beside this module; every number in them is an assumption the user can replace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from leverline.ground.errors import UsageError
from leverline.model.appetite_line import (
    CapsAppetite,
    CollateralAppetite,
    CrossMarginAppetite,
    FeedbackAppetite,
    FeesAppetite,
    FundAppetite,
    GovernorAppetite,
    LiquidityAppetite,
)
from leverline.model.noun_files import read_noun, shipped_noun
from leverline.model.quantities import Noun

PROFILES = ("exchange", "perp-dex", "ccp")

Probability = Annotated[float, Field(gt=0, lt=1)]
Seconds = Annotated[float, Field(ge=0)]

SECONDS_PER_DAY = 86_400.0
DAYS_PER_YEAR = 365.0


class Confidence(Noun):
    """The share of periods in which margin must suffice, and which periods are counted."""

    level: Probability
    unit: Literal["per_day", "per_margin_period", "per_account_year"]

    def exceedance_per_margin_period(self, horizon_s: float) -> float:
        """Allowed probability of a breach in one margin period of ``horizon_s`` seconds, periods independent."""
        if self.unit == "per_margin_period":
            return 1.0 - self.level
        span = SECONDS_PER_DAY * (1.0 if self.unit == "per_day" else DAYS_PER_YEAR)
        return float(1.0 - self.level ** (horizon_s / span))


class MarginPeriod(Noun):
    """The fixed parts of the margin period of risk; liquidation time is added per size."""

    detection_s: Seconds
    oracle_delay_s: Seconds
    participation: Annotated[float, Field(gt=0, le=1)]  # share of stressed volume the liquidator may be
    stressed_volume_quantile: Probability  # low quantile of volume taken as stressed
    max_liquidation_s: Annotated[float, Field(gt=0)]  # no position may take longer; sets the position cap


class Initial(Noun):
    """How far above maintenance a position must open: the trader's time to react."""

    reaction_s: Seconds
    reaction_confidence: Probability  # per reaction period
    minimum_buffer: Annotated[float, Field(ge=0)]  # initial >= maintenance * (1 + this)


class Costs(Noun):
    """What closing a position costs whoever closes it."""

    slippage_bearer: Literal["venue", "liquidator"]
    impact_coefficient: Annotated[float, Field(ge=0)]  # Y of the square-root law
    taker_fee_rate: Annotated[float, Field(ge=0)]
    liquidation_cost_budget: Annotated[float, Field(gt=0)]  # largest slippage rate the venue accepts; caps positions
    max_share_of_daily_volume: Annotated[float, Field(gt=0, le=1)]  # of stressed daily volume, per position
    crowding: Annotated[float, Field(ge=1)]  # accounts' worth liquidated in the same interval as one
    max_depth_age_s: Seconds  # older books and bands count as a shape in percent of volume only
    basis_allowance_rate: Annotated[float, Field(ge=0)]  # between mark and fill, where the two were not both seen


class AntiProcyclicality(Noun):
    """The three tools of EMIR RTS 153/2013 Art. 28(1); zero or None switches one off."""

    buffer: Annotated[float, Field(ge=0)]  # (a) share added to margin, exhaustible in stress
    stress_weight: Annotated[float, Field(ge=0, le=1)]  # (b) weight of the stressed observations
    floor_lookback_days: Annotated[int, Field(gt=0)] | None = None  # (c) margin never below that of this look-back


class Rounding(Noun):
    """How published numbers are rounded, always against the account, and below what none is published."""

    minimum_maintenance_rate: Annotated[float, Field(ge=0, lt=1)]  # calm markets are not trusted beyond this
    maintenance_step: Annotated[float, Field(gt=0, lt=1)]
    max_leverage: Annotated[float, Field(ge=1)]
    tiers: Annotated[int, Field(ge=1, le=50)]


class RiskAppetite(Noun):
    """All assumptions of one venue. Read with :meth:`profile` or :meth:`read`."""

    name: str
    why: str
    settlement: str
    confidence: Confidence
    margin_period: MarginPeriod
    initial: Initial
    costs: Costs
    anti_procyclicality: AntiProcyclicality
    rounding: Rounding
    collateral: CollateralAppetite | None = None
    caps: CapsAppetite | None = None
    fund: FundAppetite | None = None
    fees: FeesAppetite | None = None
    cross_margin: CrossMarginAppetite | None = None
    feedback: FeedbackAppetite | None = None
    liquidity: LiquidityAppetite | None = None
    governor: GovernorAppetite | None = None
    account_classes: dict[str, Annotated[float, Field(ge=1)]] | None = None  # class to its highest leverage

    @classmethod
    def profile(cls, name: str) -> RiskAppetite:
        """A profile that ships with leverline: ``exchange``, ``perp-dex`` or ``ccp``."""
        if name not in PROFILES:
            raise UsageError(f"there is no profile {name!r}", remedy=f"choose one of {', '.join(PROFILES)}")
        return shipped_noun(cls, "leverline.model", "profiles", f"{name}.toml")

    @classmethod
    def read(cls, path: Path) -> RiskAppetite:
        """Read a TOML file; refuse (exit 2) unknown keys, missing keys and values out of range."""
        return read_noun(cls, path, remedy="start from a shipped profile")
