"""The only place that parses a venue's symbol.

Inside leverline a symbol is an opaque key. Where a unified symbol is wanted it has ccxt's form: ``BASE/QUOTE`` (spot),
``BASE/QUOTE:SETTLE`` (perpetual), with ``-YYMMDD`` (future) and ``-YYMMDD-STRIKE-C`` (option).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from leverline.ground.errors import UsageError, refuse, require
from leverline.model.instrument import Instrument, Kind, Payoff

_UNIFIED = re.compile(
    r"(?P<base>[A-Za-z0-9.$]+)/(?P<quote>[A-Za-z0-9.$]+)"
    r"(?::(?P<settle>[A-Za-z0-9.$]+)(?:-(?P<expiry>\d{6})(?:-(?P<strike>\d+(?:\.\d+)?)-(?P<right>[CP]))?)?)?",
    re.ASCII,
)
_EXPIRY_HOUR = 8
"""Deribit, Binance, OKX and Bybit all settle dated contracts at 08:00 UTC; the symbol names the day only."""
_PERPETUAL_SUFFIX = re.compile(r"[-_/]?(?:PERP|SWAP)$", re.IGNORECASE)
_MAX_MAP_ROWS = 100_000


def parse_unified(symbol: str) -> Instrument:
    """The instrument a unified symbol names; refuses other forms. Dated contracts expire at 08:00 UTC."""
    match = _UNIFIED.fullmatch(symbol)
    if match is None:
        raise UsageError(f"{symbol!r} is not a unified symbol",
                         remedy="write BTC/USDT, BTC/USDT:USDT, BTC/USDT:USDT-261225 or BTC/USD:BTC-261225-100000-C")
    base, quote, settle, expiry, strike = match.group("base", "quote", "settle", "expiry", "strike")
    if settle is None:
        return Instrument(symbol=symbol, kind=Kind.SPOT, settlement_asset=quote)
    if settle not in (base, quote):
        raise UsageError(f"{symbol!r} settles in {settle}, neither base nor quote: quanto contracts are not known here")
    return Instrument(
        symbol=symbol,
        kind=Kind.OPTION if strike else Kind.FUTURE if expiry else Kind.PERPETUAL,
        payoff=Payoff.LINEAR if settle == quote else Payoff.INVERSE,
        settlement_asset=settle,
        expiry=_expiry(symbol, expiry) if expiry else None,
        strike=float(strike) if strike else None,
    )


def is_unified(symbol: str) -> bool:
    """True where :func:`parse_unified` reads ``symbol``."""
    try:
        parse_unified(symbol)
    except UsageError:
        return False
    return True


def _expiry(symbol: str, day: str) -> datetime:
    try:
        return datetime.strptime(day, "%y%m%d").replace(hour=_EXPIRY_HOUR, tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"{symbol!r} expires on a day that does not exist: {day}") from error


@dataclass(frozen=True, slots=True)
class SymbolNaming:
    """How input symbols become unified ones: an explicit ``mapping`` first, else ``quote`` and ``kind`` together.

    With quote USDT and kind perpetual, ``BTCUSDT``, ``BTC_USDT``, ``BTC-USDT-SWAP`` and ``BTC`` all become
    ``BTC/USDT:USDT``. A symbol that is unified already, or that only a mapping could name, comes out as it came in.
    """

    quote: str | None = None
    kind: Kind | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require((self.quote is None) == (self.kind is None), "--quote and --kind go together",
                remedy="for example --quote USDT --kind perpetual")
        require(self.quote is None or re.fullmatch(r"[A-Z0-9]{2,12}", self.quote) is not None,
                "a quote is an asset in capitals", got=self.quote)
        require(self.kind is not Kind.OPTION, "an option's symbol cannot be derived", remedy="use --symbol-map FILE")

    def unified(self, symbol: str) -> str:
        """The unified form of one input symbol."""
        if symbol in self.mapping:
            return self.mapping[symbol]
        if self.quote is None or self.kind is None or is_unified(symbol):
            return symbol
        text = symbol.upper() if symbol.islower() else symbol
        return self._of_future(symbol, text) if self.kind is Kind.FUTURE else self._of_undated(symbol, text)

    def unify(self, symbols: Iterable[str]) -> dict[str, str]:
        """Input symbol -> unified symbol, in order; refuses two inputs that would become one."""
        taken: dict[str, str] = {}
        out = {}
        for symbol in symbols:
            name = self.unified(symbol)
            if taken.setdefault(name, symbol) != symbol:
                refuse(f"symbols {taken[name]!r} and {symbol!r} both become {name!r}", file=None, column="symbol",
                       remedy="keep one of them, or name both in --symbol-map FILE")
            out[symbol] = name
        return out

    def _of_undated(self, symbol: str, text: str) -> str:
        stem = _PERPETUAL_SUFFIX.sub("", text)
        base = self._base(symbol, stem)
        if self.kind is Kind.SPOT:
            return _checked(symbol, f"{base}/{self.quote}")
        # Binance names coin-margined perpetuals BTCUSD_PERP; its linear ones carry no suffix.
        inverse = self.quote == "USD" and text.endswith("USD_PERP")
        return _checked(symbol, f"{base}/{self.quote}:{base if inverse else self.quote}")

    def _of_future(self, symbol: str, text: str) -> str:
        stem, _, day = text.rpartition("_" if "_" in text else "-")
        if not re.fullmatch(r"\d{6}", day):
            raise UsageError(f"{symbol!r} does not name its expiry", remedy="write BTCUSDT_261225, or use --symbol-map")
        base = self._base(symbol, stem)
        settle = base if self.quote == "USD" else self.quote
        return _checked(symbol, f"{base}/{self.quote}:{settle}-{day}")

    def _base(self, symbol: str, stem: str) -> str:
        base, *named = re.split(r"[-_/:]", stem)
        if not named and self.quote and base.upper().endswith(self.quote) and len(base) > len(self.quote):
            base = base[: -len(self.quote)]
        if not base or any(part and part.upper() != self.quote for part in named):
            raise UsageError(f"{symbol!r} is not quoted in {self.quote}", remedy="use --symbol-map FILE for it")
        return base


def _checked(symbol: str, name: str) -> str:
    if not is_unified(name):
        raise UsageError(f"{symbol!r} cannot be named", remedy="use --symbol-map FILE for it")
    return name


def read_symbol_map(path: Path) -> dict[str, str]:
    """Input symbol -> unified symbol from a CSV with columns ``from,to``; refuses doubles and other forms."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"cannot be read: {error}", file=path.name)
    reader = csv.reader(io.StringIO(text))
    if next(reader, None) != ["from", "to"]:
        refuse("a symbol map has the columns from,to", file=path.name)
    mapping: dict[str, str] = {}
    for row, cells in enumerate(reader, start=1):
        if row > _MAX_MAP_ROWS:
            refuse(f"more than {_MAX_MAP_ROWS} rows", file=path.name)
        if len(cells) != 2 or not all(cells):
            refuse("a row has two filled cells", file=path.name, row=row)
        if cells[0] in mapping:
            refuse(f"{cells[0]!r} is mapped twice", file=path.name, row=row, column="from")
        if not is_unified(cells[1]):
            refuse(f"{cells[1]!r} is not a unified symbol", file=path.name, row=row, column="to",
                   remedy="write it like BTC/USDT:USDT")
        mapping[cells[0]] = cells[1]
    return mapping
