"""Why each number of a collateral asset stands where it stands."""

from __future__ import annotations

from leverline.calibrate.caps import Bound
from leverline.calibrate.collateral_caps import CollateralCaps, Sensitivity
from leverline.calibrate.collateral_haircuts import HaircutCurve
from leverline.calibrate.collateral_terms import CollateralMeasures, Terms, section
from leverline.model.appetite import RiskAppetite
from leverline.model.collateral import AssetLimits
from leverline.model.limitbook import Basis, Explanation
from leverline.model.quantities import UNITS_PER_ONE

Sensitivities = dict[str, dict[str, float | None]]


def explain_asset(
    root: str, limits: AssetLimits, terms: Terms, haircuts: HaircutCurve, caps: CollateralCaps | None,
    moves: Sensitivities,
    measures: CollateralMeasures, appetite: RiskAppetite,
) -> dict[str, Explanation]:
    """Explanations by JSON pointer; sensitivities are relative changes of the unrounded number."""
    depth = measures.market.depth
    depth_basis = Basis.ASSUMED if depth is None else depth.basis
    loss_basis = Basis.ASSUMED if terms.floored else Basis.MEASURED
    out = {
        "liquidation_bonus": Explanation(binding=_bonus(terms, appetite), basis=_bonus_basis(terms, depth_basis),
                                         sensitivity=moves["bonus"]),
        "liquidation_threshold": Explanation(binding=_threshold(terms, measures, appetite), basis=loss_basis,
                                             sensitivity=moves["threshold"]),
        "ltv": Explanation(binding=_ltv(terms, appetite), basis=_ltv_basis(terms, appetite),
                           sensitivity=moves["ltv"]),
        "protocol_fee_rate": Explanation(binding="risk appetite", basis=Basis.ASSUMED),
        "harmful_above_ltv": Explanation(
            binding="1 / (1 + bonus): past it a liquidation takes a larger share of the collateral than of the debt",
            basis=_bonus_basis(terms, depth_basis)),
        "opening_price": Explanation(
            binding="pegged: a discount is never lent against" if measures.peg is not None else "not pegged",
            basis=Basis.ASSUMED),
    }
    if caps is not None and caps.supply is not None:
        out["supply_cap"] = _cap(caps.supply, caps, caps.supply_moves)
    if caps is not None and caps.borrow is not None:
        out["borrow_cap"] = _cap(caps.borrow, caps, caps.borrow_moves)
    if limits.debt_ceiling is not None:
        all_of_it = limits.supply_cap is not None and limits.ltv is not None and (
            limits.debt_ceiling >= int(limits.supply_cap * limits.ltv))
        out["debt_ceiling"] = Explanation(
            binding="all that the supply cap can borrow" if all_of_it else "what may be lost if the asset fails",
            basis=Basis.ASSUMED)
    for k, tier in enumerate(limits.haircut_tiers or ()):
        out[f"haircut_tiers/{k}/haircut"] = Explanation(
            binding=(f"beyond {haircuts.cap.notional:,.0f}: {haircuts.cap.binding}" if tier.haircut >= 1.0 and k else
                     f"marginal loss of selling from {tier.value_floor / UNITS_PER_ONE:,.0f} on within the margin "
                     "period"), basis=depth_basis)
        out[f"haircut_tiers/{k}/value_floor"] = Explanation(
            binding="the first slice starts at zero" if k == 0 else "slices of equal rise of the loss, on round sizes",
            basis=depth_basis)
    if limits.quality is not None:
        out |= _quality(limits)
    return {f"{root}/{name}": why for name, why in out.items()}


def _cap(bound: Bound, caps: CollateralCaps, moves: Sensitivity) -> Explanation:
    return Explanation(binding=f"{bound.binding}; slippage is held to {100 * caps.slippage_budget:.2f} %, rounded down",
                       basis=bound.basis, sensitivity=moves)


