r"""Who owes what where: claims and price exposure of every owner at every venue, gross and net.

Each venue sees its own accounts. An owner who is long at one and short at another carries little market risk and two
margin requirements; one who borrowed at a protocol what backs its positions elsewhere carries more than either sees.
One row says what an owner has at one venue in one underlying:

===============  ========================================================================================
long, short      value of positions that gain and that lose when the underlying rises
collateral       value of holdings; the venue owes it to the owner
debt             value of what is borrowed; the owner owes it to the venue
profit, loss     unrealised, of the row's positions; owed by the venue, and to it
===============  ========================================================================================

The underlying of a position is its market's base asset, so that ``BTC/USDT:USDT`` and a holding of BTC share a row; an
option is its own underlying, because its price does not move in proportion. All amounts are positive and in settlement
currency; a venue's settlement asset counts as worth 1, and amounts of venues that settle in different dollars are added
as if they were one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.display import ROWS_SHOWN, DisplayTable, ShownAsTables, number_text, percent_text
from leverline.margin.tables import MarginTables, Skipped
from leverline.margin.valuation import Valuation
from leverline.market.symbols import is_unified, parse_unified
from leverline.model.instrument import Kind

if TYPE_CHECKING:
    import polars as pl

AMOUNTS = ("long", "short", "collateral", "debt", "profit", "loss")
"""Columns of amounts, in the order of ``Exposures.amounts``."""
_LONG, _SHORT, _COLLATERAL, _DEBT, _PROFIT, _LOSS = range(len(AMOUNTS))


@dataclass(frozen=True, slots=True)
class Exposures(ShownAsTables):
    """One row an owner, venue and underlying that has any, ascending by those three codes.

    Attributes
    ----------
    owners, venues, underlyings : tuples of str
        What the codes point into.
    owner, venue, underlying : int64 arrays of shape (n_rows,)
    amounts : float64 array of shape (6, n_rows)
        Rows as :data:`AMOUNTS`, settlement currency, not negative.
    skipped : tuple of Skipped
        Pools that could not be valued and stand in no row.
    """

    owners: tuple[str, ...]
    venues: tuple[str, ...]
    underlyings: tuple[str, ...]
    owner: IntArray
    venue: IntArray
    underlying: IntArray
    amounts: FloatArray
    skipped: tuple[Skipped, ...]

    @property
    def net(self) -> FloatArray:
        """Gain of the row for a rise of its underlying by its whole price: long - short + collateral - debt."""
        a = self.amounts
        return np.asarray(a[_LONG] - a[_SHORT] + a[_COLLATERAL] - a[_DEBT])

    @property
    def gross(self) -> FloatArray:
        """Everything that moves with the underlying, whichever way: long + short + collateral + debt."""
        return np.asarray(self.amounts[:_PROFIT].sum(axis=0))

    @property
    def equity(self) -> FloatArray:
        """What the venue owes the owner on balance: collateral - debt + profit - loss; sums to the pools' equity."""
        a = self.amounts
        return np.asarray(a[_COLLATERAL] - a[_DEBT] + a[_PROFIT] - a[_LOSS])

    def frame(self) -> pl.DataFrame:
        """All rows with names: ``owner, venue, underlying``, the amounts, then ``net, gross, equity``."""
        import polars as pl

        names = [_named(label, known, code) for label, known, code in (
            ("owner", self.owners, self.owner), ("venue", self.venues, self.venue),
            ("underlying", self.underlyings, self.underlying))]
        columns = [pl.Series(label, values) for label, values in zip(AMOUNTS, self.amounts, strict=True)]
        sums = [pl.Series("net", self.net), pl.Series("gross", self.gross), pl.Series("equity", self.equity)]
        return pl.DataFrame([*names, *columns, *sums])

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows of :meth:`frame` as an Arrow stream, for any library that reads one."""
        return self.frame().__arrow_c_stream__(requested_schema)

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """Owners by gross exposure, then all rows, largest first."""
        by_owner = owner_exposures(self)
        rows = [(self.owners[self.owner[i]], self.venues[self.venue[i]], self.underlyings[self.underlying[i]],
                 *(number_text(float(x)) for x in (*self.amounts[:, i], self.net[i])))
                for i in _largest(self.gross)]
        left_out = f"; not in it, because they could not be valued: {len(self.skipped)}" if self.skipped else ""
        return (*by_owner.display_tables(),
                DisplayTable(f"Who owes what where: the largest of {self.owner.size:,}{left_out}",
                             ("owner", "venue", "underlying", *AMOUNTS, "net"), rows))


@dataclass(frozen=True, slots=True)
class OwnerExposures(ShownAsTables):
    """One entry an owner; float64 arrays of shape (n_owners,), settlement currency.

    Attributes
    ----------
    owners : tuple of str
    gross : sum of every row's gross exposure
    net_by_venue : sum of what is left where each venue nets its own rows of an underlying: what all venues see
    net : sum of what is left where an underlying is netted over all venues: the risk that the owner carries
    owed_to_owner : collateral and unrealised profits, at all venues
    owed_by_owner : debts and unrealised losses, at all venues
    equity : owed_to_owner - owed_by_owner
    worst_venue : the smallest equity at one venue; where it is negative that venue has lent what it may not get back,
        however much the owner has elsewhere
    """

    owners: tuple[str, ...]
    gross: FloatArray
    net_by_venue: FloatArray
    net: FloatArray
    owed_to_owner: FloatArray
    owed_by_owner: FloatArray
    equity: FloatArray
    worst_venue: FloatArray

    @property
    def offset_across_venues(self) -> FloatArray:
        """Share of what venues see that vanishes over all of them, in [0, 1]; NaN for an owner without exposure."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(self.net_by_venue > 0, 1.0 - self.net / self.net_by_venue, np.nan))

    def display_tables(self) -> tuple[DisplayTable, ...]:
        """Owners by gross exposure, largest first."""
        offset = self.offset_across_venues
        rows = [(self.owners[i], number_text(float(self.gross[i])), number_text(float(self.net_by_venue[i])),
                 number_text(float(self.net[i])), percent_text(float(offset[i])),
                 number_text(float(self.owed_to_owner[i])), number_text(float(self.owed_by_owner[i])),
                 number_text(float(self.equity[i])), number_text(float(self.worst_venue[i])))
                for i in _largest(self.gross)]
        return (DisplayTable(f"Exposure over all venues: the largest of {len(self.owners):,} owners",
                             ("owner", "gross", "net at each venue", "net over venues", "offset across venues",
                              "owed to owner", "owed by owner", "equity", "worst venue"), rows),)


