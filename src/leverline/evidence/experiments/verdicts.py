"""What an experiment says: quantities of ours beside a reference, a tolerance, and whether it holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One claim: our figure, what it is held against, how far it may be away, and whether it is."""

    quantity: str
    ours: float
    reference: str
    tolerance: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Experiment:
    """All claims of an experiment. ``variants`` lists everything that was tried, the winners and the losers."""

    name: str
    rows: tuple[Row, ...]
    provenance: dict[str, Any]
    variants: tuple[dict[str, Any], ...] = field(default=())

    @property
    def verdict(self) -> str:
        """``holds`` where every row does."""
        return "holds" if all(row.holds for row in self.rows) else "falls short"

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {"name": self.name, "rows": [asdict(row) for row in self.rows], "verdict": self.verdict,
                "provenance": self.provenance, "variants": list(self.variants)}
