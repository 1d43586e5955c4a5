"""The deleveraging experiments: they hold on the published tables, and notice tables that do not add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from leverline.evidence.experiments import adl_deficit_audit, adl_oct10
from leverline.evidence.experiments.adl_deficit_audit import counted_once, recurring
from leverline.evidence.experiments.adl_population import RULES, draw_crowd, take
from leverline.evidence.experiments.adl_tables import FOLDER, LOSERS, POLICIES, read_tables
from leverline.ground.errors import InsufficientDataError

UNITS = 10**6


@pytest.mark.shared_data
@pytest.mark.parametrize("experiment", [adl_oct10, adl_deficit_audit], ids=["adl-oct10", "adl-deficit-audit"])
def test_every_claim_holds_and_is_the_same_twice(experiment: ModuleType, shared_data: Path) -> None:
    """What the documentation says of the published deleveraging would not be what the tables say."""
    done = experiment.run(shared_data)
    assert [row.quantity for row in done.rows if not row.holds] == []
    assert json.dumps(done.to_dict(), allow_nan=False) == json.dumps(experiment.run(shared_data).to_dict())


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "column", "experiment"), [
    (POLICIES, "budget_needed", adl_oct10), (POLICIES, "budget_prod", adl_oct10),
    (LOSERS, "deficit_usd", adl_oct10), (LOSERS, "deficit_usd", adl_deficit_audit)])
def test_a_wave_that_is_off_by_a_hundredth_is_noticed(name: str, column: str, experiment: ModuleType, shared_data: Path,
                                                        tmp_path: Path) -> None:
    """A recomputation that accepts any table confirms nothing."""
    folder = tmp_path / FOLDER
    shutil.copytree(shared_data / FOLDER, folder, copy_function=shutil.copy)
    for path in (folder, folder / "horizon_0", *folder.rglob("*.csv")):
        path.chmod(0o755)
    table = pl.read_csv(folder / name)
    factor = pl.when(pl.col("wave") == 13).then(1.01).otherwise(1.0)
    table.with_columns((pl.col(column) * factor).alias(column)).write_csv(folder / name)
    assert experiment.run(tmp_path).verdict == "falls short"


def test_absent_tables_are_insufficient_data(tmp_path: Path) -> None:
    """A machine without the data would look like one where the claim fails."""
    with pytest.raises(InsufficientDataError, match=POLICIES):
        read_tables(tmp_path)


def test_only_deficits_equal_to_the_last_bit_are_counted_once() -> None:
    """Two accounts with nearly the same loss are two accounts."""
    losers = pl.DataFrame({"deficit_usd": [10.0, 12.0, 11.0], "max_loss_usd": [10.0, 10.0, 10.000001]})
    assert recurring(losers) == 2
    assert counted_once(losers) == 23.0


def test_the_crowd_has_the_sums_of_its_wave_and_every_rule_meets_the_budget() -> None:
    """A haircut on a crowd with more money than the wave had looks smaller than it was."""
    rng = np.random.default_rng(1)
    crowd = draw_crowd(1_000 * UNITS, 300 * UNITS, 7 * UNITS + 1, rng)
    assert (sum(crowd.equity), sum(crowd.profit)) == (1_000 * UNITS, 300 * UNITS)
    assert sum(crowd.lots) == 10 * crowd.need
    taken = {name: take(crowd, rule, rng) for name, rule in RULES.items()}
    assert all(sum(t.units) == 7 * UNITS + 1 and sum(t.lots) == crowd.need for t in taken.values())
    least = taken["least largest haircut"].largest_lots_by_equity(crowd)
    assert all(least <= t.largest_lots_by_equity(crowd) for t in taken.values())
    assert least < taken["queue"].largest_lots_by_equity(crowd)
