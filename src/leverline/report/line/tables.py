"""The tables of the line beyond margins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leverline.model import LimitBook
from leverline.model.limitbook import pointer
from leverline.model.quantities import UNITS_PER_ONE
from leverline.report import wording
from leverline.report.line.content import MarketBounds, PairPoint
from leverline.report.markup import Column, Content, Markup, join, missing, shown, table, tag

FOLD_ABOVE = 24
PAIRS_LISTED = 20
UNSET = "the book sets none"


def _reason(book: LimitBook, at: str) -> Content:
    """What binds a number, and whether it was measured."""
    why = book.explanations.get(at)
    if why is None:
        return missing("the book gives no explanation for this number")
    return join([why.binding, tag("span", str(why.basis), class_="aside")])


def _moves(book: LimitBook, at: str) -> str | None:
    """How a number answers to its drivers, in a line."""
    why = book.explanations.get(at)
    if why is None or not why.sensitivity:
        return None
    return "; ".join(f"{driver.replace('_', ' ')}: " + ("unknown" if move is None else f"{100 * move:+.2g} %")
                     for driver, move in why.sensitivity.items())


def caps(book: LimitBook, bounds: Sequence[MarketBounds]) -> Markup:
    """Caps of every market, then all that is known of the one on open interest."""
    first = {market.symbol: market.bounds[0] for market in bounds if market.bounds}
    columns = (Column("Market", holds="word"), Column("Open interest", book.settlement),
               Column("Growth a day"), Column("One owner", "Of open interest"),
               Column("Profit as collateral", book.settlement), Column("What binds open interest", holds="prose"))
    body = [(
        symbol, shown(wording.ledger_amount(limits.open_interest_cap), UNSET),
        shown(wording.percent(limits.open_interest_growth_cap), UNSET),
        "void" if limits.owner_share_cap == 1.0 else shown(wording.percent(limits.owner_share_cap), UNSET),
        shown(wording.ledger_amount(limits.profit_collateral_cap), UNSET),
        join([first[symbol].binding, tag("span", str(first[symbol].basis), class_="aside")]) if symbol in first
        else _reason(book, pointer("instruments", symbol, "open_interest_cap")),
    ) for symbol, limits in book.instruments.items()]
    why = (Column("Market", holds="word"), Column("Every bound, the lowest first", holds="prose"),
           Column("How the cap moves", holds="prose"), Column("One owner", holds="prose"))
    reasons = [(symbol, _reason(book, f"{root}/open_interest_cap"),
                shown(_moves(book, f"{root}/open_interest_cap"), "no cap to move"),
                _reason(book, f"{root}/owner_share_cap"))
               for symbol in book.instruments if (root := pointer("instruments", symbol))]
    return join([table("Caps by market", columns, body, folded=len(body) > FOLD_ABOVE),
                 table("All bounds on open interest, and how the cap moves", why, reasons, folded=True)])


def fees(book: LimitBook) -> Markup:
    """Fees of every market, and funding of those that pay it."""
    paying = ("maker", "taker", "taker_forced", "taker_highest")
    columns = (Column("Market", holds="word"), Column("Maker"), Column("Taker"),
               Column("Forced", "What orders of the venue itself pay"), Column("Highest taker"),
               Column("What sets the taker fee", holds="prose"))
    body = [(symbol, *(shown(wording.percent((limits.fees or {}).get(key)), UNSET) for key in paying),
             _reason(book, pointer("instruments", symbol, "fees", "taker")))
            for symbol, limits in book.instruments.items()]
    funded = [(symbol, wording.percent(terms["clamp_rate"]), wording.span(terms["interval_s"]),
               _reason(book, pointer("instruments", symbol, "funding", "clamp_rate")))
              for symbol, limits in book.instruments.items() if (terms := limits.funding) is not None]
    words = (Column("Market", holds="word"), Column("Clamp", "Largest rate an interval, either way"),
             Column("Interval", holds="word"), Column("What sets the clamp", holds="prose"))
    return join([table("Fees by market", columns, body, folded=len(body) > FOLD_ABOVE),
                 table("Funding by market", words, funded, folded=len(funded) > FOLD_ABOVE) if funded else None])


def collateral(book: LimitBook) -> Markup:
    """Terms of every asset, then why."""
    columns = (Column("Asset", holds="word"), Column("LTV", "Opens"), Column("Threshold", "Is liquidated"),
               Column("Bonus", "What the liquidator gains on the debt repaid"),
               Column("Harms past", "LTV past which a liquidation raises LTV"), Column("Supply cap", book.settlement),
               Column("Borrow cap", book.settlement), Column("Debt ceiling", book.settlement),
               Column("Quality", "0 to 1"), Column("Opens at", holds="prose"))
    opens = {"market": "market", "lower_of_market_and_redemption": "the lower of market and redemption", None: None}
    body = [(
        asset, *(shown(wording.percent(rate), UNSET) for rate in (
            a.ltv, a.liquidation_threshold, a.liquidation_bonus, a.harmful_above_ltv)),
        *(shown(wording.ledger_amount(cap), UNSET) for cap in (a.supply_cap, a.borrow_cap, a.debt_ceiling)),
        shown(wording.number(a.quality.score if a.quality else None, 2), "not scored"),
        shown(opens[a.opening_price], "not set"),
    ) for asset, a in book.collateral.items()]
    why = (Column("Asset", holds="word"), Column("Threshold", holds="prose"), Column("Bonus", holds="prose"),
           Column("Supply cap", holds="prose"), Column("How the threshold moves", holds="prose"))
    reasons = [(asset, *(_reason(book, pointer("collateral", asset, field)) for field in (
        "liquidation_threshold", "liquidation_bonus", "supply_cap")),
        shown(_moves(book, pointer("collateral", asset, "liquidation_threshold")), "not known"))
        for asset in book.collateral]
    return join([table("Collateral by asset", columns, body, folded=len(body) > FOLD_ABOVE),
                 table("What binds collateral", why, reasons, folded=True), _haircuts(book), _quality(book),
                 _groups(book), _rates(book)])


def _haircuts(book: LimitBook) -> Markup | None:
    """Haircuts by size of a holding."""
    columns = (Column("Asset", holds="word"), Column(f"Value from, {book.settlement}"),
               Column("Haircut", "Of each further unit of value"))
    body = [(asset if k == 0 else "", wording.notional(t.value_floor / UNITS_PER_ONE), wording.percent(t.haircut))
            for asset, a in book.collateral.items() for k, t in enumerate(a.haircut_tiers or ())]
    return table("Haircuts by size of a holding", columns, body, folded=True) if body else None


def _quality(book: LimitBook) -> Markup | None:
    """The parts of each score."""
    scored = [(asset, a.quality) for asset, a in book.collateral.items() if a.quality is not None]
    if not scored:
        return None
    parts = list(dict.fromkeys(name for _, quality in scored for name in quality.parts))
    return table("Quality as collateral, 1 is best",
                 (Column("Asset", holds="word"), Column("Score"), *(Column(name.replace("_", " ")) for name in parts)),
                 [(asset, wording.number(quality.score, 2),
                   *(shown(wording.number(quality.parts.get(name), 2), "not measured, and left out of the score")
                     for name in parts)) for asset, quality in scored], folded=True)


def _groups(book: LimitBook) -> Markup | None:
    """Higher limits within correlated groups."""
    body = [(asset, g.group, wording.percent(g.ltv), wording.percent(g.liquidation_threshold),
             wording.percent(g.liquidation_bonus),
             _reason(book, pointer("collateral", asset, "group_limits", "liquidation_threshold")))
            for asset, a in book.collateral.items() if (g := a.group_limits) is not None]
    columns = (Column("Asset", holds="word"), Column("Group", holds="word"), Column("LTV"), Column("Threshold"),
               Column("Bonus"), Column("What binds", holds="prose"))
    return table("Within a correlated group", columns, body) if body else None


def _rates(book: LimitBook) -> Markup | None:
    """Borrow rates of what is lent out."""
    body = [(asset, wording.percent(r.kink), wording.percent(r.base_per_year),
             wording.percent(r.base_per_year + r.slope_below_per_year),
             wording.percent(r.base_per_year + r.slope_below_per_year + r.slope_above_per_year),
             _reason(book, pointer("collateral", asset, "rates", "slope_above_per_year")))
            for asset, a in book.collateral.items() if (r := a.rates) is not None]
    columns = (Column("Asset", holds="word"), Column("Kink", "Utilisation"), Column("Idle"), Column("At the kink"),
               Column("At full use"), Column("What sets the slope past the kink", holds="prose"))
    return table("Borrow rates per year", columns, body, folded=len(body) > FOLD_ABOVE) if body else None


def fund(book: LimitBook) -> Markup:
    """The fund's terms and what one market may use of it."""
    fund = book.venue.insurance_fund
    if fund is None:
        return join([])
    terms: list[tuple[Content, ...]] = [
        ("Target", wording.ledger_amount(fund.target, book.settlement), _reason(book, "/venue/insurance_fund_target")),
        ("How it moves", shown(_moves(book, "/venue/insurance_fund_target"), "not known"), ""),
        ("Covers", ", ".join(fund.covered_perils), _reason(book, "/venue/insurance_fund/covered_perils")),
        ("Owners it outlasts", wording.count(fund.cover_owners), _reason(book, "/venue/insurance_fund/cover_owners")),
        ("Of each liquidation penalty", wording.percent(fund.bonus_share),
         _reason(book, "/venue/insurance_fund/bonus_share")),
    ]
    terms += [(f"Haircut on its {asset}", wording.percent(cut),
               _reason(book, "/venue/insurance_fund" + pointer("asset_haircuts", asset)))
              for asset, cut in fund.asset_haircuts.items()]
    columns = (Column("Insurance fund", holds="word"), Column("Value", holds="prose"), Column("Why", holds="prose"))
    shares = table("What one market may use of the fund", (Column("Market", holds="word"), Column("Of the target")),
                   [(symbol, wording.percent(share)) for symbol, share in fund.market_share.items()], folded=True)
    return join([table("Terms of the fund", columns, terms, headed=True), shares])


