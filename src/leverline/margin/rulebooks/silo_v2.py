"""Silo v2: a liquidation repays what brings the loan back to a target ratio, or all of it; values and assets in wei.

Source: silo-finance/silo-contracts-v2, silo-core/contracts/hooks/liquidation/lib/PartialLiquidationLib.sol, read
2026-11. Ratios carry 18 decimals. Amounts round down; the ratio after the liquidation rounds up, so that it never looks
better than it is. Above a ratio of 1 / (1 + fee) a partial liquidation raises the ratio by design; the rule then asks
for the whole debt, except where debt exceeds collateral: there any amount may be repaid.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.errors import require
from leverline.margin.fixed_point import WAD, mul_div_ceil, mul_div_floor
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

FULL_LIQUIDATION_ABOVE = 9 * WAD // 10
"""Share of the debt above which a partial repayment becomes a full one."""
BAD_DEBT = WAD
"""Loan to value from which on any amount may be liquidated."""
UNDERESTIMATION = 2
"""Collateral units by which the view of the largest liquidation stays low: two share conversions round down."""


@dataclass(frozen=True, slots=True)
class Loan:
    """A borrower's two sides, in asset units and in the oracle's quote."""

    debt_value: int
    debt_assets: int
    collateral_value: int
    collateral_assets: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a liquidation would do."""

    collateral_assets: int
    debt_assets: int
    ltv_after: int  # wad; 0 where nothing is left on one side


def loan_to_value(debt_value: int, collateral_value: int) -> int:
    """Debt over collateral in wad, rounded up; beyond bad debt where there is no collateral."""
    if collateral_value == 0:
        return 0 if debt_value == 0 else 2**256 - 1
    return mul_div_ceil(debt_value, WAD, collateral_value)


def with_fee(debt: int, collateral: int, fee: int) -> int:
    """Collateral that goes for ``debt``: the same value plus the fee (wad), at most all; both in one unit."""
    return min(debt + mul_div_floor(debt, fee, WAD), collateral)


def collateral_for(debt_value: int, collateral_value: int, collateral_assets: int, fee: int) -> tuple[int, int]:
    """Collateral for a repaid value, in assets and in value."""
    value = with_fee(debt_value, collateral_value, fee)
    if value == collateral_value:
        return collateral_assets, collateral_value
    return mul_div_floor(value, collateral_assets, collateral_value), value


def max_repay_value(debt_value: int, collateral_value: int, target_ltv: int, fee: int) -> int:
    """Value x to repay so that (D - x) / (C - x (1 + f)) is the target; the whole debt where that cannot be.

    x = (D - L C) / (1 - L (1 + f)). Zero where the loan is at the target already. A repayment of more than 90 % is
    made a full one, so that no dust remains.
    """
    if debt_value == 0 or fee >= WAD:
        return 0
    if debt_value >= collateral_value or target_ltv == 0:
        return debt_value
    excess = debt_value * WAD - target_ltv * collateral_value
    if excess <= 0:
        return 0
    weight = target_ltv + mul_div_floor(target_ltv, fee, WAD)
    if weight >= WAD:
        return debt_value
    repay = excess // (WAD - weight)
    if repay > debt_value or mul_div_floor(repay, WAD, debt_value) > FULL_LIQUIDATION_ABOVE:
        return debt_value
    return repay


def max_liquidation_value(debt_value: int, collateral_value: int, target_ltv: int, fee: int) -> tuple[int, int]:
    """Largest repayment and the collateral that goes for it, both in value."""
    repay = max_repay_value(debt_value, collateral_value, target_ltv, fee)
    return repay, with_fee(repay, collateral_value, fee)


def max_liquidation(loan: Loan, target_ltv: int, fee: int) -> tuple[int, int]:
    """Collateral and debt assets of the largest liquidation, as the view shows them: collateral two units low."""
    repay, seized = max_liquidation_value(loan.debt_value, loan.collateral_value, target_ltv, fee)
    collateral = mul_div_floor(seized, loan.collateral_assets, loan.collateral_value)
    return max(0, collateral - UNDERESTIMATION), mul_div_floor(repay, loan.debt_assets, loan.debt_value)


