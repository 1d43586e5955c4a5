r"""Elasticity of demand to a price (a fee, a borrow rate), only where something identifies it.

A fee that follows volatility is no experiment: volatility moves both the fee and the volume, and a regression of one on
the other returns whatever volatility does to trade. Two ways out are taken here, and no third:

- :func:`elasticity_of_changes`: fees changed by decision in some markets while others kept theirs;
- :func:`elasticity_by_instrument`: something stated moves the fee and touches demand through nothing else.

Everything else is :func:`not_identified`, a range that was assumed, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import UsageError, require

MIN_CONTROLS = 5
"""Markets that kept their price around a change: fewer have no mean worth subtracting."""
MIN_PLACEBO_WINDOWS = 20
"""Windows without a change that do not overlap: fewer cannot show what chance does, 1 time in 20."""
MIN_FIRST_STAGE_F = 10.0
"""Staiger and Stock (1997): below it two-stage least squares is biased towards the naive regression."""


@dataclass(frozen=True, slots=True)
class Elasticity:
    """Relative change of demand per relative change of its price; negative.

    ``low`` and ``high`` bound it: an interval at the confidence asked for where ``identified``, else what was assumed.
    ``value`` is the estimate, or the middle of what was assumed. ``why`` says what identifies it or what does not hold.
    """

    value: float
    low: float
    high: float
    identified: bool
    why: str


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price decided anew for one market: its column, the first row in force, and both rates."""

    column: int
    row: int
    old_rate: float
    new_rate: float

    def __post_init__(self) -> None:
        """Refuse what is no change."""
        require(self.old_rate > 0 and self.new_rate > 0 and self.old_rate != self.new_rate,
                "a change leads from one positive rate to another", got=(self.old_rate, self.new_rate))

    @property
    def log_change(self) -> float:
        """Logarithm of new over old."""
        return float(np.log(self.new_rate / self.old_rate))


def not_identified(why: str, assumed: tuple[float, float]) -> Elasticity:
    """An assumed range, lower end first, and why nothing better is known."""
    low, high = assumed
    require(-np.inf < low <= high <= 0.0, "an assumed elasticity is a range (low, high) that is not positive",
            got=assumed)
    return Elasticity(0.5 * (low + high), low, high, identified=False, why=f"not identified: {why}")


def elasticity_of_changes(
    log_volume: FloatArray, changes: Sequence[PriceChange], *, window: int, assumed: tuple[float, float],
    rng: np.random.Generator, confidence: float = 0.95, draws: int = 1999,
) -> Elasticity:
    r"""Difference in differences over decided changes, judged by placebo changes.

    With :math:`D_{tj}` the mean log volume of market ``j`` in the ``window`` rows from ``t`` on less that in the rows
    before, and controls those markets without a change of their own in these rows,

    .. math:: \delta_e = D_{t_e j_e} - \overline{D_{t_e i}}, \qquad
              \hat\varepsilon = \frac{\sum_e \Delta_e \delta_e}{\sum_e \Delta_e^2},

    :math:`\Delta_e` the log change of the price. What chance makes of the same sum is seen where nothing changed: each
    event is set on drawn dates and markets, in units of the market's own spread (randomisation inference, Abadie,
    Diamond and Hainmueller 2010). Where the markets that changed were already moving apart from the rest one window
    earlier, the change was an answer and not an experiment, and nothing is identified.

    Parameters
    ----------
    log_volume : ndarray of shape (n_rows, n_markets)
        NaN where a market has none.
    changes : sequence of PriceChange
        Of one market no two closer than twice the window.
    """
    log_volume = np.asarray(log_volume, dtype=np.float64)
    require(log_volume.ndim == 2, "log volumes have shape (n_rows, n_markets)", got=log_volume.shape)
    require(not bool(np.isinf(log_volume).any()), "log volumes are finite, or NaN where there is none")
    require(window >= 2 and 0.5 < confidence < 1.0 and draws >= 199,
            "a window has at least 2 rows, a confidence lies in (0.5, 1), and 199 placebos are drawn at least")
    if not changes:
        return not_identified("no decided change of the price is known", assumed)
    _refuse_unusable(log_volume, changes, window)
    step, clean = _steps(log_volume, window), _untouched(log_volume.shape, changes, window)
    clean &= np.isfinite(step)
    effect, controls = _against_controls(step, clean)
    if min(int(controls[change.row, change.column]) for change in changes) < MIN_CONTROLS:
        return not_identified(f"fewer than {MIN_CONTROLS} markets kept their price around a change", assumed)
    clean &= np.isfinite(effect)
    if clean.sum() < MIN_PLACEBO_WINDOWS * 2 * window:
        return not_identified("too few windows without a change to show what chance does", assumed)
    now, before = _pooled(effect, changes, 0), _pooled(effect, changes, window)
    if not (np.isfinite(now) and np.isfinite(before)):
        return not_identified("a market has no volume around its own change", assumed)
    noise = _placebos(effect, clean, changes, rng, draws)
    tail = 0.5 * (1.0 - confidence)
    below, above = (float(np.quantile(noise, level)) for level in (tail, 1.0 - tail))
    if not below <= before <= above:
        return not_identified("the markets that changed were moving apart from the others before", assumed)
    return _believed(now, now - above, now - below, assumed,
                     f"{len(changes)} decided changes against {int(controls.max())} markets or fewer, {draws} placebos")


