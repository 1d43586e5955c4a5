"""Flat rates: nautilus_trader's standard and leveraged margin models, the same for every size.

Source: nautechsystems/nautilus_trader a95c804 (2026-07-02), accounting/margin_models.pyx and
crates/model/src/accounts/margin_model.rs. The venue knows no tiers, no netting and no liquidation price.
"""

from __future__ import annotations

from fractions import Fraction

from leverline.ground.errors import require
from leverline.margin.rounding import nearest_tick
from leverline.margin.rulebooks.description import RulebookDescription, Source


def standard_margin(notional: Fraction, rate: Fraction) -> Fraction:
    """Notional times the instrument's rate, initial or maintenance; chosen leverage plays no part."""
    require(notional >= 0, "notional is not negative", got=notional)
    return notional * rate


def leveraged_margin(notional: Fraction, rate: Fraction, leverage: Fraction) -> Fraction:
    """Notional divided by the chosen leverage, times the rate, initial or maintenance.

    Harms the venue by design: whoever chooses more leverage is also liquidated later.
    """
    require(leverage > 0, "leverage is positive", got=leverage)
    return standard_margin(notional / leverage, rate)


def in_currency(amount: Fraction, decimals: int) -> Fraction:
    """``amount`` (not negative) as the venue books it: nearest unit of a currency of ``decimals``, halves up.

    The venue rounds the notional and then the margin. It counts in binary floats on the way, so the last unit of an
    amount that lies close to a half may differ.
    """
    require(amount >= 0, "a booked amount is not negative", got=amount)
    return nearest_tick(amount, Fraction(1, 10**decimals))


def is_liquidatable(equity: Fraction, maintenance: Fraction, ratio: Fraction = Fraction(1)) -> bool:
    """Optional since 2026-05 (PR #4077), per settlement currency: equity at or below ``ratio`` times maintenance."""
    return equity <= ratio * maintenance


RULEBOOK = RulebookDescription(
    name="flat",
    venue="nautilus_trader",
    scope="perpetuals",
    rules={
        "requirement": "standard: notional x rate; leveraged: notional / chosen leverage x rate; both for initial and "
                       "maintenance margin",
        "trigger": "off unless asked for; then equity at or below ratio x maintenance margin, per settlement currency",
        "liquidation": "all positions of that currency are closed at market",
    },
    rounding="exact here; the venue books notional and margin to the nearest unit of the currency",
    sources=(Source("nautechsystems/nautilus_trader a95c804, accounting/margin_models.pyx", "2026-07-02"),),
    families=("nautilus-margin",),
    cautions=("Under the leveraged model maintenance margin falls with the chosen leverage, unlike on any venue.",
              "No partial liquidation, insurance fund or deleveraging."),
)
