"""Young listings in a limit book: a rate from the first week where there are peers, and nobody else's rate moved."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.market.bars import Bars
from leverline.model import RiskAppetite
from tests.calibrate.beside import listed_late
from tests.calibrate.markets import Market, bars_of
from tests.calibrate.test_requirement import changed

CCP = RiskAppetite.profile("ccp")
OLD = tuple(f"OLD{k}" for k in range(8))


def bars_with(days: int | None, old: int = 8, **young: object) -> Bars:
    """``old`` markets of differing volatility and, unless None, one that has traded for ``days``."""
    markets = [Market(name, seed=10 + k, daily_volatility=0.02 + 0.005 * k, volume=1e6 / (k + 1))
               for k, name in enumerate(OLD[:old])]
    if days is None:
        return bars_of(*markets)
    return listed_late(bars_of(*markets, replace(Market("YOUNG", seed=77), **young)), {"YOUNG": days})  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def made_with(days: int | None, cold_start: bool = True) -> Calibration:
    """One calibration of each, since several tests look at it."""
    return calibrate_book(bars_with(days), CCP, cold_start=cold_start)


def warning_of(made: Calibration) -> str:
    (line,) = (w for w in made.book.provenance.warnings if w.startswith("too young for the loss model"))
    return line


@pytest.mark.parametrize("days", [5, 60, 200])
def test_a_young_listing_gets_a_rate_and_says_whose_tail_it_is(days: int) -> None:
    """A coin that trades today would have no limit for a year, or one that seems measured on itself."""
    made = made_with(days)
    (market,) = (m for m in made.markets if m.symbol == "YOUNG")
    assert market.own_weight is not None
    assert 0.0 <= market.own_weight < 1.0
    own = f"{market.own_weight:.2f}"
    assert warning_of(made) == (
        f"too young for the loss model, tail pooled with peers: YOUNG (own {own}, peers {1 - market.own_weight:.2f})")
    assert made.skipped == ()
    rates = [t.maintenance_margin_rate for t in market.limits.tiers]
    olds = [made.book.instruments[name].tiers[0].maintenance_margin_rate for name in OLD]
    assert min(olds) * 0.5 < rates[0] < 4 * max(olds)
    assert rates == sorted(rates)
    assert all(m.own_weight is None for m in made.markets if m.symbol != "YOUNG")


def test_a_listing_grows_out_of_its_peers() -> None:
    """A coin of seven months would still be judged as one of the first week."""
    weights = [m.own_weight for days in (5, 60, 200) for m in made_with(days).markets if m.own_weight is not None]
    assert len(weights) == 3
    assert weights == sorted(set(weights))
    assert not any("too young" in w for w in made_with(None).book.provenance.warnings)


def test_without_cold_start_the_young_are_left_out_with_their_reason() -> None:
    """A venue that does not want pooled rates would get them all the same."""
    made = made_with(60, cold_start=False)
    assert made.skipped == (("YOUNG", "60 days of bars since its listing, more than 284 are needed"),)
    assert not any("too young" in w for w in made.book.provenance.warnings)


def test_fewer_than_five_peers_are_no_pool() -> None:
    """Four coins would stand for all that trade."""
    made = calibrate_book(bars_with(60, old=4), CCP)
    assert made.skipped == (("YOUNG", "60 days of bars since its listing, more than 284 are needed"),)
    assert [s for s, _ in calibrate_book(bars_with(60, old=5), CCP).skipped] == []


@pytest.mark.parametrize("tools", [{}, {"stress_weight": 0.25}], ids=["none", "stress weight"])
def test_a_young_listing_moves_nobody_elses_limits(tools: dict[str, float]) -> None:
    """Listing a coin would change the margin of every position in all others."""
    appetite = changed(CCP, anti_procyclicality=dict(tools))
    alone, joined = (calibrate_book(bars_with(days), appetite) if tools else made_with(days) for days in (None, 60))
    without = calibrate_book(bars_with(60), appetite, cold_start=False) if tools else made_with(60, cold_start=False)
    for name in OLD:
        assert joined.book.instruments[name] == alone.book.instruments[name] == without.book.instruments[name]
    for first, second in zip(alone.markets, joined.markets, strict=False):
        np.testing.assert_array_equal(first.measures.losses.quantile, second.measures.losses.quantile)
        np.testing.assert_array_equal(first.requirement.maintenance_rate, second.requirement.maintenance_rate)
    kept = {at: why for at, why in joined.book.explanations.items() if "/YOUNG/" not in at}
    assert kept == alone.book.explanations


def test_old_enough_without_a_tail_is_not_young() -> None:
    """A price that never fell would borrow its peers' falls, and the book call it new."""
    bars = bars_with(420, ranged=False)
    bars.close[bars.rows("YOUNG")] = np.arange(100.0, 520.0)
    assert calibrate_book(bars, CCP).skipped == (
        ("YOUNG", "one side hardly ever lost, so its tail cannot be measured"),)


def test_a_market_back_from_a_long_halt_is_as_good_as_new() -> None:
    """FTT, suspended for 311 days, would come back without a limit, or be said to have hardly ever lost."""
    bars = bars_of(*(Market(name, seed=10 + k, n=1_000) for k, name in enumerate((*OLD, "BACK"))))
    rows = bars.rows("BACK")
    halted = replace(bars, masked=(np.arange(len(bars)) >= rows.start + 480) & (np.arange(len(bars)) < rows.stop - 100))
    made, without = (calibrate_book(halted, CCP, cold_start=on) for on in (True, False))
    (market,) = (m for m in made.markets if m.symbol == "BACK")
    assert made.skipped == ()
    assert market.own_weight is not None
    assert 0.0 < market.own_weight < 1.0
    assert without.skipped == (("BACK", "100 days of bars in the last 500, more than 284 are needed"),)


def test_a_listing_between_two_ages_is_said_to_lean_on_its_peers() -> None:
    """Mature at one day and young at four, it would pass for measured on itself alone."""
    made = made_with(282)
    (market,) = (m for m in made.markets if m.symbol == "YOUNG")
    assert market.own_weight is not None
    assert "YOUNG" in warning_of(made)


def test_later_bars_change_no_young_limit() -> None:
    """The rate of the first week would know of the first month."""
    bars = bars_with(60)
    as_of = int(bars.ts.max()) - 20 * bars.spacing_ns
    later = bars.ts + bars.spacing_ns > as_of
    shaken = replace(bars, close=np.where(later, bars.close * 1.5, bars.close),
                     volume=np.where(later, bars.volume * 9, bars.volume), high=np.where(later, np.nan, bars.high))
    first, second = (calibrate_book(b, CCP, as_of_ns=as_of).book for b in (bars, shaken))
    assert "YOUNG" in first.instruments
    assert first.id == second.id
