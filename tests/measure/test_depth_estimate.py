"""The order of trust: book, bands, volume; ages, shapes, stress and crowding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leverline.ground.errors import InsufficientDataError
from leverline.market.bars import NS_PER_S
from leverline.market.books import BookSnapshots
from leverline.measure.cost_curve import root_rate, square_root_curve
from leverline.measure.depth_estimate import ImpactLaw, SeenDepth, depth_estimate, mean_book_curve
from leverline.measure.stressed_depth import StressFactor
from leverline.model.limitbook import Basis
from tests.measure.synthetic_books import drawn_books, even_bands, even_book

LAW = ImpactLaw(1.0, 0.05, 1e8, Basis.ASSUMED)
NO_VOLUME = replace(LAW, volume_per_day=float("nan"))
BOOK = SeenDepth(even_book(20, levels=50, step=1e-5), volume_then_per_day=2e8)  # 50,000 within 5 bp, seen at 1..20 s
BANDS = SeenDepth(even_bands(20, 1e8), volume_then_per_day=2e8)  # 1,000,000 within 1 %
SIZES = np.geomspace(1e2, 1e8, 200)
NOW = 30 * NS_PER_S
HALF = StressFactor(0.5, 0.6, 0.5 / 0.6, -1.0, -1.5, -0.5, Basis.MEASURED, False, "slope measured")


def test_each_size_rests_on_the_most_trusted_source_that_holds_it() -> None:
    """The report would name a source that the number does not come from."""
    estimate = depth_estimate(as_of=NOW, max_age_s=60, law=LAW, book=BOOK, bands=BANDS)
    assert estimate.parts(np.array([1e3, 4.9e4, 1e5, 4.9e6, 1e7])) == ("book", "book", "bands", "bands", "volume")
    assert estimate.source == "book"
    assert estimate.age_s == pytest.approx(10.0)
    assert (np.diff(estimate.cost_rate(SIZES)) >= -1e-15).all()


@given(seed=st.integers(0, 2**32 - 1), crowding=st.floats(1.0, 50.0), stress=st.floats(0.01, 1.0))
@settings(max_examples=30, deadline=None)
def test_cost_is_monotone_and_stress_and_crowds_only_add_to_it(seed: int, crowding: float, stress: float) -> None:
    """A stressed or crowded market would be cheaper to leave than a calm and empty one."""
    rng = np.random.default_rng(seed)
    book = SeenDepth(drawn_books(rng, 20, 10, missing=0.02))
    bands = SeenDepth(even_bands(20, float(rng.lognormal(10.0, 2.0))))
    calm = depth_estimate(as_of=NOW, max_age_s=60, law=LAW, book=book, bands=bands)
    worse = depth_estimate(as_of=NOW, max_age_s=60, law=LAW, book=book, bands=bands, crowding=crowding,
                           stress=replace(HALF, factor=stress))
    sizes = np.geomspace(1.0, 1e8, 120)
    rate = calm.cost_rate(sizes)
    assert (np.diff(rate) >= -1e-12).all()
    assert (worse.cost_rate(sizes) >= rate * (1 - 1e-9)).all()
    assert worse.notional_within(0.01) <= calm.notional_within(0.01) * (1 + 1e-6)


def test_without_volume_the_curve_ends_where_depth_was_seen() -> None:
    """Costs beyond everything seen would be invented."""
    estimate = depth_estimate(as_of=NOW, max_age_s=60, law=NO_VOLUME, book=BOOK)
    np.testing.assert_array_equal(np.isfinite(estimate.cost_rate(np.array([4.9e4, 5.1e4]))), [True, False])


def test_old_depth_counts_only_as_a_shape_in_percent_of_volume() -> None:
    """Yesterday's depth would be relied upon although the market has emptied since."""
    late = NOW + 3600 * NS_PER_S
    fresh = depth_estimate(as_of=NOW, max_age_s=60, law=LAW, bands=BANDS)
    stale = depth_estimate(as_of=late, max_age_s=60, law=LAW, bands=BANDS, current_volume_per_day=5e7)
    assert stale.shape_only
    assert stale.basis is Basis.ASSUMED
    inside = np.array([1e3, 1e5, 1e6])
    np.testing.assert_allclose(stale.cost_rate(inside / 4), fresh.cost_rate(inside))  # volume is a quarter of then
    assert any(note.startswith("bands: 3610 s old") and "shape" in note for note in stale.notes)
    assert "bands: 10 s old, counted at its own level" in fresh.notes
    unknown = depth_estimate(as_of=late, max_age_s=60, law=LAW, bands=SeenDepth(BANDS.depth))
    assert unknown.source == "volume"
    assert any("left out" in note for note in unknown.notes)


