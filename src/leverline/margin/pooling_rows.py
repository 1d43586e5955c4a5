"""Which pool each row of accounts belongs to: keys by mode, collateral of isolated positions, owners that agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from leverline.ground.arrays import BoolArray, IntArray
from leverline.margin.account_rows import AccountRows
from leverline.model.accounts import MODES, NO_VENUE, Mode, Pools

_CROSS, _ISOLATED, _SEGREGATED, _PORTFOLIO = (MODES.index(m) for m in
                                              (Mode.CROSS, Mode.ISOLATED, Mode.SEGREGATED, Mode.PORTFOLIO))


@dataclass(frozen=True, slots=True)
class PooledRows:
    """``pool`` has shape (n_rows,) and points into ``pools``, which stand in the order of their first rows."""

    pools: Pools
    pool: IntArray
    warnings: tuple[str, ...]


def pooled(rows: AccountRows) -> PooledRows:
    """Pools of ``rows``; refuses what cannot be margined together or is not clear."""
    mode = _modes(rows)
    keys = _account_keys(rows)
    of_account = first_rows(keys)
    _check_modes(rows, mode, of_account)
    subaccount, warnings = _subaccounts(rows, mode)
    if subaccount is None:
        first = of_account
    else:  # a cross and an isolated pool of one account may have the same (empty) subaccount
        kind = pl.Series("mode", np.where(mode == _PORTFOLIO, _CROSS, mode))
        first = first_rows([*keys, subaccount.rename("subaccount"), kind])
    starts = first == np.arange(first.size)
    pool = (np.cumsum(starts) - 1)[first]
    heads = np.flatnonzero(starts)
    pools = _pools(rows, mode, subaccount, heads, of_account)
    _check_isolated(rows, pools, pool)
    return PooledRows(pools, pool, (*warnings, *_bare_collateral(rows, pools, pool)))


def first_rows(keys: list[pl.Series]) -> IntArray:
    """For each row the first row with the same keys, shape (n_rows,)."""
    names = [key.name for key in keys]
    at = np.arange(keys[0].len())
    return pl.DataFrame([*keys, pl.Series("at", at)]).select(pl.col("at").first().over(names)).to_series().to_numpy()


def _modes(rows: AccountRows) -> npt.NDArray[np.uint8]:
    written = rows.names("mode")
    if written is None:
        return np.full(rows.is_position.len(), _CROSS, dtype=np.uint8)
    coded = written.fill_null(Mode.CROSS.value).cast(pl.Enum([m.value for m in MODES]))
    return coded.to_physical().cast(pl.UInt8).to_numpy()


def _of_account(rows: AccountRows, column: str, of_account: IntArray) -> pl.Series | None:
    """What the rows of an account that name an owner (or a class) call it, for each row; refuses two names."""
    written = rows.names(column)
    if written is None:
        return None
    if written.null_count():
        frame = pl.DataFrame([written, pl.Series("of", of_account)])
        said = frame.select(pl.col(column).drop_nulls().first().over("of")).to_series()
    else:
        said = written.gather(of_account)
    rows.refuse_first((written != said).fill_null(value=False),
                      f"an earlier row of this account names another {column}", column)
    return said


def _account_keys(rows: AccountRows) -> list[pl.Series]:
    return [c for c in (rows.names("venue"), rows.names("account")) if c is not None]


def _check_modes(rows: AccountRows, mode: npt.NDArray[np.uint8], of_account: IntArray) -> None:
    """An account is not both cross and portfolio."""
    if (mode != _PORTFOLIO).all():
        return
    whole = np.flatnonzero((mode == _CROSS) | (mode == _PORTFOLIO))
    account = of_account[whole]
    mixed = np.isin(account, account[mode[whole] == _PORTFOLIO]) & (mode[whole] == _CROSS)
    if mixed.any():
        rows.refuse(int(whole[np.argmax(mixed)]), "an account is either cross or portfolio", "mode")


def _subaccounts(rows: AccountRows, mode: npt.NDArray[np.uint8]) -> tuple[pl.Series | None, tuple[str, ...]]:
    """What tells pools of an account apart, and warnings; None where every pool is a whole account."""
    written = rows.names("subaccount")
    apart = (mode == _ISOLATED) | (mode == _SEGREGATED)
    warnings = _unused_subaccounts(rows, written, apart)
    if not apart.any():
        return None, warnings
    empty = pl.repeat(None, mode.size, dtype=pl.String, eager=True)
    named, symbol = written if written is not None else empty, rows.names("symbol")
    isolated = pl.Series(mode == _ISOLATED)
    key = pl.select(pl.when(pl.Series(apart)).then(named)).to_series()
    if symbol is not None:  # an isolated position is its own pool under the name of its market
        key = pl.select(pl.when(isolated & key.is_null()).then(symbol).otherwise(key)).to_series()
    held = np.flatnonzero((isolated & ~rows.is_position).to_numpy())
    if held.size:
        key = _posted(rows, key, held, np.flatnonzero((isolated & rows.is_position).to_numpy()))
    return key.fill_null(""), warnings


def _unused_subaccounts(rows: AccountRows, written: pl.Series | None, apart: BoolArray) -> tuple[str, ...]:
    unused = 0 if written is None else int((written.is_not_null().to_numpy() & ~apart).sum())
    return () if not unused else (
        f"{rows.table.file}: {unused} rows of cross accounts name a subaccount; a cross account is margined whole",)


def _posted(rows: AccountRows, key: pl.Series, held: IntArray, positions: IntArray) -> pl.Series:
    """``key`` with every isolated holding (rows ``held``) led to the position that it is posted to.

    A holding names the position's subaccount or symbol; it may name nothing where its account has one isolated
    position. A name that no position has is a pool of its own, as in lending, where there are no positions.
    """
    frame = rows.table.frame
    by = [c for c in ("venue", "account") if rows.names(c) is not None]
    places = frame.select(*by, key=key)
    isolated = places[positions].with_columns(symbol=frame["symbol"][positions]) if positions.size else None
    holdings = places[held].with_columns(row=pl.Series(held))
    if isolated is None:
        found = holdings.with_columns(only=pl.lit(None, pl.String), count=pl.lit(0), named=pl.lit(None, pl.String),
                                      alike=pl.lit(0), known=pl.lit(value=False))
    else:
        alone = isolated.group_by(by).agg(only=pl.col("key").first(), count=pl.len())
        of_symbol = isolated.group_by(*by, "symbol").agg(named=pl.col("key").first(), alike=pl.len())
        keys = isolated.select(*by, "key").unique().with_columns(known=pl.lit(value=True))
        found = (holdings.join(alone, on=by, how="left", nulls_equal=True)
                 .join(of_symbol, left_on=[*by, "key"], right_on=[*by, "symbol"], how="left", nulls_equal=True)
                 .join(keys, on=[*by, "key"], how="left", nulls_equal=True)).sort("row")
    unclear = found["key"].is_null() & (found["count"].fill_null(0) != 1)
    unclear |= found["known"].is_null() & (found["alike"].fill_null(0) > 1)
    if unclear.any():
        row = int(found["row"].to_numpy()[unclear.arg_max()])
        rows.refuse(row, "it is not clear which isolated position this collateral is posted to", "subaccount",
                    "name the position's subaccount or symbol")
    led = found.select(pl.when(pl.col("key").is_null()).then("only")
                       .when(pl.col("known").is_null() & pl.col("named").is_not_null()).then("named")
                       .otherwise("key")).to_series()
    return key.scatter(held, led)


def _pools(rows: AccountRows, mode: npt.NDArray[np.uint8], subaccount: pl.Series | None, heads: IntArray,
           of_account: IntArray) -> Pools:
    def column(found: pl.Series | None, empty: str) -> npt.NDArray[np.object_]:
        if found is None:
            return np.full(heads.size, empty, dtype=np.object_)
        return found.gather(heads).fill_null(empty).to_numpy().astype(np.object_)

    account = column(rows.names("account"), "")
    owner = _of_account(rows, "owner", of_account)
    owners = account if owner is None else column(owner.fill_null(rows.table.frame["account"]), "")
    return Pools(column(rows.names("venue"), NO_VENUE), account, column(subaccount, ""), owners, mode[heads],
                 column(_of_account(rows, "account_class", of_account), ""))


def _check_isolated(rows: AccountRows, pools: Pools, pool: IntArray) -> None:
    """An isolated pool holds one market."""
    isolated = pools.mode == _ISOLATED
    if not isolated.any():
        return
    held = np.flatnonzero(rows.is_position.to_numpy() & isolated[pool])
    order = held[np.argsort(pool[held], kind="stable")]
    second = order[1:][np.diff(pool[order]) == 0]
    if second.size:
        rows.refuse(int(second.min()), "an isolated pool holds one position, and an earlier row is in it", "symbol",
                    "give each its own subaccount, net the two sides of a market, or use mode segregated")


def _bare_collateral(rows: AccountRows, pools: Pools, pool: IntArray) -> tuple[str, ...]:
    """A warning where an account has isolated positions, and collateral in an isolated pool without one."""
    isolated = np.flatnonzero(pools.mode == _ISOLATED)
    if not isolated.size:
        return ()
    has_position = np.zeros(len(pools), dtype=np.bool_)
    has_position[pool[rows.is_position.to_numpy()]] = True
    trading = {(pools.venue[i], pools.account[i]) for i in isolated[has_position[isolated]]}
    bare = [i for i in isolated[~has_position[isolated]] if (pools.venue[i], pools.account[i]) in trading]
    return () if not bare else (
        f"{rows.table.file}: {len(bare)} isolated pools hold collateral and no position, the first "
        f"{pools.subaccount[bare[0]]!r} of account {pools.account[bare[0]]!r}",)
