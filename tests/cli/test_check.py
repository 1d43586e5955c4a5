"""``check``: what it says of accounts, how it exits, what it refuses and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from leverline.model import AssetLimits
from tests.cli.conftest import Ran, Run, one_line
from tests.docs.tables import DOCS
from tests.model.books import book

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
HEAD = "account,symbol,quantity,entry_price,asset,amount,owner,venue,mode"
MARKS = f"symbol,mark,ts,volatility_per_day\n{BTC},100,2026-01-01T00:00:00Z,0.05\n" \
        f"{ETH},10,2026-01-01T00:00:00Z,0.08\nETH/USD,10,2026-01-01T00:00:00Z,0.08\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A limit book, marks, and a few accounts of which one is below maintenance."""
    paths = {name: tmp_path / f"{name}.{suffix}" for name, suffix in
             (("limits", "json"), ("marks", "csv"), ("accounts", "csv"), ("sound", "csv"))}
    book(collateral={"ETH": AssetLimits(ltv=0.8, liquidation_threshold=0.85)}).write(paths["limits"])
    paths["marks"].write_text(MARKS)
    sound = [f"rich,{BTC},10,90,,,desk,,", "rich,,,,USDT,5000,desk,,", "rich,,,,ETH,100,desk,,"]
    # 100 lost of 109, and 10 needed where 9 are left
    poor = [f"poor,{BTC},-10,90,,,desk,,isolated", "poor,,,,USDT,109,desk,,isolated"]
    called = [f"called,{ETH},-100,10,,,,,", "called,,,,USDT,22,,,"]
    paths["sound"].write_text("\n".join([HEAD, *sound]) + "\n")
    paths["accounts"].write_text("\n".join([HEAD, *sound, *poor, *called]) + "\n")
    return paths


def check(run: Run, files: dict[str, Path], *more: object, accounts: str = "accounts") -> Ran:
    return run("check", files[accounts], "--limits", files["limits"], "--marks", files["marks"], *more)


def row(rows: list[dict[str, Any]], **names: str) -> dict[str, Any]:
    (found,) = [one for one in rows if all(one[name] == value for name, value in names.items())]
    return found


def test_a_position_worked_by_hand(run: Run, files: dict[str, Path]) -> None:
    """Every number that a risk officer acts on would be another than the rules give."""
    document = check(run, files, "--json").document
    rich = row(document["accounts"], account="rich")
    assert rich["equity"] == 5000 + 100 + 1000  # cash, profit, 100 ETH at 10
    assert rich["adjusted_equity"] == 5000 + 100 + 850
    assert rich["adjusted_equity_initial"] == 5000 + 100 + 800
    assert (rich["initial_margin"], rich["maintenance_margin"]) == (20.0, 10.0)
    assert rich["health"] == 5940
    assert rich["free_collateral"] == 5880
    assert rich["effective_leverage"] == pytest.approx(2000 / 6100)
    assert rich["leverage_ratio"] == 1.0 + rich["debt_to_equity"]
    poor = row(document["accounts"], account="poor")
    assert (poor["status"], poor["health"], poor["mode"], poor["subaccount"]) == ("liquidatable", -1.0, "isolated", BTC)
    position = row(document["positions"], account="poor")
    assert position["bankruptcy_price"] == pytest.approx(100.9)
    assert position["liquidation_price"] == pytest.approx(1009 / 10.1)  # 109 - 10 (p - 90) = 0.01 * 10 p
    assert position["distance"] == pytest.approx(1009 / 1010 - 1)
    assert position["owner_share_of_market"] == 1.0
    ether = row(document["holdings"], account="rich", asset="ETH")
    assert (ether["value"], ether["liquidation_price"]) == (1000.0, None)
    assert document["below_maintenance"] == 1
    assert document["skipped"] == []
    called = row(document["accounts"], account="called")
    assert (called["status"], called["margin_call_level"]) == ("margin call", 25.0)


