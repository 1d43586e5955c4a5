"""Stages that take lots, in columns: the sale at the oracle's price, a vault that is not there, deleveraging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from leverline.enforce.backstop import BackstopVault
from leverline.enforce.bankruptcy import discounted
from leverline.enforce.crash import _kernels as kernels
from leverline.enforce.crash.columns import PositionColumns
from leverline.enforce.crash.look import Crash
from leverline.enforce.deleveraging_stage import Deleveraging, winners_of
from leverline.enforce.effect_batch import Closings, Deleveragings, FundMovements, place
from leverline.enforce.effects import Deleveraged, LiquidationClosed
from leverline.enforce.insurance_fund import fund_of_market, market_of
from leverline.enforce.oracle_sale import FULL, OracleSale
from leverline.enforce.policies import Absorbed, Closing
from leverline.enforce.pool_columns import ODD
from leverline.enforce.positions import store_position
from leverline.enforce.state import OUTSIDE_POOL
from leverline.ground.arrays import BoolArray, IntArray

AFTER_MATCHES = 1 << 24
"""Rank of what is said of a closing after all its matches."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a stage took: signed lots of every row, with one reason for what it left, and an answer to each other."""

    taken: IntArray
    refused: str
    exact: list[Absorbed]


def no_vault(crash: Crash, stage: BackstopVault, offered: list[int]) -> Answer | None:
    """A vault that nobody opened takes nothing; one that is there looks at each closing in turn, the exact way."""
    if stage.vault in crash.state.number:
        return None
    reason = "there is no vault"
    return Answer(np.zeros_like(crash.left), reason, [Absorbed(0, 0, (), reason) for _ in offered])


def oracle_sale(crash: Crash, stage: OracleSale, offered: list[int]) -> Answer | None:
    """Rows between two exact closings at once, so that the outside market trades in the order of the closings."""
    taken, others = _allocated(crash, stage, offered)
    n = taken.size
    sold = _Sold(np.zeros(n, np.int64), np.zeros(n, np.bool_), np.zeros(n, np.int64))
    pool, answers, begin = crash.pool, list[Absorbed](), 0
    if crash.elsewhere is not None:
        crash.elsewhere.update(crash.exact[i].pool for i in offered)
    for i, lots in zip(offered, others, strict=True):
        end = int(np.searchsorted(pool, crash.exact[i].pool))
        _sell_rows(crash, stage, begin, end, taken, sold)
        begin = end
        answers.append(stage.sold(crash.state, crash.exact[i], lots, crash.policies))
    _sell_rows(crash, stage, begin, n, taken, sold)
    _say_sold(crash, stage, pool, taken, sold)
    return Answer(taken, FULL, answers)


@dataclass(frozen=True, slots=True)
class _Sold:
    """Of each row: its penalty, whether the sale left it worse off, and the fund's balance after it."""

    penalty: IntArray
    worse_off: BoolArray
    balance: IntArray


def _allocated(crash: Crash, stage: OracleSale, offered: list[int]) -> tuple[IntArray, list[int]]:
    """Lots that the market takes, first come, first served: signed of each row, unsigned of each exact closing."""
    closings = [crash.exact[i] for i in offered]
    others = [abs(closing.lots) for closing in closings]
    if stage.capacity is None:
        return crash.left.copy(), others
    taken = np.zeros_like(crash.left)
    for market, is_long in sorted({(closing.market, closing.lots > 0) for closing in closings}
                                  | {(crash.market, True), (crash.market, False)}):
        whole = stage.lots_taken(crash.state, market)
        assert whole is not None, "a capacity is set"
        chosen = [k for k, closing in enumerate(closings) if (closing.market, closing.lots > 0) == (market, is_long)]
        rows = np.flatnonzero(crash.left > 0 if is_long else crash.left < 0) if market == crash.market \
            else np.zeros(0, np.int64)
        before = np.searchsorted(crash.pool[rows], [closings[k].pool for k in chosen])
        sizes = np.insert(np.abs(crash.left[rows]), before, [others[k] for k in chosen])
        room = np.maximum(0, min(whole, 2**62) - (np.cumsum(sizes) - sizes))
        fitting = np.minimum(sizes, room)
        places = before + np.arange(len(chosen))
        for k, lots in zip(chosen, fitting[places].tolist(), strict=True):
            others[k] = lots
        taken[rows] = np.delete(fitting, places) * (1 if is_long else -1)
    return taken, others


