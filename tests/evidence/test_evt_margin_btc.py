"""The bitcoin margin: block and day readings of one fit, and the claims on the development data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from leverline.evidence.experiments import evt_margin_btc as experiment
from leverline.evidence.experiments.evt_margin_btc import Margin, Source, day_bars, margins_of
from leverline.ground.errors import LeverlineError
from leverline.model import Payoff
from tests.measure.panels import closes, panel_of, unit_t


def bitcoin(n_days: int = 2700) -> Source:
    close = closes(0.03 * unit_t(np.random.default_rng(1), (n_days, 1)))
    return Source("synthetic", panel_of(close, low=0.98 * close, high=1.02 * close, start="2014-01-01"))


def test_one_per_cent_of_blocks_is_asked_more_than_one_per_cent_of_days() -> None:
    """The two readings of a published margin would be confused, as they have been."""
    margins = list(margins_of(bitcoin()))
    by_reading = {reading: [m for m in margins if m.reading == reading] for reading in experiment.READINGS}
    assert len(by_reading["per block"]) == len(by_reading["per day"]) > 100
    for block, day in zip(by_reading["per block"], by_reading["per day"], strict=True):
        assert (block.sample, block.days_per_block, block.fit) == (day.sample, day.days_per_block, day.fit)
        assert all(block.margin[side] > 1.2 * day.margin[side] for side in ("long", "short"))


def test_an_inverse_contract_asks_more_of_longs_and_less_of_shorts() -> None:
    """A loss counted in the asset that falls would be taken for one counted in dollars."""
    by_payoff: dict[Payoff, dict[tuple[object, ...], dict[str, float]]] = {Payoff.LINEAR: {}, Payoff.INVERSE: {}}
    for m in margins_of(bitcoin()):
        by_payoff[m.payoff][m.prices, m.sample, m.fit, m.days_per_block, m.reading] = m.margin
    assert by_payoff[Payoff.INVERSE].keys() == by_payoff[Payoff.LINEAR].keys()
    for combination, linear in by_payoff[Payoff.LINEAR].items():
        inverse = by_payoff[Payoff.INVERSE][combination]
        assert inverse["long"] > linear["long"]
        assert inverse["short"] < linear["short"]


def test_consistent_means_both_sides() -> None:
    """A pair of which one side fits by chance would count as a reproduction."""
    def margin(long: float, short: float) -> Margin:
        return Margin("x", ("2016-05-01", "2020-12-05"), Payoff.INVERSE, "close", "lmoments", 21, "per block", 80,
                      {"long": long, "short": short})

    assert margin(0.35, 0.19).consistent
    assert not margin(0.33, 0.25).consistent
    assert margin(0.33, 0.25).distance == pytest.approx(0.25)


def test_days_are_made_of_hours_without_filling_gaps() -> None:
    """A day without a trade would become a calm day."""
    close = np.arange(1.0, 97.0)[:, None]
    close[24:48] = np.nan
    days = day_bars(panel_of(close, low=close - 0.5, high=close + 0.5, spacing_s=3600))
    assert days.close[:, 0] == pytest.approx([24.0, np.nan, 72.0, 96.0], nan_ok=True)
    assert days.low[2, 0] == 48.5
    assert days.high[2, 0] == 72.5


@pytest.mark.shared_data
def test_the_published_margin_is_per_block(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """We would explain a published figure by a reading that does not give it; here without the package index."""
    def absent(name: str) -> None:
        raise LeverlineError(f"{name} is not cached")

    monkeypatch.setattr(experiment, "load_bars", absent)
    done = experiment.run(shared_data)
    json.dumps(done.to_dict(), allow_nan=False)
    assert done.verdict == "holds"
    consistent = [v for v in done.variants if v["consistent"]]
    assert {v["reading"] for v in consistent} == {"per block"}
    assert sum(v["payoff"] == "inverse" for v in consistent) > 3 * sum(v["payoff"] == "linear" for v in consistent)
