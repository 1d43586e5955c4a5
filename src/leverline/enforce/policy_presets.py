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
    QueueByProfitAndLeverage,
    RandomStart,
)
from leverline.enforce.deleveraging_stage import Deleveraging
from leverline.enforce.insurance_fund import FundBackedOrder, InsuranceFund
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.sizing import FirstPartThenAll, Portion, StagedByTime, TargetHealth, TierStep, TwoTiersDown
from leverline.enforce.socialise import SocialisedLoss
from leverline.enforce.socialise_by_position import SocialisedByPosition

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

PRESETS: dict[str, VenuePolicies] = {
    "leverline": LEVERLINE,
    "leverline-auction": LEVERLINE_AUCTION,
    # one immediate order under the limit, then the whole at the bankruptcy price to the fund, then the queue
    "binance-usdm": VenuePolicies(TierStep(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(_QUEUE)), _LOSSES,
                                  SECOND_NS, 0),
    "bybit": VenuePolicies(TierStep(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(BybitQueue())), _LOSSES,
                           SECOND_NS, 0),
    "bitmex": VenuePolicies(TierStep(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(BitmexQueue())), _LOSSES,
                            SECOND_NS, 0),
    "okx": VenuePolicies(TwoTiersDown(), BankruptcyPrice(), (FundBackedOrder(), Deleveraging(_QUEUE)), _LOSSES,
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
