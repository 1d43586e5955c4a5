"""Other margin engines, asked in a process of their own: ``python peer_engines.py NAME``.

Some of them cannot be loaded beside our compiler or installed beside what we need. This file therefore imports nothing
of ours and runs under any interpreter: it reads the question as one JSON document on stdin (a ladder) and prints the
answer as another (version, nanoseconds a position, the price at which each size turns).
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from importlib import metadata
from typing import Any, Protocol

ENTRY, MARGIN_RATE = 60_000.0, 0.1
"""What every position is opened at, and the share of its notional that is posted."""
SIZES_BTC = (0.5, 10.0, 100.0, 500.0)
ACCOUNTS, TICKS = 10_000, 200
"""Of the timing: accounts with one position of 1 BTC each, and marks that liquidate none of them."""


@dataclass(frozen=True)
class Ladder:
    """A venue's brackets: floors in USDT, maintenance rates, and deductions in USDT."""

    floors: list[float]
    rates: list[float]
    deductions: list[float]


class Engine(Protocol):
    """What is asked of every engine."""

    def is_below(self, size: float, price: float) -> bool:
        """Whether a long of ``size`` BTC from ``ENTRY`` on ``MARGIN_RATE`` is below maintenance at ``price``."""

    def ns_per_position(self) -> float:
        """CPU nanoseconds a position and mark, nobody being liquidated."""


def turning_price(engine: Engine, size: float) -> float:
    """The highest price at which a long of ``size`` BTC is below maintenance, by bisection from entry downwards."""
    safe, below = ENTRY, ENTRY * 0.5
    for _ in range(40):
        middle = 0.5 * (safe + below)
        safe, below = (safe, middle) if engine.is_below(size, middle) else (middle, below)
    return below


def timed(tick: Callable[[float], object], positions: int) -> float:
    """CPU nanoseconds a position of ``tick``, over marks that wander by a few units about entry."""
    marks = [ENTRY + 10.0 * math.sin(k) for k in range(TICKS)]
    tick(ENTRY)
    started = time.process_time()
    for mark in marks:
        tick(mark)
    return 1e9 * (time.process_time() - started) / (positions * TICKS)


class Lrvx:
    """lrvx: tiers of a minimum notional and a rate on the whole notional."""

    def __init__(self, ladder: Ladder) -> None:
        import lrvx

        self._lrvx, self._ladder = lrvx, ladder

    def is_below(self, size: float, price: float) -> bool:
        engine = self._engine(1, size)
        engine.on_mark(1, price)
        return bool(engine.liquidations_count())

    def ns_per_position(self) -> float:
        engine = self._engine(ACCOUNTS, 1.0)
        return timed(lambda mark: engine.on_mark(1, mark), ACCOUNTS)

    def _engine(self, accounts: int, size: float) -> Any:
        engine = self._lrvx.LiquidationEngine()
        engine.set_adl_enabled(False)
        for floor, rate in zip(self._ladder.floors, self._ladder.rates, strict=True):
            engine.add_tier(floor, rate)
        for account in range(accounts):
            engine.open_position(account + 1, 1, size, ENTRY, size * ENTRY * MARGIN_RATE)
        return engine


class Nautilus:
    """nautilus_trader: one maintenance rate an instrument; we give it that of the bracket that holds the position."""

    def __init__(self, ladder: Ladder) -> None:
        import nautilus_trader.accounting.margin_models
        import nautilus_trader.model.currencies
        import nautilus_trader.model.enums
        import nautilus_trader.model.identifiers
        import nautilus_trader.model.instruments
        import nautilus_trader.model.objects

        self._model, self._ladder = nautilus_trader.model, ladder
        self._margin = nautilus_trader.accounting.margin_models.StandardMarginModel()

    def is_below(self, size: float, price: float) -> bool:
        asked = self._maintenance(self._instrument(size), size, price).as_double()
        return bool(size * ENTRY * MARGIN_RATE + size * (price - ENTRY) < asked)

    def ns_per_position(self) -> float:
        instrument = self._instrument(1.0)
        return timed(lambda mark: self._maintenance(instrument, 1.0, mark), 1)

    def _maintenance(self, instrument: Any, size: float, price: float) -> Any:
        objects = self._model.objects
        return self._margin.calculate_margin_maint(
            instrument, self._model.enums.PositionSide.LONG, objects.Quantity(size, 3), objects.Price(price, 6),
            Decimal(1))

    def _instrument(self, size: float) -> Any:
        rate = max(rate for floor, rate in zip(self._ladder.floors, self._ladder.rates, strict=True)
                   if floor <= size * ENTRY)
        names, objects, currencies = self._model.identifiers, self._model.objects, self._model.currencies
        return self._model.instruments.CryptoPerpetual(
            instrument_id=names.InstrumentId.from_str("BTCUSDT-PERP.BINANCE"), raw_symbol=names.Symbol("BTCUSDT"),
            base_currency=currencies.BTC, quote_currency=currencies.USDT, settlement_currency=currencies.USDT,
            is_inverse=False, price_precision=6, size_precision=3, price_increment=objects.Price(1e-6, 6),
            size_increment=objects.Quantity(1e-3, 3), ts_event=0, ts_init=0,
            margin_maint=Decimal(str(rate)))


ENGINES: dict[str, Callable[[Ladder], Engine]] = {"lrvx": Lrvx, "nautilus_trader": Nautilus}


def answer(name: str, ladder: Ladder) -> dict[str, Any]:
    """What the engine ``name`` says about ``ladder``; ``installed`` false where it is not here."""
    if importlib.util.find_spec(name) is None:
        return {"installed": False}
    engine = ENGINES[name](ladder)
    return {"installed": True, "version": metadata.version(name), "ns_per_position": engine.ns_per_position(),
            "turning_prices": [turning_price(engine, size) for size in SIZES_BTC]}


if __name__ == "__main__":
    json.dump(answer(sys.argv[1], Ladder(**json.load(sys.stdin))), sys.stdout)
