r"""What a pool of positions needs together: offsets where markets hedge each other even in a stress, add-ons beside.

Of two opposite positions with isolated requirements x and y a share of the smaller is given back:

.. math:: R = x + y - k \min(x, y)

Giving back a share of the smaller leg alone, and matching each unit of it once, is what keeps the requirement
monotone: raising one requirement by d raises the whole by at least (1 - k) d. The credit k is the largest at which R
still covers the hedged position in the stressed window, no matter which leg is the larger and which is long; capped,
and none at all where the lower confidence bound of the correlation in that window is below the appetite's least.

Concentration, wrong-way risk and shared liquidity stand outside: they do not fall because something else hedges, so the
whole may exceed the sum of isolated market risk; the market-risk part never does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leverline.calibrate.joint_paths import stressed_dates
from leverline.ground.arrays import BoolArray, FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError, require
from leverline.market.bars import Panel
from leverline.measure.dependence import stressed_correlation
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import CrossMarginAppetite
from leverline.model.limitbook import Basis, Explanation, pointer
from leverline.model.venue import Offset

if TYPE_CHECKING:  # the book is wired from here, so its module imports this one
    from leverline.calibrate.book import Calibration

CONFIDENCE = 0.95
"""Of the interval whose lower end the correlation must stand on."""
TAIL_SHARE = 0.05
"""Of the stressed days: the worst of them, on average, are what a requirement is held against."""
LEG_RATIOS = np.linspace(0.1, 1.0, 10)
"""Sizes of the smaller leg's requirement over the larger's at which a credit must hold."""
LEAST_DAYS = 20
MOST_PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class PairEvidence:
    """What a pair showed in the stressed window.

    ``correlation`` with its lower bound; ``covered`` is the largest credit that would have covered the hedge there,
    0 where the correlation did not hold.
    """

    first: str
    second: str
    correlation: float
    lower: float
    covered: float
    days: int
    credit: float


def daily_returns(panel: Panel, columns: Sequence[int]) -> FloatArray:
    """Log returns over whole days, the last of which ends at the newest bar; (n_days, n_markets), NaN where none."""
    step = max(1, round(panel.bars_per_day))
    rows = np.arange(panel.ts.size - 1, -1, -step)[::-1]
    return np.asarray(np.diff(np.log(panel.close[rows][:, list(columns)]), axis=0), np.float64)


def pair_evidence(
    returns: FloatArray, stressed: BoolArray, symbols: Sequence[str], appetite: CrossMarginAppetite,
    rng: np.random.Generator,
) -> tuple[PairEvidence, ...]:
    """Every pair whose correlation over the ``stressed`` dates (n_dates,) is known, with the credit it earns.

    ``returns`` (n_dates, n_markets) are daily. A pair that earns none is listed with credit 0.
    """
    n = len(symbols)
    if n < 2:
        return ()
    require(n * (n - 1) // 2 <= MOST_PAIRS, "as many markets as can be paired", got=n)
    found = stressed_correlation(returns, stressed, rng=rng, confidence=CONFIDENCE, minimum=LEAST_DAYS)
    window, out = returns[stressed], []
    for a in range(n):
        for b in range(a + 1, n):
            both = np.isfinite(window[:, a]) & np.isfinite(window[:, b])
            estimate, lower = float(found.estimate[a, b]), float(found.low[a, b])
            if not np.isfinite(lower):
                continue
            covered = credit = 0.0
            if lower >= appetite.min_correlation:
                covered = covered_credit(window[both, a], window[both, b])
                credit = max(0.0, min(appetite.offset_cap, covered))
            out.append(PairEvidence(symbols[a], symbols[b], estimate, lower, covered, int(both.sum()), credit))
    return tuple(out)


def covered_credit(first: FloatArray, second: FloatArray) -> float:
    """Largest credit whose requirement covers the hedge on its worst days; ``first`` and ``second`` are (n_days,).

    A requirement of one is the mean loss of the worst days of that market alone, on its worse side. At every ratio of
    the legs, with either as the larger and either way round, ``1 + t - k t`` is at least the mean loss of the hedge's
    own worst days. Negative where the two positions together lose more than both requirements.
    """
    legs = [r / max(_worst(r), _worst(-r)) for r in (first, second)]
    credit = np.inf
    for larger, smaller in ((legs[0], legs[1]), (legs[1], legs[0])):
        for t in LEG_RATIOS.tolist():
            spread = larger - t * smaller
            credit = min(credit, (1.0 + t - max(_worst(spread), _worst(-spread))) / t)
    return float(credit)


def _worst(returns: FloatArray) -> float:
    """Mean loss of the worst days; positive."""
    count = max(1, round(TAIL_SHARE * returns.size))
    return max(1e-12, float(-np.sort(returns)[:count].mean()))


@dataclass(frozen=True, slots=True)
class CalibratedOffsets:
    """Offsets, explanations by JSON pointer, warnings, and every pair looked at."""

    offsets: tuple[Offset, ...]
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]
    pairs: tuple[PairEvidence, ...]


def calibrate_offsets(calibration: Calibration, appetite: RiskAppetite, *, rng: np.random.Generator,
                      ) -> CalibratedOffsets:
    """Offsets between the calibrated markets that hedge each other on the loudest days of the record.

    A record that is shorter than twice the stressed window has no calm to tell stress from: no offset is given.
    """
    wanted = cross_margin_appetite(appetite)
    panel, columns = calibration.panel, [m.column for m in calibration.markets]
    symbols = [m.symbol for m in calibration.markets]
    returns = daily_returns(panel, columns)
    step = max(1, round(panel.bars_per_day))
    opened = np.arange(panel.ts.size - 1, -1, -step)[::-1][:-1]
    if len(returns) < 2 * wanted.stressed_window_days:
        short = (f"no offsets: {len(returns)} days are known, {2 * wanted.stressed_window_days} are needed for a "
                 f"stressed window of {wanted.stressed_window_days}")
        return CalibratedOffsets((), {}, (short,), ())
    stressed = stressed_dates(calibration.sigma_per_day[opened][:, columns], wanted.stressed_window_days)
    try:
        pairs = pair_evidence(returns, stressed, symbols, wanted, rng)
    except InsufficientDataError as error:
        return CalibratedOffsets((), {}, (f"no offsets: {error}",), ())
    given = [pair for pair in pairs if pair.credit > 0.0]
    offsets = tuple(Offset(first=p.first, second=p.second, credit=np.floor(100.0 * p.credit) / 100.0,
                           correlation=round(p.correlation, 4)) for p in given)
    unknown = len(symbols) * (len(symbols) - 1) // 2 - len(pairs)
    said = [f"{unknown} pairs of markets share too few stressed days for an offset"] * bool(unknown)
    return CalibratedOffsets(offsets, _explanations(given, wanted), tuple(said), pairs)


def cross_margin_appetite(appetite: RiskAppetite) -> CrossMarginAppetite:
    """The appetite's section on cross margin; refused where there is none."""
    if appetite.cross_margin is None:
        raise UsageError(f"the appetite {appetite.name!r} says nothing of cross margin",
                         remedy="add a section [cross_margin]")
    return appetite.cross_margin


