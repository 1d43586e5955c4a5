"""Pools are opened; money comes, goes and moves between the pools of one account."""

from __future__ import annotations

from leverline.enforce.effects import Breaker, Effect, Reject
from leverline.enforce.events import Deposit, OpenPool, PoolKey, Transfer, Withdraw
from leverline.enforce.ledger import LIMIT, OUTSIDE
from leverline.enforce.margining import standing, unrealised
from leverline.enforce.oracle import feed_of, fit_to_open
from leverline.enforce.rejection import RejectedError, reject_unless
from leverline.enforce.state import PoolRecord, VenueState
from leverline.model.accounts import Mode


def open_pool(state: VenueState, body: OpenPool) -> list[Effect]:
    """Give a pool its number; a cross pool has no sub-account, every other mode names one."""
    reject_unless(bool(body.pool.account), Reject.MALFORMED, "an account has a name")
    reject_unless(body.pool not in state.number, Reject.POOL_EXISTS, str(body.pool))
    reject_unless(body.mode is not Mode.PORTFOLIO, Reject.MALFORMED, "portfolio margin is not enforced here")
    reject_unless((body.mode is Mode.CROSS) == (body.pool.subaccount == ""), Reject.MALFORMED,
                  "isolated and segregated pools, and only they, name a sub-account")
    new_pool(state, PoolRecord(body.pool, body.owner or body.pool.account, body.mode, body.account_class))
    return []


def new_pool(state: VenueState, record: PoolRecord) -> int:
    """Append a pool and return its number."""
    number = len(state.pools)
    state.undo.append(state.pools, record)
    state.undo.put(state.number, record.key, number)
    if record.owner not in state.owners:
        state.undo.put(state.owners, record.owner, {})
    state.undo.put(state.owners[record.owner], number, None)
    state.undo.append(state.ledger.cash, 0)
    state.undo.append(state.positions.lots, {})
    state.undo.append(state.positions.cost, {})
    return number


def deposit(state: VenueState, body: Deposit) -> list[Effect]:
    """Always open, in every state of the breakers: a top-up only makes the venue safer."""
    pool = known_pool(state, body.pool)
    check_asset(state, body.asset)
    check_amount(body.amount)
    state.ledger.move(OUTSIDE, pool, body.asset, body.amount)
    return []


def withdraw(state: VenueState, body: Withdraw) -> list[Effect]:
    """What leaves must be there and free: initial margin stays covered, without unrealised profit, at valid prices."""
    pool = known_pool(state, body.pool)
    check_asset(state, body.asset)
    check_amount(body.amount)
    leave(state, pool, OUTSIDE, body.asset, body.amount)
    return []


def transfer(state: VenueState, body: Transfer) -> list[Effect]:
    """As a withdrawal from one pool and a deposit to another of the same account."""
    source, target = known_pool(state, body.source), known_pool(state, body.target)
    reject_unless(body.source.account == body.target.account, Reject.OTHER_ACCOUNT)
    reject_unless(source != target, Reject.NOTHING_TO_DO)
    check_asset(state, body.asset)
    check_amount(body.amount)
    leave(state, source, target, body.asset, body.amount)
    return []


def leave(state: VenueState, pool: int, target: int | str, asset: str, amount: int) -> None:
    """Move ``amount`` out of ``pool``, refused where its initial margin needs it, or at a price that opens nothing.

    What leaves is new risk: unrealised profit covers neither cash nor collateral, and neither does an invalid price.
    """
    reject_unless(state.ledger.balance(pool, asset) >= amount, Reject.INSUFFICIENT)
    for market in sorted(state.positions.lots[pool]):
        now = state.markets[market]
        reject_unless(not now.paused and now.breaker is not Breaker.HALTED, Reject.HALTED, market)
        blind = state.terms.breakers is not None and not fit_to_open(feed_of(state, market), state.now_ns)
        reject_unless(not blind, Reject.NO_PRICE, market)
    state.ledger.move(pool, target, asset, amount)
    after = standing(state, pool)
    reject_unless(after.priced or not after.owes, Reject.NO_PRICE)
    reject_unless(not after.owes or after.free >= unrealised(state, pool), Reject.BELOW_INITIAL)


def known_pool(state: VenueState, key: PoolKey) -> int:
    """The number of a pool, rejected where there is none."""
    number = state.number.get(key)
    if number is None:
        raise RejectedError(Reject.UNKNOWN_POOL, str(key))
    return number


def check_asset(state: VenueState, asset: str) -> None:
    """Reject an asset that the book does not name."""
    reject_unless(asset == state.terms.settlement or asset in state.terms.assets, Reject.UNKNOWN_ASSET, asset)


def check_amount(amount: int) -> None:
    """Reject zero, negative and absurd amounts."""
    reject_unless(amount > 0, Reject.NOT_POSITIVE)
    reject_unless(amount < LIMIT, Reject.OVERFLOW)
