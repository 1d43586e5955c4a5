r"""Cash at hand: what a run takes out, and what winners are paid before losers have paid in.

*Withdrawals*: a share of all free collateral leaves at once. *Settlement*: over the settlement horizon profits fall due
on one side while the losses behind them are still being collected, so the buffer holds the expected shortfall of

.. math:: S = \sum_m O_m \, |e^{X_m} - 1|

over joint moves X of all markets, with open interest O (one side of each market: what its winners gain). Dependence is
that of the fund's stressed paths where the appetite has a fund, else that of the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leverline.calibrate.fund_in_book import event_history, full_markets, open_interest_at_caps, round_up_units
from leverline.calibrate.fund_losses import expected_shortfall
from leverline.calibrate.joint_paths import JointHistory, StressedPaths, moves_as_dates_fell, run_starts
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import UsageError, require
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import value_accounts
from leverline.model.appetite import RiskAppetite
from leverline.model.appetite_line import LiquidityAppetite
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits
from leverline.model.venue import LiquidityBuffer

if TYPE_CHECKING:  # the book is wired from here, so its module imports this one
    from leverline.calibrate.book import Calibration

PATHS = 4_000
"""Paths of either kind; at the confidence of a profile some tens of them make up the shortfall."""
FREE_OVER_MARGIN = 1.0
"""Free collateral over initial margin where no accounts are given: as much idle as bound. Assumed."""
_ROOT = "/venue/liquidity_buffer"


@dataclass(frozen=True, slots=True)
class CalibratedBuffer:
    """The buffer, explanations by JSON pointer, and warnings."""

    buffer: LiquidityBuffer
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]


def run_of_withdrawals(free_collateral: float, share: float) -> float:
    """Settlement currency that leaves when ``share`` of all that may leave does."""
    require(free_collateral >= 0.0, "free collateral is not negative", got=free_collateral)
    require(0.0 <= share <= 1.0, "the share that is withdrawn lies in [0, 1]", got=share)
    return share * free_collateral


def profits_due(moves: FloatArray, open_interest: FloatArray) -> FloatArray:
    """Profits of the winning side of each market, in sum a path, (n_paths,).

    ``moves`` (n_paths, n_windows, n_markets) are log returns of the settlement horizon; ``open_interest`` (n_markets,)
    is one side's notional.
    """
    require(moves.shape[-1] == open_interest.size, "one open interest a market", got=open_interest.size)
    return np.asarray(np.abs(np.expm1(moves.sum(axis=1))) @ open_interest, np.float64)


def calibrate_buffer(
    calibration: Calibration, appetite: RiskAppetite, *, rng: np.random.Generator,
    limits: Mapping[str, InstrumentLimits] | None = None, accounts: MarginTables | None = None,
) -> CalibratedBuffer:
    """Cash for ``accounts``, or else for markets full to the caps of ``limits`` (by symbol)."""
    wanted, book = liquidity_appetite(appetite), dict(limits or {m.symbol: m.limits for m in calibration.markets})
    owners = appetite.fund.cover_owners if appetite.fund is not None else 1
    sizes = {m.symbol: open_interest_at_caps(book[m.symbol], owners) for m in calibration.markets}
    seen = {} if accounts is None else _open_interest(accounts)
    kept = tuple(m for m in calibration.markets
                 if (m.symbol in seen if accounts is not None else sizes[m.symbol] is not None))
    interest = np.array([seen[m.symbol] if accounts is not None else (sizes[m.symbol] or (0.0, False))[0]
                         for m in kept])
    said = _warnings(seen, {m.symbol for m in kept}, any_market=bool(kept))
    settled, history = 0.0, None
    if kept:
        history = event_history(calibration, appetite, kept, wanted.settlement_horizon_s,
                                window_s=wanted.settlement_horizon_s)
        settled = _settlement(history, interest, appetite, wanted, rng)
    if accounts is not None:
        free = float(np.maximum(value_accounts(accounts).pools.withdrawable, 0.0).sum())
    else:
        full = full_markets(kept, book, interest)
        free = FREE_OVER_MARGIN * 2.0 * float(full.initial_rate @ interest)
    leaving = run_of_withdrawals(free, wanted.withdrawal_share)
    buffer = LiquidityBuffer(withdrawals=round_up_units(leaving), settlement=round_up_units(settled))
    return CalibratedBuffer(buffer, _explanations(free, wanted, history, actual=accounts is not None), said)


def _warnings(seen: Mapping[str, float], kept: set[str], *, any_market: bool) -> tuple[str, ...]:
    """What the settlement part leaves out."""
    said = [] if any_market else ["the liquidity buffer holds nothing for settlement: no market has a size"]
    unknown = sorted(set(seen) - kept)
    if unknown:
        said.append(f"accounts hold {len(unknown)} markets that are not calibrated, such as {unknown[0]}: "
                    "the liquidity buffer holds nothing for their profits")
    return tuple(said)


def liquidity_appetite(appetite: RiskAppetite) -> LiquidityAppetite:
    """The appetite's section on liquidity; refused where there is none, or asks for more than the paths can show."""
    if appetite.liquidity is None:
        raise UsageError(f"the appetite {appetite.name!r} says nothing of liquidity",
                         remedy="add a section [liquidity]")
    if (1.0 - appetite.liquidity.confidence) * PATHS < 10.0 - 1e-9:
        raise UsageError(f"confidence {appetite.liquidity.confidence:g} is beyond what {PATHS} paths can show",
                         remedy="lower confidence in [liquidity]")
    return appetite.liquidity


