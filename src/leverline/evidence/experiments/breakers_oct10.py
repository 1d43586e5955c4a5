"""One market of 2025-10-10, two venues' minutes: how long the breakers held it, and what that avoided and caused.

AVAX is the one coin that the shared minute sample has twice: as a coin-margined contract, whose book emptied (6.61),
and as spot elsewhere (17.64). The venue simulated here lists it at leverages from 3 to 20, everybody long since 19:00;
a forced sale is filled at the *spot* low of the next minute if its limit allows, and handed on by the waterfall
otherwise. Without breakers the venue believes its own contract alone, or spot alone; with them both are its eyes, and
each breaker is also switched off in turn. With two sources a quarrel is a halt: that is the price of having two.

The sample is one day; false alarms are counted in calm months of the other bars
(:mod:`~leverline.evidence.experiments.calm_alarms`), of one source each, and before 19:00 of this day of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from leverline import __version__
from leverline.enforce.breaker_accounting import Run, cost_of, seconds_at
from leverline.enforce.breaker_terms import SECOND_NS, SWITCHES, BreakerTerms
from leverline.enforce.effects import Breaker, Effect, Rejected
from leverline.enforce.events import (
    Body,
    Deposit,
    Event,
    Fill,
    FundInsurance,
    LiquidationFill,
    OpenPool,
    OracleUpdate,
    PoolKey,
    TimePassed,
)
from leverline.enforce.terms import MarketTerms, TierTerms, VenueTerms
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from leverline.evidence.experiments.calm_alarms import SOURCES, Alarms, calm_alarms, poisson_interval
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.errors import InsufficientDataError, require
from leverline.ground.files import sha256
from leverline.model.accounts import Mode

PATHS = "oct10_2025_m1_sample.parquet"
MARKET, TICKS_PER_ONE = "AVAX/USDT:USDT", 1_000
CONTRACT, SPOT = "AVAXUSD_PERP", "AVAX-USD"
ENTRY_HOUR = 19
LEVERAGES = (3, 5, 8, 10, 15, 20)
ACCOUNTS = 60
LOTS = 1_000  # of 0.1 coin, each account
FUND = 20_000 * 10**6  # units
SLOWEST_CLAIM_S = 300
MOST_ALARMS = 1.0
"""False alarms a market and calm month: a breaker that trips more often is switched off by its operators."""
EYES = BreakerTerms(margin_age_ns=180 * SECOND_NS, opening_age_ns=180 * SECOND_NS, quorum=2, opening_quorum=2)
"""Defaults but for what minute bars of two venues force: ages of three bars, and a quorum of two for opening too.

