"""The sections of a replay's page, top to bottom, of its document and its picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from leverline.model.quantities import UNITS_PER_ONE
from leverline.report import figures, wording
from leverline.report.gallery import Gallery, Section, pairs, section_of
from leverline.report.markup import Column, Content, Markup, join, table, tag
from leverline.report.replay import captions
from leverline.report.replay.content import ReplayPicture

MOST_ROWS = 60
"""Rows of a log on the page; the document has all."""

Document = Mapping[str, Any]


def ended(document: Document, picture: ReplayPicture, _: Gallery) -> Section:
    """The verdict, and what to bear in mind with it."""
    notes = document["notes"]
    return Section("ended", "How it ended", join([
        _facts(document, picture),
        tag("h3", "To bear in mind") if notes else None,
        tag("ul", *(tag("li", note) for note in notes), class_="plain") if notes else None]))


def _facts(document: Document, picture: ReplayPicture) -> Markup:
    stands, debt, winners = document["solvency"], document["bad_debt"], document["deleveraged"]
    rows = document["liquidations"].values()
    facts: list[tuple[str, Content, str]] = [
        ("Verdict", tag("span", "solvent", class_="standing holds") if stands["solvent"] else
         tag("span", "insolvent", class_="standing fails"), _why(stands)),
        ("Bad debt", _short(debt["total"]), f"funds paid {_short(debt['paid_by_funds'])}, shared "
                                            f"{_short(debt['shared'])}, unpaid {_short(debt['unpaid'])}"),
        ("Fund at the end", wording.notional(sum(float(fund.value[-1]) for fund in picture.funds)) or "0",
         f"at most {wording.notional(sum(float(fund.value.max()) for fund in picture.funds))}"),
        ("Liquidated", _short(str(sum(int(row["notional"]) for row in rows))),
         f"{sum(row['closings'] for row in rows):,} closings, {document['margin_calls']:,} margin calls"),
        ("Deleveraged", _short(winners["notional"]), f"of {winners['pools']:,} accounts"),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value, tag("small", small)))
                       for name, value, small in facts), class_="facts")


def _why(stands: Mapping[str, Any]) -> str:
    left = f"{stands['open_pools']:,} of {stands['pools']:,} accounts still open"
    if stands["solvent"]:
        return left
    if not stands["conserved"]:
        return "money is not conserved: a defect"
    return f"{left}, {stands['underwater_pools']:,} of them underwater by {_short(stands['underwater'])}"


def prices(document: Document, picture: ReplayPicture, gallery: Gallery) -> Section | None:
    """Marks, shaded where breakers stood open; then their log."""
    drawn = [gallery.hang(f"Mark of {shown.symbol}", figures.replay_price(shown), captions.price(shown))
             for shown in picture.prices]
    left_out = picture.markets_left_out
    log = document["breaker_log"]
    return section_of("prices", "Prices and breakers", [
        pairs(drawn),
        tag("p", f"Not drawn: {wording.listing(left_out)}, where less was closed.", class_="tablenote")
        if left_out else None,
        _log("Breaker transitions", ("at", "market", "before", "after", "reason"), log[:MOST_ROWS], len(log),
             "the first in time") if log else None])


def liquidations(document: Document, picture: ReplayPicture, gallery: Gallery) -> Section:
    """What was closed, when, at which stage; and why stages left the rest to the next."""
    stages = [{"stage": stage, **row} for stage, row in document["liquidations"].items()]
    refused = sorted(document["refused_stages"], key=lambda row: -row["times"])
    return Section("liquidations", "Liquidations", join([
        gallery.hang("Notional closed by stage", figures.replay_closed(picture.closed, picture.settlement),
                     captions.closed(picture.closed, picture.settlement)) if picture.closed else
        tag("p", "Nobody was liquidated."),
        _log("By stage", ("stage", "closings", "pools", "notional", "penalty"), stages, len(stages), "") if stages
        else None,
        tag("p", f"{document['closings_that_harmed']:,} closings left an account worse off, as the venue's own rule "
                 "has it.", class_="tablenote") if document["closings_that_harmed"] else None,
        _log("Why a stage left the rest to the next", ("stage", "reason", "times"), refused[:MOST_ROWS], len(refused),
             "the most frequent") if refused else None]))


def losses(document: Document, picture: ReplayPicture, gallery: Gallery) -> Section:
    """The fund's path, bad debt and deleveraging, accounts."""
    path = document["fund_path"]
    largest = sorted(range(len(path)), key=lambda place: -abs(int(path[place]["amount"])))[:MOST_ROWS]
    currency = picture.settlement
    drawn = [] if not picture.funds else [
        gallery.hang("Insurance fund", figures.replay_funds(picture.funds, currency),
                     captions.funds(picture.funds, currency))]
    lost = bool(picture.bad_debt.value.any() or picture.deleveraged.value.any())
    if lost:
        drawn.append(gallery.hang("Losses beyond margin",
                                  figures.replay_losses(picture.bad_debt, picture.deleveraged, currency),
                                  captions.losses(picture)))
    drawn.append(gallery.hang("Accounts", figures.replay_accounts(picture.open_accounts, picture.underwater),
                              captions.accounts(picture)))
    return Section("losses", "Fund, losses and accounts", join([
        None if lost else tag("p", "No bad debt arose, and no winner was deleveraged."), pairs(drawn),
        _log("Movements of insurance funds", ("at", "market", "amount", "balance", "changes", "why"),
             [path[place] | {"market": path[place]["market"] or "shared"} for place in sorted(largest)], len(path),
             "the largest", folded=True) if path else
        tag("p", "No fund moved.")]))


