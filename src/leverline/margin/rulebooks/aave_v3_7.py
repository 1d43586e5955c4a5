"""Aave v3.7: v3.6 with every rounding of a liquidation turned against the liquidator.

Source: aave-dao/aave-v3-origin fd1fbd91 (2026-06-19), LiquidationLogic and docs/3.7, read 2026-11. Isolation mode,
siloed borrowing and the sequencer sentinel are gone. Whether collateral is left is judged by amounts, not by values.
"""

from __future__ import annotations

from dataclasses import replace

from leverline.margin.fixed_point import WAD, VenueRefusesError, mul_div_ceil, mul_div_floor
from leverline.margin.rulebooks import aave_v3_3
from leverline.margin.rulebooks.aave_v3 import (
    HEALTHY,
    AccountState,
    Position,
    after_seizure,
    collateral_of,
    debt_of,
    refuse_if_nothing_moves,
    seizure,
)
from leverline.margin.rulebooks.aave_v3 import account_state as state_with
from leverline.margin.rulebooks.aave_v3_3 import Liquidation
from leverline.margin.rulebooks.description import RulebookDescription, Source

ARITHMETIC = replace(
    aave_v3_3.ARITHMETIC,
    collateral_with_bonus=mul_div_floor,
    collateral_without_bonus=mul_div_floor,
    protocol_fee=mul_div_ceil,
)


def account_state(position: Position) -> AccountState:
    """What ``getUserAccountData`` returns: as in v3.6."""
    return state_with(position, ARITHMETIC)


def liquidate(
    position: Position, collateral_asset: str, debt_asset: str, debt_to_cover: int | None = None
) -> Liquidation:
    """One ``liquidationCall``; ``debt_to_cover`` in debt token units, None for the most that is allowed."""
    state = account_state(position)
    if state.health_factor >= HEALTHY:
        raise VenueRefusesError(f"the position is healthy, health factor {state.health_factor / WAD}")
    collateral, debt = collateral_of(position.collateral, collateral_asset), debt_of(position.debt, debt_asset)
    allowed = aave_v3_3.liquidatable_debt(state, collateral, debt, ARITHMETIC)
    taken = seizure(collateral, debt, allowed if debt_to_cover is None else min(debt_to_cover, allowed), ARITHMETIC)
    if aave_v3_3.leaves_dust(collateral, debt, taken, ARITHMETIC):
        raise VenueRefusesError("the liquidation would leave less than 1,000 of collateral or debt behind")
    after = after_seizure(position, collateral_asset, debt_asset, taken)
    something_left = any(held.amount for held in after.collateral if held.liquidation_threshold_bps)
    refuse_if_nothing_moves(taken.debt_repaid if something_left else debt.amount, taken.to_liquidator)
    if something_left:
        return Liquidation(taken, after, {})
    return Liquidation(taken, *aave_v3_3.written_off(after))


RULEBOOK = RulebookDescription(
    name="aave-v3.7",
    venue="Aave v3.7",
    scope="lending",
    rules={
        **aave_v3_3.RULEBOOK.rules,
        "waterfall": "as v3.6, once the last collateral amount (not its value) is gone",
    },
    rounding="collateral and seizure down, debt and protocol fee up, health factor down",
    sources=(
        Source("aave-dao/aave-v3-origin fd1fbd91 src/contracts/protocol/libraries/logic/LiquidationLogic.sol",
               "2026-11"),
        Source("aave-dao/aave-v3-origin docs/3.7", "2026-11"),
    ),
    families=(),
    presets=aave_v3_3.RULEBOOK.presets,
    cautions=(
        "A liquidation of an account whose debt exceeds its collateral / bonus raises its debt to collateral ratio.",
        "Isolated efficiency modes are not stated here.",
    ),
)
