r"""The insurance fund: large enough for all losses beyond margin of one stress event together.

.. math:: T\,(1 + r d)\,(1 - h) \ge \max\bigl(ES_c(L),\ \textstyle\sum_{i \le N} ES_c(L_i)\bigr)

L is the aggregate loss beyond margin over joint paths (:mod:`leverline.calibrate.joint_paths`), the larger of the paths
as dates fell and of those with stressed dependence; :math:`L_i` are owners' losses, each in its own worst paths, and N
how many of them the fund must outlast (cover-N). The inflow :math:`r d` of the calm days before the event counts,
nothing that would flow in during it. The fund's own assets fall by h in the very paths in which it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from leverline.calibrate.fund_losses import (
    FullMarkets,
    PathLosses,
    expected_shortfall,
    losses_at_caps,
    losses_of_accounts,
    market_of_base,
)
from leverline.calibrate.joint_paths import JointHistory, StressedPaths, moves_as_dates_fell, run_starts
from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError, require
from leverline.margin.tables import MarginTables
from leverline.measure.resampling import date_weights, default_block
from leverline.model.appetite_line import FundAppetite

DRAWS = 400
"""Resamples behind the interval of the estimate."""
INTERVAL = 0.95
AS_DATES_FELL, STRESSED = "joint moves as dates fell", "stressed dependence"
_CHUNK_CELLS = 4_000_000
"""Moves held at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Actual accounts, valued under the limits to be funded; closing costs by symbol, of notional."""

    tables: MarginTables
    closing_rate: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class EventLosses:
    """Losses on one set of paths, and the shortfall that they amount to.

    ``shortfall`` and ``interval`` are settlement currency; ``by_market`` has each market's own shortfall,
    (n_markets,); ``tail_level`` the price of each market when the event ends, relative to its start, averaged over the
    paths that make up the shortfall.
    """

    source: str
    losses: PathLosses
    shortfall: float
    resampled: FloatArray
    by_market: FloatArray
    tail_level: FloatArray

    @property
    def markets_at_once(self) -> int:
        """Most markets with a loss beyond margin on one path."""
        return int(np.count_nonzero(self.losses.by_market > 0.0, axis=1).max(initial=0))


@dataclass(frozen=True, slots=True)
class FundNeed:
    """What one stress event may cost, settlement currency.

    ``events`` are the sets of paths, the one that binds first; ``low`` and ``high`` bound the shortfall of the
    aggregate by resampling dates and paths, given the marginals and the correlation.
    """

    symbols: tuple[str, ...]
    events: tuple[EventLosses, ...]
    shortfall: float
    low: float
    high: float
    cover: float
    owners: int

    @property
    def amount(self) -> float:
        """The larger of the aggregate's shortfall and that of the largest owners."""
        return max(self.shortfall, self.cover)

    @property
    def binding(self) -> str:
        """Which of the two it is."""
        if self.cover > self.shortfall:
            return f"the {self.owners} largest owners, each in its own worst paths"
        return f"expected shortfall of aggregate losses, {self.events[0].source}"


def fund_need(
    history: JointHistory, exposure: FullMarkets | Accounts, appetite: FundAppetite, rng: np.random.Generator,
) -> FundNeed:
    """Expected shortfall of aggregate losses on both sets of paths, and of the largest owners."""
    symbols = history.symbols
    if isinstance(exposure, FullMarkets):
        require(exposure.symbols == symbols, "markets and moves are in one order")
    starts = run_starts(history, appetite.paths)
    stressed = StressedPaths(history, appetite.stressed_correlation)
    n = appetite.paths
    # Runs that overlap are not independent: dates are resampled in blocks of at least one run.
    block = min(starts.size, max(default_block(starts.size), _run_length(history, starts)))
    fell = _event(AS_DATES_FELL, (moves_as_dates_fell(history, part) for part in _parts(starts, history)), starts.size,
                  exposure, symbols, appetite, block, rng)
    drawn = _event(STRESSED, (stressed.moves(part.size, rng) for part in _parts(np.arange(n), history)), n,
                   exposure, symbols, appetite, 1, rng)
    events = tuple(sorted((fell, drawn), key=lambda event: -event.shortfall))
    tail = (1.0 - INTERVAL) / 2.0
    low, high = np.quantile(np.maximum(fell.resampled, drawn.resampled), [tail, 1.0 - tail])
    cover = max(float(event.losses.owner_tails[: appetite.cover_owners].sum()) for event in events)
    return FundNeed(symbols, events, events[0].shortfall, float(low), float(high), cover, appetite.cover_owners)


