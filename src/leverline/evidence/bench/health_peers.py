"""Other engines beside ours, where they are installed: speed a position, and error on the real Binance ladder.

Each engine is asked, as a user would ask it, whether a long of BTC opened at 60,000 with a tenth of its notional as
margin is below maintenance at a price; the price where the answer turns is compared with the exact one of the venue's
brackets. An engine is given what it can express: tiers without deductions (lrvx), one maintenance rate an instrument
(nautilus_trader), for which we take the rate of the bracket that holds the position at entry.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from fractions import Fraction
from importlib import metadata
from typing import Any

import numpy as np

from leverline.evidence.bench import peer_engines
from leverline.evidence.bench.peer_engines import ENTRY, MARGIN_RATE, SIZES_BTC, Ladder, timed, turning_price
from leverline.ground.errors import require
from leverline.margin.brackets import Brackets, liquidation_price
from leverline.margin.curves import BracketCurve
from leverline.margin.health_sweep import HealthSweep
from leverline.margin.rulebooks.binance_usdm import RULEBOOK
from leverline.margin.rules import MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables
from leverline.margin.valuation import value_accounts
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.market_state import MarketState

SYMBOL = "BTC/USDT:USDT"
TIMEOUT_S = 120.0
"""How long another engine may take to answer."""


def notes() -> dict[str, Any]:
    """By engine: version, nanoseconds a position and error of the liquidation price in basis points by size in BTC."""
    ladder = binance_ladder()
    ours = Ours(ladder)
    found: dict[str, Any] = {
        "ladder": f"Binance {SYMBOL}, October 2024; error of the liquidation price in bp by size in BTC; "
                  "positive is too early",
        "leverline": _note(metadata.version("leverline"), ours.ns_per_position(),
                           [turning_price(ours, size) for size in SIZES_BTC], ladder),
    }
    for name in peer_engines.ENGINES:
        found[name] = asked_apart(name, ladder)
    return found


def asked_apart(name: str, ladder: Ladder) -> dict[str, Any] | str:
    """The note on another engine, which answers in a process of its own; in words where it does not.

    ``LEVERLINE_PEERS_PYTHON`` names the interpreter of an environment that has it; ours where it is not set.
    """
    python = os.environ.get("LEVERLINE_PEERS_PYTHON") or sys.executable
    try:
        child = subprocess.run(  # noqa: S603 - our own module by our own interpreter
            [python, "-P", peer_engines.__file__, name], input=json.dumps(asdict(ladder)), capture_output=True,
            text=True, check=True, timeout=TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        return f"failed: {error.stderr.strip().splitlines()[-1] if error.stderr.strip() else error}"
    except OSError as error:
        return f"no interpreter: {error}"
    except subprocess.TimeoutExpired:
        return f"gave no answer in {TIMEOUT_S:g} s"
    said = json.loads(child.stdout)
    if not said["installed"]:
        return "not installed"
    return _note(said["version"], said["ns_per_position"], said["turning_prices"], ladder)


def _note(version: str, ns_per_position: float, prices: list[float], ladder: Ladder) -> dict[str, Any]:
    return {"version": version, "ns_per_position": round(ns_per_position, 2),
            "error_bp": {f"{size:g}": round(error_bp(ladder, size, price), 2) + 0.0
                         for size, price in zip(SIZES_BTC, prices, strict=True)}}


def error_bp(ladder: Ladder, size: float, price: float) -> float:
    """How far ``price`` stands from the exact liquidation price of ``size`` BTC; positive is too early for a long."""
    brackets = Brackets.from_rates([Fraction(str(f)) for f in ladder.floors], [Fraction(str(r)) for r in ladder.rates])
    cash, quantity, entry = (Fraction(str(x)) for x in (size * ENTRY * MARGIN_RATE, size, ENTRY))
    exact = liquidation_price(cash, quantity, entry, brackets)
    require(exact is not None, "a ladder liquidates a long on a tenth of its notional somewhere", got=ladder)
    return 1e4 * (price / float(exact or 0) - 1.0)


def binance_ladder() -> Ladder:
    """The brackets of our Binance preset."""
    (preset,) = [preset for preset in RULEBOOK.presets if preset.name == SYMBOL]
    figures: dict[str, Any] = dict(preset.figures)
    return Ladder([float(f) for f in figures["notional_floor_usdt"]], figures["maintenance_margin_rate"],
                  figures["maintenance_amount_usdt"])


class Ours:
    """Ours: the full valuation for the error, the sweep for the speed."""

    def __init__(self, ladder: Ladder) -> None:
        curve = BracketCurve(tuple(ladder.floors), tuple(2.0 * rate for rate in ladder.rates), tuple(ladder.rates),
                             tuple(ladder.deductions))
        self._rules = {"": VenueRules("binance", "USDT", {SYMBOL: MarketRules(curve)})}

    def is_below(self, size: float, price: float) -> bool:
        """Whether health is below 0."""
        return bool(value_accounts(self._tables(1, size, price)).pools.health[0] < 0.0)

    def ns_per_position(self) -> float:
        """CPU nanoseconds a position of the sweep."""
        sweep = HealthSweep(self._tables(peer_engines.ACCOUNTS, 1.0, ENTRY))
        return timed(lambda mark: sweep.health(np.array([mark])), peer_engines.ACCOUNTS)

    def _tables(self, accounts: int, size: float, price: float) -> MarginTables:
        one_each, first = np.arange(accounts + 1, dtype=np.int32), np.zeros(accounts, dtype=np.uint32)
        book = AccountBook(
            (Market("", SYMBOL),), (Asset("", "USDT"),),
            Pools.of(Pool("", str(i), "", str(i), Mode.CROSS, "") for i in range(accounts)),
            one_each, first, np.full(accounts, size), np.full(accounts, ENTRY),
            one_each, first, np.full(accounts, size * ENTRY * MARGIN_RATE))
        return margin_tables(book, self._rules, MarketState.of({SYMBOL: price}))
