"""Read accounts: a file or an Arrow object in, a validated :class:`AccountBook` out, and back.

What is malformed is refused whole, with file, row, column and remedy. What only rules and prices can judge (unknown
markets, debts in assets that nobody lends) is judged where those are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import UsageError, require
from leverline.ground.files import replacing
from leverline.margin.account_rows import ACCOUNTS, AccountRows, typed_rows
from leverline.margin.pooling_rows import PooledRows, pooled
from leverline.market.sources.files import ArrowStream, SourceTable, read_bytes, table_of_arrow, table_of_bytes
from leverline.model.accounts import MODES, NO_VENUE, AccountBook, Asset, Market
from leverline.model.provenance import DataFile


@dataclass(frozen=True, slots=True)
class AccountInput:
    """Accounts as read, and where each row stood.

    Attributes
    ----------
    book : AccountBook
    file : DataFile
    position_row, holding_row : int64 arrays of shape (n_positions,) and (n_holdings,)
        Row of the input, from 1.
    warnings : tuple of str
    """

    book: AccountBook
    file: DataFile
    position_row: IntArray
    holding_row: IntArray
    warnings: tuple[str, ...]


def read_accounts(source: Path | str | ArrowStream) -> AccountInput:
    """Accounts of a CSV or Parquet file, or of any object with ``__arrow_c_stream__``.

    A row is a position (``account, symbol, quantity, entry_price``) or a holding (``account, asset, amount``), and may
    name ``owner``, ``venue``, ``mode``, ``subaccount`` and ``account_class``.

    Raises
    ------
    MalformedInputError
        With file, row (1 = first data row), column and remedy.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return accounts_of_table(table_of_bytes(read_bytes(path), path.name, ACCOUNTS))
    return accounts_of_table(table_of_arrow(source, layout=ACCOUNTS))


def accounts_of_table(table: SourceTable) -> AccountInput:
    """What :func:`read_accounts` does once the columns are in memory; every source of accounts passes here."""
    rows = typed_rows(table)
    found = pooled(rows)
    positions = np.flatnonzero(rows.is_position.to_numpy())
    holdings = np.flatnonzero(~rows.is_position.to_numpy())
    markets, market = _named(rows, "symbol", positions)
    assets, asset = _named(rows, "asset", holdings)
    positions, market = _by_pool(rows, found, positions, market, len(markets), "symbol")
    holdings, asset = _by_pool(rows, found, holdings, asset, len(assets), "asset")
    book = AccountBook(
        markets=tuple(Market(*name) for name in markets), assets=tuple(Asset(*name) for name in assets),
        pools=found.pools,
        position_offsets=_offsets(found, positions), position_market=market.astype(np.uint32),
        quantity=_numbers(rows, "quantity", positions), entry_price=_numbers(rows, "entry_price", positions),
        holding_offsets=_offsets(found, holdings), holding_asset=asset.astype(np.uint32),
        amount=_numbers(rows, "amount", holdings),
    )
    source = DataFile(name=table.file, sha256=table.sha256, rows=table.frame.height)
    return AccountInput(book, source, positions + 1, holdings + 1, found.warnings)


def table_of_accounts(book: AccountBook) -> pl.DataFrame:
    """The long table of ``book``, pool by pool: read again it gives the same columns.

    A pool without positions and holdings has no row and is lost. A polars frame exports an Arrow stream.
    """
    pool = np.concatenate((book.pool_of_position(), book.pool_of_holding()))
    order = np.argsort(pool, kind="stable")
    of_pools = pl.DataFrame({name: pl.Series(getattr(book.pools, name), dtype=pl.String)
                             for name in ("account", "owner", "venue", "subaccount", "account_class")})
    modes = pl.Series("mode", [m.value for m in MODES]).gather(book.pools.mode.astype(np.int64))
    markets = pl.Series("symbol", [m.symbol for m in book.markets], dtype=pl.String).gather(book.position_market)
    assets = pl.Series("asset", [a.asset for a in book.assets], dtype=pl.String).gather(book.holding_asset)
    rows = pl.concat([
        pl.DataFrame([markets, pl.Series("quantity", book.quantity), pl.Series("entry_price", book.entry_price)]),
        pl.DataFrame([assets, pl.Series("amount", book.amount)]),
    ], how="diagonal")
    names = of_pools.with_columns(modes)[pool].with_columns(pl.col(pl.String).replace("", None))
    return pl.concat([names, rows], how="horizontal")[order].select(ACCOUNTS.known)


def write_accounts(book: AccountBook, path: Path) -> None:
    """Write the table of ``book`` as CSV or Parquet by the name's suffix, whole or not at all."""
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise UsageError(f"cannot tell a format from {path.name!r}", remedy="name it .csv or .parquet")
    frame = table_of_accounts(book)
    with replacing(path) as part:
        if suffix == ".csv":
            frame.write_csv(part)
        else:
            frame.write_parquet(part, compression="zstd")


def _named(rows: AccountRows, column: str, at: IntArray) -> tuple[list[tuple[str, str]], IntArray]:
    """Distinct (venue, name) in alphabetical order, and the place in it of each row ``at``."""
    names, venues = rows.names(column), rows.names("venue")
    if names is None or not at.size:
        return [], np.zeros(0, dtype=np.int64)
    known, code = _coded(names.gather(at))
    if venues is None:
        return [(NO_VENUE, name) for name in known], code
    known_venues, venue_code = _coded(venues.gather(at).fill_null(NO_VENUE))
    used, place = np.unique(venue_code * len(known) + code, return_inverse=True)
    return [(known_venues[pair // len(known)], known[pair % len(known)]) for pair in used.tolist()], place


def _coded(names: pl.Series) -> tuple[list[str], IntArray]:
    known = sorted(names.unique().to_list())
    return known, names.cast(pl.Enum(known)).to_physical().cast(pl.Int64).to_numpy()


def _by_pool(rows: AccountRows, found: PooledRows, at: IntArray, code: IntArray, n_names: int, column: str,
             ) -> tuple[IntArray, IntArray]:
    """Rows ``at`` and their codes in the order of pool and code; refuses a name that a pool holds twice."""
    key = found.pool[at] * max(n_names, 1) + code
    if bool((np.diff(key) <= 0).any()):
        order = np.argsort(key, kind="stable")
        at, code, key = at[order], code[order], key[order]
        twice = at[1:][np.diff(key) == 0]
        if twice.size:
            row = int(twice.min())
            rows.refuse(row, f"account {rows.table.frame['account'][row]!r} holds "
                        f"{rows.table.frame[column][row]!r} in an earlier row already", column,
                        "give one row, or divide the account by subaccount and mode")
    return at, code


def _offsets(found: PooledRows, at: IntArray) -> npt.NDArray[np.int32]:
    counts = np.bincount(found.pool[at], minlength=len(found.pools))
    require(at.size < 2**31, "a book holds fewer than 2^31 rows", got=at.size)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32)


def _numbers(rows: AccountRows, column: str, at: IntArray) -> FloatArray:
    frame = rows.table.frame
    return frame[column].gather(at).to_numpy() if column in frame.columns else np.zeros(at.size)
