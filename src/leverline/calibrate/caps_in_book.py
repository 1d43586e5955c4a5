"""Caps of a calibrated book: each market's limits with them, why each stands where it does, what they cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from leverline.calibrate.caps import MarketCaps, MarketFacts, caps_appetite, market_caps, open_interest_sensitivities
from leverline.calibrate.owner_limits import MOST_ACCOUNTS, VOID_SHARE, Splitting, largest_position, splitting
from leverline.calibrate.requirement import cap_sensitivities
from leverline.calibrate.rounding import round_down_notional
from leverline.ground.errors import UsageError
from leverline.measure.losses import payoffs_of, worst_losses
from leverline.model.appetite import RiskAppetite
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits, pointer, units

if TYPE_CHECKING:  # the book is wired from here, so its module imports this one
    from leverline.calibrate.book import Calibration, MarketCalibration


@dataclass(frozen=True, slots=True)
class CappedMarkets:
    """Limits by symbol with their caps, explanations by JSON pointer, and warnings.

    ``caps`` and ``splits`` hold what is behind them, by symbol; a market without a largest position has no split.
    """

    limits: dict[str, InstrumentLimits]
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]
    caps: dict[str, MarketCaps] = field(default_factory=dict)
    splits: dict[str, Splitting] = field(default_factory=dict)


def cap_markets(calibration: Calibration, appetite: RiskAppetite,
                facts: Mapping[str, MarketFacts] | None = None) -> CappedMarkets:
    """Add open-interest, growth, owner and profit caps to every market of ``calibration``.

    ``facts`` are by symbol as the bars have it; one that no market has is refused. A fund without a stressed move is
    held against the largest loss over a margin period that the market's own bars show.
    """
    caps_appetite(appetite)
    given = dict(facts or {})
    markets = {market.symbol: market for market in calibration.markets}
    unmatched = [symbol for symbol in given if symbol not in markets]
    if unmatched:
        raise UsageError(f"caps were asked for markets that are not calibrated: {', '.join(unmatched)}",
                         remedy=f"give facts of: {', '.join(list(markets)[:6])}")
    out = CappedMarkets({}, {}, ())
    for symbol, market in markets.items():
        known = _with_stressed_move(given.get(symbol, MarketFacts()), market, calibration)
        _cap_one(out, market, appetite, known)
    return CappedMarkets(out.limits, out.explanations, _warnings(out, appetite), out.caps, out.splits)


def worst_loss_seen(market: MarketCalibration, calibration: Calibration) -> float:
    """Largest loss rate of either side over the market's longest margin period, in all its bars.

    A period shorter than a bar takes the bar's loss by the square root of time where the calibration did.
    """
    panel, period_s = calibration.panel, float(market.requirement.margin_period_s[-1])
    losses = worst_losses(panel, max(1, -int(-period_s // panel.spacing_s)), payoffs_of(panel))
    scaled = calibration.curves.scale == "sqrt-time" and period_s < panel.spacing_s
    factor = float(np.sqrt(period_s / panel.spacing_s)) if scaled else 1.0
    return factor * float(np.nanmax(losses.loss[:, market.column]))


def _with_stressed_move(known: MarketFacts, market: MarketCalibration, calibration: Calibration) -> MarketFacts:
    if known.fund is None or known.stressed_move is not None:
        return known
    return MarketFacts(known.leverage_shares, known.market_value, known.fund, worst_loss_seen(market, calibration),
                       known.index_sources)


def _cap_one(out: CappedMarkets, market: MarketCalibration, appetite: RiskAppetite, known: MarketFacts) -> None:
    """Limits and explanations of one market, into ``out``."""
    wanted, symbol, limits = caps_appetite(appetite), market.symbol, market.limits
    found = market_caps(market.measures, limits.tiers, appetite, known)
    open_interest = None if found.open_interest is None else _rounded(found.open_interest.notional)
    profit = None if found.profit is None else _rounded(found.profit.notional)
    out.caps[symbol] = found
    out.limits[symbol] = limits.model_copy(update={
        "open_interest_cap": open_interest, "owner_share_cap": wanted.owner_share,
        "open_interest_growth_cap": wanted.open_interest_growth_per_day, "profit_collateral_cap": profit})
    largest = largest_position(limits.tiers, open_interest)
    if largest is not None and largest >= MOST_ACCOUNTS:
        out.splits[symbol] = splitting(limits.tiers, largest, MOST_ACCOUNTS)
    root = pointer("instruments", symbol)
    out.explanations.update({
        f"{root}/open_interest_cap": _of_open_interest(
            found, open_interest_sensitivities(market.measures, limits.tiers, appetite, known)),
        f"{root}/owner_share_cap": Explanation(
            binding=_of_owner(wanted.owner_share, out.splits.get(symbol)), basis=Basis.ASSUMED),
        f"{root}/open_interest_growth_cap": Explanation(binding="risk appetite", basis=Basis.ASSUMED),
        f"{root}/profit_collateral_cap": Explanation(
            binding="not calibrated: no depth is known" if found.profit is None
            else f"what can be closed: {found.profit.binding}", basis=Basis.ASSUMED if found.profit is None
            else Basis.MEASURED, sensitivity=dict(cap_sensitivities(market.measures, appetite))),
    })


def _rounded(notional: float) -> int:
    """Ledger units, rounded down to a round number; below one unit nothing."""
    exact = units(notional)
    return round_down_notional(exact) if exact >= 1 else 0


def _of_open_interest(found: MarketCaps, moves: dict[str, float | None]) -> Explanation:
    """The bound that binds, the others in order, and what is not known."""
    binding = found.open_interest
    if binding is None:
        return Explanation(binding="not calibrated: " + "; ".join(found.unknown), basis=Basis.ASSUMED)
    further = [f"{bound.notional:,.0f} by {bound.binding}" for bound in found.bounds[1:]]
    text = "; ".join((binding.binding, *(f"else {each}" for each in further), *found.unknown))
    return Explanation(binding=text, basis=binding.basis,
                       sensitivity={driver: None if change is None else round(change, 4)
                                    for driver, change in moves.items()})


def _of_owner(share: float, split: Splitting | None) -> str:
    """The appetite's share, or what its absence costs."""
    if share < VOID_SHARE:
        return f"risk appetite: {100 * share:g} % of open interest, all accounts of an owner together"
    if split is None or split.initial_saved_share is None or split.rate_uncovered is None:
        return "void: owners cannot be told apart"
    return (f"void: owners cannot be told apart. {split.accounts} accounts hold the largest position with "
            f"{100 * split.initial_saved_share:.3g} % less initial margin, and maintenance is "
            f"{100 * split.rate_uncovered:.3g} % of notional below what the whole needs")


