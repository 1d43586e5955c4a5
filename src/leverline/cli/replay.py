"""``leverline replay``: a venue under given limits, moved by recorded events or by bars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leverline.cli import options
from leverline.cli.printing import amount, emit_json, note, print_table, say
from leverline.ground.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from leverline.enforce.bar_replay import Crowd
    from leverline.enforce.journaled_replay import JournaledReplay
    from leverline.enforce.policies import VenuePolicies
    from leverline.enforce.replaying import Replay, Sink
    from leverline.model import LimitBook

EVENT_SUFFIXES = (".jsonl", ".ndjson")
OUTPUTS = ("events.jsonl", "effects.jsonl", "limits.json", "replay.json", "report.html")
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
    breakers: Annotated[bool, typer.Option("--breakers", help="With bars: the book's, as far as bars allow.")] = False,
    start: Annotated[str | None, typer.Option(help="With bars: the first opens at or after this time.")] = None,
    end: Annotated[str | None, typer.Option(help="With bars: the last closes at or before this time.")] = None,
    venue: Annotated[str, typer.Option(help="Whose liquidation and waterfall.")] = "leverline",
    out: Annotated[Path | None, typer.Option(help="Folder for events, effects, limits, result and page.")] = None,
    journal: Annotated[
        Path | None, typer.Option(help="Make every event durable here; broken off, the same command goes on.")
    ] = None,
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
    inputs = [*files, limits, *(path for path in (accounts, population_file, symbol_map) if path is not None)]
    _check_targets(out, journal, inputs)
    policies, book = _policies(venue), LimitBook.read(limits)
    said: tuple[str, ...] = ()
    with _logs(out) as sink, _journaled(journal, venue) as kept:
        if recorded:
            of_bars = (accounts, population, population_file, fund, start, end, symbols, quote, kind, symbol_map)
            if len(files) > 1 or at_limit or breakers or strict or any(option is not None for option in of_bars):
                raise UsageError("one file of events is replayed, and says everything itself",
                                 remedy="leave out the options for bars")
            done = _replay_events(recorded[0], book, policies, sink, kept)
        else:
            crowd = _crowd(accounts, population, population_file, seed, fund)
            begin, finish = options.parse_as_of(start, "--start"), options.parse_as_of(end, "--end")
            from leverline.enforce.bar_replay import run_bars

            bars = options.load_bars(files, symbols=symbols, naming=options.naming_of(quote, kind, symbol_map),
                                     strict=strict)
            ran = run_bars(bars, book, policies, crowd, None if at_limit else impact, sink, begin, finish,
                           None if kept is None else kept.attach, breakers)
            done, book, said = ran.replay, ran.book, ran.notes
        if kept is not None:
            _finish(kept)
        document = {**replay_document(done), "venue": venue, "population": population,
                    "seed": seed if population else None, "notes": list(said)}
        if out is not None:
            _write(out, done, book, document)
    for line in said:
        note(f"note: {line}")
    if as_json:
        emit_json(document)
    else:
        show_replay(document)


def _check_targets(out: Path | None, journal: Path | None, inputs: list[Path]) -> None:
    """Refuse a folder that cannot be one, or files that would overwrite what is read, before work is spent on it."""
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file", remedy="name a folder")
    if journal is not None and not journal.absolute().parent.is_dir():
        raise UsageError(f"--journal {journal}: there is no such folder", remedy="make it first")
    outputs = {f"--out's {name}": out / name for name in OUTPUTS} if out is not None else {}
    options.writable_targets({**outputs, "--journal": journal}, inputs)


def _journaled(journal: Path | None, venue: str) -> AbstractContextManager[JournaledReplay | None]:
    from contextlib import nullcontext

    from leverline.enforce.journaled_replay import JournaledReplay

    return nullcontext() if journal is None else JournaledReplay(journal, venue)


def _finish(kept: JournaledReplay) -> None:
    """The last commit, before anything is shown."""
    kept.finish()
    if kept.found:
        note(f"note: {kept.path}: {kept.found:,} events were there already, and are this run's")
    if kept.snapshot_failure is not None:
        note(f"note: {kept.path}: no snapshot: {kept.snapshot_failure}")


def _logs(out: Path | None) -> AbstractContextManager[Sink | None]:
    from contextlib import nullcontext

    from leverline.enforce.event_log import writing_logs

    return nullcontext() if out is None else writing_logs(out)


def _write(out: Path, done: Replay, book: LimitBook, document: dict[str, Any]) -> None:
    import json

    from leverline.ground.files import write_text
    from leverline.report.replay_page import write_replay_page

    book.write(out / "limits.json")
    write_text(out / "replay.json", json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
    write_replay_page(done, document, out / "report.html")


def _crowd(accounts: Path | None, population: int | None, population_file: Path | None, seed: int,
           fund: float | None) -> Crowd:
    from leverline.enforce.bar_replay import Crowd
    from leverline.enforce.population import LARGEST_POPULATION

    if (accounts is None) == (population is None):
        raise UsageError("bars are met by accounts", remedy="give either --accounts FILE or --population N")
    if population_file is not None and population is None:
        raise UsageError("--population-file goes with --population")
    if population is not None and not 0 < population <= LARGEST_POPULATION:
        raise UsageError(f"--population {population:,}: a population has 1 to {LARGEST_POPULATION:,} accounts")
    if seed < 0:  # the generator takes it for its absolute value
        raise UsageError(f"--seed {seed}: a seed is not negative")
    return Crowd(accounts, population or 0, population_file, seed, fund)


def _policies(name: str) -> VenuePolicies:
    from leverline.enforce.policy_presets import PRESETS

    if name not in PRESETS:
        raise UsageError(f"--venue {name!r} is unknown", remedy=f"choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _replay_events(path: Path, book: LimitBook, policies: VenuePolicies, sink: Sink | None,
                   kept: JournaledReplay | None) -> Replay:
    from leverline.enforce.event_log import replay_log
    from leverline.enforce.replaying import Replay
    from leverline.enforce.terms import terms_of_book

    done = Replay.of(terms_of_book(book), policies, sink)
    if kept is not None:
        kept.attach(done, book)
    replay_log(done, path)
    return done


def show_replay(document: dict[str, Any]) -> None:
    """The stages, the funds, the breakers and the verdict of a ``leverline.replay/1`` document, for people."""
    rows = [(stage, str(row["closings"]), str(row["pools"]), amount(int(row["notional"])), amount(int(row["penalty"])))
            for stage, row in document["liquidations"].items()]
    if rows:
        print_table("Liquidations by stage", ("stage", "closings", "accounts", "notional", "penalty"), rows,
                    align="lrrrr")
    path, log = document["fund_path"], document["breaker_log"]
    largest = sorted(range(len(path)), key=lambda place: -abs(int(path[place]["amount"])))[:SHOWN_ROWS]
    if path:
        print_table("Insurance funds", ("at", "market", "amount", "balance", "why"), [
            (row["at"], row["market"] or "shared", amount(int(row["amount"])), amount(int(row["balance"])), row["why"])
            for row in (path[place] for place in sorted(largest))], align="llrrl",
            caption=f"the largest {SHOWN_ROWS} of {len(path):,}" if len(path) > SHOWN_ROWS else None)
    if log:
        print_table("Breakers", ("at", "market", "before", "after", "reason"), [
            (row["at"], row["market"] or "all", row["before"], row["after"], row["reason"])
            for row in log[:SHOWN_ROWS]], align="lllll",
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
