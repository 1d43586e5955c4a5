"""Depth-band files: what is read, what is refused, and the frozen ghost bid that a crash left in one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leverline.market.sources.depth_bands import describe_bands, read_bands
from tests.market.books import START_NS, Case, assert_refused, at, csv, shapes

HEAD = "ts,symbol,percentage,depth,notional"
GOOD = f"{at(0)},A,-1,10,1000"


def second(row: str, head: str = HEAD) -> bytes:
    return csv(head, GOOD, row)


CASES = [
    *shapes(HEAD, GOOD, {c: HEAD.replace(c, "x") for c in ("ts", "percentage", "depth", "notional", "symbol")}),
    Case("percentage zero", second(f"{at(1)},A,0,10,1000"), 2, "percentage", "no distance"),
    Case("percentage whole", second(f"{at(1)},A,100,10,1000"), 2, "percentage", "no distance"),
    Case("percentage NaN", second(f"{at(1)},A,NaN,10,1000"), 2, "percentage", "not finite"),
    Case("percentage missing", second(f"{at(1)},A,,10,1000"), 2, "percentage", "missing"),
    Case("depth negative", second(f"{at(1)},A,1,-10,1000"), 2, "depth", "negative"),
    Case("depth a word", second(f"{at(1)},A,1,much,1000"), 2, "depth", "not a number"),
    Case("depth infinite", second(f"{at(1)},A,1,inf,1000"), 2, "depth", "not finite"),
    Case("notional negative", second(f"{at(1)},A,1,10,-1000"), 2, "notional", "negative"),
    Case("notional absurd", second(f"{at(1)},A,1,10,1e30"), 2, "notional", "absurdly"),
    Case("notional of nothing", second(f"{at(1)},A,1,0,1000"), 2, "notional", "both zero"),
    Case("band twice", second(f"{at(0)},A,-1.0,11,1100"), 2, "percentage", "second time"),
    Case("goes back", csv(HEAD, f"{at(5)},A,-1,10,1000", GOOD), 2, "ts", "back in time"),
    Case("time a word", second("noon,A,1,10,1000"), 2, "ts", "not a time"),
    Case("mixed epochs", csv(HEAD, "1760054400,A,-1,10,1000", "1760054400000,A,1,10,1000"), 2, "ts", "in ms"),
    Case("an archive of another name", b"PK\x03\x04rest", None, None, "name is not theirs"),
    Case("a torn archive", b"PK\x03\x04rest", None, None, "cannot be read", "AUSDT-bookDepth-2025-10-10.zip"),
]

PERCENT = np.array([-5, -4, -3, -2, -1, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_malformed_bands_are_refused_with_their_place(case: Case, tmp_path: Path) -> None:
    """A limit would be set on depth that nobody offered."""
    assert_refused(case, tmp_path, read_bands)


def test_binance_archives_are_read_as_published(tmp_path: Path) -> None:
    """A user would have to rewrite the venue's own files before the first result."""
    text = "timestamp,percentage,depth,notional\n2025-10-10 00:00:07,-1,10,1000\n2025-10-10 00:00:07,1,9,910\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("BTCUSDT-bookDepth-2025-10-10.csv", text)
    (tmp_path / "BTCUSDT-bookDepth-2025-10-10.zip").write_bytes(packed.getvalue())
    (bands,) = read_bands(tmp_path / "BTCUSDT-bookDepth-2025-10-10.zip")
    assert bands.symbol == "BTCUSDT"
    assert bands.ts.tolist() == [START_NS + 7_000_000_000]
    np.testing.assert_array_equal(bands.distance, [-0.01, 0.01])
    np.testing.assert_array_equal(bands.notional, [[1000, 910]])


