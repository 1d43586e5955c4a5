"""The shared nouns: instruments, the risk appetite, the limit book and its provenance. Data, no computation."""

from leverline.model.appetite import RiskAppetite
from leverline.model.collateral import AssetLimits
from leverline.model.instrument import Instrument, Kind, Payoff
from leverline.model.limitbook import (
    Basis,
    Explanation,
    InstrumentLimits,
    LimitBook,
    Override,
    Tier,
)
from leverline.model.provenance import DataFile, Provenance
from leverline.model.venue import VenueLimits

__all__ = [
    "AssetLimits",
    "Basis",
    "DataFile",
    "Explanation",
    "Instrument",
    "InstrumentLimits",
    "Kind",
    "LimitBook",
    "Override",
    "Payoff",
    "Provenance",
    "RiskAppetite",
    "Tier",
    "VenueLimits",
]
