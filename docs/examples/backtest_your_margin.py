"""Hold a margin of your own against what happened: here a flat 10 % on both sides of every market."""

import numpy as np
from synthetic_market import daily_bars

from leverline.evidence.coverage_rows import by_date
from leverline.evidence.scoring import score
from leverline.market import read_bars
from leverline.market.bars import Panel
from leverline.measure.coverage import binomial_band, kupiec
from leverline.measure.losses import SIDES, worst_losses
from leverline.measure.resampling import pooled_rate

ALLOWED_PER_DAY = 0.01

panel = Panel.of(read_bars(daily_bars()))
losses = worst_losses(panel, horizon_bars=1)  # worst price of the day after each close
margin = np.full_like(losses.loss, 0.10)  # (n_bars, n_listings, 2): yours, as it stood at each close
scored = score(panel, losses, margin, ALLOWED_PER_DAY, first_row=0, last_row=panel.ts.size - 1)

for k, symbol in enumerate(scored.symbols):
    for side, name in enumerate(SIDES):
        days, breaches = int(scored.observed[:, k, side].sum()), int(scored.breach[:, k, side].sum())
        low, high = binomial_band(days, ALLOWED_PER_DAY)
        p = float(kupiec(breaches, days, ALLOWED_PER_DAY).p_value)
        print(f"{symbol} {name:5} {breaches:3} breaches in {days} days, {low} to {high} expected, Kupiec p {p:.3f}")

pooled = pooled_rate(*by_date(scored), rng=np.random.default_rng(1))
print(f"all: {pooled.rate:.2%} a day, 95 % interval {pooled.low:.2%} to {pooled.high:.2%}")
