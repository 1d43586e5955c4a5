"""Joint histories and full markets that the tests of fund, offsets and liquidity share."""

from __future__ import annotations

import numpy as np

from leverline.calibrate.fund_losses import FullMarkets
from leverline.calibrate.joint_paths import JointHistory
from leverline.model import RiskAppetite
from leverline.model.appetite_line import CrossMarginAppetite, FundAppetite


def joint(n_markets: int = 6, *, dates: int = 600, common: float = 0.7, sigma: float = 0.02, windows: int = 2,
          seed: int = 1) -> JointHistory:
    """Residuals of ``n_markets`` with one common factor of weight ``common`` in variance; Student, four degrees."""
    rng = np.random.default_rng(seed)
    shock = rng.standard_t(4, (dates, 1 + n_markets)) / np.sqrt(2.0)
    residual = np.sqrt(common) * shock[:, :1] + np.sqrt(1.0 - common) * shock[:, 1:]
    return JointHistory(
        symbols=tuple(f"M{k}/USD:USD" for k in range(n_markets)), residual=residual,
        own=np.ones(residual.shape, bool), scale=np.full(n_markets, sigma), correlation=np.corrcoef(residual.T),
        window_s=3_600.0, window_rows=1, windows=windows, pooled=())


def full(history: JointHistory, *, notional: float = 1e6, initial: float = 0.06, maintenance: float = 0.04,
         owners: float = 4.0) -> FullMarkets:
    """Every market with the same open interest, held by ``owners`` a side."""
    def each(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.full(len(history.symbols), value)

    return FullMarkets(history.symbols, each(notional), each(notional / owners), each(initial), each(maintenance),
                       each(0.002))


def fund_appetite(**changes: object) -> FundAppetite:
    """That of the exchange profile at a confidence that few paths show."""
    section = RiskAppetite.profile("exchange").fund
    assert section is not None
    return section.model_copy(update={"confidence": 0.99, "paths": 2_000, **changes})


def cross_appetite(**changes: object) -> CrossMarginAppetite:
    """That of the exchange profile."""
    section = RiskAppetite.profile("exchange").cross_margin
    assert section is not None
    return section.model_copy(update=changes)
