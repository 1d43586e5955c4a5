"""The sections of the page, top to bottom. Each returns its part, or None where the content has nothing for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from leverline.report import captions, figures, tables, wording
from leverline.report.beside.sections import basis, cold_start, implied, liquidity
from leverline.report.content import CrashDay, Layer, MarketContent, ReportContent, Standing
from leverline.report.gallery import Gallery, Section, pairs, section_of
from leverline.report.line.sections import caps, collateral, feedback, fees, fund, offsets, pace
from leverline.report.markup import Content, Markup, join, missing, shown, tag


def headline(content: ReportContent, _: Gallery) -> Section:
    """What the limits are: facts, then a sentence a market."""
    evidence = content.backtest
    items = [tag("li", tag("strong", symbol), ": ", captions.limits(listed, content.book.settlement),
                 f" {said}" if evidence is not None and (said := captions.held(symbol, evidence)) else None)
             for symbol, listed in content.book.instruments.items()]
    notes = [*content.notes, *content.book.provenance.warnings]
    return Section("limits", "The limits", join([
        _facts(content), tag("ul", *items, class_="markets"),
        tag("h3", "To bear in mind") if notes else None,
        tag("ul", *(tag("li", note) for note in notes), class_="plain") if notes else None,
    ]))


def _facts(content: ReportContent) -> Markup:
    book, evidence = content.book, content.backtest
    top = max(book.instruments.items(), key=lambda item: item[1].tiers[0].max_leverage, default=None)
    facts: list[tuple[str, Content, str]] = [
        ("Markets", wording.count(len(book.instruments)), f"as of {wording.moment(book.as_of)}"),
        ("Highest leverage", wording.leverage(top[1].tiers[0].max_leverage) if top else missing("no market"),
         top[0] if top else ""),
        ("Accepted breaches", wording.percent(1 - content.appetite.confidence.level),
         content.appetite.confidence.unit.replace("_", " ")),
    ]
    if evidence is not None:
        published = next((p for p in evidence.pooled if p.layer == "book"), None)
        if published is not None:
            facts.append(("Breached in the test", shown(wording.percent(published.rate), "nothing was scored"),
                          f"{wording.exceedance_words(published.confidence, published.horizon_s)} allowed"))
        failing = sum(r.standing is Standing.FAILS for r in evidence.rows if r.layer == "book")
        total = sum(r.layer == "book" for r in evidence.rows)
        facts.append(("Published margins that fail", f"{failing}{wording.SPACE}of{wording.SPACE}{total}",
                      "market-sides and confidences"))
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value, tag("small", small)))
                       for name, value, small in facts), class_="facts")


def tiers(content: ReportContent, _: Gallery) -> Section:
    """A table of tiers per market."""
    lead = ("Initial margin is notional times the initial rate of its tier. Maintenance margin is notional times the "
            "marginal rate less the deduction. Beside the rates stands what decided them and whether it was measured "
            "or assumed; below, how they move when an assumption moves.")
    return Section("tiers", "Tiers and what binds them", join([
        tag("p", lead, class_="lead"),
        *(join([tag("h3", symbol), tables.tiers(symbol, content.book)]) for symbol in content.book.instruments),
    ]))


def requirement(content: ReportContent, gallery: Gallery) -> Section | None:
    """The calibrated curve, the steps cut from it, and what it is made of."""
    blocks = []
    for market in content.markets:
        listed = content.book.instruments.get(market.symbol)
        if listed is None and market.curve is None:
            continue
        currency = content.book.settlement
        drawn = [gallery.hang("Margin rate by position size",
                              figures.requirement(market.curve, listed.tiers if listed else (), currency),
                              captions.requirement(market.symbol, market.curve, listed))]
        if market.curve is not None and market.curve.period_grows:
            drawn.append(gallery.hang("Margin period of risk by position size",
                                      figures.margin_period(market.curve, currency),
                                      captions.margin_period(market.symbol, market.curve, currency)))
        if market.curve is not None and market.curve.parts:
            drawn.append(gallery.hang("What maintenance margin is made of",
                                      figures.requirement_parts(market.curve, currency),
                                      captions.parts(market.symbol, market.curve)))
        blocks.append(join([tag("h3", market.symbol), pairs(drawn)]))
    return section_of("requirement", "The requirement curve", blocks, lead=(
        "Thick lines are what is published, thin dotted lines the calibrated curve. Rates are averages over the whole "
        "position: amount over notional. Each step carries its highest leverage."))


def tails(content: ReportContent, gallery: Gallery) -> Section | None:
    """Volatility through time and the fitted tails."""
    blocks = []
    realised_only = all(market.implied is None for market in content.markets)
    for market in content.markets:
        drawn = []
        if market.volatility is not None:
            drawn.append(gallery.hang("Forecast volatility per day",
                                      figures.volatility(market.volatility, gallery.points),
                                      captions.volatility(market.symbol, market.volatility)))
        if market.tails:
            drawn.append(gallery.hang("Losses and their fitted tail",
                                      figures.tail(market.tails, gallery.points),
                                      captions.tail(market.symbol, market.tails)))
        if drawn:
            blocks.append(join([tag("h3", market.symbol), pairs(drawn)]))
    return section_of("tails", "Volatility and tails", blocks, lead=(
        "Volatility is realised only: no implied-volatility index was given." if realised_only else None))


def coverage(content: ReportContent, gallery: Gallery) -> Section | None:
    """Did the margin hold: pooled, in stress, per market, and breach by breach on the price."""
    evidence = content.backtest
    drawn = [
        join([tag("h3", market.symbol), *(
            gallery.hang(f"Price and breaches: {captions.of_series(series)}", figures.coverage(series, gallery.points),
                         captions.coverage(market.symbol, series))
            for series in market.series)])
        for market in content.markets if market.series
    ]
    if evidence is None:
        return section_of("coverage", "Coverage", drawn)
    stated = _survivorship_note(evidence.survivorship)
    lead = (f"Walk-forward from {wording.date(evidence.start_ts)} to {wording.date(evidence.end_ts)}: "
            f"{evidence.method}, refitted {evidence.refit}. A margin is only ever judged by what came after it.")
    layers = ("The model layer is the bare quantile of each side and should be breached as often as allowed, neither "
              "more nor less. The published layer is the margin as rounded, floored and joined over both sides, and "
              "should be breached no more often than allowed.")
    skipped = [tag("li", f"{symbol}: {reason}") for symbol, reason in evidence.skipped]
    return section_of("coverage", "Coverage", [
        tag("p", layers),
        join([tables.pooled(evidence.pooled, evidence.band_level), stated]) if evidence.pooled else None,
        join([tables.coverage(evidence), stated]) if evidence.rows else None,
        join([tables.stress(evidence.stress), stated]) if evidence.stress else None,
        join([tag("h3", "Not tested"), tag("ul", *skipped, class_="plain")]) if skipped else None,
        *drawn,
    ], lead=lead)


def cost(content: ReportContent, gallery: Gallery) -> Section | None:
    """What the margin cost, how hard it moved, and how other methods compare."""
    evidence = content.backtest
    blocks: list[Content] = []
    if evidence is not None:
        stated = _survivorship_note(evidence.survivorship)
        if evidence.rows:
            blocks += [tables.cost(evidence), stated]
        ordered = sorted(evidence.methods, key=lambda m: (m.horizon_s, m.confidence))
        compared = [tuple(group) for _, group in groupby(ordered, key=lambda m: (m.horizon_s, m.confidence))]
        compared = [group for group in compared if len(group) > 1]
        if compared:
            blocks.append(tag("h3", "Methods compared"))
            blocks += [join([gallery.hang("Coverage, cost and steadiness", figures.methods(group),
                                          captions.methods(group)), stated]) for group in compared]
    for market in content.markets:
        if market.series:
            blocks.append(tag("h3", market.symbol))
            blocks += [gallery.hang(f"Margin through time: {captions.of_series(series)}",
                                    figures.margins(series, gallery.points), captions.margins(market.symbol, series))
                       for series in market.series]
    return section_of("cost", "Cost and procyclicality", blocks, lead=(
        "Margin that is safe but dear, or that jumps when everybody is short of cash, does harm of its own."))


def crashes(content: ReportContent, gallery: Gallery) -> Section | None:
    """The days on which margins were breached."""
    evidence = content.backtest
    if evidence is None or not evidence.crash_days:
        return None
    stated, blocks = _survivorship_note(evidence.survivorship), []
    for (layer, confidence, horizon_s), group in groupby(sorted(evidence.crash_days, key=_rule), key=_rule):
        days = tuple(group)
        title = f"Markets breached at once: {captions.margin_words(layer, confidence, horizon_s)}"
        if len(days) > 1:
            blocks.append(gallery.hang(title, figures.crashes(days), captions.crashes(days)))
        blocks.append(join([tables.crash_days(days), stated]))
    return section_of("crashes", "Crash days", blocks, lead=(
        "Diversification fails on such days: what counts is how many markets are breached at once, and how far."))


def _rule(day: CrashDay) -> tuple[Layer, float, float]:
    """Which margin a crash day is about: days are only comparable under one."""
    return day.layer, day.confidence, day.horizon_s


def quality(content: ReportContent, _: Gallery) -> Section:
    """What was read and what looked wrong with it."""
    summarised: list[MarketContent] = [m for m in content.markets if m.bars is not None]
    return Section("quality", "Data quality", join([
        tables.bars(summarised) if summarised else None,
        tables.findings(content.findings) if content.findings else tag("p", "Nothing suspicious was found."),
    ]))


def survivorship(content: ReportContent, _: Gallery) -> Section | None:
    """Which markets are missing because they did not live."""
    said = content.backtest.survivorship if content.backtest is not None else content.survivorship
    return section_of("survivorship", "Survivorship", [tag("p", said, class_="survivorship")] if said else [])


def provenance(content: ReportContent, _: Gallery) -> Section:
    """What the book was made from: enough to make it again."""
    made = content.book.provenance
    identity = {"book": content.book.id, "challenges": content.book.challenges, "as of": wording.moment(made.as_of),
                "software": made.software, "seed": made.seed, "versions": made.versions}
    return Section("provenance", "Provenance", join([
        tables.files(content.book), tables.appetite(content.appetite),
        tag("p", content.appetite.why, class_="tablenote"),
        tables.overrides(content.book) if content.book.overrides else None,
        tables.settings("Estimators", made.estimators) if made.estimators else None,
        tables.settings("Identity and versions", identity),
    ]))


def _survivorship_note(said: str) -> Markup | None:
    return tag("p", said, class_="tablenote survivorship") if said else None


ORDER: tuple[Callable[[ReportContent, Gallery], Section | None], ...] = (
    headline, tiers, requirement, liquidity, basis, tails, implied, cold_start, caps, collateral, fees, offsets, fund,
    feedback, pace, coverage, cost, crashes, quality, survivorship, provenance,
)
