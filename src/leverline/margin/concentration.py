"""How much of a market one beneficial owner holds, over all of its accounts, and how its own book is spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.margin.tables import MarginTables
from leverline.margin.valuation import Valuation


@dataclass(frozen=True, slots=True)
class OwnerConcentration:
    """Who holds how much where; limits by size mean nothing by account where one owner has many.

    A Herfindahl index is the sum of squared shares: 1 where one holds all, 1/n where n hold alike.

    Attributes
    ----------
    owners : tuple of str, in the order of the book
    owner, market : int64 arrays of shape (n_pairs,)
        Each owner that holds a market, ascending by owner and market: places in ``owners`` and in the book's markets.
    gross_notional : float64 array of shape (n_pairs,)
        Long and short of all of the owner's pools, at the prices they are valued at, settlement currency.
    share_of_market, share_of_owner : float64 arrays of shape (n_pairs,)
        Of the gross notional of all in that market, and of the owner in all markets.
    herfindahl_of_owner : float64 array of shape (n_owners,)
        Over the markets of one owner; NaN for an owner without positions.
    herfindahl_of_market : float64 array of shape (n_markets,)
        Over the owners in one market; NaN where nobody holds it.
    """

    owners: tuple[str, ...]
    owner: IntArray
    market: IntArray
    gross_notional: FloatArray
    share_of_market: FloatArray
    share_of_owner: FloatArray
    herfindahl_of_owner: FloatArray
    herfindahl_of_market: FloatArray


def owner_concentration(tables: MarginTables, valuation: Valuation) -> OwnerConcentration:
    """Shares by owner and market out of the positions' notionals."""
    book = tables.book
    place: dict[str, int] = {}
    owner_of_pool = np.array([place.setdefault(owner, len(place)) for owner in book.pools.owner], dtype=np.int64)
    n_markets = len(book.markets)
    pair_of_position = owner_of_pool[book.pool_of_position()] * n_markets + book.position_market
    pairs, at = np.unique(pair_of_position, return_inverse=True)
    gross = _totals(valuation.positions.notional, at, pairs.size)
    owner, market = np.divmod(pairs, max(n_markets, 1))
    of_market, herfindahl_of_market = _shares(gross, market, n_markets)
    of_owner, herfindahl_of_owner = _shares(gross, owner, len(place))
    return OwnerConcentration(tuple(place), owner, market, gross, of_market, of_owner,
                              herfindahl_of_owner, herfindahl_of_market)


def _shares(part: FloatArray, group: IntArray, n_groups: int) -> tuple[FloatArray, FloatArray]:
    """Each part over its group's total, and the sum of squares of a group's shares; NaN where a group is empty."""
    total = _totals(part, group, n_groups)
    share = part / total[group]
    return share, np.where(total > 0, _totals(share**2, group, n_groups), np.nan)


def _totals(part: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    return np.bincount(group, part, minlength=n_groups).astype(np.float64, copy=False)
