"""Small books for the governor: drawn schedules, one market and one collateral asset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from leverline.calibrate.rounding import exact
from leverline.calibrate.schedule import continuous_deductions
from leverline.model import AssetLimits, InstrumentLimits, LimitBook, Provenance, RiskAppetite
from leverline.model.appetite_line import GovernorAppetite
from leverline.model.limitbook import Tier
from leverline.model.quantities import UNITS_PER_ONE

BTC = "BTC/USDT:USDT"
TIERS_AT = "/instruments/BTC~1USDT:USDT/tiers"
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
DAY_NS = 86_400 * 10**9


def governor_of(**changes: Any) -> GovernorAppetite:
    """The ``exchange`` pace at one step a day, without band, buffer and decay unless they are asked for."""
    plain = RiskAppetite.profile("exchange").governor
    assert plain is not None
    update = {"min_delay_s": 86_400.0, "dead_band": 0.0, "buffer": 0.0, "hysteresis": 0.0, "decay_s": 0.0,
              "limit_dead_band": 0.0, "max_target_age_s": 172_800.0, **changes}
    return GovernorAppetite.model_validate(plain.model_dump() | update)


def schedule(floors: list[int], maintenance: list[float], initial: list[float], cap: int | None) -> tuple[Tier, ...]:
    """Tiers from floors and cap in whole currency."""
    edges = [floor * UNITS_PER_ONE for floor in floors]
    ends = [*edges[1:], None if cap is None else cap * UNITS_PER_ONE]
    deductions = continuous_deductions(edges, maintenance)
    return tuple(Tier(notional_floor=a, notional_cap=b, max_leverage=1.0 / i, initial_margin_rate=i,
                      maintenance_margin_rate=m, maintenance_deduction=int(d))
                 for a, b, m, i, d in zip(edges, ends, maintenance, initial, deductions, strict=True))


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Tier, ...]:
    """Any lawful schedule of one to four tiers up to a million."""
    floors = [0, *sorted(draw(st.sets(st.integers(1, 900).map(lambda k: 1_000 * k), max_size=3)))]
    maintenance = sorted(draw(st.lists(st.integers(4, 300), min_size=len(floors), max_size=len(floors))))
    extra = sorted(draw(st.lists(st.integers(1, 300), min_size=len(floors), max_size=len(floors))))
    rates = [m / 1_000 for m in maintenance]
    initial = [float(exact(m) + exact(x / 1_000)) for m, x in zip(rates, extra, strict=True)]
    return schedule(floors, rates, initial, 1_000_000)


def book_of(tiers: tuple[Tier, ...], *, as_of: datetime = AS_OF, asset: AssetLimits | None = None,
            **limits: Any) -> LimitBook:
    """A book of one market, and of WETH where an asset is given."""
    return LimitBook.of(
        as_of=as_of, settlement="USD", instruments={BTC: InstrumentLimits(tiers=tiers, **limits)},
        collateral={} if asset is None else {"WETH": asset},
        provenance=Provenance(software="test", versions={}, data=(), as_of=as_of, appetite={}, estimators={}))


FLAT = schedule([0], [0.01], [0.02], 1_000_000)
"""One tier: 50x, maintenance 1 %."""


def flat(factor: float) -> tuple[Tier, ...]:
    """One tier that asks ``factor`` times what :data:`FLAT` does."""
    return schedule([0], [round(0.01 * factor, 9)], [round(0.02 * factor, 9)], 1_000_000)