def exposures(tables: MarginTables, valuation: Valuation) -> Exposures:
    """Sum the positions and holdings of ``tables`` by owner, venue and underlying; ``valuation`` is of these tables."""
    book, assets = tables.book, tables.assets
    owners, owner_of_pool = _coded(book.pools.owner.tolist())
    venues, venue_of_pool = _coded(book.pools.venue.tolist())
    underlyings, code = _coded([underlying_of(symbol) for _, symbol in book.markets] + [a for _, a in book.assets])
    of_market, of_asset = code[: len(book.markets)], code[len(book.markets):]
    pool = np.concatenate([book.pool_of_position(), book.pool_of_holding()])
    name = np.concatenate([of_market[book.position_market], of_asset[book.holding_asset]])
    value = book.amount * np.where(book.amount > 0, assets.price_owned[book.holding_asset],
                                   assets.price_owed[book.holding_asset])
    delta, pnl = valuation.positions.delta, valuation.positions.pnl
    none_p, none_h = np.zeros(delta.size), np.zeros(value.size)
    signed = [(delta, none_h), (-delta, none_h), (none_p, value), (none_p, -value), (pnl, none_h), (-pnl, none_h)]
    key = (owner_of_pool[pool] * len(venues) + venue_of_pool[pool]) * len(underlyings) + name
    keys, row = np.unique(key, return_inverse=True)
    amounts = np.array([_totals(np.maximum(np.concatenate(parts), 0.0), row, keys.size)
                        for parts in signed]).reshape(len(AMOUNTS), keys.size)
    place, underlying = np.divmod(keys, max(len(underlyings), 1))
    owner, venue = np.divmod(place, max(len(venues), 1))
    return Exposures(owners, venues, underlyings, owner, venue, underlying, amounts, tables.skipped)


def owner_exposures(rows: Exposures) -> OwnerExposures:
    """Sum ``rows`` by owner, netting once within each venue and once over all of them."""
    n = len(rows.owners)
    at_venue, owner_at_venue = _summed(rows.equity, rows.owner * len(rows.venues) + rows.venue, len(rows.venues))
    over_venues, owner_over_venues = _summed(
        rows.net, rows.owner * len(rows.underlyings) + rows.underlying, len(rows.underlyings))
    worst = np.full(n, np.inf)
    np.minimum.at(worst, owner_at_venue, at_venue)
    to_owner = _totals(rows.amounts[_COLLATERAL] + rows.amounts[_PROFIT], rows.owner, n)
    by_owner = _totals(rows.amounts[_DEBT] + rows.amounts[_LOSS], rows.owner, n)
    return OwnerExposures(
        owners=rows.owners, gross=_totals(rows.gross, rows.owner, n),
        net_by_venue=_totals(np.abs(rows.net), rows.owner, n),
        net=_totals(np.abs(over_venues), owner_over_venues, n),
        owed_to_owner=to_owner, owed_by_owner=by_owner, equity=to_owner - by_owner,
        worst_venue=np.where(np.isfinite(worst), worst, 0.0),
    )


def underlying_of(symbol: str) -> str:
    """What a market's price moves with: the base of a unified symbol, else, and for an option, the symbol itself."""
    if not is_unified(symbol) or parse_unified(symbol).kind is Kind.OPTION:
        return symbol
    return symbol.partition("/")[0]


def _largest(gross: FloatArray) -> list[int]:
    """Rows to show, largest first: there may be millions, and a table in a notebook is read."""
    return [int(i) for i in np.argsort(-gross, kind="stable")[:ROWS_SHOWN]]


def _coded(names: list[str]) -> tuple[tuple[str, ...], IntArray]:
    """Distinct names in order of appearance, and the place of each."""
    place: dict[str, int] = {}
    code = np.array([place.setdefault(name, len(place)) for name in names], dtype=np.int64)
    return tuple(place), code


def _summed(values: FloatArray, pair: IntArray, n_second: int) -> tuple[FloatArray, IntArray]:
    """Sums by distinct pair, and the first half of each pair."""
    pairs, at = np.unique(pair, return_inverse=True)
    return _totals(values, at, pairs.size), pairs // max(n_second, 1)


def _totals(values: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    return np.bincount(group, values, minlength=n_groups).astype(np.float64, copy=False)


def _named(label: str, known: tuple[str, ...], code: IntArray) -> pl.Series:
    import polars as pl

    return pl.Series(label, known, dtype=pl.String).gather(code)
