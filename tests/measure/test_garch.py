"""GARCH: the recursion by hand, parameters recovered, no look-ahead, failures counted, absence of the library said."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.arrays import FloatArray
from leverline.ground.errors import LeverlineError, UsageError
from leverline.measure import garch
from leverline.measure._volatility_kernels import garch_variance_kernel, garch_variance_readable
from leverline.measure.garch import GarchFit, GarchVolatility, fit_garch


def simulated(seed: int, n: int, *, gamma: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Returns (n,) of a GJR with t(6) shocks and the variance each was drawn with; long-run variance 0.0016."""
    rng = np.random.default_rng(seed)
    alpha, beta = 0.08, 0.88 - gamma / 2
    shocks = rng.standard_t(6, n) / np.sqrt(1.5)
    variance, returns = np.empty(n), np.empty(n)
    level = 0.0016
    for t in range(n):
        variance[t] = level
        returns[t] = np.sqrt(level) * shocks[t]
        level = 0.04 * 0.0016 + (alpha + gamma * (returns[t] < 0)) * returns[t] ** 2 + beta * level
    return returns, variance


@given(seed=st.integers(0, 2**32 - 1), alpha=st.floats(0, 0.3), gamma=st.floats(0, 0.3), beta=st.floats(0, 0.99))
@settings(max_examples=40, deadline=None)
def test_kernel_computes_the_published_recursion(seed: int, alpha: float, gamma: float, beta: float) -> None:
    """The variance in force would not be that of the parameters in the report."""
    returns = 0.03 * np.random.default_rng(seed).standard_normal(60)
    out = np.empty(60)
    garch_variance_kernel(returns, 1e-5, alpha, gamma, beta, 1e-3, out)
    np.testing.assert_allclose(out, garch_variance_readable(returns, 1e-5, alpha, gamma, beta, 1e-3), rtol=1e-9)


def test_recursion_by_hand() -> None:
    """An error common to kernel and twin would pass their comparison."""
    out = np.empty(2)
    garch_variance_kernel(np.array([0.1, -0.1]), 0.001, 0.1, 0.05, 0.8, 0.01, out)
    np.testing.assert_allclose(out, [0.01, 0.001 + 0.15 * 0.01 + 0.8 * 0.01])


def test_parameters_are_recovered() -> None:
    """The asymmetry that a report shows would be an artefact of the fit."""
    fit = fit_garch(simulated(1, 6000, gamma=0.06)[0], kind="gjr")
    assert fit is not None
    assert fit.persistence == pytest.approx(0.96, abs=0.02)
    assert fit.gamma == pytest.approx(0.06, abs=0.04)
    assert fit.degrees_of_freedom == pytest.approx(6.0, abs=1.5)
    assert fit.long_run_variance == pytest.approx(0.0016, rel=0.3)


@pytest.mark.parametrize("kind", ["garch", "gjr"])
def test_the_forecast_is_the_library_s_own(kind: Any) -> None:
    """Parameters would be translated wrongly on their way out of percent, or the asymmetry be put on rises."""
    from arch import arch_model

    returns = simulated(7, 1200, gamma=0.05)[0]
    model = arch_model(100 * returns, mean="Zero", vol="GARCH", p=1, o=int(kind == "gjr"), q=1, dist="t", rescale=False)
    theirs = model.fit(disp="off").forecast(horizon=1).variance.to_numpy()[-1, 0] / 1e4
    ours = GarchVolatility(kind=kind, minimum=1200).fit(returns[:, None]).sigma_[-1, 0] ** 2
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_forecast_is_near_the_true_variance_and_skips_gaps() -> None:
    """A halted coin would decay to its long-run level while nobody could trade."""
    returns, truth = simulated(2, 1500)
    sigma = GarchVolatility(refit_every=400, minimum=500).fit(returns[:, None]).sigma_[:, 0]
    assert np.isnan(sigma[:500]).all()
    assert np.mean(sigma[500:1500] ** 2 / truth[500:]) == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(np.log(sigma[500:1500]), np.log(truth[500:]))[0, 1] > 0.9
    gapped = np.insert(returns, 1000, [np.nan] * 7)[:, None]
    across = GarchVolatility(refit_every=400, minimum=500).fit(gapped).sigma_[:, 0]
    np.testing.assert_array_equal(across[:1008], np.append(sigma[:1001], [sigma[1000]] * 7))
    np.testing.assert_array_equal(across[1008:], sigma[1001:])


