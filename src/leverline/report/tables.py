"""The tables of the page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from leverline.market.bars import Finding
from leverline.model import Explanation, LimitBook, RiskAppetite, Tier
from leverline.model.limitbook import pointer
from leverline.report import wording
from leverline.report.content import (
    BacktestContent,
    CrashDay,
    MarketContent,
    PooledRow,
    Standing,
    StressRow,
)
from leverline.report.markup import Column, Content, Markup, join, missing, shown, table, tag

FOLD_ABOVE = 24
"""Rows past which a table stands behind a disclosure."""

DAYS_LISTED = 20
"""Crash days that are listed one by one."""

LAYER_NAMES = {"model": "model", "book": "published"}
UNDEFINED = "the statistic is not defined for these observations"


def text(name: str, meaning: str | None = None) -> Column:
    """A column of words or dates."""
    return Column(name, meaning, holds="word")


def prose(name: str, meaning: str | None = None) -> Column:
    """A column of sentences."""
    return Column(name, meaning, holds="prose")


def tiers(symbol: str, book: LimitBook) -> Markup:
    """The tiers of one market, what binds each, and how each moves with what was assumed."""
    listed, currency = book.instruments[symbol], book.settlement
    fields = ("initial_margin_rate", "maintenance_margin_rate")
    why = [tuple(book.explanations.get(pointer("instruments", symbol, "tiers", k, field)) for field in fields)
           for k in range(len(listed.tiers))]
    names = ("What binds initial margin", "What binds maintenance")
    varying = [j for j in range(2) if len({_binding(reasons[j]) for reasons in why}) > 1 or why[0][j] is None]
    rows = [(
        _size(tier), wording.leverage(tier.max_leverage), wording.percent(tier.initial_margin_rate, 4),
        wording.percent(tier.maintenance_margin_rate, 4), wording.ledger_amount(tier.maintenance_deduction),
        *(_reason(why[k][j]) for j in varying),
    ) for k, tier in enumerate(listed.tiers)]
    columns = [text(f"Notional, {currency}"), Column("Leverage", "Highest at this size"), Column("Initial"),
               Column("Maintenance", "Marginal rate inside the tier"),
               Column("Deduction", f"{currency}; keeps maintenance margin continuous across tiers"),
               *(prose(names[j]) for j in varying)]
    everywhere = [f"{names[j]}, in every tier: {reason.binding} ({reason.basis}). "
                  for j in range(2) if j not in varying and (reason := why[0][j]) is not None]
    return join([table(f"Tiers of {symbol}", columns, rows, headed=True,
                       note=join([*everywhere, _caps_note(symbol, book)])),
                 _sensitivities(symbol, [_size(tier) for tier in listed.tiers], why)])


def _binding(why: Explanation | None) -> tuple[str, str] | None:
    return None if why is None else (why.binding, str(why.basis))


def _size(tier: Tier) -> str:
    top = "and more" if tier.notional_cap is None else f"to {wording.ledger_amount(tier.notional_cap)}"
    return f"{wording.ledger_amount(tier.notional_floor)} {top}"


def _reason(why: Explanation | None) -> Content:
    if why is None:
        return missing("the book gives no explanation for this number")
    return join([why.binding, tag("span", str(why.basis), class_="aside")])


def _sensitivities(symbol: str, sizes: list[str], why: Sequence[tuple[Explanation | None, ...]]) -> Markup | None:
    """Relative change of each tier's rates, initial then maintenance, by what moves; None where nothing was given."""
    drivers = list(dict.fromkeys(d for reasons in why for reason in reasons if reason for d in reason.sensitivity))
    if not drivers:
        return None

    def change(reason: Explanation | None, driver: str) -> Content:
        return shown(_signed(None if reason is None else reason.sensitivity.get(driver)), "the book does not say")

    body = [(size, *(join([change(initial, d), " / ", change(maintenance, d)]) for d in drivers))
            for size, (initial, maintenance) in zip(sizes, why, strict=True)]
    columns = [text("Notional"), *(Column(d.replace("_", " ")) for d in drivers)]
    return table(f"{symbol}: how initial / maintenance rates move when an assumption moves", columns, body, folded=True)


def _signed(change: float | None) -> str | None:
    size = wording.percent(None if change is None else abs(change), 2)
    return None if change is None or size is None else f"{'−' if change < 0 else '+'}{size}"


