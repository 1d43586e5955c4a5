"""A limit book from bars: what it promises at every size, and what may not change it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate.book import calibrate_book
from leverline.calibrate.explaining import tier_ends
from leverline.calibrate.requirement import requirement, sensitivities
from leverline.calibrate.rounding import exact
from leverline.calibrate.schedule import initial_amount, maintenance_amount, tier_of
from leverline.evidence.proving import prove_book
from leverline.ground.errors import InsufficientDataError, MalformedInputError, UsageError
from leverline.market.bars import NS_PER_S, Bars, Finding
from leverline.market.reading import read_bars
from leverline.measure.loss_models import DEFAULT_MODEL
from leverline.model import LimitBook, Payoff, RiskAppetite
from tests.calibrate.markets import DAY_S, START_S, Market, bars_of, write_csv
from tests.calibrate.test_requirement import changed

CCP = RiskAppetite.profile("ccp")
EXCHANGE = RiskAppetite.profile("exchange")


def at_day(day: int) -> int:
    """Close of the bar of a day, ns."""
    return (START_S + (day + 1) * DAY_S) * NS_PER_S


def test_initial_margin_covers_maintenance_and_buffer_at_every_size() -> None:
    """A position could be opened that is liquidated at once."""
    book = calibrate_book(bars_of(Market("A"), Market("B", seed=3, volume=1e4)), CCP).book
    for limits in book.instruments.values():
        cap = limits.position_cap
        assert cap is not None
        edges = [edge for t in limits.tiers for edge in (t.notional_floor + 1, t.notional_cap) if edge is not None]
        for size in sorted({*edges, *np.geomspace(1e6, cap, 50).astype(int).tolist()}):
            tier = tier_of(limits.tiers, size)
            assert tier is not None
            need = maintenance_amount(tier, size) * (1 + exact(CCP.initial.minimum_buffer))
            assert initial_amount(tier, size) >= need - Fraction(size, 10**12)  # 1/3 prints a little less than a third
        assert tier_of(limits.tiers, cap + 1) is None


def test_published_rates_cover_the_measured_requirement() -> None:
    """Rounding or the choice of steps would let positions trade below what was measured."""
    made = calibrate_book(bars_of(Market("A"), Market("B", seed=3, volume=1e4)), CCP)
    for market in made.markets:
        needs = market.requirement
        for notional, maintenance, initial in zip(needs.notional, needs.maintenance_rate, needs.initial_rate,
                                                  strict=True):
            size = int(notional * 1e6)
            tier = tier_of(market.limits.tiers, size)
            if tier is not None:
                assert maintenance_amount(tier, size) / size >= maintenance - 2e-6
                assert initial_amount(tier, size) / size >= initial - 2e-6


def test_bars_after_the_as_of_time_change_nothing() -> None:
    """A limit would know the crash that it is meant to survive."""
    whole = bars_of(Market("A", n=450), Market("B", seed=3, n=450))
    later = whole.ts + whole.spacing_ns > at_day(399)
    other = replace(
        whole, close=np.where(later, whole.close * 3, whole.close), high=np.where(later, whole.high * 5, whole.high),
        volume=np.where(later, 0.0, whole.volume), masked=later.copy(),
        findings=(Finding("zero-volume", "a.csv", "A", at_day(420), "no trade in this bar"),
                  Finding("gap", "a.csv", "A", at_day(398), "2 bars missing until later")),
        counts={"zero-volume": {"A": 1}, "gap": {"A": 1}})
    books = [calibrate_book(bars, CCP, as_of_ns=at_day(399)).book for bars in (whole, other)]
    assert books[0].id == books[1].id
    assert books[0].id != calibrate_book(whole, CCP).book.id


def test_a_file_cut_at_the_as_of_time_gives_the_same_book(tmp_path: Path) -> None:
    """A rule that looks at the next bar would carry the future into the book."""
    market = Market("A", n=420)
    prices = market.columns["close"]
    prices[399] = prices[398] * 4  # taken back by the next bar: a misprint, but nobody knows that yet
    lines = ["symbol,ts,close"] + [f"A,{START_S + i * DAY_S},{float(prices[i])!r}" for i in range(420)]
    paths = tmp_path / "whole.csv", tmp_path / "cut.csv"
    for path, rows in zip(paths, (421, 401), strict=True):
        path.write_text("\n".join(lines[:rows]) + "\n")
    as_of = at_day(399)
    whole, cut = (read_bars([path], until_ns=as_of) for path in paths)
    assert len(whole) == len(cut) == 400
    assert whole.findings == cut.findings == ()
    fields = [calibrate_book(bars, CCP, as_of_ns=as_of).book for bars in (whole, cut, read_bars([paths[0]]))]
    assert fields[0].instruments == fields[1].instruments == fields[2].instruments
    assert fields[0].explanations == fields[1].explanations == fields[2].explanations
    assert fields[0].provenance.quality == fields[1].provenance.quality == fields[2].provenance.quality
    assert read_bars([paths[0]]).masked.sum() == 1


def test_the_default_as_of_is_the_newest_close() -> None:
    """Old files would count as stale, or the last bar would not count at all."""
    bars = bars_of(Market("A", n=400))
    book = calibrate_book(bars, CCP).book
    assert book.as_of.timestamp() == at_day(399) / 1e9
    assert book.id == calibrate_book(bars, CCP, as_of_ns=at_day(399)).book.id


def test_a_stamp_in_milliseconds_survives_the_book_and_its_backtest() -> None:
    """The newest bar would drop out of the proof, because a time went through floating point."""
    bars = bars_of(Market("A", n=420))
    shifted = replace(bars, ts=bars.ts + 1_000_000)  # closes one millisecond past midnight
    made = calibrate_book(shifted, CCP)
    assert made.as_of_ns == shifted.newest_close_ns
    assert made.book.as_of.microsecond == 1_000
    assert len(shifted.until(made.as_of_ns)) == len(shifted)


def test_the_same_input_gives_the_same_book_and_reads_back(tmp_path: Path) -> None:
    """A book could not be checked by calibrating again, or would not be the one that was signed."""
    first, second = (calibrate_book(bars_of(Market("A"), Market("B", seed=3)), CCP).book for _ in range(2))
    assert first.id == second.id
    assert first == second
    first.write(tmp_path / "limits.json")
    assert LimitBook.read(tmp_path / "limits.json") == first


def test_stale_markets_are_left_out_and_where_all_are_stale_there_is_no_book() -> None:
    """A delisted coin would keep the limits of its last good day."""
    bars = bars_of(Market("DEAD", n=400), Market("A", seed=3, n=420))
    made = calibrate_book(bars, CCP)
    assert list(made.book.instruments) == ["A"]
    ((symbol, reason),) = made.skipped
    assert symbol == "DEAD"
    assert reason == "stale: the newest bar closed at 2020-02-05T00:00:00Z, the book is as of 2020-02-25T00:00:00Z"
    assert any("1 of 2 markets were left out: DEAD" in w for w in made.book.provenance.warnings)
    assert len(calibrate_book(bars, CCP, as_of_ns=at_day(402)).book.instruments) == 2  # three bars are not yet stale
    with pytest.raises(InsufficientDataError, match="stale") as caught:
        calibrate_book(bars, CCP, as_of_ns=at_day(500))
    assert caught.value.exit_code == 4


def test_too_short_a_history_is_left_out_with_its_length() -> None:
    """A coin of three months would get the limits of a calm quarter."""
    made = calibrate_book(bars_of(Market("A"), Market("NEW", seed=3, n=420, relisted_at=330)), CCP)
    # 250 days of windows after 30 days of volatility, the longest window four days
    assert made.skipped == (("NEW", "90 days of bars since its listing, more than 284 are needed"),)
    assert calibrate_book(bars_of(Market("A", n=286)), CCP).skipped == ()
    with pytest.raises(InsufficientDataError, match="283 days of bars since its listing, more than 284 are needed"):
        calibrate_book(bars_of(Market("A", n=283)), CCP)


def test_a_relisted_symbol_is_calibrated_on_its_newest_listing_only() -> None:
    """The dead coin's collapse would set the limits of the new one, or its calm would."""
    reborn = Market("LUNA", n=800, relisted_at=400, seed=5)
    whole = bars_of(reborn)
    made = calibrate_book(whole, CCP)
    (market,) = made.markets
    assert market.column == 1
    rows = np.arange(400, 800)
    alone = Bars(
        symbols=("LUNA",), offsets=np.array([0, 400]), ts=whole.ts[rows], open=whole.open[rows], high=whole.high[rows],
        low=whole.low[rows], close=whole.close[rows], volume=whole.volume[rows], masked=whole.masked[rows],
        listing=np.zeros(400, np.int64), spacing_ns=whole.spacing_ns)
    assert calibrate_book(alone, CCP).book.instruments == made.book.instruments


