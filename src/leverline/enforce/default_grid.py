"""Ticks and lots where a limit book has none: bars do not tell them, and the ledger needs them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from leverline.model.instrument import Payoff
from leverline.model.limitbook import LimitBook
from leverline.model.quantities import UNITS_PER_ONE

FINENESS = 1e-5
"""A tick is at most this part of the price."""


def default_tick(price: float) -> Fraction:
    """The power of ten at or below 1e-5 of ``price``."""
    exponent = math.floor(math.log10(price * FINENESS))
    if 10.0 ** (exponent + 1) <= price * FINENESS:  # the logarithm of a power of ten may fall short of it
        exponent += 1
    return Fraction(10) ** exponent


def default_lot(tick: Fraction, contract_size: float) -> Fraction:
    """Contracts of which one, moved by one tick, is worth one ledger unit: the finest lot that stays exact."""
    return 1 / (tick * UNITS_PER_ONE * Fraction(repr(contract_size)))


def with_default_grid(book: LimitBook, prices: Mapping[str, float], breakers: Mapping[str, float] | None = None,
                      ) -> tuple[LimitBook, tuple[str, ...]]:
    """``book`` for the linear markets in ``prices`` alone, each with tick and lot, sealed anew; and what was set.

    ``breakers`` replace the book's: those judge several sources and seconds, and bars are one source and no seconds.
    """
    said: list[str] = []
    kept = {}
    for symbol, limits in book.instruments.items():
        if symbol not in prices or limits.payoff is not Payoff.LINEAR:
            said.append(f"{symbol}: left out, {'no bars' if symbol not in prices else 'not linear'}")
            continue
        tick = Fraction(repr(limits.tick)) if limits.tick is not None else default_tick(prices[symbol])
        lot = Fraction(repr(limits.lot)) if limits.lot is not None else default_lot(tick, limits.contract_size)
        for name, value, given in (("tick", tick, limits.tick), ("lot", lot, limits.lot)):
            if given is None:
                said.append(f"{symbol}: {name} defaulted to {float(value):.10g}")
        kept[symbol] = limits.model_copy(update={"tick": float(tick), "lot": float(lot)})
    venue = book.venue
    if venue.breakers is not None:
        said.append("breakers left out: bars are one source, and slower than breakers look" if breakers is None
                    else "breakers: of one source and the bars' ages; without agreement, latency, depth and growth")
        venue = venue.model_copy(update={"breakers": None if breakers is None else dict(breakers)})
    if not said:
        return book, ()
    draft = book.model_copy(update={"id": "", "instruments": kept, "venue": venue})
    return draft.model_copy(update={"id": draft.content_hash()}), tuple(said)
