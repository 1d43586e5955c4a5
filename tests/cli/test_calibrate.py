"""``leverline calibrate`` and ``diff``, end to end on small files."""

from __future__ import annotations

from pathlib import Path

import pytest

from leverline.calibrate import whole_line
from leverline.model import LimitBook
from tests.calibrate.markets import Market, write_csv
from tests.calibrate.test_book import TOML
from tests.cli.conftest import Run, one_line
from tests.market.test_malformed import CASES, Case


def test_a_book_and_a_report_come_out_of_a_file(run: Run, bars_csv: Path) -> None:
    """The main job would not run from a shell."""
    ran = run("calibrate", bars_csv, "--out", "deep/limits.json", "--report", "report.html")
    assert ran.code == 0
    book = LimitBook.read(Path("deep/limits.json"))
    assert list(book.instruments) == ["BTCUSDT", "ETHUSDT"]
    page = Path("report.html").read_text()
    assert "BTCUSDT" in page
    assert ">nan" not in page.lower()
    assert "Leverage limits as of 2020-02-25" in ran.out
    assert "Breaches per window" in ran.out
    assert "limits: deep/limits.json\nreport: report.html" in ran.out
    assert sorted(p.name for p in Path().iterdir()) == ["deep", "report.html"]


def test_json_is_one_document_and_nothing_else(run: Run, closes_csv: Path) -> None:
    """A program that reads stdout would choke on a table or a warning."""
    ran = run("calibrate", closes_csv, "--out", "limits.json", "--json")
    assert ran.code == 0
    assert ran.err == ""
    document = ran.document
    assert set(document) == {"out", "id", "as_of", "settlement", "instruments", "collateral", "venue", "skipped",
                             "warnings", "backtest"}
    assert document["id"] == LimitBook.read(Path("limits.json")).id
    assert document["instruments"]["A"]["position_cap"] is None
    assert document["backtest"]["results"]
    assert any("no volume" in w for w in document["warnings"])


def test_the_whole_line_is_printed_and_on_the_page(run: Run, bars_csv: Path) -> None:
    """A venue would have to open the document to learn that its fund and its caps were set."""
    ran = run("calibrate", bars_csv, "--out", "limits.json", "--report", "report.html", "--no-backtest")
    assert ran.code == 0
    for said in ("Caps and fees", "Collateral", "insurance fund: ", "cash at hand: ", "offsets: ", "margins times "):
        assert said in ran.out
    page = Path("report.html").read_text()
    for anchor in ("caps", "collateral", "fees", "offsets", "fund", "feedback", "pace"):
        assert f'<section id="{anchor}"' in page


def test_assets_accounts_and_fund_are_taken_and_refused_by_name(run: Run, bars_csv: Path) -> None:
    """What a venue knows of itself would be ignored, or a misspelt file would fall back to the adverse case."""
    Path("assets.csv").write_text("asset,market_value\nBTCUSDT,1000\n")
    Path("accounts.csv").write_text("account,symbol,quantity,entry_price,asset,amount\na,BTCUSDT,1,100,,\na,,,,USD,90\n")
    ran = run("calibrate", bars_csv, "--out", "limits.json", "--no-backtest", "--assets", "assets.csv", "--accounts",
              "accounts.csv", "--fund", "1000")
    assert ran.code == 0
    book = LimitBook.read(Path("limits.json"))
    assert [file.name for file in book.provenance.data][-2:] == ["assets.csv", "accounts.csv"]
    assert "actual accounts" in book.explanations["/venue/insurance_fund_target"].binding
    assert (book.instruments["BTCUSDT"].open_interest_cap or 0) <= 1000 * 10**6
    Path("assets.csv").write_text("asset,peg\nNOPE,BTCUSDT\n")
    refused = run("calibrate", bars_csv, "--out", "x.json", "--no-backtest", "--assets", "assets.csv")
    assert refused.code == 2
    assert "NOPE" in one_line(refused)
    assert run("calibrate", bars_csv, "--out", "x.json", "--fund", "-1").code == 2
    assert not Path("x.json").exists()


