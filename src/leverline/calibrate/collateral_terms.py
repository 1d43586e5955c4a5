r"""The arithmetic of one collateral asset: bonus, liquidation threshold and LTV from what was measured of it.

**The liquidator bears slippage.** Whoever repays a debt D receives collateral worth D(1 + b) at the oracle's price and
sells it. With slippage s(D), loss over the latency l, basis g between oracle and market, sale fee c, gas G and capital
cost k it does not lose if

.. math:: (1 + b)(1 - s)(1 - l)(1 - g)(1 - c) \ge 1 + G/D + k

for every D between the smallest and the largest liquidation: small ones bear the gas, large ones the slippage, none
bears both. b is therefore at least the plain sum of those rates at each size. The pool loses nothing if what is left of
the collateral after the margin period covers the debt with the bonus and the protocol's fee f:

.. math:: \text{threshold} \le \frac{1 - q}{1 + b + f}

Slippage is not added again: it stands in b.

**The venue executes.** Slippage, basis and fee stand in the threshold, as in maintenance margin; the bonus is only what
the venue pays to whoever starts the sale, its gas:

.. math:: \text{threshold} \le \frac{1 - q - s - g - c}{1 + b + f}

A loan opens where the price may fall by the loss r of the reaction time before it can be liquidated:
:math:`\text{ltv} \le \text{threshold} (1 - \max(r, \text{gap}))`. A liquidation that repays d and takes d(1 + b)
lowers LTV only while LTV < 1 / (1 + b) (Warmuz, Chaudhary and Pinna 2022, arXiv 2212.07306, describe the frontier).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

import numpy as np

from leverline.calibrate.margin_period import LossCurve, margin_period_s
from leverline.calibrate.pegged import PegMeasures
from leverline.calibrate.requirement import MarketMeasures, moved_drivers, position_cap
from leverline.calibrate.rounding import RATE_TOLERANCE, exact, round_up_rate
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.measure.depth_estimate import DepthEstimate
from leverline.model.appetite import DAYS_PER_YEAR, SECONDS_PER_DAY, RiskAppetite
from leverline.model.appetite_line import CollateralAppetite

SIZES = 61
"""Sizes between the smallest and the largest liquidation at which the bonus has to pay."""
STEP = 0.001
"""Thresholds and LTV are rounded down to this, the bonus up: a tenth of a percent."""


@dataclass(frozen=True, slots=True)
class CollateralMeasures:
    """Everything measured of one asset that its limits as collateral depend on.

    ``market`` is where it would be sold; ``latency_loss`` the fall of its price over the liquidator's latency at the
    appetite's confidence; ``sigma_per_day`` its volatility; ``peg`` None where it is pegged to nothing. Given by the
    user or None: ``holder_concentration``, the share of all units that the ten largest holders have, and
    ``market_value`` of all units, settlement currency.
    """

    asset: str
    market: MarketMeasures
    latency_loss: float
    sigma_per_day: float
    peg: PegMeasures | None = None
    holder_concentration: float | None = None
    market_value: float | None = None

    def price_loss(self, period_s: FloatArray) -> FloatArray:
        """Loss quantile of a holder over each of ``period_s`` (n,); a peg adds the tail of its ratio."""
        own = self.market.losses.at(period_s)[:, 0]
        return own if self.peg is None else np.maximum(own, self.peg.loss(period_s))


@dataclass(frozen=True, slots=True)
class Terms:
    """Unrounded terms of a loan against an asset, and the parts they were made of; rates are fractions.

    ``loss`` is the price loss over ``period_s``; ``slippage`` that of the largest liquidation; ``bonus_at`` the size,
    settlement currency, whose liquidation needs the bonus most, and ``bonus_parts`` its costs there by name.
    """

    loss: float
    floored: bool
    period_s: float
    slippage: float
    bonus: float
    bonus_at: float
    bonus_parts: dict[str, float]
    protocol_fee: float
    threshold: float
    reaction: float
    ltv: float


def section(appetite: RiskAppetite) -> CollateralAppetite:
    """The appetite's collateral section; refused where there is none."""
    if appetite.collateral is None:
        raise UsageError(f"the appetite {appetite.name!r} has no section [collateral]",
                         remedy="add one; a shipped profile shows its keys")
    return appetite.collateral


def collateral_terms(measures: CollateralMeasures, appetite: RiskAppetite) -> Terms:
    """Bonus, threshold and LTV of a loan in the settlement currency, unrounded.

    Raises
    ------
    InsufficientDataError
        No depth is known, a needed bonus exceeds the appetite's highest, or nothing can be lent against the asset.
    """
    sale = _sale(measures.market, appetite)
    loss = float(measures.price_loss(np.array([sale.period_s]))[0])
    return _terms(measures.market, sale, measures.latency_loss, loss, float(measures.market.reaction[0]), appetite)


