"""Numbers as a reader wants them: percent, 12x, 1.5 M USD, a date. Plain text; nothing here knows of HTML.

``None`` and NaN come out as None: whoever prints decides what a missing number looks like, and says why it is missing.
A no-break space stands between number and unit.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from leverline.model import RiskAppetite
from leverline.model.quantities import UNITS_PER_ONE

NS_PER_S = 1_000_000_000
SPACE = "\u00a0"
_SCALES = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k"))
_SPANS = ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def known(value: float | None) -> bool:
    """True where there is a finite number."""
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 3) -> str | None:
    """``value`` with ``digits`` significant digits, never in exponent form."""
    if value is None or not math.isfinite(value):
        return None
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(decimals, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(rate: float | None, digits: int = 3) -> str | None:
    """A fraction as percent: 0.125 is ``12.5 %``."""
    text = number(None if rate is None else 100.0 * rate, digits)
    return None if text is None else f"{text}{SPACE}%"


def leverage(multiple: float | None) -> str | None:
    """``12x``, ``2.5x``."""
    text = number(multiple, 4)
    return None if text is None else f"{text}x"


def notional(amount: float | None, currency: str = "") -> str | None:
    """An amount in the settlement currency: ``1.5 M USD``."""
    if amount is None or not math.isfinite(amount):
        return None
    scale, suffix = next(((s, name) for s, name in _SCALES if abs(amount) >= s), (1.0, ""))
    parts = (number(amount / scale, 4), suffix, currency)
    return SPACE.join(part for part in parts if part)


def ledger_amount(units: int | None, currency: str = "") -> str | None:
    """As :func:`notional`, from ledger units."""
    return None if units is None else notional(units / UNITS_PER_ONE, currency)


def count(value: float | None) -> str | None:
    """A count with thin groups: ``1 825``; a mean of counts with one decimal."""
    if value is None:
        return None
    return (f"{value:,.0f}" if value == round(value) else f"{value:,.1f}").replace(",", "\u202f")


def p_value(value: float | None) -> str | None:
    """A p-value: three decimals, ``<0.001`` below."""
    if value is None or not math.isfinite(value):
        return None
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def span(seconds: float) -> str:
    """A duration: ``1 day``, ``8 hours``, ``90 minutes``."""
    size, unit = next(((s, name) for s, name in _SPANS if seconds >= s and (seconds / s) % 0.5 == 0), (1.0, "second"))
    text = number(seconds / size, 6)
    return f"{text}{SPACE}{unit}{'' if text == '1' else 's'}"


def about(seconds: float) -> str:
    """A duration to two digits, in the largest unit it fills: ``14 minutes``, ``3.2 days``."""
    size, unit = next(((s, name) for s, name in _SPANS if seconds >= s), _SPANS[-1])
    text = number(seconds / size, 2)
    return f"{text}{SPACE}{unit}{'' if text == '1' else 's'}"


def instant(ts: int) -> datetime:
    """Nanoseconds UTC as a datetime."""
    return datetime.fromtimestamp(ts // NS_PER_S, UTC)


def date(ts: int) -> str:
    """``2020-03-12``."""
    return f"{instant(ts):%Y-%m-%d}"


def moment(when: datetime) -> str:
    """``2020-12-08 00:00 UTC``."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def listing(names: tuple[str, ...] | list[str], most: int = 6) -> str:
    """``A, B and C``; ``A, B and 7 others`` past ``most``."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "none"


def exceedance_words(confidence: float, horizon_s: float) -> str:
    """``1 % per window of 1 day``: the allowed probability and its unit."""
    return f"{percent(1.0 - confidence)} per window of {span(horizon_s)}"


def appetite_words(appetite: RiskAppetite) -> list[tuple[str, str, str]]:
    """The venue's assumptions as (assumption, value, meaning), in the order in which they act."""
    period, costs, first, steady = (appetite.margin_period, appetite.costs, appetite.initial,
                                    appetite.anti_procyclicality)
    per = {"per_day": "per day", "per_margin_period": "per margin period", "per_account_year": "per account and year"}
    bearer = {"venue": "the venue: slippage and fee are part of maintenance margin",
              "liquidator": "the liquidator: margin covers the price move alone"}
    rows: list[tuple[str, str | None, str]] = [
        ("Breaches accepted", f"{percent(1 - appetite.confidence.level)} {per[appetite.confidence.unit]}",
         "Probability that a loss passes the maintenance margin."),
        ("Detection", span(period.detection_s), "From the breach of margin to the first order."),
        ("Oracle delay", span(period.oracle_delay_s), "How late the price is known."),
        ("Participation", percent(period.participation), "Share of stressed volume that a liquidation may be."),
        ("Stressed volume", f"{percent(period.stressed_volume_quantile)} quantile", "Of traded volume."),
        ("Longest liquidation", span(period.max_liquidation_s), "No position may take longer; one source of the cap."),
        ("Reaction time", span(first.reaction_s), "What initial margin adds: the trader's time to act."),
        ("Reaction confidence", f"{percent(first.reaction_confidence)} per reaction time",
         "Probability that the buffer above maintenance lasts that long."),
        ("Least buffer", percent(first.minimum_buffer), "Of maintenance, by which initial margin stands above it."),
        ("Slippage is borne by", bearer[costs.slippage_bearer], "Who pays for closing the position."),
        ("Impact coefficient", number(costs.impact_coefficient), "Of the square-root law of market impact."),
        ("Taker fee", percent(costs.taker_fee_rate), "Of notional."),
        ("Liquidation cost budget", percent(costs.liquidation_cost_budget), "Largest slippage accepted."),
        ("Share of daily volume", percent(costs.max_share_of_daily_volume), "Of stressed volume, per position."),
        ("Crowding", number(costs.crowding), "Accounts' worth liquidated in the same interval as one."),
        ("Age of depth", span(costs.max_depth_age_s), "Older books and bands count as a shape only."),
        ("Basis allowance", percent(costs.basis_allowance_rate), "Between mark and fill, where not measured."),
        ("Exhaustible buffer", percent(steady.buffer), "EMIR RTS 153/2013, Art. 28(1)(a)."),
        ("Stress weight", percent(steady.stress_weight), "EMIR RTS 153/2013, Art. 28(1)(b)."),
        ("Floor look-back", None if steady.floor_lookback_days is None else f"{steady.floor_lookback_days} days",
         "EMIR RTS 153/2013, Art. 28(1)(c)."),
        ("Lowest maintenance", percent(appetite.rounding.minimum_maintenance_rate),
         "Nothing is published below this, however calm the market."),
        ("Maintenance step", percent(appetite.rounding.maintenance_step), "Published rates are multiples of this."),
        ("Highest leverage", leverage(appetite.rounding.max_leverage), "Never published above this."),
        ("Tiers", f"at most {appetite.rounding.tiers}", "Per market."),
    ]
    rows += _collateral_words(appetite)
    rows += _caps_words(appetite)
    rows += governor_words(appetite)
    rows += _fund_words(appetite)
    rows += _fees_words(appetite)
    rows += _cross_margin_words(appetite)
    rows += _feedback_words(appetite)
    rows += _liquidity_words(appetite)
    return [(name, value or "off", meaning) for name, value, meaning in rows]


