"""Case families of Compound III, Aave v4, crvUSD, Morpho and Euler: inputs to rule, see conformance_lending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leverline.margin.fixed_point import WAD
from leverline.margin.rulebooks import aave_v4, comet, crvusd, euler_v2, morpho_blue

Inputs = dict[str, Any]
EULER_LIQUIDATIONS = ("euler-liq", "euler-liq-all-collateral", "euler-liq-worthless", "euler-liq-healthy",
                      "euler-liq-full-health", "euler-liq-extreme-cf-yield")


def _storefront(inputs: Inputs) -> object:
    price = comet.storefront_price(
        int(inputs["assetPrice"]), int(inputs["storeFrontPriceFactor"]), int(inputs["liquidationFactor"])
    )
    amount = comet.quote_collateral(
        int(inputs["baseAmount"]), int(inputs["basePrice"]), int(inputs["baseScale"]), int(inputs["assetScale"]), price
    )
    return {"collateralAmount": amount}


def _comet_account(inputs: Inputs, factor: str) -> tuple[int, int, int, list[comet.Collateral]]:
    held = [
        comet.Collateral(int(one["amount"]), int(one["scale"]), int(one["price"]), int(one[factor]))
        for one in inputs["collaterals"]
    ]
    return int(inputs["basePrincipal"]), int(inputs["basePrice"]), int(inputs["baseScale"]), held


def _is_liquidatable(inputs: Inputs) -> object:
    return {"isLiquidatable": comet.is_liquidatable(*_comet_account(inputs, "liquidateCF"))}


def _is_collateralized(inputs: Inputs) -> object:
    return {"isBorrowCollateralized": comet.is_borrow_collateralized(*_comet_account(inputs, "borrowCF"))}


def _rates(inputs: Inputs) -> object:
    return {
        f"{side}RatePerYear": comet.SECONDS_PER_YEAR
        * comet.rate_per_second(
            int(inputs["utilization"]),
            comet.Kinked(*(int(inputs[f"{side}{part}"]) for part in ("Base", "SlopeLow", "Kink", "SlopeHigh"))),
        )
        for side in ("supply", "borrow")
    }


def _reserves(inputs: Inputs) -> object:
    names = ("balance", "totalSupplyPrincipal", "baseSupplyIndex", "totalBorrowPrincipal", "baseBorrowIndex")
    return {"reserves": comet.reserves(*(int(inputs[name]) for name in names))}


def _bonus(inputs: Inputs) -> object:
    names = ("healthFactor", "healthFactorForMaxBonus", "liquidationBonusFactor", "maxLiquidationBonus")
    return {"liquidationBonus": aave_v4.liquidation_bonus_bps(*(int(inputs[name]) for name in names))}


def _debt_to_target(inputs: Inputs) -> object:
    debt = aave_v4.Side(0, int(inputs["debtAssetUnit"]), int(inputs["debtAssetPrice"]))
    amount = aave_v4.debt_to_target(
        int(inputs["totalDebtValueRay"]),
        int(inputs["healthFactor"]),
        int(inputs["targetHealthFactor"]),
        int(inputs["liquidationBonus"]),
        int(inputs["collateralFactor"]),
        debt,
    )
    return {"debtToTargetRay": amount}


def _amounts(inputs: Inputs) -> object:
    collateral, debt = (
        aave_v4.Side(
            int(inputs[f"{side}ReserveBalance"]), int(inputs[f"{side}AssetUnit"]), int(inputs[f"{side}AssetPrice"])
        )
        for side in ("collateral", "debt")
    )
    names = ("targetHealthFactor", "healthFactorForMaxBonus", "liquidationBonusFactor", "maxLiquidationBonus",
             "collateralFactor", "liquidationFee")
    rules = aave_v4.Rules(*(int(inputs[name]) for name in names))
    done = aave_v4.liquidate(
        collateral, debt, int(inputs["debtToCover"]), int(inputs["totalDebtValue"]), int(inputs["healthFactor"]), rules
    )
    return {
        "collateralToLiquidate": done.collateral,
        "collateralToLiquidator": done.to_liquidator,
        "debtToLiquidate": done.debt,
    }


def _band(inputs: Inputs) -> object:
    up, down = crvusd.band_prices(int(inputs["A"]), int(inputs["basePrice"]), int(inputs["band"]))
    return {"pOracleUp": up, "pOracleDown": down}


def _current(inputs: Inputs) -> object:
    up, down = crvusd.current_prices(
        int(inputs["A"]), int(inputs["basePrice"]), int(inputs["oraclePrice"]), int(inputs["band"])
    )
    return {"pCurrentUp": up, "pCurrentDown": down}


def _incentive(inputs: Inputs) -> object:
    factor = morpho_blue.incentive_factor(int(inputs["lltv"]), int(inputs["cursor"]), int(inputs["maxLIF"]))
    return {"lif": factor}


def _morpho_liquidation(inputs: Inputs) -> object:
    shares = int(inputs["borrowSharesBefore"])
    market = morpho_blue.Borrowed(int(inputs["borrowAssets"]), shares)
    incentive = morpho_blue.incentive_factor(int(inputs["lltv"]))
    done = morpho_blue.liquidate(
        int(inputs["collateral"]), shares, market, int(inputs["price"]), int(inputs["seizedAssets"]), incentive
    )
    return {
        "lif": incentive,
        "repaidAssets": done.repaid_assets,
        "seizedAssets": done.seized,
        "badDebtAssets": done.bad_debt_assets,
    }


def _ltv_ramp(inputs: Inputs) -> object:
    names = ("initialLiquidationLTV", "targetLiquidationLTV", "timeRemaining", "rampDuration")
    return {"currentLiquidationLTV": euler_v2.liquidation_ltv_bps(*(int(inputs[name]) for name in names))}


def _euler_liquidation(inputs: Inputs) -> object:
    balance, liability = int(inputs["collateralBalance"]), int(inputs["liability"])
    value = balance * int(inputs["collateralPrice"]) // WAD
    adjusted = euler_v2.adjusted_value(value, int(inputs["liquidationLTV"]))
    owed = (
        int(inputs["liabilityValue"])
        if "liabilityValue" in inputs
        else liability * int(inputs["debtPrice"]) // WAD
    )
    largest = euler_v2.max_liquidation(balance, value, adjusted, liability, owed)
    return {
        "maxRepay": largest.repay,
        "maxYield": largest.seized,
        "healthScore": euler_v2.health_score(adjusted, owed),
    }


HANDLERS: dict[str, Callable[[Inputs], object]] = {
    "comet-quote": _storefront,
    "comet-buy": _storefront,
    "comet-is-liquidatable": _is_liquidatable,
    "comet-is-borrow-collateralized": _is_collateralized,
    "comet-rate": _rates,
    "comet-reserves": _reserves,
    "aave4-bonus": _bonus,
    "aave4-bonus-var": _bonus,
    "aave4-debt-to-target": _debt_to_target,
    "aave4-liquidation-amounts": _amounts,
    "llamma-p-oracle": _band,
    "llamma-p-current": _current,
    "morpho-lif": _incentive,
    "morpho-exec-liq": _morpho_liquidation,
    "euler-ltv-ramp": _ltv_ramp,
    **dict.fromkeys(EULER_LIQUIDATIONS, _euler_liquidation),
}
