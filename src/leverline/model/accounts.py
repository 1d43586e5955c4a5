"""Who holds what: positions and collateral as columns, grouped into the pools that are margined together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from leverline.ground.arrays import FloatArray, IntArray
from leverline.ground.errors import require

NO_VENUE = ""
"""The venue of accounts whose table names none: whatever single set of rules the caller brings holds for them."""


class Mode(StrEnum):
    """Which losses reach which collateral.

    Cross: everything an account holds at a venue is one pool. Isolated: a position and the collateral posted to it are
    a pool of their own. Segregated: each sub-account is a pool that may hold several positions; losses never cross.
    Portfolio: one pool, margined over scenarios.
    """

    CROSS = "cross"
    ISOLATED = "isolated"
    SEGREGATED = "segregated"
    PORTFOLIO = "portfolio"


class Market(NamedTuple):
    """A symbol at a venue: one symbol at two venues is two markets with two rules."""

    venue: str
    symbol: str


class Asset(NamedTuple):
    """A collateral or debt asset at a venue."""

    venue: str
    asset: str


class Pool(NamedTuple):
    """What is margined together. ``subaccount`` is empty for a cross pool."""

    venue: str
    account: str
    subaccount: str
    owner: str
    mode: Mode
    account_class: str


MODES = tuple(Mode)
"""What ``Pools.mode`` counts in."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Names of many pools as columns of one length: objects (str), and ``mode`` as uint8 index into ``MODES``."""

    venue: npt.NDArray[np.object_]
    account: npt.NDArray[np.object_]
    subaccount: npt.NDArray[np.object_]
    owner: npt.NDArray[np.object_]
    mode: npt.NDArray[np.uint8]
    account_class: npt.NDArray[np.object_]

    @classmethod
    def of(cls, pools: Iterable[Pool]) -> Self:
        """Columns of a few pools."""
        rows = list(pools)
        names = [np.array([pool[k] for pool in rows], dtype=np.object_) for k in range(len(Pool._fields))]
        mode = np.array([MODES.index(pool.mode) for pool in rows], dtype=np.uint8)
        return cls(names[0], names[1], names[2], names[3], mode, names[5])

    def __len__(self) -> int:
        return int(self.account.size)

    def __getitem__(self, i: int) -> Pool:
        return Pool(self.venue[i], self.account[i], self.subaccount[i], self.owner[i], MODES[self.mode[i]],
                    self.account_class[i])

    def __iter__(self) -> Iterator[Pool]:
        return (self[i] for i in range(len(self)))

    def take(self, pools: IntArray) -> Pools:
        """Only these, in this order."""
        return Pools(self.venue[pools], self.account[pools], self.subaccount[pools], self.owner[pools],
                     self.mode[pools], self.account_class[pools])


@dataclass(frozen=True, slots=True)
class AccountBook:
    """Positions and holdings of many pools, each in compressed rows: pool ``i`` owns ``[offsets[i], offsets[i + 1])``.

    A pool holds a market and an asset at most once, in ascending index, so that equal content gives equal columns.

    Attributes
    ----------
    markets, assets : tuples
        What ``position_market`` and ``holding_asset`` point into.
    pools : Pools, length n_pools
        In the order in which the input first names them.
    position_offsets, holding_offsets : int32 arrays of shape (n_pools + 1,)
    position_market : uint32 array of shape (n_positions,)
    quantity : float64 array of shape (n_positions,)
        Signed, in contracts (times the market's contract size gives base units, or quote units if it is inverse).
    entry_price : float64 array of shape (n_positions,)
        Average entry, quote per base unit.
    holding_asset : uint32 array of shape (n_holdings,)
    amount : float64 array of shape (n_holdings,)
        In asset units; negative is debt.
    """

    markets: tuple[Market, ...]
    assets: tuple[Asset, ...]
    pools: Pools
    position_offsets: npt.NDArray[np.int32]
    position_market: npt.NDArray[np.uint32]
    quantity: FloatArray
    entry_price: FloatArray
    holding_offsets: npt.NDArray[np.int32]
    holding_asset: npt.NDArray[np.uint32]
    amount: FloatArray

    def __post_init__(self) -> None:
        n_pools = len(self.pools)
        for offsets, rows in ((self.position_offsets, self.quantity), (self.holding_offsets, self.amount)):
            require(offsets.shape == (n_pools + 1,), "offsets have one entry a pool and one more", got=offsets.shape)
            require(offsets[0] == 0 and offsets[-1] == rows.size, "offsets span all rows", got=rows.size)
        require(self.position_market.shape == self.quantity.shape == self.entry_price.shape,
                "position columns are of one length")
        require(self.holding_asset.shape == self.amount.shape, "holding columns are of one length")

    @property
    def n_pools(self) -> int:
        """How many pools are margined."""
        return len(self.pools)

    @property
    def n_positions(self) -> int:
        """How many positions all pools hold."""
        return int(self.quantity.size)

    def pool_of_position(self) -> IntArray:
        """Index of the pool of each position, shape (n_positions,)."""
        return np.repeat(np.arange(self.n_pools), np.diff(self.position_offsets))

    def pool_of_holding(self) -> IntArray:
        """Index of the pool of each holding, shape (n_holdings,)."""
        return np.repeat(np.arange(self.n_pools), np.diff(self.holding_offsets))
