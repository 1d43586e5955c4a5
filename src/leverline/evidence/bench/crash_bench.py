"""A gap of -20 % through the full waterfall at 100,000 accounts: one event, from the price to readiness for the next.

Longs of one market with leverage log-uniform between 1 and 20 and maintenance of half a per cent, so that 47 of 100 are
liquidated; 100 makers without leverage hold half of the other side, the outside market the rest. Nine tenths of what
must be sold is taken at the oracle's price less a fee, the rest by the makers at bankruptcy prices; the fund pays half
of the debts and everybody with equity shares the other half. Margin calls, effects, redrawn bands and the columns that
the next crash will read are counted in.

The other engine gets the same accounts, prices, rates and fund in a process of its own; it sells all at the mark, and
closes whole winners where the fund is empty.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from leverline.enforce import cash
from leverline.enforce.effect_batch import Closings, EffectBatch
from leverline.enforce.effects import Effect
from leverline.enforce.events import Event, OracleUpdate, PoolKey
from leverline.enforce.ledger import OUTSIDE, SHARED_FUND
from leverline.enforce.oracle_sale import OracleSale
from leverline.enforce.policy_presets import LEVERLINE_ORACLE
from leverline.enforce.positions import trade
from leverline.enforce.state import OUTSIDE_POOL, PoolRecord
from leverline.enforce.terms import MarketTerms, TierTerms, VenueTerms
from leverline.enforce.venue import COLUMNS_FROM, Venue
from leverline.evidence.bench import crash_peer
from leverline.evidence.bench.rows import ROUNDS, BenchRow
from leverline.ground.errors import require
from leverline.model.accounts import Mode

ROWS = ("crash-liquidation", "crash-liquidation-rate", "crash-scaling", "crash-exact", "crash-compile")
BASELINE = "lrvx: the same accounts, prices, maintenance rate and insurance fund, deleveraging switched on"
SYMBOL = "BTC/USDT:USDT"
ACCOUNTS, MAKERS = 100_000, 100
ENTRY, AFTER = 600_000, 480_000
"""Ticks of 0.1 USDT: a gap of -20 %."""
MOST_LEVERAGE = 20.0
MAINTENANCE_PPM, FEE_PPM, PENALTY_PPM = 5_000, 5_000, 1_000
TAKEN_BY_BOOK, PAID_BY_FUND = 0.9, 0.5
UNITS_A_LOT_AND_TICK = 100
SEED = 11
TIMEOUT_S = 600.0


def rows() -> list[BenchRow]:
    """CPU seconds of the crash and ratio; liquidations a CPU second; growth with accounts; the exact path."""
    compiled = crash(1_000)[0]
    small = [crash(ACCOUNTS // 10)[0] for _ in range(ROUNDS)]
    large, cut = [], 0
    for _ in range(ROUNDS):
        seconds, effects = crash(ACCOUNTS)
        large.append(seconds)
        cut = liquidated(effects)
    ours = float(np.median(large))
    exact, one_by_one = crash(ACCOUNTS, columns_from=None)
    require(list(one_by_one) == list(effects), "both paths give the same effects", got=(len(one_by_one), len(effects)))
    theirs = asked_apart(ACCOUNTS)
    note = {"accounts": ACCOUNTS, "liquidated": cut, "effects": len(effects), "lrvx": theirs}
    is_there = isinstance(theirs, dict)
    return [
        BenchRow("crash-liquidation", ours, "CPU s", BASELINE if is_there else None,
                 theirs["seconds"] / ours if isinstance(theirs, dict) else None, notes=note),
        BenchRow("crash-liquidation-rate", cut / ours, "liquidations / CPU s"),
        BenchRow("crash-scaling", ours / float(np.median(small)), f"CPU s at {ACCOUNTS:,} accounts / CPU s at a tenth"),
        BenchRow("crash-exact", exact, "CPU s, one effect at a time", "the same crash in columns", ours / exact),
        BenchRow("crash-compile", max(0.0, compiled - float(np.median(small)) / 10), "CPU s, first crash only"),
    ]


def crash(accounts: int, *, columns_from: int | None = COLUMNS_FROM) -> tuple[float, Sequence[Effect]]:
    """CPU seconds of the one event, and its effects."""
    venue = crowded(accounts, columns_from)
    event = Event(venue.state.seq + 1, 1, "gap", OracleUpdate(SYMBOL, "one", AFTER, 0, 1))
    gc.collect()
    started = time.process_time()
    effects = venue.apply(event)
    used = time.process_time() - started
    require(columns_from is None or isinstance(effects, EffectBatch), "the crash goes in columns", got=len(effects))
    return used, effects


def liquidated(effects: Sequence[Effect]) -> int:
    """Pools that were sold at the oracle's price or against the makers."""
    assert isinstance(effects, EffectBatch)  # noqa: S101 - asked of our own path
    closed = [table.pool for table in effects.tables if isinstance(table, Closings)]
    return int(np.unique(np.concatenate(closed)).size)


