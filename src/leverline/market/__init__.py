"""What the market says: bars, symbols, data sources, and how good the data is."""

from leverline.market.bars import Bars, Panel

__all__ = ["Bars", "Panel"]