def _collateral_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """The assumptions on collateral, where there are any."""
    pledged, currency = appetite.collateral, appetite.settlement
    if pledged is None:
        return []
    grades = ", ".join(f"{asset} {number(grade)}" for asset, grade in pledged.contract_grades.items())
    return [
        ("Gas of a liquidation", notional(pledged.gas_cost, currency), "What starting one costs."),
        ("Smallest liquidation", notional(pledged.smallest_liquidation, currency), "Debt repaid that earns the gas."),
        ("Largest liquidation", notional(pledged.largest_liquidation, currency), "Size at which slippage is taken."),
        ("Liquidator's capital", f"{percent(pledged.capital_cost_per_year)} per year", "While it is bound."),
        ("Liquidation latency", span(pledged.latency_s), "From the trigger to the sale, at the liquidator's risk."),
        ("Latency confidence", f"{percent(pledged.latency_confidence)} per liquidation", "Of the loss meanwhile."),
        ("Protocol fee", percent(pledged.protocol_fee_rate), "Of the debt repaid, beside the bonus."),
        ("Highest bonus", percent(pledged.max_bonus), "An asset that needs more is not accepted."),
        ("Opening gap", percent(pledged.opening_gap), "Of the liquidation threshold, least distance of LTV."),
        ("Haircut slices", f"at most {pledged.haircut_slices}", "Per asset."),
        ("Group correlation", percent(pledged.group_correlation), "Least, in the stressed window."),
        ("Contract grades", grades or "none", "The user's, 1 is best; an asset without one is scored without it."),
    ]


