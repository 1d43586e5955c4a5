"""What the figures beside the bars show, in a sentence."""

from __future__ import annotations

import numpy as np

from leverline.report import wording
from leverline.report.beside.content import ImpliedPath, LiquidationCost

RESTS_ON = {"book": "the book", "bands": "depth bands", "volume": "volume"}
SAMPLE_NOTIONAL = 1e6
"""A size every reader has a feeling for, settlement currency."""


def liquidation_cost(symbol: str, cost: LiquidationCost, currency: str) -> str:
    """Cost at the cap against the budget and against what was seen, and how far each source reaches."""
    size, where = (SAMPLE_NOTIONAL, "") if cost.cap is None else (cost.cap, ", the position cap,")
    used, seen = (wording.percent(_at(cost, rate, size)) for rate in (cost.rate, cost.calm_rate))
    text = f"{symbol}: closing {wording.notional(size, currency)}{where} at once "
    text += (f"is taken to cost {used}; the budget is {wording.percent(cost.budget_rate)}." if used
             else "costs more than is known.")
    if used and seen:
        text += f" Without stress and alone it would cost {seen}."
    return f"{text} {_reach(cost, currency)}"


def _reach(cost: LiquidationCost, currency: str) -> str:
    """How far each source reaches: ``The book carries it to 2 M USD, depth bands to 80 M USD, volume beyond.``"""
    known = [name for name, rate in zip(cost.source, cost.rate, strict=True) if np.isfinite(rate)]
    said: list[str] = []
    for name in dict.fromkeys(known):
        last = len(known) - 1 - known[::-1].index(name)
        whole = last == len(cost.source) - 1
        end = "at every size" if whole and not said else "beyond" if whole else (
            f"to {wording.notional(float(cost.notional[last]), currency)}")
        said.append(f"{RESTS_ON[name]} {end}")
    return f"It rests on {', on '.join(said)}." if said else "Nothing is known of it."


def _at(cost: LiquidationCost, rate: np.ndarray[tuple[int, ...], np.dtype[np.float64]], size: float) -> float | None:
    """``rate`` at a size, on the log axis between points."""
    if not cost.notional[0] <= size <= cost.notional[-1]:
        return None
    return float(np.interp(np.log(size), np.log(cost.notional), rate))


def implied(symbol: str, path: ImpliedPath) -> str:
    """What the last forecast is made of, and what each of both says."""
    at_end = [wording.percent(float(sigma[-1])) if sigma.size else None
              for sigma in (path.realised, path.implied, path.blended)]
    text = f"{symbol}: the last forecast is {path.made_of}."
    if all(at_end):
        text += (f" Realised {at_end[0]}, implied {at_end[1]}, blended {at_end[2]} per day: realised times "
                 f"{wording.number(path.factor)}, and losses are forecast with that.")
    return text
