"""What enters a venue: facts and requests, frozen once made, in integers of the ledger.

Amounts are units of an asset (1e-6 of one), sizes are lots, prices are ticks; rates are parts per million (ppm). An
event carries its time: the venue has no clock of its own. ``id`` is the sender's idempotency key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from leverline.model.accounts import Mode

VERSION = 1


class PoolKey(NamedTuple):
    """What is margined together: an account and, where it is isolated or segregated, one of its sub-accounts."""

    account: str
    subaccount: str = ""

    def __str__(self) -> str:
        return f"{self.account}/{self.subaccount}" if self.subaccount else self.account


@dataclass(frozen=True, slots=True)
class OpenPool:
    """A new pool; an isolated one may hold one market only."""

    pool: PoolKey
    owner: str
    mode: Mode
    account_class: str = ""


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money comes in from outside."""

    pool: PoolKey
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Refused beyond what is withdrawable: unrealised profit cannot leave."""

    pool: PoolKey
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Between two pools of one account; the source must stay above its initial margin."""

    source: PoolKey
    target: PoolKey
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """Asks whether an order may be sent: signed ``lots`` at ``price`` ticks."""

    pool: PoolKey
    market: str
    lots: int
    price: int
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade that happened between two pools; fees in units of the settlement asset, negative for a rebate."""

    market: str
    buyer: PoolKey
    seller: PoolKey
    lots: int
    price: int
    buyer_fee: int = 0
    seller_fee: int = 0


@dataclass(frozen=True, slots=True)
class OracleUpdate:
    """One source's price of a market (ticks) or an asset (units of settlement for one whole asset).

    ``confidence`` in the same unit, one-sided; ``published_ns`` is when the source made it.
    """

    name: str
    source: str
    price: int
    confidence: int
    published_ns: int


@dataclass(frozen=True, slots=True)
class Funding:
    """Longs pay shorts ``rate_ppm`` of notional at the mark; negative: shorts pay. Payers round up."""

    market: str
    rate_ppm: int


@dataclass(frozen=True, slots=True)
class Interest:
    """Debtors in ``asset`` owe ``rate_ppm`` more; the proceeds go to the lenders of it, pro rata."""

    asset: str
    rate_ppm: int


@dataclass(frozen=True, slots=True)
class AdoptLimits:
    """The line changes: new risk at once, open positions along a schedule that ends ``decay_ns`` later.

    ``book`` is the limit book's JSON document as it was published.
    """

    book: str
    decay_ns: int = 0


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing but time: auctions fall, cooldowns and halts end, stale prices are noticed."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator halts a market, or the whole venue with an empty ``market``."""

    market: str
    reason: str


@dataclass(frozen=True, slots=True)
class Resume:
    """The operator lifts its own halt; breakers that still hold stay."""

    market: str
    reason: str


@dataclass(frozen=True, slots=True)
class LiquidationFill:
    """Part of a liquidation order was executed against ``counterparty``."""

    order: int
    counterparty: PoolKey
    lots: int
    price: int


@dataclass(frozen=True, slots=True)
class AuctionBid:
    """Takes up to ``lots`` of an auction at its price now, if that is no worse for the bidder than ``limit``."""

    auction: int
    bidder: PoolKey
    lots: int
    limit: int


@dataclass(frozen=True, slots=True)
class Settle:
    """A market ends: every position is closed at ``price``."""

    market: str
    price: int


@dataclass(frozen=True, slots=True)
class Convert:
    """A pool's collateral is sold for the settlement asset to ``counterparty`` at ``price`` (units for one whole)."""

    pool: PoolKey
    counterparty: PoolKey
    asset: str
    amount: int
    price: int


@dataclass(frozen=True, slots=True)
class FundInsurance:
    """The house pays ``amount`` into the insurance fund of ``market``, or into the shared one where it is empty."""

    market: str
    amount: int


@dataclass(frozen=True, slots=True)
class DepthUpdate:
    """``lots`` that the thinner side of a market's book would take near the mark, as its observer defines near."""

    market: str
    lots: int


Body = (OpenPool | Deposit | Withdraw | Transfer | OrderIntent | Fill | OracleUpdate | Funding | Interest | AdoptLimits
        | TimePassed | Pause | Resume | LiquidationFill | AuctionBid | Settle | Convert | FundInsurance
        | DepthUpdate)


@dataclass(frozen=True, slots=True)
class Event:
    """One event in its place: ``seq`` starts at 1 without a gap, ``ts_ns`` (UTC) never falls."""

    seq: int
    ts_ns: int
    id: str
    body: Body
