"""Two books side by side: every change found, with its sign, and none invented."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.calibrate.diff import REFERENCE_NOTIONALS, Change, diff_books
from leverline.ground.errors import UsageError
from leverline.model import AssetLimits, InstrumentLimits, LimitBook, VenueLimits
from leverline.model.quantities import UNITS_PER_ONE
from tests.model.books import AS_OF, book, fields, schedule

BTC = "BTC/USDT:USDT"
BTC_POINTER = "/instruments/BTC~1USDT:USDT"


def with_btc(**changes: Any) -> LimitBook:
    instruments = fields()["instruments"]
    return book(instruments=instruments | {BTC: instruments[BTC].model_copy(update=changes)})


def only_change(old: LimitBook, new: LimitBook) -> Change:
    (change,) = diff_books(old, new).changes
    return change


def test_equal_limits_differ_in_nothing_even_if_calibrated_later() -> None:
    """A committee that is shown changes where there are none stops reading the list."""
    later = book(as_of=AS_OF + timedelta(days=1), explanations={})
    diff = diff_books(book(), later)
    assert diff.is_empty
    assert diff.directions == {}
    assert diff.new_as_of == "2025-10-01T00:00:00Z"


@pytest.mark.parametrize(("field", "old", "new", "effect"), [
    ("position_cap", 5_000_000, 6_000_000, "loosens"), ("position_cap", 5_000_000, 4_000_000, "tightens"),
    ("position_cap", 5_000_000, None, "loosens"), ("position_cap", None, 5_000_000, "tightens"),
    ("open_interest_cap", None, 10, "tightens"), ("price_band", 0.05, 0.1, "loosens"),
    ("price_band", None, 0.1, "tightens"), ("liquidation_fee_rate", 0.01, 0.02, "tightens"),
    ("liquidation_fee_rate", None, 0.02, "neither"), ("binding_side", "short", "long", "neither"),
    ("fees", {"taker": 0.0005}, {"taker": 0.0004}, "neither"), ("owner_share_cap", None, 0.2, "tightens"),
    ("open_interest_growth_cap", 0.5, 0.25, "tightens"), ("profit_collateral_cap", 10, 20, "loosens"),
    ("account_classes", {"retail": 5.0}, {"retail": 2.0}, "tightens"),
])
def test_a_change_says_which_way_it_goes(field: str, old: Any, new: Any, effect: str) -> None:
    """A cap raised and listed as a tightening would be waved through by those who guard the venue."""
    change = only_change(with_btc(**{field: old}), with_btc(**{field: new}))
    assert change.effect == effect
    assert change.symbol == BTC
    assert change.pointer.startswith(f"{BTC_POINTER}/{field}")


def test_amounts_are_digit_strings_and_rates_numbers() -> None:
    """An amount that passed through a float would show 9007199254740993 units as something else."""
    cap = only_change(with_btc(position_cap=9007199254740993), with_btc(position_cap=9007199254740995))
    assert (cap.old, cap.new, cap.absolute) == ("9007199254740993", "9007199254740995", "2")
    band = only_change(with_btc(price_band=0.1), with_btc(price_band=0.3))
    assert (band.old, band.new, band.absolute, band.relative) == (0.1, 0.3, 0.2, 2.0)
    new = only_change(with_btc(price_band=None), with_btc(price_band=0.3))
    assert (new.absolute, new.relative) == (None, None)
    assert only_change(with_btc(price_band=0.0), with_btc(price_band=0.3)).relative is None


def test_a_tier_changed_is_found_leaf_by_leaf_with_its_sign() -> None:
    """Higher initial or maintenance rate tightens; a lower leverage is the same fact and must agree."""
    old = with_btc(tiers=schedule((0, 50_000, 50, 0.01), (50_000, 1_000_000, 25, 0.02)))
    new = with_btc(tiers=schedule((0, 50_000, 50, 0.01), (50_000, 1_000_000, 20, 0.03)))
    diff = diff_books(old, new)
    assert {c.pointer.removeprefix(f"{BTC_POINTER}/tiers/1/"): c.effect for c in diff.changes} == {
        "max_leverage": "tightens", "initial_margin_rate": "tightens", "maintenance_margin_rate": "tightens",
        "maintenance_deduction": "loosens"}
    assert diff.directions == {BTC: "tightens"}
    assert {(p.notional, p.old_leverage, p.new_leverage) for p in diff.curves} == {
        (10**5, 25.0, 20.0), (10**6, 25.0, 20.0)}


def test_the_same_terms_cut_into_other_tiers_move_no_curve() -> None:
    """A tier split in two asks nothing new of anybody; the list of leaves alone would look like upheaval."""
    old = with_btc(tiers=schedule((0, 1_000_000, 50, 0.01)))
    new = with_btc(tiers=schedule((0, 50_000, 50, 0.01), (50_000, 1_000_000, 50, 0.01)))
    diff = diff_books(old, new)
    assert diff.changes
    assert diff.curves == ()
    assert diff.directions == {BTC: "unchanged"}


@pytest.mark.parametrize(("old", "new", "direction"), [
    (((0, 2_000_000, 50, 0.01),), ((0, 1_000_000, 50, 0.01),), "tightens"),
    (((0, 1_000_000, 50, 0.01),), ((0, None, 50, 0.01),), "loosens"),
    (((0, 1_000_000, 50, 0.01),), ((0, 2_000_000, 40, 0.01),), "mixed"),
    (((0, 20_000, 50, 0.01), (20_000, None, 20, 0.02)), ((0, 30_000, 50, 0.01), (30_000, None, 20, 0.02)), "loosens"),
    (((0, 1, 50, 0.01), (1, None, 20, 0.01)), ((0, 1, 40, 0.01), (1, None, 20, 0.01)), "tightens"),
    (((0, 10, 5, 0.1), (10, None, 2, 0.2)), ((0, 9, 5, 0.1), (9, None, 2, 0.199999)), "mixed"),
])
def test_direction_holds_over_all_sizes_not_only_the_shown_ones(old: Any, new: Any, direction: str) -> None:
    """A loosening between two reference sizes, or beyond the last, is where an account will go."""
    before, after = (with_btc(tiers=schedule(*rows), position_cap=None) for rows in (old, new))
    diff = diff_books(before, after)
    assert diff.directions == {BTC: direction}


def test_a_position_cap_ends_the_curve() -> None:
    """A size the cap forbids is admitted at no leverage, whatever the tiers say."""
    diff = diff_books(with_btc(position_cap=None), with_btc(position_cap=10**5 * UNITS_PER_ONE))
    assert [(p.notional, p.old_leverage, p.new_leverage) for p in diff.curves] == [
        (10**6, 25.0, None), (10**7, 2.5, None), (10**8, 2.5, None)]
    assert diff.directions == {BTC: "tightens"}
    assert REFERENCE_NOTIONALS == (10**3, 10**4, 10**5, 10**6, 10**7, 10**8)


def test_markets_that_come_and_go_are_named_once() -> None:
    """A delisting must not drown in a thousand leaf changes, nor be missed among them."""
    instruments = fields()["instruments"]
    new = book(instruments={BTC: instruments[BTC], "SOL/USDT:USDT": instruments["ETH/USDT:USDT"]})
    diff = diff_books(book(), new)
    assert (diff.added, diff.removed, diff.changes) == (("SOL/USDT:USDT",), ("ETH/USDT:USDT",), ())
    assert not diff.is_empty


def test_collateral_venue_and_overrides_are_compared_too() -> None:
    """A lower ltv or a struck override moves liquidations as surely as a tier does."""
    new = book(collateral={"ETH": AssetLimits(ltv=0.7, liquidation_threshold=0.85, supply_cap=10**12)},
               venue=VenueLimits(insurance_fund_target=2 * 10**12, breakers={"move": 0.1}), overrides=())
    found = {c.pointer: (c.effect, c.symbol) for c in diff_books(book(), new).changes}
    assert found == {"/collateral/ETH/ltv": ("tightens", None), "/venue/insurance_fund_target": ("tightens", None),
                     "/overrides/0": ("neither", None)}


def test_a_challenger_is_recognised_either_way_round() -> None:
    """A challenger shown as a successor would be adopted unexamined."""
    champion = book()
    challenger = book(challenges=champion.id)
    assert diff_books(champion, challenger).challenges == "new challenges old"
    assert diff_books(challenger, champion).challenges == "old challenges new"
    assert diff_books(champion, champion).challenges is None


def test_books_in_different_money_are_not_compared() -> None:
    """Five million dollars against five million yen is no tightening."""
    with pytest.raises(UsageError, match="same asset"):
        diff_books(book(), book(settlement="JPY"))


OPPOSITE = {"tightens": "loosens", "loosens": "tightens", "mixed": "mixed", "unchanged": "unchanged",
            "neither": "neither"}

Steps = list[tuple[int, int, int]]
"""Width in thousands, ladder steps down, rate steps up of each tier."""

TIERS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=4)


def limits(steps: Steps, cap: int | None) -> InstrumentLimits:
    rows, floor, leverage, rate = [], 0, 40, 10
    for width, fall, rise in steps:
        leverage, rate = max(2, leverage - 5 * fall), rate + rise
        rows.append((floor, floor + width * 1000, leverage, rate / 1000))
        floor += width * 1000
    return InstrumentLimits(tiers=schedule(*rows), position_cap=cap)


@given(a=TIERS, b=TIERS, cap=st.sampled_from([None, 10**9, 10**10]))
def test_backwards_is_the_opposite(a: Steps, b: Steps, cap: int | None) -> None:
    """A roll-back must read as the reverse of the change it undoes, or one of the two readings is wrong."""
    old, new = (book(instruments={"X": lim}) for lim in (limits(a, cap), limits(b, None)))
    there, back = diff_books(old, new), diff_books(new, old)
    assert {s: OPPOSITE[d] for s, d in there.directions.items()} == back.directions
    assert {c.pointer: OPPOSITE[c.effect] for c in there.changes} == {c.pointer: c.effect for c in back.changes}
    assert [OPPOSITE[p.effect] for p in there.curves] == [p.effect for p in back.curves]


def test_the_dictionary_is_plain_json() -> None:
    """A command that prints a diff must print one document any program can read."""
    plain = diff_books(book(), with_btc(position_cap=None, price_band=0.1)).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain) == {"old_id", "new_id", "old_as_of", "new_as_of", "settlement", "challenges", "added", "removed",
                          "directions", "changes", "curves"}
    assert plain["changes"][0] == {
        "pointer": f"{BTC_POINTER}/position_cap", "symbol": BTC, "old": "5000000000000", "new": None, "absolute": None,
        "relative": None, "effect": "loosens"}
