"""Options that several verbs share, and the parsing of lists, spans and instants."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leverline.ground.errors import UsageError

if TYPE_CHECKING:
    from leverline.calibrate.beside_bars import BesideBars
    from leverline.calibrate.line_inputs import LineInputs
    from leverline.margin.rules import VenueRules
    from leverline.market.bars import Bars
    from leverline.market.symbols import SymbolNaming
    from leverline.model import RiskAppetite

MIN_SPAN_S, MAX_SPAN_S = 1.0, 36_525 * 86_400.0
_SPAN_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}

BarFiles = Annotated[list[Path], typer.Argument(help="Bars: CSV, Parquet, or Binance klines (CSV, zip).")]
Symbols = Annotated[str | None, typer.Option(help="Only these symbols, separated by commas.")]
Profile = Annotated[str | None, typer.Option(help="Risk appetite that ships: exchange, perp-dex or ccp (the default).")]
Appetite = Annotated[Path | None, typer.Option(help="Risk appetite from a TOML file.")]
Quote = Annotated[str | None, typer.Option(help="Quote asset of the input's symbols, with --kind.")]
KindOption = Annotated[
    str | None, typer.Option("--kind", help="spot, perpetual or future: names symbols in unified form.")
]
SymbolMap = Annotated[Path | None, typer.Option(help="CSV with columns from,to that renames symbols.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse times without a zone and other doubts.")]
Method = Annotated[str | None, typer.Option(help="Loss model; `leverline backtest --method help` lists them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def parse_list(text: str | None) -> list[str] | None:
    """``A,B`` as a list; None stays None, an empty name is refused."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"{text!r} is not a list separated by commas")
    return names


def parse_span(text: str, option: str) -> float:
    """``90s``, ``30m``, ``8h``, ``1d`` or ``1w`` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    seconds = float(match[1]) * _SPAN_SECONDS[match[2]] if match else 0.0
    if not MIN_SPAN_S <= seconds <= MAX_SPAN_S:
        raise UsageError(f"{option} {text!r} is not a span between a second and a century",
                         remedy="write 30m, 8h or 1d")
    return seconds


def parse_seconds(text: str, option: str) -> float:
    """Seconds as a number, or a span such as ``5m``; positive."""
    try:
        seconds = float(text)
    except ValueError:
        return parse_span(text, option)
    if not 0.0 < seconds <= MAX_SPAN_S:
        raise UsageError(f"{option} {text!r} is not a span up to a century", remedy="write 60, 5m or 1d")
    return seconds


def parse_spans(text: str, option: str) -> tuple[float, ...]:
    """A list of spans in seconds, in the order given."""
    return tuple(dict.fromkeys(parse_span(part, option) for part in text.split(",")))


def parse_confidences(text: str) -> tuple[float, ...]:
    """``0.99,0.995`` as numbers in (0, 1)."""
    try:
        levels = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"--confidence {text!r} is not a list of fractions", remedy="write 0.99,0.995") from None
    return levels


def parse_as_of(text: str | None, option: str) -> int | None:
    """An instant in ns UTC; None stays None."""
    from leverline.market.times import parse_instant

    return None if text is None else parse_instant(text, name=option)


def read_appetite(profile: str | None, appetite: Path | None) -> RiskAppetite:
    """The appetite that the options name; ``ccp`` where they name none."""
    from leverline.model import RiskAppetite

    if profile is not None and appetite is not None:
        raise UsageError("--profile and --appetite exclude each other")
    return RiskAppetite.read(appetite) if appetite is not None else RiskAppetite.profile(profile or "ccp")


def naming_of(quote: str | None, kind: str | None, symbol_map: Path | None) -> SymbolNaming:
    """How the options say that symbols are named."""
    from leverline.market.symbols import SymbolNaming, read_symbol_map
    from leverline.model import Kind

    if kind is not None and kind not in list(Kind):
        raise UsageError(f"--kind {kind!r} is unknown", remedy=f"choose one of {', '.join(Kind)}")
    return SymbolNaming(quote=quote, kind=Kind(kind) if kind else None,
                        mapping=read_symbol_map(symbol_map) if symbol_map else {})


def load_bars(
    files: list[Path], *, symbols: str | None, naming: SymbolNaming, strict: bool, until_ns: int | None = None
) -> Bars:
    """Read, name and select bars as the options say; rules look no further than ``until_ns``."""
    from leverline.market.reading import read_bars

    return read_bars(files, strict=strict, naming=naming, symbols=parse_list(symbols), until_ns=until_ns)


def load_rules(limits: list[str], venues: list[str]) -> dict[str, VenueRules]:
    """Rules by the venue they hold for out of ``[VENUE=]FILE`` (limit books) and ``[VENUE=]NAME`` (presets).

    A book without a venue holds for accounts that name none. A preset without one holds for the venue of its own name,
    and where it is the only one and there is no such book, for accounts that name none.
    """
    from leverline.margin.limits import rules_of_book
    from leverline.margin.presets.registry import venue_rules
    from leverline.model import LimitBook
    from leverline.model.accounts import NO_VENUE

    if not limits and not venues:
        raise UsageError("there are no limits to check against", remedy="name --limits FILE or --venue NAME")
    found: dict[str, VenueRules] = {}
    presets = [(venue, venue_rules(name)) for venue, name in map(_for_venue, venues)]
    books = [(venue, rules_of_book(LimitBook.read(Path(file)), venue or Path(file).name))
             for venue, file in map(_for_venue, limits)]
    for venue, rules in (*books, *((venue or rules.name, rules) for venue, rules in presets)):
        if venue in found:
            raise UsageError(f"limits for {venue or 'accounts without a venue'} are given twice",
                             remedy="write VENUE= before each, as the accounts name it")
        found[venue] = rules
    unnamed = [rules for venue, rules in presets if not venue]
    if len(unnamed) == 1:
        found.setdefault(NO_VENUE, unnamed[0])
    return found


def _for_venue(text: str) -> tuple[str, str]:
    """``VENUE=REST`` apart; a file whose own name has an equals sign is taken for one."""
    venue, sign, rest = text.partition("=")
    return ("", text) if not sign or Path(text).is_file() else (venue, rest)


def writable_target(path: Path | None, option: str) -> None:
    """Refuse a target that cannot be a file before work is spent on it."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder", remedy="name a file")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise UsageError(f"{option} {path}: {above} is not a folder", remedy="choose another place")