def test_inverse_symbols_lose_more_when_the_price_falls() -> None:
    """A coin-margined long would be margined as if its collateral kept its value."""
    market = Market("A", daily_volatility=0.06)
    made = {name: calibrate_book(bars_of(replace(market, symbol=name)), CCP)
            for name in ("BTC/USDT:USDT", "BTC/USD:BTC", "BTCUSD")}
    losses = {name: m.markets[0].requirement.loss_by_side[0] for name, m in made.items()}
    assert losses["BTC/USD:BTC"][0] > losses["BTC/USDT:USDT"][0]
    assert losses["BTC/USD:BTC"][1] < losses["BTC/USDT:USDT"][1]
    assert losses["BTCUSD"].tolist() == losses["BTC/USDT:USDT"].tolist()
    payoffs = {name: m.book.instruments[name].payoff for name, m in made.items()}
    assert payoffs == {"BTC/USDT:USDT": Payoff.LINEAR, "BTC/USD:BTC": Payoff.INVERSE, "BTCUSD": Payoff.LINEAR}
    assert made["BTCUSD"].book.instruments["BTCUSD"].kind is None


def test_a_scale_is_named_where_it_was_used_and_only_there() -> None:
    """A reader would take scaled losses for measured ones."""
    hourly = bars_of(Market("A", n=24 * 300, spacing_s=3_600))
    with pytest.raises(InsufficientDataError, match="--scale"):
        calibrate_book(hourly, EXCHANGE)
    for scale in ("sqrt-time", "one-bar"):
        book = calibrate_book(hourly, EXCHANGE, scale=scale).book
        (warning,) = (w for w in book.provenance.warnings if "shorter than a bar" in w)
        assert f"scaled by {scale}" in warning
        assert "the margin period and the reaction time" in warning
        assert book.provenance.estimators["scale"] == scale
    unused = calibrate_book(bars_of(Market("A")), CCP, scale="one-bar").book
    assert not any("scaled" in w for w in unused.provenance.warnings)
    bounded, scaled = (calibrate_book(hourly, EXCHANGE, scale=s).markets[0].requirement.loss[0]
                       for s in ("one-bar", "sqrt-time"))
    assert scaled < bounded


