"""What if prices or volatilities stood elsewhere: a market state with some of its numbers moved."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from leverline.ground.errors import UsageError, require
from leverline.market.symbols import is_unified, parse_unified
from leverline.model.instrument import Kind
from leverline.model.market_state import MarketState

EVERYTHING = "*"
"""The name that moves every price."""
VOLATILITY = "volatility"
"""The name that scales every volatility and no price."""

_FORM = re.compile(r"(?P<name>[^=]+)=(?P<percent>[+-]?\d+(?:\.\d+)?)\s*%", re.ASCII)


def read_shifts(texts: Iterable[str]) -> dict[str, float]:
    """Shifts as fractions by name from texts such as ``BTC=-20%``, ``*=+5%`` and ``volatility=+50%``."""
    shifts: dict[str, float] = {}
    for text in texts:
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise UsageError(f"{text!r} is not a what-if", remedy="write NAME=PERCENT, for example 'BTC=-20%'")
        name = match["name"].strip()
        require(name not in shifts, "a what-if moves a name once", got=name)
        shifts[name] = float(match["percent"]) / 100.0
    return shifts


def shifted(state: MarketState, shifts: Mapping[str, float]) -> MarketState:
    """``state`` with prices and volatilities moved by ``shifts``, fractions by name (-0.2 is 20 % down).

    A name is one of the state's names, which moves only that; or an underlying such as ``BTC``, which moves every
    market with that base and the asset price ``BTC/USD``; or ``*`` for all prices; or ``volatility``. Where several
    reach a price, the narrowest holds: they do not add up. Mark, low, high and index move alike; what is only quoted in
    an underlying, and options, whose price does not move in proportion, stay. A name that moves nothing is refused.
    """
    factor = np.ones(len(state.names))
    rank = np.full(len(state.names), np.inf)  # of the narrowest shift that reached a price so far
    for name, shift in shifts.items():
        require(math.isfinite(shift) and shift > -1.0, f"what if {name!r}: a price falls by less than 100 %", got=shift)
        if name == VOLATILITY:
            require(not np.isnan(state.volatility_per_day).all(), "what if volatility: no volatility is known",
                    remedy="give the marks a column volatility_per_day")
            continue
        for k in _reach(state.names, name):
            if _breadth(state.names, name) < rank[k]:
                factor[k], rank[k] = 1.0 + shift, _breadth(state.names, name)
    return replace(
        state, mark=state.mark * factor, low=state.low * factor, high=state.high * factor, index=state.index * factor,
        volatility_per_day=state.volatility_per_day * (1.0 + shifts.get(VOLATILITY, 0.0)),
    )


def _breadth(names: tuple[str, ...], name: str) -> int:
    """Rank of a shift's reach: one name, an underlying, everything."""
    return 0 if name in names else 2 if name == EVERYTHING else 1


def _reach(names: tuple[str, ...], name: str) -> list[int]:
    """Places of the prices that ``name`` moves."""
    if name in names:
        return [names.index(name)]
    reach = [k for k, known in enumerate(names) if not _is_option(known) and name in (EVERYTHING, _base(known))]
    if not reach:
        raise UsageError(f"what if {name!r}: no price has this name or underlying",
                         remedy=f"name a marked symbol, an underlying, {EVERYTHING} or {VOLATILITY}")
    return reach


def _base(name: str) -> str | None:
    """The underlying of a marked name; None where the name does not tell."""
    return name.partition("/")[0] if is_unified(name) else None


def _is_option(name: str) -> bool:
    return is_unified(name) and parse_unified(name).kind is Kind.OPTION
