r"""Requirement curves: how much margin a position of a given size and price needs, as data.

Venues differ in what drives the rate and in which requirement it moves:

=====================  ==========================================  ==========================================
curve                  driver                                      venues
=====================  ==========================================  ==========================================
:class:`BracketCurve`  notional at the mark, slices (continuous)   Binance, Bybit, Gate, Hyperliquid, our books
:class:`StepCurve`     notional or contracts, whole position       OKX, BitMEX's linear contracts
:class:`CoinStepCurve` value in the settlement coin, whole position  BitMEX's inverse contracts
:class:`OpenInterestCurve`  open interest of the market (initial)  dYdX v4
:class:`SizeLinearCurve`    position size over skew scale          Synthetix v3
:class:`SizeRootCurve`      square root of position size           Drift v2
:class:`EntryCurve`    notional at entry                           GMX v2
=====================  ==========================================  ==========================================

For one position of fixed size every maintenance requirement here is piecewise linear in its price; all but
:class:`StepCurve` by notional and :class:`CoinStepCurve` are convex in it, which is what exact trigger prices rest on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from leverline.ground.errors import require


@dataclass(frozen=True, slots=True)
class BracketCurve:
    """Maintenance by slices with deductions; initial at the holding bracket's rate on the whole notional.

    All tuples have one entry a bracket; bracket ``k`` holds notional in [``floors[k]``, ``floors[k + 1]``).
    """

    floors: tuple[float, ...]  # settlement currency, ascending from 0
    initial_rates: tuple[float, ...]
    maintenance_rates: tuple[float, ...]
    deductions: tuple[float, ...]  # settlement currency, of the maintenance requirement
    cap: float | None = None  # settlement currency; no position may be opened above it

    def __post_init__(self) -> None:
        _check_tiers(self.floors, self.initial_rates, self.maintenance_rates)
        require(len(self.deductions) == len(self.floors), "every bracket has a deduction", got=len(self.deductions))


@dataclass(frozen=True, slots=True)
class StepCurve:
    """The whole position at the rates of the step that holds it: the requirement jumps at every floor."""

    floors: tuple[float, ...]  # ascending from 0, in contracts or in settlement currency
    initial_rates: tuple[float, ...]
    maintenance_rates: tuple[float, ...]
    by_contracts: bool  # True: the size in contracts picks the step, so the price never does
    cap: float | None = None  # in the unit of the floors

    def __post_init__(self) -> None:
        _check_tiers(self.floors, self.initial_rates, self.maintenance_rates)


@dataclass(frozen=True, slots=True)
class OpenInterestCurve:
    """Initial rate linear in the market's open interest between two bounds, from the base rate to 1."""

    initial_rate: float
    maintenance_fraction: float  # of the base initial rate; never scaled
    open_interest_lower: float  # settlement currency
    open_interest_upper: float  # settlement currency; 0 switches the scaling off
    rate_unit: float = 0.0  # what the venue adds to the rate is cut down to a multiple of it; 0: not cut


@dataclass(frozen=True, slots=True)
class SizeLinearCurve:
    """Rate linear in base units of the position; maintenance a share of initial; a constant margin beside both."""

    base_rate: float
    rate_per_base_unit: float
    maintenance_share: float
    constant: float  # settlement currency a position


@dataclass(frozen=True, slots=True)
class SizeRootCurve:
    """Rate growing with the square root of base units: ``max(w, 0.8 w + factor * sqrt(10 |q| + 1 / unit))``.

    The 1 is one of the venue's smallest base units, ``unit`` of which make one base unit.
    """

    initial_rate: float
    maintenance_rate: float
    factor: float  # rate per square root of base unit, before the 10
    unit: float  # smallest units in one base unit
    rate_unit: float = 0.0  # the venue cuts the size term down to a multiple of it; 0: not cut


@dataclass(frozen=True, slots=True)
class EntryCurve:
    """A share of the notional at entry, whatever the price does since, and never less than a floor."""

    initial_rate: float
    maintenance_rate: float
    least: float  # settlement currency a position
    fee_rate: float = 0.0  # of the notional at entry, asked beside the larger of share and floor


@dataclass(frozen=True, slots=True)
class CoinStepCurve:
    """Steps by the value in the settlement coin of an inverse market: the whole position at its step's rates.

    Both rates rise by ``rate_step`` with every ``step`` of value above ``base``, a started one counting whole. The
    value is taken at the mark at which the tables are laid out and stays until they are laid out anew, so a price walk
    does not see a step between the mark and its end.
    """

    base: float  # settlement coin; up to it the first rates hold
    step: float  # settlement coin
    initial_rate: float
    maintenance_rate: float
    rate_step: float

    def __post_init__(self) -> None:
        require(self.base > 0 and self.step > 0, "base and step are positive", got=(self.base, self.step))


INCLUSIVE = 1e-12
"""A venue's tier holds its own cap: brackets, which hold their floor, start this share above it. A whole size that
floats miss by their rounding stays in the tier as well."""


def above(caps: Iterable[float]) -> tuple[float, ...]:
    """Floors of brackets that start just above the caps below them; a floor of 0 stays."""
    return tuple(cap * (1.0 + INCLUSIVE) for cap in caps)


Curve = BracketCurve | StepCurve | OpenInterestCurve | SizeLinearCurve | SizeRootCurve | EntryCurve | CoinStepCurve


def _check_tiers(floors: tuple[float, ...], initial: tuple[float, ...], maintenance: tuple[float, ...]) -> None:
    require(len(floors) == len(initial) == len(maintenance) > 0, "every tier has a floor and two rates",
            got=(len(floors), len(initial), len(maintenance)))
    require(floors[0] == 0, "the first tier starts at 0", got=floors[0])
    require(all(a < b for a, b in pairwise(floors)), "floors ascend", got=floors)
    require(all(a <= b for a, b in pairwise(maintenance)), "maintenance rates do not fall with size", got=maintenance)
