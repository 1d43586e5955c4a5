"""The course of a run, for the eye: prices, closings, funds, losses and accounts through time, in bounded memory.

Nothing here enters the ledger. A path is a step function; what is kept of a long one are the first, the lowest, the
highest and the last value of equal counts of changes, so that no extreme is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from leverline.enforce.effects import Effect, Rejected, Stage
from leverline.enforce.events import Event, OracleUpdate
from leverline.enforce.margining import standing
from leverline.enforce.state import VenueState
from leverline.enforce.tallying import Tally
from leverline.enforce.venue import OUTSIDE_MARKET

BUCKETS = 192
"""Of a path that is thinned: between so many and twice as many, four points each at most."""
FEWEST_BUCKETS = 16
MARKETS_IN_FULL = 4
"""Up to so many markets every price path has all its buckets; beyond, they share the same number among them."""


class Point(NamedTuple):
    """The ``number``-th change: ``value`` holds from ``ts_ns`` on."""

    number: int
    ts_ns: int
    value: int


Bucket = tuple[Point, Point, Point, Point]
"""First, lowest, highest, last."""


@dataclass(slots=True)
class ThinnedPath:
    """A step function of time. ``changes`` were added in all; each bucket stands for ``stride`` of them."""

    buckets_kept: int = BUCKETS
    changes: int = 0
    stride: int = 1
    _buckets: list[Bucket] = field(default_factory=list)
    _in_last: int = 0

    def add(self, ts_ns: int, value: int) -> None:
        """``value`` from ``ts_ns`` on; nothing where it holds already."""
        if self._buckets and self._buckets[-1][3].value == value:
            return
        point = Point(self.changes, ts_ns, value)
        self.changes += 1
        if self._buckets and self._in_last < self.stride:
            self._buckets[-1] = _joined(self._buckets[-1], (point, point, point, point))
            self._in_last += 1
            return
        if len(self._buckets) == 2 * self.buckets_kept:
            self._buckets = [_joined(*self._buckets[k:k + 2]) for k in range(0, len(self._buckets), 2)]
            self.stride *= 2
        self._buckets.append((point, point, point, point))
        self._in_last = 1

    def points(self) -> list[Point]:
        """What is kept, in the order in which it happened."""
        return [point for bucket in self._buckets for point in sorted(set(bucket))]


def _joined(before: Bucket, after: Bucket) -> Bucket:
    low = min(before[1], after[1], key=lambda point: point.value)
    high = max(before[2], after[2], key=lambda point: point.value)
    return before[0], low, high, after[3]


@dataclass(slots=True)
class Course:
    """Paths of one run. Marks in ticks by market; funds by market (empty: shared), stages and losses in units.

    ``bad_debt`` is what funds paid and others shared so far. Accounts are counted at every ``accounts_every``-th price.
    """

    marks: dict[str, ThinnedPath] = field(default_factory=dict)
    stages: dict[Stage, ThinnedPath] = field(default_factory=dict)
    funds: dict[str, ThinnedPath] = field(default_factory=dict)
    bad_debt: ThinnedPath = field(default_factory=ThinnedPath)
    deleveraged: ThinnedPath = field(default_factory=ThinnedPath)
    open_pools: ThinnedPath = field(default_factory=ThinnedPath)
    underwater_pools: ThinnedPath = field(default_factory=ThinnedPath)
    accounts_every: int = 1
    started_ns: int | None = None
    _prices: int = 0
    _counted: int = 0

    def follow(self, state: VenueState, event: Event, effects: Sequence[Effect], tally: Tally) -> None:
        """Take in one event after ``tally`` did."""
        if effects and isinstance(next(iter(effects)), Rejected):
            return
        if self.started_ns is None:
            self.started_ns = event.ts_ns
        self._marks(state, event)
        if effects:
            self._amounts(event.ts_ns, tally)
        if isinstance(event.body, OracleUpdate):
            self._accounts(state, event.ts_ns)

    def _marks(self, state: VenueState, event: Event) -> None:
        """The mark that the event may have moved: the one it names, or with several sources any."""
        body = event.body
        if isinstance(body, OracleUpdate):
            names = [body.name] if body.name in state.markets else []
        else:
            names = sorted(state.markets) if state.terms.breakers is not None else []
        for name in names:
            mark = state.markets[name].mark
            if mark is not None:
                if name not in self.marks:
                    shared = BUCKETS * MARKETS_IN_FULL // max(MARKETS_IN_FULL, len(state.markets))
                    self.marks[name] = ThinnedPath(max(FEWEST_BUCKETS, shared))
                self.marks[name].add(event.ts_ns, mark)

    def _amounts(self, ts_ns: int, tally: Tally) -> None:
        for stage, row in tally.stages.items():
            self.stages.setdefault(stage, ThinnedPath()).add(ts_ns, row.notional)
        for market, balance in tally.fund_balance.items():
            self.funds.setdefault(market, ThinnedPath()).add(ts_ns, balance)
        self.bad_debt.add(ts_ns, tally.fund_paid + tally.loss_shared)
        self.deleveraged.add(ts_ns, tally.deleveraged.notional)

    def _accounts(self, state: VenueState, ts_ns: int) -> None:
        """Count at this price, if it is one of those at which accounts are counted: counting asks every pool."""
        self._prices += 1
        if (self._prices - 1) % self.accounts_every:
            return
        self._counted += 1
        if self._counted > 2 * BUCKETS:
            self.accounts_every, self._counted = 2 * self.accounts_every, BUCKETS
        lots = state.positions.lots
        self.open_pools.add(ts_ns, sum(map(bool, lots)) - bool(lots[state.number[OUTSIDE_MARKET]]))
        self.underwater_pools.add(ts_ns, underwater(state))


def underwater(state: VenueState) -> int:
    """Open pools with negative equity; each was called before it came so far, and the call stands."""
    return sum(bool(state.positions.lots[pool]) and (now := standing(state, pool)).priced and now.equity < 0
               for pool in state.room("calls"))
