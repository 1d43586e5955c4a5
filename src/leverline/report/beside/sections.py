"""Liquidity, mark against fill, implied volatility, cold start: each None where the content has nothing for it."""

from __future__ import annotations

from leverline.report import figures, wording
from leverline.report.beside import captions, tables
from leverline.report.beside.content import MarkGap
from leverline.report.content import ReportContent
from leverline.report.gallery import Gallery, Section, pairs, section_of
from leverline.report.markup import join, tag


def liquidity(content: ReportContent, gallery: Gallery) -> Section | None:
    """What closing a position costs under stress, and what is known of it from where."""
    costs = [(market.symbol, market.cost) for market in content.markets if market.cost is not None]
    if not costs:
        return None
    currency = content.book.settlement
    drawn = [gallery.hang(f"{symbol}: cost of closing by position size", figures.liquidation_cost(cost, currency),
                          captions.liquidation_cost(symbol, cost, currency)) for symbol, cost in costs]
    borne = "It is part of maintenance margin" if content.appetite.costs.slippage_bearer == "venue" else (
        "Liquidators bear it, so that it is no part of margin")
    return section_of("liquidity", "Liquidity", [tables.liquidity(costs), pairs(drawn)], lead=(
        "What is given up against mid when a position is closed at once. Thick lines are what the limits were made "
        "with: depth under stress, shared out among the accounts that are liquidated together; their dashes and colour "
        "say what is known from where. The thin line is the same without stress, for one account alone. "
        f"{borne}; a budget for it holds positions down."))


def basis(content: ReportContent, _: Gallery) -> Section | None:
    """What is added for the gap between mark and fill: a table, or a sentence where one assumption holds for all."""
    gaps = [(market.symbol, market.gap) for market in content.markets if market.gap is not None]
    if not gaps:
        return None
    lead = "Margin is measured at the mark; a liquidation fills at the market. When prices move fast the two part."
    same = {(gap.rate, gap.basis, gap.why) for _, gap in gaps}
    block = tables.mark_gaps(gaps)
    if len(same) == 1 and gaps[0][1].low is None:
        block = tag("p", _assumed(gaps[0][1]))
    return section_of("basis", "Mark against fill", [block], lead=lead)


def _assumed(gap: MarkGap) -> str:
    """One allowance for all markets, and why."""
    adds = f"adds {wording.percent(gap.rate)} of notional to maintenance margin" if gap.rate else "adds nothing"
    return f"{gap.why[:1].upper()}{gap.why[1:]}. In every market it {adds}; that is {gap.basis}, not measured."


def implied(content: ReportContent, gallery: Gallery) -> Section | None:
    """Realised, implied and blended volatility of the markets that have an index."""
    drawn = [gallery.hang(f"{market.symbol}: realised, implied and blended", figures.implied(path, gallery.points),
                          captions.implied(market.symbol, path))
             for market in content.markets if (path := market.implied) is not None and path.ts.size]
    unused = [tag("p", captions.implied(market.symbol, path))
              for market in content.markets if (path := market.implied) is not None and not path.ts.size]
    without = [market.symbol for market in content.markets if market.implied is None]
    if not drawn and not unused:
        return None
    return section_of("implied", "Implied against realised volatility", [
        pairs(drawn), join(unused),
        tag("p", f"No index was given for {wording.listing(without)}: realised only.") if without else None,
    ], lead=("An index of implied volatility looks ahead but is dear: it stands above what follows. Its bias is taken "
             "out day by day, and it weighs as much as its past forecasts have earned it."))


def cold_start(content: ReportContent, _: Gallery) -> Section | None:
    """Markets with less history than the loss model needs."""
    listings = [(market.symbol, market.young) for market in content.markets if market.young is not None]
    return section_of("cold-start", "Cold start", [tables.young(listings, content.book)] if listings else [], lead=(
        "These markets are too young for a tail of their own. Until they have one, their losses are forecast from "
        "what they have shown and from what older markets like them show, each weighted by how well it is known."))
