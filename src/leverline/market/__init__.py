"""What the market says: bars, symbols, data sources, and how good the data is."""

from leverline.market.bars import Bars, Finding, Panel
from leverline.market.reading import read_bars

__all__ = ["Bars", "Finding", "Panel", "read_bars"]
