"""The insurance fund of a calibrated book: its limits, why each stands where it does, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leverline.calibrate.fund import (
    INTERVAL,
    Accounts,
    FundHoldings,
    FundNeed,
    fund_need,
    fund_target,
    market_shares,
)
from leverline.calibrate.fund_losses import FullMarkets, expected_shortfall
from leverline.calibrate.joint_paths import JointHistory, joint_history
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.margin.tables import MarginTables
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import FundAppetite
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits, pointer
from leverline.model.quantities import UNITS_PER_ONE
from leverline.model.venue import FundLimits

if TYPE_CHECKING:  # the book is wired from here, so its module imports this one
    from leverline.calibrate.book import Calibration, MarketCalibration

BUMP = 0.1
_ROOT = "/venue/insurance_fund"


@dataclass(frozen=True, slots=True)
class CalibratedFund:
    """Limits, explanations by JSON pointer, warnings, and the losses and moves behind them.

    Nothing but a warning and the reason where no market has a size.
    """

    limits: FundLimits | None
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]
    need: FundNeed | None = None
    history: JointHistory | None = None


def calibrate_fund(
    calibration: Calibration, appetite: RiskAppetite, *, rng: np.random.Generator,
    limits: Mapping[str, InstrumentLimits] | None = None, accounts: MarginTables | None = None,
    holdings: FundHoldings | None = None,
) -> CalibratedFund:
    """Size the fund for ``accounts``, or else for every market full to the caps of ``limits`` (by symbol).

    ``limits`` default to the calibration's own; ``accounts`` are laid out under the rules of the book to be funded.
    A market that can be neither capped nor filled is left out, and named in a warning.
    """
    wanted, book = fund_appetite(appetite), dict(limits or {m.symbol: m.limits for m in calibration.markets})
    markets, full, said = _markets(calibration, book, wanted, everybody=accounts is not None)
    if not markets:
        why = Explanation(binding="not calibrated: no market has a size", basis=Basis.ASSUMED)
        return CalibratedFund(None, {"/venue/insurance_fund_target": why}, (*said, "no fund could be sized"))
    history = event_history(calibration, appetite, markets, wanted.horizon_s)
    exposure = full if accounts is None else Accounts(accounts, closing_rates(calibration))
    seed = int(rng.integers(2**63))  # one set of draws for the target and for all that it is compared with
    need = fund_need(history, exposure, wanted, np.random.default_rng(seed))
    assets = holdings or FundHoldings()
    haircuts = assets.haircuts(need, wanted, appetite.settlement)
    target = fund_target(need.amount, wanted, assets.haircut(haircuts))
    fund = FundLimits(
        target=round_up_units(target), covered_perils=wanted.covered_perils, cover_owners=wanted.cover_owners,
        bonus_share=wanted.bonus_share, market_share=market_shares(need, wanted), asset_haircuts=haircuts)
    moves = _sensitivities(history, exposure, wanted, need, assets.haircut(haircuts), seed)
    if accounts is not None:
        said += [f"{len(accounts.skipped)} pools could not be valued and are not in the fund's losses"] * bool(
            accounts.skipped)
    if history.pooled:
        said.append(f"joint moves of {_names(history.pooled)}: too few of their own, the law is that of all markets")
    return CalibratedFund(fund, _explanations(need, wanted, fund, moves, accounts is not None), tuple(said), need,
                          history)


def fund_appetite(appetite: RiskAppetite) -> FundAppetite:
    """The appetite's section on the fund; refused where there is none, and where the confidence outruns the paths."""
    if appetite.fund is None:
        raise UsageError(f"the appetite {appetite.name!r} says nothing of the fund", remedy="add a section [fund]")
    beyond = (1.0 - appetite.fund.confidence) * appetite.fund.paths
    if beyond < 10.0 - 1e-9:
        raise UsageError(f"{appetite.fund.paths} paths show {beyond:.2g} losses beyond confidence "
                         f"{appetite.fund.confidence:g}, at least 10 are needed",
                         remedy="raise paths or lower confidence in [fund]")
    return appetite.fund


