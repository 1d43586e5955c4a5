"""The page of a replay: complete, light, escaped, true to the run, and without anything from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leverline import report
from leverline.enforce import course
from leverline.enforce.effects import Breaker, BreakerTransition, Stage
from leverline.enforce.events import OracleUpdate
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.replaying import Replay
from leverline.ground.errors import LeverlineError
from leverline.report.replay.build import picture_of
from leverline.report.replay_page import replay_page, write_replay_page
from leverline.report.theme import colour
from tests.enforce.worlds import BTC, SECOND, market, terms
from tests.report.replays import HALTED_FROM, HALTED_TO, PRICES, START, crashed, document_of
from tests.report.test_html import Reader, specifications

EVIL = '<script>alert("x")</script>&'
SECTIONS = ["ended", "prices", "liquidations", "losses", "events"]
LARGEST_PAGE = 3_000_000
_TURN = ((Breaker.NORMAL, Breaker.HALTED), (Breaker.HALTED, Breaker.NORMAL))


@pytest.fixture(scope="module")
def fallen() -> Replay:
    return crashed()


@pytest.fixture(scope="module")
def page(fallen: Replay) -> str:
    return replay_page(document_of(fallen), picture_of(fallen))


def test_the_page_is_whole_and_light(page: str) -> None:
    """A section or a figure would be missing, or the page too heavy to mail."""
    read = Reader(page)
    assert not read.open
    assert [a["id"] for a in read.of("section")] == SECTIONS
    places = [a for a in read.of("div") if a.get("class") == "plot"]
    assert len(places) == len(specifications(read)) == 5
    assert len(page.encode()) < LARGEST_PAGE


def test_the_page_says_how_it_ended(fallen: Replay, page: str) -> None:
    """A reader would not learn whether the venue survived, by whose money, and of which run this is."""
    told = "".join(Reader(page).text)
    document = document_of(fallen)
    assert ("insolvent" in told) == (not document["solvency"]["solvent"])
    for said in ("tick defaulted to 0.1", document["state_hash"], document["book_id"], "jump held",
                 "the cause is gone"):
        assert said in told, said
    for stage in document["liquidations"]:
        assert stage in told
    assert not {"nan", "NaN", "None", "inf"} & set(re.findall(r"[A-Za-z]+", told))


def test_an_account_cannot_write_into_the_page() -> None:
    """The name of an account or a market would run as a script in the reader's browser."""
    replay = crashed(EVIL, f"{EVIL}/USDT:USDT")
    text = replay_page(document_of(replay, notes=[EVIL]), picture_of(replay))
    read = Reader(text)
    assert "<script>alert" not in text
    assert "alert(" not in "".join(source for a, source in read.scripts if a.get("type") is None)
    assert EVIL in "".join(read.text)


