r"""How large a market may grow: the tightest of what its depth, its volume, its index, its float and the fund bear.

Open interest is capped where

- forced selling no longer dies out: :math:`\sup_Q R(Q)` reaches ``max_reproduction`` for Q from an average liquidation
  to the stressed batch, a share of open interest (:mod:`leverline.margin.reproduction`);
- the stressed batch is more than its share of a day's stressed volume;
- one owner could take out more than moving the index there and back costs (:mod:`leverline.calibrate.manipulation`);
- it is more than a share of the asset's market value;
- losses beyond margin in a stressed move, with the batch sold into it, are more than the fund has for this market.

What is not known (market value, fund) does not bind, and the explanation says so. Depth is that of the whole market:
the share of one account among those liquidated together is for position sizes, not for the sum of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from leverline.calibrate.manipulation import IndexSource, exposure_within_cost, gain_of_open_interest
from leverline.calibrate.requirement import BUMP, MarketMeasures, PositionCap, moved_depth, position_cap
from leverline.ground.errors import UsageError, require
from leverline.margin.forced_impact import CurveImpact, Impact
from leverline.margin.reproduction import Pressure, ladder_of_distribution
from leverline.measure.cost_curve import MORE_THAN_ALL, CostCurve
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import CapsAppetite
from leverline.model.limitbook import Basis, Tier

SMALLEST_AMOUNT = 1e-6
"""One ledger unit in the settlement currency: a smaller cap is none at all."""


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """What is known of a market beside its calibration; None is unknown.

    ``leverage_shares`` maps leverage to its share of open interest, in sum 1. ``market_value`` is the asset's
    capitalisation, ``fund`` what the insurance fund has for this market, both in settlement currency.
    ``stressed_move`` is the loss rate over a margin period that the fund must outlast. ``index_sources`` are the
    markets an attacker must move together; without them as many as the appetite says are taken, each as deep as this
    one.
    """

    leverage_shares: Mapping[float, float] | None = None
    market_value: float | None = None
    fund: float | None = None
    stressed_move: float | None = None
    index_sources: tuple[IndexSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """One constraint on open interest: the largest it allows, settlement currency, what it is, how it came about."""

    notional: float
    binding: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class MarketCaps:
    """Caps of one market, settlement currency, before rounding.

    ``bounds`` on open interest ascend; the first binds. ``unknown`` says which could not be computed, and why.
    ``profit`` is the unrealised profit that counts as collateral at most.
    """

    bounds: tuple[Bound, ...]
    unknown: tuple[str, ...]
    profit: PositionCap | None

    @property
    def open_interest(self) -> Bound | None:
        """The bound that binds; None where none is known."""
        return self.bounds[0] if self.bounds else None


def market_caps(market: MarketMeasures, tiers: tuple[Tier, ...], appetite: RiskAppetite,
                facts: MarketFacts | None = None) -> MarketCaps:
    """Every bound on open interest of one market, and its cap on profit as collateral.

    ``tiers`` are those published: accounts are taken to stand in the first, where liquidation is nearest.
    """
    caps, known, first = caps_appetite(appetite), facts or MarketFacts(), tiers[0]
    shares = within_leverage(known.leverage_shares or caps.leverage_shares, first.max_leverage)
    found = (
        _reproduction(market, shares, first, caps, Basis.MEASURED if known.leverage_shares else Basis.ASSUMED),
        _manipulation(market, first, caps, known.index_sources),
        volume_bound(market, caps),
        float_bound(known.market_value, caps),
        _fund(market, shares, known, caps),
    )
    bounds = sorted((each for each in found if isinstance(each, Bound)), key=lambda bound: bound.notional)
    return MarketCaps(tuple(bounds), tuple(each for each in found if isinstance(each, str)),
                      position_cap(market, appetite))


def caps_appetite(appetite: RiskAppetite) -> CapsAppetite:
    """The appetite's section on caps; refused where there is none."""
    if appetite.caps is None:
        raise UsageError(f"the appetite {appetite.name!r} says nothing of caps", remedy="add a section [caps]")
    return appetite.caps


def within_leverage(shares: Mapping[float, float], max_leverage: float) -> dict[float, float]:
    """Shares of open interest with all leverage above ``max_leverage`` taken as that: it is not offered."""
    out: dict[float, float] = {}
    for leverage, share in sorted(shares.items()):
        allowed = min(leverage, max_leverage)
        out[allowed] = out.get(allowed, 0.0) + share
    return out


def whole_depth(market: MarketMeasures) -> tuple[CostCurve, CostCurve] | None:
    """Stressed cost curves of selling and buying in the whole market, not shared out; None where no depth is known."""
    if market.depth is None:
        return None
    selling, buying = (curve.scaled(market.depth.crowding) for curve in market.depth.curves)
    return selling, buying


