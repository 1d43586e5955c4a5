"""The deleveraging on Hyperliquid on 2025-10-10: published totals recomputed, then our own rules on the same waves.

*Totals.* Every total of the published per-wave tables (see :mod:`.adl_tables`) is recomputed from its parts. "Needed"
is the source's distance from fill to bankruptcy price times lots, not cash; "removed" is what production took. The
queue's totals by shock (653.6 M) use the wealth of the deleveraged, and are recomputed as such. Two things cannot be:
the mean participation, whose parts are not in the tables, and the needed budgets of five waves out of their coins,
because the published table of coins ends within wave 14.

*Waves.* Rules that need only sums of a wave: one haircut for all on the winners' equity or profit given there. A
haircut is named infeasible where it is above 1, and where a published largest haircut is *below* budget / equity: no
rule can keep everybody under the mean, so there the two tables are on different winners, or on another equity.

*Lots.* Our integer rules on a seeded crowd matched to each wave (see :mod:`.adl_population`): budget and lots to the
unit, largest haircut of anybody. Largest haircuts depend on the crowd, which is assumed; that the budget is met, that
lots balance and that water-filling is never beaten do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from leverline import __version__
from leverline.evidence.experiments.adl_population import RULES, Crowd, Taken, draw_crowd, take
from leverline.evidence.experiments.adl_tables import RELATIVE, AdlTables, near, read_tables, total
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.model.quantities import UNITS_PER_ONE

SEED = 20251010
PUBLISHED_POLICIES = ("prod", "pr", "pnl_pr", "eq_pr", "vector", "contract_pr", "fixed_point_ilp_integer")
WAVES, WHOLE_WAVES, BELOW_THE_MEAN = 16, 11, 13
MOST_HAIRCUT = 0.20
"""Of anybody's equity, by our own rules."""
OWN = ("pro rata by equity", "least largest haircut")
TOLERANCE = f"{RELATIVE:g} relative"


def run(folder: Path) -> Experiment:
    """Recompute and compare on the tables in ``folder/adl_oct10``."""
    tables = read_tables(folder)
    taken = run_rules(tables)
    rows = (*total_rows(tables), *part_rows(tables), *wave_rows(tables), *lot_rows(taken))
    variants = [*policy_variants(tables), *wave_variants(tables), *rule_variants(taken),
                {"not recomputable": "mean participation of the queue by shock",
                 "published": float(tables.shock_totals["avg_participation"][0])},
                {"not recomputable": "needed budget out of coins", "waves": waves_without_all_coins(tables)}]
    provenance = {"software": f"leverline {__version__}", "seed": SEED, "files": tables.digests,
                  "source": "pluriholonomic/autodeleveraging-analysis aae0be8", "paper": "arXiv 2602.15182"}
    return Experiment("adl-oct10", rows, provenance, tuple(variants))


def total_rows(tables: AdlTables) -> tuple[Row, ...]:
    """Totals of the source, each from its waves or shocks."""
    policies, shocks = tables.policies, tables.shocks
    at_once, by_shock = tables.horizons.row(0, named=True), tables.shock_totals.row(0, named=True)
    over = (shocks["budget_queue_usd"] - shocks["deficit_usd"]).clip(lower_bound=0.0).sum()
    left = (shocks["deficit_usd"] - shocks["budget_queue_usd"]).clip(lower_bound=0.0).sum()
    needed, removed = total(policies, "budget_needed"), total(policies, "budget_prod")
    wanted = (
        ("waves", float(len(policies)), at_once["num_waves"]),
        ("needed, USD", needed, at_once["total_budget_needed_usd"]),
        ("removed by production, USD", removed, at_once["total_H_prod_usd"]),
        ("removed beyond what was needed, net, USD", removed - needed,
         at_once["total_overshoot_prod_minus_needed_usd"]),
        ("deficit of the losers of each wave, USD", total(policies, "deficit_usd"), at_once["total_deficit_usd"]),
        ("by shock: queue beyond the deficit, USD", float(over), by_shock["total_overshoot"]),
        ("by shock: deficit that the queue left, USD", float(left), by_shock["total_residual"]),
    )
    return tuple(Row(f"total: {name}", ours, f"{theirs:,.2f}", TOLERANCE, near(ours, theirs))
                 for name, ours, theirs in wanted)


