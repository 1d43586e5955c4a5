"""The depth a limit may count upon: book before bands before volume, each as old as it is, under stress, shared out.

What is older than the stated age says nothing about how deep a market is now, only how its depth was *distributed*:
it then counts as a shape in percent of volume, scaled by the ratio of the volume now to the volume then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.market.bars import NS_PER_S
from leverline.market.books import BookSnapshots, DepthBands
from leverline.measure.cost_curve import (
    CostCurve,
    Source,
    curve_from_costs,
    extend_with_bands,
    root_rate,
    square_root_curve,
)
from leverline.measure.liquidity import visible_notional, walk_costs
from leverline.measure.stressed_depth import StressFactor
from leverline.model.limitbook import Basis

WINDOW_S = 300.0
"""Depth is averaged over this long: a single snapshot says little of the next minute's (experiment ``book-costs``)."""
HELD_SHARE = 0.95
"""A size counts as visible if this share of snapshots holds it; the others are left out of the average."""
BOOK_SIZES = 40
SMALLEST_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class ImpactLaw:
    """The square root law beyond what is visible: volatility per square root of day, volume in quote per day.

    Both stressed; NaN volume where none is known. ``basis`` says how ``coefficient`` (Y) came about.
    """

    coefficient: float
    sigma_per_day: float
    volume_per_day: float
    basis: Basis


@dataclass(frozen=True, slots=True)
class SeenDepth:
    """A book or bands, and the market's volume per day, quote, when they were seen (None where unknown)."""

    depth: BookSnapshots | DepthBands
    volume_then_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class DepthEstimate:
    """What depth was taken to be, from where and how old.

    ``curves`` are cost curves of liquidating a long and a short, stressed and shared out. ``source`` is the most
    trusted one that entered at its own level, else the most trusted shape; ``age_s`` is its age in seconds at ``as_of``
    (ns UTC), NaN for volume; ``shape_only`` says that its level came from volume. ``notes`` say in words what else a
    reader must know.
    """

    curves: tuple[CostCurve, CostCurve]
    source: Source
    as_of: int
    age_s: float
    shape_only: bool
    basis: Basis
    stress_factor: float
    crowding: float
    notes: tuple[str, ...]

    def cost_rate(self, notional: FloatArray | float) -> FloatArray:
        """Average cost of each size against mid, the costlier side; NaN where nothing is known of the size."""
        long, short = (curve.cost_rate(notional) for curve in self.curves)
        return np.asarray(np.maximum(long, short), np.float64)

    def parts(self, notional: FloatArray | float) -> tuple[Source, ...]:
        """The least trusted source that the cost of each size rests on, on either side."""
        long, short = (curve.parts(notional) for curve in self.curves)
        rank = {"book": 0, "bands": 1, "volume": 2}
        return tuple(max(pair, key=rank.__getitem__) for pair in zip(long, short, strict=True))

    def notional_within(self, budget_rate: float) -> float:
        """Largest notional whose average cost is within ``budget_rate`` on both sides."""
        return min(curve.notional_within(budget_rate) for curve in self.curves)


