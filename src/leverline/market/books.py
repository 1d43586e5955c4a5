"""Order books as they were seen: level-2 snapshots, and cumulative depth within bands around mid."""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import Finding
from leverline.model.provenance import DataFile


@dataclass(frozen=True, slots=True)
class BookSnapshots:
    """Snapshots of one market's book, in order of time.

    ``ts`` (n,) ns UTC, strictly rising. Prices and sizes have shape (n, n_levels), best level first (bids fall, asks
    rise), size in base units, NaN beyond the levels that a snapshot has. Every snapshot here passed the rules: none is
    crossed, frozen or has a ghost level; what was rejected is in ``findings``.
    """

    symbol: str
    ts: IntArray
    bid_price: FloatArray
    bid_size: FloatArray
    ask_price: FloatArray
    ask_size: FloatArray
    files: tuple[DataFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class DepthBands:
    """Cumulative depth of one market within percentages of mid, in order of time.

    ``distance`` (k,) rises and is signed: -0.01 is all bids down to 1 % below mid, 0.01 all asks up to 1 % above.
    ``notional`` (n, k) is the quote value of that depth and ``size`` (n, k) its base units; both NaN where a band is
    missing or was rejected by a rule, which is in ``findings``.
    """

    symbol: str
    ts: IntArray
    distance: FloatArray
    notional: FloatArray
    size: FloatArray
    files: tuple[DataFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ts)
