"""Events a CPU second through :meth:`Venue.apply`, by kind, at a venue of 2,000 pools with a position each.

Every event changes what its kind changes: money moves, lots trade, bands are redrawn where slack changed. A price stays
within all bands, as prices mostly do; what a price does that does not, the crash rows say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from leverline.enforce.effects import LiquidationOrder, Rejected
from leverline.enforce.events import (
    Body,
    Deposit,
    Event,
    Fill,
    Funding,
    LiquidationFill,
    OpenPool,
    OracleUpdate,
    OrderIntent,
    PoolKey,
    TimePassed,
    Transfer,
    Withdraw,
)
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.sizing import WholePool
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.evidence.bench.crash_bench import ENTRY, SYMBOL, UNITS_A_LOT_AND_TICK, book
from leverline.evidence.bench.rows import ROUNDS, BenchRow
from leverline.ground.errors import require
from leverline.model.accounts import Mode

POOLS, EVENTS = 2_000, 4_000
FUNDINGS = 5
"""A funding moves every holder's cash, so few of them take as long as many of the others."""
LOTS = 10
KINDS = ("deposit", "withdraw", "transfer", "order", "fill", "price", "funding", "time", "liquidation-fill")
ROWS = tuple(f"apply-{kind}" for kind in KINDS)


def rows() -> list[BenchRow]:
    """Events a CPU second of each kind, median over rounds; of a funding, holders a CPU second stand beside it."""
    rates = {kind: [_rate(kind) for _ in range(ROUNDS)] for kind in KINDS}
    return [BenchRow(f"apply-{kind}", float(np.median(rate)), "events / CPU s",
                     notes={"pools": POOLS} | ({"holders_per_cpu_s": float(np.median(rate)) * POOLS}
                                               if kind == "funding" else {}))
            for kind, rate in rates.items()]


def _rate(kind: str) -> float:
    """Events of one kind a CPU second, none of them rejected."""
    if kind == "liquidation-fill":
        return _liquidation_fills()
    venue = filled()
    made = BODIES[kind]
    events = list(numbered(venue, [made(i) for i in range(FUNDINGS if kind == "funding" else EVENTS)]))
    return _timed(venue, events)


def _liquidation_fills() -> float:
    """Every pool is cut by a fall, and every order is filled at the mark."""
    venue = filled(replace(LEVERLINE, size=WholePool()))
    mark = ENTRY * 903 // 1000
    (fall,) = numbered(venue, [OracleUpdate(SYMBOL, "one", mark, 0, 0)])
    orders = [effect for effect in venue.apply(fall) if isinstance(effect, LiquidationOrder)]
    require(len(orders) == POOLS, "the fall liquidates everybody", got=len(orders))
    return _timed(venue, list(numbered(venue, [
        LiquidationFill(order.order, OUTSIDE_MARKET, order.lots, mark) for order in orders])))


def _timed(venue: Venue, events: list[Event]) -> float:
    started = time.process_time()
    answers = [venue.apply(event) for event in events]
    used = time.process_time() - started
    rejected = [row[0] for row in answers if row and isinstance(row[0], Rejected)]
    require(not rejected, "a bench measures events that are accepted", got=rejected[:1])
    return len(events) / used


def filled(policies: VenuePolicies = LEVERLINE) -> Venue:
    """Pools at ten times leverage against the outside market, each with a segregated neighbour."""
    venue = Venue(book(), policies)
    margin = LOTS * ENTRY * UNITS_A_LOT_AND_TICK // 10
    bodies: list[Body] = [OracleUpdate(SYMBOL, "one", ENTRY, 0, 0)]
    for i in range(POOLS):
        bodies += [OpenPool(trader(i), f"owner {i}", Mode.CROSS), OpenPool(apart(i), f"owner {i}", Mode.SEGREGATED),
                   Deposit(trader(i), "USDT", margin), Fill(SYMBOL, trader(i), OUTSIDE_MARKET, LOTS, ENTRY)]
    for event in numbered(venue, bodies):
        venue.apply(event)
    return venue


def numbered(venue: Venue, bodies: list[Body]) -> Iterator[Event]:
    """Events in sequence after those that the venue knows."""
    first = venue.state.seq + 1
    return (Event(first + k, venue.state.now_ns, f"{first + k}", body) for k, body in enumerate(bodies))


def trader(i: int) -> PoolKey:
    """The i-th pool with a position, round to the first again."""
    return PoolKey(f"trader {i % POOLS}")


def apart(i: int) -> PoolKey:
    """The i-th trader's other pool."""
    return PoolKey(f"trader {i % POOLS}", "apart")


BODIES: dict[str, Callable[[int], Body]] = {
    "deposit": lambda i: Deposit(trader(i), "USDT", 1_000_000),
    "withdraw": lambda i: Withdraw(trader(i), "USDT", 1_000),
    "transfer": lambda i: Transfer(trader(i), apart(i), "USDT", 1_000),
    "order": lambda i: OrderIntent(trader(i), SYMBOL, 1, ENTRY),
    "fill": lambda i: Fill(SYMBOL, trader(i), trader(i + 1), 1, ENTRY, 100, 100),
    "price": lambda i: OracleUpdate(SYMBOL, "one", ENTRY + i % 7, 0, 0),
    "funding": lambda i: Funding(SYMBOL, 1 + i % 2),
    "time": lambda i: TimePassed(),  # noqa: ARG005 - nothing tells one from another
}
"""The i-th event of each kind."""