def test_a_fresh_source_is_named_before_a_stale_one() -> None:
    """The age in the report would be of a source whose level was not used."""
    late = NOW + 300 * NS_PER_S
    bands = SeenDepth(even_bands(20, 1e8, start_s=300))
    estimate = depth_estimate(as_of=late, max_age_s=60, law=LAW, book=BOOK, bands=bands, current_volume_per_day=2e8)
    assert estimate.source == "bands"
    assert estimate.age_s == pytest.approx(11.0)
    assert not estimate.shape_only


def test_nothing_later_than_the_as_of_time_enters() -> None:
    """A limit would be drawn with depth nobody knew yet."""
    thin = even_book(10, base=1.0, step=1e-5)
    deep = even_book(10, base=100.0, step=1e-5)
    sizes = np.concatenate([thin.bid_size, deep.bid_size])
    both = BookSnapshots(
        "X/USD", np.concatenate([thin.ts, thin.ts[-1] + deep.ts]), np.concatenate([thin.bid_price, deep.bid_price]),
        sizes, np.concatenate([thin.ask_price, deep.ask_price]), sizes)
    then = depth_estimate(as_of=int(thin.ts[-1]), max_age_s=60, law=LAW, book=SeenDepth(both))
    alone = depth_estimate(as_of=int(thin.ts[-1]), max_age_s=60, law=LAW, book=SeenDepth(thin))
    np.testing.assert_array_equal(then.cost_rate(SIZES), alone.cost_rate(SIZES))
    early = depth_estimate(as_of=1, max_age_s=60, law=LAW, book=SeenDepth(both))
    assert early.source == "volume"


def test_volume_alone_and_nothing_at_all() -> None:
    """A market without any depth would get a cost of zero."""
    estimate = depth_estimate(as_of=NOW, max_age_s=60, law=LAW)
    assert estimate.source == "volume"
    assert np.isnan(estimate.age_s)
    np.testing.assert_allclose(estimate.cost_rate(SIZES),
                               square_root_curve(root_rate(1.0, 0.05, 1e8)).cost_rate(SIZES))
    with pytest.raises(InsufficientDataError):
        depth_estimate(as_of=NOW, max_age_s=60, law=NO_VOLUME)


def test_stress_and_crowding_divide_capacity_and_are_told() -> None:
    """Ten accounts would each be promised the whole book."""
    plain = depth_estimate(as_of=NOW, max_age_s=60, law=NO_VOLUME, bands=BANDS)
    shared = depth_estimate(as_of=NOW, max_age_s=60, law=NO_VOLUME, bands=BANDS, stress=HALF, crowding=10.0)
    assert shared.notional_within(0.005) == pytest.approx(plain.notional_within(0.005) / 20.0, rel=1e-6)
    assert (shared.stress_factor, shared.crowding) == (0.5, 10.0)
    assert shared.basis is Basis.MEASURED
    assert plain.basis is Basis.ASSUMED
    assert "depth is not stressed" in plain.notes


def test_the_averaged_book_is_the_average_of_the_books() -> None:
    """The curve would be that of one lucky snapshot."""
    from leverline.measure.liquidity import walk_costs

    books = drawn_books(np.random.default_rng(8), 40, 15)
    curve = mean_book_curve(books, slice(10, 30))[1]
    sizes = curve.notional[[5, 20, -1]]
    walked = walk_costs(books, sizes).rate[10:30, 1]
    whole = np.isfinite(walked).all(axis=1)
    assert whole.mean() >= 0.95
    np.testing.assert_allclose(curve.cost_rate(sizes), walked[whole].mean(axis=0), rtol=1e-6)
