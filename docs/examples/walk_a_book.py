"""Walk a book: what closing a position costs by its size, and what each size is priced by."""

import numpy as np
from synthetic_market import level2_snapshots

from leverline.market.sources.level2 import read_level2
from leverline.measure.book_shape import book_shape
from leverline.measure.depth_estimate import ImpactLaw, SeenDepth, depth_estimate
from leverline.measure.liquidity import walk_costs
from leverline.measure.stressed_depth import StressedDepth, volatility_of_move
from leverline.model.limitbook import Basis

(books,) = read_level2(level2_snapshots())  # a snapshot that breaks a rule of books is left out
shape = book_shape(books)
print(f"{len(books)} snapshots: spread {1e4 * np.median(shape.spread):.2f} bp, levels end "
      f"{1e4 * np.median(shape.reach):.1f} bp from mid, {np.median(shape.visible):,.0f} visible a side")
for rule in sorted({finding.rule for finding in books.findings}):
    struck = [finding for finding in books.findings if finding.rule == rule]
    print(f"{rule}, {len(struck)} times, such as: {struck[-1].detail}")

law = ImpactLaw(coefficient=1.0, sigma_per_day=0.04, volume_per_day=400e6, basis=Basis.ASSUMED)  # beyond the levels
calm, now = np.full(len(books), 0.03), int(books.ts[-1])
stress = StressedDepth(quantile=0.1).fit(shape.visible.min(axis=1), calm, block=30, rng=np.random.default_rng(1)).factor(
    volatility_of_move(loss_rate=0.10, horizon_s=86_400.0))
print(f"left in a move of 10 % within a day: {stress.factor:.0%} of the depth ({stress.why})")

seen = depth_estimate(as_of=now, max_age_s=3_600.0, law=law, book=SeenDepth(books))
stressed = depth_estimate(as_of=now, max_age_s=3_600.0, law=law, book=SeenDepth(books), stress=stress, crowding=3.0)
sizes = np.array([1e3, 1e4, 1e5, 3e5, 1e6, 1e7])
last = walk_costs(books, sizes).rate[-1].max(axis=0)
print("cost of closing at once, basis points, the dearer side; under stress three accounts close together")
print(f"{'notional':>12}  {'last snapshot':>13}  {'five minutes':>12}  {'rests on':<8}  {'under stress':>12}  rests on")
rows = zip(sizes, 1e4 * last, 1e4 * seen.cost_rate(sizes), seen.parts(sizes), 1e4 * stressed.cost_rate(sizes),
           stressed.parts(sizes), strict=True)
for size, one, average, source, worse, worse_source in rows:
    walked = "not held" if np.isnan(one) else f"{one:.2f}"
    print(f"{size:>12,.0f}  {walked:>13}  {average:>12.2f}  {source:<8}  {worse:>12.2f}  {worse_source}")
