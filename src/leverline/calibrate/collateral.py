"""The collateral side of the line: what each asset may back, when it is sold, and how much of it the venue takes.

Assets are the bases of the calibrated linear spot and perpetual markets; the market that trades most under stress is
where an asset would be sold. A loan is in the settlement currency; within a correlated group it is in another member.
What cannot be lent against under the appetite is left out with the reason, never given a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from leverline.calibrate.collateral_caps import CollateralCaps, collateral_caps
from leverline.calibrate.collateral_explaining import explain_asset, explain_group
from leverline.calibrate.collateral_haircuts import HaircutCurve, haircut_curve, haircut_tiers
from leverline.calibrate.collateral_terms import (
    CollateralMeasures,
    Published,
    Terms,
    collateral_terms,
    group_terms,
    published,
    section,
    term_sensitivities,
)
from leverline.calibrate.margin_period import LossCurve
from leverline.calibrate.pegged import (
    PegMeasures,
    loss_within,
    peg_measures,
    ratio_curve,
    stressed_pair_correlation,
)
from leverline.calibrate.quality import quality_score
from leverline.calibrate.rounding import round_down_notional
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, UsageError, require
from leverline.market.symbols import is_unified, parse_unified
from leverline.measure.ratio_tail import DepegRecord, depeg_record, ratio_panel
from leverline.model.appetite import RiskAppetite
from leverline.model.collateral import AssetLimits, GroupLimits
from leverline.model.instrument import Kind, Payoff
from leverline.model.limitbook import Basis, Explanation, pointer
from leverline.model.limitbook import units as ledger_units

if TYPE_CHECKING:  # the book is built from this module
    from leverline.calibrate.book import Calibration, MarketCalibration


@dataclass(frozen=True, slots=True)
class CollateralInputs:
    """What the user says of assets that no market shows; all by asset name, all optional.

    ``pegs`` names what an asset is pegged to or staked for: another asset, or the settlement currency.
    ``redemption`` (n_bars,) on the panel's rows is what one unit redeems for in that, 1 where not given. ``groups``
    are correlated groups, the first member being the reference that is borrowed. ``holder_concentration`` is the share
    of all units with the ten largest holders, ``market_value`` that of all units in the settlement currency.
    ``debt_ceilings`` asks for the ceiling of protocol versions with an isolation mode (Aave v3.0 to v3.6);
    ``loss_capacity``, settlement currency, is what may be lost if one such asset fails altogether.
    """

    pegs: Mapping[str, str] = field(default_factory=dict)
    redemption: Mapping[str, FloatArray] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    holder_concentration: Mapping[str, float] = field(default_factory=dict)
    market_value: Mapping[str, float] = field(default_factory=dict)
    debt_ceilings: bool = False
    loss_capacity: float | None = None


NO_INPUTS = CollateralInputs()


@dataclass(frozen=True, slots=True)
class AssetCalibration:
    """What one asset's limits were made from."""

    measures: CollateralMeasures
    terms: Terms
    haircuts: HaircutCurve
    caps: CollateralCaps | None
    limits: AssetLimits


@dataclass(frozen=True, slots=True)
class CollateralLine:
    """Limits by asset, why each number stands, what to know before trusting them, and what was left out and why."""

    limits: dict[str, AssetLimits]
    explanations: dict[str, Explanation]
    warnings: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    assets: tuple[AssetCalibration, ...]


