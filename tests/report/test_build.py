"""What the page is filled with is what was calibrated and tested."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.evidence.backtest import BacktestResult
from leverline.evidence.proving import prove_book
from leverline.market.bars import NS_PER_S, Bars, Finding
from leverline.measure.loss_models import DEFAULT_MODEL, MODELS
from leverline.model import RiskAppetite
from leverline.report.build import content_of, write_report
from leverline.report.content import ReportContent, TailFit
from tests.calibrate.markets import DAY_S, Market, bars_of
from tests.calibrate.test_requirement import changed

CCP = RiskAppetite.profile("ccp")
RELISTED = Market("LUNA", seed=5, n=700, relisted_at=330)


def pipeline(
    bars: Bars, appetite: RiskAppetite = CCP, method: str = DEFAULT_MODEL, **options: object
) -> tuple[Calibration, BacktestResult, ReportContent]:
    made = calibrate_book(bars, appetite, method=method, **options)  # type: ignore[arg-type]
    tested = prove_book(made, bars, appetite, method=method)
    return made, tested, content_of(made, bars, appetite, tested)


def on_the_curve(fit: TailFit, loss: float) -> float:
    """Exceedance probability that the drawn tail gives a loss."""
    order = np.argsort(fit.fitted_loss)
    return float(np.exp(np.interp(loss, fit.fitted_loss[order], np.log(fit.fitted_exceedance[order]))))


def scalars(thing: object) -> list[float]:
    """Every float that stands alone (arrays may carry NaN for what is not known)."""
    if isinstance(thing, float):
        return [thing]
    if isinstance(thing, list | tuple):
        return [x for part in thing for x in scalars(part)]
    if is_dataclass(thing):
        return [x for f in fields(thing) for x in scalars(getattr(thing, f.name))]
    return []


def test_the_drawn_tail_passes_through_threshold_and_quantile() -> None:
    """A committee would look at a curve that is not the one the margin was read from."""
    made, _, content = pipeline(bars_of(Market("A", n=500), Market("B", seed=3, n=500)))
    for market, shown in zip(made.markets, content.markets, strict=True):
        assert {fit.side for fit in shown.tails} == {"long", "short"}
        for k, fit in enumerate(shown.tails):
            assert fit.threshold is not None
            assert fit.fitted_loss.min() == pytest.approx(fit.threshold)
            assert on_the_curve(fit, fit.threshold) == pytest.approx(0.1, rel=1e-6)
            assert on_the_curve(fit, fit.quantile) == pytest.approx(fit.exceedance, rel=0.02)
            assert fit.quantile == pytest.approx(market.requirement.loss_by_side[0, k], rel=1e-3)
            assert np.mean(fit.losses > fit.threshold) == pytest.approx(0.1, abs=0.01)


def test_breaches_and_margins_are_the_backtests() -> None:
    """The page would mark other breaches than the table counts."""
    _, tested, content = pipeline(bars_of(Market("A", n=700), Market("B", seed=3, n=700)))
    assert content.backtest is not None
    rows = {(r.symbol, r.side, r.layer): r for r in content.backtest.rows}
    for market in content.markets:
        for series in market.series:
            for side in ("long", "short"):
                columns = series.of_side("long" if side == "long" else "short")
                assert columns is not None
                margin, loss, breach = columns
                np.testing.assert_array_equal(breach, loss > margin)
                row = rows[market.symbol, "long" if side == "long" else "short", series.layer]
                assert row.exceedances == breach.sum()
                assert row.observations == breach.size
    assert len(rows) == len(tested.results)


def test_prices_of_a_dead_listing_are_shown_where_it_was_scored() -> None:
    """Breaches of the coin that died would hang in the air, without a price beneath."""
    bars = bars_of(RELISTED)
    _, _, content = pipeline(bars)
    (market,) = content.markets
    assert market.bars is not None
    assert market.bars.relistings == 1
    for series in market.series:
        assert np.isfinite(series.price).all()
        close = dict(zip((bars.ts + bars.spacing_ns).tolist(), bars.close.tolist(), strict=True))
        assert series.price.tolist() == [close[t] for t in series.ts.tolist()]
        assert (series.ts < bars.ts[330]).any()


def test_nothing_after_the_as_of_time_is_on_the_page() -> None:
    """A report of yesterday's book would list tomorrow's findings."""
    bars = bars_of(Market("A", n=500))
    late = Finding("zero-volume", "a.csv", "A", int(bars.ts[-1]), "no trade in this bar")
    as_of = int(bars.ts[449]) + DAY_S * NS_PER_S
    made = calibrate_book(bars, CCP, as_of_ns=as_of)
    content = content_of(made, replace(bars, findings=(late,)), CCP, None)
    assert content.findings == ()
    summary = content.markets[0].bars
    assert summary is not None
    assert (summary.bars, summary.last_ts) == (450, int(bars.ts[449]))


def test_parts_of_the_requirement_add_up_to_it() -> None:
    """The stacked chart would not reach the curve."""
    _, _, content = pipeline(bars_of(Market("A")))
    curve = content.markets[0].curve
    assert curve is not None
    np.testing.assert_allclose(sum(part for _, part in curve.parts), curve.maintenance_rate)


@pytest.mark.parametrize(("bars", "method", "scale", "tested"), [
    (bars_of(Market("A", ranged=False, volume=0)), DEFAULT_MODEL, None, True),
    (bars_of(Market("A")), DEFAULT_MODEL, None, False),
    (bars_of(RELISTED), DEFAULT_MODEL, None, True),
    (bars_of(Market("A", n=24 * 320, spacing_s=3_600)), DEFAULT_MODEL, "sqrt-time", True),
    *((bars_of(Market("A", n=500)), name, None, True) for name in MODELS if name != DEFAULT_MODEL),
], ids=["no volume", "no backtest", "relisted", "scaled", *(name for name in MODELS if name != DEFAULT_MODEL)])
def test_no_page_prints_what_is_not_a_number(
    bars: Bars, method: str, scale: str | None, tested: bool, tmp_path: Path
) -> None:
    """A committee would read "nan %" where it should read why nothing is known."""
    appetite = CCP if scale is None else RiskAppetite.profile("exchange")
    made = calibrate_book(bars, appetite, method=method, scale=scale)
    result = prove_book(made, bars, appetite, method=method) if tested else None
    content = content_of(made, bars, appetite, result)
    assert np.isfinite(scalars(content)).all()
    for fit in content.markets[0].tails:
        assert fit.fitted_loss.shape == fit.fitted_exceedance.shape
        assert np.isfinite(fit.fitted_loss).all()
        assert (fit.fitted_loss.size > 0) == (method == DEFAULT_MODEL)
    path = tmp_path / "report.html"
    write_report(path, made, bars, appetite, result)
    words = path.read_text().split("<script", 1)[0].lower()
    assert not any(sign in words for sign in (">nan", "nan %", "nan<", ">inf", "inf %"))


def test_a_control_is_not_called_a_fit() -> None:
    """The normal law, which is there to fail, would pass for order statistics."""
    _, _, content = pipeline(bars_of(Market("A", n=500)), method="normal-ewma")
    assert {fit.fit for fit in content.markets[0].tails} == {"normal law: the control, not a fit"}


def test_a_scaled_tail_is_shown_in_losses_of_the_margin_period() -> None:
    """Losses of an hour would stand beside a margin for ten seconds."""
    bars = bars_of(Market("A", n=24 * 320, spacing_s=3_600))
    made, _, content = pipeline(bars, RiskAppetite.profile("exchange"), scale="sqrt-time")
    for k, fit in enumerate(content.markets[0].tails):
        assert fit.unit.replace("\xa0", " ") == "per margin period of 10 seconds"
        assert fit.quantile == pytest.approx(made.curves.quantile[0, 0, k])
        assert fit.losses.max() < 0.2 * np.abs(np.diff(np.log(bars.close))).max()


def test_a_quantile_at_the_threshold_draws_no_tail() -> None:
    """The page would show a line of zeros over zeros where there is nothing to draw."""
    loose = changed(CCP, confidence={"level": 0.9})
    _, _, content = pipeline(bars_of(Market("A", n=500)), loose)
    for fit in content.markets[0].tails:
        assert fit.fitted_loss.size == 0
        assert np.isfinite(fit.quantile)
