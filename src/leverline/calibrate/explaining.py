"""Why each number of an instrument stands where it stands."""

from __future__ import annotations

import math

import numpy as np

from leverline.calibrate.requirement import PositionCap, Requirement, Sensitivity
from leverline.calibrate.rounding import leverage_within, round_down_notional
from leverline.ground.arrays import FloatArray
from leverline.model.appetite import RiskAppetite
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits, Tier
from leverline.model.quantities import UNITS_PER_ONE


def explain_instrument(
    root: str, limits: InstrumentLimits, needs: Requirement, cap: PositionCap | None, moves: tuple[Sensitivity, ...],
    cap_moves: dict[str, float], appetite: RiskAppetite,
) -> dict[str, Explanation]:
    """Explanations by JSON pointer. Sensitivities are relative changes of the unrounded rate at the tier's end.

    None stands where a moved driver asks for depth beyond what is known.
    """
    basis = Basis.MEASURED if cap is not None else Basis.ASSUMED
    out: dict[str, Explanation] = {}
    for k, (tier, end) in enumerate(zip(limits.tiers, tier_ends(limits, needs).tolist(), strict=True)):
        at = f"{root}/tiers/{k}"
        maintenance = {m.driver: _shown(float(m.maintenance[k])) for m in moves}
        initial = {m.driver: _shown(float(m.initial[k])) for m in moves}
        floored = _measured(needs, end) < needs.floor
        out[f"{at}/maintenance_margin_rate"] = Explanation(
            binding=f"{_parts(needs, end)} at the tier's end", basis=Basis.ASSUMED if floored else basis,
            sensitivity=maintenance)
        why, initial_basis = _initial_binding(tier, needs, end, appetite)
        initial_basis = initial_basis or (Basis.ASSUMED if floored else basis)
        out[f"{at}/initial_margin_rate"] = Explanation(binding=why, basis=initial_basis, sensitivity=initial)
        out[f"{at}/max_leverage"] = Explanation(
            binding=f"reciprocal of the initial margin rate: {why}", basis=initial_basis,
            sensitivity={driver: None if change is None else _shown(1.0 / (1.0 + change) - 1.0)
                         for driver, change in initial.items()})
        out[f"{at}/maintenance_deduction"] = Explanation(
            binding="keeps maintenance continuous at the tier's floor", basis=basis)
        out[f"{at}/notional_floor"] = Explanation(
            binding="end of the tier below" if k else "tiers start at zero", basis=basis)
        last = tier is limits.tiers[-1]
        out[f"{at}/notional_cap"] = Explanation(
            binding=_cap_binding(limits, needs, cap) if last else "cheapest steps above the requirement curve",
            basis=basis)
    out[f"{root}/position_cap"] = Explanation(
        binding=_cap_binding(limits, needs, cap), basis=basis,
        sensitivity={} if cap is None or _cut_short(limits, needs)
        else {driver: _shown(change) for driver, change in cap_moves.items()})
    out[f"{root}/binding_side"] = Explanation(binding="larger loss quantile at the smallest size", basis=Basis.MEASURED)
    out[f"{root}/open_interest_cap"] = Explanation(binding="not calibrated", basis=Basis.ASSUMED)
    out[f"{root}/fees/taker"] = Explanation(binding="risk appetite", basis=Basis.ASSUMED)
    out[f"{root}/contract_size"] = Explanation(binding="one unit of the base asset", basis=Basis.DEFAULTED)
    return out


def tier_ends(limits: InstrumentLimits, needs: Requirement) -> FloatArray:
    """Size at which each tier is explained: its cap, or the end of the requirement's grid where it is open."""
    end = float(needs.notional[-1])
    return np.array([end if t.notional_cap is None else t.notional_cap / UNITS_PER_ONE for t in limits.tiers])


def _measured(needs: Requirement, notional: float) -> float:
    """The maintenance rate at a size before the appetite's floor."""
    return float(np.interp(notional, needs.notional, needs.loss + needs.slippage)) + needs.basis + needs.fee


def _funding(needs: Requirement, notional: float) -> float:
    """What is reserved for funding at a size, rate."""
    return float(np.interp(notional, needs.notional, np.broadcast_to(needs.funding, needs.notional.shape)))


def _parts(needs: Requirement, notional: float) -> str:
    """The parts of the maintenance rate at a size, the largest first."""
    measured = _measured(needs, notional)
    if measured < needs.floor:
        held = f"appetite's minimum {100 * needs.floor:g} % (measured {100 * measured:.2f} %)"
        return f"{held} + funding {100 * _funding(needs, notional):.2f} %" if np.any(needs.funding) else held
    loss, slippage = (float(np.interp(notional, needs.notional, part)) for part in (needs.loss, needs.slippage))
    parts = {f"{needs.binding_side_at(notional)} loss quantile": loss, "slippage": slippage, "taker fee": needs.fee}
    if needs.basis:
        parts[f"{'assumed ' if needs.basis_assumed else ''}basis between mark and fill"] = needs.basis
    if np.any(needs.funding):
        parts["funding"] = _funding(needs, notional)
    return " + ".join(f"{name} {100 * value:.2f} %" for name, value in sorted(parts.items(), key=lambda part: -part[1]))


def _initial_binding(
    tier: Tier, needs: Requirement, end: float, appetite: RiskAppetite
) -> tuple[str, Basis | None]:
    """What holds leverage down in a tier: appetite's maximum, buffer or reaction loss. None: basis as measured."""
    if tier.max_leverage >= appetite.rounding.max_leverage:
        return f"appetite's highest leverage {tier.max_leverage:g}x", Basis.ASSUMED
    wanted = float(np.max(needs.initial_rate[needs.notional <= end * (1 + 1e-9)], initial=needs.initial_rate[0]))
    by_loss = leverage_within(wanted, appetite.rounding.max_leverage)
    if by_loss is not None and by_loss > tier.max_leverage:
        buffer = 100 * appetite.initial.minimum_buffer
        return f"published maintenance + appetite's buffer of {buffer:g} % of it, leverage rounded down", None
    return (f"maintenance + {100 * needs.reaction:.2f} % loss quantile over the reaction time, leverage rounded down",
            None)


def _cut_short(limits: InstrumentLimits, needs: Requirement) -> bool:
    """True where sizes below the cap were left out because they need more margin than their notional."""
    last = limits.tiers[-1].notional_cap
    return last is not None and last < round_down_notional(round(float(needs.notional[-1]) * UNITS_PER_ONE))


def _cap_binding(limits: InstrumentLimits, needs: Requirement, cap: PositionCap | None) -> str:
    if cap is None:
        return "no volume is known: no cap"
    return "larger positions need more margin than their notional" if _cut_short(limits, needs) else cap.binding


def _shown(change: float) -> float | None:
    """To the millionth; None where there is no number."""
    return round(change, 6) if math.isfinite(change) else None
