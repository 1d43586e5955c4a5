"""What all versions of Aave v3 share: positions in token units, values in the oracle's currency, rates in basis points.

Source: aave-dao/aave-v3-origin, src/contracts/protocol/libraries/logic/{GenericLogic,LiquidationLogic}.sol and
math/{PercentageMath,WadRayMath}.sol, read 2026-11. The formulas are the same since v3.0; which way each of them rounds
is not, so a version states its :class:`Arithmetic`. Prices carry 8 decimals (USD), the health factor 18.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leverline.ground.errors import require
from leverline.margin.fixed_point import BPS, RAY, WAD, VenueRefusesError, mul_div_ceil, mul_div_floor, mul_div_half_up

HEALTHY = WAD
"""Health factor below which a position may be liquidated."""
NO_DEBT_HEALTH = 2**256 - 1
"""Health factor of a position without debt."""

MulDiv = Callable[[int, int, int], int]

FIXED_POINT: dict[str, Callable[[int, int], int]] = {
    "percentMul": lambda value, bps: mul_div_half_up(value, bps, BPS),
    "percentMulFloor": lambda value, bps: mul_div_floor(value, bps, BPS),
    "percentMulCeil": lambda value, bps: mul_div_ceil(value, bps, BPS),
    "percentDiv": lambda value, bps: mul_div_half_up(value, BPS, bps),
    "percentDivFloor": lambda value, bps: mul_div_floor(value, BPS, bps),
    "percentDivCeil": lambda value, bps: mul_div_ceil(value, BPS, bps),
    "wadMul": lambda a, b: mul_div_half_up(a, b, WAD),
    "wadDiv": lambda a, b: mul_div_half_up(a, WAD, b),
    "rayMul": lambda a, b: mul_div_half_up(a, b, RAY),
    "rayMulFloor": lambda a, b: mul_div_floor(a, b, RAY),
    "rayMulCeil": lambda a, b: mul_div_ceil(a, b, RAY),
    "rayDiv": lambda a, b: mul_div_half_up(a, RAY, b),
    "rayDivFloor": lambda a, b: mul_div_floor(a, RAY, b),
    "rayDivCeil": lambda a, b: mul_div_ceil(a, RAY, b),
}
"""The venue's arithmetic by the venue's names."""


@dataclass(frozen=True, slots=True)
class Holding:
    """An amount of one asset, supplied or owed, with its price."""

    asset: str
    amount: int  # token units
    unit: int  # token units in one whole token
    price: int  # base currency, 8 decimals, per whole token


@dataclass(frozen=True, slots=True)
class Collateral(Holding):
    """A supplied asset that is enabled as collateral. A liquidation threshold of 0 makes it worth nothing here."""

    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int  # of the debt's value, 10,500 = 105 %
    protocol_fee_bps: int  # of the bonus

    @property
    def value(self) -> int:
        """In base currency, rounded down."""
        return mul_div_floor(self.amount, self.price, self.unit)


@dataclass(frozen=True, slots=True)
class Position:
    """All that one account supplies as collateral and owes; each asset once on a side."""

    collateral: tuple[Collateral, ...]
    debt: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class AccountState:
    """What ``getUserAccountData`` returns."""

    collateral_value: int  # base currency
    debt_value: int  # base currency
    available_borrows: int  # base currency
    liquidation_threshold_bps: int  # average, by collateral value, rounded down
    ltv_bps: int  # average, by collateral value, rounded down
    health_factor: int  # wad


@dataclass(frozen=True, slots=True)
class Seizure:
    """What one liquidation moves, in token units."""

    debt_repaid: int
    collateral_seized: int  # liquidator's share and protocol's fee together
    protocol_fee: int

    @property
    def to_liquidator(self) -> int:
        """What is left of the seized collateral after the protocol's fee."""
        return self.collateral_seized - self.protocol_fee


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Which way a version rounds; each field is one of the three ``mul_div`` functions or a formula built of them."""

    debt_value: MulDiv
    health_factor: Callable[[int, int, int], int]  # (sum of value x threshold, collateral value, debt value) -> wad
    borrowing_power: MulDiv
    collateral_with_bonus: MulDiv
    debt_without_bonus: MulDiv
    collateral_without_bonus: MulDiv
    protocol_fee: MulDiv


def account_state(position: Position, arithmetic: Arithmetic) -> AccountState:
    """Values, average rates, borrowing room and health factor of a position."""
    counted = [held for held in position.collateral if held.liquidation_threshold_bps]
    collateral = sum(held.value for held in counted)
    weighted_ltv = sum(held.value * held.ltv_bps for held in counted)
    weighted_threshold = sum(held.value * held.liquidation_threshold_bps for held in counted)
    debt = sum(arithmetic.debt_value(owed.amount, owed.price, owed.unit) for owed in position.debt)
    ltv = weighted_ltv // collateral if collateral else 0
    health = arithmetic.health_factor(weighted_threshold, collateral, debt) if debt else NO_DEBT_HEALTH
    return AccountState(
        collateral_value=collateral,
        debt_value=debt,
        available_borrows=max(0, arithmetic.borrowing_power(collateral, ltv, BPS) - debt),
        liquidation_threshold_bps=weighted_threshold // collateral if collateral else 0,
        ltv_bps=ltv,
        health_factor=health,
    )


def seizure(collateral: Collateral, debt: Holding, debt_to_cover: int, arithmetic: Arithmetic) -> Seizure:
    """Collateral worth ``debt_to_cover`` (debt token units) plus the bonus, or all of it for less debt.

    Above a debt to collateral ratio of 1 / bonus each liquidation worsens the account by design: it removes more value
    in collateral than in debt, so the ratio of what remains rises, until the collateral is gone and debt is left.
    """
    worth_the_debt = debt.price * debt_to_cover * collateral.unit // (collateral.price * debt.unit)
    seized = arithmetic.collateral_with_bonus(worth_the_debt, collateral.liquidation_bonus_bps, BPS)
    if seized > collateral.amount:
        seized = collateral.amount
        worth_the_collateral = collateral.price * seized * debt.unit // (debt.price * collateral.unit)
        debt_to_cover = arithmetic.debt_without_bonus(worth_the_collateral, BPS, collateral.liquidation_bonus_bps)
    fee = 0
    if collateral.protocol_fee_bps:
        bonus = seized - arithmetic.collateral_without_bonus(seized, BPS, collateral.liquidation_bonus_bps)
        fee = arithmetic.protocol_fee(bonus, collateral.protocol_fee_bps, BPS)
    return Seizure(debt_repaid=debt_to_cover, collateral_seized=seized, protocol_fee=fee)


def refuse_if_nothing_moves(debt_burned: int, to_liquidator: int) -> None:
    """The tokens that stand for debt and collateral cannot be burned by an amount of 0, so such a call reverts.

    Once interest has accrued a share is worth more than a unit, and one single unit can be too little as well.
    """
    if debt_burned == 0 or to_liquidator == 0:
        raise VenueRefusesError("the liquidation would burn no debt or pay the liquidator nothing")


def after_seizure(position: Position, collateral_asset: str, debt_asset: str, taken: Seizure) -> Position:
    """The position once collateral and debt have moved."""
    return Position(
        collateral=tuple(
            Collateral(
                held.asset,
                held.amount - taken.collateral_seized,
                held.unit,
                held.price,
                held.ltv_bps,
                held.liquidation_threshold_bps,
                held.liquidation_bonus_bps,
                held.protocol_fee_bps,
            )
            if held.asset == collateral_asset
            else held
            for held in position.collateral
        ),
        debt=tuple(
            Holding(owed.asset, owed.amount - taken.debt_repaid, owed.unit, owed.price)
            if owed.asset == debt_asset
            else owed
            for owed in position.debt
        ),
    )


def collateral_of(holdings: Sequence[Collateral], asset: str) -> Collateral:
    """The collateral in ``asset``; refused where the position holds none, or none that can be liquidated."""
    found = [held for held in holdings if held.asset == asset]
    require(len(found) == 1, "the position holds the collateral once", got=asset)
    if not found[0].liquidation_threshold_bps:
        raise VenueRefusesError(f"{asset} is no collateral: its liquidation threshold is 0")
    return found[0]


def debt_of(holdings: Sequence[Holding], asset: str) -> Holding:
    """The debt in ``asset``; refused where the position owes none."""
    found = [owed for owed in holdings if owed.asset == asset]
    require(len(found) == 1, "the position owes the asset once", got=asset)
    return found[0]