def elasticity_by_instrument(
    log_volume: FloatArray, log_price: FloatArray, instrument: FloatArray, *, stated: str, assumed: tuple[float, float],
    exogenous: FloatArray | None = None, lags: int | None = None, confidence: float = 0.95,
) -> Elasticity:
    r"""Two-stage least squares with one instrument, and an interval that holds for weak ones too.

    With reduced form ``a`` and first stage ``b``, the coefficients of volume and price on the instrument given what is
    exogenous, the estimate is ``a / b`` and the interval all :math:`\varepsilon` with
    :math:`(a - \varepsilon b)^2 \le c\,(V_{aa} - 2 \varepsilon V_{ab} + \varepsilon^2 V_{bb})`
    (Anderson and Rubin 1949), ``V`` by Newey and West (1987) with ``lags``, by default
    :math:`\lfloor 4 (n/100)^{2/9} \rfloor`. A first-stage ``F`` below 10 identifies nothing.

    Parameters
    ----------
    log_volume, log_price, instrument : ndarray of shape (n,)
        In order of time.
    stated : str
        Why the instrument moves the price and touches demand through nothing else: no test can show it.
    exogenous : ndarray of shape (n, k), optional
        Further drivers of demand that the price does not move; the constant is added.
    """
    require(bool(stated.strip()), "an instrument is stated: say why it touches demand through the price alone")
    y, x, z = (np.asarray(column, dtype=np.float64) for column in (log_volume, log_price, instrument))
    n = y.size
    given = np.ones((n, 1)) if exogenous is None else np.column_stack([np.ones(n), exogenous])
    require(y.shape == x.shape == z.shape == (n,), "volume, price and instrument have one shape (n,)")
    require(n > given.shape[1] + 20, "at least 20 observations beyond the exogenous columns", got=n)
    for column in (y, x, z, given):
        require(bool(np.isfinite(column).all()), "observations are finite")
    y, x, z = (column - given @ np.linalg.lstsq(given, column, rcond=None)[0] for column in (y, x, z))
    spread = float(z @ z)
    if spread <= 1e-12 * n:
        return not_identified("the instrument does not move beside what is exogenous", assumed)
    a, b = float(z @ y) / spread, float(z @ x) / spread
    if lags is None:
        lags = int(4.0 * (n / 100.0) ** (2.0 / 9.0))
    scores = z[:, None] * np.column_stack([y - a * z, x - b * z])
    v = _newey_west(scores, lags) * n / (n - given.shape[1] - 1) / spread**2
    first_stage = b * b / float(v[1, 1]) if v[1, 1] > 0 else np.inf
    if first_stage < MIN_FIRST_STAGE_F:
        return not_identified(f"the instrument is weak, first-stage F {first_stage:.1f} below {MIN_FIRST_STAGE_F:g}",
                              assumed)
    low, high = _fieller(a, b, v, confidence)
    return _believed(a / b, low, high, assumed, f"{stated.strip()} (first-stage F {min(first_stage, 1e6):.0f})")


def _refuse_unusable(log_volume: FloatArray, changes: Sequence[PriceChange], window: int) -> None:
    """Changes that contradict each other, or for which there is no time before or after."""
    n_rows, n_markets = log_volume.shape
    for change in changes:
        require(0 <= change.column < n_markets, "a change names a column of the volumes", got=change.column)
        require(2 * window <= change.row <= n_rows - window,
                f"two windows of {window} rows lie before a change and one after", got=change.row)
    for column in {change.column for change in changes}:
        rows = np.sort([change.row for change in changes if change.column == column])
        if np.any(np.diff(rows) < 2 * window):
            raise UsageError(f"column {column} changes twice within two windows: their effects cannot be told apart",
                             remedy="give a shorter window, or leave one of the changes out")


