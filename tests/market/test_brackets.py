"""Exchange brackets from ccxt's and Binance's JSON and from tables: one meaning, refused where they do not join."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leverline.ground.errors import MalformedInputError, UsageError
from leverline.market.sources.bracket_files import describe_brackets, read_brackets
from leverline.market.sources.dataset_kinds import write_brackets
from tests.market.malformed import Case, lines, refused

HEAD = "symbol,tier,currency,notional_floor,notional_cap,maintenance_margin_rate,max_leverage,maintenance_deduction"
ONE, TWO = "X/USDT:USDT,1,USDT,0,5000,0.01,50,0", "X/USDT:USDT,2,USDT,5000,20000,0.02,25,50"


def ccxt(tier: int, floor: Any, cap: Any, rate: Any, leverage: Any, cum: Any = None, **more: Any) -> dict[str, Any]:
    info = {} if cum is None else {"info": {"cum": cum}}
    return {"tier": tier, "currency": "USDT", "minNotional": floor, "maxNotional": cap, "maintenanceMarginRate": rate,
            "maxLeverage": leverage, **info, **more}


def as_json(*tiers: dict[str, Any]) -> bytes:
    return json.dumps({"X/USDT:USDT": list(tiers)}).encode()


GOOD = ccxt(1, 0, 5000, 0.01, 50, 0.0)
CASES = [
    Case("empty", b"", None, None, "is empty"),
    Case("torn JSON", as_json(GOOD)[:-5], None, None, "not readable JSON", "b.json"),
    Case("JSON of nothing", b"{}", None, None, "no rows", "b.json"),
    Case("JSON list of numbers", b"[1, 2]", None, None, "neither", "b.json"),
    Case("endless nesting", b"[" * 100_000, None, None, "not readable JSON", "b.json"),
    Case("no brackets", b'{"X": {}}', None, None, "no list of brackets", "b.json"),
    Case("NaN in JSON", as_json(GOOD).replace(b"0.01", b"NaN"), None, None, "NaN is not a number", "b.json"),
    Case("market twice", b'{"X": [], "X": []}', None, "X", "named twice", "b.json"),
    Case("bracket of another", as_json({**GOOD, "symbol": "Y"}), None, "symbol", "stands under", "b.json"),
    Case("rate a truth", as_json(ccxt(1, 0, 5, True, 50)), 1, "maintenanceMarginRate", "cannot be read", "b.json"),
    Case("floor a list", as_json(ccxt(1, [0], 5, 0.1, 50)), 1, "minNotional", "cannot be read", "b.json"),
    Case("rate missing", as_json(GOOD, ccxt(2, 5000, 9000, None, 25, 1)), 2, "maintenanceMarginRate", "missing",
         "b.json"),
    Case("second tier starts late", as_json(GOOD, ccxt(2, 6000, 9000, 0.02, 25, 50)), 2, "minNotional", "ends at",
         "b.json"),
    Case("no leverage", lines("symbol,tier,notional_floor,notional_cap,maintenance_margin_rate", "X,1,0,1,0.1"), None,
         "max_leverage", "missing"),
    Case("symbol missing", lines(HEAD, ONE.replace("X/USDT:USDT", "")), 1, "symbol", "missing"),
    Case("rate in percent", lines(HEAD, ONE, TWO.replace("0.02", "2")), 2, "maintenance_margin_rate", "no fraction"),
    Case("rate zero", lines(HEAD, ONE.replace("0.01", "0")), 1, "maintenance_margin_rate", "not positive"),
    Case("rate a word", lines(HEAD, ONE.replace("0.01", "1 %")), 1, "maintenance_margin_rate", "not a number"),
    Case("leverage below one", lines(HEAD, ONE.replace(",50,", ",0.5,")), 1, "max_leverage", "no leverage"),
    Case("leverage absurd", lines(HEAD, ONE.replace(",50,", ",50000,")), 1, "max_leverage", "no leverage"),
    Case("floor negative", lines(HEAD, ONE.replace(",0,5000", ",-1,5000")), 1, "notional_floor", "negative"),
    Case("first floor", lines(HEAD, ONE.replace(",0,5000", ",10,5000")), 1, "notional_floor", "starts at 10"),
    Case("cap below floor", lines(HEAD, ONE, TWO.replace("20000", "4000")), 2, "notional_cap", "not above"),
    Case("cap inf", lines(HEAD, ONE, TWO.replace("20000", "inf")), 2, "notional_cap", "not finite"),
    Case("tier skipped", lines(HEAD, ONE, TWO.replace(",2,USDT", ",3,USDT")), 2, "tier", "tier 3 after 1"),
    Case("tier twice", lines(HEAD, ONE, ONE), 2, "tier", "tier 1 after 1"),
    Case("tier a half", lines(HEAD, ONE.replace(",1,USDT", ",1.5,USDT")), 1, "tier", "count from 1"),
    Case("second tier first", lines(HEAD, TWO, ONE), 1, "tier", "starts with tier 2"),
    Case("deduction nan", lines(HEAD, ONE[:-1] + "nan"), 1, "maintenance_deduction", "not finite"),
    Case("tier after an open cap", lines(HEAD, ONE.replace("5000", ""), TWO), 2, "notional_floor", "ends at"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_malformed_brackets_are_refused_where_they_are_malformed(case: Case, tmp_path: Path) -> None:
    """An exchange would be compared with on terms that it never had."""
    refused(case, tmp_path, lambda path, strict: read_brackets(path))


def test_every_form_means_the_same(tmp_path: Path) -> None:
    """The same venue would look different by the library its terms came through."""
    forms = {
        "ccxt.json": as_json(GOOD, ccxt(2, 5000, None, 0.02, 25, 50.0)),
        "binance.json": json.dumps([{"symbol": "X/USDT:USDT", "brackets": [
            {"bracket": 1, "initialLeverage": 50, "notionalFloor": 0, "notionalCap": 5000, "maintMarginRatio": 0.01,
             "cum": 0.0},
            {"bracket": 2, "initialLeverage": 25, "notionalFloor": 5000, "notionalCap": 2**63 - 1,
             "maintMarginRatio": 0.02, "cum": 50.0}]}]).encode(),
        "table.csv": lines(HEAD, ONE, TWO.replace("20000", "9223372036854775807")),
        "without.csv": lines(HEAD.rpartition(",")[0], ONE.rpartition(",")[0],
                             TWO.rpartition(",")[0].replace("20000", "")),
    }
    read = {}
    for name, content in forms.items():
        (tmp_path / name).write_bytes(content)
        read[name] = read_brackets(tmp_path / name)
    assert len({brackets.rows for brackets in read.values()}) == 1
    last = read["ccxt.json"].of("X/USDT:USDT")[-1]
    assert (last.notional_cap, last.maintenance_deduction, last.currency) == (None, 50.0, "USDT")
    assert [b.deduction_given for b in read.values()] == [True, True, True, False]
    assert "continuity" in read["without.csv"].warnings[0]
    with pytest.raises(UsageError, match="no brackets of Y"):
        read["ccxt.json"].of("Y")


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_what_is_written_reads_back_unchanged(suffix: str, tmp_path: Path) -> None:
    """A venue's terms would change by being copied."""
    source, copy = tmp_path / "a.csv", tmp_path / f"b{suffix}"
    source.write_bytes(lines(HEAD, ONE, TWO.replace("20000", ""), ONE.replace("X/", "币/")))
    write_brackets(read_brackets(source), copy)
    assert read_brackets(copy).rows == read_brackets(source).rows


