r"""The liquidation reproduction number: how much forced selling a unit of forced selling releases.

A forced notional :math:`Q` moves the price by :math:`I(Q)`; the positions whose liquidation price lies within that move
are forced in turn, :math:`F(I(Q))`. As for an epidemic,

.. math:: R(Q) = \frac{F(I(Q))}{Q}

tells whether it grows. Where :math:`R(Q) \le \rho < 1` for every :math:`Q` from :math:`Q_0` to
:math:`Q_0 / (1 - \rho)`, a cascade that starts with :math:`Q_0` ends at or before :math:`Q_0 / (1 - \rho)`: the total
solves :math:`Q = Q_0 + F(I(Q)) \le Q_0 + \rho Q`. Where :math:`R \ge 1` all the way it takes every position in reach.

:math:`F` counts what liquidation prices say, in full: a venue that closes in portions releases less. It jumps at each
liquidation price and :math:`R` falls between jumps, so suprema are taken over the jumps and are exact, not on a grid.
Notionals are in quote currency at the mark; moves are fractions of the mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.display import DisplayTable, ShownAsTables, number_text
from leverline.ground.errors import InsufficientDataError, require
from leverline.margin.forced_impact import Impact
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import STATUSES, Status, Valuation

_WHOLE = 1e-9
"""How far shares may miss 1 in sum."""


class Pressure(IntEnum):
    """Which way forced trades push the price, as its sign: closing longs sells, closing shorts buys."""

    SELLING = -1
    BUYING = 1


@dataclass(frozen=True, slots=True)
class LiquidationLadder:
    """Forced notional by how far the price has moved against one side of one market.

    Attributes
    ----------
    pressure : Pressure
        SELLING for longs, which a falling price liquidates, BUYING for shorts.
    move : float64 array of shape (n_steps,), positive, strictly rising
        Distances from the mark at which something is liquidated.
    cumulative : float64 array of shape (n_steps,), rising
        Notional liquidated once the price has moved that far.
    at_mark : float
        Notional that is liquidatable without any move: it starts a cascade and is not released by one.
    """

    pressure: Pressure
    move: FloatArray
    cumulative: FloatArray
    at_mark: float = 0.0

    def released(self, move: FloatArray) -> FloatArray:
        """Notional whose liquidation price lies within ``move``, that distance included; NaN for an unknown move."""
        move = np.asarray(move, np.float64)
        reached = np.concatenate([[0.0], self.cumulative])[np.searchsorted(self.move, move, side="right")]
        return np.where(np.isnan(move), np.nan, reached)


@dataclass(frozen=True, slots=True)
class Reproduction(ShownAsTables):
    """R over a range of forced notionals.

    Attributes
    ----------
    notional, number : float64 arrays of shape (k,)
        Where R is highest locally, ascending: the start of the range and every jump in it, and R there.
    supremum : float
        Largest R in the range; NaN where impact is not known over the whole of it.
    critical_notional : float
        Smallest notional in the range at which R reaches 1; NaN where it never does.
    """

    notional: FloatArray
    number: FloatArray
    supremum: float
    critical_notional: float

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """The two numbers that decide, then R at each jump."""
        rows = [(number_text(float(q)), number_text(float(r))) for q, r in zip(self.notional, self.number, strict=True)]
        ends = [("largest R", number_text(self.supremum)), ("R reaches 1 at", number_text(self.critical_notional))]
        return (DisplayTable("Liquidation reproduction number", ("", "value"), ends),
                DisplayTable("R where liquidations start", ("forced notional", "R"), rows))


@dataclass(frozen=True, slots=True)
class Cascade:
    """Rounds of liquidations, each forced by the price that all before it have made.

    Attributes
    ----------
    cumulative : float64 array of shape (n_rounds,)
        Forced notional after each round, the first being what began it.
    move : float
        How far the price stands from the mark at the end.
    exhausted : bool
        True where nothing was left to liquidate: the cascade ended for want of positions, not of force.
    """

    cumulative: FloatArray
    move: float
    exhausted: bool

    @property
    def amplification(self) -> float:
        """Total forced notional over what began it."""
        return float(self.cumulative[-1] / self.cumulative[0])


def liquidation_ladder(
    liquidation_price: FloatArray, notional: FloatArray, side: FloatArray, mark: FloatArray | float,
    pressure: Pressure, *, at_mark: BoolArray | None = None,
) -> LiquidationLadder:
    """Order the positions that ``pressure`` would liquidate by how far their liquidation price lies from the mark.

    Parameters
    ----------
    liquidation_price, notional, side : arrays of shape (n_positions,)
        Quote per base unit, NaN for never; quote currency at the mark; sign of the position. Positions of the other
        side are left out. Collateral of a loan is a long: the price at which the loan is liquidated, and what is sold.
    mark : float or array of shape (n_positions,)
        What the positions are valued at now.
    pressure : Pressure
    at_mark : bool array of shape (n_positions,), optional
        Positions known to be liquidatable as they stand; so are those whose price is already at or past theirs.
    """
    require(bool(np.all(notional >= 0)), "notional is not negative")
    require(bool(np.all(np.asarray(mark) > 0)), "marks are positive")
    with np.errstate(invalid="ignore"):
        distance = pressure * (liquidation_price / mark - 1.0)
    chosen = (np.sign(side) == -int(pressure)) & (notional > 0)
    now = chosen & ((distance <= 0) | (False if at_mark is None else at_mark))
    later = chosen & ~now & np.isfinite(distance)
    move, step = np.unique(distance[later], return_inverse=True)
    released = np.bincount(step, notional[later], minlength=move.size)
    return LiquidationLadder(pressure, move, np.cumsum(released), float(notional[now].sum()))


def ladders_of_book(tables: MarginTables, valuation: Valuation, liquidation_price: FloatArray,
                    ) -> tuple[dict[Pressure, LiquidationLadder], ...]:
    """Both ladders of each market of the book, from the positions' liquidation prices (n_positions,).

    A liquidation price is of its own market moving alone, so pools that several markets squeeze together are released
    later here than they would be: :func:`leverline.margin.reproduction_matrix.released_in_pools` moves all at once.
    """
    book, positions = tables.book, valuation.positions
    at_mark = liquidatable_pools(valuation)[book.pool_of_position()]
    order = np.argsort(book.position_market, kind="stable")
    bounds = np.searchsorted(book.position_market[order], np.arange(len(book.markets) + 1))
    return tuple(
        {pressure: liquidation_ladder(liquidation_price[held], positions.notional[held], tables.base[held],
                                      positions.price[held], pressure, at_mark=at_mark[held])
         for pressure in Pressure}
        for held in (order[a:b] for a, b in pairwise(bounds)))


def liquidatable_pools(valuation: Valuation) -> BoolArray:
    """Pools that are liquidated as they stand, bankrupt ones among them, bool of shape (n_pools,)."""
    return np.asarray(valuation.pools.status >= STATUSES.index(Status.LIQUIDATABLE))


def ladder_of_distribution(leverage_shares: Mapping[float, float], maintenance_rate: float, open_interest: float,
                           pressure: Pressure = Pressure.SELLING) -> LiquidationLadder:
    r"""The ladder of a market of which only the leverage is known, or assumed.

    ``leverage_shares`` gives each leverage its share of ``open_interest`` (quote currency, one side), in sum 1. All are
    taken as isolated and entered at the mark, the adverse case: nobody has a profit to lose first. A long of leverage L
    with maintenance rate m is liquidated after a fall of :math:`(1/L - m) / (1 - m)`, a short after a rise of
    :math:`(1/L - m) / (1 + m)`: equity :math:`1/L - x` meets maintenance on the moved notional.
    """
    leverage = np.array(list(leverage_shares), dtype=np.float64)
    share = np.array(list(leverage_shares.values()), dtype=np.float64)
    require(0 <= maintenance_rate < 1, "a maintenance rate lies in [0, 1)", got=maintenance_rate)
    require(open_interest >= 0 and bool(np.isfinite(open_interest)), "open interest is finite and not negative",
            got=open_interest)
    require(bool(np.all(share >= 0)) and abs(float(share.sum()) - 1.0) <= _WHOLE, "shares of open interest add up to 1",
            got=float(share.sum()))
    require(bool(np.all((leverage > 0) & (leverage * maintenance_rate < 1))),
            "a leverage leaves more than maintenance: it lies below 1 / maintenance_rate", got=leverage.tolist())
    distance = (1.0 / leverage - maintenance_rate) / (1.0 + pressure * maintenance_rate)
    side = np.full(share.size, -float(pressure))
    return liquidation_ladder(1.0 + pressure * distance, share * open_interest, side, 1.0, pressure)


def reproduction_number(ladder: LiquidationLadder, impact: Impact, notional: FloatArray) -> FloatArray:
    """R at each forced ``notional`` (positive, quote currency); NaN where its impact is unknown."""
    size = np.asarray(notional, np.float64)
    require(bool(np.all(size > 0)), "a forced notional is positive")
    return np.asarray(ladder.released(impact.move(size)) / size)


def reproduction(ladder: LiquidationLadder, impact: Impact, low: float, high: float) -> Reproduction:
    """R over forced notionals from ``low`` to ``high``, its supremum and where it reaches 1, exactly.

    Take for ``low`` an average liquidation, below which single positions decide and R says nothing of a market, and for
    ``high`` the batch of a stress.
    """
    require(0 < low <= high, "a range of forced notional starts above 0 and rises", got=(low, high))
    reached = impact.notional_reaching(ladder.move)
    inside = (reached > low) & (reached <= high)
    at_low = np.concatenate([[0.0], ladder.cumulative])[np.count_nonzero(reached <= low)]
    known_low, known_high = np.isfinite(impact.move(np.array([low, high])))
    notional = np.concatenate([[low], reached[inside]])
    number = np.concatenate([[at_low / low if known_low else np.nan], ladder.cumulative[inside] / reached[inside]])
    critical = notional[number >= 1.0]
    return Reproduction(notional, number, float(number.max()) if known_high else float("nan"),
                        float(critical[0]) if critical.size else float("nan"))


def reproduction_of_distribution(
    leverage_shares: Mapping[float, float], maintenance_rate: float, open_interest: float, impact: Impact,
    low: float, high: float, pressure: Pressure = Pressure.SELLING,
) -> Reproduction:
    """:func:`reproduction` of :func:`ladder_of_distribution`: what a cap on open interest is held against."""
    ladder = ladder_of_distribution(leverage_shares, maintenance_rate, open_interest, pressure)
    return reproduction(ladder, impact, low, high)


def cascade(ladder: LiquidationLadder, impact: Impact, initial: float) -> Cascade:
    """Let ``initial`` (positive, quote currency) be forced, then all that its move releases, until nothing more is.

    Each round's price is the impact of everything forced so far, so the end does not depend on how rounds are cut.
    There are at most as many rounds as the ladder has steps, and two.
    """
    require(initial > 0 and bool(np.isfinite(initial)), "what begins a cascade is positive", got=initial)
    total, released, rounds = initial, 0.0, [initial]
    for _ in range(ladder.move.size + 1):
        released = float(ladder.released(impact.move(np.array([total])))[0])
        if np.isnan(released):
            raise InsufficientDataError(f"impact is not known at a forced notional of {total:.6g}",
                                        remedy="give a depth curve with a square-root tail")
        if initial + released <= total:
            break
        total = initial + released
        rounds.append(total)
    whole = float(ladder.cumulative[-1]) if ladder.cumulative.size else 0.0
    return Cascade(np.array(rounds), float(impact.move(np.array([total]))[0]), released >= whole)
