"""Write a book in the shapes that others read: ccxt's leverage tiers, Binance's brackets, a table."""

import json

from synthetic_market import daily_bars

from leverline.calibrate.book import calibrate_book
from leverline.calibrate.export import from_ccxt, to_binance_brackets, to_ccxt, to_csv
from leverline.market import read_bars
from leverline.model import RiskAppetite

book = calibrate_book(read_bars(daily_bars()), RiskAppetite.profile("ccp")).book
symbol = "AAA/USDT:USDT"

first = to_ccxt(book)[symbol][0]
print("ccxt:", json.dumps({key: value for key, value in first.items() if key != "info"}))

documents, lowered = to_binance_brackets(book)
print("Binance:", json.dumps(documents[0]["brackets"][1]))
for line in lowered:  # what the venue's shape cannot hold, always in favour of the venue
    print("  note:", line)

print("CSV:", *to_csv(book).splitlines()[:2], sep="\n  ")
print("the way back gives the same tiers:", from_ccxt(to_ccxt(book)[symbol]) == book.instruments[symbol].tiers)
