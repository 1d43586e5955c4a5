"""What must hold of a venue after every event, by the numbers of the project's list of invariants.

| invariant | checked by |
|---|---|
| I1 conservation | each event by its writes (``witnesses.CheckingWatch``); at intervals whole: ``money_is_conserved`` |
| I2 lots sum to zero | each event by its writes; at intervals whole: ``lots_sum_to_zero`` |
| I3 fund, loss shares | each event: ``funds_are_told``, ``losses_in_order``; at intervals: ``funds_are_whole``; exact shares: ``test_socialise`` |
| I4 no order above maintenance; no harm | at the decision: ``witnesses.WitnessedSize``; after a fill: ``machine.liquidation_fill``; properties: ``test_core_properties`` |
| I5 bankruptcy price costs nothing | at the stage: ``witnesses.WitnessedStage``; to a unit: ``test_core_properties`` |
| I6 deleveraging | at the allotment: ``witnesses.WitnessedQueue``; one for one: ``deleveraging_is_matched``; promises: ``test_deleveraging`` |
| I7 order of stages | each event: ``stages_in_order``, ``losses_in_order`` |
| I8 monotone | properties of the measures and rulebooks, outside this folder |
| I9 reductions | ``machine.ask``, in every state of margin and breakers, and no opening beyond a cap |
| I10 no jump between tiers | ``test_terms``; while a schedule runs: ``requirements_do_not_jump`` |
| I11 determinism | ``machine.replays`` (written, read, replayed), the second venue of each run, ``test_core_determinism`` |
| I12 idempotency | ``machine.misplaced``, ``test_bad_events`` |
| I13 a rejection leaves no trace | ``machine.apply``: the digest after each rejection, and ``test_bad_events`` |
| I14 invalid price | each event: ``nothing_on_an_invalid_price``; alerts and halts: ``eyes_raise_alarms``; top-ups: ``machine.deposit`` |

A cross pool stands or falls by the last valid price of each of its markets: where one market's price is invalid its
lots wait, those of others do not, or one flaky market would shield everything beside it.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Sequence

from leverline.enforce.breakers import may_liquidate, record_of
from leverline.enforce.effects import (
    Accepted,
    AuctionOpened,
    Breaker,
    Deleveraged,
    Effect,
    FundMovement,
    LiquidationClosed,
    LiquidationOrder,
    LossShared,
    Rejected,
    Stage,
    StageRefused,
)
from leverline.enforce.ledger import SHARED_FUND, fund_of
from leverline.enforce.margining import maintenance_of
from leverline.enforce.oracle import feed_of, fit_to_open, unfit_for_ns
from leverline.enforce.orders import resting_of
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.state import VenueState

ORDER = tuple(Stage)


def money_is_conserved(state: VenueState) -> None:
    """I1: over everybody and the outside, nothing but the cost of what is open; no house account owes anything."""
    cost = sum(amount for row in state.positions.cost for amount in row.values())
    assert state.ledger.total(state.terms.settlement) == cost
    for asset in state.terms.assets:
        assert state.ledger.total(asset) == 0
    for (holder, asset), amount in state.ledger.others.items():
        assert amount >= 0 or holder in ("outside", "fees"), (holder, asset, amount)  # rebates may exceed fees


def lots_sum_to_zero(state: VenueState) -> None:
    """I2: and open interest is the longs' lots; holders are those who hold."""
    for market in state.markets:
        rows = [row.get(market, 0) for row in state.positions.lots]
        assert sum(rows) == 0
        assert state.markets[market].open_interest == sum(lots for lots in rows if lots > 0)
        assert set(state.holders[market]) == {pool for pool, lots in enumerate(rows) if lots}


def funds_are_whole(state: VenueState) -> None:
    """I3: no fund below zero, and no more reserved than the orders behind which it stands."""
    for (holder, _), amount in state.ledger.others.items():
        assert not str(holder).startswith(SHARED_FUND) or amount >= 0
    for fund, amount in state.room("committed").items():
        assert amount == sum(o.reserved for o in state.room("orders").values() if o.fund == fund) >= 0
        assert amount <= state.ledger.balance(fund, state.terms.settlement)


def funds_are_told(state: VenueState, effects: Sequence[Effect], balances: dict[str, int]) -> None:
    """I3: every change of a fund has its effect; ``balances`` by market, brought up to date."""
    for effect in effects:
        if isinstance(effect, FundMovement):
            balances[effect.market] = balances.get(effect.market, 0) + effect.amount
            assert effect.amount
            assert effect.balance == balances[effect.market]
    for market in ("", *state.markets):
        account = fund_of(market) if market else SHARED_FUND
        assert state.ledger.balance(account, state.terms.settlement) == balances.get(market, 0)


def orders_fit_positions(state: VenueState) -> None:
    """Nothing is sold that is not there, and every order is found from its pool."""
    found = [item.number for pool in state.room("resting") for item in resting_of(state, pool)]
    assert sorted(found) == sorted([*state.room("orders"), *state.room("auctions")])
    for pool in state.room("resting"):
        for item in resting_of(state, pool):
            held = state.positions.lots[pool].get(item.market, 0)
            assert held * item.lots > 0
            assert abs(item.lots) <= abs(held)


