"""Three published deficits of one deleveraging, 100.06, 109.29 and 23.19 million USD: what each counts, and a bound.

* **100.06 M** (pluriholonomic/autodeleveraging-analysis, ``bad_debt_loser_waves.csv``) sums the negative equity of the
  losers of each of 16 waves. Losers are made unique within a wave and not across waves: one deficit of exactly
  10,925,707.159377944 is the largest of nine waves. Nine accounts with one deficit to the last of 17 digits are not
  believed; that it is one account is inferred, for the tables name none. Counted once, what remains bounds the deficit
  from above on this basis, since smaller losers may recur as well.
* **23.19 M** (ConejoCapital/HyperMultiAssetedADL, its report of the fund's impact) sums cash and unrealised profit of
  302 accounts, each once, when it was deleveraged. The same figure is the sum over the shocks of the first source's
  ``per_shock_metrics_queue.csv``, so it is recomputed here. A shock is one coin in one cluster of fills.
* **109.29 M** is what the second source gave first (its comparison report of December 2025): positions were carried at
  their size before a fill instead of after it, and 1,147 accounts looked negative. Its authors withdrew it. Nothing
  here can recompute it, so its row checks the published figures against each other.

The two bases differ (all losers of a wave at once; deleveraged accounts at their own moment), so the bound on the
first is no bound on the second. Half of the second is one shock of 11.56 M, within the last wave that has the recurring
loss.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from leverline import __version__
from leverline.evidence.experiments.adl_tables import RELATIVE, AdlTables, near, read_tables, total
from leverline.evidence.experiments.verdicts import Experiment, Row

REPEATED = 10_925_707.159377944
WAVES_WITH_IT = 9
COUNTED_ONCE = 12_657_729.41
WITHDRAWN, CORRECTED = 109_288_587.0, 23_191_104.48
CORRECTION = 86_097_483.0
CORRECTED_ACCOUNTS = 302
WHOLE = "to the unit"


def run(folder: Path) -> Experiment:
    """Reconcile the three on the tables in ``folder/adl_oct10``."""
    tables = read_tables(folder)
    rows = (*waves_rows(tables), *shocks_rows(tables), *withdrawn_rows(tables))
    provenance = {"software": f"leverline {__version__}", "files": tables.digests,
                  "sources": ["pluriholonomic/autodeleveraging-analysis aae0be8",
                              "ConejoCapital/HyperMultiAssetedADL 79bad0f"]}
    return Experiment("adl-deficit-audit", rows, provenance, tuple(by_wave(tables)))


def waves_rows(tables: AdlTables) -> tuple[Row, ...]:
    """The wave basis: the published sum, the deficit that recurs, and the bound when it is counted once."""
    losers = tables.losers
    published = float(tables.horizons["total_deficit_usd"][0])
    summed, once = total(losers, "deficit_usd"), counted_once(losers)
    times = recurring(losers)
    needed = total(tables.policies, "budget_needed")
    alone = losers.filter(pl.col("wave") == 1)
    return (
        Row("deficit summed over the waves, USD", summed, f"{published:,.2f}", f"{RELATIVE:g} relative",
            near(summed, published)),
        Row("waves whose largest loss is the very same number", float(times), f"{WAVES_WITH_IT}, {REPEATED}", WHOLE,
            times == WAVES_WITH_IT),
        Row("waves whose deficit contains that loss", float((losers["deficit_usd"] >= REPEATED).sum()),
            f"{WAVES_WITH_IT}", WHOLE, int((losers["deficit_usd"] >= REPEATED).sum()) == times),
        Row("losers in the first wave, whose whole deficit it is", float(alone["unique_losers"][0]), "1", WHOLE,
            alone["unique_losers"][0] == 1 and alone["deficit_usd"][0] == REPEATED),
        Row("counted more than once, USD", summed - once, f"{(times - 1) * REPEATED:,.2f}", f"{RELATIVE:g} relative",
            near(summed - once, (times - 1) * REPEATED)),
        Row("share of the published sum that is counted again", (summed - once) / summed, "more than 5/6", "above",
            (summed - once) / summed > 5 / 6),
        Row("upper bound, that loss counted once, USD", once, f"{COUNTED_ONCE:,.2f}", f"{RELATIVE:g} relative",
            near(once, COUNTED_ONCE)),
        Row("the bound over what the same source calls needed", once / needed, f"1 ({needed:,.2f} needed)", "below",
            once < needed),
    )


def shocks_rows(tables: AdlTables) -> tuple[Row, ...]:
    """The account basis: the sum over shocks is the other source's sum over accounts."""
    shocks = tables.shocks
    summed = total(shocks, "deficit_usd")
    repeats = int((shocks.filter(pl.col("deficit_usd") > 1.0)["deficit_usd"].is_duplicated()).sum())
    return (
        Row("deficit summed over the shocks, USD", summed, f"{CORRECTED:,.2f} over {CORRECTED_ACCOUNTS} accounts",
            f"{RELATIVE:g} relative", near(summed, CORRECTED)),
        Row("shocks whose deficit above 1 USD occurs twice", float(repeats), "0", WHOLE, repeats == 0),
    )


def withdrawn_rows(tables: AdlTables) -> tuple[Row, ...]:
    """The withdrawn figure: it differs from the corrected one by the correction that its authors state."""
    summed = total(tables.shocks, "deficit_usd")
    return (
        Row("withdrawn figure less its stated correction, USD", WITHDRAWN - CORRECTION,
            f"{summed:,.2f} over the shocks", f"{RELATIVE:g} relative", near(WITHDRAWN - CORRECTION, summed)),
    )


def recurring(losers: pl.DataFrame) -> int:
    """Waves whose largest loss is the one that recurs most, exact to the last bit."""
    return int(losers["max_loss_usd"].value_counts()["count"].max())  # type: ignore[arg-type]


def counted_once(losers: pl.DataFrame) -> float:
    """The sum over waves with each largest loss that recurs exactly counted once, USD."""
    first = losers.unique(subset="max_loss_usd", keep="first", maintain_order=True)
    return total(losers, "deficit_usd") - (total(losers, "max_loss_usd") - total(first, "max_loss_usd"))


def by_wave(tables: AdlTables) -> list[dict[str, Any]]:
    """Both bases wave by wave: the published deficit, without the recurring loss, and the shocks within its time."""
    shocks = tables.shocks.with_columns(
        pl.col("t_start").str.to_datetime(time_unit="ms", time_zone="UTC").dt.epoch("ms").alias("ms"))
    rows = []
    for wave in tables.losers.iter_rows(named=True):
        within = shocks.filter(pl.col("ms").is_between(wave["t_start_ms"], wave["t_end_ms"]))
        again = REPEATED if wave["max_loss_usd"] == REPEATED else 0.0
        rows.append({"wave": wave["wave"], "losers": wave["unique_losers"], "deficit_usd": wave["deficit_usd"],
                     "without_the_recurring_usd": wave["deficit_usd"] - again,
                     "shocks_within_usd": total(within, "deficit_usd")})
    return rows