def market(n: int = 240, stale_from: int | None = None, slide: float = 0.0) -> pl.DataFrame:
    """Bands every 30 s around a mid that slides by ``slide`` in all from ``stale_from`` on, when the bids freeze."""
    rng = np.random.default_rng(3)
    mid = 121_500 * np.exp(np.cumsum(1e-4 * rng.standard_normal(n)))
    if stale_from is not None:
        mid[stale_from:] *= np.exp(np.linspace(slide / (n - stale_from), slide, n - stale_from))
    frames = []
    for i in range(n):
        depth = np.abs(PERCENT) * 1_500.0 * np.exp(0.05 * rng.standard_normal())
        price = mid[i] * (1 + 0.45 * PERCENT / 100)
        if stale_from is not None and i >= stale_from:
            depth[PERCENT < 0], price[PERCENT < 0] = 17.65, 121_363.0
        frames.append(pl.DataFrame({
            "ts": [START_NS + 30_000_000_000 * i] * 10, "symbol": ["BTCUSDT"] * 10, "percentage": PERCENT,
            "depth": depth, "notional": depth * price, "weighted_avg_price": price}))
    return pl.concat(frames)


@pytest.mark.parametrize("slide", [-0.001, -0.02, -0.15])
def test_the_ghost_bid_of_a_crash_is_rejected_from_its_second_snapshot_at_the_latest(slide: float) -> None:
    """A dead feed's 17.65 coins at a price far above the market would be counted as bids to liquidate into."""
    (bands,) = read_bands(market(stale_from=120, slide=slide))
    bids = np.isfinite(bands.notional[:, PERCENT < 0])
    assert bids[:120].all()
    assert not bids[121:].any()
    assert np.isfinite(bands.notional[:, PERCENT > 0]).all()
    struck = [f for f in bands.findings if f.rule == "ghost-level"]
    assert len(struck) in (119, 120)
    assert "17.65 at 121363" in struck[0].detail


def test_a_ghost_far_above_the_market_is_rejected_at_once() -> None:
    """A bid above the asks cannot be there, however new it is."""
    (bands,) = read_bands(market(stale_from=120, slide=-6.0))
    assert np.isnan(bands.notional[120:, PERCENT < 0]).all()
    assert np.isfinite(bands.notional[:, PERCENT > 0]).all()


def test_a_book_that_merely_empties_is_believed() -> None:
    """The depth that vanishes in a crash is what stressed depth is about: rejecting it would flatter every limit."""
    late = pl.col("ts") > START_NS + 30_000_000_000 * 150
    frame = market().with_columns(thin=pl.when(late).then(0.01).otherwise(1.0))
    frame = frame.with_columns(pl.col("depth") * pl.col("thin"), pl.col("notional") * pl.col("thin"))
    (bands,) = read_bands(frame)
    assert np.isfinite(bands.notional).all()
    assert not bands.findings


def test_depth_that_falls_with_distance_is_rejected_on_its_side() -> None:
    """Cumulative depth cannot fall: one of the two bands is wrong and nobody knows which."""
    frame = market(5).with_columns(pl.when((pl.col("percentage") == 3) & (pl.col("ts") == START_NS)).then(1.0)
                                   .otherwise(pl.col("notional")).alias("notional")).drop("weighted_avg_price")
    (bands,) = read_bands(frame)
    assert np.isnan(bands.notional[0, PERCENT > 0]).all()
    assert np.isfinite(bands.notional[0, PERCENT < 0]).all()
    assert np.isfinite(bands.notional[1:]).all()
    assert [f.rule for f in bands.findings] == ["inconsistent-bands"]


def test_a_missing_band_stays_unknown() -> None:
    """A band that was not reported is not an empty one."""
    (bands,) = read_bands(market(4).filter(~((pl.col("percentage") == -5) & (pl.col("ts") == START_NS))))
    assert np.isnan(bands.notional[0, 0])
    assert np.isfinite(bands.notional).sum() == 39
    assert [f.rule for f in bands.findings] == ["missing-bands"]


@pytest.mark.shared_data
def test_a_calm_real_day_passes_every_rule(shared_data: Path) -> None:
    """Rules that strike real depth would throw it away."""
    path = shared_data / "bookdepth_btcusdt_2025_10_10_calm.parquet"
    (bands,) = read_bands(path)
    assert bands.notional.shape == (1_679, 10)
    assert np.isfinite(bands.notional).all()
    assert describe_bands([path]).clean
