"""Deleveraging in a line: by a venue's score of profit and leverage, or from a pseudo-random start.

A queue promises an order and no continuity: one unit of profit more may move somebody from untouched to closed out.
Scores are the rulebooks'. The margin that they ask for is the pool's whole equity: of an isolated pool that is exactly
the margin of its one position; of a cross pool it is what stands behind each of its positions, so that profit
elsewhere lowers their leverage and their place. Pools without any stand last: closing somebody who has nothing at a
loss only moves the hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

from leverline.enforce.deleveraging.apportion import in_line
from leverline.enforce.deleveraging.sharing import holdings_of, profit_of
from leverline.enforce.margining import maintenance_of, standing
from leverline.enforce.state import VenueState
from leverline.margin.rulebooks import binance_usdm, bitmex, bybit, hyperliquid, okx
from leverline.model.quantities import UNITS_PER_ONE


@dataclass(frozen=True, slots=True)
class QueueByProfitAndLeverage:
    """Highest score first, as far as each position goes; of one score the older pool first.

    The score is Binance's: unrealised profit on the wallet times maintenance over margin balance, of the whole pool's
    wallet and the one position. Other venues' queues differ in the score alone.
    """

    promises_order: bool = True
    promises_continuity: bool = False

    def allot(self, state: VenueState, market: str, need: int, winners: Sequence[int]) -> list[tuple[int, int]]:
        """See :class:`~leverline.enforce.policies.DeleveragingPolicy`."""
        return _line(state, market, need, sorted(winners, key=lambda pool: self.rank(state, market, pool)))

    def rank(self, state: VenueState, market: str, pool: int) -> tuple[bool, Fraction, int]:
        """Place in the queue, lowest first: pools with equity, then by falling score, then by pool number."""
        score = self.score(state, market, pool)
        return score is None, -(score or Fraction(0)), pool

    def score(self, state: VenueState, market: str, pool: int) -> Fraction | None:
        """Of one holder; None without equity, 0 for a loser. Equity is the rule's margin balance: wallet and profit."""
        profit, wallet = profit_of(state, market, pool), state.ledger.cash[pool]
        if wallet + profit <= 0:
            return None
        return binance_usdm.deleveraging_score(
            Fraction(profit, UNITS_PER_ONE), Fraction(wallet, UNITS_PER_ONE),
            Fraction(maintenance_of(state, market, _notional(state, market, pool)), UNITS_PER_ONE))


@dataclass(frozen=True, slots=True)
class BitmexQueue(QueueByProfitAndLeverage):
    """Profit on the entry value times leverage for a winner, over leverage for a loser."""

    def score(self, state: VenueState, market: str, pool: int) -> Fraction | None:
        """See :func:`leverline.margin.rulebooks.bitmex.deleveraging_score`; an entry counts as one unit at least."""
        entry, equity = state.positions.cost[pool][market], standing(state, pool).equity
        if equity <= 0:
            return None
        mark_value = entry + profit_of(state, market, pool)
        return bitmex.deleveraging_score(Fraction(mark_value), Fraction(entry or 1), Fraction(mark_value - equity))


@dataclass(frozen=True, slots=True)
class BybitQueue(QueueByProfitAndLeverage):
    """Return on initial margin times effective leverage."""

    def score(self, state: VenueState, market: str, pool: int) -> Fraction | None:
        """See :func:`leverline.margin.rulebooks.bybit.deleveraging_score`."""
        notional, equity = _notional(state, market, pool), standing(state, pool).equity
        if equity <= 0:
            return None
        initial = max(1, state.terms.markets[market].initial(notional, state.pools[pool].account_class))
        return bybit.deleveraging_score(Fraction(profit_of(state, market, pool), initial),
                                        Fraction(notional, equity))


@dataclass(frozen=True, slots=True)
class OkxQueue(QueueByProfitAndLeverage):
    """Return on initial margin times effective leverage; the venue does not say what either is measured on."""

    def score(self, state: VenueState, market: str, pool: int) -> Fraction | None:
        """See :func:`leverline.margin.rulebooks.okx.deleveraging_score`."""
        notional, equity = _notional(state, market, pool), standing(state, pool).equity
        if equity <= 0:
            return None
        initial = max(1, state.terms.markets[market].initial(notional, state.pools[pool].account_class))
        return okx.deleveraging_score(Fraction(profit_of(state, market, pool), initial), Fraction(notional, equity))


@dataclass(frozen=True, slots=True)
class HyperliquidQueue(QueueByProfitAndLeverage):
    """Mark over entry times notional over account value."""

    def score(self, state: VenueState, market: str, pool: int) -> Fraction | None:
        """See :func:`leverline.margin.rulebooks.hyperliquid.deleveraging_index`."""
        entry, equity = state.positions.cost[pool][market], standing(state, pool).equity
        if equity <= 0:
            return None
        return hyperliquid.deleveraging_index(
            Fraction(_notional(state, market, pool)), Fraction(max(1, abs(entry))), Fraction(equity),
            is_long=state.positions.lots[pool][market] > 0)


@dataclass(frozen=True, slots=True)
class RandomStart:
    """Nobody is ranked: pools in the order of their numbers, from one that the event picks, round to it again (dYdX).

    The start is drawn by SHA-256 from the number of the event before, the time of this one, the market and the side, so
    that every replay draws the same and nobody can choose it who does not set the venue's time.
    """

    promises_order: bool = False
    promises_continuity: bool = False

    def allot(self, state: VenueState, market: str, need: int, winners: Sequence[int]) -> list[tuple[int, int]]:
        """See :class:`~leverline.enforce.policies.DeleveragingPolicy`."""
        if not winners:
            return []
        drawn = sha256(f"{state.seq}:{state.now_ns}:{market}:{need > 0}".encode()).digest()
        start = int.from_bytes(drawn[:8], "big") % len(winners)
        return _line(state, market, need, [*winners[start:], *winners[:start]])


def _line(state: VenueState, market: str, need: int, pools: Sequence[int]) -> list[tuple[int, int]]:
    allotted = in_line(abs(need), holdings_of(state, market, pools))
    return [(pool, lots) for pool, lots in zip(pools, allotted, strict=True) if lots]


def _notional(state: VenueState, market: str, pool: int) -> int:
    """Units of a position at the mark, unsigned."""
    return abs(profit_of(state, market, pool) + state.positions.cost[pool][market])
