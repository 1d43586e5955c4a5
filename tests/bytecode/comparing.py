"""The same account through a rulebook and through the venue's bytecode: equal to the last unit, refusals included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from leverline.margin.fixed_point import VenueRefusesError
from leverline.margin.rulebooks.aave_v3 import AccountState, Position, Seizure
from tests.bytecode.aave_market import BORROWER, AaveMarket, Moved, Rates
from tests.bytecode.evm import RevertedError, rolled_back
from tests.bytecode.random_accounts import move_prices, open_random_account, ruin

USDC = 10**6


@dataclass(frozen=True, slots=True)
class Liquidated:
    """One liquidation in the words of any version."""

    taken: Seizure
    after: Position
    deficits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """One version as we state it."""

    account_state: Callable[[Position], AccountState]
    liquidate: Callable[[Position, str, str, int | None], Liquidated]


def compare_accounts(market: AaveMarket, rulebook: Rulebook, rng: np.random.Generator, accounts: int) -> Counter[str]:
    """Open ``accounts`` accounts; compare each as opened and after its prices moved. What kinds there were."""
    seen: Counter[str] = Counter()
    for _ in range(accounts):
        with rolled_back(market.machine):
            collateral = open_random_account(market, rng)
            _compare_state(market, rulebook, collateral)
            move_prices(market, rng)
            state = _compare_state(market, rulebook, collateral)
            seen["healthy" if state.health_factor >= 10**18 else "unhealthy"] += 1
            seen["several collaterals"] += len(collateral) > 1
    return seen


def compare_liquidations(
    market: AaveMarket, rulebook: Rulebook, rng: np.random.Generator, liquidations: int, *, interest: bool = False
) -> Counter[str]:
    """Liquidate ruined accounts until ``liquidations`` went through on the chain. What kinds there were.

    With ``interest`` balances are shares worth more than one unit. The treasury is paid in whole shares, and no more of
    them than the liquidator left: that figure may differ by two units. A single unit may be too little to burn.
    """
    seen: Counter[str] = Counter()
    while seen["done"] < liquidations:
        with rolled_back(market.machine):
            collateral = open_random_account(market, rng)
            if not market.account_state(BORROWER).debt_value:
                continue
            ruin(market, collateral, rng)
            before = market.position(BORROWER, collateral)
            pairs = [(held.asset, owed.asset) for held in before.collateral for owed in before.debt
                     if held.asset != owed.asset]
            if not pairs:
                continue
            asset, debt = pairs[rng.integers(len(pairs))]
            owed = market.owed(BORROWER, debt)
            cover = None if rng.random() < 0.5 else max(1, int(owed * 10 ** -rng.uniform(-0.1, 3.0)))
            seen.update(_compare_liquidation(market, rulebook, before, (asset, debt, cover), interest=interest))
    return seen


def compare_at_thresholds(market: AaveMarket, rulebook: Rulebook) -> Counter[str]:
    """Accounts exactly at, one unit above and one unit below every figure at which a rule changes.

    One WETH against USDC: health 0.95 and 1; 2,000 of debt; 1,000 left over. Returns what happened how often.
    """
    seen: Counter[str] = Counter()
    by_price = [(10_000 * USDC, round(10_000 * health / 0.8) * 10**8, step, None)
                for health in (0.95, 1.0) for step in (-1, 0, 1)]
    by_debt = [(2_000 * USDC + step, 2_425 * 10**8, 0, None) for step in (-1, 0, 1)]
    by_leftover = [(1_999 * USDC, 2_425 * 10**8, 0, 999 * USDC + step) for step in (-1, 0, 1)]
    for debt, price, step, cover in by_price + by_debt + by_leftover:
        with rolled_back(market.machine):
            market.set_rates("WETH", Rates(7_900, 8_000, 10_500, 1_000))
            market.set_price("WETH", 20_000 * 10**8)
            market.supply(BORROWER, "WETH", 10**18)
            market.borrow(BORROWER, "USDC", debt)
            market.set_price("WETH", price + step)
            before = market.position(BORROWER, ("WETH",))
            seen.update(_compare_liquidation(market, rulebook, before, ("WETH", "USDC", cover), interest=False))
    return seen


def _compare_state(market: AaveMarket, rulebook: Rulebook, collateral: tuple[str, ...]) -> AccountState:
    position, theirs = market.position(BORROWER, collateral), market.account_state(BORROWER)
    assert rulebook.account_state(position) == theirs, position
    return theirs


def _compare_liquidation(
    market: AaveMarket, rulebook: Rulebook, before: Position, call: tuple[str, str, int | None], *, interest: bool
) -> list[str]:
    state = market.account_state(BORROWER)
    assert rulebook.account_state(before) == state, before
    try:
        ours = rulebook.liquidate(before, *call)
    except VenueRefusesError as refusal:
        try:
            theirs = market.liquidate(*call)
        except RevertedError:
            return ["refused"]
        raise AssertionError(f"we refuse ({refusal}), the venue moves {theirs}: {before}, {call}") from refusal
    try:
        theirs = market.liquidate(*call)
    except RevertedError as refusal:
        if interest and min(ours.taken.debt_repaid, ours.taken.to_liquidator) == 1:
            return ["less than a share"]
        raise AssertionError(f"the venue refuses ({refusal}), we move {ours.taken}: {before}, {call}") from refusal
    moved = Moved(ours.taken.debt_repaid, ours.taken.to_liquidator, ours.taken.protocol_fee)
    if not interest:
        assert moved == theirs, (before, call)
        assert rulebook.account_state(ours.after) == market.account_state(BORROWER), (before, call)
    else:
        assert (moved.debt_repaid, moved.to_liquidator) == (theirs.debt_repaid, theirs.to_liquidator), (before, call)
        assert abs(moved.to_treasury - theirs.to_treasury) <= 2, (before, call, moved, theirs)
    for asset, lost in ours.deficits.items():
        assert market.deficit(asset) == lost, (before, call)
    return _kinds(before, state, call, ours)


def _kinds(before: Position, state: AccountState, call: tuple[str, str, int | None], ours: Liquidated) -> list[str]:
    asset, debt, cover = call
    held = next(held for held in before.collateral if held.asset == asset)
    owed = next(owed for owed in before.debt if owed.asset == debt)
    marks = {
        "done": True,
        "most that is allowed": cover is None,
        "health above 0.95": state.health_factor > 95 * 10**16,
        "debt repaid whole": ours.taken.debt_repaid == owed.amount,
        "collateral short": ours.taken.collateral_seized == held.amount,
        "with a fee": ours.taken.protocol_fee > 0,
        "deficit": any(ours.deficits.values()),
        "deficit in several reserves": sum(lost > 0 for lost in ours.deficits.values()) > 1,
    }
    return [name for name, holds in marks.items() if holds]

