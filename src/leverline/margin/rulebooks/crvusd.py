"""crvUSD's soft liquidation (LLAMMA): bands of prices, 1e-18, that sell collateral as the oracle falls through them.

Source: curvefi/curve-stablecoin cf1d05fb, curve_stablecoin/AMM.vy v2.0.0, read 2026-11. The contract computes band
prices through a rounded logarithm or stored factors; here they are exact and rounded down once, which agrees with the
contract to the relative 1e-14 that the venue's own tests allow.
"""

from __future__ import annotations

from fractions import Fraction

from leverline.ground.errors import require
from leverline.margin.fixed_point import WAD
from leverline.margin.rulebooks.description import Preset, RulebookDescription, Source

MAX_BAND = 10_000
"""Bands further out are refused: prices there have no meaning left."""
ORACLE_STEP_LIMIT = Fraction(5, 4)
"""Most that the oracle price may move inside two minutes, up or down."""


def _upper(amplification: int, base_price: int, band: int) -> Fraction:
    require(amplification > 1, "the amplification exceeds 1", got=amplification)
    require(abs(band) <= MAX_BAND, f"a band lies within {MAX_BAND} of the base", got=band)
    return base_price * Fraction(amplification - 1, amplification) ** band


def band_prices(amplification: int, base_price: int, band: int) -> tuple[int, int]:
    """Upper and lower oracle price of a band: base x ((A - 1) / A)^n, the lower one being the next band's upper."""
    return int(_upper(amplification, base_price, band)), int(_upper(amplification, base_price, band + 1))


def current_prices(amplification: int, base_price: int, oracle_price: int, band: int) -> tuple[int, int]:
    """The pool's own price with the band all in stablecoin (up) and all in collateral (down): p^3 over the far edge^2.

    It moves three times as fast as the oracle: that is what makes arbitrageurs convert the collateral.
    """
    upper, lower = _upper(amplification, base_price, band), _upper(amplification, base_price, band + 1)
    return int(oracle_price**3 / lower**2), int(oracle_price**3 / upper**2)


def limited_oracle_price(previous: int, new: int) -> int:
    """The oracle price after the limit on one step."""
    highest, lowest = int(previous * ORACLE_STEP_LIMIT), int(previous / ORACLE_STEP_LIMIT)
    return min(max(new, lowest), highest)


def health(stablecoin_if_sold_through: int, debt: int, liquidation_discount: int) -> Fraction:
    """x_down (1 - discount) / debt - 1; below zero the loan is liquidated hard. Amounts and discount in wad."""
    require(debt > 0, "a loan has debt", got=debt)
    return Fraction(stablecoin_if_sold_through * (WAD - liquidation_discount), debt * WAD) - 1


RULEBOOK = RulebookDescription(
    name="crvusd",
    venue="Curve crvUSD",
    scope="lending",
    rules={
        "price policy": "band n between base x ((A - 1) / A)^n and the same for n + 1; inside, the pool's price is "
                        "oracle^3 / lower^2 at the top and oracle^3 / upper^2 at the bottom",
        "trigger": "health = x_down x (1 - liquidation discount) / debt - 1 below 0",
        "oracle": "one step inside two minutes at most x 1.25 or / 1.25",
    },
    rounding="exact, then down; the contract's own is within a relative 1e-14",
    sources=(Source("curvefi/curve-stablecoin curve_stablecoin/AMM.vy", "2026-11"),),
    families=("llamma-p-oracle", "llamma-p-current"),
    presets=(Preset("limits", {"least_bands": 4, "most_bands": 50, "oracle_step_limit": 1.25}, "2026-11",
                    Source("curvefi/curve-stablecoin curve_stablecoin/controller.vy", "2026-11")),),
    cautions=("Trading inside the bands, fees and the dynamic fee are not stated here.",),
)
