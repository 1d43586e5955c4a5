"""Everybody who is not margined here, as buyer of last resort: takes forced orders at a price that their size moves.

The price given up follows the square root of what has been executed in the bar (Donier and Bonart 2015, arXiv
1412.4503), measured by the bar's own turnover and range, and begins anew with the next bar. The mark itself stays what
the bars say: whatever forced selling there was in history is in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from leverline.enforce.bar_points import PriceBar
from leverline.enforce.state import VenueState
from leverline.ground.errors import require
from leverline.measure.impact import MEAN_OVER_PEAK


@dataclass(slots=True)
class OutsideMarket:
    """``coefficient``: Y of the square-root law; None answers every order at its limit.

    ``executed`` counts units taken in the present bar, by market and side.
    """

    coefficient: float | None = 1.0
    bars: dict[str, PriceBar] = field(default_factory=dict)
    executed: dict[tuple[str, bool], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.coefficient is None or 0.0 <= self.coefficient < math.inf, "an impact coefficient is not negative",
                got=self.coefficient)

    def begin(self, bars: Sequence[PriceBar]) -> None:
        """The next bar's turnover and range count from now on, for the markets that have it."""
        for bar in bars:
            self.bars[bar.market] = bar
            for side in (True, False):
                self.executed.pop((bar.market, side), None)

    def takes(self, state: VenueState, market: str, lots: int, limit: int) -> tuple[int, int]:
        """Lots (positive) and ticks of what it fills of signed ``lots`` (positive: it buys) at ``limit`` or better.

        Where the bar has no turnover or range, or no coefficient is set, it is the whole at the limit if the mark is no
        worse than that, else nothing.
        """
        mark = state.markets[market].mark
        if mark is None:
            return 0, limit
        buys = lots > 0
        if self.coefficient is None or not self._is_known(market):
            return (abs(lots), limit) if (limit <= mark) == buys or limit == mark else (0, limit)

        def price(size: int) -> int:
            given_up = self._given_up(state, market, size, mark, buys=buys)
            return max(1, math.floor(mark * (1.0 - given_up))) if buys else math.ceil(mark * (1.0 + given_up))

        low, high = 0, abs(lots)
        while low < high:
            middle = (low + high + 1) // 2
            good = price(middle) >= limit if buys else price(middle) <= limit
            low, high = (middle, high) if good else (low, middle - 1)
        return (low, price(low)) if low else (0, limit)

    def took(self, state: VenueState, market: str, lots: int) -> None:
        """Remember what was executed: the next order meets a market that has moved."""
        mark = state.markets[market].mark
        assert mark is not None, "nothing is executed without a mark"
        key = market, lots > 0
        self.executed[key] = self.executed.get(key, 0) + state.terms.markets[market].notional(lots, mark)

    def _is_known(self, market: str) -> bool:
        bar = self.bars.get(market)
        return bar is not None and bar.turnover > 0.0 and math.isfinite(bar.sigma)

    def _given_up(self, state: VenueState, market: str, size: int, mark: int, *, buys: bool) -> float:
        r"""Fraction of the mark given up on average between :math:`Q_1` executed and :math:`Q_2`.

        .. math:: \frac23 \frac{Y \sigma}{\sqrt V} \frac{Q_2^{3/2} - Q_1^{3/2}}{Q_2 - Q_1}
        """
        bar = self.bars[market]
        assert self.coefficient is not None, "asked only where an impact is set"
        before = self.executed.get((market, buys), 0) / bar.turnover
        after = before + state.terms.markets[market].notional(size, mark) / bar.turnover
        slope = (after**1.5 - before**1.5) / (after - before) if after > before else 1.5 * math.sqrt(before)
        return MEAN_OVER_PEAK * self.coefficient * bar.sigma * slope
