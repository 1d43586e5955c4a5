"""Whole ways of closing positions, by name: our own, and what venues say of theirs.

Figures and sources stand in the rulebooks of :mod:`leverline.margin.rulebooks`; what a venue does not publish (how long
it tries the book) is ours and says so here.
"""

from __future__ import annotations

from leverline.enforce.auctions import DutchAuction
from leverline.enforce.backstop import BackstopVault
from leverline.enforce.bankruptcy import BankruptcyPrice, FillablePrice, OracleMinusFee
from leverline.enforce.deleveraging.queues import (
    BitmexQueue,
    BybitQueue,
    HyperliquidQueue,
    OkxQueue,
    QueueByProfitAndLeverage,
    RandomStart,
)
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.insurance_fund import FundBackedOrder, InsuranceFund
from leverline.enforce.oracle_sale import OracleSale
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.sizing import (
    FirstPartThenAll,
    Portion,
    StagedByTime,
    TargetHealth,
    TierStep,
    TwoTiersDown,
    WholePool,
)
from leverline.enforce.socialise import SocialisedLoss
from leverline.enforce.socialise_by_position import SocialisedByPosition
from leverline.model.quantities import UNITS_PER_ONE

SECOND_NS = 10**9
_QUEUE = QueueByProfitAndLeverage()
_LOSSES = (InsuranceFund(), SocialisedLoss())

LEVERLINE = VenuePolicies(
    size=TargetHealth(), price=BankruptcyPrice(),
    closing_stages=(BackstopVault(), FundBackedOrder(), Deleveraging(_QUEUE)), loss_stages=_LOSSES,
    patience_ns=10 * SECOND_NS, liquidator_share_ppm=500_000)
"""Our own: just enough to be safe again; the book, a vault, the fund behind a second order, then the winners."""

LEVERLINE_AUCTION = VenuePolicies(
    size=TargetHealth(), price=BankruptcyPrice(),
    closing_stages=(DutchAuction(), BackstopVault(), FundBackedOrder(), Deleveraging(_QUEUE)), loss_stages=_LOSSES,
    patience_ns=10 * SECOND_NS, liquidator_share_ppm=500_000)
"""Our own where the book is thin: a Dutch auction before the vault."""

LEVERLINE_ORACLE = VenuePolicies(
    size=WholePool(), price=OracleMinusFee(5_000),
    closing_stages=(OracleSale(5_000, capacity=50_000_000 * UNITS_PER_ONE), BackstopVault(), Deleveraging(_QUEUE)),
    loss_stages=_LOSSES, patience_ns=0, liquidator_share_ppm=500_000)
"""Our own without a book: half a per cent under the mark at once, to whoever is outside, 50 million a side and event.

Whole positions, because a part sold under the mark leaves the rest of a thin pool weaker than it was.
"""

PRESETS: dict[str, VenuePolicies] = {
    "leverline": LEVERLINE,
    "leverline-auction": LEVERLINE_AUCTION,
    "leverline-oracle": LEVERLINE_ORACLE,
    # one immediate order under the limit, then the whole at the bankruptcy price to the fund, then the queue
    "binance-usdm": VenuePolicies(TierStep(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(_QUEUE)), _LOSSES,
                                  SECOND_NS, 0),
    "bybit": VenuePolicies(TierStep(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(BybitQueue())), _LOSSES,
                           SECOND_NS, 0),
    "bitmex": VenuePolicies(TierStep(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(BitmexQueue())), _LOSSES,
                            SECOND_NS, 0),
    # winners are closed at the bankruptcy price, as the venue does once its fund is nearly used up; before, at the mark
    "okx": VenuePolicies(TwoTiersDown(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(OkxQueue())), _LOSSES,
                         SECOND_NS, 0),
    # a tenth of the position and 1,000 USDC at least a block; deleveraging of bankrupt accounts only
    "dydx-v4": VenuePolicies(Portion(100_000, 1_000_000_000), FillablePrice(),
                             (Deleveraging(RandomStart(), only_bankrupt=True, spares_the_weak=True),), _LOSSES,
                             SECOND_NS, 0),
    "hyperliquid": VenuePolicies(FirstPartThenAll(), BankruptcyPrice(),
                                 (BackstopVault(below_two_thirds=True),
                                  Deleveraging(HyperliquidQueue(), only_bankrupt=True)),
                                 _LOSSES, SECOND_NS, 0),
    # no deleveraging: what the fund does not pay is socialised; 10 % at once and all within 375 slots
    "drift-v2": VenuePolicies(StagedByTime(1_000, 375), OracleMinusFee(10_000), (),
                              (InsuranceFund(), SocialisedByPosition()), SECOND_NS, 1_000_000),
}
