"""Our Morpho Blue rulebook against the bytecode of Morpho's published sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from leverline.margin.fixed_point import WAD, VenueRefusesError
from leverline.margin.rulebooks import morpho_blue as ours
from tests.bytecode.contracts import Artifacts
from tests.bytecode.evm import Machine, RevertedError, rolled_back
from tests.bytecode.morpho_market import BORROWER, LENDER, OTHER_BORROWER, MorphoMarket
from tests.bytecode.random_accounts import EPOCH_S, YEAR_S, magnitude

pytestmark = pytest.mark.network
LIQUIDATIONS = 100
LIMITS = [385 * WAD // 1000, 77 * WAD // 100, 86 * WAD // 100, 98 * WAD // 100]
HEALTHY = b"position is healthy".hex()


def open_loans(market: MorphoMarket, rng: np.random.Generator) -> None:
    """A lender, two borrowers close to the limit, interest for a while, and a price that moved."""
    lltv, price = market.terms[-1], magnitude(rng, 24, 44)
    market.machine.set_time(EPOCH_S)
    market.set_price(price)
    market.lend(LENDER, 10**32)
    for who in (OTHER_BORROWER, BORROWER):
        collateral = magnitude(rng, 3, 24)
        most = min(ours.max_borrow(collateral, price, lltv), 10**31)
        if most < 1:
            collateral, most = 10**24, ours.max_borrow(10**24, price, lltv)
        market.borrow(who, collateral, max(1, most - int(most * rng.uniform(0.0, 0.1))))
    market.machine.set_time(EPOCH_S + int(rng.integers(1, YEAR_S)))
    market.accrue()
    market.set_price(max(1, int(price * np.exp(rng.uniform(-2.0, 0.1)))))


def compare_call(market: MorphoMarket, rng: np.random.Generator) -> list[str]:
    """One liquidation by collateral or by shares, on the chain and by our rule; what kind it was."""
    (collateral, shares), debt = market.position(BORROWER), market.borrowed()
    price, lltv, lent = int(market.oracle.ask("price")), market.terms[-1], market.lent()
    by_shares, whole, share = rng.random() < 0.5, rng.random() < 0.4, 10 ** -rng.uniform(-0.02, 4.0)
    amount = shares if by_shares else collateral
    amount = amount if whole else max(1, int(amount * share))
    call = {"repaid_shares" if by_shares else "seized": amount}
    said = (collateral, shares, debt, price, lltv, call)
    if ours.is_healthy(collateral, shares, debt, price, lltv):
        with pytest.raises(RevertedError, match=HEALTHY):
            market.liquidate(**call)
        return ["healthy"]
    rule = ours.liquidate_shares if by_shares else ours.liquidate
    try:
        expected = rule(collateral, shares, debt, price, amount, ours.incentive_factor(lltv))
    except VenueRefusesError:
        with pytest.raises(RevertedError):
            market.liquidate(**call)
        return ["refused"]
    assert market.liquidate(**call) == (expected.seized, expected.repaid_assets), said
    assert lent - market.lent() == expected.bad_debt_assets, said
    left = 0 if expected.seized == collateral else shares - expected.repaid_shares
    assert market.position(BORROWER) == (collateral - expected.seized, left), said
    return ["done", "by shares" if by_shares else "by collateral", *["bad debt"] * (expected.bad_debt_assets > 0)]


@pytest.mark.parametrize("lltv", LIMITS, ids=lambda limit: f"lltv-{limit / WAD}")
def test_liquidations_equal_the_bytecodes(lltv: int, new_machine: Callable[[], Machine], morpho: Artifacts) -> None:
    """A liquidator would pay another amount, or lenders lose another sum to bad debt, than we say."""
    market, rng, seen = MorphoMarket(new_machine(), morpho, lltv), np.random.default_rng(70), Counter[str]()
    while seen["done"] < LIQUIDATIONS:
        with rolled_back(market.machine):
            open_loans(market, rng)
            seen.update(compare_call(market, rng))
    kinds = ("healthy", "refused", "by shares", "by collateral", "bad debt")
    assert min(seen[kind] for kind in kinds) >= 5, seen
