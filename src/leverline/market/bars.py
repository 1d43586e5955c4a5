"""Bars as they were read (columns, CSR by symbol) and as estimators want them (a panel on one regular grid)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.model.appetite import SECONDS_PER_DAY
from leverline.model.provenance import DataFile

NS_PER_S = 1_000_000_000
RELISTING_LOG_RETURN = 2.0
"""A log return above this is a new asset under an old name (docs/decisions/0006-relisting-and-collapse.md)."""
_KNOWN_A_BAR_LATER = ("print-jump", "gap")
"""Rules that the next bar decides."""
MAX_CELLS = 400_000_000
"""Largest grid (bars x listings) laid out in memory: about 13 GB for four columns."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something suspicious that was accepted: the named rule, where, when, and what was seen."""

    rule: str
    file: str
    symbol: str
    ts: int  # ns, UTC
    detail: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Validated bars of several symbols, sorted by symbol then time.

    Rows of symbol ``i`` are ``offsets[i]:offsets[i + 1]``. ``ts`` is the bar's open in ns UTC; the close is known at
    ``ts + spacing_ns``. Prices are positive and finite; ``open``, ``high``, ``low`` and ``volume`` (base units) are NaN
    where the source has none. ``masked`` marks rows that a named rule keeps out of estimation; ``listing`` counts
    from 0 and rises by one at each relisting of a symbol.
    """

    symbols: tuple[str, ...]
    offsets: IntArray
    ts: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    masked: BoolArray
    listing: IntArray
    spacing_ns: int
    files: tuple[DataFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # rule -> symbol -> how often
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ts)

    def rows(self, symbol: str) -> slice:
        """The rows of one symbol."""
        index = self.symbols.index(symbol)
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    @property
    def close_only(self) -> dict[str, bool]:
        """Per symbol: True where no bar carries a usable high and low."""
        ranged = np.isfinite(self.high) & np.isfinite(self.low)
        return {s: not bool(ranged[self.rows(s)].any()) for s in self.symbols}

    @property
    def spacing_s(self) -> float:
        """Seconds from one bar to the next."""
        return self.spacing_ns / NS_PER_S

    def select(self, symbols: list[str]) -> Bars:
        """Only ``symbols``, in that order; unknown ones are refused."""
        unknown = [s for s in symbols if s not in self.symbols]
        if unknown:
            raise UsageError(f"no bars of {', '.join(unknown)}", remedy=f"the input has {', '.join(self.symbols[:12])}")
        chosen = dict.fromkeys(symbols)
        keep = [np.arange(self.rows(s).start, self.rows(s).stop) for s in chosen]
        return self._take(tuple(chosen), keep)

    def until(self, as_of_ns: int) -> Bars:
        """Only bars whose close is known by ``as_of_ns``; symbols without one are dropped."""
        keep = []
        for symbol in self.symbols:
            rows = self.rows(symbol)
            stop = rows.start + int(np.searchsorted(self.ts[rows] + self.spacing_ns, as_of_ns, side="right"))
            keep.append(np.arange(rows.start, stop))
        kept = [(s, k) for s, k in zip(self.symbols, keep, strict=True) if k.size]
        if not kept:
            raise InsufficientDataError("no bar is known at the as-of time", remedy="choose a later --as-of")
        cut = self._take(tuple(s for s, _ in kept), [k for _, k in kept])
        return cut if len(cut) == len(self) else _as_known(cut, as_of_ns)

    def _take(self, symbols: tuple[str, ...], keep: list[IntArray]) -> Bars:
        rows = np.concatenate(keep) if keep else np.empty(0, np.int64)
        return Bars(
            symbols=symbols,
            offsets=np.concatenate([[0], np.cumsum([k.size for k in keep])]).astype(np.int64),
            ts=self.ts[rows], open=self.open[rows], high=self.high[rows], low=self.low[rows], close=self.close[rows],
            volume=self.volume[rows], masked=self.masked[rows], listing=self.listing[rows],
            spacing_ns=self.spacing_ns, files=self.files,
            findings=tuple(f for f in self.findings if f.symbol in symbols),
            counts={rule: {s: n for s, n in per.items() if s in symbols} for rule, per in self.counts.items()},
            warnings=self.warnings,
        )

    @property
    def newest_close_ns(self) -> int:
        """When the newest bar's close became known, ns UTC."""
        return int(self.ts.max()) + self.spacing_ns