def test_options_choose_what_is_calibrated(run: Run, bars_csv: Path) -> None:
    """The wrong market, time or appetite would be limited."""
    assert run("calibrate", bars_csv, "--out", "a.json", "--symbols", "ETHUSDT", "--as-of", "2020-02-01",
               "--no-backtest", "--json").document["backtest"] is None
    book = LimitBook.read(Path("a.json"))
    assert list(book.instruments) == ["ETHUSDT"]
    assert book.as_of.isoformat() == "2020-02-01T00:00:00+00:00"
    Path("own.toml").write_text(TOML)
    assert run("calibrate", bars_csv, "--out", "b.json", "--no-backtest", "--appetite", "own.toml").code == 0
    assert LimitBook.read(Path("b.json")).provenance.appetite["name"] == "own"
    assert run("calibrate", bars_csv, "--out", "c.json", "--no-backtest", "--quote", "USDT", "--kind",
               "perpetual").code == 0
    assert list(LimitBook.read(Path("c.json")).instruments) == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    Path("map.csv").write_text("from,to\nBTCUSDT,BTC/USD:BTC\n")
    assert run("calibrate", bars_csv, "--out", "d.json", "--no-backtest", "--symbol-map", "map.csv").code == 0
    inverse = LimitBook.read(Path("d.json")).instruments["BTC/USD:BTC"]
    assert (inverse.kind, inverse.payoff) == ("perpetual", "inverse")


def test_bars_coarser_than_the_margin_period_need_a_named_scale(run: Run, bars_csv: Path) -> None:
    """Daily bars would pass for a margin of ten seconds without anybody having said so."""
    refused = run("calibrate", bars_csv, "--out", "x.json", "--profile", "exchange")
    assert refused.code == 4
    assert "--scale sqrt-time | --scale one-bar" in one_line(refused)
    ran = run("calibrate", bars_csv, "--out", "x.json", "--profile", "exchange", "--scale", "sqrt-time", "--report",
              "x.html", "--no-backtest")
    assert ran.code == 0
    assert "losses were scaled by sqrt-time" in ran.err
    assert "losses were scaled by sqrt-time" in Path("x.html").read_text()


SAMPLE = ("torn Parquet", "header only", "no close", "row too short", "close a word", "close zero", "close inf",
          "volume negative", "time a word", "same bar twice", "daily and hourly", "naive under strict")


@pytest.mark.parametrize("case", [c for c in CASES if c.name in SAMPLE], ids=lambda c: c.name)
def test_a_malformed_file_is_named_and_nothing_is_written(run: Run, case: Case) -> None:
    """A limit book would come out of numbers that nobody wrote, or the file at fault would stay unknown."""
    Path(case.file).write_bytes(case.content)
    ran = run("calibrate", case.file, "--out", "limits.json", "--report", "report.html",
              *(["--strict"] if case.strict else []))
    assert ran.code == 2
    line = one_line(ran)
    assert case.file in line
    assert case.row is None or f"row {case.row}" in line
    assert case.column is None or f"column '{case.column}'" in line
    assert [p.name for p in Path().iterdir()] == [case.file]


def test_the_sample_of_malformed_files_is_whole() -> None:
    """Cases would drop out of the sample unseen when they are renamed."""
    assert {c.name for c in CASES} >= set(SAMPLE)


