"""Limits with and without order books, side by side: what books change, and that they change nothing else.

BTC and ETH perpetuals, 15-minute bars, as of 2024-09-10, level-2 snapshots of 2024-08-08. The snapshots are a month
old, so they count twice: as the appetite says (a shape in percent of volume), and at their own level as if the appetite
trusted them that long. Three claims: the whole difference of the requirement is the difference of its slippage; inside
the book's reach slippage comes from the book; fifty levels span a few basis points, so it hardly moves what large
positions need.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from leverline import __version__
from leverline.calibrate.beside_bars import BesideBars
from leverline.calibrate.book import Calibration, MarketCalibration, calibrate_book
from leverline.calibrate.requirement import requirement
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.errors import InsufficientDataError
from leverline.ground.files import sha256
from leverline.market.reading import read_bars
from leverline.market.sources.level2 import read_level2
from leverline.market.symbols import SymbolNaming
from leverline.market.times import parse_instant
from leverline.model import RiskAppetite

BARS, BOOKS = "m15_perp_binance_btc_eth.parquet", "l2_snapshots_binance_2024_08_08.parquet"
NAMES = {"BTC": "BTC/USDT:USDT", "ETH": "ETH/USDT:USDT", "perp_usdm:BTCUSDT": "BTC/USDT:USDT",
         "perp_usdm:ETHUSDT": "ETH/USDT:USDT"}
AS_OF = "2024-09-10"
NOTIONALS = np.array([1e4, 1e5, 1e6])
TRUSTED_S = 60 * 86_400.0
"""Age up to which the second reading takes the snapshots at their own level."""


def run(folder: Path) -> Experiment:
    """Calibrate without books, with books as a shape, and with books at their own level."""
    for name in (BARS, BOOKS):
        if not (folder / name).is_file():
            raise InsufficientDataError(f"{name} is not in {folder}", remedy="name the folder that has it")
    naming = SymbolNaming(mapping=NAMES)
    bars, as_of = read_bars([folder / BARS], naming=naming), parse_instant(AS_OF)
    books = {b.symbol: b for b in read_level2([folder / BOOKS], naming=naming) if b.symbol in NAMES.values()}
    appetite = RiskAppetite.profile("exchange")
    trusting = appetite.model_copy(update={"costs": appetite.costs.model_copy(update={"max_depth_age_s": TRUSTED_S})})

    def made(how: RiskAppetite, beside: BesideBars) -> Calibration:
        return calibrate_book(bars, how, as_of_ns=as_of, scale="sqrt-time", beside=beside)

    without = made(appetite, BesideBars())
    rows: list[Row] = []
    variants: list[dict[str, Any]] = []
    for reading, other in (("as a shape", made(appetite, BesideBars(books=books))),
                           ("at its own level", made(trusting, BesideBars(books=books)))):
        for plain, booked in zip(without.markets, other.markets, strict=True):
            rows += _rows(reading, plain, booked, appetite)
            variants.append(_shown(reading, plain, booked, appetite))
    provenance = {"software": f"leverline {__version__}", "as_of": AS_OF, "appetite": appetite.name,
                  "files": {name: sha256(folder / name) for name in (BARS, BOOKS)}}
    return Experiment("tiers-with-books", tuple(rows), provenance, tuple(variants))


def _rows(reading: str, plain: MarketCalibration, booked: MarketCalibration, appetite: RiskAppetite) -> list[Row]:
    """The claims for one market."""
    before, after = (requirement(m.measures, appetite, NOTIONALS) for m in (plain, booked))
    moved = after.maintenance_rate - before.maintenance_rate
    unexplained = float(np.abs(moved - (after.slippage - before.slippage)).max())
    label = f"{plain.symbol}, book {reading}"
    depth = booked.measures.depth
    parts = depth.parts(np.array([1e2, 1e6])) if depth is not None else ()
    return [
        Row(f"{label}: change of maintenance that slippage does not explain", unexplained, "0", "1e-12",
            unexplained <= 1e-12),
        Row(f"{label}: the first dollars are priced by the book, a million by volume", float(len(parts)),
            " then ".join(parts), "book then volume", parts == ("book", "volume")),
        Row(f"{label}: change of maintenance at 1,000,000", float(moved[-1]),
            f"slippage {before.slippage[-1]:.5f} to {after.slippage[-1]:.5f}", "below one rounding step",
            abs(float(moved[-1])) < appetite.rounding.maintenance_step),
    ]


def _shown(
    reading: str, plain: MarketCalibration, booked: MarketCalibration, appetite: RiskAppetite
) -> dict[str, Any]:
    """Both requirements at the reference sizes, and the tiers they became."""
    depth = booked.measures.depth
    out: dict[str, Any] = {"market": plain.symbol, "book": reading, "notional": NOTIONALS.tolist()}
    if depth is not None:
        out |= {"stress_factor": depth.stress_factor, "crowding": depth.crowding, "notes": list(depth.notes)}
    for name, market in (("without", plain), ("with", booked)):
        needs = requirement(market.measures, appetite, NOTIONALS)
        out[name] = {
            "slippage": needs.slippage.tolist(), "maintenance": needs.maintenance_rate.tolist(),
            "initial": needs.initial_rate.tolist(),
            "tiers": [tier.model_dump(mode="json") for tier in market.limits.tiers],
        }
    return out
