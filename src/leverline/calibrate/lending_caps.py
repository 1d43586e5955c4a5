r"""How much of an asset a lending protocol takes as collateral, and how much of it it lends out.

Supply is capped where the stressed batch of it cannot be sold within what the liquidation bonus pays, where it is more
than its share of a day's stressed volume, of the asset's market value, or of what the protocol can lose, and where a
borrower could gain by moving the asset's price: buy it, move it up, leave it behind for a loan on the moved value, as
on Mango on 2022-10-11. Borrowing is capped at a share of supply, and where the stressed batch of loans cannot be bought
back within the bonus, as with CRV in November 2022. All amounts are in settlement currency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from leverline.calibrate.caps import Bound, MarketFacts, caps_appetite, float_bound, volume_bound, whole_depth
from leverline.calibrate.manipulation import HIGHEST_RISE, IndexSource, exposure_within_cost, gain_of_borrower
from leverline.calibrate.requirement import MarketMeasures
from leverline.ground.errors import require
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import CapsAppetite
from leverline.model.limitbook import Basis


@dataclass(frozen=True, slots=True)
class LendingCaps:
    """Bounds on supply and on borrowing, each ascending: the first binds. ``unknown`` says what could not bound."""

    supply: tuple[Bound, ...]
    borrow: tuple[Bound, ...]
    unknown: tuple[str, ...]


def lending_caps(market: MarketMeasures, appetite: RiskAppetite, *, ltv: float, liquidation_bonus: float,
                 facts: MarketFacts | None = None) -> LendingCaps:
    """Supply and borrow caps of one asset whose market is ``market``.

    ``facts.fund`` is what the protocol can lose on this asset and ``facts.stressed_move`` the fall in which it is lost:
    what ``ltv`` (the liquidation threshold, where that is higher) leaves uncovered after the bonus.
    """
    require(0 <= ltv < 1 and liquidation_bonus >= 0, "ltv lies in [0, 1) and a bonus is not negative",
            got=(ltv, liquidation_bonus))
    require(ltv * (1.0 + liquidation_bonus) <= 1.0, "ltv * (1 + bonus) does not exceed 1", got=(ltv, liquidation_bonus))
    caps, known = caps_appetite(appetite), facts or MarketFacts()
    sold, bought = (_within_bonus(market, liquidation_bonus, side, caps) for side in (0, 1))
    found = (sold, volume_bound(market, caps), float_bound(known.market_value, caps),
             _fund(known, ltv, liquidation_bonus), _manipulation(market, known, ltv, caps))
    supply = _bounds(found)
    lent = "no supply cap is known, so no share of it bounds borrowing" if not supply else Bound(
        caps.borrow_share * supply[0].notional, f"{100 * caps.borrow_share:g} % of the supply cap", Basis.ASSUMED)
    return LendingCaps(supply, _bounds((lent, bought)),
                       tuple(each for each in (*found, lent, bought) if isinstance(each, str)))


def _bounds(found: tuple[Bound | str, ...]) -> tuple[Bound, ...]:
    return tuple(sorted((each for each in found if isinstance(each, Bound)), key=lambda bound: bound.notional))


def _within_bonus(market: MarketMeasures, bonus: float, side: int, caps: CapsAppetite) -> Bound | str:
    """The stressed batch costs no more than the bonus pays; ``side`` 0 sells collateral, 1 buys back what was lent."""
    depth, what = whole_depth(market), ("collateral", "loans")[side]
    if depth is None or market.depth is None:
        return f"no depth is known, so it does not bound {what}"
    closable = depth[side].notional_within(bonus)
    if not math.isfinite(closable):
        return f"closing {what} has no known limit, so depth does not bound them"
    way = ("sold", "bought back")[side]
    return Bound(closable / caps.stressed_batch_share,
                 f"the stressed batch of {what}, {100 * caps.stressed_batch_share:g} %, is {way} within the bonus of "
                 f"{100 * bonus:.3g} %", market.depth.basis)


def _fund(known: MarketFacts, ltv: float, bonus: float) -> Bound | str:
    r"""A fall of x leaves :math:`\max(0, ltv - (1 - x) / (1 + b))` of the collateral's value unpaid."""
    if known.fund is None or known.stressed_move is None:
        return "no fund was given, so it does not bound supply"
    lost = max(0.0, ltv - (1.0 - known.stressed_move) / (1.0 + bonus))
    if lost == 0.0:
        return "loans stay covered in the stressed move, so the fund does not bound supply"
    return Bound(known.fund / lost, f"a fall of {100 * known.stressed_move:.3g} % costs {100 * lost:.3g} % of supply",
                 Basis.ASSUMED)


def _manipulation(market: MarketMeasures, known: MarketFacts, ltv: float, caps: CapsAppetite) -> Bound | str:
    depth = whole_depth(market)
    if ltv * (1.0 + HIGHEST_RISE) <= 1.0:
        return "a loan never exceeds what was left behind, so manipulation does not bound supply"
    if not known.index_sources and depth is None:
        return "no depth is known, so the cost of manipulation does not bound supply"
    alike = () if depth is None else (IndexSource(*depth),) * caps.index_sources
    found = exposure_within_cost(
        known.index_sources or alike, gain_of_borrower(ltv), smallest_move=1.0 / ltv - 1.0,
        safety=caps.manipulation_safety, persistence=caps.impact_persistence, directions=("up",))
    if not math.isfinite(found.exposure):
        return "moving the price has no known cost at every move, so manipulation does not bound supply"
    return Bound(found.exposure, f"cost of manipulation: collateral moved up by {100 * found.move:.3g} % and left "
                                 "behind", Basis.ASSUMED)