def test_no_reaction_time_needs_no_scale() -> None:
    """A venue that gives no time to react would be asked how to scale nothing."""
    none = changed(CCP, initial={"reaction_s": 0})
    (market,) = calibrate_book(bars_of(Market("A")), none).markets
    assert market.requirement.reaction == 0


def test_extreme_prices_and_volumes_give_limits_or_a_reason() -> None:
    """One coin of dust would stop the whole book, or a price of 1e-8 would round to nothing."""
    made = calibrate_book(bars_of(
        Market("TINY", price=1e-8, volume=1e16), Market("HUGE", seed=2, price=1e6, volume=1e3),
        Market("DUST", seed=3, price=1e-8, volume=1.0), Market("ONE", seed=4, price=1.0, volume=1.0),
        Market("WILD", seed=5, daily_volatility=0.4), Market("PEG", seed=6, price=1.0, daily_volatility=1e-5)), CCP)
    assert list(made.book.instruments) == ["TINY", "HUGE", "PEG"]
    reasons = dict(made.skipped)
    assert "too little is traded" in reasons["DUST"]
    assert "too little is traded" in reasons["ONE"]
    assert "more margin than its notional" in reasons["WILD"]


def test_a_market_that_only_rises_is_left_out_with_a_reason() -> None:
    """A price that never fell would get limits from a tail that does not exist."""
    bars = bars_of(Market("UP", ranged=False, volume=0), Market("A", seed=2))
    rows = bars.rows("UP")
    bars.close[rows] = np.arange(100.0, 100.0 + 420)
    made = calibrate_book(bars, CCP)
    assert dict(made.skipped)["UP"] == "one side hardly ever lost, so its tail cannot be measured"


