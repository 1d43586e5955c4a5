"""A limit book in integers: what the ledger's arithmetic needs, rounded once, against the account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from leverline.enforce.breaker_terms import BreakerTerms, breaker_terms
from leverline.ground.errors import UsageError, require
from leverline.margin.rounding import ceil_div
from leverline.model.collateral import AssetLimits
from leverline.model.instrument import Payoff
from leverline.model.limitbook import InstrumentLimits, LimitBook, Tier
from leverline.model.quantities import UNITS_PER_ONE

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class TierTerms:
    """Of notional in (``floor``, next floor], units: rates in ppm, deduction in units."""

    floor: int
    initial_ppm: int
    maintenance_ppm: int
    deduction: int


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """One market in lots, ticks and units; ``value`` is units of one lot at a price of one tick."""

    symbol: str
    tick: Fraction
    lot: Fraction
    value: int
    tiers: tuple[TierTerms, ...]
    position_cap: int | None
    open_interest_cap: int | None
    owner_share_ppm: int | None
    growth_ppm_per_day: int | None
    price_band_ppm: int | None
    penalty_ppm: int
    profit_cap: int | None
    account_classes: tuple[tuple[str, int], ...] | None  # class to its least initial margin, ppm

    def notional(self, lots: int, price: int) -> int:
        """Units, unsigned."""
        return abs(lots) * price * self.value

    def tier(self, notional: int) -> TierTerms:
        """The tier that holds ``notional``; at a floor the lower one."""
        held = self.tiers[0]
        for row in self.tiers:
            if notional <= row.floor:
                break
            held = row
        return held

    def maintenance(self, notional: int) -> int:
        """Units, up; never negative."""
        row = self.tier(notional)
        return max(0, ceil_div(notional * row.maintenance_ppm, PPM) - row.deduction)

    def initial(self, notional: int, account_class: str = "") -> int:
        """Units, up: the tier's rate, or the account class's where that is higher."""
        rate = self.tier(notional).initial_ppm
        if self.account_classes is not None:
            rate = max(rate, dict(self.account_classes).get(account_class, rate))
        return ceil_div(notional * rate, PPM)


@dataclass(frozen=True, slots=True)
class AssetTerms:
    """Collateral weights in ppm by slices of value (units); the settlement asset has none and counts whole."""

    asset: str
    floors: tuple[int, ...]
    initial_ppm: tuple[int, ...]
    maintenance_ppm: tuple[int, ...]
    value_cap: int | None

    def counted(self, value: int, *, initial: bool) -> int:
        """Units that a holding worth ``value`` counts for, down; a debt counts whole."""
        if value <= 0:
            return value
        weights = self.initial_ppm if initial else self.maintenance_ppm
        value = value if self.value_cap is None else min(value, self.value_cap)
        ends = (*self.floors[1:], value)
        return sum(max(0, min(end, value) - start) * weight // PPM
                   for start, end, weight in zip(self.floors, ends, weights, strict=True))


@dataclass(frozen=True, slots=True)
class VenueTerms:
    """A whole book in integers."""

    book_id: str
    settlement: str
    markets: dict[str, MarketTerms]
    assets: dict[str, AssetTerms]
    breakers: BreakerTerms | None = None  # None: one source is the price, and nothing trips


def terms_of_book(book: LimitBook) -> VenueTerms:
    """Integers of ``book``; refuses what the ledger cannot carry exactly (inverse markets, missing tick or lot)."""
    return VenueTerms(
        book_id=book.id, settlement=book.settlement,
        markets={symbol: _market_terms(symbol, limits) for symbol, limits in sorted(book.instruments.items())},
        assets={asset: _asset_terms(asset, limits) for asset, limits in sorted(book.collateral.items())},
        breakers=breaker_terms(book.venue.breakers),
    )


def _market_terms(symbol: str, limits: InstrumentLimits) -> MarketTerms:
    if limits.payoff is not Payoff.LINEAR:
        raise UsageError(f"{symbol}: the venue's ledger carries linear markets only")
    if limits.tick is None or limits.lot is None:
        raise UsageError(f"{symbol}: the venue needs tick and lot", remedy="set them in the book")
    tick, lot = _exact(limits.tick), _exact(limits.lot) * _exact(limits.contract_size)
    value = tick * lot * UNITS_PER_ONE
    require(value.denominator == 1 and value > 0, f"{symbol}: one lot at one tick is worth whole ledger units",
            got=float(value))
    return MarketTerms(
        symbol=symbol, tick=tick, lot=lot, value=int(value),
        tiers=_tier_terms(limits.tiers),
        position_cap=_least(limits.position_cap, limits.tiers[-1].notional_cap),
        open_interest_cap=limits.open_interest_cap,
        owner_share_ppm=_down(limits.owner_share_cap), growth_ppm_per_day=_down(limits.open_interest_growth_cap),
        price_band_ppm=_down(limits.price_band), penalty_ppm=_up(limits.liquidation_fee_rate or 0.0),
        profit_cap=limits.profit_collateral_cap,
        account_classes=None if limits.account_classes is None else tuple(
            (name, ceil(PPM / _exact(leverage))) for name, leverage in sorted(limits.account_classes.items())),
    )


def _tier_terms(tiers: Sequence[Tier]) -> tuple[TierTerms, ...]:
    """Rates up to whole ppm; what that adds below a floor stays in the deduction, so that no jump comes of rounding."""
    made: list[TierTerms] = []
    added = before = Fraction(0)  # units below the floor, and the last tier's rounding
    for tier in tiers:
        rounded = _up(tier.maintenance_margin_rate)
        excess = Fraction(rounded, PPM) - _exact(tier.maintenance_margin_rate)
        added += tier.notional_floor * (excess - before)
        made.append(TierTerms(tier.notional_floor, _up(tier.initial_margin_rate), rounded,
                              floor(tier.maintenance_deduction + added)))
        before = excess
    return tuple(made)


def _asset_terms(asset: str, limits: AssetLimits) -> AssetTerms:
    """Weights by slices of value: the loan's limit or the haircut, whichever counts less.

    What is unset takes nothing off, but ``ltv`` never counts more than the threshold: a loan would open liquidatable.
    Value below the first haircut tier has no haircut.
    """
    tiers = [(tier.value_floor, tier.haircut) for tier in limits.haircut_tiers or ()]
    if not tiers or tiers[0][0] > 0:
        tiers.insert(0, (0, 0.0))
    threshold = PPM if limits.liquidation_threshold is None else floor(_exact(limits.liquidation_threshold) * PPM)
    ltv = threshold if limits.ltv is None else min(threshold, floor(_exact(limits.ltv) * PPM))
    left = [floor((1 - _exact(haircut)) * PPM) for _, haircut in tiers]
    return AssetTerms(asset, tuple(start for start, _ in tiers), tuple(min(ltv, weight) for weight in left),
                      tuple(min(threshold, weight) for weight in left), limits.supply_cap)


def _exact(number: float) -> Fraction:
    """The decimal that a float was written as."""
    return Fraction(repr(number))


def _up(rate: float) -> int:
    return ceil(_exact(rate) * PPM)


def _down(rate: float | None) -> int | None:
    return None if rate is None else floor(_exact(rate) * PPM)


def _least(*bounds: int | None) -> int | None:
    known = [bound for bound in bounds if bound is not None]
    return min(known) if known else None
