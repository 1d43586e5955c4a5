r"""How good an asset is as collateral: one number, and the parts it is made of.

Every part lies in [0, 1], 1 is best, and is a share that a lender can picture; None where it was not measured. The
score is the geometric mean of the parts that are known, so that one fatal flaw is not averaged away: an asset with a
part of 0 scores 0. A score without a part is not comparable with one that has it: the parts stand beside it.

==============  =======================================================================================================
volatility      :math:`\max(0, 1 - \sqrt{7}\,\sigma / 0.5)`: what a week's volatility leaves of half its value
tail            :math:`1 - q`: what is left after the loss quantile over the margin period, at half the exceedance
liquidity       :math:`1 - s(L) / s_{max}`: slippage of the largest liquidation against the appetite's highest bonus
holders         1 - the share of all units that the ten largest holders have, as the user gave it
peg             :math:`\max(0, 1 - \text{deepest discount} / 0.5)`, in the whole history seen
oracle          :math:`\max(0, 1 - g / 0.05)`: gap between mark and market after large moves, where marks were seen
contract        the grade that the user gives
==============  =======================================================================================================
"""

from __future__ import annotations

import numpy as np

from leverline.calibrate.collateral_terms import CollateralMeasures, section
from leverline.model.appetite import RiskAppetite
from leverline.model.collateral import QualityScore
from leverline.model.limitbook import Basis

WEEK_DAYS = 7.0
WORST_WEEK = 0.5
"""A weekly volatility at which an asset scores nothing: half its value in one standard deviation."""
WORST_DISCOUNT = 0.5
"""A discount at which a peg scores nothing: half is gone, and such pegs have not come back."""
WORST_GAP = 0.05
"""A gap between oracle and market at which the oracle scores nothing: more than most liquidation bonuses."""


def quality_score(measures: CollateralMeasures, period_s: float, appetite: RiskAppetite) -> QualityScore:
    """Score and parts; ``period_s`` is the margin period of the largest liquidation."""
    pledged, market, peg = section(appetite), measures.market, measures.peg
    sigma, deep = measures.sigma_per_day, market.losses_at_half_exceedance
    tail = float(deep.at(np.array([period_s]))[0, 0])
    slippage = np.nan if market.depth is None else float(market.depth.cost_rate(pledged.largest_liquidation)[0])
    seen = market.basis.basis is Basis.MEASURED
    parts = {
        "volatility": _part(1.0 - np.sqrt(WEEK_DAYS) * sigma / WORST_WEEK),
        "tail": _part(1.0 - tail),
        "liquidity": _part(1.0 - slippage / pledged.max_bonus if pledged.max_bonus else np.nan),
        "holders": None if measures.holder_concentration is None else _part(1.0 - measures.holder_concentration),
        "peg": None if peg is None else _part(1.0 - peg.record.deepest / WORST_DISCOUNT),
        "oracle": _part(1.0 - market.basis.rate / WORST_GAP) if seen else None,
        "contract": pledged.contract_grades.get(measures.asset),
    }
    known = np.array([part for part in parts.values() if part is not None])
    with np.errstate(divide="ignore"):
        score = float(np.exp(np.log(known).mean())) if known.size else 0.0
    return QualityScore(score=round(score, 4), parts=parts)


def _part(value: float) -> float | None:
    """In [0, 1] to four decimals; None for what is not a number."""
    return round(min(1.0, max(0.0, float(value))), 4) if np.isfinite(value) else None
