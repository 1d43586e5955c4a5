"""``leverline replay``: bars with a population, the same run from its own events, and refusals that say what to do."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from leverline.model.instrument import Payoff
from leverline.model.limitbook import LimitBook
from tests.calibrate.governed_books import BTC, FLAT, book_of
from tests.cli.conftest import Run, one_line

KEYS = ["schema", "book_id", "settlement", "events", "events_by_type", "rejected", "ended_at", "solvency",
        "margin_calls", "liquidations", "closings_that_harmed", "refused_stages", "deleveraged", "bad_debt",
        "fund_path", "breaker_log", "state_hash", "venue", "population", "seed", "notes"]
CRASH = [(100, 101, 99, 100), (100, 100, 97, 98), (98, 98, 80, 82), (82, 95, 81, 94), (94, 96, 90, 91)]


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    book_of(FLAT, liquidation_fee_rate=0.005).write(tmp_path / "limits.json")
    return tmp_path / "limits.json"


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    rows = [f"2026-01-01T{hour:02}:00:00Z,{BTC},{','.join(map(str, prices))},50000"
            for hour, prices in enumerate(CRASH)]
    (tmp_path / "bars.csv").write_text("\n".join(["ts,symbol,open,high,low,close,volume", *rows]) + "\n")
    return tmp_path / "bars.csv"


def crash(run: Run, bars: Path, limits: Path, *more: object) -> Any:
    ran = run("replay", bars, "--limits", limits, "--population", 200, "--seed", 5, "--json", *more)
    assert ran.code == 0, ran.err
    return ran.document


def test_the_document_has_the_keys_of_its_page(run: Run, bars: Path, limits: Path) -> None:
    """A program that reads the result would miss what the page promises."""
    assert list(crash(run, bars, limits)) == KEYS


@pytest.mark.parametrize("venue", ["leverline", "leverline-auction", "hyperliquid", "dydx-v4", "drift-v2"])
def test_a_run_on_bars_is_the_same_run_from_its_events(run: Run, bars: Path, limits: Path, tmp_path: Path,
                                                       venue: str) -> None:
    """A venue could not prove afterwards what it did: the log would lead to another state."""
    out = tmp_path / "run"
    first = crash(run, bars, limits, "--venue", venue, "--fund", 20_000, "--out", out)
    again = run("replay", out / "events.jsonl", "--limits", out / "limits.json", "--venue", venue, "--json")
    assert again.code == 0, again.err
    same = set(KEYS) - {"population", "seed", "notes"}
    assert {key: again.document[key] for key in same} == {key: first[key] for key in same}
    assert json.loads((out / "replay.json").read_text()) == first
    assert first["state_hash"] in (out / "report.html").read_text()


def test_a_crash_liquidates_and_money_is_conserved(run: Run, bars: Path, limits: Path) -> None:
    """A fall of a fifth at 50x would harm nobody, or money would appear from nowhere."""
    found = crash(run, bars, limits, "--fund", 1_000_000)
    assert sum(row["pools"] for row in found["liquidations"].values()) > 20
    assert found["solvency"]["conserved"]
    assert found["solvency"]["solvent"]
    debt = found["bad_debt"]
    assert int(debt["total"]) == int(debt["paid_by_funds"]) + int(debt["shared"]) + int(debt["unpaid"])


def test_the_fund_path_adds_up(run: Run, bars: Path, limits: Path) -> None:
    """The fund would be said to hold what it does not."""
    path = crash(run, bars, limits, "--fund", 20_000)["fund_path"]
    balance = 0
    for step in path:
        balance += int(step["amount"])
        assert int(step["balance"]) == balance >= 0


def test_a_worse_market_leaves_more_to_the_winners(run: Run, bars: Path, limits: Path) -> None:
    """The price impact that the option names would have no effect."""
    easy, hard = (crash(run, bars, limits, "--fund", 10_000_000, "--impact", y)["deleveraged"] for y in (0, 20))
    assert int(hard["notional"]) > int(easy["notional"])


def test_defaults_are_said_and_written(run: Run, bars: Path, limits: Path, tmp_path: Path) -> None:
    """A tick that nobody chose would pass for the venue's own."""
    found = crash(run, bars, limits, "--out", tmp_path / "run")
    assert f"{BTC}: tick defaulted to 0.001" in found["notes"]
    assert LimitBook.read(tmp_path / "run" / "limits.json").instruments[BTC].tick == 0.001


