"""A seeded crowd of winners matched to one published wave, and what each rule of deleveraging takes from it.

Who won how much is not published by account. The crowd has the wave's equity, profit and needed budget to the unit;
everything else is assumed and stated here: heavy-tailed equity, profit around equity, lots around profit. A rule allots
whole lots; each lot costs the same, so the budget falls on lots by largest remainder and is met to the unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from leverline.enforce.deleveraging.apportion import in_line, in_proportion, least_largest
from leverline.enforce.socialise import largest_remainder
from leverline.ground.arrays import FloatArray

WINNERS = 400
NEED_LOTS = 10_000
HELD_PER_NEEDED = 10
"""Lots of all winners for each lot that is closed."""
EQUITY_TAIL = 1.2
PROFIT_SPREAD, LOTS_SPREAD = 1.0, 0.5
"""Standard deviations of the logarithm of profit / equity and of lots / profit."""
FINE = 10**9


@dataclass(frozen=True, slots=True)
class Crowd:
    """Winners of one wave: equity and profit in units, lots held; ``budget`` units are to be taken by ``need`` lots."""

    equity: list[int]
    profit: list[int]
    lots: list[int]
    need: int
    budget: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a rule took: lots and units of each winner."""

    lots: list[int]
    units: list[int]

    def largest_haircut(self, crowd: Crowd) -> Fraction:
        """Largest share of anybody's equity."""
        return max(Fraction(units, equity) for units, equity in zip(self.units, crowd.equity, strict=True) if equity)

    def largest_lots_by_equity(self, crowd: Crowd) -> Fraction:
        """The same before the budget falls on lots in whole units."""
        return max(Fraction(lots, equity) for lots, equity in zip(self.lots, crowd.equity, strict=True) if equity)

    def beyond_profit(self, crowd: Crowd) -> int:
        """Winners who give more than they had won: an infeasible haircut."""
        return sum(units > profit for units, profit in zip(self.units, crowd.profit, strict=True))


Rule = Callable[[Crowd, np.random.Generator], list[int]]


def draw_crowd(equity: int, profit: int, budget: int, rng: np.random.Generator) -> Crowd:
    """Winners with these sums, units; everybody has some equity and a lot at least."""
    weights = rng.pareto(EQUITY_TAIL, WINNERS) + 1.0
    profits = weights * np.exp(PROFIT_SPREAD * rng.standard_normal(WINNERS))
    lots = profits * np.exp(LOTS_SPREAD * rng.standard_normal(WINNERS))
    held = [1 + n for n in _split(NEED_LOTS * HELD_PER_NEEDED - WINNERS, lots)]
    return Crowd(_split(equity, weights), _split(profit, profits), held, NEED_LOTS, budget)


def take(crowd: Crowd, rule: Rule, rng: np.random.Generator) -> Taken:
    """Lots by the rule, then the budget on lots: no unit is made or lost."""
    lots = rule(crowd, rng)
    return Taken(lots, largest_remainder(crowd.budget, lots))


def queue(crowd: Crowd, rng: np.random.Generator) -> list[int]:  # noqa: ARG001 - a rule's signature
    """Profit over what was put in, times lots over equity; highest first."""
    score = [Fraction(p, max(1, e - p)) * Fraction(n, max(1, e))
             for p, e, n in zip(crowd.profit, crowd.equity, crowd.lots, strict=True)]
    return _in_order(crowd, sorted(range(WINNERS), key=lambda i: (-score[i], i)))


def random_start(crowd: Crowd, rng: np.random.Generator) -> list[int]:
    """From a drawn winner on, in the order of their numbers."""
    start = int(rng.integers(WINNERS))
    return _in_order(crowd, [(start + i) % WINNERS for i in range(WINNERS)])


def by_equity(crowd: Crowd, rng: np.random.Generator) -> list[int]:  # noqa: ARG001
    """In proportion to equity."""
    return in_proportion(crowd.need, crowd.equity, crowd.lots)


def by_profit(crowd: Crowd, rng: np.random.Generator) -> list[int]:  # noqa: ARG001
    """In proportion to profit."""
    return in_proportion(crowd.need, crowd.profit, crowd.lots)


def by_lots(crowd: Crowd, rng: np.random.Generator) -> list[int]:  # noqa: ARG001
    """In proportion to lots held."""
    return in_proportion(crowd.need, crowd.lots, crowd.lots)


def least_haircut(crowd: Crowd, rng: np.random.Generator) -> list[int]:  # noqa: ARG001
    """Water-filling over equity."""
    return least_largest(crowd.need, crowd.equity, crowd.lots)


RULES: dict[str, Rule] = {"queue": queue, "random start": random_start, "pro rata by equity": by_equity,
                          "pro rata by profit": by_profit, "pro rata by lots": by_lots, "least largest haircut":
                          least_haircut}


def _in_order(crowd: Crowd, order: list[int]) -> list[int]:
    taken = [0] * WINNERS
    for i, lots in zip(order, in_line(crowd.need, [crowd.lots[i] for i in order]), strict=True):
        taken[i] = lots
    return taken


def _split(whole: int, weights: FloatArray) -> list[int]:
    """Integers with this sum, in proportion to ``weights`` as far as 1e-9 of the largest."""
    return largest_remainder(whole, [max(1, int(w)) for w in weights / weights.max() * FINE])
