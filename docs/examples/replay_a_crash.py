"""A book calibrated on what was known, and the worst fall after that, through the venue: by whose money did it end?"""

import numpy as np
from synthetic_market import daily_bars

from leverline.calibrate.book import calibrate_book
from leverline.enforce.bar_replay import Crowd, run_bars
from leverline.enforce.policy_presets import PRESETS
from leverline.enforce.replay_document import replay_document
from leverline.market import read_bars
from leverline.model import RiskAppetite

DAY_NS = 86_400 * 10**9
bars = read_bars(daily_bars())
rows = bars.rows("BBB/USDT:USDT")
fall = np.diff(np.log(bars.close[rows]))
worst = 600 + int(fall[600:].argmin())  # among days before which there is enough to calibrate on
eve = int(bars.ts[rows][worst]) - 7 * DAY_NS
book = calibrate_book(bars.until(eve), RiskAppetite.profile("ccp")).book
print(f"limits as of {book.as_of:%Y-%m-%d}, a fall of {-np.expm1(fall[worst]):.0%} a week later")

crowd = Crowd(size=300, seed=5, fund=3_000.0)  # drawn from the population that ships
print(f"{'venue':<14}{'liquidated':>12}{'bad debt':>10}{'deleveraged':>13}{'fund left':>11}{'open':>6}  verdict")
for name in ("leverline", "binance-usdm", "dydx-v4", "drift-v2"):
    ran = run_bars(bars, book, PRESETS[name], crowd, start_ns=eve, end_ns=eve + 14 * DAY_NS)
    found = replay_document(ran.replay)
    closed = sum(int(row["notional"]) for row in found["liquidations"].values()) / 1e6
    lost, taken = int(found["bad_debt"]["total"]) / 1e6, int(found["deleveraged"]["notional"]) / 1e6
    left = int(found["fund_path"][-1]["balance"]) / 1e6
    print(f"{name:<14}{closed:>12,.0f}{lost:>10,.0f}{taken:>13,.0f}{left:>11,.0f}"
          f"{found['solvency']['open_pools']:>6}  {'solvent' if found['solvency']['solvent'] else 'insolvent'}")
for said in ran.notes:
    print("note:", said)