def collateral_line(
    calibration: Calibration, appetite: RiskAppetite, inputs: CollateralInputs = NO_INPUTS
) -> CollateralLine:
    """Collateral limits of every asset that the calibrated markets price.

    Raises
    ------
    UsageError
        The appetite has no section [collateral]; the appetite or ``inputs`` name an asset that no market prices.
    """
    markets = assets_of(calibration)
    _check_names({*markets, *(asset_of(symbol) or symbol for symbol, _ in calibration.skipped)}, appetite, inputs)
    done: dict[str, AssetCalibration] = {}
    skipped: list[tuple[str, str]] = []
    explanations: dict[str, Explanation] = {}
    for asset, market in markets.items():
        try:
            measures = measured(asset, market, calibration, appetite, inputs)
            one = calibrate_asset(measures, appetite, inputs)
        except InsufficientDataError as error:
            skipped.append((asset, str(error)))
            continue
        done[asset] = one
        explanations |= explain_asset(pointer("collateral", asset), one.limits, one.terms, one.haircuts, one.caps,
                                      term_sensitivities(measures, appetite), measures, appetite)
    warnings = _warnings(done, skipped, appetite)
    limits = {asset: one.limits for asset, one in done.items()}
    for group, members in inputs.groups.items():
        for asset in members[1:]:
            if asset not in done or members[0] not in markets:
                warnings.append(f"group {group}: {asset} is not accepted as collateral, so it has no group limits")
                continue
            try:
                terms, correlation = _group(members, asset, done[asset], markets, calibration, appetite, inputs)
                limits[asset] = with_group(limits[asset], group, published(terms, appetite))
            except InsufficientDataError as error:
                warnings.append(f"group {group}: {asset} has no group limits: {error}")
                continue
            depth = done[asset].measures.market.depth
            explanations |= explain_group(pointer("collateral", asset), members[0], terms, correlation, appetite,
                                          Basis.ASSUMED if depth is None else depth.basis)
    return CollateralLine(limits, explanations, tuple(warnings), tuple(skipped), tuple(done.values()))


def assets_of(calibration: Calibration) -> dict[str, MarketCalibration]:
    """Asset -> the market in which it would be sold: linear, spot or perpetual, most traded under stress."""
    found: dict[str, MarketCalibration] = {}
    for market in calibration.markets:
        asset = asset_of(market.symbol)
        if asset is not None and (asset not in found or _volume(market) > _volume(found[asset])):
            found[asset] = market
    return found


def asset_of(symbol: str) -> str | None:
    """What a market prices: the base of a linear spot or perpetual one, the symbol itself where it is opaque."""
    if not is_unified(symbol):
        return symbol
    instrument = parse_unified(symbol)
    if instrument.kind not in (Kind.SPOT, Kind.PERPETUAL) or instrument.payoff is not Payoff.LINEAR:
        return None
    return symbol.partition("/")[0]


def _volume(market: MarketCalibration) -> float:
    return market.measures.volume_per_day if market.measures.has_volume else -1.0


def _check_names(priced: set[str], appetite: RiskAppetite, inputs: CollateralInputs) -> None:
    """Refuse names that nothing prices: a grade for a misspelt asset would silently grade nobody."""
    pledged = section(appetite)
    members = [asset for group in inputs.groups.values() for asset in group]
    given = {"collateral.contract_grades": pledged.contract_grades, "pegs": inputs.pegs, "groups": members,
             "redemption": inputs.redemption, "holder_concentration": inputs.holder_concentration,
             "market_value": inputs.market_value,
             "pegs' references": [name for name in inputs.pegs.values() if name != appetite.settlement]}
    for what, names in given.items():
        unknown = sorted(set(names) - priced)
        if unknown:
            raise UsageError(f"{what}: no market prices {', '.join(unknown)}",
                             remedy=f"known are {', '.join(sorted(priced)[:12])}")
    for group, names in inputs.groups.items():
        require(len(names) >= 2 and len(set(names)) == len(names),
                f"group {group}: a reference and at least one other asset, each once", got=names)
    twice = sorted({asset for asset in members if sum(asset in names[1:] for names in inputs.groups.values()) > 1})
    require(not twice, "an asset has the limits of one group", got=twice)
    require(all(asset != reference for asset, reference in inputs.pegs.items()), "no asset is pegged to itself")
    require(set(inputs.redemption) <= set(inputs.pegs), "a redemption rate belongs to a peg")
    require(all(0.0 <= share <= 1.0 for share in inputs.holder_concentration.values()),
            "a holder concentration is a share in [0, 1]")
    require(all(value > 0.0 for value in inputs.market_value.values()), "a market value is positive")
    require(inputs.loss_capacity is None or inputs.loss_capacity > 0.0, "a loss capacity is positive",
            got=inputs.loss_capacity)


