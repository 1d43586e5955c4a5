"""The synthetic book: seeded, within the limits, and as its file says."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.enforce.default_grid import default_lot, default_tick
from leverline.enforce.population import DrawnAccount, LeverageBand, Population, draw_population
from leverline.enforce.terms import MarketTerms, TierTerms
from leverline.ground.errors import MalformedInputError
from tests.docs.tables import page

SPEC = Population.shipped()
MARK = 400_000
N = 4_000
TERMS = MarketTerms("BTC/USDT:USDT", Fraction(1, 10), Fraction(1, 100_000), 1,
                    (TierTerms(0, 20_000, 10_000, 0), TierTerms(10**11, 50_000, 25_000, 1_500_000_000)),
                    5 * 10**11, None, None, None, None, 0, None, None)


def draw(size: int, seed: int) -> list[DrawnAccount]:
    return draw_population(SPEC, size, seed, [TERMS], {TERMS.symbol: MARK})


@pytest.fixture(scope="module")
def drawn() -> list[DrawnAccount]:
    return draw(N, 3)


@given(size=st.integers(1, 40), more=st.integers(0, 40), seed=st.integers(0, 2**32))
def test_a_larger_population_begins_with_the_smaller_one(size: int, more: int, seed: int) -> None:
    """Two runs of one seed would be about different people, and their difference would not be that of the size."""
    names = [(a.deposit, a.lots, a.entry, a.leverage) for a in draw(size + more, seed)]
    assert names[:size] == [(a.deposit, a.lots, a.entry, a.leverage) for a in draw(size, seed)]


def test_another_seed_is_another_crowd() -> None:
    """A study over seeds would count one sample many times."""
    assert draw(20, 1) != draw(20, 2)


def test_nobody_begins_beyond_the_limits(drawn: list[DrawnAccount]) -> None:
    """Accounts that could never have opened, or would be gone already, would be liquidated at the first price."""
    for account in drawn:
        opened, held = TERMS.notional(account.lots, account.entry), TERMS.notional(account.lots, MARK)
        profit = held - opened if account.lots > 0 else opened - held
        assert account.deposit >= TERMS.initial(opened)
        assert account.deposit + profit >= TERMS.maintenance(held)
        assert TERMS.position_cap is not None
        assert max(opened, held) <= TERMS.position_cap


@given(size=st.integers(1, 60), seed=st.integers(0, 2**32), cap=st.integers(1, 10**11))
def test_a_crowd_stays_within_the_cap_on_open_interest(size: int, seed: int, cap: int) -> None:
    """A replay would show a market that the limits would never have let grow so large."""
    capped = draw_population(SPEC, size, seed, [replace(TERMS, open_interest_cap=cap)], {TERMS.symbol: MARK})
    free = draw(size, seed)
    for sign in (1, -1):
        assert sum(TERMS.notional(a.lots, MARK) for a in capped if sign * a.lots > 0) <= cap
        room = cap // TERMS.notional(1, MARK)
        for asked, has in ((a, b) for a, b in zip(free, capped, strict=True) if sign * a.lots > 0):
            assert abs(has.lots) == min(abs(asked.lots), room)  # no less than fits, first come, first served
            assert has.capped == (has.lots != asked.lots)
            room -= abs(has.lots)


def test_nobody_holds_less_than_asked_for_without_a_limit_that_binds(drawn: list[DrawnAccount]) -> None:
    """The crowd would be tamer than the file says, and the replay kinder than the crowd."""
    for account in drawn:
        lots = abs(account.lots) + 1
        opened, held = TERMS.notional(lots, account.entry), TERMS.notional(lots, MARK)
        profit = (held - opened) * (1 if account.lots > 0 else -1)
        asked = opened > account.deposit * account.leverage
        assert (asked or account.lots == 0 or account.deposit < TERMS.initial(opened)
                or account.deposit + profit < TERMS.maintenance(held) or max(opened, held) > 5 * 10**11)


def test_the_distribution_is_the_one_in_the_file(drawn: list[DrawnAccount]) -> None:
    """The file would state one crowd and the replay run another. Bounds are four standard errors."""
    for band in SPEC.leverage:
        share = sum(band.lowest <= a.leverage < band.highest for a in drawn) / N
        assert abs(share - band.share) < 4 * (band.share * (1 - band.share) / N) ** 0.5
    above = sum(a.deposit > SPEC.deposit.median * 1e6 for a in drawn) / N
    assert abs(above - 0.5) < 4 * 0.5 / N**0.5
    assert max(a.deposit for a in drawn) <= SPEC.deposit.largest * 1e6
    longs = [a.lots > 0 for a in drawn if a.lots]
    assert abs(sum(longs) / len(longs) - SPEC.long_share) < 4 * 0.5 / len(longs) ** 0.5


def test_shares_that_do_not_sum_are_refused() -> None:
    """A mistyped share would silently move the rest of the crowd into the last band."""
    half = LeverageBand.model_validate({"from": 1.0, "to": 2.0, "share": 0.5})
    with pytest.raises(ValueError, match="sum to 1"):
        Population.model_validate(SPEC.model_dump() | {"leverage": (half,)})


def test_an_unreadable_population_is_refused_by_its_key(tmp_path: Path) -> None:
    """A misspelt key would fall back to something the author never wrote."""
    path = tmp_path / "crowd.toml"
    path.write_text('name = "x"\nwhy = "y"\nlong_shore = 0.5\n', encoding="utf-8")
    with pytest.raises(MalformedInputError, match="long_share: Field required"):
        Population.read(path)


def test_the_page_shows_the_population_that_ships() -> None:
    """Readers would start from a file that is not the one in force."""
    shipped = resources.files("leverline.enforce").joinpath("population.toml").read_text(encoding="utf-8")
    assert shipped.rstrip() in page("formats/population.md")


@given(price=st.floats(1e-9, 1e9), size=st.sampled_from([1.0, 0.1, 10.0, 1000.0]))
def test_a_default_grid_is_fine_and_exact(price: float, size: float) -> None:
    """Prices would be too coarse to liquidate by, or a lot worth a broken unit that the ledger cannot carry."""
    tick = default_tick(price)
    assert tick <= Fraction(price) * Fraction(1e-5) * (1 + Fraction(1, 10**12))
    assert tick * 10 > Fraction(price) * Fraction(1e-5) * (1 - Fraction(1, 10**12))
    assert tick * default_lot(tick, size) * Fraction(repr(size)) * 1_000_000 == 1