def event_history(
    calibration: Calibration, appetite: RiskAppetite, markets: tuple[MarketCalibration, ...], horizon_s: float,
    *, window_s: float | None = None,
) -> JointHistory:
    """Joint moves of ``markets`` over ``horizon_s`` seconds, in windows of the longest margin period among them.

    ``window_s`` takes another window: where nothing is closed on the way, the horizon itself.
    """
    longest = max(float(m.requirement.margin_period_s[-1]) for m in markets)
    return joint_history(
        calibration.panel, calibration.sigma_per_day, tuple(m.column for m in markets), window_s=window_s or longest,
        horizon_s=horizon_s, filtering=markets[0].measures.filtering, scale=calibration.curves.scale,
        stressed_quantile=appetite.margin_period.stressed_volume_quantile)


def closing_rate(market: MarketCalibration, notional: float) -> float:
    """Slippage, basis and fee of closing a position of ``notional``, a fraction of it."""
    needs = market.requirement
    return float(np.interp(notional, needs.notional, needs.slippage)) + needs.basis + needs.fee


def closing_rates(calibration: Calibration) -> dict[str, float]:
    """The same by symbol for the largest position of each market: what every account is charged, adversely."""
    return {m.symbol: closing_rate(m, float(m.requirement.notional[-1])) for m in calibration.markets}


def full_markets(markets: tuple[MarketCalibration, ...], limits: Mapping[str, InstrumentLimits],
                 open_interest: FloatArray) -> FullMarkets:
    """Markets with ``open_interest`` (n_markets,) on each side, in positions of the largest size allowed."""
    largest, initial, maintenance, closing = (np.empty(len(markets)) for _ in range(4))
    for j, market in enumerate(markets):
        tiers = limits[market.symbol].tiers
        cap = tiers[-1].notional_cap
        size = min(float(open_interest[j]), cap / UNITS_PER_ONE if cap is not None else np.inf)
        tier = next(t for t in tiers if t.notional_cap is None or size <= t.notional_cap / UNITS_PER_ONE * (1 + 1e-12))
        largest[j], initial[j] = size, tier.initial_margin_rate
        deduction = tier.maintenance_deduction / UNITS_PER_ONE
        maintenance[j] = tier.maintenance_margin_rate - (deduction / size if size > 0 else 0.0)
        closing[j] = closing_rate(market, size)
    return FullMarkets(tuple(m.symbol for m in markets), open_interest, largest, initial, maintenance, closing)


def open_interest_at_caps(limits: InstrumentLimits, owners: int) -> tuple[float, bool] | None:
    """Open interest of a full market, settlement currency, and whether its cap says so; None without any cap.

    Without a cap on open interest: the position cap over one owner's share, or that of as many owners as the fund
    must outlast.
    """
    if limits.open_interest_cap is not None:
        return limits.open_interest_cap / UNITS_PER_ONE, True
    if limits.position_cap is None:
        return None
    share = limits.owner_share_cap
    holders = 1.0 / share if share is not None and 0.0 < share < 1.0 else float(max(1, owners))
    return holders * limits.position_cap / UNITS_PER_ONE, False


def _markets(calibration: Calibration, limits: Mapping[str, InstrumentLimits], wanted: FundAppetite, *,
             everybody: bool) -> tuple[tuple[MarketCalibration, ...], FullMarkets, list[str]]:
    """Markets of the event, how full they are, and what is to be said of them; all of them with ``everybody``."""
    unknown = [m.symbol for m in calibration.markets if m.symbol not in limits]
    if unknown:
        raise UsageError(f"limits are missing of: {_names(unknown)}", remedy="give those of every calibrated market")
    sizes = {m.symbol: open_interest_at_caps(limits[m.symbol], wanted.cover_owners) for m in calibration.markets}
    kept = tuple(m for m in calibration.markets if everybody or _open(sizes[m.symbol]))
    if everybody:
        return kept, full_markets((), limits, np.empty(0)), []
    said = []
    dropped = [symbol for symbol, size in sizes.items() if size is None]
    if dropped:
        said.append(f"the fund covers no loss in {_names(dropped)}: without volume they have no caps to be full to")
    guessed = [symbol for symbol, size in sizes.items() if size is not None and not size[1]]
    if guessed:
        said.append(f"the fund takes the open interest of {_names(guessed)} from position caps: none is capped itself")
    interest = np.array([size[0] for m in kept if (size := sizes[m.symbol]) is not None])
    return kept, full_markets(kept, limits, interest), said


