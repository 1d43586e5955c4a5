"""What is kept of a long run for the eye: bounded, with every extreme, and true where it is whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce import tallying
from leverline.enforce.course import BUCKETS, Course, ThinnedPath
from leverline.enforce.events import FundInsurance, OracleUpdate
from leverline.enforce.margining import standing
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.replaying import Replay
from leverline.enforce.tallying import FundStep, Tally, _joined
from tests.enforce.worlds import ANN, BOB, BTC, SECOND, World, terms

walks = st.lists(st.integers(-5, 5), max_size=300)


def walked(steps: list[int], kept: int) -> tuple[ThinnedPath, list[tuple[int, int]]]:
    """A path and, as (time, value), the changes that went in."""
    path, whole, value = ThinnedPath(kept), list[tuple[int, int]](), 0
    for ts, step in enumerate(steps):
        value += step
        path.add(ts, value)
        if not whole or whole[-1][1] != value:
            whole.append((ts, value))
    return path, whole


@given(steps=walks, kept=st.integers(1, 8))
def test_a_thinned_path_keeps_ends_and_extremes_and_stays_small(steps: list[int], kept: int) -> None:
    """The picture of a crash would lose its bottom, or a long log would fill the memory."""
    path, whole = walked(steps, kept)
    points = [(point.ts_ns, point.value) for point in path.points()]
    assert len(points) <= 8 * kept
    assert path.changes == len(whole)
    assert set(points) <= set(whole)
    assert [ts for ts, _ in points] == sorted(ts for ts, _ in points)
    if whole:
        assert (points[0], points[-1]) == (whole[0], whole[-1])
        for extreme in (min, max):
            assert extreme(v for _, v in points) == extreme(v for _, v in whole)


@given(steps=walks)
def test_a_short_path_is_whole(steps: list[int]) -> None:
    """A picture of a few changes would leave some out."""
    path, whole = walked(steps, 300)
    assert [(point.ts_ns, point.value) for point in path.points()] == whole
    assert path.stride == 1


@given(steps=st.lists(st.tuples(st.sampled_from(["", BTC]), st.integers(-9, 9).filter(bool)), max_size=200),
       most=st.integers(1, 16))
def test_joined_steps_of_funds_still_add_up(steps: list[tuple[str, int]], most: int) -> None:
    """The path of the fund would not lead to its balance once it is long."""
    balance = {"": 0, BTC: 0}
    rows = []
    for ts, (market, amount) in enumerate(steps):
        balance[market] += amount
        rows.append(FundStep(ts, market, amount, balance[market], "penalties"))
    joined = _joined(rows, most)
    assert sum(row.changes for row in joined) == len(rows)
    for market in balance:
        of_market = [row for row in joined if row.market == market]
        so_far = 0
        for row in of_market:
            so_far += row.amount
            assert row.balance == so_far
        assert sum(row.changes > most for row in of_market) == 0


def test_the_path_of_a_busy_fund_is_bounded() -> None:
    """A run of millions of penalties would keep a row for each."""
    replay = Replay.of(terms(), LEVERLINE)
    most = tallying.MOST_FUND_STEPS
    for second in range(2 * most + 500):
        replay.send(second * SECOND, FundInsurance("", 1 + second))
    path = replay.tally.fund_path
    assert len(path) <= 2 * most
    assert sum(step.changes for step in path) == 2 * most + 500
    assert path[-1].balance == replay.venue.state.ledger.balance("fund", "USDT") == sum(step.amount for step in path)


def test_underwater_accounts_are_found_where_calls_stand() -> None:
    """An account with negative equity would not be counted because nobody had called it."""
    world = World.of()
    for key in (ANN, BOB):
        world.open(key, 200 * 10**6)
    course, tally = Course(), Tally()
    world.price(BTC, 100_000)
    world.trade(ANN, BOB, 100, 100_000)
    for price in (99_000, 92_000, 60_000, 99_000, 100_000):
        effects = world.price(BTC, price, after_s=1.0)
        tally.count(world.venue.state, world.log[-1], effects)
        course.follow(world.venue.state, world.log[-1], effects, tally)
        state = world.venue.state
        under = sum(standing(state, pool).equity < 0 and bool(state.positions.lots[pool])
                    for pool, record in enumerate(state.pools) if not record.external)
        assert course.underwater_pools.points()[-1].value == under
    assert max(point.value for point in course.underwater_pools.points()) > 0


def test_counting_of_accounts_grows_rarer() -> None:
    """Counting every account at each of a million prices would take longer than the venue itself."""
    replay = Replay.of(terms(), LEVERLINE)
    for second in range(3 * BUCKETS):
        replay.send(second * SECOND, OracleUpdate(BTC, "one", 100_000 + second % 7, 0, second * SECOND))
    assert replay.course.accounts_every == 2