def _open_interest(accounts: MarginTables) -> dict[str, float]:
    """Notional of the larger side of each market that anybody holds."""
    notional, market = value_accounts(accounts).positions.notional, accounts.book.position_market
    sides = [np.bincount(market, np.where(held, notional, 0.0), minlength=len(accounts.book.markets))
             for held in (accounts.base > 0, accounts.base < 0)]
    out: dict[str, float] = {}
    for name, size in zip(accounts.book.markets, np.maximum(*sides).tolist(), strict=True):
        if size > 0.0:
            out[name.symbol] = out.get(name.symbol, 0.0) + size
    return out


def _settlement(history: JointHistory, interest: FloatArray, appetite: RiskAppetite, wanted: LiquidityAppetite,
                rng: np.random.Generator) -> float:
    """The larger expected shortfall of profits due: as dates fell, or with stressed dependence."""
    found = [moves_as_dates_fell(history, run_starts(history, PATHS))]
    if appetite.fund is not None:
        found.append(StressedPaths(history, appetite.fund.stressed_correlation).moves(PATHS, rng))
    return max(expected_shortfall(profits_due(moves[:, :-1], interest), wanted.confidence) for moves in found)


def _explanations(free: float, wanted: LiquidityAppetite, history: JointHistory | None, *, actual: bool,
                  ) -> dict[str, Explanation]:
    basis = Basis.MEASURED if actual else Basis.ASSUMED
    held = f"{free:,.0f} that may leave" if actual else f"{free:,.0f} assumed idle, as much as initial margin at caps"
    whose = "of actual accounts" if actual else "of all markets full to their caps"
    settled = "no market has a size" if history is None else (
        f"expected shortfall at {wanted.confidence:g} of profits {whose} over "
        f"{history.windows * history.window_s:g} s")
    return {
        f"{_ROOT}/withdrawals": Explanation(binding=f"{wanted.withdrawal_share:g} of {held}", basis=basis,
                                            sensitivity={"free collateral +10 %": 0.1 if free > 0 else None}),
        f"{_ROOT}/settlement": Explanation(binding=settled, basis=basis,
                                           sensitivity={"open interest +10 %": 0.1 if history else None})}
