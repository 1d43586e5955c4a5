"""The whole line in one book: margins, caps, fees, access, collateral, offsets, fund and cash, and what ties them.

A section that the appetite leaves out leaves that part of the book unset. The order is that of dependence: realised
coverage moves margins; caps stand on margins; collateral on both; fund and cash on markets that are full to their caps,
or on actual accounts under the very book they are to protect.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from leverline.calibrate.account_access import CalibratedAccess, account_access
from leverline.calibrate.beside_bars import BesideBars
from leverline.calibrate.book import Calibration, MarginLoading, calibrate_book
from leverline.calibrate.caps_in_book import CappedMarkets, cap_markets
from leverline.calibrate.collateral import CollateralLine, asset_of, collateral_line
from leverline.calibrate.coverage_feedback import ConfidenceAdjustment, confidence_adjustment
from leverline.calibrate.fees import PricedMarkets, price_markets
from leverline.calibrate.fund_in_book import CalibratedFund, calibrate_fund
from leverline.calibrate.line_inputs import NOTHING_KNOWN, SEED, LineInputs
from leverline.calibrate.liquidity_buffer import CalibratedBuffer, calibrate_buffer
from leverline.calibrate.offsets import CalibratedOffsets, calibrate_offsets
from leverline.calibrate.rate_curve import rate_curve
from leverline.ground.errors import InsufficientDataError
from leverline.margin.checking import rules_for
from leverline.margin.limits import rules_of_book
from leverline.margin.tables import MarginTables, margin_tables, price_name
from leverline.market.bars import Bars, Panel
from leverline.measure.loss_models import DEFAULT_MODEL, loss_model
from leverline.model.accounts import NO_VENUE
from leverline.model.appetite import RiskAppetite
from leverline.model.collateral import AssetLimits
from leverline.model.limitbook import Explanation, InstrumentLimits, LimitBook
from leverline.model.market_state import MarketState
from leverline.model.quantities import UNITS_PER_ONE
from leverline.model.venue import VenueLimits


@dataclass(frozen=True, slots=True)
class WholeLine:
    """What stands behind each part of the book beyond margins; None where the appetite does not ask for it."""

    feedback: ConfidenceAdjustment | None
    caps: CappedMarkets | None
    fees: PricedMarkets | None
    access: CalibratedAccess
    collateral: CollateralLine | None
    offsets: CalibratedOffsets | None
    fund: CalibratedFund | None
    buffer: CalibratedBuffer | None
    on_accounts: bool = False  # whether fund and cash were sized on actual accounts


def calibrate_line(
    bars: Bars, appetite: RiskAppetite, *, as_of_ns: int | None = None, scale: str | None = None,
    method: str = DEFAULT_MODEL, beside: BesideBars | None = None, cold_start: bool = True,
    known: LineInputs = NOTHING_KNOWN,
) -> Calibration:
    """Calibrate everything that ``appetite`` has a section for; arguments as of :func:`calibrate_book`.

    Raises
    ------
    InsufficientDataError
        No market can be calibrated.
    UsageError
        ``known`` or the appetite name what no market prices, or contradict each other.
    """
    feedback = None
    if appetite.feedback is not None:
        until = bars.until(bars.newest_close_ns if as_of_ns is None else as_of_ns)
        feedback = confidence_adjustment(Panel.of(until), loss_model(method), appetite)
    loading = MarginLoading(1.0 if feedback is None else feedback.factor, appetite.fees is not None)
    made = calibrate_book(bars, appetite, as_of_ns=as_of_ns, scale=scale, method=method, beside=beside,
                          cold_start=cold_start, loading=loading)
    return complete(made, appetite, known, feedback)


def complete(
    made: Calibration, appetite: RiskAppetite, known: LineInputs = NOTHING_KNOWN,
    feedback: ConfidenceAdjustment | None = None,
) -> Calibration:
    """``made`` with every other part of the line that ``appetite`` asks for, in one sealed book.

    ``feedback`` is what the margins of ``made`` already hold.
    """
    rng = np.random.default_rng(SEED)
    parts = _Parts(made, appetite)
    symbols = tuple(market.symbol for market in made.markets)
    caps = None if appetite.caps is None else cap_markets(made, appetite, known.facts(symbols, appetite))
    if caps is not None:
        parts.add(caps.explanations, caps.warnings)
        parts.instruments |= caps.limits
    fees = None
    if appetite.fees is not None:
        fees = price_markets(made, appetite, elasticity=known.elasticity, limits=parts.instruments)
        parts.add(fees.explanations, fees.warnings)
        parts.instruments |= fees.limits
    access = _admit(parts, appetite)
    collateral = None if appetite.collateral is None else collateral_line(made, appetite, known.collateral)
    if collateral is not None:
        parts.add(collateral.explanations, collateral.warnings)
        parts.collateral |= collateral.limits
        _lend(parts, appetite, known)
    if feedback is not None:
        parts.add(feedback.explanations, feedback.warnings)
        parts.venue["confidence_adjustment"] = feedback.factor
    offsets = _offset(parts, rng)
    accounts = None if known.accounts is None else accounts_under(parts.book(), made, known)
    fund, buffer = _hold(parts, accounts, rng)
    target = None if fund is None or fund.limits is None else fund.limits.target / UNITS_PER_ONE
    if known.fund is not None and target is not None and known.fund < target:
        parts.add({}, (f"the insurance fund holds {known.fund:,.0f}, its target is {target:,.0f}",))
    line = WholeLine(feedback, caps, fees, access, collateral, offsets, fund, buffer, accounts is not None)
    return replace(made, book=parts.book(known), line=line, markets=tuple(
        replace(market, limits=parts.instruments[market.symbol]) for market in made.markets))


class _Parts:
    """The book while it is put together."""

    def __init__(self, made: Calibration, appetite: RiskAppetite) -> None:
        self.made, self.appetite = made, appetite
        self.instruments: dict[str, InstrumentLimits] = dict(made.book.instruments)
        self.collateral: dict[str, AssetLimits] = {}
        self.venue: dict[str, Any] = {}
        self.explanations: dict[str, Explanation] = dict(made.book.explanations)
        self.warnings: list[str] = list(made.book.provenance.warnings)

    def add(self, explanations: dict[str, Explanation], warnings: tuple[str, ...]) -> None:
        """Take over why numbers stand, and what to know of them, each warning once."""
        self.explanations |= explanations
        self.warnings += [warning for warning in warnings if warning not in self.warnings]

    def book(self, known: LineInputs = NOTHING_KNOWN) -> LimitBook:
        """The parts so far, sealed."""
        made = self.made.book
        given = {"collateral": sorted(known.collateral.pegs), "market_value": dict(known.market_value),
                 "accounts": known.accounts is not None, "fund": known.fund}
        provenance = made.provenance.model_copy(update={
            "seed": SEED, "warnings": tuple(self.warnings), "data": (*made.provenance.data, *known.files),
            "estimators": {**made.provenance.estimators, "line": given}})
        return LimitBook.of(
            as_of=made.as_of, settlement=made.settlement, instruments=self.instruments, collateral=self.collateral,
            venue=VenueLimits(**self.venue), explanations=self.explanations, overrides=made.overrides,
            challenges=made.challenges, provenance=provenance)


def _admit(parts: _Parts, appetite: RiskAppetite) -> CalibratedAccess:
    """Leverage by class of account."""
    access = account_access(parts.instruments, appetite)
    parts.add(access.explanations, ())
    parts.venue["account_classes"] = access.venue
    for symbol, classes in access.markets.items():
        parts.instruments[symbol] = parts.instruments[symbol].model_copy(update={"account_classes": classes})
    return access


def _lend(parts: _Parts, appetite: RiskAppetite, known: LineInputs) -> None:
    """Rate curves of the assets that are lent out."""
    if appetite.fees is None:
        return
    for asset, limits in list(parts.collateral.items()):
        if limits.borrow_cap is None:
            continue
        used, spacing = known.utilisation.get(asset, (None, None))
        try:
            found = rate_curve(asset, appetite, utilisation=used, spacing_s=spacing, elasticity=known.elasticity)
        except InsufficientDataError as error:
            parts.add({}, (f"no borrow rate: {error}",))
            continue
        parts.add(found.explanations, found.warnings)
        parts.collateral[asset] = limits.model_copy(update={"rates": found.curve})


def _offset(parts: _Parts, rng: np.random.Generator) -> CalibratedOffsets | None:
    """Credits between markets that hedge each other."""
    if parts.appetite.cross_margin is None:
        return None
    offsets = calibrate_offsets(parts.made, parts.appetite, rng=rng)
    parts.add(offsets.explanations, offsets.warnings)
    parts.venue["offsets"] = offsets.offsets
    return offsets


def _hold(
    parts: _Parts, accounts: MarginTables | None, rng: np.random.Generator
) -> tuple[CalibratedFund | None, CalibratedBuffer | None]:
    """The insurance fund and the cash at hand."""
    fund, buffer = None, None
    if parts.appetite.fund is not None:
        fund = calibrate_fund(parts.made, parts.appetite, rng=rng, limits=parts.instruments, accounts=accounts)
        parts.add(fund.explanations, fund.warnings)
        if fund.limits is not None:
            parts.venue |= {"insurance_fund": fund.limits, "insurance_fund_target": fund.limits.target}
    if parts.appetite.liquidity is not None:
        buffer = calibrate_buffer(parts.made, parts.appetite, rng=rng, limits=parts.instruments, accounts=accounts)
        parts.add(buffer.explanations, buffer.warnings)
        parts.venue["liquidity_buffer"] = buffer.buffer
    return fund, buffer


def accounts_under(book: LimitBook, made: Calibration, known: LineInputs) -> MarginTables | None:
    """Actual accounts under the rules of ``book`` at the newest closes; None where none were given."""
    if known.accounts is None:
        return None
    rules, _ = rules_for(known.accounts.book, {NO_VENUE: rules_of_book(book)})
    return margin_tables(known.accounts.book, rules, newest_closes(made))


def newest_closes(made: Calibration) -> MarketState:
    """Price of every calibrated market and of every asset that one prices, at the newest close of each."""
    marks: dict[str, float] = {}
    for market in made.markets:
        close = made.panel.close[:, market.column]
        price = float(close[np.flatnonzero(np.isfinite(close))[-1]])
        marks[market.symbol] = price
        asset = asset_of(market.symbol)
        if asset is not None:
            marks.setdefault(price_name(asset), price)
    return MarketState.of(marks)
