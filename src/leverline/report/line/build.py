"""From a calibrated line to what the page shows of it."""

from __future__ import annotations

import numpy as np

from leverline.calibrate.coverage_feedback import ConfidenceAdjustment
from leverline.calibrate.fees import PricedMarkets, taker_fee
from leverline.calibrate.fund_in_book import CalibratedFund
from leverline.calibrate.whole_line import WholeLine
from leverline.model import RiskAppetite
from leverline.report.line.content import (
    CapBound,
    FactorPath,
    FeeCurve,
    FundPicture,
    LineContent,
    MarketBounds,
    PairPoint,
)

RATIOS = np.linspace(0.25, 4.0, 76)
"""Volatilities over their normal at which the fee is drawn."""


def line_content(line: WholeLine | None, appetite: RiskAppetite) -> LineContent:
    """What is known behind each part; nothing where no line was drawn."""
    if line is None:
        return LineContent()
    bounds = () if line.caps is None else tuple(
        MarketBounds(symbol, tuple(CapBound(b.notional, b.binding, b.basis, _kind(b.binding)) for b in caps.bounds),
                     caps.unknown)
        for symbol, caps in line.caps.caps.items())
    pairs = None if line.offsets is None else tuple(
        PairPoint(p.first, p.second, p.correlation, p.lower, p.credit) for p in line.offsets.pairs)
    return LineContent(
        is_drawn=True, bounds=bounds, fees=_fees(line.fees, appetite),
        fund=_fund(line.fund, on_accounts=line.on_accounts), pairs=pairs, factor=_factor(line.feedback, appetite),
        refused=() if line.collateral is None else line.collateral.skipped)


_KIND_WORDS = (("use up the fund", "fund"), ("cost of manipulation", "manipulation"),
               ("market value", "share of float"), ("releases", "forced trades"))


def _kind(binding: str) -> str:
    """Which constraint the words of a bound are about; the stressed batch's volume where no other is named."""
    return next((kind for words, kind in _KIND_WORDS if words in binding), "volume")


def _fees(priced: PricedMarkets | None, appetite: RiskAppetite) -> FeeCurve | None:
    if priced is None or appetite.fees is None or not priced.schedules:
        return None
    demand = next(iter(priced.schedules.values())).elasticity
    fee, low, high = (taker_fee(RATIOS, appetite.fees, min(0.0, e)) for e in (demand.value, demand.low, demand.high))
    markets = tuple((symbol, each.volatility_ratio, each.taker) for symbol, each in priced.schedules.items())
    return FeeCurve(RATIOS, fee, low, high, demand.value, demand.why, markets)


def _fund(found: CalibratedFund | None, *, on_accounts: bool) -> FundPicture | None:
    if found is None or found.need is None:
        return None
    need = found.need
    worst = np.max([event.by_market for event in need.events], axis=0)
    order = np.argsort(-worst, kind="stable")
    return FundPicture(
        tuple((event.source, event.shortfall) for event in need.events), need.low, need.high, need.cover, need.owners,
        tuple((need.symbols[j], float(worst[j])) for j in order.tolist()), need.events[0].markets_at_once, on_accounts)


def _factor(found: ConfidenceAdjustment | None, appetite: RiskAppetite) -> FactorPath | None:
    if found is None or appetite.feedback is None:
        return None
    path = found.path
    return FactorPath(path.factor[:, 0], appetite.feedback.lowest, appetite.feedback.highest, found.nominal,
                      float(path.breach_share[0]), float(path.clipped_share[0]))