def test_garch_does_not_know_the_future() -> None:
    """A backtest would look better than any venue could do live."""
    returns = simulated(3, 700)[0][:, None]
    changed = returns.copy()
    changed[600:] *= 5.0
    model = GarchVolatility(kind="gjr", refit_every=150, minimum=300)
    np.testing.assert_array_equal(model.fit(returns).sigma_[:601], model.fit(changed).sigma_[:601])


def test_failed_fits_are_counted_and_the_last_good_parameters_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """One optimiser's bad day would become an absurd margin, or a silent one."""
    returns = simulated(4, 500)[0]
    good = GarchFit(1e-5, 0.1, 0.0, 0.85, 6.0, 0)
    answers = iter([None, good, None, None, None])
    monkeypatch.setattr(garch, "fit_garch", lambda *_, **__: next(answers))
    model = GarchVolatility(refit_every=100, minimum=100).fit(returns[:, None])
    assert (model.attempts_.tolist(), model.failures_.tolist()) == ([5], [4])
    assert np.isnan(model.sigma_[:200]).all()
    expected = garch_variance_readable(returns, 1e-5, 0.1, 0.0, 0.85, float(np.mean(returns[:200] ** 2)))
    np.testing.assert_allclose(model.sigma_[200:, 0] ** 2, expected[199:], rtol=1e-9)
    assert model.note_.startswith("4 of 5 garch fits")


def test_what_does_not_converge_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that was broken off would set margins as if it had ended."""
    import arch.univariate.base as library

    returns = simulated(5, 400)[0]
    assert fit_garch(returns) is not None
    original = library.ARCHModelResult.__init__

    def broken_off(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        self._optim_output.status = 9

    monkeypatch.setattr(library.ARCHModelResult, "__init__", broken_off)
    assert fit_garch(returns) is None


def test_a_series_without_variance_has_no_volatility() -> None:
    """A stablecoin that never moved would stop the run of all other coins."""
    model = GarchVolatility(minimum=100, refit_every=100).fit(np.zeros((200, 1)))
    assert np.isnan(model.sigma_).all()
    assert model.failures_.sum() == model.attempts_.sum() == 2


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user would get a traceback where one command helps."""
    monkeypatch.setitem(sys.modules, "arch", None)
    with pytest.raises(LeverlineError, match=r"pip install leverline\[vol\]"):
        GarchVolatility(minimum=100).fit(np.ones((150, 1)))


@pytest.mark.parametrize("bad", [{"kind": "egarch"}, {"distribution": "skewed"}, {"refit_every": 0}, {"minimum": 10},
                                 {"window": 20}])
def test_meaningless_settings_are_refused(bad: dict[str, Any]) -> None:
    """A typing error in a setting would silently produce a margin."""
    with pytest.raises(UsageError):
        GarchVolatility(**bad).fit(np.zeros((5, 1)))


def test_a_fit_at_the_edge_of_stationarity_is_used_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bitcoin's volatility would be frozen for years, since its fits stand at that edge."""
    returns = simulated(6, 300)[0]
    edge = GarchFit(1e-5, 0.1, 0.0, 0.9, 4.0, 0)
    assert edge.integrated
    assert np.isinf(edge.long_run_variance)
    monkeypatch.setattr(garch, "fit_garch", lambda *_, **__: edge)
    model = GarchVolatility(refit_every=100, minimum=100).fit(returns[:, None])
    assert (model.integrated_.tolist(), model.failures_.tolist(), model.note_) == ([3], [0], "")
