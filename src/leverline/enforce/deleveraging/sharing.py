"""Deleveraging that shares: every winner gives in proportion to what it has, instead of a few giving all.

The rules are those compared in arXiv 2602.15182; lots are whole here, and what rounding leaves goes by largest
remainder or to whoever stands lowest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from leverline.enforce.deleveraging.apportion import in_proportion, least_largest
from leverline.enforce.margining import standing
from leverline.enforce.state import VenueState


class Measure(StrEnum):
    """What a winner's share is measured by."""

    EQUITY = "equity"  # of the pool
    PROFIT = "profit"  # unrealised, of the position
    WEALTH = "wealth"  # equity of all pools of the pool's owner, over its lots on this side
    LOTS = "lots"  # of the position


@dataclass(frozen=True, slots=True)
class ProRata:
    """Lots in proportion to a measure, nobody beyond its position; who measures nothing comes after all others."""

    by: Measure
    promises_order: bool = False
    promises_continuity: bool = True

    def allot(self, state: VenueState, market: str, need: int, winners: Sequence[int]) -> list[tuple[int, int]]:
        """See :class:`~leverline.enforce.policies.DeleveragingPolicy`."""
        weights = [measured(state, market, pool, self.by) for pool in winners]
        return _pairs(winners, in_proportion(abs(need), weights, holdings_of(state, market, winners)))


@dataclass(frozen=True, slots=True)
class LeastLargestHaircut:
    """The largest haircut of any winner is as small as whole lots allow.

    All are closed at about one price, so a winner's haircut on its equity is lots / equity times the same constant for
    everybody: what is minimised is the largest lots / measure.
    """

    by: Measure = Measure.EQUITY
    promises_order: bool = False
    promises_continuity: bool = True

    def allot(self, state: VenueState, market: str, need: int, winners: Sequence[int]) -> list[tuple[int, int]]:
        """See :class:`~leverline.enforce.policies.DeleveragingPolicy`."""
        weights = [measured(state, market, pool, self.by) for pool in winners]
        return _pairs(winners, least_largest(abs(need), weights, holdings_of(state, market, winners)))


def holdings_of(state: VenueState, market: str, winners: Sequence[int]) -> list[int]:
    """Lots of each winner, unsigned."""
    return [abs(state.positions.lots[pool][market]) for pool in winners]


def measured(state: VenueState, market: str, pool: int, by: Measure) -> int:
    """One winner by a measure, units or lots, at least 0. What has no price counts nothing."""
    match by:
        case Measure.EQUITY:
            return max(0, standing(state, pool).equity)
        case Measure.PROFIT:
            return max(0, profit_of(state, market, pool))
        case Measure.WEALTH:
            return _wealth(state, market, pool)
        case Measure.LOTS:
            return abs(state.positions.lots[pool][market])


def profit_of(state: VenueState, market: str, pool: int) -> int:
    """Unrealised profit of a position, units."""
    mark = state.markets[market].mark
    assert mark is not None, "closings have a mark"
    return state.positions.lots[pool][market] * mark * state.terms.markets[market].value \
        - state.positions.cost[pool][market]


def _wealth(state: VenueState, market: str, pool: int) -> int:
    """The owner's equity in all its pools, over its pools on this side by lots: opening a second pool gains nothing."""
    lots = state.positions.lots[pool][market]
    pools = sorted(state.owners[state.pools[pool].owner])
    same_side = sum(abs(held) for held in (state.positions.lots[other].get(market, 0) for other in pools)
                    if held * lots > 0)
    equity = sum(standing(state, other).equity for other in pools)
    return max(0, equity) * abs(lots) // same_side


def _pairs(winners: Sequence[int], allotted: Sequence[int]) -> list[tuple[int, int]]:
    return [(pool, lots) for pool, lots in zip(winners, allotted, strict=True) if lots]