def test_the_page_asks_the_network_for_nothing(page: str) -> None:
    """A reader would tell somebody else that the page was opened."""
    read = Reader(page)
    policies = [a["content"] for a in read.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies
    assert (policies[0] or "").startswith("default-src 'none'")
    for tag, attributes in read.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert all((attributes.get(name) or "#").startswith("#") for name in ("src", "href"))


def test_the_picture_is_the_run(fallen: Replay) -> None:
    """The figures would tell another story than the tables beside them."""
    picture, tally = picture_of(fallen), fallen.tally
    (price,) = picture.prices
    assert price.mark.value.tolist() == [p / 10 for p in (*PRICES, PRICES[-1])]
    (halt,) = price.interruptions
    assert (halt.start_ns, halt.end_ns) == (HALTED_FROM, HALTED_TO)
    assert (halt.state, halt.reason) == (Breaker.HALTED, "jump held")
    assert {steps.name: steps.value[-1] for steps in picture.closed} == {
        stage.value: row.notional / 1e6 for stage, row in tally.stages.items()}
    (fund,) = picture.funds
    assert fund.value[-1] == tally.fund_balance[""] / 1e6
    assert picture.bad_debt.value[-1] * 1e6 >= tally.fund_paid + tally.loss_shared
    assert picture.open_accounts.value.max() == 2
    for steps in (price.mark, fund, *picture.closed, picture.bad_debt, picture.underwater):
        assert np.all(np.diff(steps.ts) >= 0)
        assert steps.ts[-1] == picture.ended_ns


def test_an_open_halt_is_shaded_to_the_end() -> None:
    """A market that never opened again would look open."""
    replay = crashed()
    del replay.tally.breaker_log[1:]
    (halt,) = picture_of(replay).prices[0].interruptions
    assert halt.end_ns == replay.venue.state.now_ns
    figure = report.show(picture_of(replay).prices[0])
    (shape,) = figure.layout.shapes
    assert (shape.x0, shape.x1) == (halt.start_ns / 1e6, halt.end_ns / 1e6)
    assert shape.fillcolor == colour("halted")


def test_a_halt_of_the_venue_shades_every_market() -> None:
    """A reader of one market's price would not see that everything stood still."""
    replay = crashed()
    replay.tally.breaker_log[:] = [(ts, type(step)("", step.before, step.after, step.reason))
                                   for ts, step in replay.tally.breaker_log]
    assert picture_of(replay).prices[0].interruptions


def test_a_long_run_is_thinned_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million prices would make a page that no browser opens, or hide that it shows a part."""
    monkeypatch.setattr(course, "BUCKETS", 16)
    replay = Replay.of(terms(market(BTC)), LEVERLINE)
    for second in range(2_000):
        price = 100_000 + (second * 7_919) % 1_000 - (50_000 if second == 1_234 else 0)
        replay.send(START + second * SECOND, OracleUpdate(BTC, "one", price, 0, START + second * SECOND))
    text = replay_page(document_of(replay), picture_of(replay))
    told = "".join(Reader(text).text)
    assert "Of 2\u202f000 changes those are drawn" in told
    (mark,) = [price.mark for price in picture_of(replay).prices]
    assert mark.value.size <= 8 * 16 + 1
    assert mark.value.min() < 6_000


def test_many_markets_share_the_points() -> None:
    """A venue with hundreds of markets would make a page of hundreds of figures."""
    symbols = [f"C{i}/USDT:USDT" for i in range(60)]
    replay = Replay.of(terms(*(market(symbol) for symbol in symbols)), LEVERLINE)
    for second, symbol in enumerate(symbols):
        replay.send(START + second * SECOND, OracleUpdate(symbol, "one", 100_000, 0, START + second * SECOND))
    picture = picture_of(replay)
    assert len(picture.prices) == 6
    assert len(picture.prices) + len(picture.markets_left_out) == 60
    text = replay_page(document_of(replay), picture)
    assert "Not drawn" in text
    assert len(text.encode()) < LARGEST_PAGE


def test_the_busiest_run_stays_light() -> None:
    """The page of a long crash on a whole venue could not be mailed or opened."""
    symbols = [f"C{i}/USDT:USDT" for i in range(6)]
    replay, rng = Replay.of(terms(*(market(symbol) for symbol in symbols)), LEVERLINE), np.random.default_rng(1)
    tally, paths = replay.tally, replay.course
    for each in (paths.marks, paths.funds):
        each.update({symbol: course.ThinnedPath() for symbol in symbols})
    paths.stages.update({stage: course.ThinnedPath() for stage in Stage})
    every = [*paths.marks.values(), *paths.funds.values(), *paths.stages.values(), paths.bad_debt, paths.deleveraged,
             paths.open_pools, paths.underwater_pools]
    for ts, values in enumerate(rng.integers(1, 10**12, (6_143, len(every)))):
        for path, value in zip(every, values.tolist(), strict=True):
            path.add(START + ts * SECOND, value)
    for symbol in symbols:
        tally.breaker_log += [(START + ts * SECOND, BreakerTransition(symbol, *states, "jump held " * 20))
                              for ts in range(0, 4_000, 2)
                              for states in [_TURN[ts % 4 // 2]]]
    replay.venue.state.now_ns = START + 10**4 * SECOND
    steps = [{"at": "2026-01-01T00:00:00Z", "market": symbols[0], "amount": str(10**15), "balance": str(10**15),
              "changes": 7, "why": "pays for " + "x" * 200}] * 4_000
    text = replay_page(document_of(replay, fund_path=steps), picture_of(replay))
    assert len(text.encode()) < LARGEST_PAGE, len(text)


def test_a_run_in_which_nothing_happens_is_shown(tmp_path: Path) -> None:
    """A replay without a price, a position or a fund would have no page, or a page of errors."""
    replay = Replay.of(terms(), LEVERLINE)
    write_replay_page(replay, document_of(replay, notes=[]), tmp_path / "report.html")
    told = "".join(Reader((tmp_path / "report.html").read_text()).text)
    assert "Nobody was liquidated" in told
    assert "no winner was deleveraged" in told


def test_a_long_log_is_cut_and_says_so(fallen: Replay) -> None:
    """A log of a thousand rows would bury the verdict; cut in silence it would pass for the whole."""
    row: dict[str, Any] = {"at": "2026-01-01T00:00:00Z", "market": BTC, "before": "normal", "after": "halted",
                           "reason": "jump held"}
    text = replay_page(document_of(fallen, breaker_log=[row] * 500), picture_of(fallen))
    assert "The first in time 60 of 500" in text


def test_a_replay_is_shown_at_a_prompt(fallen: Replay) -> None:
    """A quant would get the address of an object, or would have to write a page to see a picture."""
    html = fallen._repr_html_()
    assert html.startswith("<table>")
    assert html.endswith("</table>")
    stages = document_of(fallen)["liquidations"]
    assert stages
    assert all(stage in html for stage in stages)
    for table in fallen.display_tables():
        assert all(len(row) == len(table.columns) for row in table.rows)
    figure = report.show(fallen)
    assert figure.layout.shapes
    assert {trace.name for trace in figure.data} >= {"mark", "shared", "bad debt", "open"}
    json.loads(figure.to_json())
    with pytest.raises(LeverlineError, match="has events"):
        report.show(Replay.of(terms(), LEVERLINE))
