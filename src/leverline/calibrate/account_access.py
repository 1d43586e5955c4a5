"""Leverage by class of account: what a market offers, or what the class may have, whichever is less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leverline.ground.errors import UsageError
from leverline.model.appetite import RiskAppetite
from leverline.model.limitbook import Basis, Explanation, InstrumentLimits, pointer


@dataclass(frozen=True, slots=True)
class CalibratedAccess:
    """Highest leverage by class, for the venue and by symbol, and explanations by JSON pointer; None admits all."""

    venue: dict[str, float] | None
    markets: dict[str, dict[str, float]]
    explanations: dict[str, Explanation]


def account_access(limits: Mapping[str, InstrumentLimits], appetite: RiskAppetite) -> CalibratedAccess:
    """Access to every market of ``limits`` (by symbol) for the appetite's classes.

    Without classes everybody is admitted. A class with a blank name or with more leverage than the appetite publishes
    at all is refused: one of the two numbers cannot be meant.
    """
    classes = appetite.account_classes
    if classes is None:
        return CalibratedAccess(None, {}, {})
    highest = appetite.rounding.max_leverage
    for name, leverage in classes.items():
        if not name.strip():
            raise UsageError("a class of accounts has a name", remedy="name it in [account_classes]")
        if leverage > highest:
            raise UsageError(f"accounts of class {name!r} would have {leverage:g}x, and no leverage above {highest:g}x "
                             "is published", remedy="lower the class, or raise rounding.max_leverage")
    assumed = Explanation(binding="risk appetite", basis=Basis.ASSUMED)
    out = {pointer("venue", "account_classes", name): assumed for name in classes}
    markets: dict[str, dict[str, float]] = {}
    for symbol, each in limits.items():
        offered = each.tiers[0].max_leverage
        markets[symbol] = {name: min(leverage, offered) for name, leverage in classes.items()}
        for name, leverage in classes.items():
            out[pointer("instruments", symbol, "account_classes", name)] = assumed if leverage <= offered else (
                Explanation(binding="the first tier's leverage", basis=Basis.MEASURED))
    return CalibratedAccess(dict(classes), markets, out)
