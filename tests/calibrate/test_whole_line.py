"""Everything in one book: complete, explained, made again byte for byte, and never looser for a stricter appetite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leverline.calibrate.book import calibrate_book
from leverline.calibrate.line_inputs import LineInputs, read_assets
from leverline.calibrate.whole_line import calibrate_line
from leverline.ground.errors import MalformedInputError, UsageError
from leverline.margin.reading_accounts import read_accounts
from leverline.market.bars import Bars
from leverline.model import LimitBook, RiskAppetite
from leverline.model.limitbook import pointer
from leverline.model.quantities import UNITS_PER_ONE
from tests.calibrate.markets import DAY_S, Market, bars_of

SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT")
UNEXPLAINED = {"kind", "payoff", "tick", "lot", "first", "second", "group", "price_band", "liquidation_fee_rate",
               "breakers"}
"""Leaves that are names or are not calibrated."""


@pytest.fixture(scope="module")
def bars() -> Bars:
    return bars_of(*(Market(symbol, seed=k, n=420, volume=1e8, spacing_s=DAY_S)
                     for k, symbol in enumerate(SYMBOLS, 1)))


def appetite(**sections: dict[str, Any]) -> RiskAppetite:
    """The profile ``perp-dex`` with values of its sections replaced, validated; few paths, so that tests are short."""
    document = RiskAppetite.profile("perp-dex").model_dump(mode="json")
    document["fund"] |= {"paths": 1_000, "confidence": 0.99}
    for section, changes in sections.items():
        document[section] = document[section] | changes
    return RiskAppetite.model_validate(document)


def made(bars: Bars, how: RiskAppetite, known: LineInputs | None = None) -> LimitBook:
    return calibrate_line(bars, how, scale="sqrt-time", known=known or LineInputs()).book


@pytest.fixture(scope="module")
def whole(bars: Bars) -> LimitBook:
    return made(bars, appetite())


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Pointer and last name of every leaf that says something."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from numbers(below, path + pointer(key))
    elif isinstance(value, list):
        for k, below in enumerate(value):
            yield from numbers(below, f"{path}/{k}")
    elif value is not None:
        yield path, path.rsplit("/", 1)[-1]


def test_one_book_holds_everything_a_venue_sets(whole: LimitBook) -> None:
    """A venue would have to look for the rest of its limits elsewhere."""
    for symbol in SYMBOLS:
        limits = whole.instruments[symbol]
        assert limits.open_interest_cap
        assert limits.profit_collateral_cap
        assert limits.fees is not None
        assert set(limits.fees) == {"maker", "taker", "taker_forced", "taker_highest"}
        assert limits.funding is not None
    assert set(whole.collateral) == {"BTC", "ETH"}
    for asset in whole.collateral.values():
        assert asset.ltv
        assert asset.supply_cap
        assert asset.rates is not None
    assert whole.venue.insurance_fund is not None
    assert whole.venue.insurance_fund_target == whole.venue.insurance_fund.target > 0
    assert whole.venue.liquidity_buffer is not None
    assert whole.venue.confidence_adjustment is not None


def test_every_number_says_why_it_stands(whole: LimitBook) -> None:
    """Somebody would hold accounts to a number that nobody can account for."""
    document = whole.model_dump(mode="json", by_alias=True)
    silent = [path for part in ("instruments", "collateral", "venue")
              for path, name in numbers(document[part], f"/{part}")
              if name not in UNEXPLAINED and path not in whole.explanations
              and not any(path.startswith(f"{known}/") for known in whole.explanations)]
    assert not silent


def test_no_explanation_points_at_nothing(whole: LimitBook) -> None:
    """A reader would follow a reason to a number that the book does not have."""
    document = whole.model_dump(mode="json", by_alias=True)
    for at in whole.explanations:
        value = document
        for part in at[1:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            value = value[int(key)] if isinstance(value, list) else value[key]


def test_the_same_input_gives_the_same_book(bars: Bars, whole: LimitBook) -> None:
    """A reviewer could not make the book again, for its draws would be others."""
    assert made(bars, appetite()).id == whole.id
    assert whole.provenance.seed is not None


def test_a_section_left_out_leaves_its_part_unset(bars: Bars) -> None:
    """A venue that decided nothing would be given somebody else's decision."""
    bare = appetite().model_copy(update=dict.fromkeys(
        ("collateral", "caps", "fund", "fees", "cross_margin", "feedback", "liquidity", "account_classes")))
    book = made(bars, bare)
    assert book.collateral == {}
    assert book.instruments == calibrate_book(bars, bare, scale="sqrt-time").book.instruments
    assert all(value is None for value in book.venue.model_dump().values())


def test_maintenance_reserves_the_funding_it_promises(bars: Bars, whole: LimitBook) -> None:
    """A position in liquidation would owe funding that nobody holds."""
    without = made(bars, appetite().model_copy(update={"fees": None}))
    for symbol in SYMBOLS:
        funding = whole.instruments[symbol].funding
        assert funding is not None
        first, bare = (book.instruments[symbol].tiers[0].maintenance_margin_rate for book in (whole, without))
        assert first >= bare + funding["reserve_rate"] - 1e-3  # the bare rate was rounded up by a step