def reproduction_cap(
    shares: Mapping[float, float], maintenance_rate: float, curve: CostCurve, pressure: Pressure, *,
    average_liquidation: float, batch_share: float, max_reproduction: float,
) -> float | None:
    r"""Largest open interest at which :math:`\sup_Q R(Q)` stays below ``max_reproduction``, exactly.

    R is linear in open interest O, with :math:`F_i` the share of it within the i-th step of the ladder and :math:`Q_i`
    the notional that moves the price there. The range of Q ends at ``batch_share`` times O, so a step counts once O
    reaches :math:`Q_i / batch`, and then bounds it at :math:`\rho Q_i / F_i`; what an average liquidation :math:`Q_0`
    releases at once bounds it at :math:`\rho Q_0 / F_0`. Infinite where nothing is ever released; None where the impact
    of an average liquidation is not known. Where the curve ends the batch may not go beyond it: an unknown impact
    passes no limit.
    """
    require(average_liquidation > 0 and batch_share > 0, "liquidations are positive")
    require(0 < max_reproduction < 1, "max_reproduction lies in (0, 1)", got=max_reproduction)
    impact = CurveImpact(curve)
    if not np.isfinite(impact.move(np.array([average_liquidation]))[0]):
        return None
    ladder = ladder_of_distribution(shares, maintenance_rate, 1.0, pressure)
    reached = impact.notional_reaching(ladder.move)
    at_once = float(np.concatenate([[0.0], ladder.cumulative])[np.count_nonzero(reached <= average_liquidation)])
    later = np.isfinite(reached) & (reached > average_liquidation)
    limits = [float("inf") if math.isfinite(curve.root_rate) else float(curve.notional[-1]) / batch_share]
    limits += [max_reproduction * average_liquidation / at_once] if at_once else []
    limits += np.maximum(max_reproduction * reached[later] / ladder.cumulative[later],
                         reached[later] / batch_share).tolist()
    return min(limits)


def shortfall_rate(shares: Mapping[float, float], move: float) -> float:
    r"""Losses beyond margin per unit of open interest on the losing side: :math:`\sum_L s_L \max(0, x - 1/L)`.

    All entered at the mark before a jump of ``move``, a loss rate, that nobody could be closed in.
    """
    require(move >= 0 and math.isfinite(move), "a stressed move is a finite loss rate", got=move)
    return float(sum(share * max(0.0, move - 1.0 / leverage) for leverage, share in shares.items()))


def batch_shortfall(shares: Mapping[float, float], open_interest: float, move: float, batch_share: float,
                    impact: Impact | None) -> float:
    """Losses beyond margin when the market jumps by ``move`` and the stressed batch is sold into what is left.

    The batch presses the price further by the ``impact`` of all of it, so losses grow faster than open interest;
    without an impact they grow in proportion. NaN where the impact is not known.
    """
    pressed = 0.0 if impact is None else float(impact.move(np.array([batch_share * open_interest]))[0])
    return float("nan") if math.isnan(pressed) else open_interest * shortfall_rate(shares, move + pressed)


def fund_cap(shares: Mapping[float, float], fund: float, move: float, batch_share: float,
             impact: Impact | None) -> float:
    """Largest open interest whose :func:`batch_shortfall` is within ``fund``; infinite where none exceeds it.

    An unknown impact passes no fund.
    """
    require(fund >= 0 and math.isfinite(fund), "a fund is finite and not negative", got=fund)

    def within(open_interest: float) -> bool:
        return batch_shortfall(shares, open_interest, move, batch_share, impact) <= fund

    if within(MORE_THAN_ALL):
        return float("inf")
    low, high = 0.0, 1.0
    while within(high):
        low, high = high, 4.0 * high
    while high - low > 1e-9 * high and high > SMALLEST_AMOUNT:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if within(middle) else (low, middle)
    return low


def _reproduction(market: MarketMeasures, shares: Mapping[float, float], first: Tier, caps: CapsAppetite,
                  named: Basis) -> Bound | str:
    """The tighter of both pressures."""
    depth = whole_depth(market)
    if depth is None or market.depth is None:
        return "no depth is known, so reproduction does not bound open interest"
    found = [(reproduction_cap(shares, first.maintenance_margin_rate, curve, pressure,
                               average_liquidation=caps.average_liquidation, batch_share=caps.stressed_batch_share,
                               max_reproduction=caps.max_reproduction), word)
             for curve, pressure, word in zip(depth, Pressure, ("selling", "buying"), strict=True)]
    limits = [(limit, word) for limit, word in found if limit is not None]
    if len(limits) < len(found):
        return "the impact of an average liquidation is not known, so reproduction does not bound open interest"
    limit, word = min(limits)
    if not math.isfinite(limit):
        return "forced trades release nothing, so reproduction does not bound open interest"
    source = "given" if named is Basis.MEASURED else "the appetite's adverse"
    return Bound(limit, f"forced {word} releases {caps.max_reproduction:g} of itself under {source} distribution of "
                        f"leverage ({_listed(shares)})", Basis.MEASURED if named is market.depth.basis is Basis.MEASURED
                 else Basis.ASSUMED)


