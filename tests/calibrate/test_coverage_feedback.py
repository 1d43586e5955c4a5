"""Coverage feeds back on the margin: nominal in the long run, and never further than the clip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from leverline.calibrate.coverage_feedback import confidence_adjustment, feed_back, next_factor
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError
from leverline.market.bars import Panel
from leverline.measure.loss_models import loss_model
from leverline.model import RiskAppetite
from leverline.model.appetite_line import FeedbackAppetite
from tests.calibrate.markets import Market, bars_of

NOMINAL = 0.01
WIDE = FeedbackAppetite(gain=0.05, lowest=0.2, highest=5.0)
CLIPPED = FeedbackAppetite(gain=0.05, lowest=0.8, highest=1.5)


def storms(seed: int, n_steps: int = 20_000) -> FloatArray:
    """Fat-tailed losses of two markets whose volatility wanders, which no margin here follows."""
    rng = np.random.default_rng(seed)
    level = np.zeros((n_steps, 2))
    for t in range(1, n_steps):
        level[t] = 0.98 * level[t - 1] + 0.1 * rng.standard_normal(2)
    return np.asarray(0.03 * np.exp(level) * rng.standard_t(4, (n_steps, 2)))


@given(seed=st.integers(0, 2**32 - 1), gain=st.floats(0.01, 0.9), nominal=st.floats(0.001, 0.3),
       together=st.booleans(), scale=st.floats(0.01, 100.0))
@hypothesis_settings(max_examples=40)
def test_what_is_missed_is_what_was_clipped(seed: int, gain: float, nominal: float, together: bool,
                                            scale: float) -> None:
    """The theorem would be an assertion in a docstring; it holds for hostile losses and absurd models alike."""
    rng = np.random.default_rng(seed)
    losses = scale * rng.standard_cauchy((300, 3)) * rng.choice([0.0, 1.0, 100.0], (300, 1))
    losses[rng.random(losses.shape) < 0.1] = np.nan
    margins = rng.exponential(1.0, (300, 3))
    limits = FeedbackAppetite(gain=gain, lowest=0.7, highest=1.8)
    path = feed_back(losses, margins, nominal, limits, together=together)
    seen = np.isfinite(path.breached).sum(axis=0)
    wander = np.log(path.factor[-1] / path.factor[0]) / (gain * seen)
    np.testing.assert_allclose(path.breach_share - nominal, wander + path.miss_from_clip, atol=1e-9)
    assert np.all((path.factor >= 0.7) & (path.factor <= 1.8))
    assert np.all(np.abs(wander) <= np.log(1.8 / 0.7) / (gain * seen) + 1e-12)


@pytest.mark.parametrize("wrong", [0.6, 1.0, 1.6])
def test_coverage_of_a_wrong_model_returns_to_nominal(wrong: float) -> None:
    """A model that asks for two thirds of what is needed would stay wrong for as long as it is run."""
    losses = storms(1)
    margins = np.full_like(losses, wrong * np.quantile(losses, 1.0 - NOMINAL))
    path = feed_back(losses, margins, NOMINAL, WIDE)
    assert np.all(path.clipped_share == 0.0)
    np.testing.assert_allclose(path.breach_share, NOMINAL, atol=np.log(25.0) / (0.05 * 20_000) + 1e-12)
    last = path.breached[10_000:].mean(axis=0)
    np.testing.assert_allclose(last, NOMINAL, atol=0.003)


def test_a_model_beyond_the_clip_stays_wrong_and_says_so() -> None:
    """A factor at its end looks like a calibrated one unless the time it stood there is told."""
    losses = storms(2, 5_000)
    margins = np.full_like(losses, 0.2 * np.quantile(losses, 1.0 - NOMINAL))
    path = feed_back(losses, margins, NOMINAL, CLIPPED)
    assert np.all(path.breach_share > 3 * NOMINAL)
    assert np.all(path.miss_from_clip > 2 * NOMINAL)
    assert np.all(path.clipped_share > 0.02)  # each breach there is cut
    assert np.all(path.factor[-2_000:] > 1.4)


def test_the_step_on_the_margin_peaks_far_below_the_step_on_the_level() -> None:
    """The correction would cost what it cost elsewhere: a level near 1 asks for the worst loss ever seen."""
    losses = storms(3, 3_000)[:, :1]
    level, asked = NOMINAL, []
    for t in range(500, 3_000):
        past = losses[t - 500:t, 0]
        asked.append(float(np.quantile(past, min(1.0, max(0.0, 1.0 - level)))))
        level += 0.005 * (NOMINAL - float(losses[t, 0] > asked[-1]))
    bare = np.array([np.quantile(losses[t - 500:t, 0], 1.0 - NOMINAL) for t in range(500, 3_000)])[:, None]
    path = feed_back(losses[500:], bare, NOMINAL, CLIPPED)
    assert np.max(bare * path.factor[:-1]) < 0.8 * np.max(asked)
    assert path.breach_share[0] == pytest.approx(NOMINAL, abs=0.005)


@given(factor=st.floats(0.8, 1.5), share=st.floats(0.0, 1.0), more=st.floats(0.0, 1.0))
def test_more_breaches_never_ask_for_less(factor: float, share: float, more: float) -> None:
    """A worse day would loosen the margin."""
    less, greater = sorted((share, more))
    assert next_factor(factor, less, NOMINAL, CLIPPED) <= next_factor(factor, greater, NOMINAL, CLIPPED)


def test_steps_broadcast_and_a_gap_moves_nothing() -> None:
    """A halt would count as a calm day and let the margin fall while nobody could trade."""
    held = np.array([0.9, 1.0, 1.2])
    moved = next_factor(held, np.array([np.nan, 0.0, 1.0]), NOMINAL, CLIPPED)
    assert moved[0] == 0.9
    assert moved[1] == pytest.approx(np.exp(-0.05 * NOMINAL))
    assert moved[2] == pytest.approx(1.2 * np.exp(0.05 * (1 - NOMINAL)))
    assert next_factor(1.49, True, NOMINAL, CLIPPED) == 1.5


def test_a_breach_is_known_only_when_its_window_is_over() -> None:
    """The factor would rise on the morning of a crash that it only sees in the evening."""
    losses = np.zeros((10, 1))
    losses[2] = 9.0
    early, late = (feed_back(losses, np.ones((10, 1)), NOMINAL, CLIPPED, known_after=after).factor[:, 0]
                   for after in (1, 4))
    assert np.argmax(early) == 3
    assert np.argmax(late) == 6
    assert late[0] == late[3] == 1.0


def test_what_is_no_breach_is_refused() -> None:
    """A count of breaches in place of a share would multiply margins by anything."""
    with pytest.raises(UsageError, match="share"):
        next_factor(1.0, 3.0, NOMINAL, CLIPPED)
    with pytest.raises(UsageError, match="nominal"):
        next_factor(1.0, 0.0, 1.0, CLIPPED)
    with pytest.raises(UsageError, match="positive"):
        next_factor(0.0, 0.0, NOMINAL, CLIPPED)


@pytest.mark.parametrize("spacing_s", [86_400, 21_600])
def test_the_book_s_factor_comes_from_its_own_markets(spacing_s: int) -> None:
    """The factor in a book would be a number without a history; daily and shorter bars count days alike."""
    n = 700 * 86_400 // spacing_s
    panel = Panel.of(bars_of(*(Market(name, seed, n, spacing_s=spacing_s) for seed, name in enumerate("ABCD", 1))))
    appetite = RiskAppetite.profile("exchange")
    found = confidence_adjustment(panel, loss_model("historical-365"), appetite)
    assert found.nominal == pytest.approx(0.01)
    why = found.explanations["/venue/confidence_adjustment"]
    assert why.basis == "measured"
    assert f"over {int(np.isfinite(found.path.breached).sum())} steps" in why.binding
    assert 350 <= np.isfinite(found.path.breached).sum() <= 460
    assert found.factor == found.path.factor[-1, 0]
    assert found.path.breach_share[0] == pytest.approx(0.01, abs=0.012)
    with pytest.raises(UsageError, match="feedback"):
        confidence_adjustment(panel, loss_model("historical-365"), appetite.model_copy(update={"feedback": None}))


def test_without_history_nothing_is_adjusted() -> None:
    """A new venue would start on somebody else's coverage."""
    panel = Panel.of(bars_of(Market("A", n=100)))
    found = confidence_adjustment(panel, loss_model("historical-365"), RiskAppetite.profile("exchange"))
    assert found.factor == 1.0
    assert found.explanations["/venue/confidence_adjustment"].basis == "defaulted"