def _explanations(given: list[PairEvidence], wanted: CrossMarginAppetite) -> dict[str, Explanation]:
    out: dict[str, Explanation] = {}
    for k, pair in enumerate(given):
        at = pointer("venue", "offsets", k)
        capped = pair.covered >= wanted.offset_cap
        why = f"at most {wanted.offset_cap:g} of the smaller leg" if capped else "what covers the hedge under stress"
        seen = f"correlation {pair.correlation:.2f}, at least {pair.lower:.2f}, on {pair.days} stressed days"
        out[f"{at}/credit"] = Explanation(
            binding=f"{why}; {seen}", basis=Basis.ASSUMED if capped else Basis.MEASURED,
            sensitivity={"cap +0.05": round(min(wanted.offset_cap + 0.05, pair.covered, 1.0) / pair.credit - 1.0, 6)})
        out[f"{at}/correlation"] = Explanation(binding=seen, basis=Basis.MEASURED)
    return out


@dataclass(frozen=True, slots=True)
class CrossPosition:
    """One market of a pool, netted. Amounts in settlement currency.

    Attributes
    ----------
    notional : signed, long positive
    market_risk : isolated requirement for market risk alone, without add-ons
    position_cap : of its market; None: no concentration add-on
    liquidity_group : positions of one group would be closed into one book; empty: none
    wrong_way : True where its collateral loses when it does
    """

    symbol: str
    notional: float
    market_risk: float
    position_cap: float | None = None
    liquidity_group: str = ""
    wrong_way: bool = False


