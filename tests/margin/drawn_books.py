"""Books, rules and prices drawn by hypothesis: every curve, payoff and kind of collateral that the slots express."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from leverline.margin.curves import (
    BracketCurve,
    Curve,
    EntryCurve,
    OpenInterestCurve,
    SizeLinearCurve,
    SizeRootCurve,
    StepCurve,
)
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState

FLOORS = (0.0, 500.0, 5_000.0, 60_000.0)
CURVES: dict[str, Curve] = {
    "bracket": BracketCurve(FLOORS, (0.1, 0.1, 0.25, 0.5), (0.05, 0.06, 0.125, 0.25), (0.0, 5.0, 330.0, 7_830.0)),
    "flat": BracketCurve((0.0,), (0.02,), (0.01,), (0.0,)),
    "step": StepCurve(FLOORS, (0.05, 0.1, 0.2, 0.4), (0.02, 0.05, 0.1, 0.2), by_contracts=False),
    "contracts": StepCurve((0.0, 10.0, 200.0), (0.05, 0.1, 0.2), (0.02, 0.05, 0.1), by_contracts=True),
    "interest": OpenInterestCurve(0.05, 0.6, 10_000.0, 50_000.0),
    "linear": SizeLinearCurve(0.02, 1e-4, 0.5, 20.0),
    "root": SizeRootCurve(0.1, 0.05, 2e-3, 1e9),
    "entry": EntryCurve(0.02, 0.01, 10.0),
}
ASSETS = {
    "USDC": AssetRules((0.0,), (1.0,), (1.0,), debt_initial_weight=1.1, debt_maintenance_weight=1.05, borrowable=True),
    "ETH": AssetRules((0.0, 1_000.0, 20_000.0), (0.9, 0.7, 0.2), (0.95, 0.8, 0.4), value_cap=90_000.0, borrowable=True,
                      debt_initial_weight=1.25, debt_maintenance_weight=1.1),
    "SOL": AssetRules((0.0,), (0.8,), (0.9,), root_discount=5e-3),
}
SETTLEMENT = "USD"
VENUES = ("plain", "strict")


class Drawn(NamedTuple):
    book: AccountBook
    rules: dict[str, VenueRules]
    state: MarketState


def rules_of(strict: bool, weights: tuple[float, float, float | None]) -> VenueRules:
    """All curves, linear and inverse, of one venue; ``weights`` of profit hold in every other market."""
    markets = {}
    for k, (name, curve) in enumerate(CURVES.items()):
        for payoff in Payoff:
            weighted = weights if k % 2 else (1.0, 1.0, None)
            markets[f"{name}-{payoff}"] = MarketRules(
                curve, payoff, contract_size=10.0 if payoff is Payoff.INVERSE else 0.5,
                profit_weight_initial=weighted[0], profit_weight_maintenance=weighted[1],
                profit_cap_initial=weighted[2])
    return VenueRules("strict" if strict else "plain", SETTLEMENT, markets, ASSETS, strict_prices=strict)


@st.composite
def drawn_books(draw: st.DrawFn, max_pools: int = 4) -> Drawn:
    """A few pools at two venues, from empty ones to bankrupt ones."""
    weights = draw(st.sampled_from([(1.0, 1.0, None), (0.0, 1.0, None), (0.5, 0.9, 100.0)]))
    rules = {venue: rules_of(venue == "strict", weights) for venue in VENUES}
    markets = [Market(venue, symbol) for venue in VENUES for symbol in rules[venue].markets]
    assets = [Asset(venue, asset) for venue in VENUES for asset in (SETTLEMENT, *ASSETS)]
    pools = [(Pool(venue, f"a{k}", "", draw(st.sampled_from(["o", "p"])), Mode.CROSS, ""),
              draw(held_at(markets, venue)), draw(kept_at(assets, venue)))
             for k, venue in enumerate(draw(st.lists(st.sampled_from(VENUES), min_size=1, max_size=max_pools)))]
    book = AccountBook(
        tuple(markets), tuple(assets), Pools.of([pool for pool, _, _ in pools]),
        _offsets([len(held) for _, held, _ in pools]),
        np.array([m for _, held, _ in pools for m, _, _ in held], dtype=np.uint32),
        np.array([q for _, held, _ in pools for _, q, _ in held], dtype=np.float64),
        np.array([e for _, held, _ in pools for _, _, e in held], dtype=np.float64),
        _offsets([len(kept) for _, _, kept in pools]),
        np.array([a for _, _, kept in pools for a, _ in kept], dtype=np.uint32),
        np.array([x for _, _, kept in pools for _, x in kept], dtype=np.float64),
    )
    names = tuple(dict.fromkeys([m.symbol for m in markets])) + tuple(f"{asset}/USD" for asset in ASSETS)
    return Drawn(book, rules, draw(states(names)))


@st.composite
def held_at(draw: st.DrawFn, markets: list[Market], venue: str) -> list[tuple[int, float, float]]:
    """Market, signed contracts and entry price of each position of one pool, ascending by market."""
    known = [k for k, market in enumerate(markets) if market.venue == venue]
    held = sorted(draw(st.sets(st.sampled_from(known), max_size=4)))
    return [(m, draw(st.floats(0.1, 2_000.0)) * draw(st.sampled_from([1.0, -1.0])), draw(st.floats(20.0, 200.0)))
            for m in held]


@st.composite
def kept_at(draw: st.DrawFn, assets: list[Asset], venue: str) -> list[tuple[int, float]]:
    """Asset and signed amount of each holding of one pool, ascending by asset."""
    known = [k for k, asset in enumerate(assets) if asset.venue == venue]
    kept = sorted(draw(st.sets(st.sampled_from(known), max_size=3)))
    return [(a, draw(st.floats(1.0, 3_000.0)) * draw(st.sampled_from([1.0, 1.0, -1.0]))) for a in kept]


@st.composite
def states(draw: st.DrawFn, names: tuple[str, ...]) -> MarketState:
    """Prices around 100 with a spread, and an open interest that the curves respond to."""
    n = len(names)
    mark = np.array(draw(st.lists(st.floats(30.0, 300.0), min_size=n, max_size=n)))
    spread = draw(st.sampled_from([0.0, 0.01, 0.1]))
    interest = np.array(draw(st.lists(st.sampled_from([np.nan, 0.0, 400.0, 1e5]), min_size=n, max_size=n)))
    unknown = np.full(n, np.nan)
    return MarketState(names, mark, mark * (1.0 - spread), mark * (1.0 + spread), unknown,
                       np.full(n, -1, dtype=np.int64), unknown, interest)


def _offsets(counts: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([0, *np.cumsum(counts)], dtype=np.int32)