def _sell_rows(crash: Crash, stage: OracleSale, begin: int, end: int, taken: IntArray, sold: _Sold) -> None:
    """Rows [begin, end), and what they do to the outside market, the open interest and the fund."""
    if not taken[begin:end].any():
        return
    state, market, rows = crash.state, crash.market, crash.rows
    terms, mark = crash.curve.terms, crash.curve.mark
    now, asset = state.markets[market], state.terms.settlement
    outside = np.array([state.positions.lots[OUTSIDE_POOL].get(market, 0),
                        state.positions.cost[OUTSIDE_POOL].get(market, 0), state.ledger.cash[OUTSIDE_POOL],
                        now.open_interest], np.int64)
    of_long, of_short = (discounted(state, Closing(0, market, lots, 1), stage.fee_ppm) for lots in (1, -1))
    kernels.sell_outside(begin, end, rows.held, rows.cost, rows.cash, taken, mark, terms.value, of_long,
                         of_short, terms.penalty_ppm, not crash.policies.size.harms_by_design, *crash.curve.tiers,
                         outside, sold.penalty, sold.worse_off)
    lots, cost, cash, interest = outside.tolist()
    store_position(state, OUTSIDE_POOL, market, lots, cost)
    state.undo.put(state.ledger.cash, OUTSIDE_POOL, cash)
    state.undo.put(state.markets, market, replace(now, open_interest=interest))
    fund = fund_of_market(state, market)
    before = state.ledger.balance(fund, asset)
    sold.balance[begin:end] = before + np.cumsum(sold.penalty[begin:end])
    if sold.penalty[begin:end].any():
        state.undo.put(state.ledger.others, (fund, asset), int(sold.balance[end - 1]))


def _say_sold(crash: Crash, stage: OracleSale, pool: IntArray, taken: IntArray, sold: _Sold) -> None:
    prices = [discounted(crash.state, Closing(0, crash.market, lots, 1), stage.fee_ppm) for lots in (1, -1)]
    some, paid = np.flatnonzero(taken), np.flatnonzero(sold.penalty)
    crash.tables += [
        Closings(place(crash.phase, pool[some]), pool[some], crash.market, taken[some],
                 np.where(taken[some] > 0, *prices), sold.penalty[some], sold.worse_off[some], stage.stage),
        FundMovements(place(crash.phase, pool[paid], 1), pool[paid],
                      market_of(fund_of_market(crash.state, crash.market)), sold.penalty[paid], sold.balance[paid],
                      "penalty of")]


def deleveraging(crash: Crash, stage: Deleveraging, offered: list[int]) -> Answer | None:
    """Winners are named by the policy as ever; what is columns is the matching of lots."""
    if stage.only_bankrupt or stage.spares_the_weak:
        return None
    crash.rows.write(crash.state)
    taken = np.zeros_like(crash.left)
    closings = [crash.exact[i] for i in offered]
    answers = [Absorbed(0, 0, (), None) for _ in offered]
    left = np.flatnonzero(crash.left)
    closed = frozenset([*crash.pool[left].tolist(), *(closing.pool for closing in closings)])
    sides = {(crash.market, is_long) for is_long in (True, False) if ((crash.left > 0) == is_long)[left].any()}
    for market, is_long in sorted(sides | {(closing.market, closing.lots > 0) for closing in closings}):
        places = [k for k, c in enumerate(closings) if (c.market, c.lots > 0) == (market, is_long)]
        group = [closings[k] for k in places]
        if market == crash.market:
            rows = left[(crash.left[left] > 0) == is_long]
            found = _matched(crash, stage, rows, is_long, group, closed, taken)
        else:
            crash.elsewhere = None
            found = stage.match(crash.state, market, is_long, group, closed)
        for k, answer in zip(places, found, strict=True):
            answers[k] = answer
    return Answer(taken, "no winner holds the other side", answers)


