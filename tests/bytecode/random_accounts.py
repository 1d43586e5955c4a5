"""Accounts drawn at random and opened on the chain: sizes and prices over many magnitudes, all parameters in range.

All draws come from the generator that is passed in, so a case is found again by its seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leverline.margin.fixed_point import BPS, WAD
from tests.bytecode.aave_market import BORROWER, AaveMarket, Rates
from tests.bytecode.evm import RevertedError

YEAR_S = 365 * 86_400
EPOCH_S = 1_700_000_000
"""When the markets are opened."""
MOST_DEBTS = 3


def magnitude(rng: np.random.Generator, low: float, high: float) -> int:
    """A whole number between 10^low and 10^high, evenly spread over the magnitudes, its last digits not round."""
    return max(1, int(10 ** rng.uniform(low, high)) + int(rng.integers(-499, 500)))


def random_rates(rng: np.random.Generator) -> Rates:
    """Any that the configurator accepts: LTV <= threshold, threshold x bonus <= 1."""
    threshold = int(rng.integers(500, 9_900))
    largest_bonus = min(BPS * BPS // threshold, 20_000)
    fee = 0 if rng.random() < 0.2 else int(rng.integers(1, BPS))
    return Rates(int(rng.integers(1, threshold + 1)), threshold, int(rng.integers(BPS + 1, largest_bonus + 1)), fee)


def open_random_account(market: AaveMarket, rng: np.random.Generator) -> tuple[str, ...]:
    """Prices, parameters, supplies and loans of one borrower; the names of what serves as collateral.

    Interest, where the market has any, has run for up to two years before and may run on after.
    """
    machine, names = market.machine, list(market.reserves)
    opened = EPOCH_S + int(rng.integers(1, 2 * YEAR_S))
    machine.set_time(opened)
    for name in names:
        market.set_price(name, magnitude(rng, 4, 13))
        market.set_rates(name, random_rates(rng))
    several = 1 if rng.random() < 0.4 else int(rng.integers(2, len(names) + 1))
    supplied = [str(name) for name in rng.permutation(names)[:several]]
    for name in supplied:
        market.supply(BORROWER, name, _worth(market, name, magnitude(rng, 8, 17)))
    idle = [name for name in supplied[1:] if rng.random() < 0.2]
    for name in idle:
        market.use_as_collateral(BORROWER, name, False)
    for name in rng.permutation(names)[: rng.integers(1, MOST_DEBTS + 1)]:
        _borrow(market, str(name), rng)
    machine.set_time(opened + int(rng.integers(0, YEAR_S)))
    return tuple(name for name in supplied if name not in idle)


def move_prices(market: AaveMarket, rng: np.random.Generator) -> None:
    """Every price by a factor of its own; some parameters change under the open position, some LTVs to nothing."""
    for name in market.reserves:
        market.set_price(name, max(1, int(market.price(name) * np.exp(rng.normal(0.0, 0.5)))))
        if rng.random() < 0.3:
            rates = random_rates(rng)
            market.set_rates(name, replace(rates, ltv=0) if rng.random() < 0.3 else rates)


def ruin(market: AaveMarket, collateral: tuple[str, ...], rng: np.random.Generator) -> None:
    """Collateral prices fall until health stands somewhere below 1: half of the draws just below, half anywhere."""
    target = rng.uniform(0.949, 1.0) if rng.random() < 0.5 else rng.uniform(0.02, 1.0)
    factor = target * WAD / market.account_state(BORROWER).health_factor
    for name in collateral:
        market.set_price(name, max(1, int(market.price(name) * factor)))


def _borrow(market: AaveMarket, name: str, rng: np.random.Generator) -> None:
    """Part of what may be borrowed, often nearly all of it; nothing where that is less than the smallest unit."""
    share = 1.0 - 10 ** -rng.uniform(0.05, 4.0)
    amount = _worth(market, name, int(market.account_state(BORROWER).available_borrows * share))
    try:
        market.borrow(BORROWER, name, amount)
    except RevertedError:  # rounding against the borrower: the last unit of a tiny loan is refused
        return


def _worth(market: AaveMarket, name: str, value: int) -> int:
    """Token units of that value (8 decimals), at least one."""
    return max(1, value * market.reserves[name].unit // market.price(name))
