"""The backtest as a whole: its contract, its rows, what it skips and what it may never know."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate.tracing import provenance_of
from leverline.evidence.backtest import SURVIVORSHIP, BacktestPlan, BacktestResult, backtest, walk
from leverline.evidence.coverage_rows import top_volatility, verdict
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError
from leverline.market.bars import NS_PER_S, Panel
from leverline.measure.coverage import binomial_band, christoffersen_conditional, kupiec
from leverline.measure.loss_models import DEFAULT_MODEL, MODELS, loss_model
from leverline.measure.scores import quantile_score
from leverline.model.appetite import AntiProcyclicality, RiskAppetite
from tests.measure.panels import DAY_S, bars_of, closes, panel_of, ragged, unit_t

CCP = RiskAppetite.profile("ccp")
RESULT_KEYS = [
    "symbol", "side", "layer", "confidence", "horizon_s", "observations", "exceedances", "band_low", "band_high",
    "kupiec_p", "christoffersen_p", "dq_p", "mean_margin", "peak_margin", "peak_to_trough", "max_increase_5",
    "quantile_score", "verdict",
]
POOLED_KEYS = ["layer", "confidence", "horizon_s", "rate", "interval", "rate_top_volatility_decile"]
POOLED_EXTRAS = ["mean_margin", "quantile_score"]


def steady_panel(n_bars: int = 700, n_markets: int = 3, seed: int = 21) -> Panel:
    """Markets of constant volatility; the last one is listed late, the first halts once."""
    close = closes(0.03 * unit_t(np.random.default_rng(seed), (n_bars, n_markets)))
    close[:60, -1] = np.nan
    close[500:504, 0] = np.nan
    return panel_of(close, symbols=tuple(f"C{j}/USDT:USDT" for j in range(n_markets)))


@pytest.fixture(scope="module")
def tested() -> BacktestResult:
    """Two horizons and two confidences; a market with too few bars among them."""
    panel = steady_panel()
    close = np.column_stack([panel.close, np.where(np.arange(700) < 500, np.nan, panel.close[:, 1])])
    panel = panel_of(close, symbols=(*panel.symbols, "NEW"))
    bars = bars_of(panel)
    plan = BacktestPlan(horizons_s=(DAY_S, 3.0 * DAY_S), confidences=(0.99, 0.995))
    return backtest(bars, CCP, plan, provenance_of(bars, CCP, bars.newest_close_ns, {}, seed=1))


def test_the_document_has_the_keys_of_the_contract(tested: BacktestResult) -> None:
    """Every script that reads the verdicts of a backtest would break."""
    document = tested.to_dict()
    assert {"results", "pooled", "skipped", "method", "provenance"} <= set(document)
    assert {"stress", "crash_days", "survivorship"} == set(document) - {
        "results", "pooled", "skipped", "method", "provenance"}
    assert all(list(row) == RESULT_KEYS for row in document["results"])
    assert all(list(row) == POOLED_KEYS + POOLED_EXTRAS for row in document["pooled"])
    assert [list(entry) for entry in document["skipped"]] == [["symbol", "reason"]]
    assert document["method"] == DEFAULT_MODEL
    again: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    assert again["provenance"]["seed"] == 1
    assert again["survivorship"] == SURVIVORSHIP
    assert "survivors" in SURVIVORSHIP


def test_one_row_a_market_side_layer_confidence_and_horizon(tested: BacktestResult) -> None:
    """A table with a missing or a doubled row is read as if that market held."""
    rows = [(r.symbol, r.side, r.layer, r.confidence, r.horizon_s) for r in tested.results]
    expected = {(f"C{j}/USDT:USDT", side, layer, c, h) for j in range(3) for side in ("long", "short")
                for layer in ("model", "book") for c in (0.99, 0.995) for h in (DAY_S, 3.0 * DAY_S)}
    assert len(rows) == len(set(rows))
    assert set(rows) == expected
    assert [(p.layer, p.confidence, p.horizon_s) for p in tested.pooled] == [
        (layer, c, h) for h in (DAY_S, 3.0 * DAY_S) for c in (0.99, 0.995) for layer in ("model", "book")]
    assert [symbol for symbol, _ in tested.skipped] == ["NEW"]
    assert "200 days" in tested.skipped[0][1]


def test_a_row_says_what_its_windows_say(tested: BacktestResult) -> None:
    """Figures of one market or side would stand in the row of another."""
    row = next(r for r in tested.results
               if (r.symbol, r.side, r.layer, r.confidence, r.horizon_s) ==
               ("C1/USDT:USDT", "short", "model", 0.99, DAY_S))
    scored = tested.walks[0].scored["model", 0.99]
    seen = scored.observed[:, 1, 1]
    loss, margin = scored.loss[seen, 1, 1], scored.margin[seen, 1, 1]
    hits = int((loss > margin).sum())
    assert (row.observations, row.exceedances) == (int(seen.sum()), hits)
    low, high = binomial_band(int(seen.sum()), 1.0 - 0.99)
    assert (row.band_low, row.band_high) == (int(low), int(high))
    assert row.kupiec_p == pytest.approx(float(kupiec(hits, int(seen.sum()), 1.0 - 0.99).p_value))
    chain = float(christoffersen_conditional(loss > margin, 1.0 - 0.99).p_value)
    assert row.christoffersen_p == (pytest.approx(chain) if np.isfinite(chain) else None)
    assert row.mean_margin == pytest.approx(margin.mean())
    assert row.peak_margin == pytest.approx(margin.max())
    assert row.peak_to_trough == pytest.approx(margin.max() / margin.min())
    assert row.max_increase_5 == pytest.approx((margin[5:] / margin[:-5]).max())
    assert row.quantile_score == pytest.approx(quantile_score(loss, margin, 1.0 - 0.99).mean())


def test_longer_horizons_are_averaged_over_their_start_offsets(tested: BacktestResult) -> None:
    """Three-day windows opened every day would count the same crash three times."""
    scored = tested.walks[1].scored["book", 0.99]
    assert len(scored.offsets) == 3
    for row in (r for r in tested.results if r.layer == "book" and r.confidence == 0.99 and r.horizon_s == 3 * DAY_S):
        at, side = scored.symbols.index(row.symbol), ("long", "short").index(row.side)
        seen = [int(scored.observed[rows, at, side].sum()) for rows in scored.offsets]
        hits = [int(scored.breach[rows, at, side].sum()) for rows in scored.offsets]
        assert row.observations == round(np.mean(seen))
        assert row.exceedances == pytest.approx(np.mean(hits), abs=1e-4)
        assert sum(seen) == scored.observed[:, at, side].sum()


def test_the_published_book_never_asks_less_than_the_model(tested: BacktestResult) -> None:
    """Rounding and publication would hand out leverage that no measurement supports."""
    for walked in tested.walks:
        for confidence in (0.99, 0.995):
            model, book = walked.scored["model", confidence], walked.scored["book", confidence]
            both = model.observed & book.observed
            assert both.any()
            assert (book.margin[both] >= model.margin[both] - 2e-9).all()
            wide = book.margin[book.observed.all(axis=2)]
            assert (wide[:, 0] == wide[:, 1]).all()
            published = wide + CCP.costs.taker_fee_rate
            step = CCP.rounding.maintenance_step
            np.testing.assert_allclose(published / step, np.round(published / step), atol=1e-6)
            assert published.min() >= CCP.rounding.minimum_maintenance_rate
            assert (book.breach & both).sum() <= (model.breach & both).sum()


def test_the_top_volatility_decile_is_a_tenth_of_each_market(tested: BacktestResult) -> None:
    """Coverage in the storm would be looked at where there was none."""
    walked = tested.walks[0]
    scored = walked.scored["model", 0.99]
    top = top_volatility(scored, walked.conditioning, walked.panel)
    seen = scored.observed
    for at in range(3):
        assert (top & seen)[:, at, 0].sum() / seen[:, at, 0].sum() == pytest.approx(0.1, abs=0.01)
    inside, outside = (np.nanmean(walked.conditioning[:, 1][(top[:, 1, 0] == flag) & seen[:, 1, 0]])
                       for flag in (True, False))
    assert inside > outside
    row = next(p for p in tested.pooled if (p.layer, p.confidence, p.horizon_s) == ("model", 0.99, DAY_S))
    assert row.rate_top_volatility_decile == pytest.approx(scored.breach[top].sum() / (top & seen).sum())


def test_every_market_too_young_is_no_result() -> None:
    """An empty table would be read as a book without a breach."""
    with pytest.raises(InsufficientDataError) as raised:
        backtest(bars_of(steady_panel(200)), CCP, BacktestPlan())
    assert raised.value.exit_code == 4
    assert "days" in str(raised.value)


def test_a_market_without_a_window_in_the_span_says_why() -> None:
    """Somebody would go looking for missing bars of a market that has 700 of them."""
    panel = steady_panel()
    close = panel.close.copy()
    close[600:, 1] = np.nan
    start = int(panel.ts[650])
    result = backtest(bars_of(panel_of(close, symbols=panel.symbols)), CCP, BacktestPlan(start_ns=start))
    assert [symbol for symbol, _ in result.skipped] == [panel.symbols[1]]
    assert "600 days of bars, but none of its windows in the scored span" in result.skipped[0][1]


def test_a_market_without_a_window_at_one_horizon_has_a_row_of_nulls() -> None:
    """Its rows would be missing without a word in the list of what was skipped."""
    close = closes(0.03 * unit_t(np.random.default_rng(3), (400, 2)))
    close[:116, 1] = np.nan  # enough for a margin over one day, not over ten
    plan = BacktestPlan(horizons_s=(DAY_S, 10.0 * DAY_S), confidences=(0.99,))
    result = backtest(bars_of(panel_of(close)), CCP, plan)
    assert result.skipped == ()
    row = next(r for r in result.results if r.symbol == "M1" and r.horizon_s == 10 * DAY_S and r.layer == "model")
    assert (row.observations, row.exceedances, row.verdict) == (0, 0.0, "undecided")
    assert {row.kupiec_p, row.christoffersen_p, row.dq_p, row.mean_margin, row.peak_margin, row.peak_to_trough,
            row.max_increase_5, row.quantile_score} == {None}
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("method", sorted(MODELS))
def test_a_frozen_market_breaks_nothing(method: str) -> None:
    """One stablecoin at 1.0000 in the file would fill the screen with warnings, or stop the run."""
    panel = steady_panel()
    close = panel.close.copy()
    close[:, 1] = 1.0
    result = backtest(bars_of(panel_of(close, symbols=panel.symbols)), CCP, BacktestPlan(method=method))
    json.dumps(result.to_dict(), allow_nan=False)
    frozen = [r for r in result.results if r.symbol == panel.symbols[1]]
    assert all(r.exceedances == 0 for r in frozen)
    assert bool(frozen) != (panel.symbols[1] in {symbol for symbol, _ in result.skipped})


TOOLS = CCP.model_copy(update={"anti_procyclicality": AntiProcyclicality(
    buffer=0.25, stress_weight=0.25, floor_lookback_days=300)})


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(440, 515), horizon=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_no_later_price_moves_a_margin_that_was_held(seed: int, cut: int, horizon: int) -> None:
    """The backtest would prove margins that nobody could have set at the time."""
    close = ragged(seed, 520, 2)
    other = close.copy()
    other[cut + 1 :] *= np.exp(np.random.default_rng(seed + 1).normal(0.0, 0.5, other[cut + 1 :].shape))
    held = [margins(panel_of(c, low=c * 0.97, high=c * 1.02), horizon) for c in (close, other)]
    for before, after in zip(*held, strict=True):
        assert before[: cut + 1].tobytes() == after[: cut + 1].tobytes()
    assert all(np.isfinite(margin[: cut + 1]).any() for margin in held[0])


def margins(panel: Panel, horizon: int) -> list[FloatArray]:
    plan = BacktestPlan(horizons_s=(float(horizon * DAY_S),), confidences=(0.99,), refit_s=2.0 * DAY_S)
    walked = walk(panel, TOOLS, loss_model(DEFAULT_MODEL), plan, float(horizon * DAY_S))
    return [scored.margin for scored in walked.scored.values()]


def test_the_same_bars_give_the_same_document() -> None:
    """Two people would read two intervals off the same data."""
    bars = bars_of(steady_panel(420, 2))
    first, second = (json.dumps(backtest(bars, CCP, BacktestPlan()).to_dict()) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("layer", "exceedances", "expected"), [
    ("model", 21.0, "too many breaches"), ("book", 21.0, "too many breaches"), ("model", 20.0, "holds"),
    ("model", 3.0, "too few breaches"), ("book", 3.0, "holds"), ("model", 5.0, "holds"),
])
def test_verdicts(layer: str, exceedances: float, expected: str) -> None:
    """A model that overcharges would pass, or a careful book fail."""
    assert verdict(layer, exceedances, 12.0, 5, 20) == expected
    assert verdict(layer, 0.0, 0.9, 0, 4) == "undecided"
    assert verdict(layer, 5.0, 0.9, 0, 4) == "too many breaches"


@pytest.mark.parametrize("wrong", [
    {"confidences": (0.5,)}, {"confidences": (1.0,)}, {"confidences": (0.99, 0.99)}, {"confidences": ()},
    {"horizons_s": ()}, {"horizons_s": (DAY_S, float(DAY_S))}, {"refit_s": 0.0},
    {"start_ns": 2 * NS_PER_S, "end_ns": NS_PER_S},
])
def test_plans_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    """A slip of the keyboard would be answered with a table."""
    with pytest.raises(UsageError):
        BacktestPlan(**wrong)


def test_a_horizon_shorter_than_a_bar_is_refused() -> None:
    """An eight-hour margin would be proved on daily bars."""
    with pytest.raises(InsufficientDataError, match="shorter than the bar"):
        backtest(bars_of(steady_panel(420, 2)), CCP, BacktestPlan(horizons_s=(8 * 3600.0,)))
