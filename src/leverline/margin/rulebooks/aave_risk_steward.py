"""Aave risk stewards: how far one update may move a parameter, and how soon the next may follow.

Source: bgd-labs/aave-v3-risk-stewards, src/contracts/RiskSteward.sol and scripts/deploy, read 2026-11. Caps and growth
rates move by a share of their current value, LTV, thresholds, bonuses and rates by absolute basis points; the
repository's README calls its LTV example relative, the code does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.ground.errors import UsageError, require
from leverline.margin.fixed_point import BPS, mul_div_floor
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source


@dataclass(frozen=True, slots=True)
class StepLimit:
    """What one update may do to one parameter."""

    max_change_bps: int
    min_delay_s: int
    relative: bool  # of the current value; otherwise in the parameter's own basis points
    zero: bool = False  # whether it may become 0: the contract checks caps and collateral for it, not rates


def largest_change(current: int, limit: StepLimit) -> int:
    """How far the parameter may move, in its own unit, rounded down."""
    require(current >= 0, "a parameter is not negative", got=current)
    return mul_div_floor(current, limit.max_change_bps, BPS) if limit.relative else limit.max_change_bps


def allowed_range(current: int, limit: StepLimit) -> tuple[int, int]:
    """Lowest and highest value that one update may set, in the parameter's own unit; both may be set."""
    change = largest_change(current, limit)
    return max(0, current - change), current + change


def is_allowed(current: int, new: int, since_last_update_s: int, limit: StepLimit) -> bool:
    """Whether the steward may set ``new``: 0 is left to governance where it disables the asset, so not of rates."""
    low, high = allowed_range(current, limit)
    return (new != 0 or limit.zero) and low <= new <= high and since_last_update_s >= limit.min_delay_s


_DAY_S = 86_400
MANUAL_STEWARD = {
    "supply_cap": StepLimit(10_000, 3 * _DAY_S, relative=True),
    "borrow_cap": StepLimit(10_000, 3 * _DAY_S, relative=True),
    "ltv": StepLimit(50, 3 * _DAY_S, relative=False),
    "liquidation_threshold": StepLimit(50, 3 * _DAY_S, relative=False),
    "liquidation_bonus": StepLimit(50, 3 * _DAY_S, relative=False),
    "debt_ceiling": StepLimit(2_000, 3 * _DAY_S, relative=True),
    "emode_ltv": StepLimit(50, 3 * _DAY_S, relative=False),
    "emode_liquidation_threshold": StepLimit(10, 3 * _DAY_S, relative=False),
    "emode_liquidation_bonus": StepLimit(50, 3 * _DAY_S, relative=False),
    "base_rate": StepLimit(100, 3 * _DAY_S, relative=False, zero=True),
    "slope_1": StepLimit(100, 3 * _DAY_S, relative=False, zero=True),
    "slope_2": StepLimit(2_000, 3 * _DAY_S, relative=False, zero=True),
    "kink": StepLimit(300, 3 * _DAY_S, relative=False, zero=True),
}
"""Limits of the manually operated steward as its deployment script sets them."""

AUTOMATED_STEWARD = {
    "supply_cap": StepLimit(3_000, 3 * _DAY_S, relative=True),
    "borrow_cap": StepLimit(3_000, 3 * _DAY_S, relative=True),
    "emode_ltv": StepLimit(50, 3 * _DAY_S, relative=False),
    "emode_liquidation_threshold": StepLimit(50, 3 * _DAY_S, relative=False),
    "emode_liquidation_bonus": StepLimit(50, 3 * _DAY_S, relative=False),
    "base_rate": StepLimit(50, _DAY_S, relative=False, zero=True),
    "slope_1": StepLimit(100, _DAY_S, relative=False, zero=True),
    "slope_2": StepLimit(500, _DAY_S, relative=False, zero=True),
    "kink": StepLimit(300, _DAY_S, relative=False, zero=True),
}
"""Limits of the stewards that injectors drive from a risk oracle; LTV, threshold and bonus are not among them."""

PHASE_3_STEWARD = {
    "supply_cap": StepLimit(10_000, 3 * _DAY_S, relative=True),
    "borrow_cap": StepLimit(10_000, 3 * _DAY_S, relative=True),
    "ltv": StepLimit(200, 3 * _DAY_S, relative=False),
    "liquidation_threshold": StepLimit(200, 3 * _DAY_S, relative=False),
    "liquidation_bonus": StepLimit(300, 3 * _DAY_S, relative=False),
    "debt_ceiling": StepLimit(2_000, 3 * _DAY_S, relative=True),
    "base_rate": StepLimit(100, 3 * _DAY_S, relative=False, zero=True),
    "slope_1": StepLimit(100, 3 * _DAY_S, relative=False, zero=True),
    "slope_2": StepLimit(2_000, 3 * _DAY_S, relative=False, zero=True),
    "kink": StepLimit(300, 3 * _DAY_S, relative=False, zero=True),
}
"""Limits proposed to the DAO in 2025; the table names no delay for rates, which take that of its other rows."""

STEWARDS = {"manual": MANUAL_STEWARD, "automated": AUTOMATED_STEWARD, "phase3": PHASE_3_STEWARD}


def steward_limits(name: str) -> dict[str, StepLimit]:
    """The table called ``manual``, ``automated`` or ``phase3``; an unknown name is refused."""
    if name not in STEWARDS:
        raise UsageError(f"there is no steward {name!r}", remedy=f"choose one of {', '.join(STEWARDS)}")
    return STEWARDS[name]


def _figures(table: dict[str, StepLimit]) -> dict[str, object]:
    return {name: {"max_change_bps": limit.max_change_bps, "relative": limit.relative,
                   "min_delay_s": limit.min_delay_s} for name, limit in table.items()}


RULEBOOK = RulebookDescription(
    name="aave-risk-steward",
    venue="Aave risk stewards",
    scope="lending",
    rules={
        "step": "|new - current| <= largest change, of the current value for caps and growth, in basis points for "
                "LTV, threshold, bonus and rates",
        "delay": "at least the minimum delay since the parameter's last update",
        "refusal": "no cap, LTV, threshold, bonus or debt ceiling may be set to 0; a rate may",
    },
    rounding="the largest relative change is rounded down",
    sources=(Source("bgd-labs/aave-v3-risk-stewards src/contracts/RiskSteward.sol", "2026-11"),),
    families=("aave-steward-range",),
    presets=(
        Preset("manual", _figures(MANUAL_STEWARD), "2026-11",
               Source("bgd-labs/aave-v3-risk-stewards scripts/deploy", "2026-11")),
        Preset("automated", _figures(AUTOMATED_STEWARD), "2026-11",
               Source("bgd-labs/aave-v3-risk-stewards scripts/deploy, injector scripts", "2026-11")),
        Preset("phase3", _figures(PHASE_3_STEWARD), "2025-02",
               Source("governance.aave.com thread 21135, Risk Stewards Phase 3", "2026-11")),
    ),
    cautions=("Configurations that are live on a chain may differ from the deployment script.",
              "The proposal of 2025 gives no delay for rate parameters; that of its other rows is taken."),
)
