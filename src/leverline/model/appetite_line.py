"""The parts of an appetite beyond margin rates: collateral, caps, fund, fees, offsets, feedback, the governor.

A profile that leaves a section out does not calibrate that part of the line; every number is an assumption that the
user can replace.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from leverline.model.collateral import Share
from leverline.model.quantities import Noun

Positive = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]
AtLeastOne = Annotated[float, Field(ge=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class CollateralAppetite(Noun):
    """What a liquidator must earn, and how far below liquidation a loan opens."""

    gas_cost: AtLeastZero  # settlement currency, one liquidation
    smallest_liquidation: Positive  # debt repaid, settlement currency: the gas is spread over at least this
    capital_cost_per_year: AtLeastZero  # rate on the liquidator's own capital while it is bound
    latency_s: AtLeastZero  # between trigger and sale: price risk that the liquidator bears
    latency_confidence: Annotated[float, Field(ge=0.9, lt=1)]  # of the loss over the latency, per liquidation
    protocol_fee_rate: Share  # of the debt repaid
    max_bonus: Share  # an asset that needs more is not accepted
    opening_gap: Share  # ltv <= threshold * (1 - this), beside the reaction time of [initial]
    largest_liquidation: Positive  # settlement currency: size at which the slippage is taken
    haircut_slices: Annotated[int, Field(ge=1, le=20)]
    group_correlation: Share  # least correlation in the stressed window for a correlated group
    contract_grades: dict[str, Share]  # 1 is best; an asset without a grade is scored without it

    @model_validator(mode="after")
    def _sizes_stand(self) -> Self:
        if self.smallest_liquidation > self.largest_liquidation:
            raise ValueError("the smallest liquidation is not larger than the largest")
        return self


class CapsAppetite(Noun):
    """How large positions and markets may grow."""

    max_reproduction: Annotated[float, Field(gt=0, lt=1)]  # sup R(Q) of forced selling that releases forced selling
    average_liquidation: Positive  # settlement currency: where the range of Q starts
    stressed_batch_share: PositiveShare  # of open interest liquidated together: where the range of Q ends
    batch_volume_share: PositiveShare  # of a day's stressed volume that the stressed batch may be
    leverage_distribution: dict[str, Share]  # adverse: leverage (as a number in text) to its share of open interest
    owner_share: PositiveShare  # of a market's open interest; 1 where owners cannot be told apart
    open_interest_growth_per_day: Positive  # largest relative growth in a day
    manipulation_safety: AtLeastOne  # cost of moving the index over what the move can extract
    index_sources: Annotated[int, Field(ge=1)]  # spot markets that an attacker must move together
    impact_persistence: Share  # of the index move that still stands when the attacker trades back
    float_share: PositiveShare  # of the asset's market value that open interest may reach, where that value is given
    borrow_share: Share  # of the supply cap that may be borrowed

    @model_validator(mode="after")
    def _distribution_is_whole(self) -> Self:
        leverages = [_leverage(text) for text in self.leverage_distribution]
        if len(set(leverages)) != len(leverages):
            raise ValueError("leverage_distribution names a leverage twice")
        if abs(sum(self.leverage_distribution.values()) - 1.0) > 1e-9:
            raise ValueError("the shares of leverage_distribution add up to 1")
        return self

    @property
    def leverage_shares(self) -> dict[float, float]:
        """Leverage to its share of open interest, leverage rising."""
        return dict(sorted((_leverage(text), share) for text, share in self.leverage_distribution.items()))


def _leverage(text: str) -> float:
    """A leverage written as a key; refused below 1 and where it is no number."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (math.isfinite(value) and value >= 1):
        raise ValueError(f"a leverage is a number of at least 1, not {text!r}")
    return value


