"""A book of one cross pool."""

from __future__ import annotations

import numpy as np

from leverline.model.accounts import AccountBook, Asset, Market, Mode, Pool, Pools


def book_of(positions: dict[str, tuple[float, float]], holdings: dict[str, float]) -> AccountBook:
    """One pool at an unnamed venue: contracts and entry price by symbol, amounts by asset."""
    return AccountBook(
        tuple(Market("", symbol) for symbol in positions), tuple(Asset("", asset) for asset in holdings),
        Pools.of([Pool("", "a", "", "a", Mode.CROSS, "")]),
        np.array([0, len(positions)], dtype=np.int32), np.arange(len(positions), dtype=np.uint32),
        np.array([q for q, _ in positions.values()]), np.array([e for _, e in positions.values()]),
        np.array([0, len(holdings)], dtype=np.int32), np.arange(len(holdings), dtype=np.uint32),
        np.array(list(holdings.values()), dtype=np.float64))
