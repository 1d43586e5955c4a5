"""What a published schedule asks of a position: exact amounts from tiers, in ledger units."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from leverline.calibrate.rounding import exact
from leverline.ground.errors import require
from leverline.model.limitbook import Tier


def tier_of(tiers: Sequence[Tier], notional: int) -> Tier | None:
    """The tier that holds a position of ``notional`` ledger units; None above the last cap: no such position."""
    require(notional >= 0, "a notional is not negative", got=notional)
    return next((t for t in tiers if t.notional_cap is None or notional <= t.notional_cap), None)


def maintenance_amount(tier: Tier, notional: int) -> Fraction:
    """Maintenance margin of ``notional`` in ``tier``, ledger units, before the ledger rounds it."""
    return notional * exact(tier.maintenance_margin_rate) - tier.maintenance_deduction


def initial_amount(tier: Tier, notional: int) -> Fraction:
    """Initial margin of ``notional`` in ``tier``, ledger units, before the ledger rounds it."""
    return notional * exact(tier.initial_margin_rate)


def continuous_deductions(floors: Sequence[int], rates: Sequence[float]) -> list[Fraction]:
    r"""Deductions that join the maintenance lines of tiers at their floors, ledger units.

    .. math:: D_1 = 0, \quad D_k = D_{k-1} + floor_k (rate_k - rate_{k-1})

    the form in which Binance publishes ``cum`` with its brackets.
    """
    deductions = [Fraction(0)]
    for floor, lower, upper in zip(floors[1:], rates[:-1], rates[1:], strict=True):
        deductions.append(deductions[-1] + floor * (exact(upper) - exact(lower)))
    return deductions
