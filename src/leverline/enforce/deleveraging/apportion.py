"""Whole lots to holders who can give so many each: in a line, in proportion, or with the smallest largest haircut.

All three allot ``need`` lots exactly where the holders have that many together, else all they have. Of equals the
earlier place comes first, so that one list gives one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush

from leverline.enforce.socialise import largest_remainder
from leverline.ground.errors import require

Allotting = Callable[[int, Sequence[int], Sequence[int]], list[int]]


def in_line(need: int, holdings: Sequence[int]) -> list[int]:
    """Each as far as it goes, in the order given."""
    require(need >= 0 and min(holdings, default=0) >= 0, "lots are not negative", got=(need, list(holdings)[:5]))
    allotted = []
    for held in holdings:
        allotted.append(min(need, held))
        need -= allotted[-1]
    return allotted


def in_proportion(need: int, weights: Sequence[int], holdings: Sequence[int]) -> list[int]:
    """In proportion to ``weights``, nobody beyond its ``holdings``, rounded by largest remainder.

    The exact quota of holder i is min(holding, level * weight) at the one level where the quotas sum to ``need``; every
    allotment is within a lot of it. Quotas never fall as the need grows, and move by no more than the need does.
    """
    return _weighted_first(_in_proportion, need, weights, holdings)


def least_largest(need: int, weights: Sequence[int], holdings: Sequence[int]) -> list[int]:
    """Water-filling: the largest lots / weight of anybody is as small as whole lots allow.

    Each lot goes to whoever would then stand lowest (a divisor method with upper bounds), so one more lot of need is
    one more lot for one holder and nothing else moves.
    """
    return _weighted_first(_least_largest, need, weights, holdings)


def level_of(need: int, weights: Sequence[int], holdings: Sequence[int]) -> Fraction:
    """The level at which min(holding, level * weight) sum to ``need``; weights above 0, holdings enough for it."""
    left, weight = need, sum(weights)
    level = Fraction(0)
    for i in sorted(range(len(weights)), key=lambda i: Fraction(holdings[i], weights[i])):
        if holdings[i] * weight > left * weights[i]:
            return Fraction(left, weight)
        left, weight = left - holdings[i], weight - weights[i]
        level = Fraction(holdings[i], weights[i])
    assert left == 0, "holdings are enough for the need"
    return level


def _weighted_first(allot: Allotting, need: int, weights: Sequence[int], holdings: Sequence[int]) -> list[int]:
    """Holders with a weight first; those without any only where these have no lots left, by their lots."""
    require(len(weights) == len(holdings), "a weight for each holder", got=(len(weights), len(holdings)))
    require(min([need, *weights, *holdings]) >= 0, "lots and weights are not negative", got=need)
    allotted = [0] * len(holdings)
    for group in ([i for i, w in enumerate(weights) if w], [i for i, w in enumerate(weights) if not w]):
        held = [holdings[i] for i in group if holdings[i]]
        chosen = [i for i in group if holdings[i]]
        weighed = [weights[i] or holdings[i] for i in chosen]
        share = min(need, sum(held))
        for i, lots in zip(chosen, allot(share, weighed, held), strict=True):
            allotted[i] = lots
        need -= share
    return allotted


def _in_proportion(need: int, weights: Sequence[int], holdings: Sequence[int]) -> list[int]:
    level = level_of(need, weights, holdings)
    allotted = [held if level * weight >= held else -1 for weight, held in zip(weights, holdings, strict=True)]
    below = [i for i, lots in enumerate(allotted) if lots < 0]
    rest = need - sum(lots for lots in allotted if lots > 0)
    for i, lots in zip(below, largest_remainder(rest, [weights[i] for i in below]), strict=True):
        allotted[i] = lots
    return allotted


def _least_largest(need: int, weights: Sequence[int], holdings: Sequence[int]) -> list[int]:
    level = level_of(need, weights, holdings)
    allotted = [min(held, level.numerator * weight // level.denominator)
                for weight, held in zip(weights, holdings, strict=True)]
    heap = [(Fraction(lots + 1, weights[i]), i) for i, lots in enumerate(allotted) if lots < holdings[i]]
    heapify(heap)
    for _ in range(need - sum(allotted)):
        _, i = heappop(heap)
        allotted[i] += 1
        if allotted[i] < holdings[i]:
            heappush(heap, (Fraction(allotted[i] + 1, weights[i]), i))
    return allotted
