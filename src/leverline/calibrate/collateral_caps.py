"""How much of an asset a venue takes and lends, given what its liquidation bonus leaves for slippage.

The bounds are those of :mod:`leverline.calibrate.lending_caps`. They are asked with the slippage that a liquidator can
bear and still not lose: the bonus less gas, latency, capital and fees. Where the venue executes it is the appetite's
liquidation-cost budget. A bonus that looks large may leave little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from leverline.calibrate.caps import Bound, MarketFacts
from leverline.calibrate.collateral_terms import CollateralMeasures, Published, slippage_within_bonus
from leverline.calibrate.lending_caps import LendingCaps, lending_caps
from leverline.calibrate.requirement import moved_drivers
from leverline.ground.errors import InsufficientDataError
from leverline.model.appetite import RiskAppetite
from leverline.model.limitbook import units

Sensitivity = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class CollateralCaps:
    """Caps in ledger units, rounded down, with what binds each; None where nothing is known that would bound it."""

    supply_cap: int | None
    borrow_cap: int | None
    supply: Bound | None
    borrow: Bound | None
    slippage_budget: float
    supply_moves: Sensitivity
    borrow_moves: Sensitivity


def collateral_caps(measures: CollateralMeasures, out: Published, appetite: RiskAppetite) -> CollateralCaps | None:
    """Caps of one asset under its published terms; None where the appetite has no section [caps].

    Raises
    ------
    InsufficientDataError
        Not even one unit of the settlement currency of it could be taken.
    """
    if appetite.caps is None:
        return None
    found = _bounds(measures, out, appetite)
    supply, borrow = _first(found.supply), _first(found.borrow)
    if supply is not None and supply.notional < 1.0:
        raise InsufficientDataError(f"the supply cap would be nothing: {supply.binding}")
    moved = {driver: _bounds(replace(measures, market=market), out, changed)
             for driver, (market, changed) in moved_drivers(measures.market, appetite).items()}
    return CollateralCaps(
        None if supply is None else units(supply.notional), None if borrow is None else units(borrow.notional),
        supply, borrow, _budget(measures, out, appetite),
        {driver: _change(supply, _first(each.supply)) for driver, each in moved.items()},
        {driver: _change(borrow, _first(each.borrow)) for driver, each in moved.items()})


def _bounds(measures: CollateralMeasures, out: Published, appetite: RiskAppetite) -> LendingCaps:
    """Loans are taken to stand at the liquidation threshold: the highest at which one is left alone."""
    return lending_caps(measures.market, appetite, ltv=out.threshold,
                        liquidation_bonus=min(_budget(measures, out, appetite), 1.0 / out.threshold - 1.0),
                        facts=MarketFacts(market_value=measures.market_value))


def _budget(measures: CollateralMeasures, out: Published, appetite: RiskAppetite) -> float:
    if appetite.costs.slippage_bearer == "venue":
        return appetite.costs.liquidation_cost_budget
    return slippage_within_bonus(out.bonus, measures, appetite)


def _first(bounds: tuple[Bound, ...]) -> Bound | None:
    return bounds[0] if bounds else None


def _change(before: Bound | None, after: Bound | None) -> float | None:
    """Relative change, to the millionth; None where there is no bound any more, or was none."""
    if before is None or after is None or not before.notional:
        return None
    return round(after.notional / before.notional - 1.0, 6)