def stages_in_order(effects: Sequence[Effect], policies: VenuePolicies) -> None:
    """I7: a stage acts on a pool only after each earlier one of the venue's refused it in this event, or before."""
    closing = [stage.stage for stage in policies.closing_stages]
    refused: dict[object, set[Stage]] = {}
    for effect in effects:
        match effect:
            case StageRefused():
                assert effect.reason
                refused.setdefault(effect.pool, set()).add(effect.stage)
            case LiquidationOrder(stage=Stage.INSURANCE_FUND) | AuctionOpened() | LiquidationClosed(order=0):
                stage = Stage.AUCTION if isinstance(effect, AuctionOpened) else effect.stage
                before = [s for s in closing if ORDER.index(s) < ORDER.index(stage)]
                came_from = refused.get(effect.pool, set())
                assert came_from or isinstance(effect, AuctionOpened), effect  # an auction may start again
                least = min((ORDER.index(s) for s in came_from), default=len(ORDER))
                assert all(s in came_from for s in before if ORDER.index(s) >= least), effect


def losses_in_order(effects: Sequence[Effect], policies: VenuePolicies) -> None:
    """I7 for debts: shared is what the fund refused, of as many pools; I3: and no more than was left."""
    shared = [effect for effect in effects if isinstance(effect, LossShared)]
    assert all(effect.amount > 0 for effect in shared)
    if shared and any(stage.stage is Stage.INSURANCE_FUND for stage in policies.loss_stages):
        first = next(i for i, effect in enumerate(effects) if isinstance(effect, LossShared))
        assert any(isinstance(e, StageRefused) and e.stage is Stage.INSURANCE_FUND for e in effects[:first])
    names = [effect.pool for effect in shared]
    assert len(set(names)) == len(names) or len(policies.loss_stages) > 1


def deleveraging_is_matched(effects: Sequence[Effect]) -> None:
    """I6: lots of winners are lots of the closed, one for one, at one price; and nobody is both."""
    winners: dict[tuple[object, int], int] = {}
    closed: dict[tuple[object, int], int] = {}
    for effect in effects:
        if isinstance(effect, Deleveraged):
            key = (effect.against, effect.market), effect.price
            winners[key] = winners.get(key, 0) + effect.lots
        elif isinstance(effect, LiquidationClosed) and effect.stage is Stage.DELEVERAGING:
            key = (effect.pool, effect.market), effect.price
            closed[key] = closed.get(key, 0) + abs(effect.lots)
    assert winners == closed
    assert not ({e.pool for e in effects if isinstance(e, Deleveraged)}
                & {e.against for e in effects if isinstance(e, Deleveraged)})


def requirements_do_not_jump(state: VenueState) -> None:
    """I10: at every floor of every market, also on the way from one line to another."""
    for name, market in state.terms.markets.items():
        decay = state.room("decay").get(name)
        rows = (*market.tiers, *(() if decay is None else decay.new.tiers))
        for row in rows:
            if row.floor:
                assert abs(maintenance_of(state, name, row.floor + 1) - maintenance_of(state, name, row.floor)) <= 2


def nothing_on_an_invalid_price(state: VenueState, effects: Sequence[Effect]) -> None:
    """I14: neither liquidation nor new risk."""
    for effect in effects:
        match effect:
            case LiquidationOrder() | AuctionOpened() | Deleveraged():
                assert may_liquidate(state, effect.market), effect
            case Accepted():
                held = state.positions.lots[state.number[effect.pool]].get(effect.market, 0)
                if held * effect.lots < 0 and abs(effect.lots) <= abs(held):
                    continue
                now, terms = state.markets[effect.market], state.terms.markets[effect.market]
                assert now.breaker is Breaker.NORMAL
                assert not now.paused
                assert state.terms.breakers is None or fit_to_open(feed_of(state, effect.market), state.now_ns)
                growth = max(0, abs(held + effect.lots) - abs(held))
                assert now.mark is not None
                cap = terms.open_interest_cap
                assert cap is None or growth == 0 or terms.notional(now.open_interest + growth, now.mark) <= cap
            case _:
                pass


def eyes_raise_alarms(state: VenueState, gap_ns: int) -> None:
    """I14, when time passed: no market trades on a price older than its notice, and no halt outlasts the longest.

    ``gap_ns``: since the event before, which a state can be late by.
    """
    terms = state.terms.breakers
    if terms is None:
        return
    for market, now in state.markets.items():
        feed, record = feed_of(state, market), record_of(state, market)
        if now.mark is None or feed is None or market not in state.terms.markets:
            continue
        liquidating, opening = unfit_for_ns(feed, state.now_ns)
        if max(liquidating, opening) > terms.notice_ns:
            assert now.breaker is not Breaker.NORMAL, (market, liquidating, opening)
        if record.level is Breaker.HALTED:
            assert state.now_ns - record.halted_since_ns <= terms.longest_halt_ns + terms.grace_ns + gap_ns


def check_effects(state: VenueState, effects: Sequence[Effect], policies: VenuePolicies) -> None:
    """What one event's effects must be among themselves and against the state that they led to."""
    deleveraging_is_matched(effects)
    if not any(isinstance(effect, Rejected) for effect in effects):
        stages_in_order(effects, policies)
        losses_in_order(effects, policies)
        nothing_on_an_invalid_price(state, effects)


def check_state(state: VenueState) -> None:
    """Everything, recomputed from the whole state."""
    money_is_conserved(state)
    lots_sum_to_zero(state)
    funds_are_whole(state)
    orders_fit_positions(state)
    requirements_do_not_jump(state)


def check_all(state: VenueState, effects: Sequence[Effect], policies: VenuePolicies) -> None:
    """Everything that needs no memory."""
    check_state(state)
    check_effects(state, effects, policies)