def liquidity(book: LimitBook) -> Markup | None:
    """The cash kept ready."""
    kept = book.venue.liquidity_buffer
    if kept is None:
        return None
    columns = (Column("Cash at hand", holds="word"), Column(f"Amount, {book.settlement}"), Column("Why", holds="prose"))
    return table("Liquidity buffer", columns, [
        ("a run of withdrawals", wording.ledger_amount(kept.withdrawals),
         _reason(book, "/venue/liquidity_buffer/withdrawals")),
        ("settlement of profits", wording.ledger_amount(kept.settlement),
         _reason(book, "/venue/liquidity_buffer/settlement"))])


def offsets(pairs: Iterable[PairPoint]) -> Markup:
    """Pairs with the most certain correlation first, and the credit each earns."""
    ordered = sorted(pairs, key=lambda p: (-p.credit, -p.lower))
    columns = (Column("Market", holds="word"), Column("Against", holds="word"), Column("Correlation", "In stress"),
               Column("At least"), Column("Credit", "Of the smaller leg's margin"))
    left = len(ordered) - PAIRS_LISTED
    return table("Pairs in the stressed window", columns, [
        (p.first, p.second, wording.number(p.correlation, 2), wording.number(p.lower, 2), wording.percent(p.credit))
        for p in ordered[:PAIRS_LISTED]], note=f"{wording.count(left)} more pairs." if left > 0 else None)


def access(book: LimitBook) -> Markup | None:
    """Highest leverage by class of account."""
    classes = book.venue.account_classes
    if not classes:
        return None
    body = [("the venue", *(wording.leverage(highest) for highest in classes.values()))]
    body += [(symbol, *(wording.leverage((limits.account_classes or {}).get(name)) for name in classes))
             for symbol, limits in book.instruments.items()]
    return table("Highest leverage by class of account",
                 (Column("Market", holds="word"), *(Column(name) for name in classes)), body,
                 folded=len(body) > FOLD_ABOVE)
