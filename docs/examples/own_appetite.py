"""Change two decisions of a profile and see what they cost: twice as rare a breach, and a slower liquidator."""

from synthetic_market import daily_bars

from leverline.calibrate.book import calibrate_book
from leverline.market import read_bars
from leverline.model import RiskAppetite

bars = read_bars(daily_bars())
base = RiskAppetite.profile("ccp")
stricter = base.model_copy(update={
    "name": "ccp, 99.5 %",
    "confidence": base.confidence.model_copy(update={"level": 0.995}),
})
slower = base.model_copy(update={
    "name": "ccp, 5 % of the volume",
    "margin_period": base.margin_period.model_copy(update={"participation": 0.05}),
})

for appetite in (base, stricter, slower):
    book = calibrate_book(bars, appetite).book
    print(appetite.name)
    for symbol, limits in book.instruments.items():
        first, last = limits.tiers[0], limits.tiers[-1]
        print(f"  {symbol}: {first.max_leverage:g}x from {first.maintenance_margin_rate:.1%} maintenance, "
              f"{last.max_leverage:g}x at the cap of {last.notional_cap / 1e6:,.0f}")
