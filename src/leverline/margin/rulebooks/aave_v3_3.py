"""Aave v3.3 to v3.6: a close factor over the whole position, no dust left behind, bad debt written off at once.

Source: aave-dao/aave-v3-origin, LiquidationLogic and GenericLogic of v3.3 to v3.6 and docs/3.3/Aave-v3.3-features.md,
read 2026-11; the formulas shared with other versions stand in ``aave_v3``. v3.3 and v3.4 round as v3.0 does; v3.5 and
v3.6 round debt up and drop the truncated average from the health factor, so debt is never understated. v3.6 is held
to the bytecode of npm @aave-dao/aave-v3-origin 3.6.0, to the last unit, by ``tests/bytecode``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from leverline.margin.fixed_point import (
    BPS,
    WAD,
    VenueRefusesError,
    mul_div_ceil,
    mul_div_floor,
    mul_div_half_up,
)
from leverline.margin.rulebooks import aave_v3_0
from leverline.margin.rulebooks.aave_v3 import (
    FIXED_POINT,
    HEALTHY,
    AccountState,
    Arithmetic,
    Collateral,
    Holding,
    Position,
    Seizure,
    after_seizure,
    collateral_of,
    debt_of,
    refuse_if_nothing_moves,
    seizure,
)
from leverline.margin.rulebooks.aave_v3 import account_state as state_with
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

CLOSE_FACTOR_BPS = 5_000
FULL_CLOSE_BELOW = 95 * WAD // 100
"""Health factor from which on, downward, everything may be repaid; inclusive."""
SMALL_RESERVE = 2_000 * 10**8
"""Collateral or debt below this, in base currency, may be closed whole."""
LEAST_LEFTOVER = 1_000 * 10**8
"""What a partial liquidation must leave of both, in base currency."""


def _health_factor(weighted_threshold: int, _collateral: int, debt: int) -> int:
    """Sum of value x threshold over debt, in wad, without an average in between (v3.5 on)."""
    return mul_div_half_up(weighted_threshold, WAD, debt) // BPS


ARITHMETIC_3_3 = aave_v3_0.ARITHMETIC
ARITHMETIC = Arithmetic(
    debt_value=mul_div_ceil,
    health_factor=_health_factor,
    borrowing_power=mul_div_floor,
    collateral_with_bonus=mul_div_half_up,
    debt_without_bonus=mul_div_ceil,
    collateral_without_bonus=mul_div_half_up,
    protocol_fee=mul_div_half_up,
)
"""v3.5 and v3.6."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """What a liquidation moved, what remains, and what each reserve wrote off (debt token units)."""

    taken: Seizure
    after: Position
    deficits: Mapping[str, int]


def account_state(position: Position, arithmetic: Arithmetic = ARITHMETIC) -> AccountState:
    """What ``getUserAccountData`` returns."""
    return state_with(position, arithmetic)


def close_factor_bps(health_factor: int, reserve_collateral: int, reserve_debt: int) -> int:
    """Share of the position's debt that one liquidation may repay; values in base currency.

    Small reserves and sick accounts may be closed whole, so that no one is left with what nobody wants to liquidate.
    """
    if health_factor > FULL_CLOSE_BELOW and min(reserve_collateral, reserve_debt) >= SMALL_RESERVE:
        return CLOSE_FACTOR_BPS
    return BPS


def liquidatable_value(total_debt: int, reserve_debt: int, close_factor: int) -> int:
    """Debt of one reserve that may be repaid, base currency: the factor is of the whole position since v3.3."""
    return min(reserve_debt, mul_div_half_up(total_debt, close_factor, BPS))


def liquidatable_debt(state: AccountState, collateral: Collateral, debt: Holding, arithmetic: Arithmetic) -> int:
    """Most debt token units of ``debt`` that one liquidation may repay."""
    reserve_debt = arithmetic.debt_value(debt.amount, debt.price, debt.unit)
    factor = close_factor_bps(state.health_factor, collateral.value, reserve_debt)
    if factor == BPS:
        return debt.amount
    allowed = liquidatable_value(state.debt_value, reserve_debt, factor)
    return debt.amount if allowed == reserve_debt else allowed * debt.unit // debt.price


def leaves_dust(collateral: Collateral, debt: Holding, taken: Seizure, arithmetic: Arithmetic) -> bool:
    """Whether too little of either side would remain; closing one side whole is always allowed."""
    debt_left = debt.amount - taken.debt_repaid
    collateral_left = collateral.amount - taken.collateral_seized
    if debt_left == 0 or collateral_left == 0:
        return False
    debt_value = arithmetic.debt_value(debt_left, debt.price, debt.unit)
    return min(debt_value, mul_div_floor(collateral_left, collateral.price, collateral.unit)) < LEAST_LEFTOVER


def seizes_all_value(state: AccountState, collateral: Collateral, taken: Seizure) -> bool:
    """Whether no collateral is left, judged by value: dust worth nothing counts as nothing."""
    return state.collateral_value == taken.collateral_seized * collateral.price // collateral.unit


def written_off(position: Position) -> tuple[Position, dict[str, int]]:
    """The position without its debts, and what each reserve lost."""
    deficits = {owed.asset: owed.amount for owed in position.debt if owed.amount}
    return replace(position, debt=tuple(replace(owed, amount=0) for owed in position.debt)), deficits


def liquidate(
    position: Position,
    collateral_asset: str,
    debt_asset: str,
    debt_to_cover: int | None = None,
    arithmetic: Arithmetic = ARITHMETIC,
) -> Liquidation:
    """One ``liquidationCall``; ``debt_to_cover`` in debt token units, None for the most that is allowed.

    Once no collateral is left, all debts of the account are written off into the reserves' deficits.
    """
    state = state_with(position, arithmetic)
    if state.health_factor >= HEALTHY:
        raise VenueRefusesError(f"the position is healthy, health factor {state.health_factor / WAD}")
    collateral, debt = collateral_of(position.collateral, collateral_asset), debt_of(position.debt, debt_asset)
    allowed = liquidatable_debt(state, collateral, debt, arithmetic)
    taken = seizure(collateral, debt, allowed if debt_to_cover is None else min(debt_to_cover, allowed), arithmetic)
    if leaves_dust(collateral, debt, taken, arithmetic):
        raise VenueRefusesError("the liquidation would leave less than 1,000 of collateral or debt behind")
    nothing_left = seizes_all_value(state, collateral, taken)
    refuse_if_nothing_moves(debt.amount if nothing_left else taken.debt_repaid, taken.to_liquidator)
    after = after_seizure(position, collateral_asset, debt_asset, taken)
    if not nothing_left:
        return Liquidation(taken, after, {})
    return Liquidation(taken, *written_off(after))


RULEBOOK = RulebookDescription(
    name="aave-v3.6",
    venue="Aave v3.3 to v3.6",
    scope="lending",
    rules={
        "collateral valuation": "amount x oracle price, rounded down; borrowing power = value x average LTV - debt",
        "trigger": "health factor = sum of value x liquidation threshold / debt below 1",
        "sizing": "50 % of the position's whole debt; everything at a health factor of 0.95 or less, or where the "
                  "reserve's collateral or debt is worth less than 2,000; both leftovers at least 1,000 or one side "
                  "whole",
        "price policy": "collateral worth the repaid debt x bonus; where that is more than there is, all of it for "
                        "its value / bonus; the protocol keeps a share of the bonus",
        "waterfall": "without collateral left every debt of the account becomes its reserve's deficit, which the "
                     "staked insurance of that reserve covers",
    },
    rounding="v3.5 and v3.6: collateral down, debt up, health factor down; v3.3 and v3.4 as v3.0",
    sources=(
        Source("aave-dao/aave-v3-origin src/contracts/protocol/libraries/logic/LiquidationLogic.sol", "2026-11"),
        Source("aave-dao/aave-v3-origin docs/3.3/Aave-v3.3-features.md", "2026-11"),
    ),
    families=(
        "aave-closefactor", "aave-closefactor-position-wide", "aave-exec-3.6-account", "aave-exec-3.6-liquidation",
        *(f"aave-{name}" for name in FIXED_POINT),
    ),
    presets=(
        Preset(
            "constants",
            {"close_factor_bps": CLOSE_FACTOR_BPS, "full_close_health_factor": "0.95",
             "small_reserve_base": str(SMALL_RESERVE), "least_leftover_base": str(LEAST_LEFTOVER),
             "base_currency_decimals": 8},
            "2026-11",
            Source("aave-dao/aave-v3-origin src/contracts/protocol/libraries/logic/LiquidationLogic.sol", "2026-11"),
        ),
        aave_v3_0.EXECUTED_MARKET,
    ),
    cautions=(
        "A liquidation of an account whose debt exceeds its collateral / bonus raises its debt to collateral ratio.",
        "At the 50 % close factor the largest amount can be refused for the dust it leaves.",
        "Efficiency modes, isolation mode, grace periods and the sequencer sentinel are not stated here.",
    ),
)
