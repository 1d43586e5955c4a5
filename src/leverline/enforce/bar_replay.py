"""A replay on bars from its parts: limits with a grid, a crowd that opens at the first prices, an outside market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from leverline.enforce import opening
from leverline.enforce.bar_breakers import settings_for_bars
from leverline.enforce.bar_points import bars_in_time, within
from leverline.enforce.default_grid import with_default_grid
from leverline.enforce.events import Body
from leverline.enforce.outside_market import OutsideMarket
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.population import Population, draw_population
from leverline.enforce.replaying import Replay, Sink, replay_bars
from leverline.enforce.terms import VenueTerms, terms_of_book
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.ground.progress import track
from leverline.margin.reading_accounts import read_accounts
from leverline.market.bars import Bars
from leverline.model.instrument import Payoff
from leverline.model.limitbook import LimitBook
from leverline.model.quantities import UNITS_PER_ONE

NAMED = 5
"""Symbols named in one note."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is there when bars begin: a table of accounts, or ``size`` drawn ones; ``fund`` in settlement currency."""

    accounts: Path | None = None
    size: int = 0
    population: Path | None = None
    seed: int = 0
    fund: float | None = None


@dataclass(frozen=True, slots=True)
class BarRun:
    """A run that has ended, the book with ticks and lots as it was enforced, and what was defaulted or left out."""

    replay: Replay
    book: LimitBook
    notes: tuple[str, ...]


def run_bars(bars: Bars, book: LimitBook, policies: VenuePolicies, crowd: Crowd, impact: float | None = 1.0,
             sink: Sink | None = None, start_ns: int | None = None, end_ns: int | None = None,
             attach: Callable[[Replay, LimitBook], None] | None = None, with_breakers: bool = False) -> BarRun:
    """Replay the bars that open at ``start_ns`` or later and close by ``end_ns``.

    ``impact`` None fills forced orders at their limit.

    ``attach`` is called before the first event, with the book as it is enforced. ``with_breakers``: with the book's, as
    far as bars allow (:func:`~leverline.enforce.bar_breakers.settings_for_bars`).
    """
    outside = OutsideMarket(impact)
    breakers = settings_for_bars(book.venue.breakers, bars.spacing_ns) if with_breakers else None
    first = _first_closes(bars, start_ns, end_ns)
    if not any(book.instruments[symbol].payoff is Payoff.LINEAR for symbol in first if symbol in book.instruments):
        _refuse_markets(book, first)
    book, said = with_default_grid(book, first, breakers)
    terms = terms_of_book(book)
    instants = list(bars_in_time(bars, terms.markets, start_ns, end_ns))
    bodies, more = _opening(crowd, book, terms, {bar.market: bar.open or bar.close for bar in instants[0]})
    replay, assets = Replay.of(terms, policies, sink), _asset_prices(terms)
    if crowd.accounts is not None:
        more += tuple(f"{asset}: no bars tell its price; accounts that hold it are not valued"
                      for asset in terms.assets if asset not in assets)
    if attach is not None:
        attach(replay, book)
    replay_bars(replay, track(instants, "bars"), bars.spacing_ns, outside, bodies, assets)
    return BarRun(replay, book, (*_without_limits(bars, terms), *said, *more))


def _refuse_markets(book: LimitBook, first: Mapping[str, float]) -> NoReturn:
    """None of the book's markets can be replayed on these bars: they have none, or other payoffs."""
    inverse = [symbol for symbol in first if symbol in book.instruments]
    if inverse:
        raise UsageError(f"{', '.join(inverse[:NAMED])}: the venue's ledger carries linear markets only")
    raise InsufficientDataError(
        "no market of the limits has bars", remedy="name symbols alike: --quote and --kind, or --symbol-map")


def _first_closes(bars: Bars, start_ns: int | None, end_ns: int | None) -> dict[str, float]:
    """First close of every symbol that has a usable bar between the two."""
    usable = ~bars.masked & within(bars, start_ns, end_ns)
    found = {}
    for symbol in bars.symbols:
        rows = bars.rows(symbol)
        places = np.flatnonzero(usable[rows])
        if places.size:
            found[symbol] = float(bars.close[rows][places[0]])
    if not found:
        raise InsufficientDataError("no usable bar lies between start and end", remedy="choose another span")
    return found


def _without_limits(bars: Bars, terms: VenueTerms) -> tuple[str, ...]:
    """A note on bars of markets that the book does not have."""
    others = [symbol for symbol in bars.symbols if symbol not in terms.markets]
    if not others:
        return ()
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return (f"bars without limits, left out: {', '.join(others[:NAMED])}{more}",)


def _opening(crowd: Crowd, book: LimitBook, terms: VenueTerms, marks: dict[str, int],
             ) -> tuple[list[Body], tuple[str, ...]]:
    said = () if crowd.fund is not None else ("insurance fund: empty, as --fund names no amount",)
    made = opening.fund(crowd.fund or 0.0)
    if crowd.accounts is not None:
        table = read_accounts(crowd.accounts)
        sizes = {symbol: row.contract_size for symbol, row in book.instruments.items()}
        bodies, rounded = opening.open_accounts(table.book, terms, sizes)
        rounding = (f"{rounded} positions rounded to whole lots",) if rounded else ()
        return made + bodies, (*said, *table.warnings, *rounding)
    spec = Population.shipped() if crowd.population is None else Population.read(crowd.population)
    drawn = draw_population(spec, crowd.size, crowd.seed, list(terms.markets.values()), marks)
    bare = sum(account.lots == 0 and not account.capped for account in drawn)
    capped = sum(account.capped for account in drawn)
    said = (*said, f"population {spec.name!r}: {len(drawn):,} accounts, {bare:,} of them too small for a position")
    if capped:
        said = (*said, f"open-interest cap: {capped:,} accounts hold less than they asked for, or nothing")
    return made + opening.open_population(drawn, terms.settlement), said


def _asset_prices(terms: VenueTerms) -> dict[str, tuple[str, int]]:
    """Collateral assets whose price a market's bars tell: its base asset's, the first market by name."""
    found: dict[str, tuple[str, int]] = {}
    for symbol, market in terms.markets.items():
        base, value = symbol.partition("/")[0], market.tick * UNITS_PER_ONE
        if base in terms.assets and value.denominator == 1:
            found.setdefault(base, (symbol, int(value)))
    return found
