"""A venue's margin rules as slots of data: what the one vectorised evaluation, the triggers and the CLI read.

A :class:`VenueRules` comes from a calibrated ``LimitBook`` or from a venue's preset. The venue's own arithmetic stands
in its rulebook; the two are held together by tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leverline.margin.curves import Curve
from leverline.model.instrument import Payoff


@dataclass(frozen=True, slots=True)
class MarketRules:
    """Everything that decides margin, access and closing in one market.

    Attributes
    ----------
    contract_size : float
        Base units in one contract; for an inverse market quote units (USD) in one contract.
    curve : Curve
        Requirement by size. For an inverse market notional is contracts times contract size in quote units, constant
        in price, and margin is valued in quote units too.
    profit_weight_initial, profit_weight_maintenance : float
        Share of an unrealised profit that counts as collateral; losses always count whole.
    profit_cap_initial : float or None
        Unrealised profit of the position counted towards initial margin at most, settlement currency.
    position_cap : float or None
        Notional of one owner at most, settlement currency.
    open_interest_cap : float or None
        Notional of one side of the market at most, settlement currency.
    account_classes : mapping of str to float, or None
        Highest leverage of each class of account; a class that is not named may not open. None admits everybody.
    """

    curve: Curve
    payoff: Payoff = Payoff.LINEAR
    contract_size: float = 1.0
    tick: float | None = None
    lot: float | None = None
    taker_fee_rate: float = 0.0
    profit_weight_initial: float = 1.0
    profit_weight_maintenance: float = 1.0
    profit_cap_initial: float | None = None
    position_cap: float | None = None
    open_interest_cap: float | None = None
    account_classes: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class AssetRules:
    """What a unit of an asset counts as collateral and costs as debt.

    ``floors`` (settlement currency, ascending from 0) cut a holding's value into slices; slice ``k`` counts at
    ``initial_weights[k]`` and ``maintenance_weights[k]``, which never rise with size. ``root_discount`` lowers the
    weight of large holdings to ``1.1 / (1 + root_discount * sqrt(10 amount))`` (Drift). Debt counts at
    ``debt_*_weight`` of its value, 1 or more. ``value_cap``: collateral value counted at most, settlement currency.
    """

    floors: tuple[float, ...] = (0.0,)
    initial_weights: tuple[float, ...] = (1.0,)
    maintenance_weights: tuple[float, ...] = (1.0,)
    value_cap: float | None = None
    root_discount: float = 0.0
    borrowable: bool = False
    debt_initial_weight: float = 1.0
    debt_maintenance_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class VenueRules:
    """One venue's slots. ``settlement`` names the asset that is worth 1 and needs no mark.

    ``also_settles`` names further assets that are the ledger's unit: a venue that counts in dollars may have markets
    that settle in several dollar-like coins.
    """

    name: str
    settlement: str
    markets: Mapping[str, MarketRules]
    assets: Mapping[str, AssetRules] = field(default_factory=dict)
    also_settles: frozenset[str] = frozenset()
    liquidation_buffer: float = 0.0  # account below maintenance * (1 + buffer) stays in liquidation until it is out
    strict_prices: bool = False  # what is owned at the low price, what is owed at the high one
    as_of: str | None = None  # ISO 8601 date of the figures
    source: str | None = None

    def settles(self, asset: str) -> bool:
        """Whether ``asset`` is the ledger's own unit."""
        return asset == self.settlement or asset in self.also_settles
