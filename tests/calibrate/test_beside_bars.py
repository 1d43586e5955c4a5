"""Books, bands and mark prices beside the bars: what they change in a book, and what they must not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leverline.calibrate.beside_bars import BesideBars
from leverline.calibrate.book import Calibration, MarketCalibration, calibrate_book
from leverline.calibrate.explaining import tier_ends
from leverline.calibrate.requirement import cap_sensitivities, position_cap, requirement, sensitivities
from leverline.market.bars import NS_PER_S, Bars, Finding
from leverline.market.books import BookSnapshots, DepthBands
from leverline.model import RiskAppetite
from leverline.model.limitbook import Basis, Explanation, pointer
from tests.calibrate.beside import (
    DAY_NS,
    MINUTE_NS,
    bands_at,
    book_at,
    file_of,
    index_of,
    listed_late,
    marks_of,
    minutes_before,
)
from tests.calibrate.markets import Market, bars_of
from tests.calibrate.test_book import at_day
from tests.calibrate.test_requirement import changed

CCP = RiskAppetite.profile("ccp")
A = "A/USDT:USDT"
END = at_day(419)
LOUD = changed(CCP, costs={"impact_coefficient": 5.0})
"""The cost of closing, not the share of volume, caps positions."""


@pytest.fixture(scope="module")
def bars() -> Bars:
    return bars_of(Market(A))


def made(bars: Bars, beside: BesideBars | None = None, appetite: RiskAppetite = LOUD) -> Calibration:
    return calibrate_book(bars, appetite, beside=beside)


def only(calibration: Calibration) -> MarketCalibration:
    (market,) = calibration.markets
    return market


def slippage(market: MarketCalibration, notional: float) -> float:
    assert market.measures.depth is not None
    return float(market.measures.depth.cost_rate(notional)[0])


def why(calibration: Calibration, *parts: str | int, symbol: str = A) -> Explanation:
    return calibration.book.explanations[pointer("instruments", symbol, *parts)]


def warnings(calibration: Calibration) -> str:
    return "\n".join(calibration.book.provenance.warnings)


def books(*given: BookSnapshots) -> BesideBars:
    return BesideBars(books={b.symbol: b for b in given})


def bands(*given: DepthBands) -> BesideBars:
    return BesideBars(bands={b.symbol: b for b in given})


def test_a_book_is_trusted_before_bands_and_bands_before_volume(bars: Bars) -> None:
    """A proxy would be believed where the market itself was seen, or the reader could not tell which it was."""
    by_volume, by_bands = made(bars), made(bars, bands(bands_at(A, END)))
    both = made(bars, BesideBars(books={A: book_at(A, END)}, bands={A: bands_at(A, END)}))
    for calibration, source in ((by_volume, "volume"), (by_bands, "bands"), (both, "book")):
        depth = only(calibration).measures.depth
        assert depth is not None
        assert depth.source == source
        assert why(calibration, "position_cap").binding == f"liquidation-cost budget ({source})"
    # uniform density D up to 5 %: closing N costs N / 2D on average, at what is left of the depth under stress
    seen = only(by_bands).measures.depth
    assert seen is not None
    assert 0 < seen.stress_factor < 1
    for share in (0.1, 0.5, 0.9):
        size = share * 0.05 * 1e6 * seen.stress_factor
        assert slippage(only(by_bands), size) == pytest.approx(share * 0.025, rel=0.05)
    joined = only(both).measures.depth
    assert joined is not None
    # the book holds 10 units x 100 a basis point: 1e7 a unit of distance, ten times what the bands saw
    assert joined.parts(joined.stress_factor * np.array([1e3, 4.5e4, 1e9])) == ("book", "book", "volume")
    assert slippage(only(both), 2e4 * joined.stress_factor) < 0.2 * slippage(only(by_bands), 2e4 * seen.stress_factor)
    grid = only(by_bands).requirement
    np.testing.assert_allclose(grid.slippage, seen.cost_rate(grid.notional))


def test_bands_go_on_where_the_book_ends(bars: Bars) -> None:
    """Fifty levels would be stretched to a move they never saw, though bands are there that did."""
    thick = made(bars, BesideBars(books={A: book_at(A, END)}, bands={A: bands_at(A, END, density=1e7)}))
    depth = only(thick).measures.depth
    assert depth is not None
    assert depth.parts(depth.stress_factor * np.array([4e4, 3e5, 6e5])) == ("book", "bands", "volume")


def test_the_warnings_say_what_became_of_depth_and_only_where_it_was_given(bars: Bars) -> None:
    """A reader would not learn that the slope under stress is an assumption."""
    said = made(bars, books(book_at(A, END))).book.provenance.warnings
    assert any(w.startswith(f"{A}: slope not identified by 5 observations; assumed -1") for w in said)
    assert A not in warnings(made(bars))


def test_old_depth_counts_as_a_shape_in_percent_of_volume_only(bars: Bars) -> None:
    """Last month's depth would be promised to today's liquidator, though the market has lost half its volume."""
    grown = replace(bars, volume=np.where(bars.ts >= END - 30 * DAY_NS, 3.0, 1.0) * bars.volume)
    old = END - 40 * DAY_NS
    stale = made(grown, bands(bands_at(A, old)))
    depth = only(stale).measures.depth
    assert depth is not None
    assert (depth.source, depth.shape_only, depth.age_s) == ("bands", True, 40 * 86_400)
    assert depth.basis is Basis.ASSUMED
    (note,) = (w for w in stale.book.provenance.warnings if "a shape in percent of volume" in w)
    assert note.startswith(f"{A}: bands: {40 * 86_400} s old, older than 86400 s")
    notional = grown.volume * grown.close
    closes = grown.ts + DAY_NS
    then, now = (notional[(closes <= at) & (closes > at - 30 * DAY_NS)].mean() for at in (old, END))
    ratio = now / then
    assert ratio > 2
    assert f"scaled by {ratio:.3g}" in note
    size = 0.02 * 1e6 * ratio * depth.stress_factor
    assert slippage(only(stale), size) == pytest.approx(0.01, rel=0.05)
    # at the stated age it is still depth
    fresh = only(made(grown, bands(bands_at(A, END - DAY_NS)))).measures.depth
    assert fresh is not None
    assert not fresh.shape_only


def test_a_fresh_proxy_speaks_for_the_level_and_an_old_book_for_its_shape(bars: Bars) -> None:
    """A book of last week would pass for one of today, because bands of today stand beside it."""
    mixed = made(bars, BesideBars(books={A: book_at(A, END - 5 * DAY_NS)}, bands={A: bands_at(A, END)}))
    depth = only(mixed).measures.depth
    assert depth is not None
    assert (depth.source, depth.shape_only, depth.age_s) == ("bands", False, 0.0)
    assert "book: 432000 s old" in warnings(mixed)


def test_nothing_after_the_as_of_time_is_used() -> None:
    """A limit would know of the depth that was left after the crash it is meant to survive."""
    n, as_of = 900, at_day(849)
    bars = bars_of(Market(A, n=n))
    closes = bars.ts + bars.spacing_ns
    later_bar = closes > as_of
    rng = np.random.default_rng(1)
    gap = 0.002 * rng.standard_normal(n)
    level = 0.5 + 0.3 * rng.random(n)
    around = minutes_before(as_of + 60 * MINUTE_NS, 200)
    later = (around > as_of)[:, None]
    seen_book = replace(book_at(A, as_of, count=200), ts=around)
    seen_bands = replace(bands_at(A, as_of, count=200), ts=around)
    thinning = 0.5 + np.random.default_rng(2).random((200, 1))

    def beside(depth: float, stretch: float, late: float) -> BesideBars:
        left = np.where(later, depth, thinning)
        finding = Finding("crossed-book", "b.csv", A, int(around[-1]), "bid 2, ask 1")
        marks = marks_of(bars, A, np.where(later_bar, stretch, gap))
        return BesideBars(
            books={A: replace(seen_book, bid_size=seen_book.bid_size * left, ask_size=seen_book.ask_size * left,
                              findings=(finding,) if late > 1 else ())},
            bands={A: replace(seen_bands, notional=seen_bands.notional * left)},
            implied={A: index_of(A, closes, np.where(later_bar, late, level))}, marks=marks)

    made_of = [calibrate_book(bars, CCP, as_of_ns=as_of, beside=beside(*poison)).book
               for poison in ((1.0, 0.0, 0.6), (0.05, 0.5, 5.0))]
    assert made_of[0].id == made_of[1].id
    assert not any("crossed-book" in w for w in made_of[1].provenance.warnings)
    assert made_of[0].id != calibrate_book(bars, CCP, as_of_ns=as_of + DAY_NS, beside=beside(0.05, 0.5, 5.0)).book.id
    # what is used is used: another past gives another book
    assert made_of[0].instruments != calibrate_book(bars, CCP, as_of_ns=as_of).book.instruments


def test_what_is_known_only_later_changes_no_limit(bars: Bars) -> None:
    """A file that begins after the as-of time would end in a traceback, or pass for depth known then."""
    plain = calibrate_book(bars, CCP, as_of_ns=at_day(399))
    later = BesideBars(books={A: book_at(A, END)}, bands={A: bands_at(A, END)},
                       implied={A: index_of(A, np.array([END]), np.array([0.6]))},
                       marks=listed_late(marks_of(bars, A, 0.1), {A: 5}))
    given = calibrate_book(bars, CCP, as_of_ns=at_day(399), beside=later)
    assert given.book.instruments == plain.book.instruments
    assert given.book.explanations == plain.book.explanations
    said = warnings(given)
    for words in ("book: nothing known at the as-of time", "bands: nothing known at the as-of time",
                  "volatility is realised only", "mark prices were given, but the basis is assumed"):
        assert words in said


def test_liquidations_in_company_cost_more_and_allow_less(bars: Bars) -> None:
    """Each of three accounts would be promised the whole book."""
    together = changed(LOUD, costs={"crowding": 3.0})
    for beside in (None, bands(bands_at(A, END))):
        alone, crowd = only(made(bars, beside)), only(made(bars, beside, together))
        assert alone.cap is not None
        assert crowd.cap is not None
        assert crowd.cap.notional == pytest.approx(alone.cap.notional / 3, rel=1e-6)
        for size in (1e3, 1e4, alone.cap.notional):
            # a third of the depth: what one account pays for N is what it paid for 3 N
            assert slippage(crowd, size) == pytest.approx(slippage(alone, 3 * size))
            assert slippage(crowd, size) > slippage(alone, size)


def test_the_basis_is_measured_where_mark_prices_are_known() -> None:
    """Margin would not hold what a fill loses against the mark in a fast market."""
    long = bars_of(Market(A, n=900), Market("B/USDT:USDT", seed=2, n=900))
    rows = long.rows(A)
    move = np.abs(np.log(long.close[rows][5:] / long.close[rows][:-5]))
    gap = np.concatenate([np.zeros(5), np.where(move > np.quantile(move, 0.9), 0.02, 0.0001)])
    assumed = changed(CCP, costs={"basis_allowance_rate": 0.004})
    both = calibrate_book(long, assumed, beside=BesideBars(marks=marks_of(long, A, gap)))
    first, second = both.markets
    assert first.measures.basis.basis is Basis.MEASURED
    assert first.measures.basis.rate == pytest.approx(0.02 / 1.02, rel=1e-6)
    assert first.requirement.basis == first.measures.basis.rate
    assert second.measures.basis.basis is Basis.ASSUMED
    assert second.measures.basis.rate == 0.004
    for symbol, shown in ((A, "1.96 %"), ("B/USDT:USDT", "0.40 %")):
        assert f"basis between mark and fill {shown}" in why(
            both, "tiers", 0, "maintenance_margin_rate", symbol=symbol).binding
    plain = calibrate_book(long, CCP)
    assert "basis" not in why(plain, "tiers", 0, "maintenance_margin_rate").binding
    np.testing.assert_allclose(
        first.requirement.maintenance_rate - plain.markets[0].requirement.maintenance_rate, 0.02 / 1.02, rtol=1e-6)


def test_too_few_marks_leave_the_assumed_basis_and_say_so(bars: Bars) -> None:
    """The appetite's guess would pass for a measurement, because a file was given."""
    few = calibrate_book(bars, CCP, beside=BesideBars(marks=marks_of(bars, A, 0.01)))
    assert only(few).measures.basis.basis is Basis.ASSUMED
    assert f"{A}: mark prices were given, but the basis is assumed: fewer than 30 large moves" in warnings(few)