def part_rows(tables: AdlTables) -> tuple[Row, ...]:
    """What the totals are made of, wave by wave: the largest relative distance from the published column."""
    policies, winners, horizons, coins = tables.policies, tables.winners, tables.horizons, tables.coins
    needed, deficit = policies["budget_needed"], winners["deficit_usd"]
    pairs = [(policies[f"budget_{name}"] - needed, policies[f"overshoot_{name}"]) for name in PUBLISHED_POLICIES]
    whole = WAVES - len(waves_without_all_coins(tables))
    checks = (
        ("removed less needed, seven policies", max(float((ours - theirs).abs().max()) / float(needed.max())  # type: ignore[arg-type]
                                                     for ours, theirs in pairs)),
        ("needed in the table of policies and in that of winners", _apart(winners["budget_needed_usd"], needed)),
        ("removed by production in both", _apart(winners["budget_prod_usd"], policies["budget_prod"])),
        ("deficit in both and in that of losers", max(_apart(deficit, policies["deficit_usd"]),
                                                      _apart(deficit, tables.losers["deficit_usd"]))),
        ("needed over deficit", _apart(winners["budget_needed_usd"] / deficit, winners["theta_needed"])),
        ("removed over deficit", _apart(winners["budget_prod_usd"] / deficit, winners["theta_prod"])),
        ("needed beyond removed at five horizons", _apart(
            horizons["total_H_prod_usd"] - horizons["total_budget_needed_usd"],
            horizons["total_overshoot_prod_minus_needed_usd"])),
        ("gap a contract times contracts, by coin", _apart(
            coins["gap_per_contract_usd"] * coins["qty_contracts"], coins["gap_usd_x_qty"])),
    )
    return (*(Row(f"parts: {name}, largest distance", far, "0", TOLERANCE, far <= RELATIVE) for name, far in checks),
            Row("parts: waves whose needed budget is the sum of their coins'", float(whole),
                f"{WHOLE_WAVES}, the table of coins ends within wave 14", "to the unit", whole == WHOLE_WAVES))


def wave_rows(tables: AdlTables) -> tuple[Row, ...]:
    """Rules on the sums of a wave, and how many haircuts are infeasible."""
    waves = wave_variants(tables)
    on_equity, on_profit = (max(w[name] for w in waves) for name in ("on_equity", "on_profit"))
    below = sum(w["published_equity_haircut"] < w["on_equity"] for w in waves)
    above = sum(w["removed_over_deficit"] > 1.0 for w in waves)
    capped = tables.winners["theta_prod"].clip(upper_bound=1.0)
    return (
        Row("waves: largest haircut needed of all winners' equity", on_equity, "feasible in every wave", "at most 1",
            on_equity <= 1.0),
        Row("waves: largest haircut needed of all winners' profit", on_profit, "feasible in every wave", "at most 1",
            on_profit <= 1.0),
        Row("waves: infeasible, more removed than the deficit that it is a share of", float(above),
            "the table caps each at 1", TOLERANCE, _apart(capped, tables.winners["theta_prod_capped"]) <= RELATIVE),
        Row("waves: infeasible, published largest equity haircut below needed / equity", float(below),
            f"{BELOW_THE_MEAN} of {WAVES}", "to the unit", below == BELOW_THE_MEAN),
    )


def run_rules(tables: AdlTables) -> list[tuple[int, Crowd, dict[str, Taken]]]:
    """Each wave, its crowd, and what every rule takes from it."""
    out = []
    for wave in tables.winners.iter_rows(named=True):
        rng = np.random.default_rng([SEED, wave["wave"]])
        crowd = draw_crowd(_units(wave["winners_equity_start_usd"]), _units(wave["winners_pnl_start_usd"]),
                           _units(wave["budget_needed_usd"]), rng)
        out.append((int(wave["wave"]), crowd, {name: take(crowd, rule, rng) for name, rule in RULES.items()}))
    return out


