"""``leverline calibrate`` with books, bands, marks and an index beside the bars, and with young listings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leverline.model import LimitBook
from tests.calibrate.markets import DAY_S, START_S, Market, write_csv
from tests.cli.conftest import Run, one_line

NAME = "perp_usdm:BTCUSDT"
CLOSE_S = START_S + 420 * DAY_S


def write(name: str, head: str, *rows: str) -> Path:
    Path(name).write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    return Path(name)


def level2(name: str, symbol: str = NAME, *, end_s: int = CLOSE_S, crossed: bool = False) -> Path:
    """Three snapshots ten seconds apart, the last at ``end_s``, of 20 levels of 10 units around 100."""
    rows = []
    for k in range(3):
        mid = 100.0 + 0.05 * k
        for side, sign in (("bid", -1), ("ask", 1)):
            sign = -sign if crossed else sign
            away = np.arange(1, 21) if not crossed else np.arange(1, 21)[::-1]
            rows += [f"{end_s - 10 * (2 - k)},{symbol},{side},{i},{mid + sign * 0.01 * a:.4f},{10 + 0.1 * k}"
                     for i, a in enumerate(away)]
    return write(name, "ts,symbol,side,level,price,size", *rows)


def bands(name: str, symbol: str = NAME, *, end_s: int = CLOSE_S) -> Path:
    """Three observations of 1e6 per unit of distance within 1, 2 and 5 %."""
    return write(name, "ts,symbol,percentage,depth,notional", *(
        f"{end_s - 30 * (2 - k)},{symbol},{far},{(100 + k) * abs(far)},{(100 + k) * abs(far) * (100 + far / 2)}"
        for k in range(3) for far in (-5, -2, -1, 1, 2, 5)))


def index(name: str, column: str, level: float, days: int = 100, symbol: str = NAME) -> Path:
    """A daily index, stamped at the open of each day."""
    return write(name, f"ts,symbol,{column}", *(
        f"{CLOSE_S - (days - k) * DAY_S},{symbol},{level * (1 + 0.2 * np.sin(k)):.6f}" for k in range(days)))


@pytest.fixture
def calibrated(run: Run, tmp_path: Path) -> Callable[..., Any]:
    """The JSON document of a calibration of one market that the bars call as a crawler does."""
    write_csv(Path("bars.csv"), Market(NAME))

    def call(*options: object) -> Any:
        ran = run("calibrate", "bars.csv", "--out", "limits.json", "--no-backtest", "--json", *options)
        assert ran.code == 0, ran.err
        return ran.document

    return call


def test_books_bands_marks_and_index_go_from_files_into_the_book(calibrated: Callable[..., Any]) -> None:
    """A venue would hand over its order book and get limits from volume."""
    level2("l2.csv")
    bands("bands.csv")
    index("dvol.csv", "dvol", 60.0)
    write_csv(Path("marks.csv"), Market(NAME, ranged=False, volume=0))
    plain = calibrated()
    document = calibrated("--books", "l2.csv", "--books", "bands.csv", "--implied", "dvol.csv", "--marks", "marks.csv")
    book = LimitBook.read(Path("limits.json"))
    assert [file.name for file in book.provenance.data] == ["bars.csv", "l2.csv", "bands.csv", "dvol.csv", "marks.csv"]
    assert all(file.sha256 for file in book.provenance.data)
    assert book.explanations[f"/instruments/{NAME}/position_cap"].binding == "liquidation-cost budget (book)"
    said = "\n".join(document["warnings"])
    assert f"{NAME}: slope not identified" in said
    assert f"{NAME}: volatility is " in said
    assert f"{NAME}: mark prices were given, but the basis is assumed: fewer than 30 large moves" in said
    assert "no market has the name" not in said
    caps = [int(made["instruments"][NAME]["position_cap"]) for made in (plain, document)]
    assert caps[1] < caps[0]
    calibrated("--books", "bands.csv")
    assert (LimitBook.read(Path("limits.json")).explanations[f"/instruments/{NAME}/position_cap"].binding
            == "liquidation-cost budget (bands)")


def test_a_symbol_map_renames_what_stands_beside_the_bars_too(calibrated: Callable[..., Any]) -> None:
    """The book of a market would be lost, because the bars were renamed and it was not."""
    bands("bands.csv")
    index("dvol.csv", "dvol", 60.0)
    write_csv(Path("marks.csv"), Market(NAME, ranged=False, volume=0))
    write("map.csv", "from,to", f"{NAME},BTC/USDT:USDT")
    document = calibrated("--books", "bands.csv", "--implied", "dvol.csv", "--marks", "marks.csv", "--symbol-map",
                          "map.csv")
    assert list(document["instruments"]) == ["BTC/USDT:USDT"]
    said = "\n".join(document["warnings"])
    assert "no market has the name" not in said
    for words in ("BTC/USDT:USDT: slope", "BTC/USDT:USDT: volatility is", "BTC/USDT:USDT: mark prices"):
        assert words in said


def test_a_name_that_no_market_has_is_warned_of(calibrated: Callable[..., Any]) -> None:
    """The order book would be switched off by a prefix, and nobody told."""
    bands("bands.csv", "BTCUSDT")
    document = calibrated("--books", "bands.csv")
    assert "given beside the bars, but no market has the name: BTCUSDT" in document["warnings"]


def test_depth_and_index_after_the_as_of_time_are_not_used(calibrated: Callable[..., Any]) -> None:
    """A book drawn for yesterday would know of today's depth."""
    as_of = ("--as-of", "2020-02-01")
    late = CLOSE_S - 3600
    plain = calibrated(*as_of)
    given = calibrated(*as_of, "--books", level2("l2.csv", end_s=late), "--books", bands("bands.csv", end_s=late),
                       "--implied", index("dvol.csv", "dvol", 60.0, days=10))
    assert given["instruments"] == plain["instruments"]
    said = "\n".join(given["warnings"])
    assert f"{NAME}: book: nothing known at the as-of time" in said
    assert "volatility is realised only" in said


