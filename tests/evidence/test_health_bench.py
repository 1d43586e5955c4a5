"""The bench of the valuation: both sides say the same, and other engines are judged by the venue's own brackets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from leverline.evidence.bench import health_bench, health_peers, million_accounts, peer_engines
from leverline.evidence.bench.health_polars import polars_book
from leverline.evidence.bench.peer_engines import ENTRY, MARGIN_RATE, SIZES_BTC, Ladder, turning_price
from leverline.margin.health_sweep import HealthSweep, counted_holdings
from leverline.margin.valuation import STATUSES, Status, value_accounts

TABLES = million_accounts.drawn_tables(400)
FRAMES = polars_book(TABLES, counted_holdings(TABLES, TABLES.assets.price_owned, TABLES.assets.price_owed))


def test_polars_says_the_same_as_the_kernels() -> None:
    """The ratio would compare a valuation with something easier."""
    valuation = value_accounts(TABLES, call_ratio=health_bench.CALL_RATIO)
    health_bench.check_full(valuation, FRAMES)
    pools = valuation.pools
    size = 1.0 + pools.gross_notional + pools.collateral_value
    health_bench.check_sweep(HealthSweep(TABLES), FRAMES, million_accounts.moved_prices(TABLES, 3), size)
    for column in ("equity", "withdrawable", "leverage_ratio"):
        wrong = replace(valuation, pools=replace(pools, **{column: getattr(pools, column) * (1.0 + 1e-6) + 1e-6}))
        with pytest.raises(AssertionError, match=column):
            health_bench.check_full(wrong, FRAMES)


def test_the_drawn_book_has_everything_that_costs_time() -> None:
    """A book of equal small accounts would be valued faster than any real one."""
    tables = million_accounts.drawn_tables(20_000)
    valuation = value_accounts(tables)
    per_pool = np.diff(tables.book.position_offsets)
    assert per_pool.min() == 1
    assert 4.0 < per_pool.mean() < 5.0
    assert len(np.unique(tables.book.position_market)) == million_accounts.MARKETS
    reached = np.searchsorted(million_accounts.FLOORS, valuation.positions.notional, side="right")
    assert len(np.unique(reached)) >= 6
    assert 0.01 < np.mean(valuation.pools.status >= STATUSES.index(Status.LIQUIDATABLE)) < 0.05
    assert (tables.book.amount < 0).mean() == pytest.approx(0.1, abs=0.01)


class Flat:
    """An engine with tiers and no deductions, which liquidates too early above the first floor."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    def is_below(self, size: float, price: float) -> bool:
        tiers = zip(self._ladder.floors, self._ladder.rates, strict=True)
        rate = max(rate for floor, rate in tiers if floor <= size * price)
        return size * ENTRY * MARGIN_RATE + size * (price - ENTRY) < rate * size * price

    def ns_per_position(self) -> float:
        return math.nan


def test_an_engine_is_judged_by_the_exact_brackets() -> None:
    """Our own error would be zero by definition, and theirs whatever we like."""
    ladder = health_peers.binance_ladder()
    ours, flat = health_peers.Ours(ladder), Flat(ladder)
    for size in SIZES_BTC:
        assert health_peers.error_bp(ladder, size, turning_price(ours, size)) == pytest.approx(0.0, abs=1e-6)
    deduction = 50.0 + 900.0 + 10_500.0 + 120_000.0  # USDT, of the bracket from 12 million on: floors x steps of rate
    exact = (500 * ENTRY * (1 - MARGIN_RATE) - deduction) / (500 * (1 - 0.02))
    early = ENTRY * (1 - MARGIN_RATE) / (1 - 0.02)
    assert health_peers.error_bp(ladder, 500.0, turning_price(flat, 500.0)) == pytest.approx(
        1e4 * (early / exact - 1.0), rel=1e-6)


def test_an_engine_that_is_not_there_or_fails_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing neighbour would end the bench of everything else."""
    monkeypatch.delenv("LEVERLINE_PEERS_PYTHON", raising=False)
    ladder = health_peers.binance_ladder()
    assert str(health_peers.asked_apart("no_engine_of_this_name", ladder)) == "not installed"
    assert str(health_peers.asked_apart("json", ladder)).startswith("failed: KeyError")
    monkeypatch.setenv("LEVERLINE_PEERS_PYTHON", "/nowhere/python")
    assert str(health_peers.asked_apart("lrvx", ladder)).startswith("no interpreter")
    assert set(health_peers.notes()) == {"ladder", "leverline", *peer_engines.ENGINES}
