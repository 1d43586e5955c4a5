"""What is traded."""

from __future__ import annotations

from enum import StrEnum

from leverline.model.quantities import Instant, Noun


class Kind(StrEnum):
    """What the contract is."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"


class Payoff(StrEnum):
    """Linear: profit in quote per unit of price. Inverse: profit in the base asset, proportional to 1/price."""

    LINEAR = "linear"
    INVERSE = "inverse"


class Instrument(Noun):
    """A market under ccxt's unified symbol, such as ``BTC/USDT:USDT`` or ``BTC/USD:BTC-261225-100000-C``."""

    symbol: str
    kind: Kind
    payoff: Payoff = Payoff.LINEAR
    contract_size: float = 1.0
    tick: float | None = None
    lot: float | None = None
    settlement_asset: str | None = None
    expiry: Instant | None = None
    strike: float | None = None
