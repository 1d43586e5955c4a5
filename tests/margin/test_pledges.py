"""Collateral pledged again: how much is claimed, and what falls with a link."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leverline.ground.errors import UsageError
from leverline.margin.pledges import (
    Pledge,
    PledgeGraph,
    outstanding_values,
    owner_losses,
    pledge_graph,
    propagated,
)
from leverline.margin.rehypothecation import rehypothecation
from leverline.margin.rules import AssetRules, VenueRules
from leverline.margin.tables import margin_tables
from leverline.model.accounts import AccountBook, Asset, Mode, Pool, Pools
from leverline.model.market_state import MarketState

STAKED = [Pledge("stETH", "ETH", 1.0, place="staking"), Pledge("aStETH", "stETH", 1.0, place="lender"),
          Pledge("stable", "aStETH", 1.0, haircut=0.25, place="vault")]
STAKED_VALUES = {"ETH": 100.0, "stETH": 80.0, "aStETH": 60.0, "stable": 45.0}


@st.composite
def graphs(draw: st.DrawFn, cyclic: bool = True) -> PledgeGraph:
    """Claims that rest on assets before them and, where ``cyclic``, behind them too, never wholly on each other."""
    n = draw(st.integers(2, 6))
    names = [f"x{k}" for k in range(n)]
    pledges = []
    for a in range(1, n):
        others = range(n) if cyclic else range(a)
        backing = draw(st.lists(st.sampled_from([b for b in others if b != a]), unique=True, max_size=3))
        pledges += [Pledge(names[a], names[b], draw(st.floats(0.05, 0.3)), draw(st.sampled_from([0.0, 0.1, 0.4])))
                    for b in backing]
    value = draw(st.lists(st.floats(1.0, 1e6), min_size=n, max_size=n))
    return pledge_graph(pledges, dict(zip(names, value, strict=True)))


def test_a_chain_of_receipts_is_counted_down_to_what_is_there() -> None:
    """Three claims on one ETH would look like three ETH."""
    found = rehypothecation(pledge_graph(STAKED, STAKED_VALUES))
    assert found.longest_chain == ("stable", "aStETH", "stETH", "ETH")
    assert (found.base_value, found.claim_value) == (100.0, 185.0)
    assert found.system_leverage == pytest.approx(1.85)
    assert found.reuse[0] == pytest.approx(1.85)
    assert found.pledged.tolist() == pytest.approx([80.0, 60.0, 60.0, 0.0])  # 45 under a haircut of a quarter lock 60
    assert found.pledged_beyond == ()
    assert found.circles == ()


def test_the_same_units_pledged_twice_are_named() -> None:
    """Two lenders would each believe that they hold the collateral."""
    twice = [Pledge("loan1", "BTC", 1.0, place="x"), Pledge("loan2", "BTC", 1.0, place="y")]
    found = rehypothecation(pledge_graph(twice, {"BTC": 100.0, "loan1": 70.0, "loan2": 50.0}))
    assert found.pledged_beyond == ("BTC",)
    assert found.pledged[0] == 120.0


def test_a_haircut_takes_the_first_loss() -> None:
    """An overcollateralised claim would be written down by losses that its cushion bears."""
    graph = pledge_graph(STAKED, STAKED_VALUES)
    mild = propagated(graph, {"ETH": 0.2})
    assert mild.loss_rate.tolist() == pytest.approx([0.2, 0.2, 0.2, 0.0])
    assert mild.amplification == pytest.approx((20 + 16 + 12) / 20)
    severe = propagated(graph, {"ETH": 0.5})
    assert severe.loss_rate[3] == pytest.approx(1 - 0.5 / 0.75)


def test_a_place_that_fails_takes_what_is_held_there_and_all_above() -> None:
    """A lender's failure would be thought to end at its depositors."""
    graph = pledge_graph(STAKED, STAKED_VALUES)
    loss = propagated(graph, place_losses={"lender": 1.0})
    assert loss.loss_rate.tolist() == pytest.approx([0.0, 0.0, 1.0, 1.0])
    assert (loss.first, loss.total) == (0.0, 105.0)
    assert np.isnan(loss.amplification)
    worst = rehypothecation(graph).failures[0]
    assert (worst.kind, worst.name, worst.total) == ("asset", "ETH", 285.0)
    lender = next(f for f in rehypothecation(graph).failures if f.name == "lender")
    assert lender.falls == (("aStETH", 1.0), ("stable", 1.0))


def test_a_circle_settles_where_its_equation_says() -> None:
    """A coin backed by a pool that holds the coin would lose once and never feel it come back."""
    pledges = [Pledge("coin", "share", 0.5), Pledge("coin", "ETH", 0.5), Pledge("share", "coin", 0.4),
               Pledge("share", "USDC", 0.6)]
    graph = pledge_graph(pledges, {"ETH": 100.0, "USDC": 50.0, "coin": 120.0, "share": 80.0})
    loss = dict(zip(graph.assets, propagated(graph, {"ETH": 0.5}).loss_rate.tolist(), strict=True))
    assert loss["coin"] == pytest.approx(0.25 / (1 - 0.5 * 0.4))  # c = 0.5 s + 0.25, s = 0.4 c
    assert loss["share"] == pytest.approx(0.4 * loss["coin"])
    found = rehypothecation(graph)
    assert [set(circle) for circle in found.circles] == [{"coin", "share"}]
    assert len(found.longest_chain) == 2  # the circle, then what it rests on
    claimed = 120 * 0.5 / 0.8 + 80 * 0.4 * 0.5 / 0.8  # of ETH, all rounds of the circle summed
    assert found.reuse[0] == pytest.approx(claimed / 100)


