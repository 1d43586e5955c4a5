r"""Real reserve configurations beside ours: how far apart, which rule binds, and what the prices say of who is right.

Thresholds are compared at one day: that is what the firms that set them simulate, and what daily bars resolve. Two
questions are kept apart.

*Does the price record allow their threshold?* At the threshold a loan stands on an allowance
:math:`1 - \text{threshold}(1 + \text{bonus})`: the fall at which collateral no longer covers debt and bonus. It is held
against the quantile of the worst fall inside a day over the asset's whole history, with an interval from resampled
blocks of days. Below the interval the reserve is *too loose* for that confidence, above it *too tight*. None of our
models enters.

*What would we set?* The calibrator with the liquidator bearing slippage, on the last bars of the price files, which end
11 to 14 months before the snapshot, and for some pegged assets more than three years. Our threshold is read at *their*
bonus too, so that the two differ by price risk alone; bonus and caps are ours where volume is known. Volume is that of
one venue.

A reserve whose price is in no file is named, not guessed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leverline import __version__
from leverline.calibrate.book import calibrate_book
from leverline.calibrate.collateral import AssetCalibration, CollateralLine, collateral_line
from leverline.evidence.experiments.aave_price_record import (
    DRAWS,
    LEVEL,
    SEED,
    PriceRecord,
    Series,
    price_records,
    read_series,
    with_usdc_depeg,
)
from leverline.evidence.experiments.aave_reserves import (
    AAVE_PRICES,
    BINANCE_HOURLY,
    COINBASE,
    CONFIGS,
    DEPEG,
    HYPERLIQUID,
    PEGGED,
    PRICE_SERIES,
    VOLUME_SERIES,
    WRAPPED,
    Reserve,
    read_reserves,
    significant_figures,
)
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.measure.loss_models import DEFAULT_MODEL
from leverline.measure.rank_agreement import Agreement, tau_interval
from leverline.model.appetite import SECONDS_PER_DAY, RiskAppetite
from leverline.model.collateral import AssetLimits
from leverline.model.limitbook import pointer
from leverline.model.quantities import UNITS_PER_ONE

PRICE_FILES = (COINBASE, HYPERLIQUID, AAVE_PRICES, BINANCE_HOURLY)
MOST_FIGURES = 4
"""Significant figures that a cap set by people has at most."""
NEAR_THRESHOLD, NEAR_BONUS = 0.05, 0.025
"""How far a median may be from theirs: a step of a few updates of the protocol's stewards."""


