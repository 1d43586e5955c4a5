"""The effects of one event in columns: a crash is not a hundred thousand small objects until somebody reads them.

A table holds the effects of one kind that one part of the venue gave; ``place`` says where each of them stands among
all. Read as a sequence, a batch gives the same effects in the same order as the path that handles one pool at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, overload

import numpy as np

from leverline.enforce.effects import (
    Deleveraged,
    Effect,
    FundMovement,
    LiquidationClosed,
    LossShared,
    MarginCall,
    Stage,
    StageRefused,
)
from leverline.enforce.state import PoolRecord
from leverline.ground.arrays import BoolArray, IntArray

Pools = Sequence[PoolRecord]
PHASE_BITS, POOL_BITS = 58, 32
"""A place is (phase, pool, rank within both), most significant first."""


def place(phase: int, pool: Any, rank: Any = 0) -> Any:
    """Where an effect stands: parts of the venue speak in turn, of pools by number. Integers or arrays of them."""
    return (phase << PHASE_BITS) + (pool << POOL_BITS) + rank


class Table(Protocol):
    """Effects of one kind."""

    @property
    def place(self) -> IntArray:
        """Of each effect, shape (n,)."""
        ...

    def effects(self, pools: Pools) -> Iterator[Effect]:
        """One object a row, in the order of the rows; ``pools`` by number."""
        ...


@dataclass(frozen=True, slots=True)
class Singles:
    """Effects that came as objects."""

    place: IntArray
    rows: tuple[Effect, ...]

    def effects(self, pools: Pools) -> Iterator[Effect]:  # noqa: ARG002 - the protocol's
        """See :class:`Table`."""
        return iter(self.rows)


@dataclass(frozen=True, slots=True)
class MarginCalls:
    """See :class:`~leverline.enforce.effects.MarginCall`."""

    place: IntArray
    pool: IntArray
    deficit: IntArray

    def effects(self, pools: Pools) -> Iterator[Effect]:
        """See :class:`Table`."""
        for pool, deficit in zip(self.pool.tolist(), self.deficit.tolist(), strict=True):
            yield MarginCall(pools[pool].key, deficit)


@dataclass(frozen=True, slots=True)
class Refusals:
    """See :class:`~leverline.enforce.effects.StageRefused`; one stage, one reason."""

    place: IntArray
    pool: IntArray
    stage: Stage
    reason: str

    def effects(self, pools: Pools) -> Iterator[Effect]:
        """See :class:`Table`."""
        for pool in self.pool.tolist():
            yield StageRefused(self.stage, pools[pool].key, self.reason)


@dataclass(frozen=True, slots=True)
class Closings:
    """See :class:`~leverline.enforce.effects.LiquidationClosed`; no order rested."""

    place: IntArray
    pool: IntArray
    market: str
    lots: IntArray
    price: IntArray
    penalty: IntArray
    worse_off: BoolArray
    stage: Stage

    def effects(self, pools: Pools) -> Iterator[Effect]:
        """See :class:`Table`."""
        for pool, lots, price, penalty, worse in zip(
                self.pool.tolist(), self.lots.tolist(), self.price.tolist(), self.penalty.tolist(),
                self.worse_off.tolist(), strict=True):
            yield LiquidationClosed(0, pools[pool].key, self.market, lots, price, penalty, self.stage, worse)


@dataclass(frozen=True, slots=True)
class FundMovements:
    """See :class:`~leverline.enforce.effects.FundMovement`; of one fund, ``why`` goes before the pool's name."""

    place: IntArray
    pool: IntArray
    market: str
    amount: IntArray
    balance: IntArray
    why: str

    def effects(self, pools: Pools) -> Iterator[Effect]:
        """See :class:`Table`."""
        for pool, amount, balance in zip(self.pool.tolist(), self.amount.tolist(), self.balance.tolist(), strict=True):
            yield FundMovement(self.market, amount, balance, f"{self.why} {pools[pool].key}")


@dataclass(frozen=True, slots=True)
class Deleveragings:
    """See :class:`~leverline.enforce.effects.Deleveraged`."""

    place: IntArray
    pool: IntArray
    against: IntArray
    market: str
    lots: IntArray
    price: IntArray

    def effects(self, pools: Pools) -> Iterator[Effect]:
        """See :class:`Table`."""
        for pool, against, lots, price in zip(self.pool.tolist(), self.against.tolist(), self.lots.tolist(),
                                              self.price.tolist(), strict=True):
            yield Deleveraged(pools[pool].key, pools[against].key, self.market, lots, price)


@dataclass(frozen=True, slots=True)
class LossShares:
    """See :class:`~leverline.enforce.effects.LossShared`."""

    place: IntArray
    pool: IntArray
    amount: IntArray

    def effects(self, pools: Pools) -> Iterator[Effect]:
        """See :class:`Table`."""
        for pool, amount in zip(self.pool.tolist(), self.amount.tolist(), strict=True):
            yield LossShared(pools[pool].key, amount)


class EffectBatch(Sequence[Effect]):
    """Tables in the order of their places; objects are made when somebody asks for one."""

    def __init__(self, pools: Pools, tables: Sequence[Table]) -> None:
        self.tables = tuple(table for table in tables if table.place.size)
        self._pools = pools
        self._made: tuple[Effect, ...] | None = None

    def __len__(self) -> int:
        return sum(table.place.size for table in self.tables)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self._objects())

    @overload
    def __getitem__(self, index: int) -> Effect: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Effect, ...]: ...
    def __getitem__(self, index: int | slice) -> Effect | tuple[Effect, ...]:
        return self._objects()[index]

    def __eq__(self, other: object) -> bool:
        """As a sequence of effects, whatever holds them."""
        if not isinstance(other, EffectBatch | tuple | list):
            return NotImplemented
        return len(self) == len(other) and self._objects() == tuple(other)

    __hash__ = None  # type: ignore[assignment] # equal to lists, which have none

    def __repr__(self) -> str:
        return f"EffectBatch of {len(self)}: " + ", ".join(f"{t.place.size} {type(t).__name__}" for t in self.tables)

    def _objects(self) -> tuple[Effect, ...]:
        if self._made is None:
            rows = list(chain.from_iterable(table.effects(self._pools) for table in self.tables))
            places = np.concatenate([table.place for table in self.tables]) if self.tables else np.zeros(0, np.int64)
            self._made = tuple(rows[i] for i in np.argsort(places, kind="stable").tolist())
        return self._made
