"""The ledger: integer balances by asset, moved and never made; conservation is one assertion in one place.

Balances stand in pools (by number) and in named accounts of the house. Money enters and leaves through ``outside``, so
the sum over everything is zero at all times. Pools' cash in the settlement asset is a list of its own, because a crash
reads it for every pool at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from leverline.enforce.undo import Undo
from leverline.ground.errors import UsageError

Holder = str | int
"""A house account's name, or a pool's number."""

OUTSIDE = "outside"
FEES = "fees"
DUST = "dust"
SHARED_FUND = "fund"
LIMIT = 2**62
"""No balance reaches this: int64 with a bit to spare."""
CARRIED = LIMIT // 4
"""Nor does a market's open interest at its mark reach this: what closing it books must fit into balances."""


def fund_of(market: str) -> str:
    """House account of one market's own insurance fund."""
    return f"{SHARED_FUND}:{market}"


@dataclass(slots=True)
class Ledger:
    """Balances in units (1e-6 of an asset)."""

    settlement: str
    undo: Undo
    cash: list[int] = field(default_factory=list)  # settlement units of each pool
    others: dict[tuple[Holder, str], int] = field(default_factory=dict)
    assets_of: dict[int, tuple[str, ...]] = field(init=False)  # that ``others`` names of each pool, ascending

    def __post_init__(self) -> None:
        held = sorted((pool, asset) for pool, asset in self.others if isinstance(pool, int))
        self.assets_of = {pool: tuple(asset for _, asset in rows) for pool, rows in groupby(held, itemgetter(0))}

    def balance(self, holder: Holder, asset: str) -> int:
        """Units of ``asset`` that ``holder`` has; 0 where it never had any."""
        if isinstance(holder, int) and asset == self.settlement:
            return self.cash[holder]
        return self.others.get((holder, asset), 0)

    def move(self, source: Holder, target: Holder, asset: str, amount: int) -> None:
        """Move ``amount`` units, at least 0."""
        if amount < 0:
            raise UsageError(f"an amount moved is not negative; got {amount!r}")
        if amount == 0 or source == target:
            return
        self._set(source, asset, self.balance(source, asset) - amount)
        self._set(target, asset, self.balance(target, asset) + amount)

    def book(self, gainer: Holder, payer: Holder, asset: str, amount: int) -> None:
        """Move a signed ``amount`` from ``payer`` to ``gainer``."""
        if amount >= 0:
            self.move(payer, gainer, asset, amount)
        else:
            self.move(gainer, payer, asset, -amount)

    def total(self, asset: str) -> int:
        """Sum over everybody and the outside: always the summed cost of open positions in the settlement asset, else 0.

        A position's cost is money that its holder owes or is owed until it closes; longs and shorts of a market may
        carry different costs, and what they differ by stands in somebody's cash already.
        """
        pools = sum(self.cash) if asset == self.settlement else 0
        return pools + sum(amount for (_, held), amount in self.others.items() if held == asset)

    def _set(self, holder: Holder, asset: str, amount: int) -> None:
        if not -LIMIT < amount < LIMIT:
            raise UsageError(f"a balance stays within 2^62 units; got {amount!r}")
        if isinstance(holder, str):
            self.undo.put(self.others, (holder, asset), amount)
        elif asset == self.settlement:
            self.undo.put(self.cash, holder, amount)
        else:
            if (holder, asset) not in self.others:
                self.undo.put(self.assets_of, holder, tuple(sorted((*self.assets_of.get(holder, ()), asset))))
            self.undo.put(self.others, (holder, asset), amount)
