"""Order-by-order events of one market, and the book they make at given times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import IntArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.market.bars import Finding
from leverline.market.book_columns import ASK, BID, MAX_CELLS
from leverline.market.book_rules import BookLedger, Levels, reach_finding, sound_levels
from leverline.market.books import BookSnapshots
from leverline.market.times import NS_PER_S
from leverline.model.provenance import DataFile

ACTIONS = {"created": 0, "changed": 1, "deleted": 2}
EVENT_RULES = ("unknown-order", "repeated-order", "unpriced-order", "ghost-order")
"""What is odd about events: a change or removal of an order that never came, an order that comes while it is there
(replaced), one without price or volume (left out), one in the way of others long after they came (left out)."""
PATIENCE_S = 1.0
"""How long a marketable order may wait for its fills to be reported. On Bitstamp they come within the millisecond."""
DEFAULT_SPACING_S = 1.0
DEFAULT_LEVELS = 50
_FINEST_UNIT = 8
_LARGEST_SUM = 2.0**62


@dataclass(frozen=True, slots=True)
class OrderEvents:
    """Events of one market in the order in which they happened; arrays have shape (n,).

    ``ts`` ns UTC, never falling; ``order`` codes an order's id, from 0 without gaps; ``side`` is 0 for bids and 1 for
    asks; ``action`` is 0 created, 1 changed, 2 deleted; ``volume`` in base units is what is left of the order.
    """

    symbol: str
    ts: IntArray
    order: IntArray
    side: npt.NDArray[np.int8]
    price: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]
    action: npt.NDArray[np.int8]
    files: tuple[DataFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A book made of events, how often each rule struck, and how many orders were marketable when they came."""

    snapshots: BookSnapshots
    counts: dict[str, int]
    marketable: int


def rebuild(
    events: OrderEvents, *, every_s: float = DEFAULT_SPACING_S, levels: int = DEFAULT_LEVELS,
    patience_s: float = PATIENCE_S,
) -> Rebuilt:
    """The best ``levels`` levels of each side every ``every_s`` seconds, on the UTC grid, as known at that time.

    A feed that reports an order before the fills that it causes is crossed for a moment. Here a marketable order waits
    outside the book until nothing crosses it any more. Where that takes longer than ``patience_s``, what stands in its
    way is a ghost whose removal was lost: it is left out until another event of it arrives. The book is never crossed.

    Snapshots that break a rule of :mod:`leverline.market.book_rules` are left out, as when a recording ends by
    deleting every order.
    """
    from leverline.market._order_kernels import replay

    require(every_s > 0, "the spacing is positive, in seconds", got=every_s)
    require(levels > 0, "at least one level is kept", got=levels)
    require(patience_s >= 0, "the patience is not negative, in seconds", got=patience_s)
    grid = _grid(events.ts, round(every_s * NS_PER_S))
    if grid.size * levels > MAX_CELLS:
        raise InsufficientDataError(f"{grid.size} snapshots of {levels} levels are too many",
                                    remedy="choose a longer spacing or fewer levels")
    prices, rank = np.unique(events.price, return_inverse=True)
    rank = np.where(events.price > 0, rank, -1)
    digits = unit_digits(events.volume)
    out_rank = np.full((2, grid.size, levels), -1, np.int64)
    out_units = np.zeros((2, grid.size, levels), np.int64)
    verdict, staled = np.zeros(len(events), np.int8), np.zeros(len(events), np.int64)
    n_orders = int(events.order.max()) + 1
    units = np.rint(events.volume * 10.0**digits).astype(np.int64)
    marketable = replay(events.ts, events.order, events.side, rank, units, events.action, n_orders, prices.size, grid,
                        round(patience_s * NS_PER_S), out_rank, out_units, verdict, staled)
    there = out_rank >= 0
    price = np.where(there, prices[out_rank], np.nan)
    size = np.where(there, out_units / 10.0**digits, np.nan)
    return _judged(events, grid, Levels(price[BID], size[BID], price[ASK], size[ASK]), verdict, staled, marketable)


def unit_digits(volume: npt.NDArray[np.float64]) -> int:
    """Decimal digits at which volumes are counted: 8, fewer where sums would not fit into 63 bits."""
    largest = max(1.0, float(volume.max())) * max(1, volume.size)
    return min(_FINEST_UNIT, int(np.floor(np.log10(_LARGEST_SUM / largest))))


def _grid(ts: IntArray, step_ns: int) -> IntArray:
    """Multiples of the step from the first event to the last."""
    grid: IntArray = step_ns * np.arange(-(-int(ts[0]) // step_ns), int(ts[-1]) // step_ns + 1, dtype=np.int64)
    if not grid.size:
        raise InsufficientDataError("the events end before the first snapshot", remedy="choose a shorter spacing")
    return grid


def _judged(
    events: OrderEvents, grid: IntArray, levels: Levels, verdict: npt.NDArray[np.int8], staled: IntArray,
    marketable: int,
) -> Rebuilt:
    name = ", ".join(f.name for f in events.files)
    odd = BookLedger(events.symbol, events.ts, lambda _: name)
    said = ("unknown-order", "repeated-order", "unpriced-order")
    for code, rule in enumerate(said, start=1):
        odd.note(rule, np.flatnonzero(verdict == code), lambda i: _event(events, i))
    odd.note("ghost-order", np.flatnonzero(staled), lambda i: (
        f"{staled[i]} orders stand in the way of one that came more than the patience ago"))
    odd.counts["ghost-order"] = int(staled.sum())
    ledger = BookLedger(events.symbol, grid, lambda _: name)
    sound, kept = sound_levels(levels, grid, ledger)
    if kept.size:
        reach_finding(sound, ledger, int(kept[0]))
    book = BookSnapshots(events.symbol, grid[kept], sound.bid_price, sound.bid_size, sound.ask_price, sound.ask_size,
                         events.files, (*events.findings, *odd.findings, *ledger.findings), events.warnings)
    return Rebuilt(book, odd.counts | ledger.counts, int(marketable))


def _event(events: OrderEvents, at: int) -> str:
    words = list(ACTIONS)
    return (f"event {at + 1}: {words[events.action[at]]} {'bid' if events.side[at] == BID else 'ask'} "
            f"{events.volume[at]:.10g} at {events.price[at]:.10g}")
