"""What the lending venues' own rulebooks say of a loan, in their integers: the exact twins of the presets.

A twin reads the rulebook's functions and figures and nothing of the engine. Amounts are taken in the tokens' smallest
units and prices in the oracle's, so a value may be one such unit off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType

from leverline.margin.fixed_point import BPS, RAY, WAD
from leverline.margin.rulebooks import (
    aave_v3_0,
    aave_v3_3,
    aave_v3_7,
    aave_v4,
    comet,
    euler_v2,
    liquity,
    maker,
    morpho_blue,
    silo_v2,
)
from leverline.margin.rulebooks.aave_v3 import Collateral, Holding
from leverline.margin.rulebooks.aave_v3 import Position as AavePosition

from .drawn_pools import DrawnPool, Prices
from .test_presets import column, figures, number

DECIMALS = 18
UNIT = 10**DECIMALS
FEED = 10**8
"""Oracle units in a dollar."""


@dataclass(frozen=True, slots=True)
class Loan:
    """A pool in the venues' units: amounts of 1e-18 tokens, prices of 1e-8 dollars."""

    collateral: dict[str, int]
    debt: tuple[str, int]
    prices: dict[str, int]

    def value(self, asset: str, amount: int) -> int:
        """In 1e-18 dollars, down."""
        return amount * self.prices[asset] // FEED


@dataclass(frozen=True, slots=True)
class ExactLoan:
    """Counted collateral to borrow and to stay, and debt, in dollars; None where the venue never forms the sum."""

    borrowing_power: Fraction | None
    counted: Fraction | None
    debt: Fraction
    is_liquidatable: bool


def loan_of(pool: DrawnPool, prices: Prices, settlement: str) -> Loan:
    """The pool's holdings in integers; exactly one of them is owed."""
    (owed,) = [(asset, round(-amount * UNIT)) for asset, amount in pool.holdings.items() if amount < 0]
    held = {asset: round(amount * UNIT) for asset, amount in pool.holdings.items() if amount > 0}
    return Loan(held, owed, {name.removesuffix("/USD"): round(price.mark * FEED) for name, price in prices.items()} | {
        settlement: FEED})


def _listed(venue: str, name: str, key: str) -> dict[str, Fraction]:
    of = figures(venue, name)
    assets = [str(asset) for asset in of["collateral"]]  # type: ignore[attr-defined]  # a column of names
    return dict(zip(assets, (Fraction(str(x)) for x in column(of, key)), strict=True))


def _dollars(amount: int, unit: int = UNIT) -> Fraction:
    return Fraction(amount, unit)


def _aave_v3(version: ModuleType, loan: Loan) -> ExactLoan:
    name = version.RULEBOOK.name
    ltv, threshold, bonus, fee = (_listed(name, "weth-usdc", key) for key in (
        "ltv_bps", "liquidation_threshold_bps", "liquidation_bonus_bps", "protocol_fee_bps"))
    asset, owed = loan.debt
    position = AavePosition(
        tuple(Collateral(held, amount, UNIT, loan.prices[held], int(ltv[held]), int(threshold[held]), int(bonus[held]),
                         int(fee[held])) for held, amount in loan.collateral.items()),
        (Holding(asset, owed, UNIT, loan.prices[asset]),))
    state = version.account_state(position)
    debt = _dollars(state.debt_value, FEED)
    return ExactLoan(_dollars(state.available_borrows, FEED) + debt if state.available_borrows else None,
                     Fraction(state.health_factor, WAD) * debt, debt, state.health_factor < WAD)


def aave_v3_first(loan: Loan) -> ExactLoan:
    """v3.0."""
    return _aave_v3(aave_v3_0, loan)


def aave_v3_middle(loan: Loan) -> ExactLoan:
    """v3.6."""
    return _aave_v3(aave_v3_3, loan)


def aave_v3_last(loan: Loan) -> ExactLoan:
    """v3.7."""
    return _aave_v3(aave_v3_7, loan)


def _aave_v4(spoke: str, loan: Loan) -> ExactLoan:
    """Values by the rulebook's sides (1e-26); the factor counts in basis points."""
    factor = _listed("aave-v4", f"avalanche-{spoke}-collateral", "collateral_factor")
    counted = sum((_dollars(aave_v4.Side(x, UNIT, loan.prices[a]).value(x), 10**26) * factor[a]
                   for a, x in loan.collateral.items()), Fraction(0))
    asset, owed = loan.debt
    debt = _dollars(aave_v4.Side(owed, UNIT, loan.prices[asset]).value(owed), 10**26)
    return ExactLoan(counted, counted, debt, counted < debt)


def aave_v4_main(loan: Loan) -> ExactLoan:
    """The main spoke."""
    return _aave_v4("main", loan)


def aave_v4_correlated(loan: Loan) -> ExactLoan:
    """The correlated spoke."""
    return _aave_v4("correlated", loan)