def preview(loan: Loan, max_debt_to_cover: int, target_ltv: int, fee: int) -> Preview:
    """What liquidating at most ``max_debt_to_cover`` (debt assets) does; a forced full liquidation ignores it."""
    require(loan.debt_value > 0 and loan.debt_assets > 0, "a loan that is liquidated has debt", got=loan)
    require(loan.collateral_value > 0, "a loan that is liquidated has collateral of some value", got=loan)
    debt_assets, debt_value = _repayment(loan, max_debt_to_cover, target_ltv, fee)
    seized_value = with_fee(debt_value, loan.collateral_value, fee)
    collateral_left, debt_left = loan.collateral_value - seized_value, loan.debt_value - debt_value
    return Preview(
        collateral_assets=mul_div_floor(seized_value, loan.collateral_assets, loan.collateral_value),
        debt_assets=debt_assets,
        ltv_after=mul_div_ceil(debt_left, WAD, collateral_left) if collateral_left > 0 and debt_left > 0 else 0,
    )


def _repayment(loan: Loan, max_debt_to_cover: int, target_ltv: int, fee: int) -> tuple[int, int]:
    """Debt to repay, in assets and in value."""
    if loan_to_value(loan.debt_value, loan.collateral_value) >= BAD_DEBT:
        largest = loan.debt_assets
    else:
        largest_value = max_repay_value(loan.debt_value, loan.collateral_value, target_ltv, fee)
        if largest_value == loan.debt_value:
            return loan.debt_assets, loan.debt_value
        largest = mul_div_floor(largest_value, loan.debt_assets, loan.debt_value)
    assets = min(max_debt_to_cover, largest)
    return assets, mul_div_floor(assets, loan.debt_value, loan.debt_assets)


def is_solvent(debt_value: int, collateral_value: int, liquidation_threshold: int) -> bool:
    """Whether the loan may not be liquidated: its ratio, rounded up, does not exceed the threshold (wad)."""
    return loan_to_value(debt_value, collateral_value) <= liquidation_threshold


_DEPLOY = "silo-finance/silo-contracts-v2, silo-core/deploy/input/arbitrum_one"


def _market(commit: str, *rows: tuple[str, int, int, int, int]) -> Preset:
    """(asset, highest LTV, liquidation threshold, target LTV, fee) of a market's two silos, 1e-4; each lends its asset
    against the other's.
    """
    pair = [row[0] for row in rows]
    keys = ("max_ltv_bps", "liquidation_threshold_bps", "liquidation_target_ltv_bps", "liquidation_fee_bps")
    columns = {key: [row[k] for row in rows] for k, key in enumerate(keys, start=1)}
    where = f"{_DEPLOY}/Silo_{'_'.join(pair)}.json, {commit} (the commit's date was not stored)"
    return Preset("-".join(pair).lower(), {"collateral": pair, **columns, "debt": pair}, "2026-11",
                  Source(where, "2026-11"))


RULEBOOK = RulebookDescription(
    name="silo-v2",
    venue="Silo v2",
    scope="lending",
    rules={
        "trigger": "loan to value above the liquidation threshold",
        "sizing": "x = (D - L C) / (1 - L (1 + f)) for the target ratio L and the fee f; the whole debt if x exceeds "
                  "90 % of it, if L (1 + f) >= 1 or if L is 0; any amount once D >= C",
        "price policy": "collateral worth the repaid debt plus the fee, at most all of it",
    },
    rounding="amounts down, the resulting ratio up; the view understates collateral by two units",
    sources=(
        Source("silo-finance/silo-contracts-v2 silo-core/contracts/hooks/liquidation/lib/PartialLiquidationLib.sol",
               "2026-11"),
    ),
    families=(
        "silo-liquidation-preview", "silo-max-repay", "silo-max-liquidation", "silo-collateral-to-liquidate",
        "silo-unit-collateral",
    ),
    presets=(
        Preset(
            "constants",
            {"full_liquidation_above_wad": str(FULL_LIQUIDATION_ABOVE), "collateral_underestimation_units": 2},
            "2026-11",
            Source("silo-finance/silo-contracts-v2 silo-core/contracts/hooks/liquidation/lib/PartialLiquidationLib.sol",
                   "2026-11"),
        ),
        _market("7e80d8ef", ("WETH", 8_500, 9_000, 8_800, 400), ("USDC", 8_500, 9_000, 8_800, 400)),
        _market("b7ed7bdf", ("WBTC", 8_000, 8_500, 8_300, 600), ("USDC", 6_500, 7_000, 6_800, 600)),
    ),
    cautions=("Above a ratio of 1 / (1 + fee) a partial liquidation leaves the borrower worse off than before.",),
)
