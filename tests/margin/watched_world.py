"""A drawn venue that lives: prices tick, accounts trade and pay, limits change; and brute force beside every tick.

Rows of closed positions stay in the brute-force book at size 0, so that its layout never changes; what is given to the
bands has no such rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leverline.ground.arrays import BoolArray, FloatArray, IntArray
from leverline.margin._sweep_kernels import health_of
from leverline.margin.band_layout import Positions, holdings_of, positions_of
from leverline.margin.curves import BracketCurve, Curve, EntryCurve, SizeRootCurve, StepCurve
from leverline.margin.health_sweep import counted_holdings
from leverline.margin.rules import AssetRules, MarketRules, VenueRules
from leverline.margin.tables import MarginTables, margin_tables, taken
from leverline.margin.triggers import Crossings, SafeBands
from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools
from leverline.model.instrument import Payoff
from leverline.model.market_state import MarketState

FLOORS = (0.0, 20_000.0, 100_000.0, 1_000_000.0)
ASSETS = ("USD", "ETH", "SOL")
N_MARKETS = 24


class World:
    """``n_pools`` cross pools in 24 markets of every payoff, with three assets; half of the pools price strictly."""

    def __init__(self, seed: int, n_pools: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.strictness = 0.0
        self.markets = tuple(Market(venue, f"M{m}") for venue in ("plain", "strict") for m in range(N_MARKETS))
        self.assets = tuple(Asset(venue, asset) for venue in ("plain", "strict") for asset in ASSETS)
        self.mark = self.rng.uniform(10.0, 1000.0, N_MARKETS + len(ASSETS) - 1)
        self.anchor = self.mark.copy()
        self.book = self._book(n_pools)
        self.tables = self._tables(self.book)
        pool = self.book.pool_of_position()
        self.holders = [np.unique(pool[self.book.position_market == m]) for m in range(len(self.markets))]
        self.everybody = np.arange(n_pools)
        self.counted = self._counted()
        self.health = np.empty(n_pools)
        self.is_breached = self.revalue(self.everybody)
        self.bands = SafeBands(self.tables)

    def rules(self) -> dict[str, VenueRules]:
        lift = 1.0 + self.strictness
        return {name: VenueRules(name, "USD", {f"M{m}": self._market(m, lift) for m in range(N_MARKETS)}, {
            "ETH": AssetRules((0.0, 5_000.0, 50_000.0), (0.9, 0.7, 0.2), (0.95 / lift, 0.8 / lift, 0.4), 200_000.0,
                              debt_initial_weight=1.25, debt_maintenance_weight=1.1, borrowable=True),
            "SOL": AssetRules((0.0,), (0.8,), (0.9,), root_discount=5e-3, borrowable=True),
        }, strict_prices=name == "strict") for name in ("plain", "strict")}

    @staticmethod
    def _market(m: int, lift: float) -> MarketRules:
        rates = [r * lift for r in (0.02 + 0.001 * m, 0.04 + 0.001 * m, 0.1, 0.25)]
        deductions = [0.0]
        for k in range(1, 4):
            deductions.append(deductions[-1] + FLOORS[k] * (rates[k] - rates[k - 1]))
        brackets = BracketCurve(FLOORS, tuple(2 * r for r in rates), tuple(rates), tuple(deductions))
        curve: Curve = brackets
        if m == 20:
            curve = SizeRootCurve(0.1, 0.05 * lift, 2e-3, 1e9)
        if m == 21:
            curve = EntryCurve(0.02, 0.01 * lift, 10.0)
        if m == 22:
            curve = StepCurve(FLOORS, tuple(2 * r for r in rates), tuple(rates), by_contracts=False)
        payoff = Payoff.INVERSE if m in (17, 18) else Payoff.LINEAR
        return MarketRules(curve, payoff, 10.0 if m in (17, 18) else 0.1,
                           profit_weight_maintenance=0.0 if m == 5 else 0.5 if m in (6, 17) else 1.0)

    def _book(self, n_pools: int) -> AccountBook:
        rng = self.rng
        odd = rng.random(n_pools) < 0.5
        pools = Pools.of(Pool("strict" if is_odd else "plain", f"a{i}", "", "o", Mode.CROSS, "")
                         for i, is_odd in enumerate(odd))
        popularity = np.arange(1, N_MARKETS + 1) ** -0.7
        popularity[22] *= 0.05
        rows = [np.sort(rng.choice(N_MARKETS, min(N_MARKETS, 1 + rng.poisson(4)), replace=False,
                                   p=popularity / popularity.sum())) + N_MARKETS * is_odd for is_odd in odd]
        market = np.concatenate(rows)
        kept = [np.sort(rng.choice(3, rng.integers(1, 4), replace=False)) + 3 * is_odd for is_odd in odd]
        asset = np.concatenate(kept)
        quantity, entry = self.drawn_position(market)
        notional = np.bincount(np.repeat(np.arange(n_pools), [r.size for r in rows]),
                               np.abs(quantity) * np.where(np.isin(market % N_MARKETS, (17, 18)), 10.0, 0.1 * entry))
        value = np.repeat(notional, [k.size for k in kept]) * rng.uniform(0.02, 0.3, asset.size)
        price = np.concatenate(([1.0], self.mark[N_MARKETS:]))[asset % 3]
        amount = np.where(rng.random(asset.size) < 0.15, -0.2, 1.0) * value / price
        return AccountBook(self.markets, self.assets, pools, _offsets([r.size for r in rows]), market.astype(np.uint32),
                           quantity, entry, _offsets([k.size for k in kept]), asset.astype(np.uint32), amount)

    def drawn_position(self, market: IntArray) -> tuple[FloatArray, FloatArray]:
        """Signed contracts and entry prices near the mark."""
        rng, mark = self.rng, self.mark[market % N_MARKETS]
        notional = np.exp(rng.normal(9.0, 1.5, market.size))
        inverse = np.isin(market % N_MARKETS, (17, 18))
        contracts = np.where(inverse, notional / 10.0, notional / (0.1 * mark))
        return (np.where(rng.random(market.size) < 0.5, contracts, -contracts),
                mark * np.exp(rng.normal(0.0, 0.03, market.size)))

    def state(self) -> MarketState:
        names = tuple(f"M{m}" for m in range(N_MARKETS)) + tuple(f"{a}/USD" for a in ASSETS[1:])
        nothing = np.full(len(names), np.nan)
        return MarketState(names, self.mark, self.mark * 0.999, self.mark * 1.001, nothing,
                           np.full(len(names), -1, np.int64), nothing, nothing)

    def _tables(self, book: AccountBook) -> MarginTables:
        return margin_tables(book, self.rules(), self.state())

    def _counted(self) -> FloatArray:
        return counted_holdings(self.tables, self.tables.assets.price_owned, self.tables.assets.price_owed)

    def revalue(self, pools: IntArray) -> BoolArray:
        """Whether each of ``pools`` is below the line, by brute force."""
        tables, curves = self.tables, self.tables.curves
        health_of(pools, self.counted, self.book.position_offsets, self.book.position_market, tables.base, tables.cost,
                  tables.price_long, tables.price_short, tables.profit_weight_maintenance, curves.first.view(np.uint32),
                  curves.floor, curves.maintenance_rate, curves.deduction, curves.maintenance_slope,
                  curves.maintenance_constant, self.health)
        return self.health[pools] < 0

    def expect(self, found: Crossings, pools: IntArray) -> None:
        """What the bands found is what brute force over ``pools`` finds, no less and no more."""
        after, before = self.revalue(pools), self.is_breached[pools]
        np.testing.assert_array_equal(found.breached, pools[after & ~before])
        np.testing.assert_array_equal(found.recovered, pools[before & ~after])
        self.is_breached[pools] = after

    def tick(self) -> None:
        """One price moves: mostly by little, sometimes by a gap; it is drawn back to where it began."""
        name = int(self.rng.integers(self.mark.size))
        jump = 0.05 if self.rng.random() < 0.002 else 0.0015
        pull = 0.01 * np.log(self.anchor[name] / self.mark[name])
        self.mark[name] *= np.exp(pull + jump * float(self.rng.standard_t(4)))
        low, high = self.mark[name] * 0.999, self.mark[name] * 1.001
        strict = bool(self.rng.random() < 0.5)
        if name < N_MARKETS:
            column = name + N_MARKETS * strict
            prices = (low, high) if strict else (self.mark[name], self.mark[name])
            self.tables.price_long[column], self.tables.price_short[column] = prices
            self.expect(self.bands.tick(column, *map(float, prices)), self.holders[column])
        else:
            column = name - N_MARKETS + 1 + 3 * strict
            prices = (low, high) if strict else (self.mark[name], self.mark[name])
            assets = self.tables.assets
            assets.price_owned[column], assets.price_owed[column] = prices
            self.counted = self._counted()
            self.expect(self.bands.tick_asset(column, *map(float, prices)), self.everybody)

    def trade(self) -> None:
        """A pool opens, closes, turns or resizes one of its positions."""
        pool = int(self.rng.integers(self.book.n_pools))
        row = int(self.rng.integers(*self.book.position_offsets[pool:pool + 2]))
        quantity, entry = self.drawn_position(self.book.position_market[row:row + 1].astype(np.int64))
        self.book.quantity[row], self.book.entry_price[row] = quantity[0] * self.rng.choice([0.0, 0.3, 1.0]), entry[0]
        positions = self._rederive(pool)
        open_ = positions.base != 0.0
        own = open_ if positions.slope.size else slice(0)
        given = Positions(positions.market[open_], positions.base[open_], positions.cost[open_], positions.slope[own],
                          positions.constant[own])
        self.expect(self.bands.update_pool(pool, positions=given), np.array([pool]))

    def transfer(self) -> None:
        """A pool's amount of one asset changes, with the weight that its size leaves it."""
        pool = int(self.rng.integers(self.book.n_pools))
        row = int(self.rng.integers(*self.book.holding_offsets[pool:pool + 2]))
        self.book.amount[row] *= float(self.rng.choice([0.0, -0.3, 0.5, 1.5, 3.0])) or 1.0
        self._rederive(pool)
        kept = holdings_of(self.tables, pool)
        self.expect(self.bands.update_pool(pool, holdings=kept), np.array([pool]))

    def fund(self) -> None:
        """Everybody with a dollar balance pays or receives."""
        asset = int(self.rng.choice([0, 3]))
        rows = np.flatnonzero(self.book.holding_asset == asset)
        paid = self.rng.normal(0.0, 30.0, rows.size)
        self.book.amount[rows] += paid
        pools = self.book.pool_of_holding()[rows]
        self.counted = self._counted()
        self.expect(self.bands.credit(asset, pools, paid), pools)

    def change_limits(self) -> None:
        """Every rate moves; brute force and bands start from the same new tables."""
        self.strictness = float(self.rng.uniform(-0.3, 0.5))
        old = self.tables
        fresh = self._tables(self.book)
        self.tables = replace(
            fresh, price_long=old.price_long, price_short=old.price_short,
            assets=replace(fresh.assets, price_owned=old.assets.price_owned, price_owed=old.assets.price_owed))
        self._close_lines()
        self.counted = self._counted()
        self.expect(self.bands.replace_rules(self.tables), self.everybody)

    def _rederive(self, pool: int) -> Positions:
        """Columns of one pool anew from its book, by the same layout that everything else comes from."""
        one = self._tables(taken(self.book, np.array([pool])))
        begin, end = self.book.position_offsets[pool:pool + 2]
        self.tables.base[begin:end], self.tables.cost[begin:end] = one.base, one.cost
        self.tables.curves.maintenance_slope[begin:end] = one.curves.maintenance_slope
        self.tables.curves.maintenance_constant[begin:end] = one.curves.maintenance_constant
        begin, end = self.book.holding_offsets[pool:pool + 2]
        self.tables.assets.weight_cap[begin:end] = one.assets.weight_cap
        self.counted = self._counted()
        self._close_lines()
        return positions_of(self.tables, pool)

    def _close_lines(self) -> None:
        """A closed position asks for nothing, whatever least margin its curve knows."""
        closed = self.tables.base == 0.0
        self.tables.curves.maintenance_slope[closed] = 0.0
        self.tables.curves.maintenance_constant[closed] = 0.0

    def live(self, n_ticks: int) -> None:
        """``n_ticks`` price moves, with everything else in between."""
        for t in range(1, n_ticks + 1):
            self.tick()
            if t % 40 == 0:
                self.trade()
            if t % 60 == 0:
                self.transfer()
            if t % 500 == 0:
                self.fund()
            if t % 900 == 0:
                self.change_limits()


def _offsets(counts: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([0, *np.cumsum(counts)], dtype=np.int32)