def _caps_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """The assumptions on caps, where there are any."""
    caps, currency = appetite.caps, appetite.settlement
    if caps is None:
        return []
    shares = ", ".join(f"{leverage(level)} {percent(share)}" for level, share in caps.leverage_shares.items())
    owner = "void" if caps.owner_share == 1.0 else percent(caps.owner_share)
    return [
        ("Reproduction allowed", number(caps.max_reproduction), "Forced trades that forced trades may release."),
        ("Average liquidation", notional(caps.average_liquidation, currency), "Where forced trades start to count."),
        ("Stressed batch", percent(caps.stressed_batch_share), "Of open interest, liquidated together."),
        ("Stressed batch in volume", percent(caps.batch_volume_share), "Of a day's stressed volume, at most."),
        ("Leverage distribution", shares, "Of open interest, adverse; used where none is given."),
        ("Owner's share", owner, "Of open interest; void where owners cannot be told apart."),
        ("Growth of open interest", f"{percent(caps.open_interest_growth_per_day)} per day", "At most."),
        ("Manipulation safety", number(caps.manipulation_safety), "Cost of moving the index over what that takes out."),
        ("Index sources", f"{caps.index_sources}", "Markets that an attacker must move together."),
        ("Impact that persists", percent(caps.impact_persistence), "Of the move, when the attacker trades back."),
        ("Share of float", percent(caps.float_share), "Of the asset's market value, at most."),
        ("Share lent out", percent(caps.borrow_share), "Of the supply cap, at most."),
    ]


def governor_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """The pace at which the line moves, where a governor moves it."""
    pace = appetite.governor
    if pace is None:
        return []
    return [
        ("Least delay", span(pace.min_delay_s), "Between two changes of one limit."),
        ("Largest tightening", percent(pace.max_tightening), "Of what is asked, a step."),
        ("Largest loosening", percent(pace.max_loosening), "Of what is asked, a step."),
        ("Dead band", percent(pace.dead_band), "By which the target may pass a margin before it moves."),
        ("Dead band of other limits", percent(pace.limit_dead_band), "Of caps and collateral, both ways."),
        ("Hysteresis", percent(pace.hysteresis), "Further distance needed to turn round."),
        ("Emergency step", percent(pace.emergency_max_tightening), "Of what is asked, at most."),
        ("Emergency", f"{number(pace.emergency_trigger)} times", "Target over margin from which it is one."),
        ("Five-day budget", f"{number(pace.five_day_budget)} times", "Largest five-day rise outside an emergency."),
        ("Governed buffer", percent(pace.buffer), "Kept in a calm, spent before margins rise."),
        ("Leverage decay", span(pace.decay_s), "In which open positions reach a tighter line."),
        ("Age of a target", span(pace.max_target_age_s), "An older calibration moves nothing."),
    ]


