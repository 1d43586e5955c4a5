"""What the oracle's checks and the breakers are set to, in integers; read from ``VenueLimits.breakers``.

A book without breakers (``None``) has none: whatever one source says is the price. A book that names them, if only as
an empty object, has all of them at these defaults. Ages, confidence, deviation and multiples follow what perpetual
venues publish of theirs (Drift's guard rails, Pyth's and Chainlink's advice to readers); they are *defaulted*, not
measured, until a calibration says better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from leverline.ground.errors import UsageError, require

PPM = 1_000_000
SECOND_NS = 10**9
SWITCHES = ("move_ppm", "halting_move_ppm", "growth_ppm", "latency_ns", "depth_ppm", "fund_ppm")
"""Breakers that 0 switches off. That no liquidation happens on an invalid price cannot be switched off."""


@dataclass(frozen=True, slots=True)
class BreakerTerms:
    """Times in ns, shares in ppm; 0 switches a breaker of ``SWITCHES`` off."""

    margin_age_ns: int = 60 * SECOND_NS  # an older price is not there
    opening_age_ns: int = 5 * SECOND_NS  # an older price opens nothing
    redemption_age_ns: int = 3_600 * SECOND_NS
    confidence_ppm: int = 20_000  # widest confidence, of the price
    deviation_ppm: int = 10_000  # of a source from the median
    jump_ppm: int = 100_000  # of the composite at once: held until it stood for ``jump_hold_ns``
    jump_hold_ns: int = 10 * SECOND_NS
    average_ns: int = 300 * SECOND_NS  # memory of the time-weighted average
    average_multiple: int = 5  # a price so many times its average, or that part of it, is held
    quorum: int = 2  # agreeing sources for any price
    opening_quorum: int = 3  # agreeing sources for new risk
    move_ppm: int = 100_000  # of the mark from its average: reduce only
    halting_move_ppm: int = 500_000  # and halted
    growth_ppm: int = 1_000_000  # of open interest within ``growth_window_ns``, where the market has no cap of its own
    growth_window_ns: int = 3_600 * SECOND_NS
    growth_floor: int = 10**12  # units of notional below which open interest may grow freely
    latency_ns: int = 2 * SECOND_NS  # from publication to arrival of the fastest source
    depth_ppm: int = 200_000  # depth left of its average
    depth_window_ns: int = 3_600 * SECOND_NS
    fund_ppm: int = 500_000  # left of the insurance fund's highest balance
    release_ppm: int = 800_000  # hysteresis: a tripped breaker holds down to this share of its threshold
    notice_ns: int = 5 * SECOND_NS  # a price may be unfit so long before a breaker trips; gates close at once
    grace_ns: int = 60 * SECOND_NS  # the cause must be gone so long for each step back
    longest_halt_ns: int = 1_800 * SECOND_NS  # then the market resumes by a fallback price
    step_ppm: int = 20_000  # of the mark toward the fallback price
    step_ns: int = 10 * SECOND_NS
    weights: tuple[tuple[str, int], ...] = ()  # ppm by source; one not named weighs 1e6

    def __post_init__(self) -> None:
        require(1 <= self.quorum <= self.opening_quorum, "opening asks for no fewer sources than a price",
                got=(self.quorum, self.opening_quorum))
        require(0 < self.opening_age_ns <= self.margin_age_ns, "opening asks for a price at least as young",
                got=(self.opening_age_ns, self.margin_age_ns))
        require(0 < self.release_ppm <= PPM, "a release lies in (0, 1]", got=self.release_ppm)
        require(0 < self.step_ppm < PPM and self.step_ns > 0, "a step is positive and below the whole price",
                got=(self.step_ppm, self.step_ns))
        require(min(self.average_ns, self.growth_window_ns, self.depth_window_ns, self.longest_halt_ns) > 0,
                "windows and the longest halt are positive")
        require(self.average_multiple > 1 and self.jump_ppm > 0, "a jump has a size")
        require(all(weight > 0 for _, weight in self.weights), "a source that counts has a weight", got=self.weights)

    def weight(self, source: str) -> int:
        """Ppm, before the cap."""
        return dict(self.weights).get(source, PPM)

    def without(self, switch: str) -> BreakerTerms:
        """The same with one breaker of ``SWITCHES`` off, so that its cost can be told."""
        require(switch in SWITCHES, f"a breaker that can be switched off: {', '.join(SWITCHES)}", got=switch)
        return replace(self, **{switch: 0})  # type: ignore[arg-type]


WEIGHT = "weight:"
_SCALES = {"_ns": ("_s", SECOND_NS), "_ppm": ("", PPM)}


def _key_of(field: str) -> tuple[str, int]:
    """The name in a limit book (seconds, fractions, counts) and what it is multiplied by."""
    for ending, (written, scale) in _SCALES.items():
        if field.endswith(ending):
            return field.removesuffix(ending) + written, scale
    return field, PPM if field == "growth_floor" else 1


KEYS: dict[str, tuple[str, int]] = {key: (f.name, scale) for f in fields(BreakerTerms) if f.name != "weights"
                                    for key, scale in [_key_of(f.name)]}
"""Key in ``VenueLimits.breakers`` to the field and its scale: ``move`` is 0.1, ``grace_s`` is 60."""


def breaker_terms(settings: Mapping[str, float] | None) -> BreakerTerms | None:
    """Integers of a book's settings; an unknown key or a part of a unit is refused."""
    if settings is None:
        return None
    chosen: dict[str, int] = {}
    weights: list[tuple[str, int]] = []
    for key, number in sorted(settings.items()):
        source = key.removeprefix(WEIGHT)
        if key not in KEYS and source == key:
            raise UsageError(f"venue.breakers has no setting {key!r}", remedy=f"choose of {', '.join(sorted(KEYS))}")
        field, scale = KEYS.get(key, ("", PPM))
        exact = Fraction(repr(number)) * scale
        require(exact.denominator == 1, f"venue.breakers.{key} is whole in ns, ppm or counts", got=number)
        if field:
            chosen[field] = int(exact)
        else:
            weights.append((source, int(exact)))
    return BreakerTerms(**chosen, weights=tuple(weights))
