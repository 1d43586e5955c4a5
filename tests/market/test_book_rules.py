"""The named rules for books that cannot be what the market held."""

from __future__ import annotations

import numpy as np
import pytest

from leverline.market.book_rules import (
    FROZEN_SIDE_S,
    FROZEN_WHOLE_S,
    BookLedger,
    Levels,
    reach,
    sound_levels,
    stands_against_trades,
)
from leverline.market.books import BookSnapshots
from tests.market.books import START_NS

SECOND = 1_000_000_000


def moving(n: int = 200, levels: int = 5, step: float = 0.5) -> tuple[Levels, np.ndarray]:
    """A book of tick 1 around a mid that wanders, every size anew each second."""
    rng = np.random.default_rng(2)
    mid = 1_000 + np.round(np.cumsum(step * rng.standard_normal(n)))
    depth = np.arange(levels)
    bid, ask = mid[:, None] - 1 - depth, mid[:, None] + 1 + depth
    sizes = 1 + rng.random((2, n, levels))
    levels_of = Levels(bid.astype(np.float64), sizes[0], ask.astype(np.float64), sizes[1])
    return levels_of, START_NS + SECOND * np.arange(n, dtype=np.int64)


def judged(levels: Levels, ts: np.ndarray) -> tuple[Levels, np.ndarray, BookLedger]:
    ledger = BookLedger("A", ts, lambda _: "book.csv")
    sound, kept = sound_levels(levels, ts, ledger)
    assert (sound.bid_price[:, 0] < sound.ask_price[:, 0]).all()
    return sound, kept, ledger


def struck(ledger: BookLedger) -> dict[str, int]:
    return {rule: number for rule, number in ledger.counts.items() if number}


def test_a_live_book_passes() -> None:
    """Rules that strike a live book throw real depth away."""
    levels, ts = moving()
    sound, kept, ledger = judged(levels, ts)
    assert kept.size == ts.size
    assert not struck(ledger)
    np.testing.assert_array_equal(sound.bid_price, levels.bid_price)


def test_a_crossed_snapshot_is_dropped_alone() -> None:
    """Walking a crossed book gives a profit for liquidating."""
    levels, ts = moving()
    levels.bid_price[50] += 4
    _, kept, ledger = judged(levels, ts)
    assert struck(ledger) == {"crossed-book": 1}
    assert set(range(200)) - set(kept.tolist()) == {50}


@pytest.mark.parametrize("slide", [-80.0, 80.0])
def test_a_ghost_is_taken_out_and_the_live_levels_stay(slide: float) -> None:
    """A dead order far from the market would be the best price to liquidate into, or hide the rest of its side."""
    levels, ts = moving()
    drift = np.where(np.arange(200) < 100, 0.0, slide)[:, None]
    side, size = (levels.bid_price, levels.bid_size) if slide < 0 else (levels.ask_price, levels.ask_size)
    ghost = float(side[99, 0])
    levels.bid_price[:] += drift
    levels.ask_price[:] += drift
    live = side.copy()
    side[99:, 1:], size[99:, 1:] = side[99:, :-1].copy(), size[99:, :-1].copy()
    side[99:, 0], size[99:, 0] = ghost, 17.65
    side[99, 1:] = side[99, 1:] + (-1 if slide < 0 else 1)
    sound, kept, ledger = judged(levels, ts)
    assert set(struck(ledger)) == {"ghost-level"}
    assert kept.size == 200
    cleaned = sound.bid_price if slide < 0 else sound.ask_price
    np.testing.assert_array_equal(cleaned[101:, 0], live[101:, 0])
    assert "17.65" in ledger.findings[0].detail


def test_a_ghost_between_bids_and_asks_that_have_parted_stays_one() -> None:
    """A dead bid alone in a wide spread would be the mark of a market that has left it."""
    levels, ts = moving()
    late = (np.arange(200) >= 100)[:, None]
    ghost = float(levels.bid_price[99, 0])
    levels.bid_price[:] -= 80.0 * late
    levels.ask_price[:] += 60.0 * late
    for column, dead in ((levels.bid_price, ghost), (levels.bid_size, 17.65)):
        column[100:, 1:] = column[100:, :-1].copy()
        column[99:, 0] = dead
    sound, kept, ledger = judged(levels, ts)
    assert struck(ledger) == {"ghost-level": 100}
    assert kept.size == 200
    assert (sound.bid_price[100:, 0] < ghost - 40).all()


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_side_that_stands_still_while_the_other_moves_is_frozen(side: str) -> None:
    """A dead half of a feed would be believed for as long as it does not cross."""
    levels, ts = moving(step=0.0)
    for name in (f"{side}_price", f"{side}_size"):
        column = getattr(levels, name)
        column[100:] = column[100]
    _, kept, ledger = judged(levels, ts)
    first = 100 + int(FROZEN_SIDE_S) + 1
    assert struck(ledger) == {"frozen-book": 200 - first}
    assert kept.tolist() == list(range(first))


def test_a_book_in_which_nothing_moves_is_dead_only_after_long() -> None:
    """A quiet minute of a small market is no fault; ten are a dead feed."""
    levels, ts = moving(n=700, step=0.0)
    for column in (levels.bid_price, levels.bid_size, levels.ask_price, levels.ask_size):
        column[:] = column[0]
    _, kept, ledger = judged(levels, ts)
    assert kept.size == int(FROZEN_WHOLE_S) + 1
    assert set(struck(ledger)) == {"frozen-book"}


def test_a_book_that_stands_still_while_trades_print_is_named() -> None:
    """Prints prove that the market moved; a book that did not is an old picture of it."""
    levels, ts = moving(n=100, step=0.0)
    for column in (levels.bid_price, levels.bid_size, levels.ask_price, levels.ask_size):
        column[:] = column[0]
    book = BookSnapshots("A", ts, levels.bid_price, levels.bid_size, levels.ask_price, levels.ask_size)
    assert not stands_against_trades(book, np.array([ts[0]])).any()
    assert np.flatnonzero(stands_against_trades(book, np.array([ts[50]]))).tolist() == list(range(50, 100))


def test_a_snapshot_with_one_side_is_dropped() -> None:
    """A book without bids has no mid."""
    levels, ts = moving(n=20)
    levels.bid_price[7] = np.nan
    levels.bid_size[7] = np.nan
    _, kept, ledger = judged(levels, ts)
    assert struck(ledger) == {"one-sided-book": 1}
    assert 7 not in kept


def test_no_snapshot_is_judged_by_what_comes_after() -> None:
    """A rule that looks ahead cleans history in a way that nobody could have at the time."""
    levels, ts = moving()
    levels.bid_price[60] += 4
    levels.ask_price[100:], levels.ask_size[100:] = levels.ask_price[100], levels.ask_size[100]
    _, whole, _ = judged(levels, ts)
    for cut in (61, 101, 130, 140, 199):
        _, part, _ = judged(levels.take(np.arange(cut)), ts[:cut])
        np.testing.assert_array_equal(part, whole[whole < cut])


def test_reach_is_the_distance_of_the_deepest_level() -> None:
    """Whoever walks a book has to know where it ends."""
    found = reach(Levels(np.array([[99.0, 98.0, np.nan]]), np.ones((1, 3)), np.array([[101.0, 102.0, 105.0]]),
                         np.ones((1, 3))))
    assert found.bid_bp[0] == pytest.approx(200.0)
    assert found.ask_bp[0] == pytest.approx(500.0)
