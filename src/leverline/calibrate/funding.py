r"""Funding that stays inside margin: the clamp, and what maintenance reserves for it.

A position that is being liquidated still owes funding. Inside a margin period of length :math:`h` at most
:math:`n = \lfloor h / i \rfloor + 1` payments fall due, whatever the phase, with interval :math:`i`: ten seconds can
hold one. Maintenance rate :math:`m(N)` is therefore raised to :math:`m + c\,n`, and the clamp :math:`c`, the largest
rate an interval, is the one at which funding uses share :math:`s` of what is then held at the tightest size:

.. math:: c = \min_N \frac{s}{1 - s}\, \frac{m(N)}{n(N)},

or the appetite's highest, where margin could carry more than a peg needs: what is reserved is paid for by everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leverline.calibrate.requirement import MarketMeasures, Requirement, moved_drivers, requirement
from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError, require
from leverline.market.bars import NS_PER_S
from leverline.market.symbols import is_unified, parse_unified
from leverline.market.trades import Series
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite
from leverline.model.appetite_line import FeesAppetite
from leverline.model.instrument import Kind
from leverline.model.limitbook import Basis, Explanation, Tier
from leverline.model.quantities import UNITS_PER_ONE

CLAMP_STEP = 1e-6
"""Clamps are rounded down to this: venues charge funding in parts per million."""


@dataclass(frozen=True, slots=True)
class FundingTerms:
    """Largest funding rate an interval, either way.

    ``tightest_notional`` is the size (settlement currency) at which margin sets it; None where the appetite does.
    """

    interval_s: float
    clamp_rate: float
    tightest_notional: float | None

    def limits(self) -> dict[str, float]:
        """As a limit book has it: ``reserve_rate`` is what maintenance holds for one payment."""
        return {"interval_s": self.interval_s, "clamp_rate": self.clamp_rate, "reserve_rate": self.clamp_rate}

    def due(self, margin_period_s: FloatArray) -> FloatArray:
        """Most funding that can fall due inside each margin period, fraction of notional."""
        return np.asarray(self.clamp_rate * payments(margin_period_s, self.interval_s))


def has_funding(symbol: str) -> bool:
    """Whether ``symbol`` names a perpetual: nothing else pays funding."""
    return is_unified(symbol) and parse_unified(symbol).kind is Kind.PERPETUAL


def payments(margin_period_s: FloatArray, interval_s: float) -> IntArray:
    """Most payments that fall into each margin period, at least one."""
    require(interval_s > 0, "a funding interval is positive", got=interval_s)
    return np.asarray(np.floor(np.asarray(margin_period_s) / interval_s + 1e-9) + 1, dtype=np.int64)


def funding_terms(needs: Requirement, fees: FeesAppetite) -> FundingTerms:
    """The clamp that ``needs``, before anything is reserved for funding, can carry."""
    require(not np.any(needs.funding), "the requirement already reserves funding")
    share, counts = fees.funding_margin_share, payments(needs.margin_period_s, fees.funding_interval_s)
    room = share / (1.0 - share) * needs.maintenance_rate / counts
    tightest = int(np.argmin(room))
    highest = fees.max_funding_rate_per_day * fees.funding_interval_s / SECONDS_PER_DAY
    clamp = float(np.floor(min(room[tightest], highest) / CLAMP_STEP + 1e-9)) * CLAMP_STEP
    return FundingTerms(fees.funding_interval_s, round(clamp, 12),
                        float(needs.notional[tightest]) if room[tightest] < highest else None)


def reserved(needs: Requirement, terms: FundingTerms) -> Requirement:
    """The requirement with the most funding that can fall due inside its margin period, at each size."""
    return replace(needs, funding=terms.due(needs.margin_period_s))


def uncovered_funding(tiers: Sequence[Tier], needs: Requirement, terms: FundingTerms) -> FloatArray:
    """By how much published maintenance falls short of losses, costs and funding at each size of ``needs``, a rate.

    Zero everywhere is what a venue must show before it charges funding; tiers fitted to :func:`reserved` do.
    """
    asked = replace(needs, funding=terms.due(needs.margin_period_s)).maintenance_rate
    held = np.max([tier.maintenance_margin_rate - tier.maintenance_deduction / UNITS_PER_ONE / needs.notional
                   for tier in tiers], axis=0)
    return np.asarray(np.maximum(0.0, asked - held))


def explain_funding(root: str, terms: FundingTerms, market: MarketMeasures, needs: Requirement,
                    appetite: RiskAppetite) -> dict[str, Explanation]:
    """Explanations by JSON pointer below ``root``, the instrument's."""
    fees = _fees(appetite)
    moved = {driver: funding_terms(requirement(*bumped, needs.notional), fees).clamp_rate
             for driver, bumped in moved_drivers(market, appetite).items()}
    halved = fees.model_copy(update={"funding_interval_s": 0.5 * fees.funding_interval_s})
    moved["funding interval halved"] = funding_terms(replace(needs, funding=0.0), halved).clamp_rate
    sensitivity = {driver: round(clamp / terms.clamp_rate - 1.0, 4) if terms.clamp_rate else None
                   for driver, clamp in moved.items()}
    basis = Basis.ASSUMED if terms.tightest_notional is None else Basis.MEASURED
    return {
        f"{root}/funding/clamp_rate": Explanation(
            binding=_binding(terms, needs, fees), basis=basis, sensitivity=sensitivity),
        f"{root}/funding/reserve_rate": Explanation(
            binding="one payment at the clamp: maintenance holds it for each that can fall due", basis=basis,
            sensitivity=sensitivity),
        f"{root}/funding/interval_s": Explanation(binding="risk appetite", basis=Basis.ASSUMED),
    }


def _binding(terms: FundingTerms, needs: Requirement, fees: FeesAppetite) -> str:
    if terms.tightest_notional is None:
        return f"appetite's highest funding, {100 * fees.max_funding_rate_per_day:g} % a day"
    period = np.interp([terms.tightest_notional], needs.notional, needs.margin_period_s)
    count = int(payments(period, terms.interval_s)[0])
    return (f"{100 * fees.funding_margin_share:g} % of maintenance at {terms.tightest_notional:,.0f} carries "
            f"{count} payment{'s' * (count > 1)} inside the margin period")


@dataclass(frozen=True, slots=True)
class ClampUse:
    """How often observed funding would have met the clamp; ``needed_rate`` is the largest seen, an interval of ours."""

    share_clamped: float
    needed_rate: float
    observations: int


def clamp_use(observed: Series, terms: FundingTerms) -> ClampUse:
    """Observed funding, spread evenly over its own interval, against the clamp.

    A perpetual whose funding is clamped often drifts from its index: margin then holds, but the peg does not.
    """
    if observed.kind != "funding":
        raise UsageError(f"the clamp is held against funding, not {observed.kind}")
    require(len(observed) >= 2, "at least two rates show their interval", got=len(observed))
    theirs = float(np.median(np.diff(observed.ts))) / NS_PER_S
    rate = np.abs(observed.value) * terms.interval_s / theirs
    return ClampUse(float(np.mean(rate > terms.clamp_rate)), float(rate.max()), len(observed))


def _fees(appetite: RiskAppetite) -> FeesAppetite:
    if appetite.fees is None:
        raise UsageError("the appetite has no section [fees]", remedy="add one, or calibrate without it")
    return appetite.fees