def test_the_document_has_its_parts_and_totals_add_up(run: Run, files: dict[str, Path]) -> None:
    """Sums over a venue would leave somebody out."""
    document = check(run, files, "--json").document
    assert set(document) == {"accounts", "positions", "holdings", "totals", "below_maintenance", "skipped"}
    totals = document["totals"]
    assert (totals["accounts"], totals["positions"], totals["holdings"]) == (3, 3, 4)
    assert totals["equity"] == pytest.approx(sum(one["equity"] for one in document["accounts"]))
    assert totals["healthy"] + totals["margin_call"] + totals["liquidatable"] + totals["bankrupt"] == 3
    assert totals["as_of"] == "2026-01-01T00:00:00Z"


def test_a_sound_book_exits_0_and_an_account_below_maintenance_3(run: Run, files: dict[str, Path]) -> None:
    """A pipeline that watches the exit code would sleep through a liquidation."""
    assert check(run, files, accounts="sound").code == 0
    ran = check(run, files)
    assert ran.code == 3
    assert ran.err == "leverline: 1 account is below maintenance\n"


def test_accounts_at_risk_are_printed_first_with_words(run: Run, files: dict[str, Path]) -> None:
    """Whoever cannot see colours, or looks at the first line only, would miss what is about to be liquidated."""
    out = check(run, files, "--horizon", "1d").out
    lines = [line for line in out.splitlines() if line.startswith(("poor", "called", "rich"))]
    assert [line.split()[0] for line in lines[:3]] == ["poor", "called", "rich"]
    assert "liquidatable" in lines[0]
    assert "margin call" in lines[1]
    assert "1 liquidatable, 1 margin call, 1 healthy" in out
    assert "probability in 1d" in out


def test_long_tables_end_in_how_many_more_there_are(run: Run, files: dict[str, Path]) -> None:
    """A screen would be flooded, or accounts seem not to exist."""
    rows = [f"a{i},{BTC},1,100,,,,,\na{i},,,,USDT,50,,," for i in range(30)]
    files["sound"].write_text("\n".join([HEAD, *rows]) + "\n")
    out = check(run, files, accounts="sound").out
    assert "and 10 more" in out
    assert "and 20 more" in out


@pytest.mark.parametrize(("by", "names"), [
    ("owner", {"desk", "called"}), ("venue", {""}), ("market", {BTC, ETH})])
def test_rows_can_be_summed(run: Run, files: dict[str, Path], by: str, names: set[str]) -> None:
    """An owner who splits over accounts would look small, and a market's one-sided book balanced."""
    document = check(run, files, "--by", by, "--json").document
    column = "symbol" if by == "market" else by
    assert {one[column] for one in document["groups"]} == names
    assert sum(one["gross_notional"] for one in document["groups"]) == document["totals"]["gross_notional"]
    assert sum(one["below_maintenance"] for one in document["groups"]) == 1
    assert check(run, files, "--by", by).code == 3
    if by == "market":
        bitcoin = row(document["groups"], symbol=BTC)
        assert (bitcoin["positions"], bitcoin["net_notional"]) == (2, 0.0)
        assert bitcoin["notional_below_maintenance"] == 1000.0
        assert bitcoin["herfindahl_of_owners"] == 1.0


def test_what_if_moves_prices_and_says_how_many_were_below_before(run: Run, files: dict[str, Path]) -> None:
    """A stress would be read as the state of today."""
    document = check(run, files, "--what-if", "BTC=-20%", "--what-if", "ETH=+50%", "--json").document
    assert document["totals"]["what_if"] == {"BTC": -0.2, "ETH": 0.5}
    assert {one["account"]: one["status"] for one in document["accounts"]} == {
        "rich": "healthy", "poor": "healthy", "called": "bankrupt"}
    assert document["totals"]["below_maintenance_before"] == document["below_maintenance"] == 1
    text = check(run, files, "--what-if", "BTC=-20%").out
    assert "if BTC -20 %" in text
    assert "at the marks as given 1" in text