def _manipulation(market: MarketMeasures, first: Tier, caps: CapsAppetite,
                  given: tuple[IndexSource, ...]) -> Bound | str:
    """Open interest of which the share one owner may hold takes out less than the move costs."""
    depth = whole_depth(market)
    if not given and depth is None:
        return "no depth is known, so the cost of manipulation does not bound open interest"
    alike = () if depth is None else (IndexSource(*depth),) * caps.index_sources
    found = exposure_within_cost(
        given or alike, gain_of_open_interest, smallest_move=first.initial_margin_rate,
        safety=caps.manipulation_safety, persistence=caps.impact_persistence)
    if not math.isfinite(found.exposure):
        return "moving the index has no known cost at every move, so manipulation does not bound open interest"
    sources = f"{len(given)} index sources as given" if given else (
        f"{caps.index_sources} index sources, each taken as deep as this market")
    whose = "one owner, who may hold all of it," if caps.owner_share == 1.0 else (
        f"one owner's {100 * caps.owner_share:g} %")
    return Bound(
        found.exposure / caps.owner_share,
        f"cost of manipulation: {whose} takes out 1/{caps.manipulation_safety:g} of what it costs to move {sources} "
        f"{found.direction} by {100 * found.move:.3g} % and back", Basis.ASSUMED)


def volume_bound(market: MarketMeasures, caps: CapsAppetite) -> Bound | str:
    """The stressed batch is a bearable part of a day's volume."""
    if not market.has_volume:
        return "no volume is known, so it bounds nothing"
    return Bound(caps.batch_volume_share * market.volume_per_day / caps.stressed_batch_share,
                 f"the stressed batch of {100 * caps.stressed_batch_share:g} % is {100 * caps.batch_volume_share:g} % "
                 "of a day's stressed volume", Basis.MEASURED)


def float_bound(market_value: float | None, caps: CapsAppetite) -> Bound | str:
    """A share of the asset's market value."""
    if market_value is None:
        return "no market value was given, so no share of it is a bound"
    require(market_value > 0 and math.isfinite(market_value), "a market value is positive", got=market_value)
    return Bound(caps.float_share * market_value, f"{100 * caps.float_share:g} % of the asset's market value",
                 Basis.ASSUMED)


def _fund(market: MarketMeasures, shares: Mapping[float, float], known: MarketFacts, caps: CapsAppetite) -> Bound | str:
    """Losses beyond margin in the stressed move, with the batch sold into it, are within the fund, on either side."""
    if known.fund is None or known.stressed_move is None:
        return "no fund was given, so it does not bound open interest"
    impacts: list[Impact | None] = [CurveImpact(curve) for curve in whole_depth(market) or ()] or [None]
    limit = min(fund_cap(shares, known.fund, known.stressed_move, caps.stressed_batch_share, each) for each in impacts)
    if not math.isfinite(limit):
        return "no margin is exceeded in the stressed move, so the fund does not bound open interest"
    return Bound(limit, f"a move of {100 * known.stressed_move:.3g} % in one margin period, and the stressed batch "
                        "sold into it, use up the fund", Basis.ASSUMED)


def _listed(shares: Mapping[float, float]) -> str:
    """``2x 10 %, 5x 90 %``."""
    return ", ".join(f"{leverage:g}x {100 * share:.3g} %" for leverage, share in shares.items())


CAP_BUMPS = ("depth: stressed depth and volume -10 %", "volatility +10 %", "reproduction allowed -10 %",
             "all open interest at the highest leverage")


def open_interest_sensitivities(market: MarketMeasures, tiers: tuple[Tier, ...], appetite: RiskAppetite,
                                facts: MarketFacts | None = None) -> dict[str, float | None]:
    """Relative change of the cap on open interest when one driver moves, tiers as published; empty without a cap."""
    base = market_caps(market, tiers, appetite, facts).open_interest
    if base is None or base.notional == 0.0:
        return {}
    known, caps = facts or MarketFacts(), caps_appetite(appetite)
    stricter = appetite.model_copy(update={"caps": caps.model_copy(
        update={"max_reproduction": caps.max_reproduction * (1.0 - BUMP)})})
    thinner = replace(market, volume_per_day=market.volume_per_day * (1.0 - BUMP),
                      depth=moved_depth(market.depth, left=1.0 - BUMP))
    louder = replace(market, depth=moved_depth(market.depth, louder_tail=1.0 + BUMP))
    at_most = replace(known, leverage_shares={tiers[0].max_leverage: 1.0})
    moved = dict(zip(CAP_BUMPS, (
        market_caps(thinner, tiers, appetite, known), market_caps(louder, tiers, appetite, known),
        market_caps(market, tiers, stricter, known), market_caps(market, tiers, appetite, at_most)), strict=True))
    return {driver: None if found.open_interest is None else found.open_interest.notional / base.notional - 1.0
            for driver, found in moved.items()}
