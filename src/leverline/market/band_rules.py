"""Which sides of a depth-band snapshot can be believed; the rules are named in :mod:`leverline.market.book_rules`."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.market.book_rules import FROZEN_BANDS_S, FROZEN_WHOLE_S, BookLedger, frozen, run_starts
from leverline.market.times import NS_PER_S

_ROUNDING = 1e-9


def sound_bands(
    distance: FloatArray, notional: FloatArray, size: FloatArray, contradicted: BoolArray, ts: IntArray,
    ledger: BookLedger,
) -> tuple[FloatArray, FloatArray]:
    """``notional`` and ``size`` (n, k) with NaN where a rule rejects a side; what struck is noted in ``ledger``.

    ``distance`` (k,) is signed and rises; ``contradicted`` (n, k) marks bands whose stated average price is not
    notional / size. A side is judged as a whole, by the snapshot itself and by those before it.
    """
    bids, asks = np.flatnonzero(distance < 0)[::-1], np.flatnonzero(distance > 0)  # from mid outwards
    absent = np.isnan(notional)
    ledger.note("missing-bands", np.flatnonzero(absent.any(axis=1)),
                lambda i: f"{int(absent[i].sum())} of {distance.size} bands are missing")
    same = [_same(notional[:, side], size[:, side]) for side in (bids, asks)]
    average = [_average(notional[:, side], size[:, side]) for side in (bids, asks)]
    collapsed = [_collapsed(notional[:, side]) & _collapsed(size[:, side]) for side in (bids, asks)]
    crossed: BoolArray = average[0] >= average[1]
    dead = _stands(same[0] & same[1], ts) > FROZEN_WHOLE_S
    rejected = []
    for mine, name, side in ((0, "bid", bids), (1, "ask", asks)):
        falls = _falls(notional[:, side]) | _falls(size[:, side]) | contradicted[:, side].any(axis=1)
        # A ghost shows itself by crossing, or by standing while the other side moves; it is one until it changes.
        shows = collapsed[mine] & (crossed | (same[mine] & ~same[1 - mine]))
        ghost = ~falls & _until_change(shows, same[mine])
        still = ~falls & ~ghost & (frozen(same[mine], same[1 - mine], ts, FROZEN_BANDS_S) | dead)
        for rule, hit in (("inconsistent-bands", falls), ("ghost-level", ghost), ("frozen-book", still)):
            ledger.note(rule, np.flatnonzero(hit), lambda i, n=name, s=side: _said(n, size[i, s], notional[i, s]))  # type: ignore[misc]
        rejected.append(falls | ghost | still)
    unresolved = crossed & ~rejected[0] & ~rejected[1]
    ledger.note("crossed-book", np.flatnonzero(unresolved),
                lambda i: f"average bid {average[0][i]:.10g}, average ask {average[1][i]:.10g} in the nearest bands")
    notional, size = notional.copy(), size.copy()
    for hit, side in zip(rejected, (bids, asks), strict=True):
        for column in (notional, size):
            column[np.ix_(hit | unresolved, side)] = np.nan
    return notional, size


def _same(notional: FloatArray, size: FloatArray) -> BoolArray:
    """True where all bands of a side are as in the snapshot before, to the last digit; never where there are none."""
    out = np.zeros(notional.shape[0], np.bool_)
    both = np.concatenate([notional, size], axis=1)
    absent = np.isnan(both)
    equal = (both[1:] == both[:-1]) | (absent[1:] & absent[:-1])
    out[1:] = np.logical_and.reduce(equal, axis=1) & ~np.logical_and.reduce(absent[1:], axis=1)
    return out


def _average(notional: FloatArray, size: FloatArray) -> FloatArray:
    """Average price of a side's nearest band that holds anything, NaN where none does; shape (n,)."""
    if not notional.shape[1]:
        return np.full(notional.shape[0], np.nan)
    nearest = np.argmax(size > 0, axis=1)
    row = np.arange(size.shape[0])
    held = size[row, nearest] > 0
    out = np.full(size.shape[0], np.nan)
    out[held] = notional[row, nearest][held] / size[row, nearest][held]
    return out


def _collapsed(values: FloatArray) -> BoolArray:
    """True where two bands or more are known and all are equal: no depth between them."""
    known = np.isfinite(values)
    low, high = np.fmin.reduce(values, axis=1, initial=np.inf), np.fmax.reduce(values, axis=1, initial=-np.inf)
    out: BoolArray = np.logical_and.reduce([known.sum(axis=1) >= 2, low == high, high > 0])
    return out


def _falls(values: FloatArray) -> BoolArray:
    """True where cumulative depth falls with distance, bands that are missing passed over."""
    if not values.shape[1]:
        return np.zeros(values.shape[0], np.bool_)
    before = np.fmax.accumulate(values, axis=1)[:, :-1]
    out: BoolArray = np.logical_or.reduce(values[:, 1:] < before * (1 - _ROUNDING), axis=1)
    return out


def _until_change(shows: BoolArray, same: BoolArray) -> BoolArray:
    """True from where ``shows`` is until the side changes."""
    shown = np.cumsum(shows)
    start = run_starts(same)
    out: BoolArray = shown > shown[start] - shows[start]
    return out


def _stands(same: BoolArray, ts: IntArray) -> FloatArray:
    """Seconds for which each snapshot has been the same."""
    out: FloatArray = (ts - ts[run_starts(same)]) / NS_PER_S
    return out


def _said(side: str, size: FloatArray, notional: FloatArray) -> str:
    with np.errstate(invalid="ignore", divide="ignore"):
        price = notional / size
    return f"{side} bands from mid outwards: " + ", ".join(
        f"{s:.10g} at {p:.10g}" for s, p in zip(size, price, strict=True) if np.isfinite(s))
