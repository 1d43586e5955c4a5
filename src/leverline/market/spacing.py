"""How far apart bars stand: one spacing for all symbols of an input."""

from __future__ import annotations

import numpy as np
import polars as pl

from leverline.ground.arrays import IntArray
from leverline.ground.errors import InsufficientDataError, refuse
from leverline.market.rows import Stamped, same_symbol
from leverline.market.times import span

_MIN_STEPS = 3
"""Steps of one length before they count as a symbol's spacing: two bars beside a hole prove nothing."""
_REGULAR_SHARE = 0.5
"""Share of steps that are a whole number of spacings, below which stamps follow no grid."""


def common_spacing(rows: Stamped) -> int:
    """The most common step between bars of a symbol, ns, over all symbols; refuses mixed and irregular ones."""
    per_symbol = symbol_spacings(rows)
    steps = np.diff(rows.ts)[same_symbol(rows)]
    spacing = _most_common(steps)
    whole = int(np.count_nonzero(steps % spacing == 0))
    if whole < _REGULAR_SHARE * steps.size:
        refuse(f"stamps follow no regular spacing: only {whole} of {steps.size} steps are a multiple of the most "
               f"common one, {span(spacing)}", file=", ".join(rows.files[:3]), column="ts",
               remedy="resample to regular bars first")
    other = np.flatnonzero(per_symbol != spacing)
    if other.size:
        named = ", ".join(f"{rows.symbols[i]} every {span(int(per_symbol[i]))}" for i in other[:5])
        first = int(np.flatnonzero(rows.code == other[0])[0])
        refuse(f"spacings are mixed: {named}, but most bars every {span(spacing)}", file=rows.place(first)[0],
               column="ts", remedy="read each spacing on its own")
    return spacing


def symbol_spacings(rows: Stamped) -> IntArray:
    """Spacing of each symbol of sorted ``rows``, ns, shape (n_symbols,).

    It is the most common step of all symbols, except where at least half of a symbol's own steps, and at least three,
    share another length. Ties go to the shorter step.
    """
    within = same_symbol(rows)
    if not within.any():
        raise InsufficientDataError("no symbol has two bars, so their spacing is unknown", remedy="give more bars")
    steps = np.diff(rows.ts)[within]
    spacings = np.full(len(rows.symbols), _most_common(steps), np.int64)
    counts = pl.DataFrame({"code": rows.code[1:][within], "step": steps}).group_by("code", "step").len()
    most = counts.sort(["len", "step"], descending=[True, False]).group_by("code", maintain_order=True).agg(
        pl.col("step").first(), pl.col("len").first(), pl.col("len").sum().alias("steps"))
    clear = most.filter((pl.col("len") >= _MIN_STEPS) & (pl.col("len") * 2 >= pl.col("steps")))
    spacings[clear["code"].to_numpy()] = clear["step"].to_numpy()
    return spacings


def _most_common(steps: IntArray) -> int:
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])