@pytest.mark.parametrize(("options", "code", "says"), [
    (["--symbols", ""], 2, "separated by commas"),
    (["--symbols", "NOPE"], 2, "no bars of NOPE"),
    (["--symbols", "BTCUSDT,,ETHUSDT"], 2, "separated by commas"),
    (["--profile", "nope"], 2, "no profile 'nope'"),
    (["--profile", "ccp", "--appetite", "x.toml"], 2, "exclude each other"),
    (["--appetite", "absent.toml"], 2, "absent.toml"),
    (["--method", "nope"], 2, "no method 'nope'"),
    (["--scale", "nope"], 2, "no scaling method 'nope'"),
    (["--as-of", "yesterday"], 2, "not ISO 8601"),
    (["--as-of", "2020-02-31"], 2, "does not exist"),
    (["--as-of", "2010"], 4, "no bar is known"),
    (["--as-of", "2019-03-01"], 4, "no market can be calibrated"),
    (["--as-of", "2031"], 4, "stale"),
    (["--quote", "USDT"], 2, "go together"),
    (["--quote", "USDT", "--kind", "nope"], 2, "--kind 'nope'"),
    (["--symbol-map", "absent.csv"], 2, "absent.csv"),
    (["--report", "."], 2, "is a folder"),
    (["--report", "limits.json"], 2, "also --out"),
    (["--report", "/dev/null/report.html"], 2, "is not a folder"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_wrong_option_is_one_line_and_writes_nothing(
    run: Run, bars_csv: Path, options: list[str], code: int, says: str
) -> None:
    """A typing error would end in a traceback, or in a book made from a default."""
    ran = run("calibrate", bars_csv, "--out", "limits.json", *options)
    assert ran.code == code
    assert says in one_line(ran)
    assert list(Path().iterdir()) == []


def test_a_target_that_cannot_be_written_is_refused_before_anything_is_lost(run: Run, bars_csv: Path) -> None:
    """A folder, or the input itself, would be overwritten by the book."""
    Path("folder").mkdir()
    copy = Path("bars.csv")
    copy.write_bytes(bars_csv.read_bytes())
    assert "is a folder" in one_line(run("calibrate", copy, "--out", "folder"))
    assert "also the input" in one_line(run("calibrate", copy, "--out", "./bars.csv"))
    assert "is not a folder" in one_line(run("calibrate", copy, "--out", "bars.csv/limits.json"))
    proc = run("calibrate", copy, "--out", "/proc/limits.json", "--no-backtest")
    assert proc.code == 1
    assert "cannot write /proc/limits.json" in one_line(proc)
    assert copy.read_bytes() == bars_csv.read_bytes()


def test_an_interruption_leaves_the_old_book_and_no_fragment(
    run: Run, bars_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venue would load half a book."""
    Path("limits.json").write_text("the book in force")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted)  # the book is written, not yet under its name
        assert run("calibrate", bars_csv, "--out", "limits.json", "--no-backtest").code != 0
    assert Path("limits.json").read_text() == "the book in force"
    assert [p.name for p in Path().iterdir()] == ["limits.json"]


def test_an_interruption_is_told_in_one_line(run: Run, bars_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C would print a traceback and look like a crash."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(whole_line, "calibrate_line", interrupted)
    ran = run("calibrate", bars_csv, "--out", "limits.json")
    assert ran.code == 130
    assert one_line(ran) == "leverline: interrupted; nothing was half-written"


def test_diff_tells_tighter_from_looser_and_equal_from_changed(run: Run, tmp_path: Path) -> None:
    """A proposal would be waved through because its changes are not seen."""
    calm = write_csv(tmp_path / "calm.csv", Market("A"))
    wild = write_csv(tmp_path / "wild.csv", Market("A", daily_volatility=0.06))
    for name in ("calm", "wild"):
        run("calibrate", tmp_path / f"{name}.csv", "--out", f"{name}.json", "--no-backtest")
    same = run("diff", "calm.json", "calm.json")
    assert (same.code, same.out) == (0, "the books set the same limits\n")
    table = run("diff", "calm.json", "wild.json")
    assert table.code == 0
    assert "tightens" in table.out
    document = run("diff", "calm.json", "wild.json", "--json").document
    assert document["directions"] == {"A": "tightens"}
    assert calm.exists()
    assert wild.exists()


@pytest.mark.parametrize("content", [
    b"", b"[", b"[" * 100_000, b"\xff\x00\x9d random \x80", b'{"schema": NaN}', b"{}", b"null",
    '{"schema": "leverline.limitbook/1", "id": "ü"}'.encode(),
], ids=["empty", "torn", "deep", "bytes", "NaN", "no keys", "null", "half a book"])
def test_what_is_no_book_is_refused_by_diff(run: Run, content: bytes) -> None:
    """A damaged book would end in a traceback."""
    Path("limits.json").write_bytes(content)
    ran = run("diff", "limits.json", "limits.json")
    assert ran.code == 2
    assert "limits.json" in one_line(ran)


def test_an_edited_book_is_refused_by_diff(run: Run, closes_csv: Path) -> None:
    """A rate could be changed by hand without a trace."""
    run("calibrate", closes_csv, "--out", "limits.json", "--no-backtest")
    text = Path("limits.json").read_text()
    Path("edited.json").write_text(text.replace('"max_leverage": ', '"max_leverage": 1', 1))
    ran = run("diff", "limits.json", "edited.json")
    assert ran.code == 2
    assert "does not match" in one_line(ran)
    assert run("diff", "absent.json", "limits.json").code == 2
    assert run("diff", ".", "limits.json").code == 2
