"""The tables beside the bars."""

from __future__ import annotations

from collections.abc import Sequence

from leverline.model import LimitBook
from leverline.report import wording
from leverline.report.beside.captions import RESTS_ON
from leverline.report.beside.content import LiquidationCost, MarkGap, YoungListing
from leverline.report.markup import Column, Content, Markup, missing, shown, table
from leverline.report.tables import FOLD_ABOVE, prose, text


def liquidity(costs: Sequence[tuple[str, LiquidationCost]]) -> Markup:
    """What depth was taken to be, from where, how old, and what was left of it."""
    columns = (text("Market"), text("Rests on", "The most trusted source that was used"), Column("Age"),
               text("Counts as", "What is older than the stated age tells how depth is distributed, not how much"),
               Column("Left in stress", "Share of the seen depth that is counted upon"),
               Column("Accounts", "Accounts' worth liquidated at the same time"), text("Basis"),
               prose("Cap set by"), prose("How it came about"))
    body = [(
        symbol, RESTS_ON[c.most_trusted],
        missing("volume and volatility of the bars themselves") if c.age_s is None else wording.about(c.age_s),
        _counts_as(c), shown(wording.percent(c.stress_factor), "no depth was seen: volume and volatility are stressed"),
        wording.number(c.crowding), str(c.basis), shown(c.cap_binding, "the book does not say"),
        "; ".join(c.notes) or "as seen",
    ) for symbol, c in costs]
    return table("Depth that the limits count upon", columns, body, folded=len(body) > FOLD_ABOVE)


def _counts_as(cost: LiquidationCost) -> Content:
    if cost.most_trusted == "volume":
        return "square-root law"
    return "shape only" if cost.shape_only else "depth"


def mark_gaps(gaps: Sequence[tuple[str, MarkGap]]) -> Markup:
    """Allowance per market, with its interval where it was measured."""
    unmeasured = "assumed, not measured"
    level = gaps[0][1].interval_level
    columns = (text("Market"), Column("Allowance", "Share of notional, part of maintenance margin"),
               Column(f"{wording.percent(level)} interval"), Column("Otherwise", "The same quantile after small moves"),
               Column("Moments", "At which both prices were known"), Column("After large moves"), text("Basis"),
               prose("How it came about"))
    body = [(
        symbol, shown(wording.percent(g.rate), unmeasured),
        missing(unmeasured) if g.low is None or g.high is None
        else f"{wording.percent(g.low)} to {wording.percent(g.high)}",
        shown(wording.percent(g.calm_rate), unmeasured), wording.count(g.observations), wording.count(g.large_moves),
        str(g.basis), g.why,
    ) for symbol, g in gaps]
    return table("Allowance between mark and fill", columns, body, folded=len(body) > FOLD_ABOVE)


def young(listings: Sequence[tuple[str, YoungListing]], book: LimitBook) -> Markup:
    """Young markets, the youngest first, with the weights of their own tail and of their peers'."""
    columns = (text("Market"), Column("Own history"), Column("Own weight"), Column("Peers' weight"),
               Column("Highest leverage"))
    body = [(
        symbol, f"{wording.number(one.days)}{wording.SPACE}days", wording.percent(one.own_weight, 2),
        wording.percent(1.0 - one.own_weight, 2),
        shown(wording.leverage(book.instruments[symbol].tiers[0].max_leverage if symbol in book.instruments else None),
              "the book publishes no tiers for it"),
    ) for symbol, one in sorted(listings, key=lambda item: item[1].days)]
    return table("Markets too young for the loss model", columns, body, folded=len(body) > FOLD_ABOVE)
