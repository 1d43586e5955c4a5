"""A replay for the pages' tests: one market that falls through an account, a fund, a breaker that trips and resets."""

from __future__ import annotations

from typing import Any

from leverline.enforce.effects import Breaker, BreakerTransition
from leverline.enforce.events import Body, Deposit, Fill, FundInsurance, OpenPool, OracleUpdate, PoolKey, TimePassed
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.replay_document import replay_document
from leverline.enforce.replaying import Replay
from leverline.model.accounts import Mode
from tests.enforce.worlds import BTC, SECOND, market, terms

START = 1_700_000_000 * SECOND
HALTED_FROM, HALTED_TO = START + 2 * SECOND, START + 30 * SECOND
PRICES = (100_000, 99_000, 91_000, 60_000, 80_000)


def crashed(name: str = "ann", symbol: str = BTC) -> Replay:
    """``name`` is long against ``bob`` and is taken past bankruptcy by prices twenty seconds apart."""
    replay = Replay.of(terms(market(symbol)), LEVERLINE)
    ann, bob = PoolKey(name), PoolKey("bob")
    bodies: list[Body] = [OracleUpdate(symbol, "one", PRICES[0], 0, START), FundInsurance("", 50_000_000)]
    bodies += [OpenPool(pool, pool.account, Mode.CROSS) for pool in (ann, bob)]
    bodies += [Deposit(ann, "USDT", 120_000_000), Deposit(bob, "USDT", 900_000_000),
               Fill(symbol, ann, bob, 100, PRICES[0])]
    for body in bodies:
        replay.must(START, body)
    for place, price in enumerate(PRICES[1:], start=1):
        ts_ns = START + 20 * place * SECOND
        replay.must(ts_ns, OracleUpdate(symbol, "one", price, 0, ts_ns))
        replay.must(ts_ns + 15 * SECOND, TimePassed())
    replay.tally.breaker_log += [
        (HALTED_FROM, BreakerTransition(symbol, Breaker.NORMAL, Breaker.HALTED, "jump held")),
        (HALTED_TO, BreakerTransition(symbol, Breaker.HALTED, Breaker.NORMAL, "the cause is gone"))]
    return replay


def document_of(replay: Replay, **more: Any) -> dict[str, Any]:
    """The document as the command line completes it."""
    return {**replay_document(replay), "venue": "leverline", "population": None, "seed": None,
            "notes": ["tick defaulted to 0.1"], **more}
