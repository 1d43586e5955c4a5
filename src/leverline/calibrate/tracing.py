"""Provenance of a result: the files, the assumptions, the estimators and the software it came from."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from leverline import __version__
from leverline.market.bars import Bars
from leverline.model import DataFile, Provenance, RiskAppetite
from leverline.model.limitbook import canonical_json

LIBRARIES = ("numpy", "scipy", "polars", "numba")


def provenance_of(
    bars: Bars, appetite: RiskAppetite, as_of_ns: int, estimators: dict[str, Any], warnings: tuple[str, ...] = (),
    seed: int | None = None, beside: tuple[DataFile, ...] = (),
) -> Provenance:
    """What a result was made from, with the suspicious rows counted by rule."""
    return Provenance(
        software=f"leverline {__version__}",
        versions={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        data=(*bars.files, *beside),
        as_of=datetime.fromtimestamp(0, UTC) + timedelta(microseconds=as_of_ns // 1_000),
        appetite=appetite.model_dump(mode="json"),
        estimators=json.loads(canonical_json(estimators)),  # as it will read back: lists, not tuples
        seed=seed,
        quality={"rows": len(bars), "masked": int(bars.masked.sum()),
                 "findings": {rule: sum(per.values()) for rule, per in bars.counts.items() if per}},
        warnings=warnings,
    )