def group_terms(
    measures: CollateralMeasures, falls: LossCurve, rises: LossCurve | None, latency_loss: float, reaction: float,
    appetite: RiskAppetite, *, event_loss: float = 0.0,
) -> Terms:
    r"""Terms of a loan in another asset of the same correlated group.

    ``falls`` is the loss curve of the collateral in the group's reference, ``rises`` that of the members that may be
    borrowed (its second column is used), None where only the reference is borrowed; ``event_loss`` the worst fall of
    the ratio inside the period. Both moves are taken at their quantile at once, :math:`1 - (1 - q_i)/(1 + u_j)`.
    """
    sale = _sale(measures.market, appetite)
    period = np.array([sale.period_s])
    fall = max(float(falls.at(period)[0, 0]), event_loss)
    rise = 0.0 if rises is None else float(rises.at(period)[0, 1])
    return _terms(measures.market, sale, latency_loss, 1.0 - (1.0 - fall) / (1.0 + rise), reaction, appetite)


@dataclass(frozen=True, slots=True)
class _Sale:
    """The largest liquidation: its size, settlement currency, its margin period in seconds and its slippage rate."""

    size: float
    period_s: float
    slippage: float


def _sale(market: MarketMeasures, appetite: RiskAppetite) -> _Sale:
    """Where liquidators sell, the size for which the bonus pays is the appetite's alone.

    Where the venue executes it is at most the largest holding that counts: what lies beyond has a haircut of all of it,
    so no loan stands on it. Time and cost are then those of the appetite's size, at most the longest and the dearest
    that the appetite accepts, so that a thinner market never has the higher threshold.
    """
    size, period = section(appetite).largest_liquidation, appetite.margin_period
    if market.depth is None:
        raise InsufficientDataError("neither volume nor a book is known, so nobody knows what selling it would cost")
    slippage = float(market.depth.cost_rate(size)[0])
    period_s = float(margin_period_s(np.array([size]), appetite, market.volume_per_day)[0])
    cap = position_cap(market, appetite) if appetite.costs.slippage_bearer == "venue" else None
    if cap is not None and cap.notional < size:
        longest = period.detection_s + period.oracle_delay_s + period.max_liquidation_s
        slippage = float(np.fmin(slippage, appetite.costs.liquidation_cost_budget))
        return _Sale(cap.notional, min(period_s, longest), slippage)
    if not np.isfinite(slippage) or slippage >= 1.0:
        raise InsufficientDataError(f"no depth is known for a liquidation of {size:,.0f}")
    return _Sale(size, period_s, slippage)


def _terms(
    market: MarketMeasures, sale: _Sale, latency_loss: float, loss: float, reaction: float, appetite: RiskAppetite
) -> Terms:
    pledged, costs = section(appetite), appetite.costs
    in_threshold = 0.0
    if costs.slippage_bearer == "liquidator" and market.depth is not None:
        bonus, at, parts = _bonus_of_liquidator(market.depth, market.basis.rate, latency_loss, appetite)
    else:
        bonus = pledged.gas_cost / pledged.smallest_liquidation
        at, parts = pledged.smallest_liquidation, {"gas": bonus}
        in_threshold = sale.slippage + market.basis.rate + costs.taker_fee_rate
    if bonus > pledged.max_bonus:
        raise InsufficientDataError(
            f"liquidators would need a bonus of {100 * bonus:.2f} %, the appetite's highest is "
            f"{100 * pledged.max_bonus:g} %")
    required = loss + in_threshold
    floored = required < appetite.rounding.minimum_maintenance_rate
    required = max(required, appetite.rounding.minimum_maintenance_rate)
    if required >= 1.0:
        raise InsufficientDataError("the loss over the margin period may take all of it: nothing can be lent")
    threshold = (1.0 - required) / (1.0 + bonus + pledged.protocol_fee_rate)
    ltv = threshold * (1.0 - min(1.0, max(reaction, pledged.opening_gap)))
    return Terms(loss=loss, floored=floored, period_s=sale.period_s, slippage=sale.slippage, bonus=bonus, bonus_at=at,
                 bonus_parts=parts, protocol_fee=pledged.protocol_fee_rate, threshold=threshold, reaction=reaction,
                 ltv=ltv)


