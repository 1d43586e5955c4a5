"""Provenance of a result: the files, the assumptions, the estimators and the software it came from."""

from __future__ import annotations

import platform
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from leverline import __version__
from leverline.market.bars import NS_PER_S, Bars
from leverline.model import Provenance, RiskAppetite

LIBRARIES = ("numpy", "scipy", "polars", "numba")


def provenance_of(
    bars: Bars, appetite: RiskAppetite, as_of_ns: int, estimators: dict[str, Any], warnings: tuple[str, ...] = (),
    seed: int | None = None,
) -> Provenance:
    """What a result was made from, with the suspicious rows counted by rule."""
    return Provenance(
        software=f"leverline {__version__}",
        versions={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        data=bars.files,
        as_of=datetime.fromtimestamp(as_of_ns / NS_PER_S, UTC),
        appetite=appetite.model_dump(mode="json"),
        estimators=estimators,
        seed=seed,
        quality={"rows": len(bars), "masked": int(bars.masked.sum()),
                 "findings": dict(Counter(finding.rule for finding in bars.findings))},
        warnings=warnings,
    )
