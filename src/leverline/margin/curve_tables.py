"""Requirement curves as arrays: brackets a market, and a line of its own for positions whose size sets the rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.margin.curves import (
    BracketCurve,
    CoinStepCurve,
    Curve,
    EntryCurve,
    OpenInterestCurve,
    SizeLinearCurve,
    SizeRootCurve,
    StepCurve,
)
from leverline.model.accounts import AccountBook

_CONTINUITY = 1e-9
"""How far a table's deductions may stand from continuity, relative to the requirement at the floor."""

RATE_SLACK = 1e-9
"""Share of a rate's unit by which floats may miss a multiple of it; venues' own steps between them are far larger."""


_Row = tuple[float, float, float, float]
"""Floor, initial rate, maintenance rate, deduction."""
_NO_BRACKET: _Row = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class CurveTables:
    """Market ``m`` owns brackets ``first[m]:first[m + 1]``; own lines have one entry a position or none at all.

    Attributes
    ----------
    first : int32 array of shape (n_markets + 1,)
    floor, initial_rate, maintenance_rate, deduction : float64 arrays of shape (n_brackets,)
    initial_slope, initial_constant, maintenance_slope, maintenance_constant : float64 arrays
        The position's own line: rate on ``|base| * price`` and a constant in settlement currency; of shape
        (n_positions,), or (0,) where no market of the book needs one.
    convex : bool array of shape (n_markets,)
    """

    first: npt.NDArray[np.int32]
    floor: FloatArray
    initial_rate: FloatArray
    maintenance_rate: FloatArray
    deduction: FloatArray
    initial_slope: FloatArray
    initial_constant: FloatArray
    maintenance_slope: FloatArray
    maintenance_constant: FloatArray
    convex: BoolArray


@dataclass(frozen=True, slots=True)
class _Lines:
    """Own lines of all positions, filled market by market."""

    initial_slope: FloatArray
    initial_constant: FloatArray
    maintenance_slope: FloatArray
    maintenance_constant: FloatArray


def curve_tables(
    curves: Sequence[Curve | None], inverse: BoolArray, book: AccountBook, base: FloatArray, cost: FloatArray,
    mark: FloatArray, open_interest: FloatArray,
) -> CurveTables:
    """Arrays of ``curves`` (one a market of ``book``; None where nobody holds it).

    ``inverse``, ``mark`` and ``open_interest`` (one side's notional, settlement currency) per market; ``base`` and
    ``cost`` per position as in :mod:`leverline.margin.tables`.
    """
    own = [curve is not None and (_has_own_line(curve) or bool(is_inverse))
           for curve, is_inverse in zip(curves, inverse, strict=True)]
    lines = _Lines(*(np.zeros(base.size if any(own) else 0) for _ in range(4)))
    tiers: list[list[_Row]] = []
    for m, curve in enumerate(curves):
        brackets = _brackets(curve, float(open_interest[m]))
        if curve is not None and own[m]:  # a line of its own takes the place of the market's brackets
            held = np.flatnonzero(book.position_market == m)
            _draw(lines, held, curve, brackets, book.quantity[held], base[held], cost[held], float(mark[m]),
                  bool(inverse[m]))
            brackets = [_NO_BRACKET]
        tiers.append(brackets)
    table = np.array([row for rows in tiers for row in rows], dtype=np.float64).reshape(-1, 4)
    return CurveTables(
        first=np.concatenate(([0], np.cumsum([len(rows) for rows in tiers]))).astype(np.int32),
        floor=table[:, 0].copy(), initial_rate=table[:, 1].copy(), maintenance_rate=table[:, 2].copy(),
        deduction=table[:, 3].copy(),
        initial_slope=lines.initial_slope, initial_constant=lines.initial_constant,
        maintenance_slope=lines.maintenance_slope, maintenance_constant=lines.maintenance_constant,
        convex=np.array([_is_convex(curve) or (alone and not isinstance(curve, StepCurve | CoinStepCurve))
                         for curve, alone in zip(curves, own, strict=True)], dtype=np.bool_),
    )


def _has_own_line(curve: Curve) -> bool:
    match curve:
        case StepCurve():
            return curve.by_contracts
        case BracketCurve() | OpenInterestCurve():
            return False
        case SizeLinearCurve() | SizeRootCurve() | EntryCurve() | CoinStepCurve():
            return True


def _brackets(curve: Curve | None, open_interest_value: float) -> list[_Row]:
    """The market's brackets; an empty one where positions draw their own lines."""
    match curve:
        case BracketCurve():
            return list(zip(curve.floors, curve.initial_rates, curve.maintenance_rates, curve.deductions, strict=True))
        case StepCurve():
            zeros = (0.0,) * len(curve.floors)
            return list(zip(curve.floors, curve.initial_rates, curve.maintenance_rates, zeros, strict=True))
        case OpenInterestCurve():
            return [(0.0, open_interest_rate(curve, open_interest_value),
                     curve.initial_rate * curve.maintenance_fraction, 0.0)]
        case SizeLinearCurve() | SizeRootCurve() | EntryCurve() | CoinStepCurve() | None:
            return [_NO_BRACKET]


