"""``leverline replay``: a venue under given limits, moved by recorded events or by bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leverline.cli import options
from leverline.cli.printing import amount, emit_json, note, print_table, say
from leverline.ground.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leverline.enforce.effects import Effect
    from leverline.enforce.events import Body, Event
    from leverline.enforce.policies import VenuePolicies
    from leverline.enforce.replaying import Replay
    from leverline.enforce.terms import VenueTerms
    from leverline.market.bars import Bars
    from leverline.model import LimitBook

EVENT_SUFFIXES = (".jsonl", ".ndjson")
SHOWN_ROWS = 12
IMPACT = 1.0


def replay(
    files: Annotated[list[Path], typer.Argument(metavar="EVENTS.jsonl|BARS...", help="Events, or bars.")],
    limits: Annotated[Path, typer.Option(help="The limit book in force.")],
    accounts: Annotated[Path | None, typer.Option(help="With bars: who holds what at the first price.")] = None,
    population: Annotated[int | None, typer.Option(help="With bars: draw so many synthetic accounts.")] = None,
    population_file: Annotated[
        Path | None, typer.Option(help="How the population is drawn; default: the TOML that ships.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the population.")] = 0,
    fund: Annotated[
        float | None, typer.Option(help="With bars: what the insurance fund holds at the start; default: nothing.")
    ] = None,
    impact: Annotated[float, typer.Option(help="With bars: Y of the square-root law of forced orders.")] = IMPACT,
    at_limit: Annotated[bool, typer.Option("--at-limit", help="With bars: forced orders fill at their limit.")] = False,
    venue: Annotated[str, typer.Option(help="Whose liquidation and waterfall.")] = "leverline",
    out: Annotated[Path | None, typer.Option(help="Folder for events, effects, limits, result and page.")] = None,
    symbols: options.Symbols = None,
    quote: options.Quote = None,
    kind: options.KindOption = None,
    symbol_map: options.SymbolMap = None,
    strict: options.Strict = False,
    as_json: options.AsJson = False,
) -> None:
    """Run a venue through recorded events, or through bars with a book of accounts, and say how it ended."""
    from leverline.enforce.replay_document import replay_document
    from leverline.model import LimitBook

    recorded = [path for path in files if path.suffix.lower() in EVENT_SUFFIXES]
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file", remedy="name a folder")
    policies, book = _policies(venue), LimitBook.read(limits)
    written = None if out is None else _Written()
    said: tuple[str, ...] = ()
    if recorded:
        of_bars = (accounts, population, population_file, fund, symbols, quote, kind, symbol_map)
        if len(files) > 1 or at_limit or any(option is not None for option in of_bars):
            raise UsageError("one file of events is replayed, and says everything itself",
                             remedy="leave out the options for bars")
        done = _replay_events(recorded[0], book, policies, written)
    else:
        held = _Held(accounts, population, population_file, seed, fund)
        bars = options.load_bars(files, symbols=symbols, naming=options.naming_of(quote, kind, symbol_map),
                                 strict=strict)
        done, book, said = _replay_bars(bars, book, policies, held, None if at_limit else impact, written)
    document = {**replay_document(done), "venue": venue, "population": population, "seed": seed if population else None,
                "notes": list(said)}
    if out is not None and written is not None:
        written.write(out, book, document)
    for line in said:
        note(f"note: {line}")
    if as_json:
        emit_json(document)
    else:
        _show(document)


@dataclass(frozen=True, slots=True)
class _Held:
    """Who is there when bars begin, as the options say."""

    accounts: Path | None
    population: int | None
    population_file: Path | None
    seed: int
    fund: float | None

    def __post_init__(self) -> None:
        if (self.accounts is None) == (self.population is None):
            raise UsageError("bars are met by accounts", remedy="give either --accounts FILE or --population N")
        if self.population_file is not None and self.population is None:
            raise UsageError("--population-file goes with --population")


@dataclass(slots=True)
class _Written:
    """Lines of the two logs, kept until the end: they are written whole or not at all."""

    events: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)

    def take(self, event: Event, effects: Sequence[Effect]) -> None:
        import json

        from leverline.enforce.codec import encode, encode_effect

        self.events.append(encode(event))
        if effects:
            row = {"seq": event.seq, "ts_ns": event.ts_ns, "effects": [encode_effect(effect) for effect in effects]}
            self.effects.append(json.dumps(row, separators=(",", ":"), ensure_ascii=False))

    def write(self, out: Path, book: LimitBook, document: dict[str, Any]) -> None:
        import json

        from leverline.ground.files import write_text
        from leverline.report.replay_page import write_replay_page

        for name, lines in (("events.jsonl", self.events), ("effects.jsonl", self.effects)):
            write_text(out / name, "".join(f"{line}\n" for line in lines))
        book.write(out / "limits.json")
        write_text(out / "replay.json", json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        write_replay_page(document, out / "report.html")


def _policies(name: str) -> VenuePolicies:
    from leverline.enforce.policy_presets import PRESETS

    if name not in PRESETS:
        raise UsageError(f"--venue {name!r} is unknown", remedy=f"choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _replay_events(path: Path, book: LimitBook, policies: VenuePolicies, written: _Written | None) -> Replay:
    from leverline.enforce.codec import decode
    from leverline.enforce.replaying import Replay
    from leverline.enforce.terms import terms_of_book
    from leverline.ground.errors import refuse
    from leverline.ground.progress import track

    done = Replay.of(terms_of_book(book), policies, None if written is None else written.take)
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        refuse(f"cannot be read: {error.strerror}", file=str(path))
    for row, line in enumerate(track(lines, "events"), start=1):
        done.apply(decode(line, file=str(path), row=row))
    return done


def _replay_bars(bars: Bars, book: LimitBook, policies: VenuePolicies, held: _Held, impact: float | None,
                 written: _Written | None) -> tuple[Replay, LimitBook, tuple[str, ...]]:
    """The replay, the book with ticks and lots as it was enforced, and what was defaulted."""
    from leverline.enforce.bar_points import bars_in_time
    from leverline.enforce.default_grid import with_default_grid
    from leverline.enforce.outside_market import OutsideMarket
    from leverline.enforce.replaying import Replay, replay_bars
    from leverline.enforce.terms import terms_of_book
    from leverline.ground.progress import track

    outside = OutsideMarket(impact)
    first = {symbol: float(bars.close[bars.rows(symbol)][0]) for symbol in bars.symbols}
    book, said = with_default_grid(book, first)
    terms = terms_of_book(book)
    instants = list(bars_in_time(bars, terms.markets))
    opening, more = _opening(held, book, terms, {bar.market: bar.open or bar.close for bar in instants[0]})
    done = Replay.of(terms, policies, None if written is None else written.take)
    assets = _asset_prices(terms)
    if held.accounts is not None:
        more += tuple(f"{asset}: no bars tell its price; accounts that hold it are not valued"
                      for asset in terms.assets if asset not in assets)
    replay_bars(done, track(instants, "bars"), bars.spacing_ns, outside, opening, assets)
    return done, book, (*said, *more)


def _opening(held: _Held, book: LimitBook, terms: VenueTerms, marks: dict[str, int],
             ) -> tuple[list[Body], tuple[str, ...]]:
    from leverline.enforce import opening
    from leverline.enforce.population import Population, draw_population
    from leverline.margin.reading_accounts import read_accounts

    said = () if held.fund is not None else ("insurance fund: empty, as --fund names no amount",)
    made = opening.fund(held.fund or 0.0)
    if held.population is not None:
        spec = Population.shipped() if held.population_file is None else Population.read(held.population_file)
        drawn = draw_population(spec, held.population, held.seed, list(terms.markets.values()), marks)
        bare = sum(account.lots == 0 for account in drawn)
        return made + opening.open_population(drawn, terms.settlement), (
            *said, f"population {spec.name!r}: {len(drawn):,} accounts, {bare:,} of them too small for a position")
    if held.accounts is None:
        raise UsageError("bars are met by accounts", remedy="give either --accounts FILE or --population N")
    table = read_accounts(held.accounts)
    sizes = {symbol: row.contract_size for symbol, row in book.instruments.items()}
    bodies, rounded = opening.open_accounts(table.book, terms, sizes)
    rounding = (f"{rounded} positions rounded to whole lots",) if rounded else ()
    return made + bodies, (*said, *table.warnings, *rounding)


def _asset_prices(terms: VenueTerms) -> dict[str, tuple[str, int]]:
    """Collateral assets whose price a market's bars tell: its base asset's, the first market by name."""
    found: dict[str, tuple[str, int]] = {}
    for symbol, market in terms.markets.items():
        base, value = symbol.partition("/")[0], market.tick * 1_000_000
        if base in terms.assets and value.denominator == 1:
            found.setdefault(base, (symbol, int(value)))
    return found


def _show(document: dict[str, Any]) -> None:
    rows = [(stage, str(row["closings"]), str(row["pools"]), amount(int(row["notional"])), amount(int(row["penalty"])))
            for stage, row in document["liquidations"].items()]
    if rows:
        print_table("Liquidations by stage", ("stage", "closings", "accounts", "notional", "penalty"), rows,
                    align="lrrrr")
    for name, columns in (("fund_path", ("at", "market", "amount", "balance", "why")),
                          ("breaker_log", ("at", "market", "before", "after", "reason"))):
        log = document[name]
        if log:
            print_table(name.replace("_", " ").capitalize(), columns, [
                [amount(int(row[c])) if c in ("amount", "balance") else row[c] for c in columns]
                for row in log[:SHOWN_ROWS]], align="llrrl" if name == "fund_path" else "lllll",
                caption=f"and {len(log) - SHOWN_ROWS:,} more" if len(log) > SHOWN_ROWS else None)
    _say_totals(document)


def _say_totals(document: dict[str, Any]) -> None:
    stands, debt, winners = document["solvency"], document["bad_debt"], document["deleveraged"]
    say(f"{document['events']:,} events until {document['ended_at']}, {sum(document['rejected'].values()):,} rejected; "
        f"{document['margin_calls']:,} margin calls")
    say(f"{'solvent' if stands['solvent'] else 'NOT SOLVENT'}: {stands['pools']:,} accounts, {stands['open_pools']:,} "
        f"still open, equity {amount(int(stands['equity']))} {document['settlement']}")
    say(f"bad debt {amount(int(debt['total']))}: funds paid {amount(int(debt['paid_by_funds']))}, shared "
        f"{amount(int(debt['shared']))} by {debt['sharing_pools']:,} accounts, unpaid {amount(int(debt['unpaid']))}")
    say(f"deleveraged: {winners['pools']:,} accounts, notional {amount(int(winners['notional']))}")
    say(f"state {document['state_hash']}")
