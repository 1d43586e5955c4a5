"""The shared nouns: instruments, the risk appetite, the limit book and its provenance. Data, no computation."""

from leverline.model.appetite import RiskAppetite
from leverline.model.instrument import Instrument, Kind, Payoff
from leverline.model.limitbook import (
    AssetLimits,
    Basis,
    Explanation,
    InstrumentLimits,
    LimitBook,
    Override,
    Tier,
    VenueLimits,
)
from leverline.model.provenance import DataFile, Provenance

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