def crowded(accounts: int, columns_from: int | None) -> Venue:
    """The venue before the gap, its bands drawn."""
    lots, money = drawn(accounts)
    makers = max(1, accounts * MAKERS // ACCOUNTS)
    sold = int(lots[leverage(accounts) > 1.0 / (1.0 - AFTER / ENTRY)].sum())
    capacity = int(TAKEN_BY_BOOK * sold) * AFTER * UNITS_A_LOT_AND_TICK
    sale = OracleSale(FEE_PPM, capacity)
    policies = replace(LEVERLINE_ORACLE, closing_stages=(sale, *LEVERLINE_ORACLE.closing_stages[1:]))
    venue = Venue(book(), policies, columns_from=columns_from)
    state, keep = venue.state, venue.state.undo.keep
    cash.new_pool(state, PoolRecord(PoolKey("maker 0"), "maker 0", Mode.CROSS, ""))
    for i in range(1, makers):
        cash.new_pool(state, PoolRecord(PoolKey(f"maker {i}"), f"maker {i}", Mode.CROSS, ""))
    state.markets[SYMBOL] = replace(state.markets[SYMBOL], mark=ENTRY)
    state.ledger.move(OUTSIDE, SHARED_FUND, "USDT", fund(accounts))
    for i, (size, amount) in enumerate(zip(lots.tolist(), money.tolist(), strict=True)):
        pool = cash.new_pool(state, PoolRecord(PoolKey(f"long {i}"), f"long {i}", Mode.CROSS, ""))
        maker = 1 + i % makers
        state.ledger.move(OUTSIDE, pool, "USDT", amount)
        state.ledger.move(OUTSIDE, maker, "USDT", size * ENTRY * UNITS_A_LOT_AND_TICK // 2)
        trade(state, SYMBOL, pool, maker, size - size // 2, ENTRY)
        if size > 1:
            trade(state, SYMBOL, pool, OUTSIDE_POOL, size // 2, ENTRY)
        keep()
    venue.watch.accepted(state, range(len(state.pools)))
    return venue


def book() -> VenueTerms:
    """One market: lots of 0.001 BTC, ticks of 0.1 USDT, one tier."""
    tiers = (TierTerms(0, 2 * MAINTENANCE_PPM, MAINTENANCE_PPM, 0),)
    one = MarketTerms(SYMBOL, Fraction(1, 10), Fraction(1, 1000), UNITS_A_LOT_AND_TICK, tiers, None, None, None, None,
                      None, PENALTY_PPM, None, None)
    return VenueTerms("a crash", "USDT", {SYMBOL: one}, {})


@cache
def leverage(accounts: int) -> Any:
    """Notional at entry over cash of each account."""
    return MOST_LEVERAGE ** np.random.default_rng(SEED).random(accounts)


@cache
def drawn(accounts: int) -> tuple[Any, Any]:
    """(lots, cash in units) of each account; the same for the same number of them."""
    lots = np.random.default_rng(SEED + 1).integers(100, 2_000, accounts)
    return lots, (lots * ENTRY * UNITS_A_LOT_AND_TICK / leverage(accounts)).astype(np.int64)


def fund(accounts: int) -> int:
    """Units: what pays a half of what the accounts past bankruptcy owe at the price of the sale."""
    lots, money = drawn(accounts)
    loss = lots * UNITS_A_LOT_AND_TICK * (ENTRY - AFTER * (1 - FEE_PPM / 1e6))
    return int(PAID_BY_FUND * TAKEN_BY_BOOK * np.maximum(0.0, loss - money).sum())


def asked_apart(accounts: int) -> dict[str, Any] | str:
    """What the other engine says and takes; in words where it does not answer."""
    lots, money = drawn(accounts)
    makers = max(1, accounts * MAKERS // ACCOUNTS)
    half = np.bincount(np.arange(accounts) % makers, lots - lots // 2, makers)
    asked = {"entry": ENTRY / 10, "after": AFTER / 10, "rate": MAINTENANCE_PPM / 1e6, "fund": fund(accounts) / 1e6,
             "rounds": ROUNDS, "size": [*(lots / 1e3).tolist(), *(-half / 1e3).tolist()],
             "equity": [*(money / 1e6).tolist(), *(half / 1e3 * ENTRY / 10).tolist()]}
    python = os.environ.get("LEVERLINE_PEERS_PYTHON") or sys.executable
    try:
        child = subprocess.run(  # noqa: S603 - our own module by our own interpreter
            [python, "-P", crash_peer.__file__], input=json.dumps(asked), capture_output=True, text=True, check=True,
            timeout=TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        return f"failed: {error.stderr.strip().splitlines()[-1] if error.stderr.strip() else error}"
    except OSError as error:
        return f"no interpreter: {error}"
    except subprocess.TimeoutExpired:
        return f"gave no answer in {TIMEOUT_S:g} s"
    said: dict[str, Any] = json.loads(child.stdout)
    return said if said.pop("installed") else "not installed"