@dataclass(frozen=True, slots=True)
class Ours:
    """What the calibrator sets for an asset, and what binds each number."""

    limits: AssetLimits
    binding: dict[str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """One reserve, the record of its price, and our own limits where volume is known."""

    reserve: Reserve
    series: Series
    record: PriceRecord
    ours: Ours | None
    why_not: str

    @property
    def verdict(self) -> str:
        """``too loose``, ``too tight`` or ``within the interval``, by the price record alone."""
        allowance = self.reserve.allowance
        return ("too loose" if allowance < self.record.low else
                "too tight" if allowance > max(self.record.high, self.record.event) else "within the interval")

    @property
    def threshold_at_their_bonus(self) -> float:
        """Our threshold with their bonus: they differ by price risk alone."""
        return (1.0 - self.record.modelled) / (1.0 + self.reserve.bonus)


def appetite_of_a_day() -> RiskAppetite:
    """The perp-dex profile for a lending pool: liquidators bear slippage, a day passes before the sale, no fee."""
    shipped = RiskAppetite.profile("perp-dex")
    pledged = shipped.collateral
    if pledged is None:
        raise InsufficientDataError("the profile perp-dex has no section [collateral]")
    return shipped.model_copy(update={
        "costs": shipped.costs.model_copy(update={"slippage_bearer": "liquidator"}),
        "margin_period": shipped.margin_period.model_copy(update={
            "detection_s": SECONDS_PER_DAY, "oracle_delay_s": 0.0, "max_liquidation_s": SECONDS_PER_DAY}),
        "initial": shipped.initial.model_copy(update={"reaction_s": SECONDS_PER_DAY, "reaction_confidence": 0.9}),
        "collateral": pledged.model_copy(update={"protocol_fee_rate": 0.0}),
    })


def run(folder: Path) -> Experiment:
    """Compare every reserve that can be compared, and count the others by reason."""
    for name in (CONFIGS, DEPEG, *PRICE_FILES):
        if not (folder / name).is_file():
            raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
    reserves, appetite = read_reserves(folder / CONFIGS), appetite_of_a_day()
    records: dict[Series, PriceRecord] = {}
    ours: dict[Series, Ours] = {}
    skipped: dict[Series, str] = {}
    for file in PRICE_FILES:
        records |= price_records(folder / file, appetite)
    for file in (COINBASE, HYPERLIQUID):
        calibrated, left = our_limits(folder / file, appetite)
        ours |= calibrated
        skipped |= left
    records = with_usdc_depeg(records, folder / DEPEG)
    compared = [_compared(r, records, ours, skipped) for r in reserves
                if r.is_collateral and PRICE_SERIES.get(r.symbol) in records]
    left_out = [(r, _why_left_out(r, records)) for r in reserves]
    rows = (*cap_rows(reserves), *threshold_rows(compared), *calibrator_rows(compared))
    variants = [*(_shown(each) for each in compared), *_by_reason(left_out)]
    provenance = {
        "software": f"leverline {__version__}", "seed": SEED, "model": DEFAULT_MODEL, "appetite": appetite.name,
        "level_per_day": LEVEL, "reserves": len(reserves), "compared": len(compared),
        "files": {name: sha256(folder / name) for name in (CONFIGS, DEPEG, *PRICE_FILES)}}
    return Experiment("aave-configs", rows, provenance, tuple(variants))


def _why_left_out(reserve: Reserve, records: dict[Series, PriceRecord]) -> str | None:
    if not reserve.live:
        return "frozen, paused or inactive"
    if not reserve.is_collateral:
        return "no collateral outside an e-mode"
    if reserve.symbol not in PRICE_SERIES:
        return "its price is in no file"
    return None if PRICE_SERIES[reserve.symbol] in records else "its price series is too short"


def _by_reason(left_out: list[tuple[Reserve, str | None]]) -> list[dict[str, Any]]:
    """One variant a reason, with every reserve it holds for."""
    reasons = Counter(why for _, why in left_out if why is not None)
    return [{"left_out": why, "count": n,
             "reserves": [f"{r.network} {r.symbol}" for r, reason in left_out if reason == why]}
            for why, n in reasons.most_common()]


def our_limits(path: Path, appetite: RiskAppetite) -> tuple[dict[Series, Ours], dict[Series, str]]:
    """What the calibrator sets on the file's bars with volume, and why it sets nothing."""
    bars = read_series(path, sorted({name for file, name in VOLUME_SERIES.values() if file == path.name}))
    calibration = calibrate_book(bars, appetite)
    line = collateral_line(calibration, appetite)
    left = {(path.name, name): why for name, why in (*calibration.skipped, *line.skipped)}
    return {(path.name, each.measures.asset): _ours(each, line) for each in line.assets}, left


def _compared(
    reserve: Reserve, records: dict[Series, PriceRecord], ours: dict[Series, Ours], skipped: dict[Series, str]
) -> Compared:
    series = PRICE_SERIES[reserve.symbol]
    with_volume = VOLUME_SERIES.get(series)
    why = "no volume is known" if with_volume is None else skipped.get(with_volume, "not calibrated")
    return Compared(reserve, series, records[series], None if with_volume is None else ours.get(with_volume), why)


def _ours(one: AssetCalibration, line: CollateralLine) -> Ours:
    names = ("ltv", "liquidation_threshold", "liquidation_bonus", "supply_cap", "borrow_cap")
    root = pointer("collateral", one.measures.asset)
    return Ours(one.limits, {name: line.explanations[f"{root}/{name}"].binding for name in names
                             if f"{root}/{name}" in line.explanations})


def cap_rows(reserves: tuple[Reserve, ...]) -> list[Row]:
    """That the caps put together again are what somebody set, and that no configuration breaks the protocol's rule."""
    given = [r for r in reserves if r.borrow_cap]
    share = np.mean([significant_figures(r.borrow_cap) <= MOST_FIGURES for r in given])
    raw = np.mean([significant_figures(r.borrow_cap_as_published) <= MOST_FIGURES for r in given])
    broken = sum(r.threshold * (1.0 + r.bonus) > 1.0 + 1e-12 for r in reserves)
    return [
        Row(f"share of {len(given)} borrow caps, put together from the slices of a misread word, that are round",
            float(share), "1", f"at most {MOST_FIGURES} figures; as published {raw:.2f}", bool(share == 1.0)),
        Row(f"reserves of {len(reserves)} whose threshold x (1 + bonus) exceeds 1", float(broken), "0", "exact",
            broken == 0),
    ]


def threshold_rows(compared: list[Compared]) -> list[Row]:
    """Verdicts of the price record, by reserve."""
    n = len(compared)
    rows = []
    for verdict in ("too loose", "too tight"):
        those = [each for each in compared if each.verdict == verdict]
        assets = ", ".join(dict.fromkeys(each.reserve.symbol for each in those)) or "none"
        rows.append(Row(f"reserves of {n} that are {verdict}: {assets}", float(len(those)), "0",
                        f"allowance outside the 95 % interval of the {100 * LEVEL:g} % fall in a day", not those))
    return rows


def calibrator_rows(compared: list[Compared]) -> list[Row]:
    """Ours beside theirs over assets: each asset counts once, with the median over its networks."""
    rng = np.random.default_rng(SEED)
    rows = []
    for kind, those in (("unpegged", [each for each in compared if each.series not in PEGGED]),
                        ("pegged or staked", [each for each in compared if each.series in PEGGED])):
        theirs, own = _by_asset(those, "threshold")
        rows.append(_near(f"threshold at their bonus, ours less theirs, {kind}", own - theirs, NEAR_THRESHOLD, rng))
    theirs, own = _by_asset(compared, "threshold")
    rows.append(_ranked("thresholds at their bonus", tau_interval(own, theirs, rng=rng)))
    known = [each for each in compared if each.ours is not None]
    theirs, own = _by_asset(known, "bonus")
    rows += [_near("bonus, ours less theirs", own - theirs, NEAR_BONUS, rng),
             _ranked("bonuses", tau_interval(own, theirs, rng=rng))]
    theirs, own = _caps_by_asset(known)
    rows.append(_ranked("borrow caps in dollars, theirs summed over networks", tau_interval(own, theirs, rng=rng)))
    return rows


def _by_asset(compared: list[Compared], what: str) -> tuple[FloatArray, FloatArray]:
    """Theirs and ours (n_assets,), medians over the reserves of one price series."""
    pairs: dict[Series, list[tuple[float, float]]] = {}
    for each in compared:
        ours = each.threshold_at_their_bonus if what == "threshold" else _our_bonus(each)
        pairs.setdefault(each.series, []).append((getattr(each.reserve, what), ours))
    medians = np.array([np.median(values, axis=0) for values in pairs.values()]).reshape(-1, 2)
    return medians[:, 0], medians[:, 1]


def _our_bonus(each: Compared) -> float:
    return np.nan if each.ours is None else each.ours.limits.liquidation_bonus or 0.0


def _caps_by_asset(compared: list[Compared]) -> tuple[FloatArray, FloatArray]:
    """Dollar borrow caps (n_assets,): theirs summed over networks at the last price of ours, and ours."""
    total: dict[Series, float] = {}
    cap: dict[Series, float] = {}
    for each in compared:
        if each.ours is None or each.ours.limits.borrow_cap is None or each.reserve.borrow_cap <= 1:
            continue  # a cap of one token means: not lent
        total[each.series] = total.get(each.series, 0.0) + each.reserve.borrow_cap * each.record.last_price
        cap[each.series] = each.ours.limits.borrow_cap / UNITS_PER_ONE
    return np.array(list(total.values())), np.array(list(cap.values()))


def _near(what: str, apart: FloatArray, tolerance: float, rng: np.random.Generator) -> Row:
    drawn = np.median(apart[rng.integers(0, apart.size, size=(DRAWS, apart.size))], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    middle = float(np.median(apart))
    return Row(f"median over {apart.size} assets of {what}", middle, f"0; 95 % interval {low:.3f} to {high:.3f}",
               f"{tolerance:g}", abs(middle) <= tolerance)


def _ranked(what: str, agreement: Agreement) -> Row:
    return Row(f"Kendall's tau over {agreement.markets} assets of {what}", agreement.value,
               f"above 0; 95 % interval {agreement.low:.2f} to {agreement.high:.2f}", "interval above 0",
               bool(agreement.low > 0.0))


def _shown(each: Compared) -> dict[str, Any]:
    """One reserve in full: theirs, the evidence, and ours with what binds."""
    reserve, record = each.reserve, each.record
    out: dict[str, Any] = {
        "reserve": f"{reserve.network} {reserve.symbol}", "priced_as": each.series[1], "prices": each.series[0],
        "wrapped": reserve.symbol in WRAPPED, "verdict": each.verdict,
        "theirs": {"ltv": reserve.ltv, "threshold": reserve.threshold, "bonus": reserve.bonus,
                   "borrow_cap": reserve.borrow_cap, "supply_cap": reserve.supply_cap},
        "evidence": {
            "allowance": reserve.allowance, "days": record.days, "last_day": record.last_day,
            "share_beyond_allowance": float(np.mean(record.falls > reserve.allowance)),
            "worst_event": record.event,
            "fall_quantile": record.quantile, "low": record.low, "high": record.high,
            "worst_day": float(record.falls.max()), "modelled": record.modelled},
        "threshold_at_their_bonus": each.threshold_at_their_bonus,
        "threshold_distance": each.threshold_at_their_bonus - reserve.threshold,
    }
    if each.ours is None:
        return out | {"ours": None, "why_not": each.why_not}
    limits = each.ours.limits
    return out | {
        "ours": {"ltv": limits.ltv, "threshold": limits.liquidation_threshold, "bonus": limits.liquidation_bonus,
                 "supply_cap": _tokens(limits.supply_cap, record), "borrow_cap": _tokens(limits.borrow_cap, record)},
        "binding": each.ours.binding,
        "bonus_distance": (limits.liquidation_bonus or 0.0) - reserve.bonus,
        "ltv_distance": None if not reserve.ltv else (limits.ltv or 0.0) - reserve.ltv,
    }


def _tokens(units: int | None, record: PriceRecord) -> float | None:
    """Whole tokens of an amount in ledger units at the last price."""
    return None if units is None else float(np.floor(units / UNITS_PER_ONE / record.last_price))