class FundAppetite(Noun):
    """What the insurance fund must outlast."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]  # of the expected shortfall of aggregate losses
    horizon_s: Positive  # the stress event: joint paths of this length
    paths: Annotated[int, Field(ge=100, le=1_000_000)]
    stressed_correlation: Share  # least pairwise correlation in a stress
    cover_owners: Annotated[int, Field(ge=0)]
    replenishment_per_day: AtLeastZero  # share of target that flows in on a calm day; none in a crash
    calm_days_counted: AtLeastZero  # days of inflow taken as sure before the event
    asset_haircut: Share  # on what the fund holds, in the same stress
    bonus_share: Share  # of each liquidation penalty
    market_share: Share  # of the target that one market may use
    covered_perils: tuple[str, ...]


class FeesAppetite(Noun):
    """Fees that follow volatility, funding that stays inside margin, and rates that keep a pool from running dry."""

    maker_fee_rate: Annotated[float, Field(gt=-1, lt=1)]  # negative: a rebate
    taker_fee_rate: AtLeastZero  # at normal volatility
    volatility_sensitivity: AtLeastZero  # relative rise of taker-fee income that volatility twice its normal asks for
    max_taker_fee_rate: Positive
    funding_interval_s: Positive
    funding_margin_share: Annotated[float, Field(gt=0, lt=1)]  # of maintenance that funding may use, and is reserved
    max_funding_rate_per_day: Positive  # highest clamp, however much margin could carry
    demand_elasticity: tuple[float, float]  # range used where data does not identify it; low, high; not positive
    kink: Annotated[float, Field(gt=0, lt=1)]  # highest utilisation that the rate curve aims at
    utilisation_confidence: Annotated[float, Field(gt=0.5, lt=1)]  # of the rise for which the kink leaves room
    utilisation_horizon_s: Positive  # over which borrowers answer a rate
    rate_at_kink_per_year: AtLeastZero
    rate_at_full_per_year: AtLeastZero

    @model_validator(mode="after")
    def _terms_agree(self) -> Self:
        if self.taker_fee_rate + self.maker_fee_rate < 0:
            raise ValueError("a rebate to makers is not larger than the fee of takers: the venue would pay for trades")
        if self.taker_fee_rate > self.max_taker_fee_rate:
            raise ValueError("the taker fee does not exceed its own maximum")
        low, high = self.demand_elasticity
        if not low <= high <= 0:
            raise ValueError("demand_elasticity is a range, the lower end first, that is not positive")
        if self.rate_at_full_per_year < self.rate_at_kink_per_year:
            raise ValueError("borrowing does not get cheaper past the kink")
        return self


class CrossMarginAppetite(Noun):
    """How far one position may relieve another."""

    offset_cap: Annotated[float, Field(ge=0, le=0.8)]  # largest credit; EMIR RTS 153/2013 Art. 27(4) allows no more
    stressed_window_days: Annotated[int, Field(ge=20)]
    min_correlation: Share  # in the stressed window, else no credit
    concentration_add_on: AtLeastZero  # rate on notional beyond the position cap's half
    wrong_way_add_on: AtLeastZero  # rate on positions that lose when their own collateral does
    shared_liquidity_add_on: AtLeastZero  # rate on positions of a group that would be closed into one book


class FeedbackAppetite(Noun):
    """How realised coverage moves the margin: a factor, clipped."""

    gain: Annotated[float, Field(ge=0, lt=1)]  # relative step of the margin a breach in excess of nominal
    lowest: Annotated[float, Field(gt=0, le=1)]
    highest: AtLeastOne


class LiquidityAppetite(Noun):
    """Cash that must be at hand."""

    withdrawal_share: Share  # of free collateral withdrawn in a run
    settlement_horizon_s: Positive
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


class GovernorAppetite(Noun):
    """How fast the line may move, for the venue's own policy; stewards' tables are presets of the rulebook."""

    min_delay_s: AtLeastZero  # between two changes of one parameter
    max_tightening: Positive  # relative, a step
    max_loosening: Positive
    dead_band: AtLeastZero  # relative distance to target below which nothing moves
    limit_dead_band: AtLeastZero  # the same of caps and collateral, which have no buffer
    hysteresis: AtLeastZero  # further distance needed to turn round
    emergency_max_tightening: Positive
    emergency_trigger: AtLeastOne  # target over current from which the emergency path opens
    five_day_budget: AtLeastOne  # largest five-day ratio of a margin outside an emergency
    buffer: AtLeastZero  # share of margin built in calm and spent before margins rise
    decay_s: AtLeastZero  # open positions reach a tighter line along a schedule of this length
    max_target_age_s: Positive  # an older target changes nothing

    @model_validator(mode="after")
    def _paces_agree(self) -> Self:
        if not self.max_loosening < 1:
            raise ValueError("one step loosens by less than everything")
        if not self.max_loosening <= self.max_tightening <= self.emergency_max_tightening:
            raise ValueError("the line tightens no slower than it loosens, and in an emergency no slower than else")
        if self.emergency_trigger <= 1 + self.dead_band or self.five_day_budget <= 1:
            raise ValueError("an emergency begins beyond the dead band, and the five-day budget leaves room to rise")
        return self