def test_the_proof_takes_the_books_own_confidence_and_period() -> None:
    """A book for one margin period would be defended by the breaches of another."""
    bars = bars_of(Market("A", n=500))
    made = calibrate_book(bars, CCP, as_of_ns=at_day(449))
    tested = prove_book(made, bars, CCP, method=DEFAULT_MODEL)
    assert {(r.layer, r.confidence, r.horizon_s) for r in tested.results} == {
        ("model", 0.99, DAY_S), ("book", 0.99, DAY_S)}
    walk = tested.walks[0]
    assert int(walk.panel.ts[-1]) + walk.panel.spacing_ns == at_day(449)
    stricter = changed(CCP, confidence={"level": 0.999})
    proven = prove_book(calibrate_book(bars, stricter), bars, stricter, method=DEFAULT_MODEL)
    assert {r.confidence for r in proven.results} == {0.99, 0.999}


TOML = """
name = "own"
why = "a test"
settlement = "USD"
[confidence]
level = 0.99
unit = "per_margin_period"
[margin_period]
detection_s = 86400
oracle_delay_s = 0
participation = 0.1
stressed_volume_quantile = 0.1
max_liquidation_s = 86400
[initial]
reaction_s = 86400
reaction_confidence = 0.9
minimum_buffer = 0.1
[costs]
slippage_bearer = "venue"
impact_coefficient = 1.0
taker_fee_rate = 0.0005
liquidation_cost_budget = 0.02
max_share_of_daily_volume = 0.2
crowding = 1.0
max_depth_age_s = 86400
basis_allowance_rate = 0.0
[anti_procyclicality]
buffer = 0.0
stress_weight = 0.0
[rounding]
minimum_maintenance_rate = 0.0
maintenance_step = 0.001
max_leverage = 50
tiers = 3
"""


def test_each_anti_procyclicality_tool_holds_margin_up_after_a_storm(tmp_path: Path) -> None:
    """A tool that the regulator asks for would be switched on and do nothing."""
    calm_after_storm = bars_of(Market("A", n=700))
    move = np.diff(np.log(calm_after_storm.close), prepend=np.log(calm_after_storm.close[0]))
    move[:420] *= 4
    calm_after_storm.close[:] = 100 * np.exp(np.cumsum(move))
    calm_after_storm.high[:], calm_after_storm.low[:] = np.nan, np.nan
    losses = {}
    for name, line in (("none", ""), ("buffer", "buffer = 0.25"), ("weight", "stress_weight = 0.25"),
                       ("floor", "floor_lookback_days = 700")):
        text = TOML if not line else TOML.replace(f"{line.split()[0]} = 0.0", "").replace(
            "[anti_procyclicality]", f"[anti_procyclicality]\n{line}")
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        (market,) = calibrate_book(calm_after_storm, RiskAppetite.read(path)).markets
        losses[name] = market.requirement.loss[0]
    assert losses["buffer"] == pytest.approx(1.25 * losses["none"], rel=1e-6)
    assert losses["weight"] > 1.02 * losses["none"]
    assert losses["floor"] > losses["none"]