def _bonus_of_liquidator(
    depth: DepthEstimate, basis: float, latency_loss: float, appetite: RiskAppetite
) -> tuple[float, float, dict[str, float]]:
    """The least bonus at which no liquidation between the smallest and the largest loses, where, and its parts."""
    pledged, costs = section(appetite), appetite.costs
    size = np.geomspace(pledged.smallest_liquidation, pledged.largest_liquidation, SIZES)
    slippage, gas = depth.cost_rate(size), pledged.gas_cost / size
    capital = pledged.capital_cost_per_year * pledged.latency_s / (DAYS_PER_YEAR * SECONDS_PER_DAY)
    kept = (1.0 - slippage) * (1.0 - latency_loss) * (1.0 - basis) * (1.0 - costs.taker_fee_rate)
    if not bool(np.all(kept > 0.0)):
        raise InsufficientDataError("selling it would cost all of it")
    needed = (1.0 + gas + capital) / kept - 1.0
    worst = int(np.argmax(needed))
    parts = {"slippage": float(slippage[worst]), "gas": float(gas[worst]), "latency": latency_loss,
             "capital": capital, "basis": basis, "sale fee": costs.taker_fee_rate}
    return float(needed[worst]), float(size[worst]), parts


def slippage_within_bonus(bonus: float, measures: CollateralMeasures, appetite: RiskAppetite) -> float:
    """Slippage rate that a published ``bonus`` leaves for the largest liquidation after all other costs; >= 0."""
    pledged = section(appetite)
    capital = pledged.capital_cost_per_year * pledged.latency_s / (DAYS_PER_YEAR * SECONDS_PER_DAY)
    kept = (1.0 - measures.latency_loss) * (1.0 - measures.market.basis.rate) * (1.0 - appetite.costs.taker_fee_rate)
    spent = (1.0 + pledged.gas_cost / pledged.largest_liquidation + capital) / ((1.0 + bonus) * kept)
    return max(1.0 - spent, 0.0)


@dataclass(frozen=True, slots=True)
class Published:
    """Terms as they are published: bonus rounded up, threshold and LTV down, each from the rounded one before it."""

    bonus: float
    threshold: float
    ltv: float
    harmful_above_ltv: float


def published(terms: Terms, appetite: RiskAppetite) -> Published:
    """Round against the account in exact decimals; threshold x (1 + bonus + fee) never exceeds 1 - loss.

    Raises
    ------
    InsufficientDataError
        Nothing is left after rounding, or rounding lifts the bonus above the appetite's highest.
    """
    pledged = section(appetite)
    bonus = round_up_rate(terms.bonus, STEP)
    if exact(bonus) > exact(pledged.max_bonus):
        raise InsufficientDataError(f"liquidators would need a bonus of {100 * bonus:g} %, the appetite's highest is "
                                    f"{100 * pledged.max_bonus:g} %")
    left = terms.threshold * (1.0 + terms.bonus + terms.protocol_fee)  # 1 - what the price may lose
    threshold = _down(left / (1.0 + bonus + terms.protocol_fee))
    ltv = _down(threshold * (terms.ltv / terms.threshold))
    if threshold <= 0.0:
        raise InsufficientDataError("nothing can be lent against it")
    return Published(bonus, threshold, ltv, float(1 / (1 + exact(bonus))))


def _down(rate: float) -> float:
    """The multiple of the step not above ``rate``; one within floating-point noise of a multiple stays there."""
    step = exact(STEP)
    return float(floor((Fraction(rate) + exact(RATE_TOLERANCE)) / step) * step)


def term_sensitivities(measures: CollateralMeasures, appetite: RiskAppetite) -> dict[str, dict[str, float | None]]:
    """Relative change of ``threshold``, ``ltv`` and ``bonus`` by driver; None where the asset would not be accepted."""
    base = collateral_terms(measures, appetite)
    out: dict[str, dict[str, float | None]] = {"threshold": {}, "ltv": {}, "bonus": {}}
    for driver, (market, moved_appetite) in moved_drivers(measures.market, appetite).items():
        # of the drivers only volatility moves the loss over a time that the liquidator, not the market, needs
        usual = float(measures.market.reaction[0])
        louder = float(market.reaction[0]) / usual if usual > 0.0 else 1.0
        moved = replace(measures, market=market, latency_loss=measures.latency_loss * louder)
        try:
            terms = collateral_terms(moved, moved_appetite)
        except InsufficientDataError:
            terms = None
        for name, changes in out.items():
            was = getattr(base, name)
            now = None if terms is None else getattr(terms, name)
            changes[driver] = None if now is None or not was else round(now / was - 1.0, 6)
    return out