def _caps_note(symbol: str, book: LimitBook) -> Content:
    listed = book.instruments[symbol]
    said: list[Content] = []
    for name, amount, field in (("Position cap", listed.position_cap, "position_cap"),
                                ("Open-interest cap", listed.open_interest_cap, "open_interest_cap")):
        said += [f"{name}: ", shown(wording.ledger_amount(amount, book.settlement), "the book sets none")]
        why = book.explanations.get(pointer("instruments", symbol, field))
        said.append(f" ({why.binding}; {why.basis}). " if why else ". ")
    return join(said)


def pooled(rows: Sequence[PooledRow], level: float) -> Markup:
    """Pooled rates against what was allowed."""
    columns = (text("Layer"), text("Allowed"), Column("Breached"), Column(f"{wording.percent(level)} interval"),
               Column("In the top volatility decile"), Column("Breached / allowed"))
    body = [(
        LAYER_NAMES[r.layer], wording.exceedance_words(r.confidence, r.horizon_s), wording.percent(r.rate),
        missing("no interval was computed") if r.interval_low is None or r.interval_high is None
        else f"{wording.percent(r.interval_low)} to {wording.percent(r.interval_high)}",
        shown(wording.percent(r.rate_top_volatility_decile), "too few windows in the decile"),
        shown(wording.number(r.rate / (1 - r.confidence), 2), UNDEFINED),
    ) for r in rows]
    return table("All markets and sides together", columns, body)


def standing(verdict: str, how: Standing) -> Markup:
    """A verdict in words, with a mark and a colour."""
    return tag("span", verdict, class_=f"standing {how.value}")


def coverage(evidence: BacktestContent) -> Markup:
    """One row a market, side, layer, confidence and horizon."""
    columns = (text("Market"), text("Side"), text("Layer"), text("Allowed"), Column("Windows"), Column("Breached"),
               Column("Band", f"Exact binomial acceptance band at {wording.percent(evidence.band_level)}"),
               Column("Kupiec p", "Is the rate right?"), Column("Christoffersen p", "Do breaches follow breaches?"),
               Column("DQ p", "Engle and Manganelli: can breaches be foreseen?"), text("Verdict"))
    body = [(
        r.symbol, r.side, LAYER_NAMES[r.layer], wording.exceedance_words(r.confidence, r.horizon_s),
        wording.count(r.observations), wording.count(r.exceedances),
        missing("too few windows for a band") if r.band_low is None or r.band_high is None
        else f"{r.band_low} to {r.band_high}",
        *(shown(wording.p_value(p), UNDEFINED) for p in (r.kupiec_p, r.christoffersen_p, r.dq_p)),
        standing(r.verdict, r.standing),
    ) for r in evidence.rows]
    return table("Coverage by market, side and layer", columns, body, folded=len(body) > FOLD_ABOVE)


def stress(rows: Sequence[StressRow]) -> Markup:
    """Coverage inside named stress windows."""
    columns = (text("Stress window"), text("From"), text("To"), text("Layer"), text("Allowed"), Column("Windows"),
               Column("Breached"), Column("Rate"))
    body = [(
        r.name, wording.date(r.start_ts), wording.date(r.end_ts), LAYER_NAMES[r.layer],
        wording.exceedance_words(r.confidence, r.horizon_s), wording.count(r.observations),
        wording.count(r.exceedances),
        shown(wording.percent(r.exceedances / r.observations) if r.observations else None, "no window was scored"),
    ) for r in rows]
    return table("Coverage in named stress windows", columns, body, folded=len(body) > FOLD_ABOVE)


def cost(evidence: BacktestContent) -> Markup:
    """What the margin cost and how hard it moved."""
    columns = (text("Market"), text("Side"), text("Layer"), text("Allowed"), Column("Mean"), Column("Peak"),
               Column("Peak / trough"), Column("Rise in 5", "Largest ratio over five windows"),
               Column("Quantile score", "Lower is better"))
    none = "no margin was in force"
    body = [(
        r.symbol, r.side, LAYER_NAMES[r.layer], wording.exceedance_words(r.confidence, r.horizon_s),
        shown(wording.percent(r.mean_margin), none), shown(wording.percent(r.peak_margin), none),
        shown(wording.leverage(_rounded(r.peak_to_trough)), none),
        shown(wording.leverage(_rounded(r.max_increase_5)), none), shown(wording.number(r.quantile_score), UNDEFINED),
    ) for r in evidence.rows]
    return table("Cost and procyclicality by market", columns, body, folded=len(body) > FOLD_ABOVE)


def _rounded(ratio: float | None) -> float | None:
    return None if not wording.known(ratio) else round(float(ratio or 0.0), 2)


