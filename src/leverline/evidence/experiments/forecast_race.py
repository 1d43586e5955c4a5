"""Variance forecasts scored on the same days: QLIKE, Diebold-Mariano against a reference, a model confidence set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.measure.comparison import diebold_mariano, mean_by_date, model_confidence_set
from leverline.measure.volatility import qlike


@dataclass(frozen=True, slots=True)
class Standing:
    """One forecast's mean QLIKE, how it compares with the reference, and its place in the confidence set.

    ``difference`` is its score less the reference's, negative where it is better; ``p_better`` is small where it is
    better and ``p_worse`` where it is worse than the reference, NaN for the reference itself. ``level`` is the mean of
    realised over forecast variance.
    """

    name: str
    qlike: float
    difference: float
    p_better: float
    p_worse: float
    mcs_p: float
    in_set: bool
    level: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; NaN becomes null."""
        figures = {"qlike": self.qlike, "difference": self.difference, "p_better": self.p_better,
                   "p_worse": self.p_worse, "mcs_p": self.mcs_p, "realised_over_forecast": self.level}
        return {"forecast": self.name, "in_set": self.in_set,
                **{k: v if np.isfinite(v) else None for k, v in figures.items()}}


@dataclass(frozen=True, slots=True)
class Race:
    """All standings, best first, and what they were scored on."""

    standings: tuple[Standing, ...]
    reference: str
    dates: int
    observations: int

    def of(self, name: str) -> Standing:
        """The standing of one forecast."""
        return next(s for s in self.standings if s.name == name)


def race(
    forecasts: Mapping[str, FloatArray],
    realised: FloatArray,
    reference: str,
    *,
    rng: np.random.Generator,
    lags: int | None = None,
    first_row: int = 0,
) -> Race:
    """Score variance ``forecasts``, each (n_days, n_assets), against ``realised`` (n_days, n_assets).

    Only days on which every forecast and the realised variance exist count, from ``first_row`` on; days are averaged
    over assets first. ``lags`` is for targets that overlap.
    """
    require(reference in forecasts, "the reference is one of the forecasts", got=reference)
    table = np.stack(list(forecasts.values()), axis=-1)
    usable: BoolArray = np.isfinite(table).all(axis=-1) & np.isfinite(realised)
    usable[:first_row] = False
    if np.count_nonzero(usable.any(axis=1)) < 100:
        raise InsufficientDataError("the forecasts have fewer than 100 days in common", remedy="take a longer history")
    dates = np.nonzero(usable)[0]
    losses = qlike(table[usable], realised[usable][:, None])
    distinct, by_date = mean_by_date(losses, dates)
    level = np.mean(realised[usable][:, None] / table[usable], axis=0)
    names = list(forecasts)
    base = by_date[:, names.index(reference)]
    chosen = model_confidence_set(by_date, rng=rng, block=None if lags is None else max(5, 2 * lags))
    standings = []
    for i, name in enumerate(names):
        tested = diebold_mariano(by_date[:, i], base, lags=lags)
        standings.append(Standing(name, float(by_date[:, i].mean()), tested.mean_difference,
                                  1.0 - tested.p_first_worse, tested.p_first_worse, float(chosen.p_values[i]),
                                  bool(chosen.members[i]), float(level[i])))
    return Race(tuple(sorted(standings, key=lambda s: s.qlike)), reference, int(distinct.size), int(dates.size))