def depth_estimate(
    *, as_of: int, max_age_s: float, law: ImpactLaw, book: SeenDepth | None = None, bands: SeenDepth | None = None,
    stress: StressFactor | None = None, crowding: float = 1.0, current_volume_per_day: float | None = None,
    window_s: float = WINDOW_S,
) -> DepthEstimate:
    """Depth as of ``as_of`` (ns UTC), nothing later used, in the order of trust: book, bands, volume.

    Parameters
    ----------
    as_of : int
        ns UTC.
    max_age_s : float
        Beyond this age depth counts only as a shape in percent of volume.
    law : ImpactLaw
        What holds beyond visible depth, already stressed.
    book, bands : SeenDepth, optional
        What was seen, averaged over the ``window_s`` seconds before its newest observation known at ``as_of``.
    stress : StressFactor, optional
        Share of seen depth that is left under stress; None leaves it whole, and the notes say so.
    crowding : float, default=1
        Accounts' worth liquidated at once (:func:`leverline.measure.stressed_depth.crowding_factor`).
    current_volume_per_day : float, optional
        Unstressed volume now, comparable with ``volume_then_per_day``: what a stale shape is scaled to.

    Raises
    ------
    InsufficientDataError
        Neither book nor bands can be used and volume is unknown.
    """
    require(max_age_s >= 0 and window_s > 0, "max_age_s is not negative and window_s is positive")
    require(crowding >= 1.0, "crowding is at least one account", got=crowding)
    notes: list[str] = []
    seen = [_admit(name, each, as_of, max_age_s, window_s, current_volume_per_day, notes)
            for name, each in (("book", book), ("bands", bands))]
    used = [each for each in seen if each is not None]
    tail = root_rate(law.coefficient, law.sigma_per_day, law.volume_per_day)
    if not used and not np.isfinite(tail):
        raise InsufficientDataError("no depth is known: no book, no bands, and volume or volatility unknown",
                                    remedy="give volume, a book or depth bands")
    left = stress.factor if stress is not None and used else 1.0
    if used and stress is None:
        notes.append("depth is not stressed")
    if used and stress is not None:
        notes.append(stress.why)
    curves = tuple(_curve(used, side, left, tail).scaled(1.0 / crowding) for side in range(2))
    fresh = [each for each in used if not each.shape_only]
    first = next(iter(fresh or used), None)
    measured = first is not None and not first.shape_only and stress is not None and stress.basis is Basis.MEASURED
    if first is None:
        notes.append("depth is volume under the square root law only")
    return DepthEstimate(
        curves=(curves[0], curves[1]), source=first.source if first else "volume", as_of=as_of,
        age_s=first.age_s if first else float("nan"), shape_only=first.shape_only if first else False,
        basis=Basis.MEASURED if measured or (first is None and law.basis is Basis.MEASURED) else Basis.ASSUMED,
        stress_factor=left, crowding=crowding, notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _Admitted:
    """One source after the question of age: what was seen in its window, and by what its depth is scaled."""

    source: Source
    depth: BookSnapshots | DepthBands
    rows: slice
    age_s: float
    shape_only: bool
    scale: float


def _admit(source: str, seen: SeenDepth | None, as_of: int, max_age_s: float, window_s: float,
           current_volume: float | None, notes: list[str]) -> _Admitted | None:
    """Whether and how a source counts; why not goes to ``notes``."""
    if seen is None:
        return None
    stop = int(np.searchsorted(seen.depth.ts, as_of, side="right"))
    if stop == 0:
        notes.append(f"{source}: nothing known at the as-of time")
        return None
    newest = int(seen.depth.ts[stop - 1])
    start = int(np.searchsorted(seen.depth.ts, newest - int(window_s * NS_PER_S), side="left"))
    age = (as_of - newest) / NS_PER_S
    name: Source = "book" if isinstance(seen.depth, BookSnapshots) else "bands"
    if age <= max_age_s:
        notes.append(f"{source}: {age:.0f} s old, counted at its own level")
        return _Admitted(name, seen.depth, slice(start, stop), age, False, 1.0)
    then = seen.volume_then_per_day
    if then is None or current_volume is None or not (then > 0 and current_volume > 0):
        notes.append(f"{source}: {age:.0f} s old, and without the volume then and now it is no shape either: left out")
        return None
    notes.append(f"{source}: {age:.0f} s old, older than {max_age_s:.0f} s: a shape in percent of volume, "
                 f"scaled by {current_volume / then:.3g}")
    return _Admitted(name, seen.depth, slice(start, stop), age, True, current_volume / then)


def _curve(used: list[_Admitted], side: int, stress_factor: float, tail: float) -> CostCurve:
    """Glue the sources of one side; seen depth is stressed, the tail already is."""
    curve = square_root_curve(float("nan"))
    for each in used:
        if isinstance(each.depth, BookSnapshots):
            curve = mean_book_curve(each.depth, each.rows)[side].scaled(each.scale)
        else:
            distance, cumulative = _median_bands(each.depth, each.rows, side)
            curve = extend_with_bands(curve, distance, cumulative * each.scale)
    return replace(curve.scaled(stress_factor), root_rate=tail)


def mean_book_curve(books: BookSnapshots, rows: slice) -> tuple[CostCurve, CostCurve]:
    """Average cost curve of the snapshots in ``rows``, long and short, up to the size that nearly all of them hold.

    Snapshots that do not hold the largest size are left out at every size, so that all sizes are averages of the same.
    """
    chosen = BookSnapshots(books.symbol, books.ts[rows], books.bid_price[rows], books.bid_size[rows],
                           books.ask_price[rows], books.ask_size[rows])
    visible = visible_notional(chosen)
    curves = []
    for side in range(2):
        held = visible[np.isfinite(visible[:, side]), side]
        largest = float(np.quantile(held, 1.0 - HELD_SHARE, method="lower")) if held.size else 0.0
        if largest <= 0.0:
            curves.append(square_root_curve(float("nan")))
            continue
        sizes = np.geomspace(SMALLEST_SHARE * largest, largest * (1.0 - 1e-12), BOOK_SIZES)
        rate = walk_costs(chosen, sizes).rate[:, side]
        whole = np.isfinite(rate).all(axis=1)
        curves.append(curve_from_costs(sizes, rate[whole].mean(axis=0), float("nan")))
    return curves[0], curves[1]


def _median_bands(bands: DepthBands, rows: slice, side: int) -> tuple[FloatArray, FloatArray]:
    """Distances (k,), rising, and the median cumulative notional of one side over ``rows``; NaN where never known."""
    mine = bands.distance < 0 if side == 0 else bands.distance > 0
    distance = np.abs(bands.distance[mine])
    order = np.argsort(distance)
    notional = bands.notional[rows][:, mine][:, order]
    known = np.isfinite(notional)
    median = np.array([np.median(notional[known[:, k], k]) if known[:, k].any() else np.nan
                       for k in range(order.size)])
    return distance[order], median