def test_every_file_given_is_in_the_provenance(bars: Bars) -> None:
    """A limit could not be made again, because a file that moved it is not named."""
    beside = BesideBars(books={A: book_at(A, END), "B": replace(book_at("B", END), files=file_of(f"{A}-book.csv"))},
                        bands={A: bands_at(A, END)}, implied={A: index_of(A, np.array([END]), np.array([0.6]))},
                        marks=marks_of(bars, A, 0.0))
    names = [file.name for file in made(replace(bars, files=file_of("bars.csv")), beside).book.provenance.data]
    assert names == ["bars.csv", f"{A}-book.csv", f"{A}-bands.csv", f"{A}-index.csv", f"{A}-marks.csv"]
    # two files of one name in two folders are two files
    other = replace(bands_at(A, END), files=(file_of(f"{A}-book.csv")[0].model_copy(update={"sha256": "1" * 64}),))
    assert len(BesideBars(books={A: book_at(A, END)}, bands={A: other}).files) == 2


def test_names_that_no_market_has_are_told(bars: Bars) -> None:
    """A misspelt symbol would switch the order book off without a word."""
    other = Market("MARK", n=420)
    beside = BesideBars(books={"perp_usdm:A": book_at("perp_usdm:A", END)}, bands={A: bands_at(A, END)},
                        implied={"BTC": index_of("BTC", np.array([END]), np.array([0.6]))}, marks=bars_of(other))
    calibration = made(bars, beside)
    assert "given beside the bars, but no market has the name: perp_usdm:A, BTC, MARK" in warnings(calibration)
    assert "no market has the name" not in warnings(made(bars, bands(bands_at(A, END))))