def writable_targets(targets: dict[str, Path | None], inputs: list[Path]) -> None:
    """Refuse targets (by option) that cannot be files, are one file, or would overwrite an input."""
    taken = {path.resolve(): f"the input {path}" for path in inputs}
    for option, path in targets.items():
        writable_target(path, option)
        if path is not None:
            if path.resolve() in taken:
                raise UsageError(f"{option} {path} is also {taken[path.resolve()]}", remedy="name another file")
            taken[path.resolve()] = option


def load_beside(
    books: list[Path], implied: list[Path], marks: list[Path], naming: SymbolNaming, *, strict: bool
) -> BesideBars:
    """Read what is known beside the bars; each file's format shows in its columns."""
    from leverline.calibrate.beside_bars import BesideBars
    from leverline.market.describing import format_of
    from leverline.market.reading import read_bars
    from leverline.market.sources.depth_bands import read_bands
    from leverline.market.sources.level2 import read_level2
    from leverline.market.sources.series_files import read_series

    by_format: dict[str, list[Path]] = {}
    for path in books:
        by_format.setdefault(format_of(path), []).append(path)
    wrong = [name for name in by_format if name not in ("level2", "bands")]
    if wrong:
        raise UsageError(f"--books takes level-2 snapshots or depth bands; {by_format[wrong[0]][0].name} is {wrong[0]}")
    snapshots = read_level2(by_format["level2"], strict=strict, naming=naming) if "level2" in by_format else ()
    bands = read_bands(by_format["bands"], strict=strict, naming=naming) if "bands" in by_format else ()
    index = read_series(implied, "implied-volatility", strict=strict, naming=naming) if implied else ()
    return BesideBars({b.symbol: b for b in snapshots}, {b.symbol: b for b in bands}, {s.symbol: s for s in index},
                      read_bars(marks, strict=strict, naming=naming) if marks else None)


def load_known(assets: Path | None, accounts: Path | None, fund: float | None) -> LineInputs:
    """What the user knows beside market data; files of assets and accounts, the fund in settlement currency."""
    from leverline.calibrate.collateral import NO_INPUTS
    from leverline.calibrate.line_inputs import LineInputs, read_assets
    from leverline.margin.reading_accounts import read_accounts

    if fund is not None and not 0.0 <= fund < float("inf"):
        raise UsageError(f"--fund {fund:g} is no amount", remedy="give what the fund holds, zero if nothing")
    held = None if accounts is None else read_accounts(accounts)
    pledged, value, file = (NO_INPUTS, {}, None) if assets is None else read_assets(assets)
    files = tuple(each for each in (file, None if held is None else held.file) if each is not None)
    return LineInputs(collateral=pledged, market_value=value, accounts=held, fund=fund, files=files)
