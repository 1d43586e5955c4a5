"""Families of cases of derivatives venues on chain (dYdX v4, Drift v2, Hyperliquid, GMX v2, Synthetix v3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leverline.evidence import conformance_drift, conformance_dydx, conformance_rational_venues

HANDLERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    **conformance_dydx.HANDLERS,
    **conformance_drift.HANDLERS,
    **conformance_rational_venues.HANDLERS,
}
