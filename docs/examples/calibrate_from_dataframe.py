"""Calibrate a limit book from a table in memory and print its tiers."""

from synthetic_market import daily_bars

from leverline.calibrate.book import calibrate_book
from leverline.market import read_bars
from leverline.model import RiskAppetite

bars = read_bars(daily_bars())  # any object with an Arrow stream: polars, pandas, pyarrow, DuckDB
calibration = calibrate_book(bars, RiskAppetite.profile("ccp"))

for symbol, limits in calibration.book.instruments.items():
    print(f"{symbol}: {limits.binding_side} binds")
    for tier in limits.tiers:
        cap = "any size" if tier.notional_cap is None else f"up to {tier.notional_cap / 1e6:>12,.0f}"
        print(f"  {cap}  {tier.max_leverage:>4g}x  initial {tier.initial_margin_rate:6.2%}  "
              f"maintenance {tier.maintenance_margin_rate:6.2%}")
for symbol, reason in calibration.skipped:
    print(f"{symbol} left out: {reason}")