def compound(loan: Loan) -> ExactLoan:
    """The venue stops adding once the debt is covered: a debt larger by all collateral makes it add everything."""
    borrow, stay = (_listed("compound-iii", "mainnet-usdc", key) for key in ("borrow_factor", "liquidation_factor"))
    asset, owed = loan.debt
    price = loan.prices[asset]

    def held(factor: dict[str, Fraction]) -> list[comet.Collateral]:
        return [comet.Collateral(x, UNIT, loan.prices[a], int(factor[a] * WAD)) for a, x in loan.collateral.items()]
    beyond = 10 * (owed + sum(x * loan.prices[a] for a, x in loan.collateral.items()) // price)
    added = [comet.liquidity(-owed - beyond, price, UNIT, held(f)) + (owed + beyond) * price // UNIT
             for f in (borrow, stay)]
    return ExactLoan(_dollars(added[0], FEED), _dollars(added[1], FEED), _dollars(owed * price // UNIT, FEED),
                     comet.is_liquidatable(-owed, price, UNIT, held(stay)))


def morpho(market: str) -> Callable[[Loan], ExactLoan]:
    """Twin of one market."""
    def twin(loan: Loan) -> ExactLoan:
        ((held, amount),), (asset, owed) = loan.collateral.items(), loan.debt
        lltv = int(_listed("morpho-blue", market, "lltv")[held] * WAD)
        price = loan.prices[held] * morpho_blue.PRICE_SCALE // loan.prices[asset]
        lent = morpho_blue.Borrowed(owed, owed * morpho_blue.VIRTUAL_SHARES)
        most = _dollars(loan.value(asset, morpho_blue.max_borrow(amount, price, lltv)))
        return ExactLoan(most, most, _dollars(loan.value(asset, lent.assets_up(lent.shares))),
                         not morpho_blue.is_healthy(amount, lent.shares, lent, price, lltv))
    return twin


def euler(vault: str) -> Callable[[Loan], ExactLoan]:
    """Twin of one vault that lends."""
    def twin(loan: Loan) -> ExactLoan:
        borrow, stay = (_listed("euler-v2", f"base-{vault}", f"{key}_ltv_bps") for key in ("borrow", "liquidation"))
        sums = [sum(euler_v2.adjusted_value(loan.value(a, x), int(ltv[a])) for a, x in loan.collateral.items())
                for ltv in (borrow, stay)]
        debt = loan.value(*loan.debt)
        return ExactLoan(_dollars(sums[0]), _dollars(sums[1]), _dollars(debt),
                         euler_v2.health_score(sums[1], debt) < WAD)
    return twin


def silo(market: str) -> Callable[[Loan], ExactLoan]:
    """Twin of one market: the venue only compares the ratio of values with the threshold."""
    def twin(loan: Loan) -> ExactLoan:
        ((held, amount),) = loan.collateral.items()
        threshold = int(_listed("silo-v2", market, "liquidation_threshold_bps")[held] * WAD / BPS)
        worth, debt = loan.value(held, amount), loan.value(*loan.debt)
        stay = Fraction(silo_v2.loan_to_value(debt, worth), threshold)  # debt over what the collateral carries
        return ExactLoan(None, _dollars(debt) / stay, _dollars(debt),
                         not silo_v2.is_solvent(debt, worth, threshold))
    return twin


def trove(preset_of: dict[str, str]) -> Callable[[Loan], ExactLoan]:
    """Twin of Liquity's troves: collateral ratio against the branch's minimum."""
    def twin(loan: Loan) -> ExactLoan:
        ((held, amount),), (_, debt) = loan.collateral.items(), loan.debt
        least = int(number(figures("liquity", preset_of[held]), "minimum_ratio") * WAD)
        ratio = liquity.collateral_ratio(amount, debt, loan.prices[held] * (WAD // FEED))
        carried = Fraction(ratio, least) * _dollars(debt)
        return ExactLoan(carried, carried, _dollars(debt), ratio < least)
    return twin


def vault(letter: str) -> Callable[[Loan], ExactLoan]:
    """Twin of Maker's vaults of one letter: collateral at the safe price against the debt."""
    def twin(loan: Loan) -> ExactLoan:
        ((held, amount),), (_, debt) = loan.collateral.items(), loan.debt
        of = figures("maker", "vaults")
        types = [str(name) for name in of["vault_type"]]  # type: ignore[attr-defined]  # a column of names
        ratio = int(column(of, "liquidation_ratio_bps")[types.index(f"{held}-{letter}")]) * RAY // BPS
        spot = maker.safe_price(loan.prices[held] * (WAD // FEED), RAY, ratio)
        carried = Fraction(amount * spot, WAD * RAY)
        return ExactLoan(carried, carried, _dollars(debt), maker.is_unsafe(maker.Vault(amount, debt, RAY), spot))
    return twin
