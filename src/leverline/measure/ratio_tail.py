r"""The price of a pegged or staked asset in what it stands for: its tail, and its depegs counted as events.

The ratio :math:`R_t = P_t / (P^{ref}_t A_t)` compares the market with what redemption pays: :math:`A` is the redemption
rate (1 for a stablecoin, the accrued exchange rate for a staked one). It hardly moves for months and then falls in a
day, so a quantile of its daily losses says little of it. What is stated beside the quantile is therefore the record of
*episodes* in which the ratio was at a discount, how often they begin with an upper bound, and the worst fall inside one
horizon in the whole history and not only in the model's look-back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaincinv

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, require
from leverline.market.bars import Panel
from leverline.measure.losses import worst_losses

DISCOUNT = 0.02
"""A ratio this far below redemption is a depeg: beyond the fees and spreads of arbitrage between market and issuer."""
HEALED = 0.5
"""An episode ends once the discount is below this share of what began it, so that one depeg is not counted often."""
BOUND = 0.95
"""One-sided confidence of the upper bound on how often episodes begin."""
CONFIRM_S = 10_800.0
"""Three hours: longer than two hourly price feeds are apart."""
DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, slots=True)
class Depeg:
    """One episode: when it was first and last at a discount, ns UTC (close of the bar), and its deepest discount."""

    start_ns: int
    end_ns: int
    deepest: float


@dataclass(frozen=True, slots=True)
class DepegRecord:
    """What a ratio has done to those who relied on it.

    ``per_year`` is episodes over years seen, ``per_year_bound`` its one-sided 95 % upper bound under a Poisson count
    (Garwood 1936), which is above zero without an episode; ``deepest`` is the largest discount, not negative;
    ``worst_loss`` (2,) the largest fall and rise inside one horizon, fractions; ``ends_inside`` says that the last
    episode had not healed.
    """

    episodes: tuple[Depeg, ...]
    years: float
    per_year: float
    per_year_bound: float
    deepest: float
    worst_loss: FloatArray
    ends_inside: bool


def ratio_panel(panel: Panel, asset: int, reference: int | None, redemption: FloatArray | None = None) -> Panel:
    """The ratio of column ``asset`` to column ``reference`` as a panel of one column of closes.

    ``reference`` None stands for the currency of the prices. ``redemption`` (n_bars,) is what one unit redeems for,
    in units of the reference; 1 by default. Extremes of two prices do not come at one time, so there are none. Rows
    where either is missing are NaN.

    Two series that stamp the same hour seldom mean the same minute, and a fast market shows between them as a discount
    that was not there. The ratio of two series is therefore the highest of the last :data:`CONFIRM_S` seconds: a
    discount counts once it has lasted. Bars at least that long are taken as they are.
    """
    below = np.ones(panel.ts.size) if reference is None else panel.close[:, reference]
    if redemption is not None:
        require(redemption.shape == panel.ts.shape, "redemption has one value a bar", got=redemption.shape)
        require(not bool(np.any(redemption <= 0)), "a redemption rate is positive")
        below = below * redemption
    ratio = (panel.close[:, asset] / below)[:, None]
    if reference is not None:
        ratio = _lasting(ratio, max(1, int(CONFIRM_S // panel.spacing_s)))
    nothing = np.full_like(ratio, np.nan)
    name = panel.symbols[asset] if reference is None else f"{panel.symbols[asset]} in {panel.symbols[reference]}"
    return replace(panel, symbols=(name,), close=ratio, high=nothing, low=nothing, volume=nothing)


def _lasting(ratio: FloatArray, bars: int) -> FloatArray:
    """The highest of each row and the ``bars - 1`` rows before it; NaN stays NaN and hides nothing."""
    out = ratio.copy()
    for back in range(1, min(bars, len(ratio))):
        out[back:] = np.fmax(out[back:], ratio[:-back])
    return np.where(np.isfinite(ratio), out, np.nan)


def depegs(panel: Panel, *, discount: float = DISCOUNT) -> tuple[Depeg, ...]:
    """Episodes in which the one ratio of ``panel`` stood at ``discount`` or more below 1; gaps do not end one."""
    require(0.0 < discount < 1.0, "a discount lies in (0, 1)", got=discount)
    seen = np.flatnonzero(np.isfinite(panel.close[:, 0]))
    below = 1.0 - panel.close[seen, 0]
    stamps = panel.ts[seen] + panel.spacing_ns
    out: list[Depeg] = []
    at = 0
    while at < seen.size:
        if below[at] < discount:
            at += 1
            continue
        healed = np.flatnonzero(below[at:] < HEALED * discount)
        end = at + int(healed[0]) if healed.size else seen.size
        out.append(Depeg(int(stamps[at]), int(stamps[end - 1]), float(below[at:end].max())))
        at = end
    return tuple(out)


def depeg_record(panel: Panel, horizon_bars: int, *, discount: float = DISCOUNT) -> DepegRecord:
    """The record of the one ratio of ``panel``; losses are inside ``horizon_bars`` bars, by closes.

    Raises
    ------
    InsufficientDataError
        The ratio has fewer than two bars.
    """
    seen = np.flatnonzero(np.isfinite(panel.close[:, 0]))
    if seen.size < 2:
        raise InsufficientDataError(f"{panel.symbols[0]}: two bars with both prices are needed")
    episodes = depegs(panel, discount=discount)
    years = seen.size * panel.spacing_s / (DAYS_PER_YEAR * 86_400.0)
    inside = np.nanmax(worst_losses(panel, horizon_bars).loss[:, 0], axis=0, initial=0.0)
    last = int(panel.ts[seen[-1]]) + panel.spacing_ns
    return DepegRecord(
        episodes=episodes, years=years, per_year=len(episodes) / years,
        per_year_bound=float(gammaincinv(len(episodes) + 1.0, BOUND)) / years,
        deepest=max(0.0, float(1.0 - np.nanmin(panel.close[:, 0]))), worst_loss=np.asarray(inside, np.float64),
        ends_inside=bool(episodes) and episodes[-1].end_ns == last)