def test_given_accounts_meet_the_bars(run: Run, bars: Path, limits: Path, tmp_path: Path) -> None:
    """The long at 20x must be gone after a fall of a fifth, and the one at 2x still be there."""
    table = tmp_path / "accounts.csv"
    table.write_text("account,symbol,quantity,entry_price,asset,amount\n"
                     f"bold,{BTC},20,100,,\nbold,,,,USD,100\ncalm,{BTC},2,100,,\ncalm,,,,USD,100\n")
    ran = run("replay", bars, "--limits", limits, "--accounts", table, "--fund", 10_000, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["solvency"]["pools"] == 2
    assert ran.document["solvency"]["open_pools"] == 1
    assert ran.document["liquidations"]["insurance fund"]["pools"] == 1


def test_text_says_how_it_ended(run: Run, bars: Path, limits: Path) -> None:
    """A person would have to read JSON to learn whether the venue survived."""
    ran = run("replay", bars, "--limits", limits, "--population", 50, "--fund", 1_000_000)
    assert ran.code == 0
    assert "Liquidations by stage" in ran.out
    assert "solvent: 50 accounts" in ran.out


@pytest.mark.parametrize(("arguments", "says"), [
    ([], "either --accounts FILE or --population N"),
    (["--population", 5, "--venue", "nowhere"], "choose one of"),
    (["--population", 0], "1 to 1,000,000"),
    (["--population", 5, "--fund", -1], "--fund"),
    (["--population", 5, "--fund", 1e300], "more than the ledger carries"),
    (["--population", 2_000_000], "1 to 1,000,000"),
    (["--population", 5, "--seed", -5], "a seed is not negative"),
    (["--population", 5, "--start", "soon"], "is not ISO 8601"),
    (["--population", 5, "--impact", -1], "coefficient")])
def test_what_cannot_be_meant_is_refused(run: Run, bars: Path, limits: Path, arguments: list[object],
                                         says: str) -> None:
    """A mistyped option would run something else."""
    ran = run("replay", bars, "--limits", limits, *arguments)
    assert ran.code == 2
    assert says in one_line(ran)


def test_the_span_is_the_one_asked_for(run: Run, bars: Path, limits: Path) -> None:
    """A replay of one crash would run on into the next, or begin before anybody was there."""
    found = crash(run, bars, limits, "--start", "2026-01-01T01:00", "--end", "2026-01-01T03:00")
    assert found["ended_at"] == "2026-01-01T02:45:00Z"
    assert found["events_by_type"]["OracleUpdate"] == 8
    for nothing in (("--start", 2030), ("--end", 2010)):
        ran = run("replay", bars, "--limits", limits, "--population", 5, *nothing)
        assert ran.code == 4
        assert "no usable bar lies between" in one_line(ran)


def test_bars_without_limits_are_named(run: Run, bars: Path, limits: Path) -> None:
    """A misspelt market would be missing from the replay, and nobody would know."""
    bars.write_text(bars.read_text() + bars.read_text().partition("\n")[2].replace(BTC, "ETH/USDT:USDT"))
    assert "bars without limits, left out: ETH/USDT:USDT" in crash(run, bars, limits)["notes"]
    bars.write_text(bars.read_text().replace(BTC, "XYZ/USDT:USDT"))
    ran = run("replay", bars, "--limits", limits, "--population", 5)
    assert ran.code == 4
    assert "--symbol-map" in one_line(ran)


def test_an_inverse_book_is_refused(run: Run, bars: Path, limits: Path) -> None:
    """A market whose profit is paid in coins would be settled as if it were paid in dollars."""
    book_of(FLAT, payoff=Payoff.INVERSE).write(limits)
    ran = run("replay", bars, "--limits", limits, "--population", 5)
    assert ran.code == 2
    assert "linear markets only" in one_line(ran)


def test_a_market_as_full_as_its_cap_takes_nobody_more(run: Run, bars: Path, limits: Path) -> None:
    """The crowd of a replay would hold more than the limits let anybody open."""
    book_of(FLAT, open_interest_cap=50_000 * 10**6).write(limits)
    found = crash(run, bars, limits)
    assert any(note.startswith("open-interest cap: ") for note in found["notes"])


def test_an_unknown_key_of_a_population_is_refused(run: Run, bars: Path, limits: Path, tmp_path: Path) -> None:
    """A misspelt key would leave the crowd as it was, and the study would find no difference."""
    shipped = resources.files("leverline.enforce").joinpath("population.toml").read_text(encoding="utf-8")
    (tmp_path / "crowd.toml").write_text(f"lon_share = 0.9\n{shipped}")
    ran = run("replay", bars, "--limits", limits, "--population", 5, "--population-file", tmp_path / "crowd.toml")
    assert ran.code == 2
    assert "lon_share" in one_line(ran)


def test_what_is_read_is_not_overwritten(run: Run, bars: Path, limits: Path, tmp_path: Path) -> None:
    """The recorded run would be replaced by its replay under other limits."""
    crash(run, bars, limits, "--out", tmp_path / "run")
    events, book = tmp_path / "run" / "events.jsonl", tmp_path / "run" / "limits.json"
    before = events.read_bytes()
    ran = run("replay", events, "--limits", book, "--out", tmp_path / "run")
    assert ran.code == 2
    assert events.read_bytes() == before
    ran = run("replay", bars, "--limits", limits, "--population", 5, "--out", bars)
    assert ran.code == 2
    assert "is a file" in one_line(ran)


def test_a_refused_replay_leaves_no_folder(run: Run, limits: Path, tmp_path: Path) -> None:
    """An empty folder would look like a run of which somebody removed the result."""
    (tmp_path / "events.jsonl").write_text("")
    book_of(FLAT, tick=0.1, lot=0.001).write(limits)
    ran = run("replay", tmp_path / "events.jsonl", "--limits", limits, "--out", tmp_path / "run")
    assert ran.code == 2
    assert "holds no event" in one_line(ran)
    assert not (tmp_path / "run").exists()


def test_events_need_tick_and_lot(run: Run, limits: Path, tmp_path: Path) -> None:
    """Sizes and prices in the log would be read in a unit that nobody stated."""
    (tmp_path / "events.jsonl").write_text("{}\n")
    ran = run("replay", tmp_path / "events.jsonl", "--limits", limits)
    assert ran.code == 2
    assert "needs tick and lot" in one_line(ran)


def test_a_broken_line_of_events_is_refused_with_its_row(run: Run, limits: Path, tmp_path: Path) -> None:
    """Half a log would be replayed and taken for the whole."""
    (tmp_path / "events.jsonl").write_text('{"v": 1}\n')
    book_of(FLAT, tick=0.1, lot=0.001).write(limits)
    ran = run("replay", tmp_path / "events.jsonl", "--limits", limits)
    assert ran.code == 2
    assert "row 1" in one_line(ran)