def measured(
    asset: str, market: MarketCalibration, calibration: Calibration, appetite: RiskAppetite, inputs: CollateralInputs
) -> CollateralMeasures:
    """What the calibration measured of an asset, its loss over the latency, and the tail of its ratio if pegged."""
    pledged, curves, panel = section(appetite), calibration.curves, calibration.panel
    model, scale = curves.forecasts[0].model, curves.scale
    latency = loss_within(panel, market.column, pledged.latency_s, pledged.latency_confidence, appetite, model, scale)
    if not np.isfinite(latency[0]):
        latency = _as_the_market(market, pledged.latency_s)
    peg: PegMeasures | None = None
    if asset in inputs.pegs:
        reference = inputs.pegs[asset]
        other = None if reference == appetite.settlement else assets_of(calibration).get(reference)
        if other is None and reference != appetite.settlement:
            raise InsufficientDataError(f"it is pegged to {reference}, which could not be calibrated")
        peg = peg_measures(
            panel, market.column, None if other is None else other.column, curves.horizon_s, appetite, model, scale,
            reference_losses=None if other is None else other.measures.losses, reference_name=reference,
            redemption=inputs.redemption.get(asset))
    sigma = float(calibration.sigma_per_day[-1, market.column])
    return CollateralMeasures(
        asset, market.measures, float(latency[0]), sigma, peg, inputs.holder_concentration.get(asset),
        inputs.market_value.get(asset))


def _as_the_market(market: MarketCalibration, seconds: float) -> FloatArray:
    """Latency loss of a listing too young for a quantile of its own: its margin quantile, by the root of time."""
    losses = market.measures.losses
    return np.asarray(losses.quantile[0] * np.sqrt(min(1.0, seconds / float(losses.horizon_s[0]))), np.float64)


def calibrate_asset(
    measures: CollateralMeasures, appetite: RiskAppetite, inputs: CollateralInputs = NO_INPUTS
) -> AssetCalibration:
    """All limits of one asset from what was measured of it; no file, no clock, no other asset.

    Raises
    ------
    InsufficientDataError
        Under this appetite nothing can be lent against it; the message says why.
    """
    pledged = section(appetite)
    terms = collateral_terms(measures, appetite)
    out = published(terms, appetite)
    curve = haircut_curve(measures, appetite)
    caps = collateral_caps(measures, out, appetite)
    supply = None if caps is None or caps.supply_cap is None else round_down_notional(caps.supply_cap)
    borrow = None if caps is None or not caps.borrow_cap else round_down_notional(caps.borrow_cap)
    limits = AssetLimits(
        ltv=out.ltv, liquidation_threshold=out.threshold, liquidation_bonus=out.bonus,
        protocol_fee_rate=pledged.protocol_fee_rate, harmful_above_ltv=out.harmful_above_ltv,
        haircut_tiers=haircut_tiers(curve, pledged.haircut_slices), supply_cap=supply, borrow_cap=borrow,
        debt_ceiling=_debt_ceiling(supply, out.ltv, inputs),
        opening_price="market" if measures.peg is None else "lower_of_market_and_redemption",
        quality=quality_score(measures, terms.period_s, appetite))
    return AssetCalibration(measures, terms, curve, caps, limits)


def _debt_ceiling(supply_cap: int | None, ltv: float, inputs: CollateralInputs) -> int | None:
    """Most that may be borrowed against an isolated asset, ledger units: all of it is lost if the asset fails.

    None where it was not asked for, or neither a supply cap nor a loss capacity bounds it.
    """
    if not inputs.debt_ceilings:
        return None
    bounds = [] if supply_cap is None else [int(supply_cap * ltv)]
    if inputs.loss_capacity is not None:
        bounds.append(ledger_units(inputs.loss_capacity))
    return min(bounds, default=None)