def grid_phase(ts: IntArray, spacing_ns: int) -> int:
    """Where in a spacing more than half of the bars open, ns, counted from 1970; 0 where stamps scatter.

    0 are whole UTC hours and days; weeks that begin on Mondays stand four days on, days of a session at its open.
    """
    phases = ts % spacing_ns
    middle = int(np.partition(phases, phases.size // 2)[phases.size // 2])  # a majority holds the middle
    return middle if 2 * int(np.count_nonzero(phases == middle)) > phases.size else 0


def _as_known(bars: Bars, as_of_ns: int) -> Bars:
    """Only findings known by then; counts are of the findings kept.

    What a symbol's last bar is said to be by the bar after it is not known yet, and does not mask it.
    """
    last = dict(zip(bars.symbols, bars.ts[bars.offsets[1:] - 1].tolist(), strict=True))
    past = [f for f in bars.findings if f.ts + bars.spacing_ns <= as_of_ns]
    undecided = [f for f in past if f.rule in _KNOWN_A_BAR_LATER and f.ts == last[f.symbol]]
    known = tuple(f for f in past if f not in undecided)
    masked, decided = bars.masked.copy(), {(f.symbol, f.ts) for f in known}
    for finding in undecided:
        if finding.rule == "print-jump" and (finding.symbol, finding.ts) not in decided:
            masked[bars.rows(finding.symbol).stop - 1] = False
    counts: dict[str, dict[str, int]] = {}
    for finding in known:
        per_symbol = counts.setdefault(finding.rule, {})
        per_symbol[finding.symbol] = per_symbol.get(finding.symbol, 0) + 1
    return replace(bars, masked=masked, findings=known, counts=counts)


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars on one regular grid: row ``t`` opens at ``ts[t]`` and is known at ``ts[t] + spacing_ns``.

    A column is one *listing*: a symbol that was relisted as another asset has a column for each, so that nothing
    measured on the dead coin speaks for the new one. Arrays have shape (n_bars, n_listings); NaN where there is no
    bar, where it is masked, or (``high``, ``low``, ``volume``) where the source has none. Nothing is filled in.
    """

    symbols: tuple[str, ...]  # of each column; repeated where a symbol was relisted, oldest listing first
    ts: IntArray
    spacing_ns: int
    close: FloatArray
    high: FloatArray
    low: FloatArray
    volume: FloatArray

    @classmethod
    def of(cls, bars: Bars) -> Self:
        """Lay ``bars`` on the grid; a stamp between grid lines belongs to its bar.

        The grid stands where most bars open (:func:`grid_phase`), so that a row is not known before its bars have
        closed.
        """
        step = bars.spacing_ns
        phase = grid_phase(bars.ts, step)
        start = (int(bars.ts.min()) - phase) // step * step + phase
        n_bars = (int(bars.ts.max()) - start) // step + 1
        listings = [(s, number) for s in bars.symbols for number in np.unique(bars.listing[bars.rows(s)])]
        if n_bars * len(listings) > MAX_CELLS:
            raise InsufficientDataError(
                f"a grid of {n_bars} bars x {len(listings)} symbols is too large",
                remedy="check the time stamps, or choose fewer --symbols",
            )
        columns = {name: np.full((n_bars, len(listings)), np.nan) for name in ("close", "high", "low", "volume")}
        for j, (symbol, number) in enumerate(listings):
            rows = np.arange(bars.rows(symbol).start, bars.rows(symbol).stop)
            rows = rows[~bars.masked[rows] & (bars.listing[rows] == number)]
            at = (bars.ts[rows] - start) // step
            for name, column in columns.items():
                column[at, j] = getattr(bars, name)[rows]
        grid = start + step * np.arange(n_bars, dtype=np.int64)
        return cls(symbols=tuple(s for s, _ in listings), ts=grid, spacing_ns=step, **columns)

    @property
    def spacing_s(self) -> float:
        """Seconds from one bar to the next."""
        return self.spacing_ns / NS_PER_S

    @property
    def bars_per_day(self) -> float:
        """Bars in a day of 24 hours."""
        return SECONDS_PER_DAY / self.spacing_s

    @property
    def close_only(self) -> BoolArray:
        """Shape (n_listings,): True where no bar carries a usable high and low."""
        unranged = np.isnan(self.high) | np.isnan(self.low)
        out: BoolArray = np.logical_and.reduce(unranged, axis=0)
        return out

    @property
    def newest(self) -> dict[str, int]:
        """Column of each symbol's newest listing."""
        return {symbol: column for column, symbol in enumerate(self.symbols)}

    def log_returns(self) -> FloatArray:
        """Log return of each bar's close over the listing's previous close, shape (n_bars, n_listings).

        NaN where a bar is missing and at a listing's first bar. After a gap the return is the whole move across it:
        nobody could leave inside, so it is one step of risk.
        """
        out = np.full_like(self.close, np.nan)
        for j in range(len(self.symbols)):
            at = np.flatnonzero(np.isfinite(self.close[:, j]))
            out[at[1:], j] = np.diff(np.log(self.close[at, j]))
        return out
