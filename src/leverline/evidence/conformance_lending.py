"""Case families of lending venues: which rule answers which family, and how its inputs are spelled.

A handler takes a case's inputs and its file's ``meta`` and returns an object of the shape of ``expected``. Integers
come as decimal strings and go back as integers. Where the venue would revert, the answer is ``{"reverts": True}``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from leverline.evidence.conformance_lending_auctions import HANDLERS as AUCTIONS
from leverline.evidence.conformance_lending_pools import HANDLERS as POOLS
from leverline.margin.fixed_point import VenueRefusesError
from leverline.margin.rulebooks import aave_risk_steward, aave_v3, aave_v3_0, aave_v3_3, silo_v2

Inputs = dict[str, Any]
Rule = Callable[[Inputs], object]
Handler = Callable[[Inputs, dict[str, Any]], object]


def _position(inputs: Inputs) -> aave_v3.Position:
    fee = int(inputs["liquidationProtocolFee"])
    return aave_v3.Position(
        collateral=tuple(
            aave_v3.Collateral(
                held["asset"],
                int(held["amount"]),
                10 ** int(held["decimals"]),
                int(held["price"]),
                int(held["ltv"]),
                int(held["liquidationThreshold"]),
                int(held["liquidationBonus"]),
                fee,
            )
            for held in inputs["collateral"]
        ),
        debt=tuple(
            aave_v3.Holding(owed["asset"], int(owed["amount"]), 10 ** int(owed["decimals"]), int(owed["price"]))
            for owed in inputs["debt"]
        ),
    )


def _fixed_point(name: str, inputs: Inputs) -> object:
    first, second = (int(value) for key, value in inputs.items() if key != "fn")
    return {"result": aave_v3.FIXED_POINT[name](first, second)}


def _account(arithmetic: aave_v3.Arithmetic, inputs: Inputs) -> object:
    state = aave_v3.account_state(_position(inputs), arithmetic)
    return {
        "totalCollateralBase": state.collateral_value,
        "totalDebtBase": state.debt_value,
        "availableBorrowsBase": state.available_borrows,
        "currentLiquidationThreshold": state.liquidation_threshold_bps,
        "ltv": state.ltv_bps,
        "healthFactor": state.health_factor,
    }


def _liquidated(
    taken: aave_v3.Seizure, after: aave_v3.Position, arithmetic: aave_v3.Arithmetic
) -> dict[str, int]:
    state = aave_v3.account_state(after, arithmetic)
    return {
        "collateralToLiquidator": taken.to_liquidator,
        "debtRepaid": taken.debt_repaid,
        "protocolFeeCollateral": taken.protocol_fee,
        "postHealthFactor": state.health_factor,
        "postCollateralBase": state.collateral_value,
        "postDebtBase": state.debt_value,
    }


def _liquidation_3_0(inputs: Inputs) -> object:
    taken, after = aave_v3_0.liquidate(_position(inputs), inputs["collateralAsset"], inputs["debtAsset"])
    return _liquidated(taken, after, aave_v3_0.ARITHMETIC)


def _liquidation_3_6(inputs: Inputs) -> object:
    done = aave_v3_3.liquidate(_position(inputs), inputs["collateralAsset"], inputs["debtAsset"])
    figures = _liquidated(done.taken, done.after, aave_v3_3.ARITHMETIC)
    return {**figures, "deficit": done.deficits.get(inputs["debtAsset"], 0)}


def _close_factor(inputs: Inputs) -> object:
    factor = aave_v3_3.close_factor_bps(
        int(inputs["healthFactor"]), int(inputs["reserveCollateralBase"]), int(inputs["reserveDebtBase"])
    )
    return {"closeFactorBps": factor}


def _close_factor_position_wide(inputs: Inputs) -> object:
    value = aave_v3_3.liquidatable_value(
        int(inputs["totalDebtBase"]), int(inputs["reserveDebtBase"]), int(inputs["closeFactorBps"])
    )
    return {"maxLiquidatableBase": value}


def _steward_range(inputs: Inputs) -> object:
    limit = aave_risk_steward.StepLimit(int(inputs["maxPercentChange"]), 0, relative=inputs["relative"])
    low, high = aave_risk_steward.allowed_range(int(inputs["current"]), limit)
    return {"min": low, "max": high}


def _silo_preview(inputs: Inputs) -> object:
    loan = silo_v2.Loan(
        int(inputs["totalBorrowerDebtValue"]),
        int(inputs["totalBorrowerDebtAssets"]),
        int(inputs["totalBorrowerCollateralValue"]),
        int(inputs["totalBorrowerCollateralAssets"]),
    )
    shown = silo_v2.preview(
        loan, int(inputs["maxDebtToCover"]), int(inputs["liquidationTargetLtv"]), int(inputs["liquidationFee"])
    )
    return {
        "collateralAssetsToLiquidate": shown.collateral_assets,
        "debtAssetsToRepay": shown.debt_assets,
        "ltvAfterLiquidation": shown.ltv_after,
    }


def _silo_max_repay(inputs: Inputs) -> object:
    repay = silo_v2.max_repay_value(
        int(inputs["totalBorrowerDebtValue"]),
        int(inputs["totalBorrowerCollateralValue"]),
        int(inputs["ltvAfterLiquidation"]),
        int(inputs["liquidationFee"]),
    )
    return {"repayValue": repay}


def _silo_max_liquidation(inputs: Inputs) -> object:
    repay, collateral = silo_v2.max_liquidation_value(
        int(inputs["totalBorrowerDebtValue"]),
        int(inputs["totalBorrowerCollateralValue"]),
        int(inputs["ltvAfterLiquidation"]),
        int(inputs["liquidationFee"]),
    )
    return {"repayValue": repay, "collateralValueToLiquidate": collateral}


def _silo_collateral(inputs: Inputs) -> object:
    assets, value = silo_v2.collateral_for(
        int(inputs["debtValueToCover"]),
        int(inputs["totalBorrowerCollateralValue"]),
        int(inputs["totalBorrowerCollateralAssets"]),
        int(inputs["liquidationFee"]),
    )
    return {"collateralAssets": assets, "collateralValue": value}


def _silo_unit(inputs: Inputs) -> object:
    return {
        "toLiquidate": silo_v2.with_fee(
            int(inputs["maxDebtToCover"]), int(inputs["sumOfCollateral"]), int(inputs["liquidationFee"])
        )
    }


def _answered(rule: Rule, inputs: Inputs, _meta: dict[str, Any]) -> object:
    try:
        return rule(inputs)
    except VenueRefusesError:
        return {"reverts": True}


_RULES: dict[str, Rule] = {
    **{f"aave-{name}": partial(_fixed_point, name) for name in aave_v3.FIXED_POINT},
    "aave-closefactor": _close_factor,
    "aave-closefactor-position-wide": _close_factor_position_wide,
    "aave-steward-range": _steward_range,
    "aave-exec-3.0-account": partial(_account, aave_v3_0.ARITHMETIC),
    "aave-exec-3.0-liquidation": _liquidation_3_0,
    "aave-exec-3.6-account": partial(_account, aave_v3_3.ARITHMETIC),
    "aave-exec-3.6-liquidation": _liquidation_3_6,
    "silo-liquidation-preview": _silo_preview,
    "silo-max-repay": _silo_max_repay,
    "silo-max-liquidation": _silo_max_liquidation,
    "silo-collateral-to-liquidate": _silo_collateral,
    "silo-unit-collateral": _silo_unit,
    **AUCTIONS,
    **POOLS,
}

HANDLERS: dict[str, Handler] = {family: partial(_answered, rule) for family, rule in _RULES.items()}
"""Family of lending cases -> handler."""
