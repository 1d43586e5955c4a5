r"""What it costs to move an index and to trade back, against what the move lets one owner take out of the venue.

Moving one index source by :math:`x` takes the notional :math:`Q(x)` at which its impact reaches :math:`x`. Buying it
costs :math:`C_{there}(Q)` above mid, selling it again :math:`C_{back}(Q)` below the price that then stands; of the move
a share :math:`\pi` still stands, and that the attacker gets back on the inventory:

.. math:: K(x) = C_{there}(Q) + C_{back}(Q) - \pi\, x\, Q

With :math:`\pi = 2/3` and the square-root law the price stands at what was paid on average, the fair pricing of Farmer,
Gerig, Lillo and Waelbroeck (2013, Quantitative Finance 13(11):1743-1758), and :math:`K = \frac{2}{3} x Q`. With
:math:`\pi = 1` a book of even density costs nothing to move and back, as with any linear permanent impact (Huberman
and Stanzl 2004, Econometrica 72(4):1247-1275). An index of several sources costs the sum over those that must move
together. Fees are left out: they are small, and leaving them out is adverse.

Notional and costs are in quote currency, moves are fractions of the price.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import require
from leverline.margin.forced_impact import CurveImpact
from leverline.measure.cost_curve import CostCurve

HIGHEST_RISE = 10.0
"""Largest rise on the grid, elevenfold: a thin coin has been moved thirtyfold in minutes, but each further step costs
more per unit taken."""
DEEPEST_FALL = 0.95
MOVES = 64
"""Moves per direction, log-spaced, beside the steps of the curves."""


@dataclass(frozen=True, slots=True)
class IndexSource:
    """One market an index is made of, under stress, the whole of its depth: not shared out among liquidations."""

    selling: CostCurve
    buying: CostCurve


@dataclass(frozen=True, slots=True)
class ManipulationBound:
    """Largest exposure of one owner, quote currency, that no move on the grid makes worth its cost, and that move.

    ``direction`` is ``up`` or ``down``. Both numbers are NaN where the cost is not known over the whole grid: an
    unknown cost protects nobody. An infinite exposure is bounded by no move.
    """

    exposure: float
    move: float
    direction: str


def round_trip_cost(there: CostCurve, back: CostCurve, move: FloatArray, persistence: float) -> FloatArray:
    """Cost of moving one source by each of ``move`` (n,) and of trading back, never negative; NaN where unknown."""
    require(0.0 <= persistence <= 1.0, "impact_persistence lies in [0, 1]", got=persistence)
    require(bool(np.all(move > 0)), "moves are positive")
    quantity = CurveImpact(there).notional_reaching(move)
    known = np.isfinite(quantity)
    size = np.where(known, quantity, 0.0)
    paid = (there.cost_rate(size) + back.cost_rate(size)) * size
    return np.where(known, np.maximum(paid - persistence * move * size, 0.0), np.nan)


def index_cost(sources: Sequence[IndexSource], move: FloatArray, direction: str, persistence: float) -> FloatArray:
    """Round-trip cost of moving all ``sources`` together ``up`` or ``down`` by each of ``move`` (n,)."""
    require(direction in ("up", "down"), "a direction is up or down", got=direction)
    ways = [(s.buying, s.selling) if direction == "up" else (s.selling, s.buying) for s in sources]
    return np.asarray(np.sum([round_trip_cost(there, back, move, persistence) for there, back in ways], axis=0))


def move_grid(sources: Sequence[IndexSource], smallest: float, direction: str) -> FloatArray:
    """Moves from ``smallest`` on: log-spaced, and every step of the sources' curves.

    At the end of a step the cost per unit of move is lowest. Empty where ``smallest`` is beyond the largest move: a
    price cannot fall by more than all.
    """
    highest = HIGHEST_RISE if direction == "up" else DEEPEST_FALL
    require(smallest > 0.0, "the smallest move is positive", got=smallest)
    if smallest >= highest:
        return np.empty(0)
    curves = [source.buying if direction == "up" else source.selling for source in sources]
    steps = [np.diff(curve.given_up) / np.diff(curve.notional) for curve in curves]
    inside = np.concatenate(steps) if steps else np.empty(0)
    kept = inside[(inside > smallest) & (inside < highest)]
    return np.unique(np.concatenate([np.geomspace(smallest, highest, MOVES), kept]))


Gain = Callable[[FloatArray], FloatArray]
"""What one unit of exposure takes out of the venue at each move (n,), never negative."""


def gain_of_open_interest(move: FloatArray) -> FloatArray:
    """A position's unrealised profit, closed or borrowed upon: the move itself."""
    return move


def gain_of_borrower(ltv: float) -> Gain:
    r"""Collateral bought, moved up and left behind for a loan on its moved value: :math:`\max(0, ltv (1 + x) - 1)`."""
    require(0.0 <= ltv < 1.0, "ltv lies in [0, 1)", got=ltv)
    return lambda move: np.maximum(ltv * (1.0 + move) - 1.0, 0.0)


def exposure_within_cost(
    sources: Sequence[IndexSource], gain: Gain, *, smallest_move: float, safety: float, persistence: float,
    directions: Sequence[str] = ("up", "down"),
) -> ManipulationBound:
    r"""Largest exposure :math:`E` of one owner with :math:`s E g(x) \le K(x)` for every move :math:`x` of the grid.

    Parameters
    ----------
    sources : sequence of IndexSource
        All that must be moved together.
    gain : callable
        :math:`g`, such as :func:`gain_of_open_interest`.
    smallest_move : float
        Where the grid starts. For open interest the smallest initial margin rate: below it no account is bankrupt, and
        what changes hands is margin that was posted for it.
    safety : float
        :math:`s`, at least 1: the cost is this many times what is taken.
    persistence : float
        :math:`\pi` above.
    directions : sequence of str
        ``up``, ``down`` or both; a borrower gains only by the first.
    """
    require(safety >= 1.0, "manipulation_safety is at least 1", got=safety)
    require(len(sources) > 0, "an index has at least one source")
    bounds = [ManipulationBound(float("inf"), float("nan"), "nowhere")]
    for direction in directions:
        move = move_grid(sources, smallest_move, direction)
        if not move.size:
            continue
        taken = gain(move)
        cost = index_cost(sources, move, direction, persistence)
        with np.errstate(divide="ignore", invalid="ignore"):
            exposure = np.where(np.isnan(cost), np.nan, np.where(taken > 0, cost / (safety * taken), np.inf))
        at = int(np.argmin(exposure))  # the first NaN wins
        if np.isnan(exposure[at]):
            return ManipulationBound(float("nan"), float("nan"), direction)
        bounds.append(ManipulationBound(float(exposure[at]), float(move[at]), direction))
    return min(bounds, key=lambda bound: bound.exposure)