@pytest.mark.parametrize("kind", ["book", "bands"])
def test_sensitivities_to_depth_agree_with_calibrating_again(bars: Bars, kind: str) -> None:
    """A committee would be told the wrong price of a thinner market."""
    def seen(left: float) -> BesideBars:
        if kind == "book":
            return books(book_at(A, END, base=1e3 * left))
        return bands(bands_at(A, END, density=1e6 * left))

    market = only(made(bars, seen(1.0)))
    thinner = only(made(replace(bars, volume=bars.volume * 0.9), seen(0.9)))
    ends = tier_ends(market.limits, market.requirement)
    claimed = {move.driver: move for move in sensitivities(market.measures, LOUD, ends)}
    base, other = (requirement(m.measures, LOUD, ends).maintenance_rate for m in (market, thinner))
    moved = claimed["depth: stressed depth and volume -10 %"].maintenance
    np.testing.assert_allclose(moved, other / base - 1, atol=1e-9)
    assert moved.max() > 1e-3
    again = position_cap(thinner.measures, LOUD)
    assert again is not None
    assert market.cap is not None
    cap = cap_sensitivities(market.measures, LOUD)["depth: stressed depth and volume -10 %"]
    assert cap == pytest.approx(again.notional / market.cap.notional - 1, abs=1e-6)
    assert cap == pytest.approx(-0.1, abs=1e-6)