def test_the_call_ratio_moves_the_margin_call_and_nothing_else(run: Run, files: dict[str, Path]) -> None:
    """A venue with an earlier call could not be modelled."""
    assert row(check(run, files, "--call-ratio", "1", "--json").document["accounts"], account="called")["status"] \
        == "healthy"
    assert check(run, files, "--call-ratio", "1.5").code == 2


@pytest.mark.parametrize(("change", "reason"), [
    ((BTC, "DOGE/USDT:USDT"), "has no limits for DOGE/USDT:USDT"),
    ((",USDT,", ",XRP,"), "does not take XRP as collateral"),
    (("desk,,", "desk,elsewhere,"), "no rules are given for venue 'elsewhere'"),
    (("desk,,\n", "desk,,portfolio\n"), "portfolio margin needs scenarios")])
def test_what_cannot_be_valued_is_listed_and_exits_4(
    run: Run, files: dict[str, Path], change: tuple[str, str], reason: str
) -> None:
    """Accounts that nobody valued would count as safe."""
    files["sound"].write_text(files["sound"].read_text().replace(*change) + f"other,{ETH},-1,10,,,,,\n")
    ran = check(run, files, "--json", accounts="sound")
    assert ran.code == 4
    (skipped,) = ran.document["skipped"]
    assert skipped["account"] == "rich"
    assert reason in skipped["reason"]
    assert [one["account"] for one in ran.document["accounts"]] == ["other"]
    text = check(run, files, accounts="sound")
    assert reason in text.out
    assert reason in text.err


def test_not_valued_weighs_more_than_below_maintenance_and_malformed_most(run: Run, files: dict[str, Path]) -> None:
    """A known loss would hide that nobody knows the rest."""
    files["marks"].write_text(MARKS.replace(f"{ETH},10,", "ETH/USDT:USDTX,10,"))
    ran = check(run, files)
    assert ran.code == 4
    assert "has no mark; 1 account is below maintenance" in ran.err
    files["accounts"].write_text(files["accounts"].read_text() + f"bad,{BTC},0,1,,,,,\n")
    assert check(run, files).code == 2


def test_a_stale_mark_is_not_used(run: Run, files: dict[str, Path]) -> None:
    """Accounts would be valued at a price of another minute."""
    files["marks"].write_text(MARKS.replace(f"{BTC},100,2026-01-01T00:00:00Z", f"{BTC},100,2025-12-31T23:58:00Z"))
    ran = check(run, files, "--json")
    assert ran.code == 4
    assert {one["reason"] for one in ran.document["skipped"]} == {f"the mark of {BTC} is 120 s old, more than 60 s"}
    assert [one["account"] for one in ran.document["accounts"]] == ["called"]
    assert check(run, files, "--max-age", "2m").code == 3
    assert check(run, files, "--as-of", "2026-01-01T00:10:00Z", "--max-age", "11m").code == 4
    assert check(run, files, "--as-of", "2026-01-01T00:10:00Z", "--max-age", "720").code == 3
    assert check(run, files, "--as-of", "2025-12-31T23:59:00Z").code == 2


def test_debt_in_what_nobody_lends_is_refused_where_it_stands(run: Run, files: dict[str, Path]) -> None:
    """A short sale of collateral would pass for a loan that no pool gave."""
    rows = files["sound"].read_text()
    files["sound"].write_text(rows.replace("ETH,100", "ETH,-1"))
    ran = check(run, files, accounts="sound")
    assert ran.code == 2
    assert one_line(ran).startswith("leverline: sound.csv, row 3, column 'amount': ETH is owed")
    files["sound"].write_text(rows.replace("USDT,5000", "USDT,-5"))
    assert check(run, files, accounts="sound").code == 0


