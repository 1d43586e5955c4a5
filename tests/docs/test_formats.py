"""The pages of the formats name the keys that the documents have."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from leverline.evidence.backtest import BacktestResult
from leverline.evidence.bench.rows import BenchRow
from leverline.evidence.coverage_rows import CoverageRow, PooledRow, StressRow
from leverline.evidence.crash_days import CrashDay
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.margin.account_rows import ACCOUNTS
from leverline.margin.reading_marks import MARKS
from leverline.market.book_rules import BAND_RULES, SNAPSHOT_RULES
from leverline.market.bracket_rules import RULES as BRACKET_RULES
from leverline.market.order_events import EVENT_RULES
from leverline.market.series_kinds import KINDS
from leverline.market.series_rules import RULES as SERIES_RULES
from leverline.market.sources import bracket_files, depth_bands, level2, level3, series_files, trade_files
from leverline.market.suspicion import RULES
from leverline.market.trade_rules import RULES as TRADE_RULES
from leverline.model import AssetLimits, InstrumentLimits, LimitBook, Provenance, RiskAppetite, Tier, VenueLimits
from leverline.model.appetite import PROFILES, Confidence
from tests.docs.tables import DOCS, names, page, rows, section


def test_the_appetite_page_lists_every_key() -> None:
    """A venue would miss a decision about money that its file has to make."""
    listed = names(section(page("formats/appetite.md"), "Keys"))
    expected = []
    for name, field in RiskAppetite.model_fields.items():
        section_type = next(iter(get_args(field.annotation)), None) or field.annotation  # of a section that may be out
        below = getattr(section_type, "model_fields", None)
        expected += [f"{name}.{key}" for key in below] if below else [name]
    assert listed == expected


def test_the_appetite_shown_is_read_and_sets_every_key() -> None:
    """The file that readers start from would be refused, or hide a key."""
    appetite = RiskAppetite.read(DOCS / "formats" / "appetite.toml")
    written = tomllib.loads(Path(DOCS / "formats" / "appetite.toml").read_text(encoding="utf-8"))
    assert appetite.model_dump(mode="json") == written


@pytest.mark.parametrize("name", PROFILES)
def test_the_profiles_are_as_the_table_says(name: str) -> None:
    """Somebody would choose a profile by figures that are not its own."""
    appetite, period = RiskAppetite.profile(name), RiskAppetite.profile(name).margin_period
    table = [cells for cells in rows(section(page("formats/appetite.md"), "The profiles"), "") if len(cells) == 4]
    figures = {cells[0]: cells[1 + PROFILES.index(name)] for cells in table}
    assert figures["level"] == f"{appetite.confidence.level:g} {appetite.confidence.unit.replace('_', ' ')}"
    assert float(figures["detection + oracle, s"]) == period.detection_s + period.oracle_delay_s
    assert float(figures["longest liquidation, s"]) == period.max_liquidation_s
    assert float(figures["reaction, s"]) == appetite.initial.reaction_s
    assert float(figures["liquidation-cost budget"]) == appetite.costs.liquidation_cost_budget
    assert float(figures["crowding"]) == appetite.costs.crowding
    assert float(figures["depth counts as seen for, s"]) == appetite.costs.max_depth_age_s
    assert float(figures["basis allowance"]) == appetite.costs.basis_allowance_rate
    assert float(figures["minimum maintenance rate"]) == appetite.rounding.minimum_maintenance_rate
    assert float(figures["highest leverage"]) == appetite.rounding.max_leverage
    assert int(figures["tiers"]) == appetite.rounding.tiers


def test_the_limit_book_page_lists_every_key() -> None:
    """Whoever reads a book with a program would meet keys that nobody told of."""
    text = page("formats/limitbook.md")
    top = [field.alias or key for key, field in LimitBook.model_fields.items()]
    assert names(text[: text.index("## Instrument")]) == [
        *top[: top.index("collateral")], "collateral", "venue", "explanations", "overrides", "challenges", "provenance"]
    assert set(names(section(text, "Instrument"))) == set(InstrumentLimits.model_fields)
    assert names(section(text, "Tier")) == list(Tier.model_fields)
    assert names(section(text, "Asset")) == list(AssetLimits.model_fields)
    assert names(section(text, "Venue")) == list(VenueLimits.model_fields)
    assert names(section(text, "Provenance")) == list(Provenance.model_fields)


def test_the_backtest_page_lists_every_key() -> None:
    """Whoever reads a backtest with a program would meet keys that nobody told of."""
    text = page("formats/backtest.md")
    empty = BacktestResult((), (), (), (), (), "", None)
    assert set(names(text[: text.index("## results")])) == set(empty.to_dict())
    for title, row in (("results", CoverageRow), ("pooled", PooledRow), ("stress", StressRow),
                       ("crash_days", CrashDay)):
        assert names(section(text, title)) == [field.name for field in fields(row)], title


def test_experiment_and_bench_pages_list_every_key() -> None:
    """Whoever compares runs with a program would meet keys that nobody told of."""
    text = page("formats/experiment.md")
    experiment = Experiment("", (), {})
    assert set(names(section(text, "Experiment"))) == set(experiment.to_dict())
    (described,) = [cells[1] for cells in rows(section(text, "Experiment"), "key") if cells[0] == "`rows`"]
    assert described == ", ".join(f"`{field.name}`" for field in fields(Row))
    assert names(section(text, "Bench rows")) == [field.name for field in fields(BenchRow)]


def test_the_rules_of_data_quality_are_all_listed() -> None:
    """A finding in a report would have a name that is explained nowhere."""
    assert names(page("concepts/data-quality.md"), "rule") == list(RULES)


def _spelled(table: list[list[str]], cells: int = 1) -> set[str]:
    """Every name between back-ticks in the first ``cells`` cells of each row."""
    return {name for row in table for cell in row[:cells] for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize(("name", "first", "cells", "known"), [
    ("level2", "column", 1, level2.LEVEL2.known),
    ("level3", "column", 1, level3.LEVEL3.known),
    ("bands", "column", 1, depth_bands.BANDS.known),
    ("trades", "column", 2, trade_files.LAYOUT.known),
    ("accounts", "column", 1, ACCOUNTS.known),
    ("marks", "column", 1, MARKS.known),
    ("brackets", "field", 2, [*bracket_files.NAMES, *bracket_files.LAYOUT.known]),
])
def test_a_page_of_a_format_names_the_columns_that_are_read(
    name: str, first: str, cells: int, known: Sequence[str]
) -> None:
    """Somebody would prepare a file by the page and have a column refused, or ignored."""
    assert _spelled(rows(page(f"formats/{name}.md"), first), cells) == set(known)


def test_the_page_of_series_says_of_every_column_its_kind_and_when_it_is_known() -> None:
    """A value would be used a day before anybody had it."""
    text = page("formats/series.md")
    stated = {(kind.strip("`"), column, known != "at `ts`")
              for kind, columns, _, known in rows(text, "kind") for column in re.findall(r"`([^`]+)`", columns)}
    assert stated == {(kind.name, column.name, column.at_end) for kind in KINDS.values() for column in kind.columns}
    assert all(f"`{time}`" in text for time in series_files.TIMES)


@pytest.mark.parametrize(("name", "rules"), [
    ("concepts/liquidity.md", dict.fromkeys((*SNAPSHOT_RULES, *BAND_RULES, "thin-levels"))),
    ("formats/level3.md", EVENT_RULES), ("formats/trades.md", TRADE_RULES), ("formats/series.md", SERIES_RULES),
    ("formats/brackets.md", BRACKET_RULES),
])
def test_the_rules_of_the_other_formats_are_all_listed(name: str, rules: Sequence[str]) -> None:
    """A finding in a report would have a name that is explained nowhere."""
    assert names(page(name), "rule") == list(rules)


def test_worked_figures_of_probability_are_right() -> None:
    """Whoever converts a confidence by our example would hold another margin than the engine."""
    table = rows(page("concepts/probability.md"), "level")
    assert len(table) >= 8
    for level, unit, horizon, allowed in table:
        confidence = Confidence.model_validate({"level": float(level), "unit": unit.strip("`")})
        computed = confidence.exceedance_per_margin_period(float(horizon.removesuffix(" s")))
        assert f"{computed:.6g}" == allowed
