"""Socialised loss: what nothing else covered, shared by everybody who has equity, to the last unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leverline.enforce.effects import Effect, LossShared, Stage
from leverline.enforce.margining import standing
from leverline.enforce.policies import Absorbed, Debt
from leverline.enforce.state import VenueState


@dataclass(frozen=True, slots=True)
class SocialisedLoss:
    """Shares in proportion to equity, by largest remainder; nobody bears more than it has.

    All debts of one event are one loss. Where it is larger than all equity, everybody bears everything and the rest
    stays owed: money is not made.
    """

    stage: Stage = Stage.SOCIALISED

    def pay(self, state: VenueState, debts: Sequence[Debt]) -> list[Absorbed]:
        """Collect the shares, then pay the debts in order."""
        loss = sum(debt.owed for debt in debts)
        bearers = self.bearers(state)
        shared = largest_remainder(min(loss, sum(equity for _, equity in bearers)), [e for _, e in bearers])
        return collect(state, [(pool, amount) for (pool, _), amount in zip(bearers, shared, strict=True)], debts)

    def bearers(self, state: VenueState) -> list[tuple[int, int]]:
        """(pool, equity in units) of everybody with equity at valid prices, ascending; not the outside market."""
        rows = []
        for pool, record in enumerate(state.pools):
            if record.external:
                continue
            now = standing(state, pool)
            if now.priced and now.equity > 0:
                rows.append((pool, now.equity))
        return rows


def collect(state: VenueState, shares: Sequence[tuple[int, int]], debts: Sequence[Debt]) -> list[Absorbed]:
    """Move (pool, units) shares, together no more than is owed, into the debts in order."""
    rows = [[pool, amount] for pool, amount in shares if amount]
    effects: list[Effect] = [LossShared(state.pools[pool].key, amount) for pool, amount in rows]
    answers = []
    for debt in debts:
        paid = 0
        while rows and paid < debt.owed:
            amount = min(debt.owed - paid, rows[-1][1])
            state.ledger.move(rows[-1][0], debt.pool, state.terms.settlement, amount)
            paid += amount
            rows[-1][1] -= amount
            if rows[-1][1] == 0:
                rows.pop()
        answers.append(Absorbed(0, paid, tuple(effects), None if paid == debt.owed else "nobody has equity left"))
        effects = []
    assert not rows, "what is collected is paid out"
    return answers


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Integers summing to ``total`` in proportion to ``weights``: rounded down, then one more by largest remainder.

    Of one remainder the earlier place gets it (Hamilton's method). No share exceeds its weight where ``total`` does not
    exceed their sum.
    """
    whole = sum(weights)
    if whole == 0:
        assert total == 0, "somebody bears a loss"
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[:total - sum(shares)]:
        shares[i] += 1
    return shares