def _steps(log_volume: FloatArray, window: int) -> FloatArray:
    """Mean from each row on less mean before it, over ``window`` rows; NaN where half of either is missing."""
    seen = np.isfinite(log_volume)
    edge = np.zeros((1, log_volume.shape[1]))
    total = np.concatenate([edge, np.cumsum(np.where(seen, log_volume, 0.0), axis=0)])
    count = np.concatenate([edge, np.cumsum(seen, axis=0)])
    out = np.full(log_volume.shape, np.nan)
    rows = np.arange(window, log_volume.shape[0] - window + 1)
    after, before = count[rows + window] - count[rows], count[rows] - count[rows - window]
    enough = (2 * after >= window) & (2 * before >= window)
    with np.errstate(invalid="ignore", divide="ignore"):
        step = (total[rows + window] - total[rows]) / after - (total[rows] - total[rows - window]) / before
    out[rows] = np.where(enough, step, np.nan)
    return out


def _untouched(shape: tuple[int, ...], changes: Sequence[PriceChange], window: int) -> BoolArray:
    """Rows around which a market has no change of its own within a window to either side."""
    out = np.ones(shape, dtype=np.bool_)
    for change in changes:
        out[max(0, change.row - window + 1):change.row + window, change.column] = False
    return out


def _against_controls(step: FloatArray, clean: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Each market's step less the mean of the other clean markets', and how many those are; both as ``step``."""
    kept = np.where(clean, step, 0.0)
    others = clean.sum(axis=1, keepdims=True) - clean
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (kept.sum(axis=1, keepdims=True) - kept) / others
    return np.where(others > 0, step - mean, np.nan), others.astype(np.float64)


def _pooled(effect: FloatArray, changes: Sequence[PriceChange], earlier: int) -> float:
    """The estimate, as if every change had come ``earlier`` rows before."""
    size = np.array([change.log_change for change in changes])
    seen = np.array([effect[change.row - earlier, change.column] for change in changes])
    return float(size @ seen / (size @ size))


def _placebos(effect: FloatArray, clean: BoolArray, changes: Sequence[PriceChange], rng: np.random.Generator,
              draws: int) -> FloatArray:
    """The pooled estimate where nothing changed, (draws,): changes of one date stay together on a drawn date."""
    masked = np.where(clean, effect, np.nan)
    spread = np.sqrt(np.nanmean(masked**2, axis=0)) if clean.any(axis=0).all() else np.full(
        effect.shape[1], np.sqrt(np.nanmean(masked**2)))
    standard = masked / np.where(spread > 0, spread, 1.0)
    sizes = np.array([change.log_change for change in changes])
    weights = sizes * np.array([spread[change.column] for change in changes]) / (sizes @ sizes)
    dates = {row: [k for k, change in enumerate(changes) if change.row == row] for row in {c.row for c in changes}}
    out = np.zeros(draws)
    for together in dates.values():
        rows = np.flatnonzero(clean.sum(axis=1) >= len(together))
        for draw, row in enumerate(rng.choice(rows, draws)):
            columns = rng.choice(np.flatnonzero(clean[row]), len(together), replace=False)
            out[draw] += weights[together] @ standard[row, columns]
    return out


def _newey_west(scores: FloatArray, lags: int) -> FloatArray:
    """Long-run sum of squares of ``scores`` (n, 2), weights falling linearly to zero past ``lags``."""
    out = scores.T @ scores
    for lag in range(1, lags + 1):
        across = scores[lag:].T @ scores[:-lag]
        out = out + (1.0 - lag / (lags + 1.0)) * (across + across.T)
    return np.asarray(out)


def _fieller(a: float, b: float, v: FloatArray, confidence: float) -> tuple[float, float]:
    """Ends of the Anderson-Rubin interval; bounded because the first stage is strong."""
    from scipy.special import ndtri

    c = float(ndtri(0.5 + 0.5 * confidence)) ** 2
    square, linear, constant = b * b - c * v[1, 1], a * b - c * v[0, 1], a * a - c * v[0, 0]
    require(square > 0.0, "the confidence is one that the first stage can carry", got=confidence)
    root = float(np.sqrt(max(0.0, linear * linear - square * constant)))
    return float((linear - root) / square), float((linear + root) / square)


def _believed(value: float, low: float, high: float, assumed: tuple[float, float], why: str) -> Elasticity:
    """The estimate, unless it says that dearer is more wanted."""
    if low > 0.0:
        return not_identified(f"demand would rise with its price, {low:.2f} to {high:.2f}: something else moved it",
                              assumed)
    return Elasticity(value, low, high, identified=True, why=why)
