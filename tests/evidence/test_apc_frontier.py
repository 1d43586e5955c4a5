"""The frontier of coverage, cost and procyclicality: fair to the rivals, without look-ahead, and all of it shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leverline.evidence.experiments import apc_frontier
from leverline.evidence.experiments.registry import run_experiment
from leverline.evidence.stress_windows import day_number
from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import Panel
from leverline.model import RiskAppetite

DAY_NS = 86_400 * 10**9


def panel(n_days: int, seed: int = 3) -> Panel:
    """Two markets of daily closes."""
    rng = np.random.default_rng(seed)
    returns = 0.03 * rng.standard_t(4, (n_days, 2)) * (1.0 + 0.5 * np.sin(np.arange(n_days) / 50.0))[:, None]
    close = 100.0 * np.exp(np.cumsum(np.clip(returns, -0.4, 0.4), axis=0))
    nothing = np.full_like(close, np.nan)
    return Panel(("A", "B"), DAY_NS * (18_000 + np.arange(n_days, dtype=np.int64)), DAY_NS, close, nothing, nothing,
                 nothing)


@pytest.fixture(scope="module")
def walked() -> apc_frontier.Walked:
    governor = RiskAppetite.profile("ccp").governor
    assert governor is not None
    return apc_frontier.walk_margins(panel(700), governor)


def test_every_margin_is_scored_on_the_same_windows(walked: apc_frontier.Walked) -> None:
    """A margin that is unknown on the worst days would look the best."""
    seen = [apc_frontier.scored_margin(walked, name).observed for name in walked.margins]
    assert seen[0].any()
    assert all(np.array_equal(seen[0], other) for other in seen[1:])
    assert set(apc_frontier.RIVALS) < set(walked.margins)


def test_no_margin_knows_tomorrow(walked: apc_frontier.Walked) -> None:
    """The governed margin would be steady because it has seen the storm coming."""
    whole = panel(700)
    governor = RiskAppetite.profile("ccp").governor
    assert governor is not None
    cut = replace(whole, ts=whole.ts[:600], close=whole.close[:600], high=whole.high[:600], low=whole.low[:600],
                  volume=whole.volume[:600])
    early = apc_frontier.walk_margins(cut, governor)
    for name, margin in early.margins.items():
        np.testing.assert_allclose(margin, walked.margins[name][:600], rtol=1e-12, err_msg=name)


def test_calls_of_a_day_are_the_change_of_the_margin(walked: apc_frontier.Walked) -> None:
    """The call that is shown would not be the one that members have to pay."""
    held = apc_frontier.scored_margin(walked, apc_frontier.OURS)
    scored = {name: apc_frontier.scored_margin(walked, name) for name in (apc_frontier.OURS, apc_frontier.TOOLS_ON)}
    row = int(held.offsets[0][500])
    day = day_number(int(held.dates[row]))
    calls = apc_frontier.margin_calls((day,), walked, scored)
    assert len(calls) == 4
    for call in calls:
        at, side = held.symbols.index(call["symbol"]), ("long", "short").index(call["side"])
        assert call["call"] == pytest.approx(held.margin[row + 1, at, side] - call["margin"])


def test_absent_data_is_said_to_be_absent(tmp_path: Path) -> None:
    """The experiment would report on fewer samples than it names."""
    with pytest.raises(InsufficientDataError, match=apc_frontier.STUDIES[0].file):
        run_experiment("apc-frontier", tmp_path)


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_governed_book_is_steadier_in_the_median_and_covers(shared_data: Path) -> None:
    """What the documentation says of the governor's steadiness would not hold on real markets."""
    rows = {row.quantity: row.holds for row in run_experiment("apc-frontier", shared_data).rows}
    for study in apc_frontier.STUDIES:
        for words in ("median largest five-day rise", "median peak to trough",
                      "rate in top volatility decile over nominal"):
            assert rows[f"{study.label}: {words}"]