def events(document: Document, picture: ReplayPicture, _: Gallery) -> Section:
    """What went in, what was refused, and what identifies the run."""
    kinds = [{"event": name, "times": times} for name, times in document["events_by_type"].items()]
    refused = [{"reason": name, "times": times} for name, times in document["rejected"].items()]
    identity = [{"what": what, "value": document[key]} for what, key in (
        ("venue", "venue"), ("limit book", "book_id"), ("population", "population"), ("seed", "seed"),
        ("final state, SHA-256", "state_hash")) if document.get(key) is not None]
    return Section("events", "Events and identity", join([
        tag("p", f"From {captions.second(picture.started_ns)} to {captions.second(picture.ended_ns)} UTC. The same "
                 "events under the same limits and venue end in the same state."),
        _log("Events", ("event", "times"), kinds, len(kinds), ""),
        _log("Rejected events", ("reason", "times"), refused, len(refused), "") if refused else None,
        _log("Identity", ("what", "value"), identity, len(identity), "")]))


_AMOUNTS, _COUNTS = ("amount", "balance", "notional", "penalty"), ("times", "closings", "pools", "changes")


def _log(caption: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], of: int, which: str, *,
         folded: bool = False) -> Markup:
    """A table of some or all of the ``of`` rows of a log, saying ``which``."""
    shaped = [Column({"pools": "accounts"}.get(name, name),
                     holds="num" if name in (*_AMOUNTS, *_COUNTS) else "prose" if name in ("why", "reason", "value")
                     else "word") for name in columns]
    note = f"{which.capitalize()} {len(rows)} of {of:,}; replay.json has all." if len(rows) < of else None
    return table(caption, shaped, [[_cell(name, row[name]) for name in columns] for row in rows], note=note,
                 folded=folded)


def _cell(name: str, value: Any) -> Content:
    if name in _AMOUNTS:
        return f"{int(value) / UNITS_PER_ONE:,.2f}"
    if name in _COUNTS:
        return f"{value:,}"
    return str(value) or {"market": "all"}.get(name, "–")


def _short(units: str) -> str:
    return wording.ledger_amount(int(units)) or "0"


ORDER: tuple[Callable[[Document, ReplayPicture, Gallery], Section | None], ...] = (
    ended, prices, liquidations, losses, events)
