"""The backtest of a book: its own markets, its own confidence and margin period, nothing after its as-of time."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from leverline.calibrate.book import Calibration, calibrate_book
from leverline.evidence.proving import prove_book
from leverline.market.bars import NS_PER_S, Bars
from leverline.measure.loss_models import DEFAULT_MODEL
from leverline.model.appetite import Confidence, RiskAppetite
from tests.measure.panels import DAY_S, bars_of, closes, panel_of, unit_t

CCP = RiskAppetite.profile("ccp")
AS_OF = int(datetime(2020, 6, 1, tzinfo=UTC).timestamp()) * NS_PER_S


@pytest.fixture(scope="module")
def made() -> tuple[Calibration, Bars]:
    """Two markets with history and one without, as of a day before the last bar."""
    close = closes(0.03 * unit_t(np.random.default_rng(17), (560, 3)))
    close[:500, 2] = np.nan
    bars = bars_of(panel_of(close, symbols=("A", "B", "YOUNG"), start="2019-01-01"))
    return calibrate_book(bars, CCP, as_of_ns=AS_OF), bars


def test_the_book_is_proved_at_its_own_confidence_and_margin_period(made: tuple[Calibration, Bars]) -> None:
    """The report would defend a 99 % book with the backtest of another."""
    for level, expected in ((0.99, (0.99,)), (0.995, (0.99, 0.995)), (0.95, (0.95,))):
        appetite = CCP.model_copy(update={"confidence": Confidence(level=level, unit="per_margin_period")})
        proved = prove_book(*made, appetite, method=DEFAULT_MODEL)
        assert tuple(dict.fromkeys(row.confidence for row in proved.pooled)) == expected
        assert {row.horizon_s for row in proved.pooled} == {float(DAY_S)}
    weekly = CCP.model_copy(update={
        "margin_period": CCP.margin_period.model_copy(update={"detection_s": 2.0 * DAY_S}),
        "confidence": Confidence(level=0.99, unit="per_day")})
    proved = prove_book(*made, weekly, method=DEFAULT_MODEL)
    assert list(dict.fromkeys(row.confidence for row in proved.pooled)) == pytest.approx([0.99**2])
    assert {row.horizon_s for row in proved.pooled} == {2.0 * DAY_S}


def test_the_proof_sees_the_markets_of_the_book_up_to_its_as_of_time(made: tuple[Calibration, Bars]) -> None:
    """A book of June would be proved with July's prices, or with markets it does not limit."""
    proved = prove_book(*made, CCP, method=DEFAULT_MODEL)
    assert {row.symbol for row in proved.results} == {"A", "B"}
    panel = proved.walks[0].panel
    assert int(panel.ts[-1]) + panel.spacing_ns == AS_OF
    assert proved.provenance is not None
    assert proved.provenance.as_of == datetime(2020, 6, 1, tzinfo=UTC)
    assert proved.method == DEFAULT_MODEL
