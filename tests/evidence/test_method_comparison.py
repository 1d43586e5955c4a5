"""Models side by side: the right one stays in the set, the control leaves it, all on the same windows."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leverline.evidence.method_comparison import MIN_OBSERVATIONS, Comparison, compare_methods
from leverline.ground.errors import InsufficientDataError
from leverline.measure.loss_models import DEFAULT_MODEL, MODELS
from tests.measure.panels import DAY_S, closes, garch, panel_of

CONTROL = "normal-ewma"
CONFIDENCES = (0.99, 0.999)


@pytest.fixture(scope="module")
def compared() -> Comparison:
    returns, _ = garch(np.random.default_rng(41), 2200, 40)
    return compare_methods(panel_of(closes(returns)), tuple(MODELS.values()), float(DAY_S), CONFIDENCES,
                           rng=np.random.default_rng(1))


@pytest.mark.parametrize(("confidence", "right"), [(0.99, "fhs-0.97"), (0.999, DEFAULT_MODEL)])
def test_the_right_model_stays_in_the_set_and_the_control_leaves_it(
    compared: Comparison, confidence: float, right: str
) -> None:
    """The ranking that picks the shipped default could not tell it from normal margins.

    Losses of a GARCH process scale with volatility, so full filtering is right; at 99.9 % its order statistics have
    one or two losses to stand on, and a Pareto tail is better although it filters by half only.
    """
    best, control = compared.of(right, confidence), compared.of(CONTROL, confidence)
    assert best.in_set
    assert best.p_best >= 0.1
    assert not control.in_set
    assert control.quantile_score > best.quantile_score
    assert control.interval[0] > 1.0 - confidence
    assert not compared.of("historical-365", confidence).in_set


def test_all_methods_are_scored_on_the_same_windows(compared: Comparison) -> None:
    """A method that speaks only in calm years would win against those that speak always."""
    assert len(compared.scores) == len(MODELS) * len(CONFIDENCES)
    assert len({score.windows for score in compared.scores}) == 1
    for confidence in CONFIDENCES:
        seen = [np.isfinite(compared.severity[name, confidence]) for name in MODELS]
        assert all(np.array_equal(seen[0], other) for other in seen[1:])
        assert seen[0].sum() == compared.scores[0].windows


def test_severity_beyond_one_is_a_breach(compared: Comparison) -> None:
    """The perfect model would be drawn from the crises of something else."""
    for score in compared.scores:
        severity = compared.severity[score.method, score.confidence]
        assert (severity > 1.0).sum() / np.isfinite(severity).sum() == pytest.approx(score.rate)
    perfect = compared.perfect(DEFAULT_MODEL, 0.99, np.random.default_rng(1))
    assert perfect.sides == compared.of(DEFAULT_MODEL, 0.99).sides == 80
    assert 0.9 < perfect.mean <= 1.0


def test_plain_history_is_steadier_and_blind_in_the_storm(compared: Comparison) -> None:
    """The two costs that the choice of the default weighs against each other would be mixed up."""
    own, history = compared.of(DEFAULT_MODEL, 0.99), compared.of("historical-1000", 0.99)
    assert history.rise_5 < own.rise_5
    assert history.top_decile_rate > 1.5 * own.top_decile_rate


def test_a_side_of_too_few_windows_is_not_judged_by_its_band() -> None:
    """A coin of a hundred days would be called in band, as anything is at a hundred windows."""
    returns, _ = garch(np.random.default_rng(42), 1100 + MIN_OBSERVATIONS - 100, 2)
    short = compare_methods(panel_of(closes(returns)), tuple(MODELS.values()), float(DAY_S), (0.99,),
                            rng=np.random.default_rng(1))
    assert {score.sides for score in short.scores} == {2 * 2}
    young = compare_methods(panel_of(closes(returns[:500])), (MODELS[DEFAULT_MODEL], MODELS[CONTROL]), float(DAY_S),
                            (0.99,), rng=np.random.default_rng(1))
    assert {score.sides for score in young.scores} == {0}
    row = young.of(CONTROL, 0.99).to_dict()
    assert row["in_band"] is None
    json.dumps(row, allow_nan=False)


def test_too_short_a_history_is_said_so() -> None:
    """A comparison of nothing would end in a warning of NumPy's about an empty slice."""
    returns, _ = garch(np.random.default_rng(43), 280, 2)
    with pytest.raises(InsufficientDataError, match="every method"):
        compare_methods(panel_of(closes(returns)), tuple(MODELS.values()), float(DAY_S), (0.99,),
                        rng=np.random.default_rng(1))
