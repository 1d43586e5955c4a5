"""Read a book from its file and ask what a position needs, and why."""

import tempfile
from pathlib import Path

from synthetic_market import daily_bars

from leverline.calibrate.book import calibrate_book
from leverline.calibrate.schedule import initial_amount, maintenance_amount, tier_of
from leverline.market import read_bars
from leverline.model import LimitBook, RiskAppetite
from leverline.model.limitbook import pointer, units

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "limits.json"
    calibrate_book(read_bars(daily_bars()), RiskAppetite.profile("ccp")).book.write(file)
    book = LimitBook.read(file)  # refuses a file whose content does not match its id

symbol = "BBB/USDT:USDT"
tiers = book.instruments[symbol].tiers
for notional in (10_000.0, 250_000.0, 1e9):
    tier = tier_of(tiers, units(notional))
    if tier is None:
        print(f"{notional:>13,.0f}: beyond the largest position, {tiers[-1].notional_cap / 1e6:,.0f}")
        continue
    initial, maintenance = (float(amount(tier, units(notional))) / 1e6 for amount in (initial_amount, maintenance_amount))
    print(f"{notional:>13,.0f}: initial {initial:,.0f}, maintenance {maintenance:,.0f}, at most {tier.max_leverage:g}x")

why = book.explanations[pointer("instruments", symbol, "tiers", 0, "maintenance_margin_rate")]
print(f"maintenance of the first tier ({why.basis}): {why.binding}")
for driver, change in why.sensitivity.items():
    print(f"  {driver}: {change:+.1%} of the rate")