@dataclass(frozen=True, slots=True)
class CrossRequirement:
    """Requirement of a pool, settlement currency: ``market_risk`` is at most ``isolated``, add-ons come on top.

    ``matched`` lists (first, second, amount given back).
    """

    isolated: float
    market_risk: float
    concentration: float
    wrong_way: float
    shared_liquidity: float
    matched: tuple[tuple[str, str, float], ...]

    @property
    def total(self) -> float:
        """Market risk and all add-ons."""
        return self.market_risk + self.concentration + self.wrong_way + self.shared_liquidity


def cross_requirement(positions: Sequence[CrossPosition], offsets: Sequence[Offset],
                      appetite: CrossMarginAppetite) -> CrossRequirement:
    """What ``positions``, one a market, need together; see the module for the rule.

    Offsets are matched from the highest credit on, ties by name, so that the order of positions does not matter.
    """
    _refuse_positions(positions)
    left = {p.symbol: p.market_risk for p in positions}
    long = {p.symbol: p.notional > 0 for p in positions}
    matched = []
    for offset in sorted(_checked(offsets, appetite), key=lambda o: (-o.credit, o.first, o.second)):
        a, b = offset.first, offset.second
        if a not in left or b not in left or long[a] == long[b]:
            continue
        amount = min(left[a], left[b])
        if amount <= 0.0:
            continue
        left[a] -= amount
        left[b] -= amount
        matched.append((a, b, offset.credit * amount))
    isolated = sum(p.market_risk for p in positions)
    market_risk = min(isolated, max(0.0, isolated - sum(given for _, _, given in matched)))
    return CrossRequirement(
        isolated=isolated, market_risk=market_risk,
        concentration=appetite.concentration_add_on * sum(
            max(0.0, abs(p.notional) - p.position_cap / 2.0) for p in positions if p.position_cap is not None),
        wrong_way=appetite.wrong_way_add_on * sum(abs(p.notional) for p in positions if p.wrong_way),
        shared_liquidity=appetite.shared_liquidity_add_on * _shared(positions), matched=tuple(matched))


def _shared(positions: Sequence[CrossPosition]) -> float:
    """Notional that comes on top of the largest position of each group of two or more."""
    groups: dict[str, list[float]] = {}
    for position in positions:
        if position.liquidity_group:
            groups.setdefault(position.liquidity_group, []).append(abs(position.notional))
    return float(sum(sum(sizes) - max(sizes) for sizes in groups.values()))


def _refuse_positions(positions: Sequence[CrossPosition]) -> None:
    symbols = [p.symbol for p in positions]
    require(len(set(symbols)) == len(symbols), "a market stands once in a pool, netted", got=symbols)
    for p in positions:
        require(bool(np.isfinite(p.notional)) and bool(np.isfinite(p.market_risk)) and p.market_risk >= 0.0,
                f"{p.symbol}: notional is finite and market risk not negative", got=(p.notional, p.market_risk))
        require(p.position_cap is None or p.position_cap >= 0.0, f"{p.symbol}: a cap is not negative",
                got=p.position_cap)


def _checked(offsets: Sequence[Offset], appetite: CrossMarginAppetite) -> Sequence[Offset]:
    """The offsets; refused where they contradict themselves or the appetite."""
    seen: set[frozenset[str]] = set()
    for offset in offsets:
        pair = frozenset((offset.first, offset.second))
        require(len(pair) == 2, "an offset is between two markets", got=offset.first)
        require(pair not in seen, "an offset between two markets stands once", got=sorted(pair))
        require(offset.credit <= appetite.offset_cap + 1e-12, "no credit exceeds the appetite's offset_cap",
                got=(offset.credit, appetite.offset_cap))
        seen.add(pair)
    return offsets
