"""The parts of an appetite beyond margin rates: collateral, caps, fund, fees, offsets, feedback, the governor.

A profile that leaves a section out does not calibrate that part of the line; every number is an assumption that the
user can replace.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leverline.model.collateral import Share
from leverline.model.quantities import Noun

Positive = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]
AtLeastOne = Annotated[float, Field(ge=1)]


class CollateralAppetite(Noun):
    """What a liquidator must earn, and how far below liquidation a loan opens."""

    gas_cost: AtLeastZero  # settlement currency, one liquidation
    smallest_liquidation: Positive  # debt repaid, settlement currency: the gas is spread over at least this
    capital_cost_per_year: AtLeastZero  # rate on the liquidator's own capital while it is bound
    latency_s: AtLeastZero  # between trigger and sale: price risk that the liquidator bears
    latency_confidence: Annotated[float, Field(gt=0.5, lt=1)]  # of the loss over the latency, per liquidation
    protocol_fee_rate: Share  # of the debt repaid
    max_bonus: Share  # an asset that needs more is not accepted
    opening_gap: Share  # ltv <= threshold * (1 - this), beside the reaction time of [initial]
    largest_liquidation: Positive  # settlement currency: size at which the slippage is taken
    haircut_slices: Annotated[int, Field(ge=1, le=20)]
    group_correlation: Share  # least correlation in the stressed window for a correlated group
    contract_grades: dict[str, Share]  # 1 is best; an asset without a grade is scored without it


class CapsAppetite(Noun):
    """How large positions and markets may grow."""

    max_reproduction: Annotated[float, Field(gt=0, lt=1)]  # sup R(Q) of forced selling that releases forced selling
    average_liquidation: Positive  # settlement currency: where the range of Q starts
    stressed_batch_share: Share  # of open interest liquidated together: where the range of Q ends
    leverage_distribution: dict[str, Share]  # adverse: leverage (as a number in text) to its share of open interest
    owner_share: Share  # of a market's open interest
    open_interest_growth_per_day: Positive  # largest relative growth in a day
    manipulation_safety: AtLeastOne  # cost of moving the index over what the move can extract
    index_sources: Annotated[int, Field(ge=1)]  # spot markets that an attacker must move together
    float_share: Share  # of the asset's market value that open interest may reach, where that value is given
    borrow_share: Share  # of the supply cap that may be borrowed


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
    """Fees that follow volatility, and funding that stays inside margin."""

    maker_fee_rate: float
    taker_fee_rate: AtLeastZero
    volatility_sensitivity: AtLeastZero  # relative rise of the taker fee for volatility twice its normal
    max_taker_fee_rate: Positive
    funding_interval_s: Positive
    funding_margin_share: Share  # of maintenance that funding over the margin period may use
    demand_elasticity: tuple[float, float]  # range used where data does not identify it; negative
    kink: Annotated[float, Field(gt=0, lt=1)]
    rate_at_kink_per_year: AtLeastZero
    rate_at_full_per_year: AtLeastZero


class CrossMarginAppetite(Noun):
    """How far one position may relieve another."""

    offset_cap: Share  # largest credit
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
    hysteresis: AtLeastZero  # further distance needed to turn round
    emergency_max_tightening: Positive
    emergency_trigger: AtLeastOne  # target over current from which the emergency path opens
    five_day_budget: AtLeastOne  # largest five-day ratio of a margin outside an emergency
    buffer: AtLeastZero  # share of margin built in calm and spent before margins rise
    decay_s: AtLeastZero  # open positions reach a tighter line along a schedule of this length
    max_target_age_s: Positive  # an older target changes nothing