def open_interest_rate(curve: OpenInterestCurve, open_interest: float) -> float:
    """Initial rate at ``open_interest`` (settlement currency); the base rate where it is unknown (NaN)."""
    lower, upper = curve.open_interest_lower, curve.open_interest_upper
    if upper == 0 or not open_interest > lower:
        return curve.initial_rate
    gone = min(1.0, (open_interest - lower) / (upper - lower))
    return curve.initial_rate + float(_cut((1.0 - curve.initial_rate) * gone, curve.rate_unit))


def _draw(lines: _Lines, held: npt.NDArray[np.intp], curve: Curve, brackets: list[_Row],
          contracts: FloatArray, base: FloatArray, cost: FloatArray, mark: float, inverse: bool) -> None:
    """Set the own lines of the positions ``held`` in one market at ``mark``."""
    size = np.abs(base)
    slopes: tuple[FloatArray, FloatArray]
    constants = np.zeros(size.size), np.zeros(size.size)
    match curve:
        case StepCurve() if curve.by_contracts:
            step = np.searchsorted(np.array(curve.floors), np.abs(contracts), side="right") - 1
            slopes = np.array(curve.initial_rates)[step], np.array(curve.maintenance_rates)[step]
        case SizeLinearCurve():
            rate = curve.base_rate + curve.rate_per_base_unit * size
            slopes = rate, rate * curve.maintenance_share
            constants = np.full(size.size, curve.constant), np.full(size.size, curve.constant)
        case SizeRootCurve():
            root = _size_term(curve, size)
            slopes = _with_root(curve.initial_rate, root), _with_root(curve.maintenance_rate, root)
        case EntryCurve():
            slopes = np.zeros(size.size), np.zeros(size.size)
            fee = np.abs(cost) * curve.fee_rate
            constants = (np.maximum(np.abs(cost) * curve.initial_rate, curve.least) + fee,
                         np.maximum(np.abs(cost) * curve.maintenance_rate, curve.least) + fee)
        case CoinStepCurve():
            steps = np.maximum(0.0, np.ceil((np.abs(cost) / mark - curve.base) / curve.step))
            slopes = curve.initial_rate + steps * curve.rate_step, curve.maintenance_rate + steps * curve.rate_step
        case _:
            table = np.array(brackets)
            step = np.searchsorted(table[:, 0], np.abs(cost), side="right") - 1
            slopes = table[step, 1], table[step, 2]
            constants = np.zeros(size.size), -table[step, 3]
    if inverse:  # a share of the constant quote notional, whatever the price
        constants = constants[0] + slopes[0] * np.abs(cost), constants[1] + slopes[1] * np.abs(cost)
        slopes = np.zeros(size.size), np.zeros(size.size)
    lines.initial_slope[held], lines.maintenance_slope[held] = slopes
    lines.initial_constant[held], lines.maintenance_constant[held] = constants


def _with_root(rate: float, root: FloatArray) -> FloatArray:
    """A listed rate, or four fifths of it and the root of size where that is more; no size factor, no change."""
    return np.maximum(rate, 0.8 * rate + root) if root.any() else np.full(root.shape, rate)


def _size_term(curve: SizeRootCurve, size: FloatArray) -> FloatArray:
    """What the size (base units) adds to a rate; a venue that cuts counts whole roots of its smallest units."""
    if curve.rate_unit == 0:
        return curve.factor * np.sqrt(10.0 * size + 1.0 / curve.unit)
    whole = np.floor(np.sqrt(10.0 * np.round(size * curve.unit) + 1.0))
    return np.asarray(_cut(curve.factor * whole / np.sqrt(curve.unit), curve.rate_unit))


def _cut(rate: FloatArray | float, unit: float) -> FloatArray | float:
    """Rates down to a multiple of ``unit``; what misses a multiple only by the rounding of floats counts as it."""
    return rate if unit == 0 else np.floor(rate / unit + RATE_SLACK) * unit


def _is_convex(curve: Curve | None) -> bool:
    """Whether maintenance of a fixed position is convex in price and rises slower than the price itself."""
    match curve:
        case BracketCurve():
            rows = list(zip(curve.floors, curve.maintenance_rates, curve.deductions, strict=True))
            joined = all(abs(f * (r1 - r0) - (c1 - c0)) <= _CONTINUITY * max(f * r1, 1.0)
                         for (_, r0, c0), (f, r1, c1) in pairwise(rows))
            return joined and curve.maintenance_rates[-1] < 1.0
        case StepCurve():
            return curve.by_contracts
        case _:
            return True
