"""Named rules for order books that cannot be what the market held: seen, counted, and kept out of measures.

=====================  ==================================================================  ===========================
rule                   what it sees                                                        what follows
=====================  ==================================================================  ===========================
one-sided-book         a snapshot without bids or without asks                             snapshot dropped
crossed-book           the best bid at or above the best ask (bands: average prices        snapshot dropped
                       of the nearest bands the wrong way round)
ghost-level            levels, or collapsed bands, that stand still to the last digit      levels (bands: the side)
                       while the rest of the book has moved away from them                 dropped
frozen-book            a whole side that stands still to the last digit for longer than    snapshot (bands: the side)
                       stated while the other side moves, or a whole book for much longer  dropped
inconsistent-bands     cumulative depth that falls with distance, or a stated average      the side dropped
                       price that depth and notional contradict
missing-bands          a snapshot without some of the bands that the others have           nothing: they are NaN
thin-levels            how far the deepest level stands from mid                           nothing: never extrapolate
=====================  ==================================================================  ===========================

A snapshot is judged by itself and by what came before it, never by what comes after. Depth that merely vanishes is
not rejected: in a crash it does. What is rejected has stood still to the last digit while the market moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.market.bars import Finding
from leverline.market.books import BookSnapshots
from leverline.market.suspicion import MAX_FINDINGS
from leverline.market.times import NS_PER_S

SNAPSHOT_RULES = ("one-sided-book", "crossed-book", "ghost-level", "frozen-book")
BAND_RULES = ("crossed-book", "ghost-level", "frozen-book", "inconsistent-bands", "missing-bands")

FROZEN_SIDE_S = 30.0
"""A side of all its visible levels that stands still for longer than this while the other side moves is frozen. In a
live book of BTC or ETH no side repeats from one second to the next."""
FROZEN_BANDS_S = 120.0
"""The same for bands, which come every 30 s: four in a row."""
FROZEN_WHOLE_S = 600.0
"""A book of which nothing at all moves for longer than this is a dead feed."""
GHOST_GAP_SCALES = 20.0
"""How far in front of the rest of its side a ghost stands, in spreads (or steps of the best price, if larger)."""
GHOST_MOVE_SCALES = 5.0
"""How far the other side has moved since a ghost last changed, in the same."""
PRICE_SLACK = 1e-3
"""A stated average price may differ from notional / depth by this fraction."""
_BP = 1e4


@dataclass
class BookLedger:
    """Findings of one series with a bound per rule, and counts without one."""

    symbol: str
    ts: IntArray
    file_of: Callable[[int], str]
    findings: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def note(self, rule: str, at: IntArray, say: Callable[[int], str]) -> None:
        """Record ``rule`` at the snapshots ``at``."""
        self.counts[rule] = self.counts.get(rule, 0) + at.size
        self.findings += [Finding(rule, self.file_of(int(i)), self.symbol, int(self.ts[i]), say(int(i)))
                          for i in at[:MAX_FINDINGS]]


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices and sizes of every snapshot, best first, NaN at the end; shape (n, n_levels) each."""

    bid_price: FloatArray
    bid_size: FloatArray
    ask_price: FloatArray
    ask_size: FloatArray

    def take(self, at: IntArray | BoolArray) -> Levels:
        """The snapshots ``at``."""
        return Levels(self.bid_price[at], self.bid_size[at], self.ask_price[at], self.ask_size[at])


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the deepest level stands from mid, in basis points; shape (n,) per side. Beyond it nothing is known."""

    bid_bp: FloatArray
    ask_bp: FloatArray

    @property
    def median_bp(self) -> tuple[float, float]:
        """Over the snapshots: bids, asks."""
        return float(np.median(self.bid_bp)), float(np.median(self.ask_bp))


def sound_levels(levels: Levels, ts: IntArray, ledger: BookLedger) -> tuple[Levels, IntArray]:
    """Levels without ghosts, and the snapshots that stand: what breaks a rule is noted in ``ledger`` and left out."""
    from leverline.market._book_kernels import judge_tops, level_since

    n = ts.size
    one_sided = np.isnan(levels.bid_price[:, 0]) | np.isnan(levels.ask_price[:, 0])
    ledger.note("one-sided-book", np.flatnonzero(one_sided),
                lambda i: "no bids" if np.isnan(levels.bid_price[i, 0]) else "no asks")
    two_sided = np.flatnonzero(~one_sided)
    whole = levels.take(two_sided)
    since = [np.empty(whole.bid_price.shape, np.int64) for _ in range(2)]
    level_since(whole.bid_price, whole.bid_size, -1.0, since[0])
    level_since(whole.ask_price, whole.ask_size, 1.0, since[1])
    ghosts, crossed = np.zeros((two_sided.size, 2), np.int64), np.zeros(two_sided.size, np.bool_)
    judge_tops(whole.bid_price, whole.ask_price, since[0], since[1], GHOST_GAP_SCALES, GHOST_MOVE_SCALES,
               ghosts, crossed)
    at = two_sided[crossed]
    ledger.note("crossed-book", at, lambda i: f"bid {levels.bid_price[i, 0]:.10g}, ask {levels.ask_price[i, 0]:.10g}")
    for side, (name, price, size) in enumerate((("bid", levels.bid_price, levels.bid_size),
                                                ("ask", levels.ask_price, levels.ask_size))):
        haunted = np.flatnonzero(ghosts[:, side])
        first = dict(zip(two_sided[haunted].tolist(), two_sided[since[side][haunted, 0]].tolist(), strict=True))
        ledger.note("ghost-level", two_sided[haunted], lambda i, n=name, p=price, s=size, f=first: (  # type: ignore[misc]
            f"{n} {s[i, 0]:.10g} at {p[i, 0]:.10g} has stood for {(ts[i] - ts[f[i]]) / NS_PER_S:g} s"))
    frozen = _frozen_snapshots(levels, ts)
    ledger.note("frozen-book", np.flatnonzero(frozen), lambda i: _standing(levels, i))
    dropped = one_sided | frozen
    dropped[at] = True
    bids = _shifted(whole.bid_price, whole.bid_size, ghosts[:, 0])
    asks = _shifted(whole.ask_price, whole.ask_size, ghosts[:, 1])
    kept = np.flatnonzero(~dropped[two_sided])
    return Levels(*bids, *asks).take(kept), np.arange(n)[two_sided[kept]]


def reach(snapshots: BookSnapshots | Levels) -> Reach:
    """Distance of the deepest level from mid, in basis points of mid, per snapshot and side."""
    mid = (snapshots.bid_price[:, 0] + snapshots.ask_price[:, 0]) / 2
    deepest_bid = np.fmin.reduce(snapshots.bid_price, axis=1)
    deepest_ask = np.fmax.reduce(snapshots.ask_price, axis=1)
    return Reach(_BP * (1 - deepest_bid / mid), _BP * (deepest_ask / mid - 1))


def reach_finding(levels: Levels, ledger: BookLedger, at: int) -> None:
    """Note once, at snapshot ``at`` of the ledger, how far the levels go."""
    if not levels.bid_price.shape[0]:
        return
    bid, ask = reach(levels).median_bp
    ledger.note("thin-levels", np.array([at]), lambda _: (
        f"{levels.bid_price.shape[1]} levels reach {bid:.3g} bp below and {ask:.3g} bp above mid (median): "
        "nothing beyond is known"))


def stands_against_trades(snapshots: BookSnapshots, trade_ts: IntArray, frozen_s: float = FROZEN_SIDE_S) -> BoolArray:
    """True where the whole book has stood still for longer than ``frozen_s`` although the market traded meanwhile.

    ``trade_ts`` is sorted, ns UTC. Whoever has both the book and the prints of a market asks this as well.
    """
    levels = Levels(snapshots.bid_price, snapshots.bid_size, snapshots.ask_price, snapshots.ask_size)
    start = run_starts(_same_side(levels.bid_price, levels.bid_size) & _same_side(levels.ask_price, levels.ask_size))
    begun = snapshots.ts[start]
    traded = np.searchsorted(trade_ts, snapshots.ts, side="right") > np.searchsorted(trade_ts, begun, side="right")
    out: BoolArray = traded & (snapshots.ts - begun > frozen_s * NS_PER_S)
    return out


def run_starts(same: BoolArray) -> IntArray:
    """Per row the first row of its run, where ``same`` says that a row equals the one before; shape (n,)."""
    return np.maximum.accumulate(np.where(same, 0, np.arange(same.size)))


def frozen(same: BoolArray, other_same: BoolArray, ts: IntArray, after_s: float) -> BoolArray:
    """Rows at which one side has stood still for longer than ``after_s`` while the other side moved meanwhile."""
    start = run_starts(same)
    moves = np.cumsum(~other_same)
    out: BoolArray = (ts - ts[start] > after_s * NS_PER_S) & (moves > moves[start])
    return out


def _frozen_snapshots(levels: Levels, ts: IntArray) -> BoolArray:
    bids = _same_side(levels.bid_price, levels.bid_size)
    asks = _same_side(levels.ask_price, levels.ask_size)
    start = run_starts(bids & asks)
    dead: BoolArray = ts - ts[start] > FROZEN_WHOLE_S * NS_PER_S
    return frozen(bids, asks, ts, FROZEN_SIDE_S) | frozen(asks, bids, ts, FROZEN_SIDE_S) | dead


def _same_side(price: FloatArray, size: FloatArray) -> BoolArray:
    """True where every level equals the snapshot before; shape (n,), False at the first and where the side is empty."""
    out = np.zeros(price.shape[0], np.bool_)
    equal = ((price[1:] == price[:-1]) & (size[1:] == size[:-1])) | (np.isnan(price[1:]) & np.isnan(price[:-1]))
    out[1:] = np.logical_and.reduce(equal, axis=1) & ~np.isnan(price[1:, 0])
    return out


def _standing(levels: Levels, at: int) -> str:
    return (f"bid {levels.bid_size[at, 0]:.10g} at {levels.bid_price[at, 0]:.10g}, "
            f"ask {levels.ask_size[at, 0]:.10g} at {levels.ask_price[at, 0]:.10g}: a side still stands")


def _shifted(price: FloatArray, size: FloatArray, dropped: IntArray) -> tuple[FloatArray, FloatArray]:
    """Both without the first ``dropped`` levels of each snapshot, NaN at the end."""
    if not dropped.any():
        return price, size
    price, size = price.copy(), size.copy()
    for i in np.flatnonzero(dropped):
        for column in (price, size):
            column[i] = np.concatenate([column[i, dropped[i]:], np.full(dropped[i], np.nan)])
    return price, size
