"""Binance USDT-M futures: brackets by notional with a maintenance amount, one price for an account that is short.

Sources: Binance FAQ b3c689c1f50a44cabb3a84e663b81d93 (liquidation price), 360033525271 (liquidation protocols) and
360033525471 (auto-deleveraging), stored copies; brackets as freqtrade recorded them in October 2024.
The venue shows liquidation prices to the tick; everything before that is kept exact here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from leverline.margin.brackets import Bracket, Brackets, margin_price, next_deduction
from leverline.margin.brackets import liquidation_price as price_in_brackets
from leverline.margin.rounding import nearest_tick
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

FAQ_TICK = Fraction(1, 100)
"""Tick of the venue's worked examples, in USDT."""


@dataclass(frozen=True, slots=True)
class OtherContract:
    """What another contract of the same cross wallet brings: at its own mark, which does not move here."""

    maintenance_margin: Fraction  # USDT
    unrealized_profit: Fraction  # USDT, signed


def maintenance_margin(notional: Fraction, brackets: Brackets) -> Fraction:
    """Maintenance margin in USDT, continuous in ``notional``."""
    return brackets.requirement(notional)


def maintenance_amount(floor: Fraction, rate: Fraction, rate_below: Fraction, amount_below: Fraction) -> Fraction:
    """The figure a bracket subtracts (``cum``), from the bracket below, in USDT."""
    return next_deduction(amount_below, floor, rate_below, rate)


def liquidation_price(
    wallet: Fraction, quantity: Fraction, entry: Fraction, bracket: Bracket, others: Iterable[OtherContract] = ()
) -> Fraction | None:
    """Price at which the wallet meets its maintenance margin, with the bracket given; None where none does.

    ``wallet`` is the isolated margin, or the whole cross wallet; of a cross wallet the ``others`` take their
    maintenance margin away and bring their profit in. An estimate that leaves the others' maintenance margin out names
    a price that the account does not reach alive.
    """
    return margin_price(_available(wallet, others), quantity, entry, bracket)


def liquidation_price_in_table(
    wallet: Fraction, quantity: Fraction, entry: Fraction, brackets: Brackets, others: Iterable[OtherContract] = ()
) -> Fraction | None:
    """Liquidation price with the bracket that holds the position at that very price, not at entry or mark."""
    return price_in_brackets(_available(wallet, others), quantity, entry, brackets)


def shown_price(price: Fraction, tick: Fraction = FAQ_TICK) -> Fraction:
    """The price as the venue displays it: the nearest tick."""
    return nearest_tick(price, tick)


def is_liquidatable(margin_balance: Fraction, maintenance: Fraction) -> bool:
    """Liquidation starts when the margin balance falls below the maintenance margin; equality is safe."""
    return margin_balance < maintenance


def bankruptcy_price(wallet: Fraction, quantity: Fraction, entry: Fraction) -> Fraction:
    """Price at which the isolated wallet is worth nothing; the insurance fund takes over at it."""
    return max(entry - wallet / quantity, Fraction(0))


def deleveraging_score(
    unrealized_profit: Fraction, wallet: Fraction, maintenance: Fraction
) -> Fraction:
    """Who is deleveraged first: profit on the wallet times the margin ratio, highest first; 0 for losers.

    The wallet counts as at least 1 USDT, and the margin ratio as 0 where the margin balance is not positive.
    """
    balance = wallet + unrealized_profit
    margin_ratio = maintenance / balance if balance > 0 else Fraction(0)
    return max(Fraction(0), unrealized_profit) / max(Fraction(1), wallet) * margin_ratio


def _available(wallet: Fraction, others: Iterable[OtherContract]) -> Fraction:
    return wallet + sum((o.unrealized_profit - o.maintenance_margin for o in others), Fraction(0))


def _table(*rows: tuple[int, str, int]) -> dict[str, object]:
    """A preset's figures out of (floor in USDT, maintenance margin rate, highest leverage) a bracket."""
    brackets = Brackets.from_rates([Fraction(floor) for floor, _, _ in rows], [Fraction(rate) for _, rate, _ in rows])
    return {
        "notional_floor_usdt": [floor for floor, _, _ in rows],
        "maintenance_margin_rate": [float(rate) for _, rate, _ in rows],
        "max_leverage": [leverage for _, _, leverage in rows],
        "maintenance_amount_usdt": [float(row.deduction) for row in brackets.rows],
    }


_SNAPSHOT = Source("freqtrade/freqtrade, freqtrade/exchange/binance_leverage_tiers.json", "2024-10-24")
_FAQ = "binance.com/en/support/faq"

RULEBOOK = RulebookDescription(
    name="binance-usdm",
    venue="Binance USDT-M",
    scope="perpetuals",
    rules={
        "requirement": "maintenance margin = notional x rate - maintenance amount, by the bracket of the notional; "
                       "cum[n] = cum[n-1] + floor[n] x (rate[n] - rate[n-1]) keeps it continuous",
        "trigger": "margin balance below maintenance margin",
        "liquidation price": "(wallet - others' maintenance margin + others' profit + cum - side x size x entry) / "
                             "(size x rate - side x size); isolated: without the others; the bracket is the one that "
                             "holds the position at this price",
        "liquidation": "open orders are cancelled, one large immediate-or-cancel order brings the account under its "
                       "limit and pays the fee on what it closed; an account still short is closed whole",
        "bankruptcy": "what is left is taken over at the bankruptcy price by the insurance fund",
        "deleveraging": "score = max(0, profit) / max(1, wallet) x maintenance margin / (wallet + profit), highest "
                        "first, at the bankruptcy price and without a fee",
    },
    rounding="USDT exact; displayed prices to the nearest tick",
    sources=(Source(f"{_FAQ}/b3c689c1f50a44cabb3a84e663b81d93", "2026-11"), Source(f"{_FAQ}/360033525271", "2026-11"),
             Source(f"{_FAQ}/360033525471", "2026-11")),
    families=("binance-liqprice", "binance-isoliq", "binance-tiers", "binance-mmamount"),
    presets=(
        Preset("BTC/USDT:USDT", _table(
            (0, "0.004", 125), (50_000, "0.005", 100), (600_000, "0.0065", 75), (3_000_000, "0.01", 50),
            (12_000_000, "0.02", 25), (70_000_000, "0.025", 20), (100_000_000, "0.05", 10), (230_000_000, "0.1", 5),
            (480_000_000, "0.125", 4), (600_000_000, "0.15", 3), (800_000_000, "0.25", 2), (1_200_000_000, "0.5", 1),
        ), "2024-10", _SNAPSHOT),
        Preset("ETH/USDT:USDT", _table(
            (0, "0.004", 125), (50_000, "0.005", 100), (600_000, "0.0065", 75), (3_000_000, "0.01", 50),
            (12_000_000, "0.02", 25), (50_000_000, "0.025", 20), (65_000_000, "0.05", 10), (150_000_000, "0.1", 5),
            (320_000_000, "0.125", 4), (400_000_000, "0.15", 3), (530_000_000, "0.25", 2), (800_000_000, "0.5", 1),
        ), "2024-10", _SNAPSHOT),
    ),
    cautions=("Small positions are mostly closed whole, because the fee exceeds their maintenance margin.",
              "The presets are of October 2024; the venue changes its brackets.",
              "Portfolio margin is not stated here."),
)
