"""Books in other systems' shapes: nothing loosened, nothing lost silently, and read back the same."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.calibrate.export import (
    CSV_COLUMNS,
    OPEN_CAP,
    from_ccxt,
    to_binance_brackets,
    to_ccxt,
    to_csv,
    to_steward_update,
)
from leverline.calibrate.tiers import fit_tiers
from leverline.ground.errors import MalformedInputError
from leverline.model.appetite import Rounding
from leverline.model.collateral import AssetLimits
from leverline.model.limitbook import InstrumentLimits, LimitBook, Tier
from leverline.model.provenance import Provenance
from leverline.model.quantities import UNITS_PER_ONE
from tests.model.books import AS_OF, book, schedule


def fitted(rate: float, growth: float) -> tuple[Tier, ...]:
    notional = np.geomspace(1e3, 1e7, 30)
    maintenance = notional * rate * (1 + growth * notional / 1e7)
    return fit_tiers(notional, maintenance, 1.3 * maintenance, n_tiers=6,
                     rounding=Rounding(minimum_maintenance_rate=0.0, maintenance_step=0.001, max_leverage=100, tiers=6),
                     minimum_buffer=0.1)


def test_a_steward_update_is_in_basis_points_and_never_looser_than_the_book() -> None:
    """A steward would submit a threshold above the calibrated one, or a cap a million times too high."""
    limits = AssetLimits(ltv=0.65, liquidation_threshold=0.72345, liquidation_bonus=0.05551,
                         supply_cap=12_000_000 * UNITS_PER_ONE + 1)
    (update,) = to_steward_update(book(collateral={"ETH": limits}))
    assert update == {"asset": "ETH", "currency": book().settlement, "ltv": 6500, "liquidation_threshold": 7234,
                      "liquidation_bonus": 556, "supply_cap": 12_000_000}


def test_ccxt_tiers_have_exactly_its_fields_and_amounts_in_currency() -> None:
    """A trading bot that reads another unit or a missing field sizes its positions a million times wrong."""
    exported = to_ccxt(book())["BTC/USDT:USDT"]
    assert [sorted(t) for t in exported] == [sorted(
        ("tier", "symbol", "currency", "minNotional", "maxNotional", "maintenanceMarginRate", "maxLeverage", "info"),
    )] * len(exported)
    first, second = exported[:2]
    assert (first["tier"], first["symbol"], first["currency"]) == (1, "BTC/USDT:USDT", "USD")
    assert (first["minNotional"], first["maxNotional"]) == (0, 50_000)
    assert (second["minNotional"], second["maintenanceMarginRate"], second["maxLeverage"]) == (50_000, 0.02, 25.0)
    assert second["info"]["maintenance_deduction"] == "500000000"
    assert exported[-1]["maxNotional"] is None
    json.dumps(exported, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(0.002, 0.2), growth=st.floats(0.0, 3.0))
def test_tiers_survive_the_way_through_ccxt(rate: float, growth: float) -> None:
    """A venue that checks itself against its own export must find no difference."""
    tiers = fitted(rate, growth)
    sealed = book(instruments={"X/USD:USD": InstrumentLimits(tiers=tiers)})
    there = json.loads(json.dumps(to_ccxt(sealed)))["X/USD:USD"]
    assert from_ccxt(there) == tiers


def test_binance_brackets_carry_cum_and_name_every_lowered_leverage() -> None:
    """Binance knows whole leverages only: 2.5 must leave as 2 (more margin, not less), and somebody must be told."""
    documents, lowered = to_binance_brackets(book())
    assert [d["symbol"] for d in documents] == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    brackets = documents[0]["brackets"]
    assert [sorted(b) for b in brackets] == [sorted(
        ("bracket", "initialLeverage", "notionalCap", "notionalFloor", "maintMarginRatio", "cum"))] * len(brackets)
    assert [b["initialLeverage"] for b in brackets] == [50, 25, 2]
    assert [b["cum"] for b in brackets] == [0, 500, 80_500]
    assert brackets[-1]["notionalCap"] == OPEN_CAP
    assert lowered == ["BTC/USDT:USDT bracket 3: leverage 2.5 leaves as 2"]


def test_a_leverage_below_one_has_no_bracket() -> None:
    """Rounded down it would be leverage 0, which some readers take for unlimited."""
    (tier,) = schedule((0, None, 0.5, 0.8))
    with pytest.raises(MalformedInputError, match="bracket 1"):
        to_binance_brackets(book(instruments={"X": InstrumentLimits(tiers=(tier,))}))


def test_the_csv_is_one_row_a_tier_with_every_digit() -> None:
    """A spreadsheet that shows 1e+06 or drops a unit cannot be reviewed against the book."""
    odd = (Tier(notional_floor=0, notional_cap=1_000_001, max_leverage=3, initial_margin_rate=1 / 3,
                maintenance_margin_rate=0.1, maintenance_deduction=0),)
    rows = list(csv.DictReader(io.StringIO(to_csv(book(instruments={
        "A,B": InstrumentLimits(tiers=odd, binding_side="short"), "C": book().instruments["BTC/USDT:USDT"]})))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(r["symbol"], r["tier"]) for r in rows] == [("A,B", "1"), ("C", "1"), ("C", "2"), ("C", "3")]
    assert rows[0]["notional_cap"] == "1.000001"
    assert float(rows[0]["initial_margin_rate"]) == 1 / 3
    assert rows[0]["binding_side"] == "short"
    assert rows[3] == rows[3] | {"notional_floor": "1000000", "notional_cap": "", "maintenance_deduction": "80500"}


GOOD = {"tier": 1, "symbol": "X", "currency": "USD", "minNotional": 0, "maxNotional": 100.0,
        "maintenanceMarginRate": 0.01, "maxLeverage": 20, "info": {}}


@pytest.mark.parametrize(("change", "column"), [
    ({"minNotional": None}, "minNotional"), ({"maxNotional": "100"}, "maxNotional"),
    ({"maxLeverage": 0}, "maxLeverage"), ({"maxLeverage": True}, "maxLeverage"),
    ({"maxNotional": float("nan")}, "maxNotional"), ({"maintenanceMarginRate": float("inf")}, "maintenanceMarginRate"),
    ({"minNotional": -1}, "minNotional"), ({"maxNotional": 1e-7}, "maxNotional"),
])
def test_tiers_that_are_no_numbers_are_refused_by_row_and_column(change: dict[str, Any], column: str) -> None:
    """A cap of NaN read as 'no cap' would open the market without limit."""
    with pytest.raises(MalformedInputError) as caught:
        from_ccxt([GOOD | change])
    assert caught.value.place is not None
    assert (caught.value.place.row, caught.value.place.column) == (1, column)


@pytest.mark.parametrize("second", [
    GOOD | {"minNotional": 150, "maxNotional": 200}, GOOD | {"minNotional": 100, "maxNotional": 50},
    GOOD | {"minNotional": 100, "maxNotional": 200, "maxLeverage": 50},
    GOOD | {"minNotional": 100, "maxNotional": 200, "maintenanceMarginRate": 0.005},
])
def test_tiers_that_do_not_join_are_refused(second: dict[str, Any]) -> None:
    """A hole between two tiers is a size for which no margin is defined."""
    with pytest.raises(MalformedInputError, match="no schedule"):
        from_ccxt([GOOD, second])
    with pytest.raises(MalformedInputError, match="no schedule"):
        from_ccxt([])


def real_markets(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    table = pl.read_parquet(folder / "leverage_tiers_binance_2024_10.parquet")
    for (market,), rows in table.group_by("market", maintain_order=True):
        yield str(market), rows.sort("tier").to_dicts()


@pytest.mark.shared_data
def test_real_brackets_read_as_tiers_and_their_cum_follows_from_continuity(shared_data: Path) -> None:
    """If a real venue's brackets did not join by our formula, our export would mean something else to its readers."""
    agree = 0
    for market, rows in real_markets(shared_data):
        tiers = from_ccxt([{
            "tier": row["tier"], "symbol": market, "currency": row["currency"], "minNotional": row["min_notional"],
            "maxNotional": row["max_notional"], "maintenanceMarginRate": row["maintenance_margin_rate"],
            "maxLeverage": row["max_leverage"], "info": {}} for row in rows])
        for tier, row in zip(tiers, rows, strict=True):
            assert tier.maintenance_deduction == round(row["maint_amount"] * UNITS_PER_ONE), (market, row["tier"])
            agree += 1
    assert agree == 2805


@pytest.mark.shared_data
def test_real_brackets_leave_as_they_came(shared_data: Path) -> None:
    """A book that holds a venue's own tiers must print the venue's own brackets."""
    market, rows = next((m, r) for m, r in real_markets(shared_data) if m == "BTC/USDT:USDT")
    tiers = from_ccxt([{
        "minNotional": r["min_notional"], "maxNotional": r["max_notional"], "maxLeverage": r["max_leverage"],
        "maintenanceMarginRate": r["maintenance_margin_rate"]} for r in rows])
    (document,), lowered = to_binance_brackets(LimitBook.of(
        as_of=AS_OF, settlement="USDT", instruments={market: InstrumentLimits(tiers=tiers)},
        provenance=Provenance(software="leverline", versions={}, data=(), as_of=AS_OF, appetite={}, estimators={})))
    assert not lowered
    assert [(b["notionalFloor"], b["notionalCap"], b["initialLeverage"], b["maintMarginRatio"], b["cum"])
            for b in document["brackets"]] == [
        (r["min_notional"], r["max_notional"], r["max_leverage"], r["maintenance_margin_rate"], r["maint_amount"])
        for r in rows]