def explain_group(
    root: str, reference: str, terms: Terms, correlation: float, appetite: RiskAppetite, depth_basis: Basis
) -> dict[str, Explanation]:
    """Explanations of the limits within a correlated group, whose reference is borrowed."""
    least = section(appetite).group_correlation
    loss = (f"loss quantile of the price in {reference} {100 * terms.loss:.2f} %, correlation in stress "
            f"{correlation:.3f} (at least {least:g}, or one anchor)")
    out = {
        "liquidation_threshold": Explanation(
            binding=loss, basis=Basis.ASSUMED if terms.floored else Basis.MEASURED),
        "liquidation_bonus": Explanation(
            binding=f"{_costs(terms)}; latency of the price in {reference}", basis=_bonus_basis(terms, depth_basis)),
        "ltv": Explanation(binding=_ltv(terms, appetite), basis=_ltv_basis(terms, appetite)),
    }
    return {f"{root}/group_limits/{name}": why for name, why in out.items()}


def _costs(terms: Terms) -> str:
    """The costs of the liquidation that needs the bonus most, the largest first."""
    ordered = sorted(terms.bonus_parts.items(), key=lambda part: -part[1])
    return " + ".join(f"{name} {100 * rate:.2f} %" for name, rate in ordered if rate > 0.0) or "no cost"


def _bonus(terms: Terms, appetite: RiskAppetite) -> str:
    if appetite.costs.slippage_bearer == "venue":
        return f"what the venue pays to whoever starts the sale: {_costs(terms)}"
    return f"{_costs(terms)}, of a liquidation of {terms.bonus_at:,.0f}"


def _bonus_basis(terms: Terms, depth_basis: Basis) -> Basis:
    """That of the largest cost: depth as it was known, the latency from prices, the others from the appetite."""
    largest = max(terms.bonus_parts, key=terms.bonus_parts.__getitem__)
    return {"slippage": depth_basis, "latency": Basis.MEASURED}.get(largest, Basis.ASSUMED)


def _threshold(terms: Terms, measures: CollateralMeasures, appetite: RiskAppetite) -> str:
    loss = f"loss quantile {100 * terms.loss:.2f} % over {terms.period_s:,.0f} s"
    if measures.peg is not None:
        record = measures.peg.record
        loss += (f" with the tail of the price in {measures.peg.reference} (worst fall seen "
                 f"{100 * float(record.worst_loss[0]):.2f} %, {len(record.episodes)} depegs in {record.years:.1f} "
                 f"years, at most {record.per_year_bound:.2f} a year)")
    if terms.floored:
        loss = f"appetite's minimum {100 * appetite.rounding.minimum_maintenance_rate:g} % (measured less)"
    fee = f" and protocol fee {100 * terms.protocol_fee:g} %" if terms.protocol_fee else ""
    if appetite.costs.slippage_bearer == "venue":
        return f"{loss} + slippage {100 * terms.slippage:.2f} % + basis + fee; bonus {100 * terms.bonus:.2f} %{fee}"
    return f"(1 - {loss}) over 1 + bonus {100 * terms.bonus:.2f} %{fee}; slippage stands in the bonus"


def _ltv(terms: Terms, appetite: RiskAppetite) -> str:
    gap = section(appetite).opening_gap
    if terms.reaction >= gap:
        return f"threshold less {100 * terms.reaction:.2f} % loss quantile over the reaction time"
    return f"threshold less the appetite's gap of {100 * gap:g} % (reaction loss {100 * terms.reaction:.2f} %)"


def _ltv_basis(terms: Terms, appetite: RiskAppetite) -> Basis:
    return Basis.MEASURED if terms.reaction >= section(appetite).opening_gap and not terms.floored else Basis.ASSUMED


def _quality(limits: AssetLimits) -> dict[str, Explanation]:
    quality = limits.quality
    if quality is None:
        return {}
    missing = [name for name, part in quality.parts.items() if part is None]
    out = {"quality/score": Explanation(
        binding="geometric mean of the parts known" + (f"; not measured: {', '.join(missing)}" if missing else ""),
        basis=Basis.MEASURED)}
    given = ("holders", "contract")
    for name, part in quality.parts.items():
        if part is not None:
            out[f"quality/parts/{name}"] = Explanation(
                binding="as the user gave it" if name in given else "measured",
                basis=Basis.ASSUMED if name in given else Basis.MEASURED)
    return out
