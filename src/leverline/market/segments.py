"""Where one symbol is several assets: a series is cut at a relisting."""

from __future__ import annotations

import numpy as np

from leverline.ground.arrays import BoolArray, IntArray
from leverline.market.bars import RELISTING_LOG_RETURN
from leverline.market.rows import Rows


def relistings(rows: Rows, masked: BoolArray) -> IntArray:
    """Positions of the first bars of new listings in sorted ``rows``.

    A log return above :data:`RELISTING_LOG_RETURN`, from one unmasked close to the next of the same symbol, is a new
    asset under an old name. A print that is taken back is masked before and does not cut.
    """
    return _jumps(rows, masked, sign=1)


def collapses(rows: Rows, masked: BoolArray) -> IntArray:
    """Positions of falls as large: the same asset losing nearly everything, which margin has to answer for."""
    return _jumps(rows, masked, sign=-1)


def _jumps(rows: Rows, masked: BoolArray, *, sign: int) -> IntArray:
    kept = np.flatnonzero(~masked)
    jump = sign * np.diff(np.log(rows.close[kept])) > RELISTING_LOG_RETURN
    found: IntArray = kept[1:][jump & (np.diff(rows.code[kept]) == 0)]
    return found


def listings(rows: Rows, first_bars: IntArray) -> IntArray:
    """Per row the listing it belongs to, from 0 and rising by one at each of ``first_bars``; shape (n_rows,)."""
    if not len(rows):
        return np.empty(0, np.int64)
    cut = np.zeros(len(rows), np.int64)
    cut[first_bars] = 1
    total = np.cumsum(cut)
    start = np.flatnonzero(np.concatenate([[True], np.diff(rows.code) != 0]))
    lengths = np.diff(np.concatenate([start, [len(rows)]]))
    return (total - np.repeat(total[start], lengths)).astype(np.int64)
