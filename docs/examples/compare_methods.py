"""Which loss model covers, what does it cost, and which models cannot be told apart from the best?"""

import numpy as np
from synthetic_market import daily_bars

from leverline.evidence.method_comparison import compare_methods
from leverline.market import read_bars
from leverline.market.bars import Panel
from leverline.measure.loss_models import MODELS

panel = Panel.of(read_bars(daily_bars()))
compared = compare_methods(panel, tuple(MODELS.values()), 86_400.0, (0.99,), rng=np.random.default_rng(1))

print(f"{'method':20} {'breached':>9} {'95 % interval':>16} {'margin':>8} {'score':>9}  in the 90 % set")
for score in sorted(compared.scores, key=lambda s: s.quantile_score):
    low, high = score.interval
    print(f"{score.method:20} {score.rate:9.2%} {low:7.2%}..{high:7.2%} {score.mean_margin:8.1%} "
          f"{1e4 * score.quantile_score:6.2f} bp  {'yes' if score.in_set else 'no'}")