With 90 s for opening, tried first, every minute that one venue has no trade in was an alarm: 26 before 19:00.
"""


@dataclass(frozen=True, slots=True)
class Minute:
    """Known at ``ts_ns``: both closes and the spot low of the minute before, ticks."""

    ts_ns: int
    contract: int
    spot: int
    spot_low: int


def run(folder: Path) -> Experiment:
    """Replay the day under every variant."""
    path = folder / PATHS
    missing = [name for name in (PATHS, *(source.file for source in SOURCES)) if not (folder / name).is_file()]
    if missing:
        raise InsufficientDataError(f"{', '.join(missing)} not in {folder}", remedy="name the folder that has them")
    minutes = read_minutes(path)
    under = replay(minutes, EYES, (CONTRACT, SPOT))
    runs = {"breakers": under, "contract alone": replay(minutes, None, (CONTRACT,)),
            "spot alone": replay(minutes, None, (SPOT,)),
            **{f"without {name}": replay(minutes, EYES.without(name), (CONTRACT, SPOT)) for name in SWITCHES}}
    entry = _entry(minutes)
    spent = seconds_at(under, MARKET, minutes[entry].ts_ns, minutes[-1].ts_ns)
    order = list(Breaker)
    alarms = sum(ts < minutes[entry].ts_ns and order.index(t.after) > order.index(t.before) for ts, t in under.log)
    costs = [cost_of(name, under, other) for name, other in runs.items() if other is not under]
    variants = tuple({"variant": name, "bad_debt_usd": other.total / 1e6, "liquidation_orders": other.orders,
                      "transitions": len(other.log)} for name, other in runs.items())
    details: tuple[dict[str, Any], ...] = (
        *({"against": c.breaker, "avoided_usd": c.avoided / 1e6, "caused_usd": c.caused / 1e6} for c in costs),
        {"seconds_at": {level.value: seconds for level, seconds in spent.items()}, "alarms_before_entry": alarms},
        *({"at": datetime.fromtimestamp(ts // SECOND_NS, UTC).isoformat(), "to": t.after.value, "reason": t.reason}
          for ts, t in under.log))
    longest = _longest_halt_s(under, minutes[-1].ts_ns)
    bound = (EYES.longest_halt_ns + 71 * SECOND_NS) / SECOND_NS
    worst = max(runs["contract alone"].total, runs["spot alone"].total) / 1e6
    calm = calm_alarms(folder)
    rows = (
        *_calm_rows(calm),
        Row("bad debt with breakers, USD", under.total / 1e6, f"<= {worst:.6g}, the costlier of one source alone",
            "none", under.total / 1e6 <= worst),
        Row("longest halt, s", longest, f"<= {bound:.6g}", "a minute bar", longest <= bound),
    )
    return Experiment("breakers-oct10", rows,
                      {"version": __version__, "accounts": ACCOUNTS, "leverages": list(LEVERAGES),
                       "fund_usd": FUND / 1e6,
                       "files": {PATHS: sha256(path)} | {s.file: sha256(folder / s.file) for s in SOURCES}},
                      (*variants, *map(_calm_details, calm), *details))


def _calm_rows(calm: Sequence[Alarms]) -> Iterator[Row]:
    """What bars that breakers can look at must show; hourly ones are told without a claim."""
    for alarms in calm:
        if alarms.spacing_s <= SLOWEST_CLAIM_S:
            low, high = poisson_interval(alarms.count, alarms.months)
            yield Row(f"false alarms a calm market-month, {alarms.spacing_s} s bars", alarms.count / alarms.months,
                      f"interval {low:.3f} to {high:.3f}", f"upper end <= {MOST_ALARMS:g}", high <= MOST_ALARMS)
            yield Row(f"bad debt caused in calm months, {alarms.spacing_s} s bars, USD", alarms.caused / 1e6,
                      f"{alarms.avoided / 1e6:.6g} avoided", "<= avoided", alarms.caused <= alarms.avoided)


def _calm_details(alarms: Alarms) -> dict[str, Any]:
    low, high = poisson_interval(alarms.count, alarms.months)
    return {"calm_bars_s": alarms.spacing_s, "market_months": round(alarms.months, 2), "markets": len(alarms.markets),
            "alarms": alarms.count, "by_breaker": dict(sorted(alarms.by_breaker.items())), "interval_95": [low, high],
            "stretches_replayed": alarms.stretches, "avoided_usd": alarms.avoided / 1e6,
            "caused_usd": alarms.caused / 1e6}


def read_minutes(path: Path) -> list[Minute]:
    """Minutes that both venues have, in order."""
    bars = pl.read_parquet(path).select("market", "ts", "low", "close")
    contract = bars.filter(pl.col("market") == CONTRACT).select("ts", contract="close")
    both = bars.filter(pl.col("market") == SPOT).join(contract, on="ts").sort("ts")
    at = both["ts"].dt.timestamp("ms") * 10**6 + 60 * SECOND_NS
    return [Minute(ts, round(c * TICKS_PER_ONE), round(s * TICKS_PER_ONE), round(low * TICKS_PER_ONE))
            for ts, c, s, low in zip(at, both["contract"], both["close"], both["low"], strict=True)]


def replay(minutes: list[Minute], breakers: BreakerTerms | None, sources: tuple[str, ...]) -> Run:
    """One venue through the day."""
    tiers = (TierTerms(0, 50_000, 25_000, 0),)
    market = MarketTerms(MARKET, Fraction(1, TICKS_PER_ONE), Fraction(1, 10), 100, tiers, None, None, None, None, None,
                         5_000, None, None)
    teller = _Teller(Venue(VenueTerms("breakers-oct10", "USDT", {MARKET: market}, {}, breakers)), Run())
    teller.say(minutes[0].ts_ns, FundInsurance("", FUND))
    entry = _entry(minutes)
    for index, minute in enumerate(minutes):
        for number in sorted(teller.venue.state.room("orders")):
            order = teller.venue.state.room("orders").get(number)
            if order is not None and order.market == MARKET and minute.spot_low >= order.limit:
                teller.say(minute.ts_ns, LiquidationFill(number, OUTSIDE_MARKET, order.lots, minute.spot_low))
        for source in sources:
            price = minute.contract if source == CONTRACT else minute.spot
            teller.say(minute.ts_ns, OracleUpdate(MARKET, source, price, 0, minute.ts_ns))
        if index == entry:
            _enter(teller, minute)
        teller.say(minute.ts_ns + 11 * SECOND_NS, TimePassed())
    teller.run.end(teller.venue)
    return teller.run


@dataclass(slots=True)
class _Teller:
    """Numbers events and keeps the account of their effects."""

    venue: Venue
    run: Run

    def say(self, ts_ns: int, body: Body) -> Sequence[Effect]:
        seq = self.venue.state.seq + 1
        effects = self.venue.apply(Event(seq, ts_ns, str(seq), body))
        taken = not any(isinstance(effect, Rejected) for effect in effects)
        require(taken, "the replay says only what the venue takes", got=effects)
        self.run.note(ts_ns, effects)
        return effects


def _enter(teller: _Teller, minute: Minute) -> None:
    """Everybody buys at the spot close, with the margin that the leverage asks for."""
    for i in range(ACCOUNTS):
        key = PoolKey(f"account {i}")
        teller.say(minute.ts_ns, OpenPool(key, key.account, Mode.CROSS))
        notional = LOTS * minute.spot * 100
        teller.say(minute.ts_ns, Deposit(key, "USDT", -(-notional // LEVERAGES[i % len(LEVERAGES)])))
        teller.say(minute.ts_ns, Fill(MARKET, key, OUTSIDE_MARKET, LOTS, minute.spot))


def _entry(minutes: list[Minute]) -> int:
    """The first minute of the entry hour."""
    return next(i for i, m in enumerate(minutes)
                if datetime.fromtimestamp(m.ts_ns // SECOND_NS, UTC).hour == ENTRY_HOUR)


def _longest_halt_s(under: Run, end_ns: int) -> float:
    longest, since = 0, None  # ns
    for ts_ns, transition in under.log:
        if since is not None:
            longest, since = max(longest, ts_ns - since), None
        if transition.after.value == "halted":
            since = ts_ns
    return max(longest, 0 if since is None else end_ns - since) / SECOND_NS
