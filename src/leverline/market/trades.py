"""Trades, and the other series of a market that are not bars: funding, open interest, a volatility index."""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.arrays import FloatArray, IntArray
from leverline.market.bars import Finding
from leverline.model.provenance import DataFile


@dataclass(frozen=True, slots=True)
class Trades:
    """Prints of one market in order of time; ``aggressor`` is +1 where a buyer took, -1 where a seller did.

    ``ts`` (n,) ns UTC, never falling; ``price`` in quote, ``size`` in base units, both positive. A print far off the
    prints beside it is not here; it is in ``findings`` as ``print-jump``.
    """

    symbol: str
    ts: IntArray
    price: FloatArray
    size: FloatArray
    aggressor: IntArray
    files: tuple[DataFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class Series:
    """One value through time of one market: what it is stands in ``kind``.

    ``kind`` is ``funding`` (fraction per interval, paid by longs), ``open-interest`` (quote notional),
    ``implied-volatility`` (fraction per year) or ``market-capitalisation`` (quote notional of the coins that exist).
    ``ts`` (n,) ns UTC, strictly rising, is when the value became known. What is odd stays in and is in ``findings``.
    """

    symbol: str
    kind: str
    ts: IntArray
    value: FloatArray
    files: tuple[DataFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ts)