def lot_rows(runs: list[tuple[int, Crowd, dict[str, Taken]]]) -> tuple[Row, ...]:
    """The integer rules: budget, balance of lots, largest haircut."""
    all_taken = [(crowd, taken) for _, crowd, by_rule in runs for taken in by_rule.values()]
    off_budget = sum(abs(sum(taken.units) - crowd.budget) for crowd, taken in all_taken)
    off_lots = sum(abs(sum(taken.lots) - crowd.need) for crowd, taken in all_taken)
    beyond = sum(lots > held for crowd, taken in all_taken for lots, held in zip(taken.lots, crowd.lots, strict=True))
    beaten = sum(other.largest_lots_by_equity(crowd) < by_rule["least largest haircut"].largest_lots_by_equity(crowd)
                 for _, crowd, by_rule in runs for other in by_rule.values())
    rows = [
        Row(f"lots: units off the budget, {len(RULES)} rules in {len(runs)} waves", float(off_budget), "0", "exact",
            off_budget == 0),
        Row("lots: closed for winners less closed for losers", float(off_lots), "0", "exact", off_lots == 0),
        Row("lots: winners closed beyond their position", float(beyond), "0", "exact", beyond == 0),
        Row("lots: rules with a lower largest haircut than water-filling, over all waves", float(beaten), "0", "exact",
            beaten == 0),
    ]
    for name in OWN:
        most = max(float(by_rule[name].largest_haircut(crowd)) for _, crowd, by_rule in runs)
        rows.append(Row(f"lots: largest haircut of anybody, {name}", most, f"{MOST_HAIRCUT:.2f}", "at most",
                        most <= MOST_HAIRCUT))
    return tuple(rows)


def policy_variants(tables: AdlTables) -> list[dict[str, Any]]:
    """The published policies, summed over waves."""
    policies = tables.policies
    return [{"published policy": name, "removed_usd": total(policies, f"budget_{name}"),
             "net_usd": total(policies, f"overshoot_{name}"),
             "absolute_usd": float(policies[f"overshoot_{name}"].abs().sum()),
             "waves_short": int((policies[f"overshoot_{name}"] < -RELATIVE * policies["budget_needed"]).sum()),
             "largest_haircut": float(policies[f"max_pct_{name}"].max())}  # type: ignore[arg-type]
            for name in PUBLISHED_POLICIES]


def wave_variants(tables: AdlTables) -> list[dict[str, Any]]:
    """One haircut for all winners of a wave, and why one is infeasible."""
    joined = tables.winners.join(tables.policies.select("wave", "max_pct_eq_pr"), on="wave")
    rows = []
    for wave in joined.iter_rows(named=True):
        needed, equity = wave["budget_needed_usd"], wave["winners_equity_start_usd"]
        reasons = [reason for reason, found in (
            ("more removed than the deficit", wave["theta_prod"] > 1.0),
            ("more needed than the deficit", wave["theta_needed"] > 1.0),
            ("published largest equity haircut below the mean", wave["max_pct_eq_pr"] < needed / equity)) if found]
        rows.append({"wave": wave["wave"], "on_equity": needed / equity,
                     "on_profit": needed / wave["winners_pnl_start_usd"],
                     "removed_over_deficit": wave["theta_prod"], "needed_over_deficit": wave["theta_needed"],
                     "published_equity_haircut": wave["max_pct_eq_pr"], "infeasible": reasons})
    return rows


def rule_variants(runs: list[tuple[int, Crowd, dict[str, Taken]]]) -> list[dict[str, Any]]:
    """Every rule in every wave."""
    return [{"wave": wave, "rule": name, "largest_haircut": float(taken.largest_haircut(crowd)),
             "winners_touched": sum(lots > 0 for lots in taken.lots), "beyond_their_profit": taken.beyond_profit(crowd)}
            for wave, crowd, by_rule in runs for name, taken in by_rule.items()]


def waves_without_all_coins(tables: AdlTables) -> list[int]:
    """Waves whose needed budget is not the sum over the coins published for it."""
    summed = tables.coins.group_by("wave").agg(pl.col("gap_usd_x_qty").sum().alias("coins"))
    joined = tables.winners.join(summed, on="wave", how="left").with_columns(pl.col("coins").fill_null(0.0))
    return [int(wave["wave"]) for wave in joined.sort("wave").iter_rows(named=True)
            if not near(wave["coins"], wave["budget_needed_usd"])]


def _apart(ours: pl.Series, theirs: pl.Series) -> float:
    """Largest relative distance; where theirs is 0 so must ours be."""
    scale = theirs.abs().clip(lower_bound=np.finfo(float).tiny)
    return float(((ours - theirs).abs() / scale).max())  # type: ignore[arg-type]


def _units(usd: float) -> int:
    return round(usd * UNITS_PER_ONE)
