r"""Losses beyond margin on paths of joint moves: of actual accounts, or of a market that is full.

Margin is looked at when each window opens and closes. A position that no longer meets its requirement is closed from
then on through a margin period, so that on average it fills at the mean of the prices at the end of that window and of
the next. With equity :math:`E` at both ends, gross notional :math:`N` and closing cost :math:`c` the fund pays

.. math:: \max\bigl(0,\ c N - \tfrac12 (E_w + E_{w+1})\bigr)

once an account. Amounts are in settlement currency; paths are log returns (n_paths, windows + 1, n_markets).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError, require
from leverline.ground.progress import track
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import STATUSES, Status, value_accounts
from leverline.market.symbols import is_unified

MOST_VALUATIONS = 20_000_000_000
"""Positions valued in all, a few minutes of work: more are refused."""
_LIQUIDATABLE = STATUSES.index(Status.LIQUIDATABLE)


@dataclass(frozen=True, slots=True)
class FullMarkets:
    """Markets at their caps, everybody newly opened at the highest leverage; each field has shape (n_markets,).

    Attributes
    ----------
    notional : open interest, settlement currency, held by longs and by shorts alike
    largest : notional of one owner's position
    initial_rate, maintenance_rate : average rates of a position of that size
    closing_rate : slippage, basis and fee of closing it, of notional
    """

    symbols: tuple[str, ...]
    notional: FloatArray
    largest: FloatArray
    initial_rate: FloatArray
    maintenance_rate: FloatArray
    closing_rate: FloatArray


@dataclass(frozen=True, slots=True)
class PathLosses:
    """Losses beyond margin.

    Attributes
    ----------
    by_market : ndarray of shape (n_paths, n_markets)
    owner_tails : ndarray of shape (n_owners,)
        Expected shortfall of each owner by itself, largest first; owners that never lost are left out.
    """

    by_market: FloatArray
    owner_tails: FloatArray

    @property
    def total(self) -> FloatArray:
        """Loss of each path, (n_paths,)."""
        return np.asarray(self.by_market.sum(axis=1), np.float64)


def expected_shortfall(losses: FloatArray, confidence: float, weights: FloatArray | None = None) -> float:
    """Mean of the worst share ``1 - confidence`` of ``losses`` (n,); ``weights`` (n,) say how often each counts.

    The observation at the edge counts in part (Acerbi and Tasche 2002, eq. 4.3).
    """
    order = np.argsort(-losses, kind="stable")
    weight = np.ones(losses.size) if weights is None else weights[order]
    mass = (1.0 - confidence) * float(weight.sum())
    counted = np.clip(mass - (np.cumsum(weight) - weight), 0.0, weight)
    return float(np.sum(counted * losses[order]) / mass)


def losses_at_caps(parts: Iterable[FloatArray], markets: FullMarkets, confidence: float) -> PathLosses:
    """Losses of both sides of every market; each side is held in equal positions of the largest size."""
    rates = []
    for moves in parts:
        require(moves.shape[2] == len(markets.symbols), "one move a market", got=moves.shape[2])
        price = np.exp(np.cumsum(moves, axis=1))
        rates.append(np.stack([_loss_rate(price, sign, markets) for sign in (1.0, -1.0)], axis=1))
    rate = np.concatenate(rates)
    return PathLosses(rate.sum(axis=1) * markets.notional, _tails_at_caps(rate, markets, confidence))


def _loss_rate(price: FloatArray, sign: float, markets: FullMarkets) -> FloatArray:
    """Loss beyond margin per unit of opening notional, (n_paths, n_markets), of longs (1) or shorts (-1)."""
    equity = markets.initial_rate + sign * (price - 1.0)
    short_of = equity[:, :-1] < markets.maintenance_rate * price[:, :-1]
    first = np.argmax(short_of, axis=1)[:, None]
    here, after = (np.take_along_axis(equity, at, axis=1)[:, 0] for at in (first, first + 1))
    paid = [np.take_along_axis(price, at, axis=1)[:, 0] for at in (first, first + 1)]
    cost = markets.closing_rate * (paid[0] + paid[1]) / 2.0
    return np.where(short_of.any(axis=1), np.maximum(0.0, cost - (here + after) / 2.0), 0.0)


def _tails_at_caps(rate: FloatArray, markets: FullMarkets, confidence: float) -> FloatArray:
    """Every owner's own expected shortfall, largest first: as many owners a side as hold its open interest."""
    tails: list[float] = []
    for j, largest in enumerate(markets.largest.tolist()):
        owners = int(np.ceil(markets.notional[j] / largest - 1e-9)) if largest > 0 else 0
        for side in range(2):
            tails += [largest * expected_shortfall(rate[:, side, j], confidence)] * min(owners, 1_000)
    return np.sort(np.array([tail for tail in tails if tail > 0.0], np.float64))[::-1]


def losses_of_accounts(
    parts: Iterable[FloatArray], n_paths: int, tables: MarginTables, symbols: tuple[str, ...],
    closing_rate: Mapping[str, float], confidence: float,
) -> PathLosses:
    """Losses of the accounts in ``tables``, pool by pool; an account that fails when the event begins counts too.

    ``symbols`` are of the last axis of ``parts``, moves of ``n_paths`` paths in all; ``closing_rate`` by symbol.
    Collateral moves with the market of its own base asset. A position in a market without a move is refused.
    """
    place = _places(tables, symbols)
    _, owners = np.unique(_owner_names(tables), return_inverse=True)
    closing = np.array([closing_rate.get(market.symbol, 0.0) for market in tables.book.markets])
    by_market: list[FloatArray] = []
    rows: list[tuple[IntArray, FloatArray]] = []
    for path in track((path for moves in parts for path in moves), "stressing accounts", total=n_paths):
        work = n_paths * len(path) * max(1, tables.book.n_positions)
        require(work <= MOST_VALUATIONS, "the event can be run over so many accounts", got=work,
                remedy="take fewer paths in [fund], or a sample of the accounts")
        loss, at_fault = _pool_losses(path, tables, place, closing)
        by_market.append(_attributed(loss, at_fault, tables, place[0], len(symbols)))
        hit = np.flatnonzero(loss > 0.0)
        rows.append((owners[hit], loss[hit]))
    return PathLosses(np.array(by_market), _owner_tails(rows, confidence))


