"""Accounts, rules and prices in; health, liquidation prices, a what-if, a change of limits and a watch on ticks out."""

from dataclasses import replace

import polars as pl

from leverline.margin.account_report import account_rows, nearest_rows, totals
from leverline.margin.checking import check_accounts
from leverline.margin.curves import BracketCurve
from leverline.margin.presets.registry import venue_rules
from leverline.margin.reading_accounts import read_accounts
from leverline.margin.reading_marks import read_marks
from leverline.margin.triggers import SafeBands

accounts = read_accounts(pl.read_csv("accounts.csv"))  # a path will do, as will any Arrow object
marks = read_marks("marks.csv").state
rules = {name: venue_rules(name) for name in ("binance-usdm", "aave-v3.6")}  # by venue, as the accounts name it

found = check_accounts(accounts, rules, marks, horizon_seconds=86_400.0)
for row in account_rows(found).iter_rows(named=True):
    print(f"{row['account']:<7}{row['status']:<12} equity {row['equity']:>10,.0f}  health factor "
          f"{row['health_factor']:>6.2f}  effective leverage {row['effective_leverage']:>6.2f}")
for row in nearest_rows(found, 3).iter_rows(named=True):
    print(f"{row['account']:<7}{row['name']:<14} liquidated at {row['liquidation_price']:,.2f} "
          f"({row['distance']:+.1%}), within a day with probability {row['liquidation_probability_per_horizon']:.1%}")

fallen = check_accounts(accounts, rules, marks, shifts={"BTC": -0.2, "WETH": -0.25})
print("BTC -20 %, WETH -25 %:", {key: totals(fallen)[key] for key in ("liquidatable", "bankrupt", "shortfall")})

venue, btc = rules["binance-usdm"], "BTC/USDT:USDT"
flat = replace(venue.markets[btc], curve=BracketCurve((0.0,), (0.05,), (0.025,), (0.0,)))
stricter = rules | {"binance-usdm": replace(venue, markets={**venue.markets, btc: flat})}
after = account_rows(check_accounts(accounts, stricter, marks))
print("maintenance of 2.5 % for BTC of any size:", after.filter(status="liquidatable")["account"].to_list())

watch = SafeBands(found.tables)
market = [symbol for _, symbol in found.book.markets].index(btc)
for price in (60_480.0, 60_460.0, 60_490.0):
    crossed = watch.tick(market, price)
    print(f"BTC at {price:,.0f}: breached {[found.book.pools[i].account for i in crossed.breached]}, "
          f"recovered {[found.book.pools[i].account for i in crossed.recovered]}")
