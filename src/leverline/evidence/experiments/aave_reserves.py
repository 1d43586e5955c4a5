"""Reserve configurations of a lending protocol as a published snapshot has them, and the price series of each asset.

The snapshot's decoder read the caps at wrong offsets of the protocol's configuration word: what it calls borrow cap,
supply cap, protocol fee and e-mode category are neighbouring slices of 16, 16, 16 and 8 bits from bit 80 on. The word
(aave-v3-origin, ReserveConfiguration.sol) has the borrow cap in bits 80 to 115 and the supply cap in bits 116 to 151.
Put together again the slices give the whole borrow cap and the lowest 20 bits of the supply cap; protocol fee and
e-mode category lie further up and are lost. LTV, threshold and bonus lie below bit 64 and are sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl

from leverline.ground.errors import refuse

CONFIGS = "aave_v3_reserve_configs_2026_08.parquet"
NOMINAL_THRESHOLD = 0.01
"""Thresholds of 0.1 % or less switch an asset off as collateral outside its e-mode."""
_FIELDS = ("network", "symbol", "active", "frozen", "paused", "loan_to_value", "liquidation_threshold",
           "liquidation_bonus", "borrow_cap", "supply_cap", "liquidation_protocol_fee", "emode_category")
_BPS = 10_000
_KNOWN_BITS = 20
"""Bits of the supply cap that the snapshot still has."""
_ROUND = 3
"""Governance sets caps of few significant figures; a remainder of the lost bits hardly ever has so few."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """One asset on one network; rates are fractions, caps whole tokens.

    ``supply_cap`` is None where the lost bits may have held some of it: a remainder of more than three significant
    figures. One remainder in 400 has as few by chance.
    """

    network: str
    symbol: str
    live: bool
    ltv: float
    threshold: float
    bonus: float
    borrow_cap: int
    borrow_cap_as_published: int
    supply_cap: int | None

    @property
    def is_collateral(self) -> bool:
        """Whether loans are taken against it outside an e-mode, or stand on it still."""
        return self.live and self.threshold > NOMINAL_THRESHOLD

    @property
    def allowance(self) -> float:
        """Fall of the price from the liquidation threshold at which the collateral no longer covers debt and bonus."""
        return 1.0 - self.threshold * (1.0 + self.bonus)


def read_reserves(path: Path) -> tuple[Reserve, ...]:
    """The snapshot's reserves, caps reassembled; refuses a file without the columns."""
    frame = pl.read_parquet(path)
    for name in _FIELDS:
        if name not in frame.columns:
            refuse(f"column {name!r} is missing", file=path.name, column=name)
    return tuple(_reserve(*row) for row in frame.select(_FIELDS).iter_rows())


def _reserve(
    network: str, symbol: str, active: bool, frozen: bool, paused: bool, ltv: float, threshold: float, bonus: float,
    first: int, second: int, fee: float, category: int,
) -> Reserve:
    """``first`` to ``category`` are the slices of bits 80, 96, 112 (printed as basis points) and 128."""
    third = round(fee * _BPS)
    borrow = first | second << 16 | (third & 0xF) << 32
    supply = (third | category << 16) >> 4
    return Reserve(network, symbol, active and not frozen and not paused, ltv, threshold, bonus, borrow, first,
                   supply if significant_figures(supply) <= _ROUND else None)


def significant_figures(number: int) -> int:
    """Decimal figures of a whole number without its trailing zeros; 0 has none."""
    return len(str(number).rstrip("0")) if number else 0


DEPEG = "m1_usdc_depeg_2023_03.parquet"
COINBASE, HYPERLIQUID = "daily_spot_coinbase.parquet", "daily_perp_hyperliquid_all.parquet"
AAVE_PRICES, BINANCE_HOURLY = "hourly_aave_collateral_prices.parquet", "hourly_close_spot_binance.parquet"

_BY_SERIES = {
    (COINBASE, "ETH"): ("WETH", "WETH.e", "ETH"),
    (COINBASE, "BTC"): ("WBTC", "BTC.b", "BTCB", "cbBTC", "tBTC", "FBTC", "LBTC"),
    (COINBASE, "LINK"): ("LINK", "LINK.e"),
    (COINBASE, "AAVE"): ("AAVE", "AAVE.e"),
    (COINBASE, "CAKE"): ("Cake",),
    **{(COINBASE, name): (name,) for name in ("ENS", "EURC", "GNO", "LDO")},
    (BINANCE_HOURLY, "AVAX"): ("WAVAX",),
    (BINANCE_HOURLY, "BNB"): ("WBNB",),
    **{(BINANCE_HOURLY, name): (name,) for name in ("ARB", "CELO", "CRV", "SNX", "UNI")},
    (HYPERLIQUID, "POL"): ("WPOL",),
    **{(HYPERLIQUID, name): (name,) for name in ("OP", "ZK")},
    (BINANCE_HOURLY, "USDC"): ("USDC", "USDC.e", "USDbC"),
    (AAVE_PRICES, "DAI"): ("DAI", "DAI.e", "WXDAI"),
    (AAVE_PRICES, "USDT"): ("USDT", "USDt", "USDT0", "USD₮", "USD₮0"),
    (AAVE_PRICES, "stETH"): ("wstETH",),
    **{(AAVE_PRICES, name): (name,) for name in ("1INCH", "BAL", "FRAX", "LUSD", "sUSD")},
}
PRICE_SERIES = MappingProxyType({symbol: series for series, symbols in _BY_SERIES.items() for symbol in symbols})
"""Reserve symbol -> (file, symbol in it): the longest series of its price.

A wrapped or bridged coin is priced as what it wraps: its own discount is not in the data."""
VOLUME_SERIES = MappingProxyType({
    **{series: series for series in _BY_SERIES if series[0] in (COINBASE, HYPERLIQUID)},
    **{(BINANCE_HOURLY, name): (HYPERLIQUID, name) for name in ("ARB", "AVAX", "BNB", "CELO", "CRV", "SNX", "UNI")}})
"""Price series -> the series with volume on which our own limits are calibrated; the others have none."""
WRAPPED = frozenset({"BTC.b", "BTCB", "cbBTC", "tBTC", "FBTC", "LBTC", "USDC.e", "USDbC", "WXDAI", "DAI.e", "WETH.e",
                     "LINK.e", "AAVE.e", "wstETH", "USDT0", "USD₮", "USD₮0", "USDt"})
PEGGED = MappingProxyType({(BINANCE_HOURLY, "USDC"): None, (AAVE_PRICES, "DAI"): None, (AAVE_PRICES, "USDT"): None,
                           (AAVE_PRICES, "FRAX"): None, (AAVE_PRICES, "LUSD"): None, (AAVE_PRICES, "sUSD"): None,
                           (AAVE_PRICES, "stETH"): "WETH"})
"""Series of a pegged asset -> symbol in the same file of what it is staked for; None: the dollar."""