def test_a_cap_within_visible_depth_does_not_hang_on_volatility(bars: Bars) -> None:
    """A committee would be told that a calmer market lifts a cap which the bands set."""
    by_bands, by_volume = made(bars, bands(bands_at(A, END))), made(bars)
    assert why(by_bands, "position_cap").sensitivity["volatility +10 %"] == 0.0
    assert why(by_volume, "position_cap").sensitivity["volatility +10 %"] == pytest.approx(1 / 1.21 - 1, abs=1e-6)


# What can be wrong with what is given


def test_a_book_sets_a_cap_where_there_is_no_volume() -> None:
    """A market whose book is open to all would have no limit on size, or one that reaches beyond its last level."""
    dry = bars_of(Market(A, volume=0.0))
    calibration = made(dry, books(book_at(A, END)))
    market = only(calibration)
    assert market.cap is not None
    depth = market.measures.depth
    assert depth is not None
    assert market.cap.binding == "liquidation-cost budget (book)"
    visible = 50 * 10.0 * 100.0 * depth.stress_factor  # the last level: 50 bp away, never the 2 % of the budget
    assert market.cap.notional == pytest.approx(visible, rel=0.01)
    assert np.isfinite(market.requirement.maintenance_rate).all()
    # a book that ends just above a round cap: with a tenth less depth it would not hold it, and there is no figure
    published = market.limits.tiers[-1].notional_cap
    assert published is not None
    calibration = made(dry, books(book_at(A, END, base=10.0 * 1.001 * published / 1e6 / market.cap.notional)))
    last = calibration.book.instruments[A].tiers[-1]
    assert last.notional_cap == published
    for name in ("maintenance_margin_rate", "initial_margin_rate", "max_leverage"):
        moved = why(calibration, "tiers", len(calibration.book.instruments[A].tiers) - 1, name).sensitivity
        assert moved["depth: stressed depth and volume -10 %"] is None
        assert moved["confidence: allowed exceedance halved"] is not None