@pytest.mark.parametrize(("old", "new", "says"), [
    ("tiers = 3", "tiers = 3\nsurprise = 1", "rounding.surprise"),
    ("participation = 0.1", "participation = 1.5", "margin_period.participation"),
    ("participation = 0.1", 'participation = "much"', "margin_period.participation"),
    ("level = 0.99", "level = 1.0", "confidence.level"),
    ("level = 0.99", "level = nan", "confidence.level"),
    ("participation = 0.1", "", "margin_period.participation"),
    ('unit = "per_margin_period"', 'unit = "per_week"', "confidence.unit"),
    ("[costs]", "[costs", "is not TOML"),
], ids=["unknown key", "out of range", "wrong type", "certain", "nan", "missing key", "unknown unit", "not TOML"])
def test_a_bad_appetite_is_refused_with_its_key(tmp_path: Path, old: str, new: str, says: str) -> None:
    """A misspelt assumption would be replaced by a default that nobody chose."""
    path = tmp_path / "own.toml"
    path.write_text(TOML.replace(old, new))
    with pytest.raises(MalformedInputError, match=says) as caught:
        RiskAppetite.read(path)
    assert caught.value.exit_code == 2
    with pytest.raises(MalformedInputError, match="cannot be read"):
        RiskAppetite.read(tmp_path / "absent.toml")
    with pytest.raises(UsageError, match="no profile 'own'"):
        RiskAppetite.profile("own")


@given(step=st.sampled_from([0.001, 0.0025, 0.005]), tiers=st.integers(1, 8), buffer=st.floats(0, 0.5),
       level=st.floats(0.95, 0.999), maximum=st.sampled_from([5.0, 20.0, 100.0]))
@settings(max_examples=12, deadline=None)
def test_any_appetite_gives_a_book_that_keeps_its_promises(
    step: float, tiers: int, buffer: float, level: float, maximum: float
) -> None:
    """A venue's own numbers would give a book that its own rules refuse."""
    appetite = changed(CCP, rounding={"maintenance_step": step, "tiers": tiers, "max_leverage": maximum},
                       initial={"minimum_buffer": buffer}, confidence={"level": level})
    (market,) = calibrate_book(bars_of(Market("A", n=320)), appetite).markets
    assert 1 <= len(market.limits.tiers) <= tiers
    for tier in market.limits.tiers:
        assert tier.max_leverage <= maximum
        assert (exact(tier.maintenance_margin_rate) / exact(step)).denominator == 1
        assert tier.notional_cap is not None
        need = maintenance_amount(tier, tier.notional_cap) * (1 + exact(buffer))
        assert initial_amount(tier, tier.notional_cap) >= need - Fraction(tier.notional_cap, 10**12)


def test_a_written_book_matches_its_file(tmp_path: Path) -> None:
    """A book would name other data than it was made from."""
    path = write_csv(tmp_path / "bars.csv", Market("A"))
    (file,) = calibrate_book(read_bars([path]), CCP).book.provenance.data
    assert (file.name, file.rows) == ("bars.csv", 420)
    assert file.sha256 is not None
    assert str(tmp_path) not in calibrate_book(read_bars([path]), CCP).book.to_json()


def test_sensitivities_agree_with_calibrating_again() -> None:
    """The page would promise that a stricter appetite costs little, and the next calibration would show otherwise."""
    bars = bars_of(Market("A", n=900))
    (market,) = calibrate_book(bars, CCP).markets
    ends = tier_ends(market.limits, market.requirement)
    claimed = {move.driver: move for move in sensitivities(market.measures, CCP, ends)}
    period = CCP.margin_period
    longer = changed(CCP, margin_period={"detection_s": period.detection_s * 1.1,
                                         "participation": period.participation / 1.1})
    thinner = replace(bars, volume=bars.volume * 0.9)
    again = {
        "confidence: allowed exceedance halved": calibrate_book(bars, changed(CCP, confidence={"level": 0.995})),
        "horizon: margin period +10 %": calibrate_book(bars, longer),
        "depth: stressed depth and volume -10 %": calibrate_book(thinner, CCP),
    }
    for driver, made in again.items():
        appetite = longer if driver.startswith("horizon") else CCP
        other, base = (requirement(m.measures, a, ends) for m, a in ((made.markets[0], appetite), (market, CCP)))
        recalibrated = other.maintenance_rate / base.maintenance_rate - 1
        np.testing.assert_allclose(claimed[driver].maintenance, recalibrated, atol=2e-3)
        assert np.all(recalibrated > 0)
