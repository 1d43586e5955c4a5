"""Sections on the line beyond margins: each None where the book has nothing for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from leverline.report import figures, wording
from leverline.report.gallery import Gallery, Section, section_of
from leverline.report.line import tables
from leverline.report.markup import Column, Content, join, table, tag

if TYPE_CHECKING:
    from leverline.report.content import ReportContent


def caps(content: ReportContent, gallery: Gallery) -> Section | None:
    """How large markets may grow, and what stops them."""
    book, bounds = content.book, content.line.bounds
    if content.appetite.caps is None or not bounds:
        return None
    open_ones = [b.symbol for b in bounds if not b.bounds]
    drawn = gallery.hang("What bounds open interest", figures.cap_bounds(bounds, book.settlement), (
        "The ring is the bound that binds: the lowest of those that are known."
        + (f" The first {figures.MOST_ROWS} of {len(bounds)} markets." if len(bounds) > figures.MOST_ROWS else "")
        + (f" Unbounded: {wording.listing(open_ones)}." if open_ones else "")))
    unknown = sorted({said for market in bounds for said in market.unknown})
    return section_of("caps", "Caps", [
        tables.caps(book, bounds), drawn if any(b.bounds for b in bounds) else None,
        tag("ul", *(tag("li", said) for said in unknown), class_="plain") if unknown else None,
    ], lead=("A market grows no larger than what its depth, its volume, its index and its float bear. Profit that is "
             "not yet realised counts as collateral only as far as it could be closed."))


def fees(content: ReportContent, gallery: Gallery) -> Section | None:
    """What trading and holding cost."""
    curve, asked = content.line.fees, content.appetite.fees
    if curve is None or asked is None:
        return None
    drawn = None if not np.ptp(curve.fee) else gallery.hang("Taker fee by volatility", figures.taker_fees(curve), (
        f"Demand elasticity {curve.elasticity:g}, {curve.why}. Diamonds are the markets today. Fee income is what has "
        "to rise with volatility, so a fee that drives trades away rises further."))
    funded = any(limits.funding for limits in content.book.instruments.values())
    return section_of("fees", "Fees and funding", [tables.fees(content.book), drawn], lead=(
        "Maintenance margin reserves the closing fee" + (
            f", and up to {wording.percent(asked.funding_margin_share)} of it funding: the clamp is the largest rate "
            "that this carries." if funded else "; none of these markets pays funding.")))


def collateral(content: ReportContent, gallery: Gallery) -> Section | None:
    """What each asset may back."""
    book, refused = content.book, content.line.refused
    if content.appetite.collateral is None or not (book.collateral or refused):
        return None
    blocks: list[Content] = []
    if book.collateral:
        blocks = [tables.collateral(book), gallery.hang(
            "Where loans open, and where they end", figures.collateral(book.collateral),
            "Between the circle and the diamond a loan is left alone; past the line a liquidation takes a larger share "
            "of the collateral than of the debt.")]
    if refused:
        blocks.append(join([tag("h3", "Not accepted"), tag(
            "ul", *(tag("li", f"{asset}: {why}") for asset, why in refused), class_="plain")]))
    borne = "The venue sells: slippage stands in the threshold." if (
        content.appetite.costs.slippage_bearer == "venue") else "The liquidator sells: slippage stands in the bonus."
    return section_of("collateral", "Collateral", blocks, lead=f"{borne} It is charged once.")


def offsets(content: ReportContent, gallery: Gallery) -> Section | None:
    """Which positions relieve each other, and what is added beside."""
    wanted, pairs = content.appetite.cross_margin, content.line.pairs
    if wanted is None or pairs is None:
        return None
    given = [p for p in pairs if p.credit > 0]
    said = f"{len(given)} of {len(pairs)} pairs of markets earn an offset." if pairs else (
        "No pair of markets could be looked at.")
    beside = (f"Beside it stand {wording.percent(wanted.concentration_add_on)} on what exceeds half a position cap, "
              f"{wording.percent(wanted.wrong_way_add_on)} on positions that lose with their collateral, and "
              f"{wording.percent(wanted.shared_liquidity_add_on)} on positions that would be closed into one book; no "
              "hedge lowers them.")
    return section_of("offsets", "Offsets", [
        tag("p", f"{said} {beside}"), tables.offsets(pairs) if pairs else None,
        gallery.hang("Credit by correlation", figures.offsets(pairs, wanted.min_correlation),
                     f"The dashed line is the least correlation that earns a credit; none is above "
                     f"{wording.percent(wanted.offset_cap)}.") if len(pairs) > 1 else None,
    ], lead="Two opposite positions relieve each other only as far as the relief would have held in the worst times.")


def fund(content: ReportContent, gallery: Gallery) -> Section | None:
    """The insurance fund and the cash at hand."""
    book, picture = content.book, content.line.fund
    if book.venue.insurance_fund is None and book.venue.liquidity_buffer is None:
        return None
    drawn = None
    if picture is not None:
        currency = book.settlement
        drawn = gallery.hang("What one stress event may cost", figures.fund(picture, currency), (
            f"Together {wording.notional(picture.sources[0][1], currency)} ({picture.sources[0][0]}), 95 % interval "
            f"{wording.notional(picture.low, currency)} to {wording.notional(picture.high, currency)}; up to "
            f"{picture.markets_at_once} of {len(picture.by_market)} markets lose beyond margin at once. "
            + (f"The {figures.MOST_LOSERS} costliest alone. " if len(picture.by_market) > figures.MOST_LOSERS else "")
            + ("On actual accounts." if picture.on_accounts else "All markets full to their caps, adversely.")))
    return section_of("fund", "Insurance fund and cash", [tables.fund(book), drawn, tables.liquidity(book)], lead=(
        "The fund outlasts losses beyond margin of all markets at once: they come together. Cash at hand is what a "
        "run takes out, and what winners are paid before losers have paid in."))


def feedback(content: ReportContent, gallery: Gallery) -> Section | None:
    """What realised coverage does to margins."""
    path = content.line.factor
    if path is None:
        return None
    why = content.book.explanations.get("/venue/confidence_adjustment")
    drawn = gallery.hang("Factor on margins from realised coverage", figures.factor(path), (
        f"{wording.percent(path.realised)} of margins breached under it, {wording.percent(path.nominal)} a step "
        f"allowed; clipped in {wording.percent(path.clipped_share)} of steps (dashed)."))
    return section_of("feedback", "Coverage feedback", [
        tag("p", f"Margins of this book are {wording.number(float(path.factor[-1]), 4)} times the loss model's"
                 + (f" ({why.basis}). The backtest on this page scores the model without it." if why else ".")),
        drawn], lead="Breaches raise margins, calm lets them fall, both within a clip.")


def pace(content: ReportContent, _: Gallery) -> Section | None:
    """Who gets how much leverage, and how fast the line may move."""
    rows = wording.governor_words(content.appetite) if content.line.is_drawn else []
    classes = tables.access(content.book)
    governed = table("The governor's pace", (
        Column("Setting", holds="word"), Column("Value", holds="prose"), Column("Meaning", holds="prose")),
        [(name, value or "off", meaning) for name, value, meaning in rows], folded=True) if rows else None
    return section_of("pace", "Access, and how the line moves", [
        classes, tag("p", "The next book does not jump to its target: a governor moves it in these steps, and "
                          "leverline plan lists them from one book to the next.") if rows else None, governed])