def crash_days(days: Sequence[CrashDay]) -> Markup:
    """Days with breaches, the ones with most markets first; the least of many are only counted."""
    ordered = sorted(days, key=lambda d: (-d.markets_breached, -d.excess))
    left_out = len(ordered) - DAYS_LISTED
    columns = (text("Day"), Column("Markets at once"), prose("Breaches: loss against margin", "Worst first"))
    body = []
    for day in ordered[:DAYS_LISTED]:
        worst = sorted(day.breaches, key=lambda b: b.margin - b.loss)
        listed = [f"{b.symbol} {b.side} {wording.percent(b.loss)} against {wording.percent(b.margin)}" for b in worst]
        more = f"; and {len(listed) - 6} more" if len(listed) > 6 else ""
        body.append((
            join([wording.date(day.ts), tag("span", day.name, class_="aside") if day.name else None]),
            f"{day.markets_breached} of {day.markets_observed}", "; ".join(listed[:6]) + more,
        ))
    words = f"{LAYER_NAMES[days[0].layer]} margin, {wording.exceedance_words(days[0].confidence, days[0].horizon_s)}"
    return table(f"Days with breaches ({words})", columns, body,
                 note=f"{wording.count(left_out)} days with fewer or smaller breaches are not listed."
                 if left_out > 0 else None)


def bars(markets: Sequence[MarketContent]) -> Markup:
    """The bars of each market."""
    columns = (text("Market"), Column("Bars"), text("Spacing"), text("From"), text("To"), Column("Missing"),
               Column("Masked", "Kept out of estimation by a named rule"), Column("Re-listings"),
               text("High and low"), text("Volume"))
    body = [(
        m.symbol, wording.count(b.bars), wording.span(b.spacing_s), wording.date(b.first_ts), wording.date(b.last_ts),
        wording.count(b.missing_bars), wording.count(b.masked_bars), wording.count(b.relistings),
        "none: close only" if b.close_only else "yes", "yes" if b.has_volume else "none",
    ) for m in markets if (b := m.bars) is not None]
    return table("Bars by market", columns, body, folded=len(body) > FOLD_ABOVE)


def findings(found: Sequence[Finding]) -> Markup:
    """Suspicious rows that were accepted, counted by rule."""
    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for finding in found:
        by_rule[finding.rule].append(finding)
    columns = (text("Rule"), Column("Rows"), prose("Where"), text("First"), text("Last"), prose("For example"))
    body = []
    for rule, members in sorted(by_rule.items(), key=lambda item: -len(item[1])):
        where = [f"{symbol} ({n})" for symbol, n in Counter(f.symbol for f in members).most_common()]
        first = min(members, key=lambda f: f.ts)
        body.append((rule.replace("_", " "), wording.count(len(members)), wording.listing(where),
                     wording.date(first.ts), wording.date(max(f.ts for f in members)),
                     f"{first.symbol}, {wording.date(first.ts)}: {first.detail}"))
    return table("What looked suspicious, was accepted, and was counted", columns, body)


def appetite(venue: RiskAppetite) -> Markup:
    """The venue's assumptions in words."""
    columns = (text("Assumption"), prose("Value"), prose("Meaning"))
    return table(f"What was assumed: profile {venue.name}", columns, wording.appetite_words(venue))


def files(book: LimitBook) -> Markup:
    """Input files with hash, origin and licence."""
    columns = (prose("File"), Column("Rows"), prose("Origin"), prose("Licence"), prose("SHA-256"))
    body = [(
        f.name, wording.count(f.rows), shown(f.origin, "the origin is not known"),
        shown(f.licence, "the source states no licence"),
        missing("not a file") if f.sha256 is None else tag("code", f.sha256),
    ) for f in book.provenance.data]
    return table("Input", columns, body)


def overrides(book: LimitBook) -> Markup:
    """Numbers set by hand."""
    columns = (prose("Number"), text("Who"), prose("Why"), text("Until"), Column("The model said"))
    body = [(tag("code", o.pointer), o.who, o.why, wording.moment(o.until),
             shown(None if o.calibrated is None else str(o.calibrated), "the model gave no number"))
            for o in book.overrides]
    return table("Set by hand", columns, body)


def settings(caption: str, values: dict[str, Any]) -> Markup:
    """Nested settings, one row a leaf."""
    return table(caption, (prose("Setting"), prose("Value")), [
        (name, shown(_setting(value), "not set")) for name, value in _leaves(values)])


def _setting(value: Any) -> str | None:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return wording.number(value, 6)
        case list() | tuple():
            return ", ".join(_setting(v) or "–" for v in value)
    return None if value is None else str(value)


def _leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        leaves += _leaves(value, f"{name}, ") if isinstance(value, dict) else [(name, value)]
    return leaves
