"""Who would be called or liquidated by a change of limits: the same accounts at the same prices under two books.

Prices stand still, so that whatever differs is the change's own doing. Rates, weights and caps do not touch equity,
hence they make nobody bankrupt; but whoever becomes liquidatable is closed by decree, and what that would force into
the market is counted beside it. Whoever keeps all positions but has no free collateral left may open nothing more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.ground.errors import UsageError, require
from leverline.margin.checking import BELOW_MAINTENANCE, CALL_RATIO, refuse_unlent_debt
from leverline.margin.limits import rules_of_book
from leverline.margin.reading_accounts import AccountInput
from leverline.margin.reading_marks import MAX_AGE_S, stale_marks
from leverline.margin.rules import VenueRules
from leverline.margin.tables import MarginTables, margin_tables, taken
from leverline.margin.valuation import STATUSES, Status, Valuation, value_accounts
from leverline.market.times import iso
from leverline.model.accounts import NO_VENUE, AccountBook, Pool
from leverline.model.limitbook import LimitBook
from leverline.model.market_state import MarketState

Under = Literal["old", "new", "both"]

_COMPARED = ("maintenance_margin", "health", "health_factor", "free_collateral")
"""Numbers of a pool that limits decide; each is told under both books."""


@dataclass(frozen=True, slots=True)
class Unvalued:
    """A pool that has no value under one of the books, or both, and why. A market that the new book drops is such a
    reason: its positions would be without limits.
    """

    pool: Pool
    under: Under
    reason: str


@dataclass(frozen=True, slots=True)
class ForcedPositions:
    """Notional of one market held by pools that the change makes liquidatable, settlement currency."""

    symbol: str
    long_notional: float
    short_notional: float


@dataclass(frozen=True, slots=True)
class ForcedCollateral:
    """Value of one asset, other than what the ledger counts in, held by pools that the change makes liquidatable."""

    asset: str
    value: float


@dataclass(frozen=True, slots=True)
class AccountEffects:
    """What a change of limits does to accounts; arrays have one entry a pool that has a value under both books.

    Attributes
    ----------
    tables : MarginTables
        Under the new book.
    old, new : Valuation
    unvalued : tuple of Unvalued
    at_other_venues : int
        Pools at venues for which the books do not hold; they are not looked at.
    as_of_ns : int
        When the newest mark was true, or the time that was asked for; -1 where neither is known.
    """

    tables: MarginTables
    old: Valuation
    new: Valuation
    unvalued: tuple[Unvalued, ...]
    at_other_venues: int
    as_of_ns: int

    @property
    def newly_liquidatable(self) -> BoolArray:
        """Below maintenance under the new book and not under the old one, shape (n_pools,)."""
        was, will = (np.isin(found.pools.status, BELOW_MAINTENANCE) for found in (self.old, self.new))
        found: BoolArray = will & ~was
        return found

    @property
    def newly_called(self) -> BoolArray:
        """Healthy under the old book, called for margin under the new one, shape (n_pools,)."""
        healthy, called = STATUSES.index(Status.HEALTHY), STATUSES.index(Status.MARGIN_CALL)
        found: BoolArray = (self.old.pools.status == healthy) & (self.new.pools.status == called)
        return found

    @property
    def relieved(self) -> BoolArray:
        """Better off in status, shape (n_pools,)."""
        better: BoolArray = self.new.pools.status < self.old.pools.status
        return better

    @property
    def newly_without_free_collateral(self) -> BoolArray:
        """Could open positions under the old book and none under the new one, shape (n_pools,)."""
        return (self.old.pools.free_collateral > 0.0) & (self.new.pools.free_collateral <= 0.0)

    def changed(self) -> IntArray:
        """Pools whose status changes: the worst new status first, and in it the lowest health factor."""
        status = self.new.pools.status
        order = np.lexsort((self.new.pools.health_factor, -status.astype(np.int64)))
        found: IntArray = order[(self.old.pools.status != status)[order]]
        return found

    def moves(self) -> dict[str, dict[str, int]]:
        """How many pools go from which status to which, those that keep theirs included; none is left out."""
        pair = self.old.pools.status.astype(np.int64) * len(STATUSES) + self.new.pools.status
        counts = np.bincount(pair, minlength=len(STATUSES) ** 2).reshape(len(STATUSES), -1).tolist()
        names = [status.value.replace(" ", "_") for status in STATUSES]
        return {name: dict(zip(names, row, strict=True)) for name, row in zip(names, counts, strict=True) if any(row)}

    def rows(self, only: IntArray) -> list[dict[str, Any]]:
        """Plain rows of the pools ``only``; what is not finite is None."""
        return [self._row(int(i)) for i in only]

    def _row(self, i: int) -> dict[str, Any]:
        pool = self.tables.book.pools[i]
        return {
            "venue": pool.venue, "account": pool.account, "subaccount": pool.subaccount, "owner": pool.owner,
            "mode": pool.mode.value,
            **{f"{name}_status": STATUSES[found.pools.status[i]].value
               for name, found in (("old", self.old), ("new", self.new))},
            "equity": float(self.new.pools.equity[i]), "gross_notional": float(self.new.pools.gross_notional[i]),
            "debt_value": float(self.new.pools.debt_value[i]),
            **{f"{name}_{column}": _finite(getattr(found.pools, column)[i]) for column in _COMPARED
               for name, found in (("old", self.old), ("new", self.new))},
        }

    def forced_positions(self) -> tuple[ForcedPositions, ...]:
        """By market, the largest first: what liquidating everybody newly liquidatable would sell and buy back."""
        book, notional = self.tables.book, self.new.positions.notional
        forced = self.newly_liquidatable[book.pool_of_position()]
        sides = [_by_code(np.where(forced & side, notional, 0.0), book.position_market, len(book.markets))
                 for side in (self.tables.base > 0.0, self.tables.base < 0.0)]
        found = [ForcedPositions(market.symbol, long, short)
                 for market, long, short in zip(book.markets, *(side.tolist() for side in sides), strict=True)
                 if long or short]
        return tuple(sorted(found, key=lambda f: -(f.long_notional + f.short_notional)))

    def forced_collateral(self) -> tuple[ForcedCollateral, ...]:
        """By asset, the largest first: collateral that everybody newly liquidatable may lose."""
        book, assets = self.tables.book, self.tables.assets
        seized = self.newly_liquidatable[book.pool_of_holding()] & ~assets.is_settlement[book.holding_asset]
        value = np.maximum(book.amount, 0.0) * assets.price_owned[book.holding_asset]
        sums = _by_code(np.where(seized, value, 0.0), book.holding_asset, len(book.assets)).tolist()
        found = [ForcedCollateral(asset.asset, total) for asset, total in zip(book.assets, sums, strict=True) if total]
        return tuple(sorted(found, key=lambda f: -f.value))

    def totals(self) -> dict[str, Any]:
        """Counts of pools, and requirements summed under both books."""
        return {
            "as_of": iso(self.as_of_ns) if self.as_of_ns >= 0 else None,
            "call_ratio": self.new.call_ratio,
            "accounts": self.tables.book.n_pools,
            "skipped": len(self.unvalued),
            "at_other_venues": self.at_other_venues,
            **{name: int(getattr(self, name).sum()) for name in (
                "newly_liquidatable", "newly_called", "relieved", "newly_without_free_collateral")},
            **{f"{name}_{column}": float(getattr(found.pools, column).sum())
               for column in ("initial_margin", "maintenance_margin")
               for name, found in (("old", self.old), ("new", self.new))},
            "moves": self.moves(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "totals": self.totals(),
            "changes": self.rows(self.changed()),
            "forced_positions": [asdict(f) for f in self.forced_positions()],
            "forced_collateral": [asdict(f) for f in self.forced_collateral()],
            "skipped": [{**u.pool._asdict(), "mode": u.pool.mode.value, "under": u.under, "reason": u.reason}
                        for u in self.unvalued],
        }


def account_effects(
    old: LimitBook, new: LimitBook, accounts: AccountInput, marks: MarketState, *, venue: str | None = None,
    as_of_ns: int | None = None, max_age_s: float = MAX_AGE_S, call_ratio: float = CALL_RATIO,
) -> AccountEffects:
    """Value ``accounts`` at ``marks`` under ``old`` and under ``new``.

    Parameters
    ----------
    venue : str, optional
        Where the books hold, as the accounts name it. Default: accounts that name no venue, or the one venue that all
        of them name.
    as_of_ns, max_age_s, call_ratio
        As in :func:`leverline.margin.checking.check_accounts`.

    Raises
    ------
    MalformedInputError
        Where an account owes an asset that the old book does not lend. A debt that only the new book would not lend
        stays a debt.
    UsageError
        Where the books settle in different assets, where no venue is named and the accounts name several, or where a
        mark is later than ``as_of_ns``.
    """
    require(old.settlement == new.settlement, "books to be compared settle in the same asset",
            got=(old.settlement, new.settlement))
    where = _venue(accounts.book, venue)
    before, after = {where: rules_of_book(old, "the old book")}, {where: rules_of_book(new, "the new book")}
    refuse_unlent_debt(accounts, before)
    stale = stale_marks(marks, as_of_ns=as_of_ns, max_age_s=max_age_s)
    here = taken(accounts.book, np.flatnonzero(accounts.book.pools.venue == where))
    book, unvalued = _valued_under_both(here, before, after, marks, stale)
    tables = margin_tables(book, after, marks, stale)
    newest = int(marks.ts_ns.max()) if marks.ts_ns.size else -1
    return AccountEffects(
        tables, value_accounts(margin_tables(book, before, marks, stale), call_ratio=call_ratio),
        value_accounts(tables, call_ratio=call_ratio), unvalued, accounts.book.n_pools - here.n_pools,
        newest if as_of_ns is None else as_of_ns)


def _venue(book: AccountBook, asked: str | None) -> str:
    known = sorted(set(book.pools.venue.tolist()))
    if asked is not None:
        if asked not in known:
            raise UsageError(f"no account is at venue {asked!r}", remedy=f"the accounts name {_listed(known)}")
        return asked
    if NO_VENUE in known or not known:
        return NO_VENUE
    if len(known) > 1:
        raise UsageError(f"the accounts are at several venues: {_listed(known)}",
                         remedy="name the one for which the books hold")
    return str(known[0])


def _listed(venues: list[str]) -> str:
    return ", ".join(repr(name) if name else "none" for name in venues)


def _valued_under_both(
    book: AccountBook, before: dict[str, VenueRules], after: dict[str, VenueRules], marks: MarketState,
    stale: dict[str, str],
) -> tuple[AccountBook, tuple[Unvalued, ...]]:
    """The pools that have a value under both books, and those that have not."""
    old, new = ({s.pool: s.reason for s in margin_tables(book, rules, marks, stale).skipped}
                for rules in (before, after))
    if not old and not new:
        return book, ()
    unvalued = tuple(Unvalued(pool, _under(pool, old, new), old.get(pool) or new[pool]) for pool in {**old, **new})
    kept = np.array([i for i, pool in enumerate(book.pools) if pool not in old and pool not in new], dtype=np.int64)
    return taken(book, kept), unvalued


def _under(pool: Pool, old: dict[Pool, str], new: dict[Pool, str]) -> Under:
    if pool in old and pool in new:
        return "both"
    return "old" if pool in old else "new"


def _by_code(part: FloatArray, code: npt.NDArray[np.uint32], n: int) -> FloatArray:
    return np.bincount(code, part, minlength=n).astype(np.float64, copy=False)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
