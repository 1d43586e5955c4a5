"""A backstop vault: a pool that takes over positions at their bankruptcy price, with its own money and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from leverline.enforce.closing import close
from leverline.enforce.effects import Stage
from leverline.enforce.events import PoolKey
from leverline.enforce.margining import standing
from leverline.enforce.policies import Absorbed, Closing, VenuePolicies
from leverline.enforce.positions import change_position
from leverline.enforce.state import VenueState
from leverline.margin.rulebooks.hyperliquid import backstopped

VAULT = PoolKey("backstop vault")


@dataclass(frozen=True, slots=True)
class BackstopVault:
    """Takes as many lots as leave the vault above its initial margin at the mark.

    The vault is a pool like any other, opened and funded by deposits: ring-fenced, because the insurance fund pays for
    it only as for anybody, and it never takes from itself. At the bankruptcy price all of a pool's equity goes with its
    position. ``below_two_thirds``: only a pool below two thirds of maintenance, as Hyperliquid's vault takes.
    ``notional_cap``: units of notional that it may hold in one market.
    """

    vault: PoolKey = VAULT
    below_two_thirds: bool = False
    notional_cap: int | None = None
    stage: Stage = Stage.BACKSTOP

    def take(self, state: VenueState, closings: Sequence[Closing], policies: VenuePolicies) -> list[Absorbed]:
        """Each closing in turn."""
        vault = state.number.get(self.vault)
        return [Absorbed(0, 0, (), "there is no vault") if vault is None else self._one(state, vault, closing, policies)
                for closing in closings]

    def _one(self, state: VenueState, vault: int, closing: Closing, policies: VenuePolicies) -> Absorbed:
        if closing.pool == vault:
            return Absorbed(0, 0, (), "a vault does not take from itself")
        now = standing(state, closing.pool)
        if self.below_two_thirds and not backstopped(Fraction(now.equity), Fraction(now.maintenance)):
            return Absorbed(0, 0, (), "the pool is not below two thirds of maintenance")
        lots = self._largest(state, vault, closing)
        if lots == 0:
            return Absorbed(0, 0, (), "the vault has no free margin for it")
        signed = lots if closing.lots > 0 else -lots
        effects = close(state, policies, closing.pool, closing.market, signed, closing.bankruptcy, vault, self.stage, 0)
        return Absorbed(signed, 0, tuple(effects), None if signed == closing.lots else "the vault is full")

    def _largest(self, state: VenueState, vault: int, closing: Closing) -> int:
        """Lots, by bisection: more of the same never fits where less does not."""
        fits_not, fits = abs(closing.lots) + 1, 0
        while fits_not - fits > 1:
            middle = (fits_not + fits) // 2
            if self._fits(state, vault, closing, middle):
                fits = middle
            else:
                fits_not = middle
        return fits

    def _fits(self, state: VenueState, vault: int, closing: Closing, lots: int) -> bool:
        mark, terms = state.markets[closing.market].mark, state.terms.markets[closing.market]
        assert mark is not None, "a liquidatable pool is priced"
        place = state.undo.mark()
        change_position(state, vault, closing.market, lots if closing.lots > 0 else -lots, closing.bankruptcy)
        after = standing(state, vault)
        held = state.positions.lots[vault].get(closing.market, 0)
        state.undo.take_back(place)
        within = self.notional_cap is None or terms.notional(held, mark) <= self.notional_cap
        return within and after.priced and after.free >= 0
