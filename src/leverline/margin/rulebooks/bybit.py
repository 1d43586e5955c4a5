"""Bybit contracts, unified account, isolated margin: initial margin by leverage, maintenance by brackets.

Source: Bybit help centre, liquidation price of USDT contracts, bankruptcy price, auto-deleveraging (stored copies).
Figures stay exact; the venue's displayed tick belongs to the instrument.
"""

from __future__ import annotations

from fractions import Fraction

from leverline.ground.errors import require
from leverline.margin.brackets import Brackets
from leverline.margin.rulebooks.description import RulebookDescription, Source


def maintenance_margin(notional: Fraction, brackets: Brackets) -> Fraction:
    """Maintenance margin in settlement currency: notional x rate - deduction of the notional's bracket."""
    return brackets.requirement(notional)


def liquidation_price(
    quantity: Fraction, entry: Fraction, leverage: Fraction, maintenance_rate: Fraction,
    deduction: Fraction = Fraction(0), extra_margin: Fraction = Fraction(0),
) -> Fraction | None:
    """Price at which an isolated linear position has lost its initial margin down to the maintenance margin.

    Both margins are taken at *entry*, unlike Binance's, so the price is linear in them. ``quantity`` signed in base
    units, ``deduction`` and ``extra_margin`` (added by hand) in settlement currency. None for a long that is covered
    at any price.
    """
    require(leverage >= 1, "leverage is at least 1", got=leverage)
    require(quantity != 0, "a liquidation price needs a position", got=quantity)
    value = abs(quantity) * entry
    room = value / leverage - (value * maintenance_rate - deduction) + extra_margin
    price = entry - room / quantity
    return price if price > 0 else None


def inverse_liquidation_price(
    contracts: Fraction, entry: Fraction, leverage: Fraction, maintenance_rate: Fraction,
    deduction: Fraction = Fraction(0),
) -> Fraction | None:
    """Liquidation price of an inverse position, isolated: contracts / (value +- (initial - maintenance)).

    ``contracts`` signed, in quote units; value, margins and ``deduction`` in the base coin. None for a short whose
    margin outweighs its whole value.
    """
    require(leverage >= 1, "leverage is at least 1", got=leverage)
    require(contracts != 0, "a liquidation price needs a position", got=contracts)
    size = abs(contracts)
    value = size / entry
    room = value / leverage - (value * maintenance_rate - deduction)
    worth = value + room if contracts > 0 else value - room
    return size / worth if worth > 0 else None


def bankruptcy_price(entry: Fraction, leverage: Fraction, *, is_long: bool, is_inverse: bool) -> Fraction | None:
    """Price at which the initial margin is gone; the fund takes over at it. None where no finite price does it.

    Linear: entry x (1 -+ 1 / leverage). Inverse: entry x leverage / (leverage +- 1), because the loss is counted in
    the coin that falls.
    """
    require(leverage >= 1, "leverage is at least 1", got=leverage)
    if not is_inverse:
        return entry * (1 - 1 / leverage) if is_long else entry * (1 + 1 / leverage)
    if is_long:
        return entry * leverage / (leverage + 1)
    return entry * leverage / (leverage - 1) if leverage > 1 else None


def is_liquidatable(equity: Fraction, maintenance: Fraction) -> bool:
    """Cross and portfolio accounts are liquidated when maintenance margin reaches the whole equity."""
    return equity <= maintenance


def deleveraging_score(return_on_margin: Fraction, effective_leverage: Fraction) -> Fraction:
    """Who is deleveraged first: return times effective leverage, highest first."""
    return return_on_margin * effective_leverage


_HELP = "bybit.com/en/help-center"

RULEBOOK = RulebookDescription(
    name="bybit",
    venue="Bybit",
    scope="perpetuals",
    rules={
        "requirement": "initial margin = value / leverage; maintenance margin = value x rate - deduction, by bracket",
        "trigger": "isolated: mark price at the liquidation price; cross and portfolio: maintenance margin at or above "
                   "equity",
        "liquidation price": "linear, isolated: entry x (1 -+ initial rate +- maintenance rate) -+ extra margin / "
                             "size; inverse: contracts / (value +- (initial - maintenance margin))",
        "liquidation": "open orders are cancelled, debt is repaid, the position steps down bracket by bracket by "
                       "fill-or-kill orders, then closes whole; of a hedge only the net side is liquidated",
        "bankruptcy": "linear: entry x (1 -+ 1 / leverage); inverse: entry x leverage / (leverage +- 1)",
        "deleveraging": "return x effective leverage, highest first, at the bankruptcy price",
    },
    rounding="exact; displayed prices to the instrument's tick",
    sources=(Source(f"{_HELP}: Liquidation Price (USDT Contract)", "2026-11"),
             Source(f"{_HELP}: What is Auto-Deleveraging (ADL)", "2026-11"),
             Source("freqtrade/freqtrade, tests/exchange/test_exchange.py", "2024-10-24")),
    families=("bybit-okx-gate-bybit", "bybit-bankruptcy"),
    cautions=("The venue's bracket tables are not part of this rulebook: no dated copy of them was read.",),
)
