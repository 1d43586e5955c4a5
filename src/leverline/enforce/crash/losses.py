"""Stages that pay what is owed, in columns: the insurance fund and the socialised loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.enforce.crash import _kernels as kernels
from leverline.enforce.crash.columns import BOUND
from leverline.enforce.crash.look import Crash
from leverline.enforce.effect_batch import FundMovements, LossShares, place
from leverline.enforce.insurance_fund import InsuranceFund, free_of
from leverline.enforce.margining import standing
from leverline.enforce.orders import committed
from leverline.enforce.owing import Owing, Peril
from leverline.enforce.policies import Absorbed, Debt
from leverline.enforce.pool_columns import ODD, PoolColumns
from leverline.enforce.socialise import SocialisedLoss
from leverline.enforce.state import OUTSIDE_POOL
from leverline.ground.arrays import IntArray


@dataclass(frozen=True, slots=True)
class Debts:
    """Debtors among the rows (``places``, what each owes), and the others, both ascending by pool."""

    places: IntArray
    owed: IntArray
    exact: list[Debt]


@dataclass(frozen=True, slots=True)
class Payment:
    """What a stage paid to each debtor among the rows, why it left the rest (by text: places), and the answers."""

    paid: IntArray
    refused: list[tuple[str, IntArray]]
    exact: list[Absorbed]


def insurance_fund(crash: Crash, stage: InsuranceFund, debts: Debts) -> Payment | None:
    """Rows between two exact debts at once, so that the fund pays in the order of the debts."""
    paid = np.zeros_like(debts.owed)
    pool, answers, begin = crash.pool[debts.places], list[Absorbed](), 0
    for debt in debts.exact:
        end = int(np.searchsorted(pool, debt.pool))
        _pay_rows(crash, stage, debts, begin, end, paid)
        begin = end
        answers += stage.pay(crash.state, [debt])
        crash.say(debt.pool, answers[-1].effects)
    _pay_rows(crash, stage, debts, begin, pool.size, paid)
    return Payment(paid, _refusals(crash, stage, debts, paid), [Absorbed(0, a.paid, (), a.refused) for a in answers])


def _pay_rows(crash: Crash, stage: InsuranceFund, debts: Debts, begin: int, end: int, paid: IntArray) -> None:
    """Debtors [begin, end): into their cash, out of the funds."""
    if begin == end or Peril.LIQUIDATION not in stage.perils:
        return
    state, asset = crash.state, crash.state.terms.settlement
    funds = stage.funds(state, crash.market)
    free = np.array([free_of(state, fund) for fund, _ in funds], np.int64)
    parts, balance = (np.zeros((end - begin, len(funds)), np.int64) for _ in range(2))
    cap = BOUND if stage.loss_cap is None else min(stage.loss_cap, BOUND)
    before = free.copy()
    kernels.pay(debts.owed[begin:end], cap, free, parts, balance)
    places = debts.places[begin:end]
    paid[begin:end] = parts.sum(axis=1)
    crash.rows.cash[places] += paid[begin:end]
    for k, (fund, market) in enumerate(funds):
        if free[k] == before[k]:
            continue
        bound, some = committed(state, fund), np.flatnonzero(parts[:, k])
        state.undo.put(state.ledger.others, (fund, asset), int(free[k]) + bound)
        pool = crash.pool[places[some]]
        crash.tables.append(FundMovements(place(crash.phase, pool, k), pool, market, -parts[some, k],
                                          balance[some, k] + bound, "pays for"))


def _refusals(crash: Crash, stage: InsuranceFund, debts: Debts, paid: IntArray) -> list[tuple[str, IntArray]]:
    """In the words of the stage, asked once for all debts that it left for one reason."""
    def words(owed: int, paid: int) -> str:
        return stage.refusal(crash.state, Debt(0, Owing(crash.market, Peril.LIQUIDATION), owed), paid) or ""

    short = paid < debts.owed
    if Peril.LIQUIDATION not in stage.perils or stage.loss_cap is None:
        return [(words(1, 0), debts.places[short])]
    cap = stage.loss_cap
    capped = short & (paid == cap)
    return [(words(cap + 1, cap), debts.places[capped]), (words(cap + 1, -1), debts.places[short & ~capped])]


def socialised(crash: Crash, stage: SocialisedLoss, debts: Debts) -> Payment | None:  # noqa: ARG001 - the form's
    """Shares of everybody with equity; the rounding is that of the largest remainder, as ever."""
    state = crash.state
    crash.rows.write(state)
    found = _bearers(crash)
    if found is None:
        return None
    pool, equity, cash = found
    whole, loss = int(equity.sum()), int(debts.owed.sum()) + sum(debt.owed for debt in debts.exact)
    total = min(loss, whole)
    share, rest = np.zeros_like(equity), np.zeros_like(equity)
    if whole:
        kernels.shares(total, whole, equity, share, rest)
        share[np.argsort(-rest, kind="stable")[:total - int(share.sum())]] += 1
    some = np.flatnonzero(share)
    state.undo.put_all(state.ledger.cash, pool[some].tolist(), (cash - share)[some].tolist())
    crash.rows.was_moved(pool[some], -share[some])
    crash.tables.append(LossShares(place(crash.phase, pool[some]), pool[some], share[some]))
    crash.phase += 1
    return _paid_out(crash, debts, total)


def _bearers(crash: Crash) -> tuple[IntArray, IntArray, IntArray] | None:
    """(pool, equity, cash in units) as :meth:`SocialisedLoss.bearers` has them; None where amounts may leave int64."""
    state = crash.state
    cash = np.array(state.ledger.cash, np.int64)
    columns = PoolColumns.of(state) if crash.elsewhere is None else crash.now(crash.elsewhere)
    found = columns.equity(state, cash)
    if found is None:
        return None
    equity, priced = found
    equity[~priced] = 0
    odd = np.flatnonzero(columns.kind == ODD).tolist()
    for one in odd:
        now = standing(state, one)
        if abs(now.equity) >= BOUND // len(odd):
            return None
        equity[one] = now.equity if now.priced else 0
    equity[OUTSIDE_POOL] = 0
    pool = np.flatnonzero(equity > 0)
    return pool, equity[pool], cash[pool]


def _paid_out(crash: Crash, debts: Debts, total: int) -> Payment:
    """Pay the debts in order from what was collected, while it lasts."""
    state, cash = crash.state, crash.state.ledger.cash
    pool = crash.pool[debts.places]
    before = np.searchsorted(pool, [debt.pool for debt in debts.exact])
    owed = np.insert(debts.owed, before, [debt.owed for debt in debts.exact])
    paid = np.clip(total - (np.cumsum(owed) - owed), 0, owed)
    own = before + np.arange(len(debts.exact))
    of_rows, answers = np.delete(paid, own), list[Absorbed]()
    for debt, amount in zip(debts.exact, paid[own].tolist(), strict=True):
        state.undo.put(cash, debt.pool, cash[debt.pool] + amount)
        answers.append(Absorbed(0, amount, (), None if amount == debt.owed else "nobody has equity left"))
    crash.rows.cash[debts.places] += of_rows
    return Payment(of_rows, [("nobody has equity left", debts.places[of_rows < debts.owed])], answers)