def _run_length(history: JointHistory, starts: IntArray) -> int:
    """How many neighbouring starts share a date with one run."""
    apart = int(starts[1] - starts[0]) if starts.size > 1 else 1
    return -(-history.window_rows * (history.windows + 1) // apart)


def _parts(rows: IntArray, history: JointHistory) -> list[IntArray]:
    """``rows`` in pieces whose moves fit into memory."""
    each = max(1, _CHUNK_CELLS // ((history.windows + 1) * len(history.symbols)))
    return [rows[k : k + each] for k in range(0, rows.size, each)]


def _event(
    source: str, moves: Iterator[FloatArray], n_paths: int, exposure: FullMarkets | Accounts,
    symbols: tuple[str, ...], appetite: FundAppetite, block: int, rng: np.random.Generator,
) -> EventLosses:
    """Losses on all of ``moves``, which come in parts, their shortfall, and the shortfall of resampled paths."""
    ends: list[FloatArray] = []

    def noted() -> Iterator[FloatArray]:
        for part in moves:
            ends.append(part[:, :-1].sum(axis=1))
            yield part

    losses = (losses_at_caps(noted(), exposure, appetite.confidence) if isinstance(exposure, FullMarkets) else
              losses_of_accounts(noted(), n_paths, exposure.tables, symbols, exposure.closing_rate,
                                 appetite.confidence))
    total = losses.total
    weights = date_weights(total.size, block, DRAWS, rng).astype(np.float64)
    resampled = np.array([expected_shortfall(total, appetite.confidence, row) for row in weights])
    worst = np.argsort(-total, kind="stable")[: max(1, round((1.0 - appetite.confidence) * total.size))]
    by_market = np.array([expected_shortfall(column, appetite.confidence) for column in losses.by_market.T])
    level = np.exp(np.concatenate(ends)[worst]).mean(axis=0)
    return EventLosses(source, losses, expected_shortfall(total, appetite.confidence), resampled, by_market, level)


@dataclass(frozen=True, slots=True)
class FundHoldings:
    """What the fund itself holds: asset to its share of the fund. Empty: the settlement asset alone."""

    shares: Mapping[str, float] = field(default_factory=dict)

    def haircuts(self, need: FundNeed, appetite: FundAppetite, settlement: str) -> dict[str, float]:
        """Share of each asset's value that is gone in the event: the appetite's, or what its market lost if more."""
        shares = self.shares or {settlement: 1.0}
        if not all(share > 0 for share in shares.values()) or abs(sum(shares.values()) - 1.0) > 1e-9:
            raise UsageError(f"the shares of the fund's assets are positive and add up to 1; got {dict(shares)!r}")
        columns = market_of_base(need.symbols)
        unknown = [asset for asset in shares if asset != settlement and asset not in columns]
        if unknown:
            raise UsageError(f"the fund holds assets whose fall is not known: {', '.join(unknown)}",
                             remedy="give bars of a market in them, or leave them out of the fund")
        fallen = {asset: 0.0 if asset == settlement else max(
            1.0 - float(event.tail_level[columns[asset]]) for event in need.events) for asset in shares}
        return {asset: max(appetite.asset_haircut, fall) for asset, fall in fallen.items()}

    def haircut(self, haircuts: Mapping[str, float]) -> float:
        """Of the fund as a whole."""
        weights = self.shares or dict.fromkeys(haircuts, 1.0)
        return float(sum(weights[asset] * cut for asset, cut in haircuts.items()))


def fund_target(need: float, appetite: FundAppetite, haircut: float) -> float:
    """Smallest target, settlement currency, whose assets after ``haircut``, and after calm days, meet ``need``."""
    if not 0.0 <= haircut < 1.0:
        raise UsageError(f"what the fund holds is worth something in the event; its haircut is {haircut:g}",
                         remedy="lower asset_haircut in [fund], or hold other assets")
    inflow = appetite.replenishment_per_day * appetite.calm_days_counted
    return need / ((1.0 - haircut) * (1.0 + inflow))


def market_shares(need: FundNeed, appetite: FundAppetite) -> dict[str, float]:
    """Of the target that one market may use: its own shortfall, at least an equal part, at most the appetite's share.

    Shares need not add up to 1: they are what one market may take when the others stand still.
    """
    worst = np.max([event.by_market for event in need.events], axis=0)
    least = 1.0 / len(need.symbols)
    own = worst / need.amount if need.amount > 0 else np.zeros(worst.shape)
    return {symbol: float(min(appetite.market_share, max(least, share)))
            for symbol, share in zip(need.symbols, own.tolist(), strict=True)}
