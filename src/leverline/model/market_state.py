"""What every market and asset is worth at one time, as the margin engine sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require


@dataclass(frozen=True, slots=True)
class MarketState:
    """Columns over names; a name is a market's symbol or ``ASSET/USD`` for an asset's price.

    ``low`` and ``high`` bound the price an oracle or a venue would act on: what an account owns is valued at the low
    end and what it owes at the high end. Where a source gives one price both equal ``mark``.

    Attributes
    ----------
    names : tuple of str, unique
    mark, low, high : float64 arrays of shape (n,)
        Quote units per base unit, low <= mark <= high, positive.
    index : float64 array of shape (n,)
        The reference price without the venue's own premium; NaN where unknown.
    ts_ns : int64 array of shape (n,)
        When the mark was true, UTC nanoseconds; -1 where unknown.
    volatility_per_day : float64 array of shape (n,)
        Standard deviation of the daily log return; NaN where unknown.
    open_interest : float64 array of shape (n,)
        In contracts, one side; NaN where unknown.
    """

    names: tuple[str, ...]
    mark: FloatArray
    low: FloatArray
    high: FloatArray
    index: FloatArray
    ts_ns: IntArray
    volatility_per_day: FloatArray
    open_interest: FloatArray

    def __post_init__(self) -> None:
        n = len(self.names)
        require(len(set(self.names)) == n, "every name is marked once")
        for column in (self.mark, self.low, self.high, self.index, self.volatility_per_day, self.open_interest):
            require(column.shape == (n,), "columns are as long as the names", got=column.shape)
        require(bool(np.all((self.low > 0) & (self.low <= self.mark) & (self.mark <= self.high))),
                "0 < low <= mark <= high")

    @classmethod
    def of(cls, marks: dict[str, float]) -> MarketState:
        """The plain case: one price a name and nothing else known."""
        mark = np.array(list(marks.values()), dtype=np.float64)
        unknown = np.full(mark.shape, np.nan)
        return cls(tuple(marks), mark, mark, mark, unknown, np.full(mark.shape, -1, dtype=np.int64), unknown, unknown)