def _places(tables: MarginTables, symbols: tuple[str, ...]) -> tuple[IntArray, IntArray]:
    """Column of the move of each market and of each asset of the book; -1 where it does not move."""
    column = {symbol: j for j, symbol in enumerate(symbols)}
    held = set(np.unique(tables.book.position_market).tolist())
    unknown = [m.symbol for k, m in enumerate(tables.book.markets) if k in held and m.symbol not in column]
    if unknown:
        raise UsageError(f"accounts hold markets that are not calibrated: {', '.join(sorted(set(unknown))[:6])}",
                         remedy="give their bars, or leave these accounts out")
    market = np.array([column.get(m.symbol, -1) for m in tables.book.markets], np.int64)
    by_base = market_of_base(symbols)
    asset = np.array([-1 if settles else by_base.get(a.asset, -1)
                      for a, settles in zip(tables.book.assets, tables.assets.is_settlement, strict=True)], np.int64)
    return market, asset


def market_of_base(symbols: tuple[str, ...]) -> dict[str, int]:
    """Column of the first market of each base asset; a symbol that is not in unified form is its own base."""
    out: dict[str, int] = {}
    for j, symbol in enumerate(symbols):
        out.setdefault(symbol.partition("/")[0] if is_unified(symbol) else symbol, j)
    return out


def _owner_names(tables: MarginTables) -> list[str]:
    """The beneficial owner of each pool, or the account where none is named."""
    pools = tables.book.pools
    return [str(owner or account) for owner, account in zip(pools.owner, pools.account, strict=True)]


def _pool_losses(path: FloatArray, tables: MarginTables, place: tuple[IntArray, IntArray], closing: FloatArray,
                 ) -> tuple[FloatArray, FloatArray]:
    """Loss beyond margin of each pool on one path, and what each position has lost by then, (n_positions,)."""
    level = np.vstack([np.zeros(path.shape[1]), np.cumsum(path, axis=0)])
    n_pools, pool = tables.book.n_pools, tables.book.pool_of_position()
    loss, done = np.zeros(n_pools), np.zeros(n_pools, bool)
    at_fault = np.zeros(tables.book.n_positions)
    waiting: tuple[IntArray, FloatArray] = (np.empty(0, np.int64), np.empty(0))
    for moved in level:
        values = value_accounts(_moved(tables, moved, place))
        cost = np.bincount(pool, values.positions.notional * closing[tables.book.position_market], minlength=n_pools)
        left = values.pools.equity - cost
        closed, before = waiting
        loss[closed] = np.maximum(0.0, -(before + left[closed]) / 2.0)
        here = np.isin(pool, closed)
        at_fault[here] = np.maximum(0.0, -values.positions.pnl[here])
        failed = np.flatnonzero((values.pools.status >= _LIQUIDATABLE) & ~done)
        done[failed] = True
        waiting = (failed, left[failed])
    return loss, at_fault


def _moved(tables: MarginTables, level: FloatArray, place: tuple[IntArray, IntArray]) -> MarginTables:
    """The tables at prices ``exp(level)`` times as high."""
    market, asset = (np.where(at >= 0, np.exp(level[at]), 1.0) for at in place)
    return replace(
        tables, price_long=tables.price_long * market, price_short=tables.price_short * market,
        mark=tables.mark * market,
        assets=replace(tables.assets, price_owned=tables.assets.price_owned * asset,
                       price_owed=tables.assets.price_owed * asset))


def _attributed(loss: FloatArray, at_fault: FloatArray, tables: MarginTables, market: IntArray, n: int) -> FloatArray:
    """Losses of pools given to markets by what each position lost; evenly where only collateral did."""
    pool = tables.book.pool_of_position()
    per_pool = np.bincount(pool, at_fault, minlength=loss.size)
    count = np.bincount(pool, minlength=loss.size)
    share = np.where(per_pool[pool] > 0, at_fault / np.where(per_pool > 0, per_pool, 1.0)[pool],
                     1.0 / np.maximum(count, 1)[pool])
    out = np.bincount(market[tables.book.position_market], share * loss[pool], minlength=n)
    return np.asarray(out, np.float64)


def _owner_tails(rows: list[tuple[IntArray, FloatArray]], confidence: float) -> FloatArray:
    """Expected shortfall of each owner that ever lost, largest first; ``rows`` are owners and losses of each path."""
    path = np.concatenate([np.full(owner.size, k) for k, (owner, _) in enumerate(rows)])
    owner = np.concatenate([owner for owner, _ in rows])
    loss = np.concatenate([each for _, each in rows])
    if not owner.size:
        return np.empty(0)
    names, code = np.unique(owner, return_inverse=True)
    cell, at = np.unique(code * len(rows) + path, return_inverse=True)
    total = np.bincount(at, loss)
    tails = []
    for k in range(names.size):
        mine = total[slice(*np.searchsorted(cell, [k * len(rows), (k + 1) * len(rows)]))]
        tails.append(expected_shortfall(np.concatenate([mine, np.zeros(len(rows) - mine.size)]), confidence))
    return np.sort(np.array(tails, np.float64))[::-1]