def _warnings(out: CappedMarkets, appetite: RiskAppetite) -> tuple[str, ...]:
    """What the caps do not hold back."""
    uncapped = [symbol for symbol, limits in out.limits.items() if limits.open_interest_cap is None]
    said = [f"no cap on open interest could be set: {_names(uncapped)}"] if uncapped else []
    closed = [symbol for symbol, limits in out.limits.items() if limits.open_interest_cap == 0]
    said += [f"open interest is capped at nothing: {_names(closed)}"] if closed else []
    below = [symbol for symbol, limits in out.limits.items() if _position_over_market(limits)]
    said += [f"the position cap exceeds the cap on open interest: {_names(below)}"] if below else []
    if caps_appetite(appetite).owner_share == VOID_SHARE:
        saved = [(split.initial_saved_share, symbol) for symbol, split in out.splits.items()
                 if split.initial_saved_share is not None]
        if saved:
            share, symbol = max(saved)
            said.append(f"owners cannot be told apart: by opening {MOST_ACCOUNTS} accounts one saves up to "
                        f"{100 * share:.0f} % of initial margin ({symbol}), so only open-interest caps bound an owner")
    return tuple(said)


def _position_over_market(limits: InstrumentLimits) -> bool:
    return None not in (limits.position_cap, limits.open_interest_cap) and (
        (limits.position_cap or 0) > (limits.open_interest_cap or 0))


def _names(symbols: Sequence[str]) -> str:
    """The first few names, and how many more."""
    return ", ".join(symbols[:6]) + (f" and {len(symbols) - 6} more" if len(symbols) > 6 else "")