def test_a_book_of_which_every_snapshot_is_rejected_leaves_volume(calibrated: Callable[..., Any]) -> None:
    """A crossed feed would set the cap, or end the calibration in a traceback."""
    plain = calibrated()
    given = calibrated("--books", level2("l2.csv", crossed=True))
    assert given["instruments"] == plain["instruments"]
    said = "\n".join(given["warnings"])
    assert f"{NAME}: depth that breaks a rule was left out: crossed-book 3" in said
    assert "depth is volume under the square root law only" in said


@pytest.mark.parametrize(("option", "make", "names"), [
    ("--books", lambda: write_csv(Path("wrong.csv"), Market(NAME)), "wrong.csv is bars"),
    ("--books", lambda: index("wrong.csv", "dvol", 60.0), "wrong.csv is implied-volatility"),
    ("--books", lambda: write("wrong.csv", "a,b", "1,2"), "wrong.csv"),
    ("--books", lambda: Path("absent.csv"), "absent.csv"),
    ("--implied", lambda: write_csv(Path("wrong.csv"), Market(NAME)), "wrong.csv"),
    ("--implied", lambda: index("wrong.csv", "dvol", 0.6), "another unit?"),
    ("--implied", lambda: index("wrong.csv", "implied_volatility", 60.0), "another unit?"),
    ("--marks", lambda: level2("wrong.csv"), "wrong.csv"),
    ("--marks", lambda: Path("absent.csv"), "absent.csv"),
], ids=["books bars", "books index", "books unknown", "books absent", "implied bars", "dvol a fraction",
        "implied in percent", "marks book", "marks absent"])
def test_a_file_of_another_kind_or_unit_is_refused_by_name(
    run: Run, option: str, make: Callable[[], Path], names: str
) -> None:
    """A percentage would be taken for a fraction, or bars for a book."""
    write_csv(Path("bars.csv"), Market(NAME))
    ran = run("calibrate", "bars.csv", "--out", "limits.json", option, make())
    assert ran.code == 2
    line = one_line(ran)
    assert names in line
    assert "wrong.csv" in line or "absent.csv" in line
    assert not Path("limits.json").exists()


def test_an_index_in_percent_points_and_one_in_fractions_are_one(calibrated: Callable[..., Any]) -> None:
    """Sixty points would be read as sixty times a year's volatility."""
    points = calibrated("--implied", index("points.csv", "dvol", 60.0))
    rows = Path("points.csv").read_text().splitlines()[1:]
    fractions = [(int(ts) + DAY_S, symbol, float(value) / 100) for ts, symbol, value in (r.split(",") for r in rows)]
    write("fractions.csv", "ts,symbol,implied_volatility", *(f"{t},{s},{v!r}" for t, s, v in fractions))
    given = calibrated("--implied", "fractions.csv")
    assert given["instruments"] == points["instruments"]
    assert given["warnings"] == points["warnings"]


def test_strict_holds_for_what_stands_beside_the_bars(run: Run, calibrated: Callable[..., Any]) -> None:
    """A book in local time would pass where every doubt was to be refused."""
    write("naive.csv", "ts,symbol,percentage,depth,notional",
          *(f"2020-02-24T23:5{k}:00,{NAME},{far},{100 + k},{1e4 + k}" for k in range(3) for far in (-1, 1)))
    assert any("naive.csv" in w for w in calibrated("--books", "naive.csv")["warnings"])
    Path("limits.json").unlink()
    ran = run("calibrate", "bars.csv", "--out", "limits.json", "--strict", "--books", "naive.csv")
    assert ran.code == 2
    assert "naive.csv" in one_line(ran)
    assert not Path("limits.json").exists()


def test_an_input_beside_the_bars_is_not_overwritten(run: Run) -> None:
    """The only copy of an order book would be replaced by the limits made from it."""
    write_csv(Path("bars.csv"), Market(NAME))
    before = level2("l2.csv").read_bytes()
    assert "also the input" in one_line(run("calibrate", "bars.csv", "--out", "l2.csv", "--books", "l2.csv"))
    assert Path("l2.csv").read_bytes() == before


def test_young_listings_are_pooled_unless_that_is_refused(run: Run) -> None:
    """A coin listed last month would have no limit, or a venue that wants none could not say so."""
    old = [Market(f"OLD{k}", seed=k, n=420) for k in range(6)]
    lines = write_csv(Path("bars.csv"), *old, Market("YOUNG", seed=9)).read_text().splitlines()
    young = [line for line in lines if line.startswith("YOUNG")]
    write("bars.csv", lines[0], *(line for line in lines[1:] if line not in set(young[:-40])))
    pooled = run("calibrate", "bars.csv", "--out", "limits.json", "--no-backtest", "--json").document
    assert pooled["skipped"] == []
    assert any(w.startswith("too young for the loss model, tail pooled with peers: YOUNG (own 0.")
               for w in pooled["warnings"])
    left = run("calibrate", "bars.csv", "--out", "limits.json", "--no-backtest", "--json", "--no-cold-start").document
    assert left["skipped"] == [
        {"symbol": "YOUNG", "reason": "40 days of bars since its listing, more than 284 are needed"}]
    assert left["instruments"] == {s: limits for s, limits in pooled["instruments"].items() if s != "YOUNG"}