def test_odd_terms_are_accepted_and_named(tmp_path: Path) -> None:
    """A venue that liquidates on entry would be compared with in silence."""
    path = tmp_path / "odd.csv"
    path.write_bytes(lines(HEAD, ONE.replace("0.01", "0.05"), TWO.replace(",25,", ",75,").replace("0.02", "0.01")))
    report = describe_brackets([path])
    assert report.counts == {"rate-falls": 1, "leverage-rises": 1, "maintenance-above-initial": 1, "margin-jumps": 1}
    assert report.first_findings()[0][3] == ""
    assert report.to_dict()["findings"][0]["ts"] is None
    assert {f.rule for f in read_brackets(path).findings} == set(report.counts)


def test_a_description_names_the_file_that_would_be_refused(tmp_path: Path) -> None:
    """One broken file among many would hide the others."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(lines(HEAD, ONE, TWO))
    bad.write_bytes(lines(HEAD, TWO))
    report = describe_brackets([bad, good])
    assert [line.symbol for line in report.symbols] == ["X/USDT:USDT"]
    assert "bad.csv, row 1" in report.refused[0]
    with pytest.raises(MalformedInputError):
        describe_brackets([bad])
    with pytest.raises(MalformedInputError):
        describe_brackets([bad, good], strict=True)


@pytest.mark.shared_data
def test_real_brackets_are_read_whole_and_join(shared_data: Path) -> None:
    """The venue that ladders are compared with would lose markets."""
    brackets = read_brackets(shared_data / "leverage_tiers_binance_2024_10.parquet")
    assert (len(brackets), len(brackets.symbols)) == (2_805, 349)
    assert not brackets.findings
