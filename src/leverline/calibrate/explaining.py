"""Why each number of an instrument stands where it stands."""

from __future__ import annotations

import numpy as np

from leverline.calibrate.requirement import PositionCap, Requirement, Sensitivity
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits


def explain_instrument(
    root: str, limits: InstrumentLimits, needs: Requirement, cap: PositionCap | None, moves: tuple[Sensitivity, ...]
) -> dict[str, Explanation]:
    """Explanations by JSON pointer. Sensitivities are relative changes of the unrounded rate at the tier's end."""
    basis = Basis.MEASURED if cap is not None else Basis.ASSUMED
    out: dict[str, Explanation] = {}
    for k, tier in enumerate(limits.tiers):
        at = f"{root}/tiers/{k}"
        end = needs.notional[-1] if tier.notional_cap is None else tier.notional_cap / 1e6
        maintenance = {m.driver: round(float(m.maintenance[k]), 6) for m in moves}
        initial = {m.driver: round(float(m.initial[k]), 6) for m in moves}
        parts = _parts(needs, float(end))
        out[f"{at}/maintenance_margin_rate"] = Explanation(
            binding=f"{parts} at the tier's end", basis=basis, sensitivity=maintenance)
        buffer_binds = tier.initial_margin_rate * end > (
            np.interp(end, needs.notional, needs.initial_rate * needs.notional)) * 1.0005
        why = "leverage ladder and minimum buffer over maintenance" if buffer_binds else "loss over the reaction time"
        out[f"{at}/initial_margin_rate"] = Explanation(
            binding=f"maintenance + {100 * needs.reaction:.2f} % for the reaction time; {why}", basis=basis,
            sensitivity=initial)
        out[f"{at}/max_leverage"] = Explanation(
            binding="reciprocal of the initial margin rate", basis=basis,
            sensitivity={driver: round(1.0 / (1.0 + change) - 1.0, 6) for driver, change in initial.items()})
        out[f"{at}/maintenance_deduction"] = Explanation(
            binding="keeps maintenance continuous at the tier's floor", basis=basis)
        out[f"{at}/notional_floor"] = Explanation(
            binding="end of the tier below" if k else "tiers start at zero", basis=basis)
        last = tier is limits.tiers[-1]
        out[f"{at}/notional_cap"] = Explanation(
            binding=_cap_binding(cap) if last else "cheapest steps above the requirement curve", basis=basis)
    out[f"{root}/position_cap"] = Explanation(
        binding=_cap_binding(cap), basis=basis,
        sensitivity={} if cap is None else _cap_sensitivity(cap))
    out[f"{root}/binding_side"] = Explanation(binding="larger loss quantile at the smallest size", basis=Basis.MEASURED)
    out[f"{root}/open_interest_cap"] = Explanation(binding="not calibrated", basis=Basis.ASSUMED)
    out[f"{root}/fees/taker"] = Explanation(binding="risk appetite", basis=Basis.ASSUMED)
    out[f"{root}/contract_size"] = Explanation(binding="one unit of the base asset", basis=Basis.DEFAULTED)
    return out


def _parts(needs: Requirement, notional: float) -> str:
    """The parts of the maintenance rate at a size, the largest first."""
    loss, slippage = (float(np.interp(notional, needs.notional, part)) for part in (needs.loss, needs.slippage))
    if loss + slippage + needs.fee < needs.floor:
        return f"appetite's minimum {100 * needs.floor:g} % (measured {100 * (loss + slippage + needs.fee):.2f} %)"
    parts = {f"{needs.binding_side} loss quantile": loss, "slippage": slippage, "taker fee": needs.fee}
    return " + ".join(f"{name} {100 * value:.2f} %" for name, value in sorted(parts.items(), key=lambda part: -part[1]))


def _cap_binding(cap: PositionCap | None) -> str:
    return "no volume is known: no cap" if cap is None else cap.binding


def _cap_sensitivity(cap: PositionCap) -> dict[str, float | None]:
    """Analytic: every cap is proportional to volume; the cost budget's falls with the square of volatility."""
    by_cost = cap.binding == "liquidation-cost budget"
    return {"depth: stressed volume -10 %": -0.1, "volatility +10 %": round(1.0 / 1.21 - 1.0, 6) if by_cost else 0.0}
