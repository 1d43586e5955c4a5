"""Lending markets as the engine sees them: no positions, collateral at its thresholds, debt at its whole value.

Health is then the sum of value times threshold less debt, and the health factor the venue's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from leverline.margin.rules import AssetRules


def lending_assets(collateral: Mapping[str, tuple[float, float]], debt: Iterable[str]) -> dict[str, AssetRules]:
    """Rules by asset out of (weight to borrow, weight to stay) of each collateral and the names of what is lent.

    An asset that can only be owed counts nothing where it is held.
    """
    lent = dict.fromkeys(debt, (0.0, 0.0))
    return {asset: AssetRules(initial_weights=(borrow,), maintenance_weights=(stay,), borrowable=asset in lent)
            for asset, (borrow, stay) in (lent | dict(collateral)).items()}
