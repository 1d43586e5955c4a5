"""What a pool has and needs, exact: integers of the ledger, every requirement rounded up, every weight down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from leverline.enforce.oracle import never_priced
from leverline.enforce.state import VenueState
from leverline.enforce.terms import MarketTerms

ONE_ASSET = 1_000_000
"""Units in one whole of any asset."""


@dataclass(frozen=True, slots=True)
class Decay:
    """An adopted line that open positions of a market reach in steps from ``old``.

    ``old`` is itself a schedule, stopped where it stood, when a book was adopted before the last one had arrived: a new
    book never gives back what open positions had already come to owe.
    """

    old: MarketTerms | Decay
    new: MarketTerms
    start_ns: int
    end_ns: int
    step: int  # of steps, reached so far
    steps: int

    def maintenance(self, notional: int) -> int:
        """Units: the new line at once where it asks for less, else the part of the way that is gone."""
        old, new = self.old.maintenance(notional), self.new.maintenance(notional)
        return new if new <= old else old + (new - old) * self.step // self.steps

    @property
    def depth(self) -> int:
        """Schedules inside one another."""
        return 1 + (self.old.depth if isinstance(self.old, Decay) else 0)


class Standing(NamedTuple):
    """A pool at current marks, in settlement units.

    ``equity`` unweighted; ``counted_*`` with collateral weights (and, for initial margin, capped profits). None of it
    means anything where ``priced`` is False: some market or asset it holds has no valid price.
    """

    equity: int
    counted_initial: int
    counted_maintenance: int
    initial: int
    maintenance: int
    owes: bool
    priced: bool

    @property
    def health(self) -> int:
        """Above or at zero the pool is safe."""
        return self.counted_maintenance - self.maintenance

    @property
    def free(self) -> int:
        """What may still be committed to new risk."""
        return self.counted_initial - self.initial

    @property
    def liquidatable(self) -> bool:
        """Below maintenance at a valid price, and owing something."""
        return self.priced and self.owes and self.health < 0


def standing(state: VenueState, pool: int) -> Standing:
    """Value one pool at the marks in force; again only when something was written since."""
    known = state.undo.worked_out()
    found: Standing | None = known.get(pool)
    if found is None:
        found = known[pool] = _valued(state, pool)
    return found


def _valued(state: VenueState, pool: int) -> Standing:
    terms, ledger = state.terms, state.ledger
    equity = counted_initial = counted_maintenance = ledger.cash[pool]
    owes, priced = equity < 0, True
    for asset in ledger.assets_of.get(pool, ()):
        amount = ledger.others[pool, asset]
        if amount == 0:
            continue
        price = state.asset_price.get(asset)
        if price is None:
            priced = priced and amount > 0 and never_priced(state, asset)  # that counts nothing, and shields nobody
            continue
        value = amount * price // ONE_ASSET  # toward minus infinity: collateral down, debt up
        opening = state.room("opening").get(asset, price) if amount > 0 else price  # of pegged collateral the low side
        owes = owes or amount < 0
        rules = terms.assets[asset]
        equity += value
        counted_initial += rules.counted(min(value, amount * opening // ONE_ASSET), initial=True)
        counted_maintenance += rules.counted(value, initial=False)
    initial = maintenance = 0
    decays: dict[str, Decay] = state.room("decay")
    for market, lots in state.positions.lots[pool].items():
        mark = state.markets[market].mark
        owes = True
        if mark is None:
            priced = False
            continue
        row = terms.markets[market]
        profit = lots * mark * row.value - state.positions.cost[pool][market]
        notional = row.notional(lots, mark)
        equity += profit
        counted_initial += profit if row.profit_cap is None else min(profit, row.profit_cap)
        counted_maintenance += profit
        initial += row.initial(notional, state.pools[pool].account_class)
        maintenance += (decays.get(market) or row).maintenance(notional)
    return Standing(equity, counted_initial, counted_maintenance, initial, maintenance, owes, priced)


def maintenance_of(state: VenueState, market: str, notional: int) -> int:
    """Maintenance of ``notional`` units in a market: on its way from an older, lower line while that decays."""
    line: Decay | MarketTerms = state.room("decay").get(market) or state.terms.markets[market]
    return line.maintenance(notional)


def unrealised(state: VenueState, pool: int) -> int:
    """Units of unrealised profit that count toward a pool's initial margin, and cannot leave."""
    total = 0
    for market, lots in state.positions.lots[pool].items():
        row = state.terms.markets[market]
        profit = lots * (state.markets[market].mark or 0) * row.value - state.positions.cost[pool][market]
        total += max(0, profit if row.profit_cap is None else min(profit, row.profit_cap))
    return total
