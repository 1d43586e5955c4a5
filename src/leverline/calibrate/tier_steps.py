r"""A schedule of tiers on the way from one to another: every schedule in between is a schedule.

Maintenance is a convex curve through the origin and the initial rate a rising step function of size, so a mixture

.. math:: (1 - \lambda)\, M_0(N) + \lambda\, M_1(N)

is one too, with initial margin at or above maintenance wherever both ends have it: no partial step can break what
holds for whole books. Where a target asks more of some sizes and less of others the way leads over the envelope of
both, since tightening may be urgent and loosening never is. Amounts are ledger units; published rates are rounded up
to a millionth, so what stands between the ends errs by that much, against the account.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from leverline.calibrate.rounding import RATE_TOLERANCE, exact
from leverline.ground.errors import require
from leverline.model.limitbook import Tier
from leverline.model.quantities import UNITS_PER_ONE

PPM = 1_000_000
MAX_TIERS = 50
"""Most tiers of a schedule in between: two ladders may interleave, a long way of changing targets may not."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Both requirements between the same edges, in exact numbers.

    Maintenance ``amounts`` at ``edges`` (from 0) are linear between them and of slope ``last_slope`` beyond the last;
    ``initial`` is the rate of each stretch, the last one open.
    """

    edges: tuple[int, ...]
    amounts: tuple[Fraction, ...]
    last_slope: Fraction
    initial: tuple[Fraction, ...]
    is_open: bool  # sizes beyond the last edge are admitted


def curve_of(tiers: Sequence[Tier], edges: Sequence[int] | None = None) -> Curve:
    """The requirement of ``tiers`` on ``edges`` (ascending from 0, a superset of their floors; default their floors).

    Beyond its last cap a schedule goes on as in its last tier: what is not admitted has no other requirement.
    """
    at = tuple(tier.notional_floor for tier in tiers) if edges is None else tuple(edges)
    amounts, initial = [], []
    for edge in at:
        tier = _tier_from(tiers, edge)
        amounts.append(edge * exact(tier.maintenance_margin_rate) - tier.maintenance_deduction)
        initial.append(max(exact(tier.initial_margin_rate), 1 / exact(tier.max_leverage)))
    end = tiers[-1].notional_cap
    return Curve(at, tuple(amounts), exact(tiers[-1].maintenance_margin_rate), tuple(initial),
                 is_open=end is None or end > at[-1])


def common_curves(first: Sequence[Tier], second: Sequence[Tier]) -> tuple[Curve, Curve]:
    """Both schedules on the floors of both, the sizes at which their maintenance crosses, and the end of ``first``.

    Only sizes that ``first`` admits count: of the others nobody is asked anything yet.
    """
    end = first[-1].notional_cap
    floors = {tier.notional_floor for tier in (*first, *second) if end is None or tier.notional_floor < end}
    edges = sorted(floors if end is None else {*floors, end})
    a, b = curve_of(first, edges), curve_of(second, edges)
    crossings = set()
    for k, edge in enumerate(edges if end is None else edges[:-1]):
        gap = a.amounts[k] - b.amounts[k]
        closing = _slope(b, k) - _slope(a, k)
        if closing and gap / closing > 0:
            crossing = edge + math.ceil(gap / closing / UNITS_PER_ONE) * UNITS_PER_ONE
            if k + 1 == len(edges) or crossing < edges[k + 1]:
                crossings.add(crossing)
    edges = sorted({*edges, *crossings})
    return curve_of(first, edges), replace(curve_of(second, edges), is_open=end is None)


def mixed(a: Curve, b: Curve, share: Fraction) -> Curve:
    """``1 - share`` of ``a`` and ``share`` of ``b``, which stand on the same edges."""
    require(a.edges == b.edges, "curves to be mixed stand on the same edges")
    return Curve(a.edges, tuple(x + share * (y - x) for x, y in zip(a.amounts, b.amounts, strict=True)),
                 a.last_slope + share * (b.last_slope - a.last_slope),
                 tuple(x + share * (y - x) for x, y in zip(a.initial, b.initial, strict=True)), a.is_open)


def envelope(a: Curve, b: Curve) -> Curve:
    """The larger of both at every size, chord by chord between common edges."""
    return Curve(a.edges, tuple(map(max, a.amounts, b.amounts)), max(a.last_slope, b.last_slope),
                 tuple(map(max, a.initial, b.initial)), a.is_open)


def most_and_least(over: Curve, under: Curve) -> tuple[Fraction, Fraction]:
    """The largest and the smallest ratio of ``over`` to ``under`` at any size, of either requirement.

    Ratios of two lines through common edges are monotone between them, so only edges and the two ends count.
    """
    stretches = len(under.edges) if under.is_open else len(under.edges) - 1
    ratios = [y / x for x, y in zip(under.initial[:stretches], over.initial[:stretches], strict=True)]
    ratios += [y / x for x, y in zip(under.amounts[1:], over.amounts[1:], strict=True)]
    ratios.append(_slope(over, 0) / _slope(under, 0))
    if under.is_open:
        ratios.append(over.last_slope / under.last_slope)
    return max(ratios), min(ratios)


def published(maintenance: Curve, initial: Curve, cap: int | None) -> tuple[Tier, ...]:
    """Tiers with the maintenance of one curve and the initial rates of another on the same edges, up to ``cap``.

    Rates are rounded up to a millionth, and what rounding left over is credited to the next tier. Initial margin is
    raised to maintenance where rounding would bring it below.
    """
    edges = _thinned(maintenance, [edge for edge in maintenance.edges if cap is None or edge < cap])
    tiers: list[Tier] = []
    rate, deduction, reached, least = Fraction(0), Fraction(0), Fraction(0), Fraction(0)
    for floor, end in zip(edges, [*edges[1:], None], strict=True):
        k = maintenance.edges.index(floor)
        goal = _slope(maintenance, k) if end is None else (
            (maintenance.amounts[maintenance.edges.index(end)] - reached) / (end - floor))
        raised = max(rate, _up(goal))
        deduction += floor * (raised - rate)
        rate = raised
        stop = cap if end is None else end
        covering = rate if stop is None else rate - deduction / stop  # maintenance over notional is largest at the end
        asked = max(r for edge, r in zip(initial.edges, initial.initial, strict=True)
                    if edge <= floor or end is None or edge < end)
        least = max(least, _up(asked), Fraction(math.ceil(covering * PPM), PPM))
        reached = Fraction(0) if end is None else end * rate - deduction
        tiers.append(Tier(notional_floor=floor, notional_cap=stop, max_leverage=_leverage(least),
                          initial_margin_rate=float(least), maintenance_margin_rate=float(rate),
                          maintenance_deduction=math.floor(deduction)))
    return _joined(tiers)


def capped(tiers: Sequence[Tier], cap: int | None) -> tuple[Tier, ...]:
    """The same schedule, ended at ``cap`` or (where it ended lower) carried on to it."""
    kept = [tier for tier in tiers if cap is None or tier.notional_floor < cap]
    return (*kept[:-1], kept[-1].model_copy(update={"notional_cap": cap}))


def _tier_from(tiers: Sequence[Tier], floor: int) -> Tier:
    """The tier of sizes just above ``floor``."""
    return [tier for tier in tiers if tier.notional_floor <= floor][-1]


def _slope(curve: Curve, k: int) -> Fraction:
    """Marginal maintenance rate from edge ``k`` on."""
    if k + 1 == len(curve.edges):
        return curve.last_slope
    return (curve.amounts[k + 1] - curve.amounts[k]) / (curve.edges[k + 1] - curve.edges[k])


def _thinned(curve: Curve, edges: list[int]) -> list[int]:
    """At most :data:`MAX_TIERS` edges: those whose removal lifts the chord least are left out, one by one."""
    value = dict(zip(curve.edges, curve.amounts, strict=True))
    kept = list(edges)
    while len(kept) > MAX_TIERS:
        lifts = [(value[a] + (value[c] - value[a]) * Fraction(b - a, c - a)) / value[b]
                 for a, b, c in zip(kept, kept[1:], kept[2:], strict=False)]
        kept.pop(1 + lifts.index(min(lifts)))
    return kept


def _leverage(rate: Fraction) -> float:
    """Reciprocal of an initial margin rate, rounded down at the ninth decimal."""
    return math.floor(10**9 / rate) / 10**9


def _up(rate: Fraction) -> Fraction:
    """On the next millionth; what stands on one but for floating-point noise stays there."""
    return Fraction(math.ceil((rate - exact(RATE_TOLERANCE)) * PPM), PPM)


def _joined(tiers: list[Tier]) -> tuple[Tier, ...]:
    """One tier where neighbours ask the same."""
    kept: list[Tier] = []
    for tier in tiers:
        last = kept[-1] if kept else None
        if last is not None and (last.initial_margin_rate, last.maintenance_margin_rate) == (
                tier.initial_margin_rate, tier.maintenance_margin_rate):
            kept[-1] = last.model_copy(update={"notional_cap": tier.notional_cap})
        else:
            kept.append(tier)
    return tuple(kept)
