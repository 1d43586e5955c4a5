"""How far an order stays within what binds it, for any size: the caps on positions, and initial margin.

Everything that does not depend on the size is worked out once; a size then costs a few operations on integers. They
are those of booking the trade and valuing the pool after it, and a test holds them to that.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.enforce.effects import Reject
from leverline.enforce.ledger import LIMIT
from leverline.enforce.margining import standing
from leverline.enforce.positions import after_trade
from leverline.enforce.state import VenueState
from leverline.enforce.terms import PPM, MarketTerms


@dataclass(frozen=True, slots=True)
class Headroom:
    """Of orders of one pool in one market at one price, ticks. ``counted`` and ``required`` are without this market."""

    terms: MarketTerms
    account_class: str
    mark: int
    price: int
    held: int  # lots
    cost: int
    cash: int
    counted: int  # units toward initial margin, the cash included
    required: int  # units of initial margin
    priced: bool
    of_owner: int  # lots in the owner's other pools
    interest: int  # lots of the market's open interest

    def refusal(self, lots: int) -> Reject | None:
        """What forbids an order of signed ``lots``, the first in order; None where nothing does."""
        return next((reason for reason, left in self.left(lots) if left < 0), None)

    def left(self, lots: int) -> list[tuple[Reject, int]]:
        """What binds an order, and by how much it stays within each; below zero it is refused."""
        terms, mark, own = self.terms, self.mark, abs(self.held + lots)
        interest = terms.notional(self.interest + max(0, own - abs(self.held)), mark)
        owners = terms.notional(self.of_owner + own, mark)
        found: list[tuple[Reject, int]] = []
        if terms.position_cap is not None:
            found.append((Reject.POSITION_CAP, terms.position_cap - owners))
        if terms.open_interest_cap is not None:
            found.append((Reject.OPEN_INTEREST_CAP, terms.open_interest_cap - interest))
        if terms.owner_share_ppm is not None and self.interest:
            found.append((Reject.OWNER_SHARE, interest * terms.owner_share_ppm - owners * PPM))
        found.append(self._margin_left(lots))
        return found

    def _margin_left(self, lots: int) -> tuple[Reject, int]:
        """Initial margin after the fill, its loss against the mark counted at once."""
        realised, held, cost = after_trade(self.held, self.cost, lots, self.price, self.terms.value)
        if max(abs(self.cash + realised), abs(held), abs(cost)) >= LIMIT:
            return Reject.OVERFLOW, -1
        if not self.priced:
            return Reject.NO_PRICE, -1
        required = self.terms.initial(self.terms.notional(held, self.mark), self.account_class)
        return Reject.BELOW_INITIAL, (self.counted + realised + counted_profit(self.terms, held, cost, self.mark)
                                      - self.required - required)

    def largest(self, side: int, asked: int) -> int:
        """The most lots toward ``side`` (1 or -1) that would be allowed: smaller orders ask for less.

        What is left falls with the size, nearly in a line, so the last size that fits is looked for where a line
        through two sizes says, from ``asked`` on; halving now and then bounds the steps. A reduction always fits.
        """
        low = max(0, -self.held * side)
        at_low, size = self._least(side * low), max(low + 1, asked)
        while (at_size := self._least(side * size)) >= 0:
            fall = at_low - at_size
            beyond = at_size * (size - low) // fall if fall > 0 else size
            low, at_low, size = size, at_size, min(size + beyond + 1, 2 * LIMIT)
        high, at_high, steps = size, at_size, 0
        while high - low > 1:
            steps += 1
            here = (low + high) // 2 if steps % 3 == 0 else low + max(0, at_low) * (high - low) // (
                max(0, at_low) - at_high)
            here = min(max(here, low + 1), high - 1)
            at_here = self._least(side * here)
            if at_here >= 0:
                low, at_low = here, at_here
            else:
                high, at_high = here, at_here
        return low

    def _least(self, lots: int) -> int:
        return min(left for _, left in self.left(lots))


def headroom_of(state: VenueState, pool: int, market: str, price: int) -> Headroom:
    """Of a pool in a market that has a mark."""
    terms, now, record = state.terms.markets[market], state.markets[market], state.pools[pool]
    assert now.mark is not None, "an order meets a mark"
    held = state.positions.lots[pool].get(market, 0)
    cost = state.positions.cost[pool].get(market, 0)
    at = standing(state, pool)
    return Headroom(
        terms, record.account_class, now.mark, price, held, cost, state.ledger.cash[pool],
        counted=at.counted_initial - counted_profit(terms, held, cost, now.mark),
        required=at.initial - terms.initial(terms.notional(held, now.mark), record.account_class), priced=at.priced,
        of_owner=sum(abs(state.positions.lots[other].get(market, 0)) for other in state.owners[record.owner]
                     if other != pool),
        interest=now.open_interest)


def counted_profit(terms: MarketTerms, lots: int, cost: int, mark: int) -> int:
    """Units of unrealised profit that count toward initial margin."""
    profit = lots * mark * terms.value - cost
    return profit if terms.profit_cap is None else min(profit, terms.profit_cap)
