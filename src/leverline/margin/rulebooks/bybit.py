"""Bybit contracts, unified account, isolated margin: initial margin by leverage, maintenance by brackets.

Source: Bybit help centre, liquidation price of USDT contracts, bankruptcy price, auto-deleveraging (stored copies).
Figures stay exact; the venue's displayed tick belongs to the instrument.
"""

from __future__ import annotations

from fractions import Fraction

from leverline.ground.errors import require
from leverline.margin.brackets import Brackets
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source


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
_PARAMETERS = Source("bybit.com/announcement-info/margin-parameters, BTCUSDT (stored copy without a date)", "2026-11")
_API = Source("bybit-exchange.github.io/docs/v5/market/risk-limit, example of an answer stamped 2022-12-26", "2026-11")


def _table(cap: int, *rows: tuple[int, str, int]) -> dict[str, object]:
    """A preset's figures out of (floor in USDT, maintenance rate, highest leverage) a level; ``cap`` ends the last."""
    brackets = Brackets.from_rates([Fraction(floor) for floor, _, _ in rows], [Fraction(rate) for _, rate, _ in rows])
    return {
        "notional_floor_usdt": [floor for floor, _, _ in rows],
        "notional_cap_usdt": [*(floor for floor, _, _ in rows[1:]), cap],
        "maintenance_margin_rate": [float(rate) for _, rate, _ in rows],
        "max_leverage": [leverage for _, _, leverage in rows],
        "maintenance_deduction_usdt": [float(row.deduction) for row in brackets.rows],
    }


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
    presets=(
        Preset("BTC/USDT:USDT", _table(
            80_000_000,
            (0, "0.005", 100), (2_000_000, "0.0056", 90), (2_600_000, "0.0063", 80), (3_200_000, "0.0067", 75),
            (3_800_000, "0.0071", 70), (4_400_000, "0.0077", 65), (5_000_000, "0.0091", 55), (5_600_000, "0.01", 50),
            (8_500_000, "0.013", 45), (10_000_000, "0.015", 40), (14_000_000, "0.016", 35), (20_000_000, "0.02", 30),
            (28_000_000, "0.025", 25), (38_000_000, "0.029", 20), (50_000_000, "0.03", 19), (55_000_000, "0.035", 18),
            (60_000_000, "0.036", 17), (65_000_000, "0.038", 16), (70_000_000, "0.04", 15), (75_000_000, "0.045", 14),
        ), "2026-11", _PARAMETERS),
        Preset("BTC/USD:BTC", {
            "value_floor_btc": [0], "value_cap_btc": [150], "maintenance_margin_rate": [0.005], "max_leverage": [100],
            "maintenance_deduction_btc": [0.0],
        }, "2022-12-26", _API),
    ),
    cautions=("The page of the BTCUSDT levels bears no date: they held on some day before it was read.",
              "Of BTCUSD the first level alone was read; a larger position is not covered."),
)