def margins_of(book: LimitBook, notional: float) -> list[float]:
    """Highest leverage of each market, and LTV and threshold of each asset; zero where there is none."""
    out = []
    for symbol in SYMBOLS:
        limits = book.instruments[symbol]
        tier = next((t for t in limits.tiers if t.notional_cap is None or notional * UNITS_PER_ONE <= t.notional_cap),
                    None)
        out.append(0.0 if tier is None else 1.0 / tier.initial_margin_rate)
    for asset in ("BTC", "ETH"):
        pledged = book.collateral.get(asset)
        out += [0.0, 0.0] if pledged is None else [pledged.ltv or 0.0, pledged.liquidation_threshold or 0.0]
    return out


STRICTER: dict[str, dict[str, dict[str, Any]]] = {
    "confidence": {"confidence": {"level": 0.999}},
    "margin period": {"margin_period": {"detection_s": 600}},
    "reaction": {"initial": {"reaction_confidence": 0.999}},
    "buffer": {"initial": {"minimum_buffer": 0.5}},
    "fee of closing": {"costs": {"taker_fee_rate": 0.002}},
    "basis": {"costs": {"basis_allowance_rate": 0.01}},
    "crowding": {"costs": {"crowding": 10.0}},
    "funding reserved": {"fees": {"funding_margin_share": 0.4}},
    "gas": {"collateral": {"gas_cost": 50.0}},
    "protocol fee": {"collateral": {"protocol_fee_rate": 0.05}},
    "opening gap": {"collateral": {"opening_gap": 0.3}},
    "floor": {"rounding": {"minimum_maintenance_rate": 0.2}},
}


@pytest.mark.parametrize("what", STRICTER)
def test_a_stricter_appetite_never_allows_more_leverage(bars: Bars, whole: LimitBook, what: str) -> None:
    """Asking for more safety would hand out more leverage somewhere down the line."""
    stricter = made(bars, appetite(**STRICTER[what]))
    for notional in (1_000.0, 100_000.0, 2_000_000.0):
        before, after = margins_of(whole, notional), margins_of(stricter, notional)
        assert all(b <= a + 1e-12 for a, b in zip(before, after, strict=True)), (what, notional, before, after)


def test_what_the_user_knows_reaches_the_caps(bars: Bars, whole: LimitBook, tmp_path: Path) -> None:
    """A tiny asset, or an empty fund, would carry as much open interest as any."""
    (tmp_path / "assets.csv").write_text("asset,market_value\nBTC,2000000\n")
    inputs, value, file = read_assets(tmp_path / "assets.csv")
    book = made(bars, appetite(), LineInputs(collateral=inputs, market_value=value, files=(file,)))
    cap, bare = (b.instruments[SYMBOLS[0]].open_interest_cap for b in (book, whole))
    assert cap is not None
    assert bare is not None
    assert cap <= 2_000_000 * UNITS_PER_ONE < bare
    assert "market value" in book.explanations["/instruments/BTC~1USDT:USDT/open_interest_cap"].binding
    assert book.provenance.data[-1].name == "assets.csv"
    nothing = made(bars, appetite(), LineInputs(fund=0.0))
    assert "fund" in nothing.explanations["/instruments/BTC~1USDT:USDT/open_interest_cap"].binding


def test_the_fund_is_sized_on_accounts_where_they_are_given(bars: Bars, whole: LimitBook, tmp_path: Path) -> None:
    """A venue with two small accounts would be told to hold a fund for a full house."""
    path = tmp_path / "accounts.csv"
    path.write_text("account,symbol,quantity,entry_price,asset,amount\n"
                    "a,BTC/USDT:USDT,1,100,,\na,,,,USDT,20\nb,ETH/USDT:USDT,-2,100,,\nb,,,,USDT,40\n")
    small = made(bars, appetite(), LineInputs(accounts=read_accounts(path)))
    assert small.venue.insurance_fund_target is not None
    assert whole.venue.insurance_fund_target is not None
    assert small.venue.insurance_fund_target < 1_000 * UNITS_PER_ONE < whole.venue.insurance_fund_target
    assert "actual accounts" in small.explanations["/venue/insurance_fund_target"].binding


@pytest.mark.parametrize(("text", "says"), [
    ("asset\nBTC\nBTC\n", "earlier row"),
    ("name\nBTC\n", "'asset' is missing"),
    ("asset,market_value\nBTC,-1\n", "not positive"),
    ("asset,market_value\nBTC,much\n", "not a number"),
    ("asset,holder_concentration\nBTC,1.5\n", "above 1"),
])
def test_malformed_assets_are_refused(tmp_path: Path, text: str, says: str) -> None:
    """A misread market value would set a cap that nobody meant."""
    path = tmp_path / "assets.csv"
    path.write_text(text)
    with pytest.raises(MalformedInputError, match=says):
        read_assets(path)


def test_an_asset_that_no_market_prices_is_refused(bars: Bars, tmp_path: Path) -> None:
    """A misspelt peg would be ignored, and the asset taken for one that floats."""
    path = tmp_path / "assets.csv"
    path.write_text("asset,peg\nBTC,\nstETH,ETH\n")
    inputs, value, _ = read_assets(path)
    with pytest.raises(UsageError, match="stETH"):
        made(bars, appetite(), LineInputs(collateral=inputs, market_value=value))


def test_a_book_reads_back_as_it_was_written(whole: LimitBook, tmp_path: Path) -> None:
    """A venue would refuse its own book, or hold another."""
    whole.write(tmp_path / "limits.json")
    assert LimitBook.read(tmp_path / "limits.json") == whole
    assert json.loads((tmp_path / "limits.json").read_text())["venue"]["insurance_fund"]["covered_perils"]