def test_the_rows_are_written_as_parquet_and_the_document_as_json(run: Run, files: dict[str, Path]) -> None:
    """What goes into a warehouse would be something else than what was printed."""
    document = check(run, files, "--json").document
    for name in ("out.json", "out.parquet", "owners.parquet"):
        by = "owner" if name.startswith("owners") else "account"
        assert check(run, files, "--out", name, "--by", by).code == 3
    assert json.loads(Path("out.json").read_text()) == document
    assert pl.read_parquet("out.parquet").to_dicts() == document["accounts"]
    assert set(pl.read_parquet("owners.parquet")["owner"]) == {"desk", "called"}
    assert sorted(path.suffix for path in Path().iterdir()) == [".csv"] * 3 + [".json"] * 2 + [".parquet"] * 2


def test_nothing_is_written_over_an_input_or_in_an_unknown_format(run: Run, files: dict[str, Path]) -> None:
    """The book of accounts would be gone."""
    for target in (files["accounts"], files["marks"], "rows.xlsx"):
        assert check(run, files, "--out", target).code == 2


@pytest.mark.parametrize("arguments", [
    ["--by", "asset"], ["--what-if", "BTC"], ["--what-if", "DOGE=-1%"], ["--max-age", "soon"], ["--max-age", "-1"],
    ["--horizon", "0"], ["--as-of", "now"], ["--venue", "moonbase"], ["--limits", "none.json"],
    ["--what-if", "volatility=x%"], ["--what-if", "BTC=-100%"]])
def test_what_cannot_be_meant_is_refused(run: Run, files: dict[str, Path], arguments: list[str]) -> None:
    """A typo would change what is checked, or be ignored."""
    ran = check(run, files, *arguments)
    assert ran.code == 2
    one_line(ran)


def test_limits_are_needed_and_are_given_once_a_venue(run: Run, files: dict[str, Path]) -> None:
    """Accounts would be held to whichever limits came last."""
    bare = run("check", files["sound"], "--marks", files["marks"])
    assert bare.code == 2
    assert "--limits" in one_line(bare)
    assert check(run, files, "--limits", files["limits"]).code == 2
    assert check(run, files, "--limits", f"x={files['limits']}", accounts="sound").code == 0


def test_each_venue_has_its_own_limits(run: Run, files: dict[str, Path]) -> None:
    """A position would be margined by another venue's ladder."""
    rows = [f"a,{BTC},10,100,,,,x,", "a,,,,USDT,1000,,x,", f"a,{BTC},10,100,,,,binance-usdm,",
            "a,,,,USDT,1000,,binance-usdm,"]
    files["sound"].write_text("\n".join([HEAD, *rows]) + "\n")
    ran = run("check", files["sound"], "--limits", f"x={files['limits']}", "--venue", "binance-usdm", "--marks",
              files["marks"], "--json")
    assert ran.code == 0, ran.err
    margins = {one["venue"]: one["maintenance_margin"] for one in ran.document["accounts"]}
    assert margins == {"x": 10.0, "binance-usdm": 4.0}


def test_the_only_limits_hold_for_the_only_venue_and_that_is_said(run: Run, files: dict[str, Path]) -> None:
    """A file that names its venue could not be checked, or be checked under an assumption that nobody sees."""
    files["sound"].write_text(files["sound"].read_text().replace("desk,,", "desk,my-venue,"))
    ran = check(run, files, accounts="sound")
    assert ran.code == 0
    assert "limits.json is taken for what holds at 'my-venue'" in ran.err


def test_the_commands_of_the_page_run(run: Run) -> None:
    """The first thing that a reader tries would fail."""
    examples = DOCS / "examples"
    command = ("check", examples / "accounts.csv", "--marks", examples / "marks.csv", "--venue", "binance-usdm",
               "--venue", "aave-v3.6")
    assert run(*command).code == 0
    assert run(*command, "--what-if", "BTC=-20%", "--by", "owner").code == 3