def _fees_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """Fees, funding and rate curves, where there are any."""
    fees = appetite.fees
    if fees is None:
        return []
    low, high = fees.demand_elasticity
    return [
        ("Maker fee", percent(fees.maker_fee_rate), "Of notional; below zero a rebate."),
        ("Taker fee", percent(fees.taker_fee_rate), "Of notional, at normal volatility."),
        ("Fee income and volatility", percent(fees.volatility_sensitivity), "More, at twice the normal volatility."),
        ("Highest taker fee", percent(fees.max_taker_fee_rate), "However volatile."),
        ("Funding interval", span(fees.funding_interval_s), "Between two payments."),
        ("Funding in maintenance", percent(fees.funding_margin_share), "Of it, reserved for funding; sets the clamp."),
        ("Highest funding", f"{percent(fees.max_funding_rate_per_day)} per day", "However much margin could carry."),
        ("Demand elasticity", f"{low:g} to {high:g}", "Used where no data identifies it."),
        ("Kink", percent(fees.kink), "Highest utilisation that a rate curve aims at."),
        ("Room above the kink", percent(fees.utilisation_confidence), "Of rises of utilisation it leaves room for."),
        ("Answer of borrowers", span(fees.utilisation_horizon_s), "To a dearer rate; rises are taken over it."),
        ("Borrow rate at the kink", f"{percent(fees.rate_at_kink_per_year)} per year", "What is aimed at costs."),
        ("Borrow rate at full use", f"at least {percent(fees.rate_at_full_per_year)} per year",
         "Higher where demand needs it to fall back to the kink."),
    ]


def _feedback_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """How realised coverage moves margins, where it does."""
    feedback = appetite.feedback
    if feedback is None:
        return []
    return [
        ("Coverage feedback", percent(feedback.gain), "Step of the margin for a breach."),
        ("Lowest feedback", f"{number(feedback.lowest)} times", "Factor on margins after a long calm."),
        ("Highest feedback", f"{number(feedback.highest)} times", "A model that needs more is to be replaced."),
    ]


def _fund_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """The assumptions on the insurance fund, where there are any."""
    fund = appetite.fund
    if fund is None:
        return []
    return [
        ("Fund confidence", f"{percent(fund.confidence, 5)} per stress event", "Of the shortfall of aggregate losses."),
        ("Stress event", span(fund.horizon_s), "How long joint paths are."),
        ("Joint paths", count(fund.paths), "Drawn with stressed dependence."),
        ("Stressed correlation", number(fund.stressed_correlation), "Least, between any two markets."),
        ("Owners covered", number(fund.cover_owners), "The largest, each in its own worst paths."),
        ("Replenishment", f"{percent(fund.replenishment_per_day)} of target per day", "It stops in a crash."),
        ("Calm days counted", number(fund.calm_days_counted), "Of inflow before the event."),
        ("Haircut of the fund's assets", percent(fund.asset_haircut), "Least, in the same stress."),
        ("Penalties to the fund", percent(fund.bonus_share), "Share of each."),
        ("Fund per market", f"at most {percent(fund.market_share)}", "Of the target."),
        ("Covered perils", ", ".join(fund.covered_perils) or "none", "What the fund pays for; nothing else."),
    ]


def _cross_margin_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """The assumptions on cross margin and classes of accounts, where there are any."""
    cross, classes = appetite.cross_margin, appetite.account_classes or {}
    rows: list[tuple[str, str | None, str]] = [] if cross is None else [
        ("Offset credit", f"at most {percent(cross.offset_cap)}", "Of the smaller leg of a hedge."),
        ("Stressed window", f"{cross.stressed_window_days} days", "The loudest, on which a correlation must hold."),
        ("Offset correlation", number(cross.min_correlation), "Least lower bound in that window."),
        ("Concentration add-on", percent(cross.concentration_add_on), "On notional beyond half the position cap."),
        ("Wrong-way add-on", percent(cross.wrong_way_add_on), "Where collateral loses when the position does."),
        ("Shared-liquidity add-on", percent(cross.shared_liquidity_add_on), "Where two close into one book."),
    ]
    return rows + [(f"Leverage of {name} accounts", f"at most {leverage(most)}", "Access by class.")
                   for name, most in classes.items()]


def _liquidity_words(appetite: RiskAppetite) -> list[tuple[str, str | None, str]]:
    """The assumptions on cash at hand, where there are any."""
    cash = appetite.liquidity
    if cash is None:
        return []
    return [
        ("Run of withdrawals", percent(cash.withdrawal_share), "Of free collateral."),
        ("Settlement", span(cash.settlement_horizon_s), "From paying winners to having collected from losers."),
        ("Settlement confidence", percent(cash.confidence), "Of the shortfall of profits due."),
    ]
