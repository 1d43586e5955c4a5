"""What a breaker is worth: the bad debt it avoided and the bad debt it caused, and how often it cried wolf.

Each breaker is judged by two runs of the same events, one under the book and one with that breaker switched off. The
difference is kept per market and never netted: a halt that saved one market and ruined another did both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from leverline.enforce.effects import (
    Breaker,
    BreakerTransition,
    Effect,
    FundMovement,
    LiquidationClosed,
    LiquidationOrder,
    LossShared,
)
from leverline.enforce.margining import standing
from leverline.enforce.venue import Venue

VENUE_WIDE = ""
"""Losses that no market is named for: those of the shared fund and the socialised ones."""


@dataclass(slots=True)
class Run:
    """What happened in one run of a venue; fed with the effects of each event."""

    bad_debt: dict[str, int] = field(default_factory=dict)  # units that others paid, by the market of the fund
    orders: int = 0
    closed_lots: dict[str, int] = field(default_factory=dict)
    log: list[tuple[int, BreakerTransition]] = field(default_factory=list)  # ns, transition

    def note(self, ts_ns: int, effects: Iterable[Effect]) -> None:
        """Count one event's effects."""
        for effect in effects:
            match effect:
                case FundMovement(market=market, amount=amount) if amount < 0:
                    self._lose(market, -amount)
                case LossShared(amount=amount):
                    self._lose(VENUE_WIDE, amount)
                case LiquidationOrder():
                    self.orders += 1
                case LiquidationClosed(market=market, lots=lots):
                    self.closed_lots[market] = self.closed_lots.get(market, 0) + abs(lots)
                case BreakerTransition():
                    self.log.append((ts_ns, effect))

    def end(self, venue: Venue) -> None:
        """Add what pools still owe beyond everything they have, positions at the last marks."""
        for pool, record in enumerate(venue.state.pools):
            if not record.external:
                self._lose(VENUE_WIDE, max(0, -standing(venue.state, pool).equity))

    @property
    def total(self) -> int:
        """Units of bad debt."""
        return sum(self.bad_debt.values())

    def _lose(self, market: str, amount: int) -> None:
        if amount:
            self.bad_debt[market] = self.bad_debt.get(market, 0) + amount


@dataclass(frozen=True, slots=True)
class BreakerCost:
    """Units of bad debt of one breaker over one stretch of events."""

    breaker: str
    avoided: int
    caused: int


def cost_of(breaker: str, under: Run, without: Run) -> BreakerCost:
    """Compare a run under the breaker with one without it, market by market."""
    markets = sorted({*under.bad_debt, *without.bad_debt})
    differences = [without.bad_debt.get(m, 0) - under.bad_debt.get(m, 0) for m in markets]
    return BreakerCost(breaker, sum(d for d in differences if d > 0), -sum(d for d in differences if d < 0))


def seconds_at(run: Run, market: str, start_ns: int, end_ns: int) -> dict[Breaker, float]:
    """How long a market stood at each level, seconds; it starts at normal."""
    spent = dict.fromkeys(Breaker, 0.0)
    level, since = Breaker.NORMAL, start_ns
    for ts_ns, transition in [*run.log, (end_ns, None)]:
        if transition is not None and transition.market != market:
            continue
        spent[level] += (ts_ns - since) / 10**9
        since = ts_ns
        level = level if transition is None else transition.after
    return spent


def false_alarms(run: Run, calm: Mapping[str, bool]) -> dict[str, dict[str, int]]:
    """Alarms by month (``2025-09``) and breaker in the months that ``calm`` calls calm; a month without one says {}.

    An alarm is a transition away from open; the breaker is what its reason starts with, up to the colon.
    """
    found: dict[str, dict[str, int]] = {month: {} for month, is_calm in sorted(calm.items()) if is_calm}
    order = list(Breaker)
    for ts_ns, transition in run.log:
        month = datetime.fromtimestamp(ts_ns // 10**9, UTC).strftime("%Y-%m")
        if month in found and order.index(transition.after) > order.index(transition.before):
            name = transition.reason.partition(":")[0]
            found[month][name] = found[month].get(name, 0) + 1
    return found