def _open(size: tuple[float, bool] | None) -> bool:
    return size is not None and size[0] > 0.0


def _sensitivities(
    history: JointHistory, exposure: FullMarkets | Accounts, wanted: FundAppetite, need: FundNeed, haircut: float,
    seed: int,
) -> dict[str, float | None]:
    """Relative change of the target when one driver moves, on the same draws; None where the fund needs nothing."""
    out: dict[str, float | None] = {}

    def noted(driver: str, amount: float) -> None:
        out[driver] = round(amount / need.amount - 1.0, 6) if need.amount > 0 else None

    tighter = (1.0 + wanted.confidence) / 2.0
    worst = max(expected_shortfall(event.losses.total, tighter) for event in need.events)
    noted("confidence: tail halved", max(worst, need.cover))
    if isinstance(exposure, FullMarkets):  # with accounts each would value every account on every path again
        for driver, moves, floor in (("volatility +10 %", history.scaled(1.0 + BUMP), wanted.stressed_correlation),
                                     ("correlation: stressed floor +0.1", history, wanted.stressed_correlation + BUMP)):
            again = wanted.model_copy(update={"stressed_correlation": min(1.0, floor)})
            noted(driver, fund_need(moves, exposure, again, np.random.default_rng(seed)).amount)
    base = fund_target(need.amount, wanted, haircut)
    softer = min(0.99, haircut + BUMP)
    out["haircut of the fund's assets +0.1"] = (
        round(fund_target(need.amount, wanted, softer) / base - 1.0, 6) if base > 0 else None)
    return out


def _explanations(need: FundNeed, wanted: FundAppetite, fund: FundLimits, moves: dict[str, float | None],
                  actual: bool) -> dict[str, Explanation]:
    """By JSON pointer."""
    holders = "actual accounts" if actual else "all markets full to their caps at the highest leverage"
    other = need.events[1]
    binding = (
        f"{need.binding}: {need.amount:,.0f} at {wanted.confidence:g} ({100 * INTERVAL:.0f} % interval of the "
        f"aggregate {need.low:,.0f} to {need.high:,.0f}); {holders}; {other.source} {other.shortfall:,.0f}; "
        f"{wanted.cover_owners} largest owners {need.cover:,.0f}; up to {need.events[0].markets_at_once} of "
        f"{len(need.symbols)} markets at once")
    basis = Basis.MEASURED if actual else Basis.ASSUMED
    assumed = Explanation(binding="risk appetite", basis=Basis.ASSUMED)
    out = {"/venue/insurance_fund_target": Explanation(binding=binding, basis=basis, sensitivity=moves),
           f"{_ROOT}/target": Explanation(binding=binding, basis=basis, sensitivity=moves),
           f"{_ROOT}/covered_perils": assumed, f"{_ROOT}/cover_owners": assumed, f"{_ROOT}/bonus_share": assumed}
    for symbol, share in fund.market_share.items():
        capped = share >= wanted.market_share
        out[_ROOT + pointer("market_share", symbol)] = Explanation(
            binding="risk appetite" if capped else "the market's own shortfall, or an equal part",
            basis=Basis.ASSUMED if capped else basis)
    for asset, cut in fund.asset_haircuts.items():
        out[_ROOT + pointer("asset_haircuts", asset)] = Explanation(
            binding="risk appetite" if cut <= wanted.asset_haircut else "its own fall in the paths that cost most",
            basis=Basis.ASSUMED if cut <= wanted.asset_haircut else Basis.MEASURED)
    return out


def round_up_units(amount: float) -> int:
    """Ledger units of ``amount``, settlement currency, rounded up to three digits."""
    exact = int(np.ceil(amount * UNITS_PER_ONE))
    step = int("1" + "0" * max(0, len(str(exact)) - 3))
    return -(-exact // step) * step


def _names(symbols: tuple[str, ...] | list[str]) -> str:
    return ", ".join(symbols[:6]) + (f" and {len(symbols) - 6} more" if len(symbols) > 6 else "")