def test_depth_that_cannot_be_used_leaves_a_market_as_if_it_were_not_given(bars: Bars) -> None:
    """Giving a stale or rejected book would throw the market out, or crash the calibration of all."""
    none = np.empty((0, 50))
    findings = tuple(Finding("one-sided-book", "b.csv", A, END - i, "no bids") for i in range(3))
    empty = BookSnapshots(A, np.empty(0, np.int64), none, none, none, none, findings=findings)
    nothing = replace(bands_at(A, END), notional=np.full((5, 6), np.nan), size=np.full((5, 6), np.nan))
    for market in (bars, bars_of(Market(A, volume=0.0))):
        plain = made(market)
        for beside in (books(empty), bands(nothing)):
            given = made(market, beside)
            assert given.book.instruments == plain.book.instruments
        assert f"{A}: depth that breaks a rule was left out: one-sided-book 3" in warnings(made(market, books(empty)))
    dry = made(bars_of(Market(A, volume=0.0)), books(book_at(A, END - 5 * DAY_NS)))
    assert dry.book.instruments[A].position_cap is None
    assert "without volume it cannot be used" in warnings(dry)


def test_a_side_that_bands_do_not_know_rests_on_volume(bars: Bars) -> None:
    """A liquidated long would be sold into bids that a rule has rejected."""
    blind = bands_at(A, END)
    blind.notional[:, :3] = np.nan
    market = only(made(bars, bands(blind)))
    depth = market.measures.depth
    assert depth is not None
    held = 1e4 * depth.stress_factor
    assert [curve.parts(held)[0] for curve in depth.curves] == ["volume", "bands"]
    assert depth.parts(held) == ("volume",)
    np.testing.assert_allclose(
        market.requirement.slippage, np.maximum(*(c.cost_rate(market.requirement.notional) for c in depth.curves)))
    dry = made(bars_of(Market(A, volume=0.0)), bands(blind))
    assert dry.book.instruments[A].position_cap is None
    assert "without volume it cannot be used" in warnings(dry)


@pytest.mark.parametrize("spacing_s", [3_600, 21_600])
def test_marks_of_another_spacing_are_compared_where_both_are_known(spacing_s: int) -> None:
    """A mark of noon would be compared with a price of midnight, and an honest venue pay for the difference."""
    bars = bars_of(Market(A, n=900))
    finer = 86_400 // spacing_s
    daily = marks_of(bars, A, 0.005)
    close = np.repeat(daily.close, finer) * np.tile(np.where(np.arange(finer) == finer - 1, 1.0, 1.3), 900)
    size = close.size
    nothing = np.full(size, np.nan)
    marks = Bars(
        symbols=(A,), offsets=np.array([0, size]), close=close, open=nothing, high=nothing, low=nothing,
        volume=nothing, ts=bars.ts[0] + spacing_s * NS_PER_S * np.arange(size, dtype=np.int64),
        masked=np.zeros(size, np.bool_), listing=np.zeros(size, np.int64), spacing_ns=spacing_s * NS_PER_S)
    rates = [only(calibrate_book(bars, CCP, beside=BesideBars(marks=m))).measures.basis for m in (daily, marks)]
    assert rates[0].basis is Basis.MEASURED
    assert rates[1].rate == pytest.approx(rates[0].rate)


def test_marks_between_grid_lines_and_masked_marks() -> None:
    """A millisecond in a stamp would switch the measurement off, or a misprint set the basis of the venue."""
    bars = bars_of(Market(A, n=900))
    marks = marks_of(bars, A, 0.005)
    base = only(calibrate_book(bars, CCP, beside=BesideBars(marks=marks))).measures.basis
    shifted = replace(marks, ts=marks.ts + 1_000_000)
    assert only(calibrate_book(bars, CCP, as_of_ns=at_day(899) + 1_000_000, beside=BesideBars(marks=shifted))
                ).measures.basis.rate == base.rate
    noon = replace(marks, ts=marks.ts - 43_200 * NS_PER_S)
    assert only(calibrate_book(bars, CCP, beside=BesideBars(marks=noon))).measures.basis.basis is Basis.ASSUMED
    misprint = np.zeros(900, np.bool_)
    misprint[400:420] = True
    wrong = replace(marks, close=np.where(misprint, marks.close * 4, marks.close), masked=misprint)
    assert only(calibrate_book(bars, CCP, beside=BesideBars(marks=wrong))).measures.basis.rate < 0.01


def test_a_young_listing_with_a_book_is_calibrated() -> None:
    """The listing that needs a book most would be the one that cannot use it."""
    names = [f"M{k}" for k in range(8)]
    whole = bars_of(*(Market(name, seed=k) for k, name in enumerate(names)), Market(A, seed=99))
    young = listed_late(whole, {A: 4})
    calibration = calibrate_book(young, LOUD, beside=BesideBars(bands={A: bands_at(A, END)}))
    market = next(m for m in calibration.markets if m.symbol == A)
    assert market.measures.depth is not None
    assert market.measures.depth.source == "bands"
    assert market.measures.depth.stress_factor < 1