@given(graph=graphs(), small=st.floats(0.0, 1.0), large=st.floats(0.0, 1.0))
def test_losses_are_a_fixed_point_and_never_shrink_with_the_shock(graph: PledgeGraph, small: float, large: float,
                                                                  ) -> None:
    """A worse failure would cost less, or what is reported would not be where the contagion ends."""
    small, large = sorted((small, large))
    mild, severe = (propagated(graph, {"x0": rate}) for rate in (small, large))
    assert (severe.loss_rate >= mild.loss_rate - 1e-9).all()
    assert (severe.loss_rate <= 1.0).all()
    assert severe.loss_rate[0] >= large
    for a in range(len(graph.assets)):
        met = [(w, max(0.0, (severe.loss_rate[b] - h) / (1.0 - h))) for c, b, w, h in
               zip(graph.claim, graph.backing, graph.share, graph.haircut, strict=True) if c == a]
        own = large if a == 0 else 0.0
        assert severe.loss_rate[a] == pytest.approx(1 - (1 - own) * (1 - sum(w * x for w, x in met)), abs=1e-9)


@given(graph=graphs(cyclic=False))
def test_what_each_claim_rests_on_adds_up(graph: PledgeGraph) -> None:
    """Collateral would be counted that nobody posted, or some of it twice on one way down."""
    found = rehypothecation(graph)
    base = graph.is_base
    rests = np.zeros((len(graph.assets), len(graph.assets)))
    for a in range(len(graph.assets)):  # down every way, one by one: assets rest on earlier ones only
        rests[a, a] = 1.0
        for c, b, w in zip(graph.claim, graph.backing, graph.share, strict=True):
            if c == a:
                rests[a] += w * rests[b]
    used = (np.where(base, 0.0, graph.value) @ rests)[base]
    assert found.reuse[base] == pytest.approx(used / graph.value[base])
    assert found.circles == ()
    assert used.sum() <= found.claim_value * (1 + 1e-9)
    assert found.claim_value + found.base_value == pytest.approx(graph.value.sum())


@given(graph=graphs(cyclic=False))
def test_the_longest_chain_is_one_and_none_is_longer(graph: PledgeGraph) -> None:
    """The deepest re-hypothecation would be missed, or a chain be shown that nobody built."""
    edges = {(graph.assets[c], graph.assets[b]) for c, b in zip(graph.claim, graph.backing, strict=True)}
    chain = rehypothecation(graph).longest_chain
    assert all(pair in edges for pair in pairwise(chain))
    depth = {graph.assets[0]: 1}
    for name in graph.assets[1:]:
        depth[name] = 1 + max((depth[b] for c, b in edges if c == name), default=0)
    assert len(chain) == (max(depth.values()) if edges else 0)


def test_the_books_holdings_are_what_is_outstanding_and_its_owners_bear_the_loss() -> None:
    """The graph would have to be filled by hand, and its losses would hit nobody in particular."""
    pools = [Pool("", name, "", owner, Mode.CROSS, "") for name, owner in (("1", "o"), ("2", "o"), ("3", "q"))]
    none = np.array([], np.uint32)
    book = AccountBook((), (Asset("", "stETH"), Asset("", "USD")), Pools.of(pools), np.zeros(4, np.int32), none,
                       np.array([]), np.array([]), np.array([0, 1, 3, 4], np.int32), np.array([0, 0, 1, 0], np.uint32),
                       np.array([10.0, 5.0, -700.0, -2.0]))
    tables = margin_tables(book, {"": VenueRules("v", "USD", {}, {"stETH": AssetRules(borrowable=True)})},
                           MarketState.of({"stETH/USD": 100.0}))
    values = outstanding_values(tables)
    assert values == {"stETH": 1_500.0, "USD": 0.0}
    graph = pledge_graph([Pledge("stETH", "ETH", 1.0)], values | {"ETH": 1_500.0})
    assert owner_losses(tables, propagated(graph, {"ETH": 0.1})) == pytest.approx({"o": 150.0})


@pytest.mark.parametrize(("pledges", "values", "why"), [
    ([Pledge("a", "b", 1.0), Pledge("b", "a", 1.0)], {"a": 1.0, "b": 1.0}, "nothing but each other"),
    ([Pledge("a", "a", 0.5)], {"a": 1.0}, "does not back itself"),
    ([Pledge("a", "b", 0.7), Pledge("a", "c", 0.7)], {"a": 1.0, "b": 1.0, "c": 1.0}, "do not exceed 1"),
    ([Pledge("a", "b", 0.5), Pledge("a", "b", 0.5)], {"a": 1.0, "b": 1.0}, "given once"),
    ([Pledge("a", "b", 0.0)], {"a": 1.0, "b": 1.0}, "share"),
    ([Pledge("a", "b", 1.0, haircut=1.0)], {"a": 1.0, "b": 1.0}, "haircut"),
    ([Pledge("a", "b", 1.0)], {"a": 1.0}, "outstanding value"),
    ([Pledge("a", "b", 1.0)], {"a": 1.0, "b": float("nan")}, "finite"),
])
def test_a_graph_without_a_meaning_is_refused(pledges: list[Pledge], values: dict[str, float], why: str) -> None:
    """Coins that back only each other would be given a value."""
    with pytest.raises(UsageError, match=why):
        pledge_graph(pledges, values)


@pytest.mark.parametrize(("assets", "places"), [({"XXX": 1.0}, {}), ({}, {"XXX": 1.0}), ({"ETH": 1.5}, {})])
def test_a_failure_of_what_is_not_there_is_refused(assets: dict[str, float], places: dict[str, float]) -> None:
    """A misspelt name would pass as a harmless failure."""
    with pytest.raises(UsageError):
        propagated(pledge_graph(STAKED, STAKED_VALUES), assets, places)
