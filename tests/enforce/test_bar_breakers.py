"""Breakers on bars: which of them one source can feed, and what they then do in a replay."""

from __future__ import annotations

from fractions import Fraction

import pytest

from leverline.enforce.bar_breakers import settings_for_bars
from leverline.enforce.bar_points import PriceBar
from leverline.enforce.breaker_terms import SECOND_NS, breaker_terms
from leverline.enforce.effects import Breaker
from leverline.enforce.events import Body, Deposit, Fill, OpenPool
from leverline.enforce.outside_market import OutsideMarket
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.replaying import Replay, replay_bars
from leverline.enforce.terms import VenueTerms
from leverline.enforce.venue import OUTSIDE_MARKET
from leverline.ground.errors import UsageError
from leverline.model.accounts import Mode
from tests.enforce.worlds import ANN, BTC, market

MINUTE_NS = 60 * SECOND_NS


def replayed(closes: list[tuple[int, int]], settings: dict[str, float] | None, cash: int = 10**9,
             lows: dict[int, int] | None = None) -> Replay:
    """One long account through minutes that are flat but for their close, (minute, ticks), and ``lows`` by minute."""
    breakers = None if settings is None else breaker_terms(settings_for_bars(settings, MINUTE_NS))
    done = Replay.of(VenueTerms("a book", "USDT", {BTC: market(BTC)}, {}, breakers), LEVERLINE)
    bars = []
    for (at, price), (_, before) in zip(closes, [closes[0], *closes], strict=False):
        low = (lows or {}).get(at, min(price, before))
        bars.append([PriceBar(BTC, at * MINUTE_NS, before, max(price, before), low, price, 1e-3, 1e12)])
    opening: list[Body] = [OpenPool(ANN, "ann", Mode.CROSS), Deposit(ANN, "USDT", cash),
                           Fill(BTC, ANN, OUTSIDE_MARKET, 100, 10_000)]
    replay_bars(done, bars, MINUTE_NS, OutsideMarket(1.0), opening, {})
    return done


def levels(done: Replay) -> list[Breaker]:
    return [step.after for _, step in done.tally.breaker_log]


def test_quiet_minutes_trip_nothing() -> None:
    """A breaker that needs three sources would halt every replay of bars from its first minute to its last."""
    done = replayed([(i, 10_000 + i % 3) for i in range(30)], {})
    assert levels(done) == []
    assert done.venue.state.markets[BTC].mark == 10_002


def test_a_jump_is_held_until_it_stood() -> None:
    """One wick of a fifth would liquidate everybody whom the next minute finds safe."""
    flat, wick = [(i, 10_000) for i in range(10)], {5: 8_000}
    seen, blind = replayed(flat, {}, 22 * 10**6, wick), replayed(flat, None, 22 * 10**6, wick)
    assert Breaker.HALTED in levels(seen)
    assert (seen.tally.margin_calls, blind.tally.margin_calls) == (0, 1)
    assert blind.tally.stages
    assert not seen.tally.stages


def test_a_fall_that_stands_is_believed_and_stops_new_risk() -> None:
    """A breaker that never believes a fall makes the bad debt that it was to prevent."""
    done = replayed([(i, 10_000 if i < 5 else 8_500) for i in range(20)], {})
    assert done.venue.state.markets[BTC].mark == 8_500
    assert levels(done)[:2] == [Breaker.HALTED, Breaker.REDUCE_ONLY]
    assert levels(done)[-1] is Breaker.NORMAL


def test_missing_minutes_are_an_outage() -> None:
    """Bars with a hole would be traded through as if somebody had seen a price in it."""
    done = replayed([(i, 10_000) for i in (0, 1, 2, 20, 21, 22)], {})
    first = done.tally.breaker_log[0]
    assert (first[1].after, first[1].reason) == (Breaker.HALTED, "no valid price: stale")
    assert 4 * MINUTE_NS < first[0] < 7 * MINUTE_NS


def test_bars_slower_than_the_average_are_refused() -> None:
    """On hourly bars a price band of five minutes sees nothing, and says that nothing was to be seen."""
    with pytest.raises(UsageError, match="at most 1200 s"):
        settings_for_bars({}, 3_600 * SECOND_NS)
    with pytest.raises(UsageError, match="no breakers"):
        settings_for_bars(None, MINUTE_NS)
    kept = breaker_terms(settings_for_bars({"move": 0.05, "quorum": 3, "opening_quorum": 4}, MINUTE_NS))
    assert kept is not None
    assert (kept.quorum, kept.opening_quorum, kept.move_ppm, kept.latency_ns, kept.growth_ppm) == (1, 1, 50_000, 0, 0)
    assert kept.margin_age_ns == 3 * MINUTE_NS
    assert Fraction(kept.average_ns, SECOND_NS) == 300
