"""From a replay to what its page shows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from leverline.enforce.course import ThinnedPath
from leverline.enforce.effects import Breaker, Stage
from leverline.enforce.replaying import Replay
from leverline.enforce.tallying import solvency
from leverline.model.quantities import UNITS_PER_ONE
from leverline.report.replay.content import Interruption, PricePicture, ReplayPicture, Steps

MOST_MARKETS = 6
"""Markets whose price is drawn: those with most closed."""
MOST_FUNDS = 5
MOST_INTERRUPTIONS = 100
"""Shaded stretches of one price: the longest."""


def picture_of(replay: Replay) -> ReplayPicture:
    """The course of a run that has ended."""
    state, course, tally = replay.venue.state, replay.course, replay.tally
    end, stands = state.now_ns, solvency(state)
    start = end if course.started_ns is None else course.started_ns
    drawn = sorted(course.marks, key=lambda symbol: (-tally.closed_in[symbol], symbol))
    prices = tuple(PricePicture(symbol, _steps(symbol, course.marks[symbol], end,
                                               float(state.terms.markets[symbol].tick)),
                                _interruptions(replay, symbol)) for symbol in drawn[:MOST_MARKETS])
    closed = [_steps(stage.value, course.stages[stage], end, 1 / UNITS_PER_ONE, start) for stage in Stage
              if stage in course.stages]
    funds = [_steps(market or "shared", path, end, 1 / UNITS_PER_ONE, start) for market, path in sorted(
        course.funds.items())]
    lost = tally.fund_paid + tally.loss_shared + stands.unpaid
    return ReplayPicture(
        state.terms.settlement, start, end, prices, tuple(drawn[MOST_MARKETS:]), tuple(closed),
        tuple(sorted(funds, key=lambda fund: -fund.value.max())[:MOST_FUNDS]),
        _steps("bad debt", course.bad_debt, end, 1 / UNITS_PER_ONE, start, lost),
        _steps("deleveraged", course.deleveraged, end, 1 / UNITS_PER_ONE, start),
        _steps("open", course.open_pools, end, 1.0, None, stands.open_pools),
        _steps("underwater", course.underwater_pools, end, 1.0, None, stands.underwater_pools), course.accounts_every)


def _steps(name: str, path: ThinnedPath, end_ns: int, unit: float, start_ns: int | None = None,
           last: int | None = None) -> Steps:
    """A path to the end of the run, where it is ``last`` or what it came to; from 0 at ``start_ns`` where that is."""
    points = [(point.ts_ns, point.value) for point in path.points()]
    if start_ns is not None:
        points.insert(0, (start_ns, 0))
    elif len(points) > 1 and points[0][1] == 0:
        points = points[1:]  # nobody was there before the accounts were opened
    ending = last if last is not None else points[-1][1] if points else 0
    points.append((end_ns, ending))
    return Steps(name, np.array([ts for ts, _ in points], np.int64), unit * np.array([v for _, v in points], float),
                 path.changes, path.stride)


def _interruptions(replay: Replay, symbol: str) -> tuple[Interruption, ...]:
    """When the market, or the venue as a whole, was not in normal operation: the longest, in order of time."""
    found = [part for name in (symbol, "") for part in _of_one(replay, name)]
    longest = sorted(found, key=lambda part: part.start_ns - part.end_ns)[:MOST_INTERRUPTIONS]
    return tuple(sorted(longest, key=lambda part: part.start_ns))


def _of_one(replay: Replay, name: str) -> Iterable[Interruption]:
    since: tuple[int, Breaker, str] | None = None
    log = [(ts_ns, step.after, step.reason) for ts_ns, step in replay.tally.breaker_log if step.market == name]
    for ts_ns, after, reason in (*log, (replay.venue.state.now_ns, Breaker.NORMAL, "")):
        if since is not None:
            yield Interruption(since[0], ts_ns, since[1], since[2])
        since = None if after is Breaker.NORMAL else (ts_ns, after, reason)