def _group(
    members: tuple[str, ...], asset: str, one: AssetCalibration, markets: Mapping[str, MarketCalibration],
    calibration: Calibration, appetite: RiskAppetite, inputs: CollateralInputs,
) -> tuple[Terms, float]:
    """Terms of ``asset`` against debt in any other member, and its stressed correlation with the reference."""
    pledged, panel, curves = section(appetite), calibration.panel, calibration.curves
    model, scale, reference = curves.forecasts[0].model, curves.scale, markets[members[0]].column
    column = markets[asset].column
    anchored = inputs.pegs.get(asset, asset) == inputs.pegs.get(members[0], members[0])
    correlation = stressed_pair_correlation(panel, column, reference, calibration.sigma_per_day,
                                            appetite.margin_period.stressed_volume_quantile)
    if not anchored and not correlation >= pledged.group_correlation:
        raise InsufficientDataError(f"correlation with {members[0]} in stress is {correlation:.3f}, "
                                    f"{pledged.group_correlation:g} is asked for")
    ratio = ratio_panel(panel, column, reference, inputs.redemption.get(asset))
    falls = ratio_curve(ratio, curves.horizon_s, appetite, model, scale)
    others = [ratio_curve(ratio_panel(panel, markets[name].column, reference, inputs.redemption.get(name)),
                          curves.horizon_s, appetite, model, scale) for name in members[1:] if name != asset]
    latency = loss_within(ratio, 0, pledged.latency_s, pledged.latency_confidence, appetite, model, scale)
    reaction = loss_within(ratio, 0, appetite.initial.reaction_s, appetite.initial.reaction_confidence, appetite,
                           model, scale)
    record = depeg_record(ratio, max(1, int(np.ceil(float(curves.horizon_s[0]) / panel.spacing_s))))
    terms = group_terms(one.measures, falls, _highest(others), float(latency[0]), float(reaction[0]), appetite,
                        event_loss=_worst_fall(record))
    return terms, correlation


def _worst_fall(record: DepegRecord) -> float:
    return float(record.worst_loss[0])


def _highest(curves: list[LossCurve]) -> LossCurve | None:
    """The largest quantile of any curve at each horizon."""
    if not curves:
        return None
    return LossCurve(curves[0].horizon_s, np.max([curve.quantile for curve in curves], axis=0), curves[0].scale)


def with_group(limits: AssetLimits, group: str, out: Published) -> AssetLimits:
    """``limits`` with the higher limits of a group.

    Raises
    ------
    InsufficientDataError
        The group's threshold is not above the asset's own, so that it would grant nothing.
    """
    own = limits.liquidation_threshold
    if own is None or out.threshold <= own:
        raise InsufficientDataError(f"threshold {out.threshold:g} within the group is not above its own {own}")
    grown = GroupLimits(group=group, ltv=out.ltv, liquidation_threshold=out.threshold, liquidation_bonus=out.bonus)
    return AssetLimits.model_validate(limits.model_dump() | {"group_limits": grown.model_dump()})


def _warnings(
    done: Mapping[str, AssetCalibration], skipped: list[tuple[str, str]], appetite: RiskAppetite
) -> list[str]:
    """What a reader should know before trusting the collateral limits."""
    out = [f"{asset} is not accepted as collateral: {why}" for asset, why in skipped]
    depegged = [asset for asset, one in done.items()
                if one.measures.peg is not None and one.measures.peg.record.ends_inside]
    out += [f"{asset}: the data ends inside a depeg" for asset in depegged]
    if done and appetite.caps is None:
        out.append("the appetite has no section [caps], so collateral has neither supply nor borrow caps")
    return out