def _matched(crash: Crash, stage: Deleveraging, rows: IntArray, is_long: bool, group: list[Closing],
             closed: frozenset[int], taken: IntArray) -> list[Absorbed]:
    """One side of the market: lots of the rows and of ``group``, in the order of pools, against the winners in line."""
    state, market, sign = crash.state, crash.market, 1 if is_long else -1
    sides = _merged(crash, rows, group)
    need, own, of_row, others, n = sides.need, sides.own, sides.of_row, sides.others, rows.size
    winning = winners_of(state, market, is_long, closed, _other_side(crash, is_long))
    line = [(winner, lots) for winner, lots in stage.policy.allot(state, market, sign * int(need.sum()), winning)
            if lots]
    assert sum(lots for _, lots in line) <= int(need.sum()), "nobody is closed beyond the need"
    winners = PositionColumns.of(state, market, [winner for winner, _ in line])
    at_rows = crash.rows.taken(rows)
    tables = [np.column_stack((w.held, w.cost, w.cash)) for w in (at_rows, others, winners)]
    closing_table, winner_table = np.concatenate(tables[:2]), tables[2]
    done, most = np.zeros_like(need), need.size + len(line)
    row, winner, lots = (np.empty(most, np.int64) for _ in range(3))
    count = kernels.match(need, sides.price, crash.curve.terms.value, sides.closer, closing_table,
                          np.array([lots for _, lots in line], np.int64), winner_table, row, winner, lots, done)
    row, winner, lots = row[:count], winner[:count], lots[:count]

    crash.rows.held[rows], crash.rows.cost[rows], crash.rows.cash[rows] = closing_table[:n].T
    others.held[:], others.cost[:], others.cash[:] = closing_table[n:].T
    winners.held[:], winners.cost[:], winners.cash[:] = winner_table.T
    for columns in (crash.rows, others, winners):
        columns.write(state)
    if crash.elsewhere is not None:
        crash.elsewhere.update(winners.pools, others.pools)
    if set(winners.pools) & set(crash.rows.pools):  # on its way down, yet on the winning side of this
        crash.rows.read_again(state)
    if count:
        now = state.markets[market]
        state.undo.put(state.markets, market, replace(now, open_interest=now.open_interest - int(lots.sum())))
    taken[rows] = sign * done[of_row]

    winner_pool = np.array(winners.pools, np.int64)[winner] if count else np.zeros(0, np.int64)
    _say_matched(crash, stage, _Matches(row, winner_pool, lots), of_row, rows, taken, sides.price)
    return [_answer(crash, stage, closing, _Matches(row, winner_pool, lots), at, int(done[at]))
            for closing, at in zip(group, own.tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class _Merged:
    """Closings of rows and of others in the order of pools: lots, price, and place of the closer (rows, then others).

    ``own`` and ``of_row`` are the places of the exact closings and of the rows among all.
    """

    need: IntArray
    price: IntArray
    closer: IntArray
    own: IntArray
    of_row: IntArray
    others: PositionColumns


def _merged(crash: Crash, rows: IntArray, group: list[Closing]) -> _Merged:
    pools = [closing.pool for closing in group]
    before = np.searchsorted(crash.pool[rows], pools)
    own = before + np.arange(len(group))
    of_row = np.delete(np.arange(rows.size + len(group)), own)
    others = PositionColumns.of(crash.state, crash.market, sorted(set(pools)))
    closer = np.empty(rows.size + len(group), np.int64)
    closer[of_row] = np.arange(rows.size)
    closer[own] = rows.size + np.searchsorted(others.pool, pools)
    return _Merged(np.insert(np.abs(crash.left[rows]), before, [abs(closing.lots) for closing in group]),
                   np.insert(crash.bankruptcy[rows], before, [closing.bankruptcy for closing in group]),
                   closer, own, of_row, others)


def _other_side(crash: Crash, is_long: bool) -> list[int]:
    """Holders of the market, but for those who held its one side and nothing else when the price came."""
    holders, before = crash.state.holders[crash.market], crash.before
    if crash.elsewhere is None:
        return list(holders)
    simple = (before.kind == before.markets[crash.market]) & ((before.held < 0) == is_long)
    return [pool for pool in np.flatnonzero(simple | (before.kind == ODD)).tolist() if pool in holders]


@dataclass(frozen=True, slots=True)
class _Matches:
    """Place of the closing among all, number of the winner's pool, and lots; in order."""

    row: IntArray
    winner: IntArray
    lots: IntArray


def _say_matched(crash: Crash, stage: Deleveraging, matches: _Matches, of_row: IntArray, rows: IntArray,
                 taken: IntArray, price: IntArray) -> None:
    row_of = np.full(price.size, -1, np.int64)
    row_of[of_row] = rows
    mine = np.flatnonzero(row_of[matches.row] >= 0)
    at = matches.row[mine]
    first = np.searchsorted(matches.row, at)
    pool, against = crash.pool, crash.pool[row_of[at]]
    some = rows[taken[rows] != 0]
    crash.tables += [
        Deleveragings(place(crash.phase, against, mine - first), matches.winner[mine], against, crash.market,
                      matches.lots[mine], price[at]),
        Closings(place(crash.phase, pool[some], AFTER_MATCHES), pool[some], crash.market, taken[some],
                 crash.bankruptcy[some], np.zeros(some.size, np.int64), np.zeros(some.size, np.bool_), stage.stage)]


def _answer(crash: Crash, stage: Deleveraging, closing: Closing, matches: _Matches, at: int, done: int) -> Absorbed:
    """What an exact closing is told."""
    records, signed = crash.state.pools, done if closing.lots > 0 else -done
    effects = [Deleveraged(records[winner].key, records[closing.pool].key, closing.market, lots, closing.bankruptcy)
               for winner, lots in _of(matches, at)]
    ended = [LiquidationClosed(0, records[closing.pool].key, closing.market, signed, closing.bankruptcy, 0,
                               stage.stage)] if done else []
    return Absorbed(signed, 0, (*effects, *ended),
                    None if signed == closing.lots else "no winner holds the other side")


def _of(matches: _Matches, at: int) -> Iterator[tuple[int, int]]:
    begin, end = np.searchsorted(matches.row, [at, at + 1])
    return zip(matches.winner[begin:end].tolist(), matches.lots[begin:end].tolist(), strict=True)
