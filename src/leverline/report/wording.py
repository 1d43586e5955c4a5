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
    rows = [
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
    return [(name, value or "off", meaning) for name, value, meaning in rows]
