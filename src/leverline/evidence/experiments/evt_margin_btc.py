"""The published bitcoin margin of 33 % long and 20 % short "at 1 %": which readings of it come out at those numbers?

Cheng, Deng, Wang and Yu 2021 (arXiv 2102.04591) fit extreme value laws to the BitMEX perpetual, an inverse contract,
and give 33 % for longs and 20 % for shorts at a "1 % daily margin call probability". They state neither block length
nor sample in what is public, and BitMEX prices are not at hand: spot bars stand in. So every combination is tried of
sample, block length, payoff, closes or intraday extremes, fit, and of the two readings of 1 %: per *block*, or per
*day* from the same fit. *Consistent with* the published pair means within 10 % of it, relative, on both sides. That a
reading is consistent does not prove that it is what was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from leverline import __version__
from leverline.evidence.experiments.verdicts import Experiment, Row
from leverline.ground.arrays import FloatArray
from leverline.ground.errors import InsufficientDataError, LeverlineError
from leverline.ground.files import sha256
from leverline.market.bars import NS_PER_S, Panel
from leverline.market.reading import read_bars
from leverline.market.sources.datasets import find, load_bars
from leverline.measure.gev import GevBlockMaxima
from leverline.measure.losses import SIDES, worst_losses
from leverline.model import Payoff

PUBLISHED = {"long": 0.33, "short": 0.20}
TOLERANCE = 0.10
EXCEEDANCE = 0.01
BLOCKS = (5, 10, 15, 21, 30, 63)
PRICES: tuple[Literal["close", "intraday"], ...] = ("close", "intraday")
FITS: tuple[Literal["lmoments", "penalised"], ...] = ("lmoments", "penalised")
READINGS = ("per block", "per day")
SAMPLES = (
    ("2014-03-01", "2020-12-05"), ("2016-05-01", "2020-12-05"), ("2017-01-01", "2020-12-05"),
    ("2018-01-01", "2020-12-05"), ("2016-05-01", "2019-12-31"), ("2017-01-01", "2019-12-31"),
    ("2018-01-01", "2019-12-31"), ("2019-01-01", "2020-12-05"),
)
"""First and last day. BitMEX listed the contract in May 2016; the package's bars end on 2020-12-06."""
DATASET = "crypto-majors"
SYMBOL = "BTC/USD"
CLOSES, HOURLY = "daily_btc_macro_2015.parquet", "hourly_btc_spot_binance_2017.parquet"
PACKAGE = "package"
DAY_NS = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Source:
    """Day bars of bitcoin: a name, and a panel of one column."""

    name: str
    panel: Panel


@dataclass(frozen=True, slots=True)
class Margin:
    """One combination and its margins, fractions of the opening value."""

    source: str
    sample: tuple[str, str]
    payoff: Payoff
    prices: str
    fit: str
    days_per_block: int
    reading: str
    blocks: int
    margin: dict[str, float]

    @property
    def consistent(self) -> bool:
        """Within the tolerance of the published pair on both sides."""
        return self.distance <= TOLERANCE

    @property
    def distance(self) -> float:
        """Relative distance of the side that is farther off."""
        return max(abs(self.margin[side] / PUBLISHED[side] - 1.0) for side in SIDES)

    @property
    def words(self) -> str:
        """The combination in words."""
        return (f"{self.payoff.value}, {self.prices}, {self.sample[0]} to {self.sample[1]}, "
                f"{self.days_per_block}-day blocks, {self.fit}, {self.source}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON fields."""
        return {"source": self.source, "first_day": self.sample[0], "last_day": self.sample[1],
                "payoff": self.payoff.value, "prices": self.prices, "fit": self.fit,
                "days_per_block": self.days_per_block, "reading": self.reading, "blocks": self.blocks,
                "long": self.margin["long"], "short": self.margin["short"], "distance": self.distance,
                "consistent": self.consistent}


def run(folder: Path) -> Experiment:
    """Run on the package dataset, which every machine can have, and on the files of ``folder`` where they are."""
    sources, files = _sources(folder)
    margins = [m for source in sources for m in margins_of(source)]
    main = [m for m in margins if m.source == sources[0].name]
    rows = [row for reading in READINGS for row in _rows(main, reading)]
    rows += [_elsewhere(margins, source.name) for source in sources[1:]]
    rows.append(_verdict(main))
    provenance = {"software": f"leverline {__version__}", "files": files, "exceedance": EXCEEDANCE,
                  "published": PUBLISHED, "paper": "arXiv 2102.04591", "tried": len(margins)}
    return Experiment("evt-margin-btc", tuple(rows), provenance, tuple(m.to_dict() for m in margins))


def _sources(folder: Path) -> tuple[list[Source], dict[str, str]]:
    """The package dataset, and the development files where they are; at least one must be there."""
    sources, files = [], {}
    try:
        sources.append(Source(PACKAGE, Panel.of(load_bars(DATASET).select([SYMBOL]))))
        files[DATASET] = find(DATASET).sha256
    except LeverlineError as error:  # off line and not cached: the files alone then speak
        files[DATASET] = f"not read: {error}"
    for name, path in (("closes since 2015", folder / CLOSES), ("hourly since 2017", folder / HOURLY)):
        if path.is_file():
            sources.append(Source(name, day_bars(Panel.of(read_bars([path])))))
            files[path.name] = sha256(path)
    if not sources:
        raise InsufficientDataError(f"neither {DATASET} nor {CLOSES} can be read", remedy="connect to a package index")
    return sources, files


def day_bars(panel: Panel) -> Panel:
    """Bars of a UTC day from finer ones: last close, lowest low, highest high; a day without a bar stays missing."""
    if panel.spacing_ns >= DAY_NS:
        return panel
    frame = pl.DataFrame({"day": panel.ts // DAY_NS, "close": panel.close[:, 0], "high": panel.high[:, 0],
                          "low": panel.low[:, 0]}).filter(pl.col("close").is_finite())
    days = frame.group_by("day", maintain_order=True).agg(
        pl.col("close").last(), pl.col("high").max(), pl.col("low").min())
    first, last = int(panel.ts[0] // DAY_NS), int(panel.ts[-1] // DAY_NS)
    columns = {name: np.full((last - first + 1, 1), np.nan) for name in ("close", "high", "low")}
    for name, column in columns.items():
        column[days["day"].to_numpy() - first, 0] = days[name].to_numpy()
    grid = DAY_NS * np.arange(first, last + 1, dtype=np.int64)
    return Panel(panel.symbols, grid, DAY_NS, **columns, volume=np.full_like(columns["close"], np.nan))


def margins_of(source: Source) -> Iterator[Margin]:
    """Every combination that the source's days allow."""
    for sample, payoff, prices in product(SAMPLES, (Payoff.LINEAR, Payoff.INVERSE), PRICES):
        losses = _losses(source.panel, sample, payoff, prices)
        if losses is None:
            continue
        for fit, block in product(FITS, BLOCKS):
            try:
                law = GevBlockMaxima(days_per_block=block, method=fit, minimum_blocks=20).fit(losses)
            except InsufficientDataError:  # fewer than 20 blocks are not fitted; the table shows which are missing
                continue
            for reading in READINGS:
                quantile = law.quantile_per_block if reading == "per block" else law.quantile_per_day
                margin = quantile(EXCEEDANCE)
                yield Margin(source.name, sample, payoff, prices, fit, block, reading, int(law.n_blocks_.min()),
                             {side: float(margin[k]) for k, side in enumerate(SIDES)})


def _losses(panel: Panel, sample: tuple[str, str], payoff: Payoff, prices: str) -> FloatArray | None:
    """One-day losses (n_days, 2) of positions opened at the closes of a sample; None where the source lacks it."""
    first, last = (int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * NS_PER_S for day in sample)
    if panel.ts[0] > first or panel.ts[-1] < last or (prices == "intraday" and panel.close_only[0]):
        return None
    nothing = np.full_like(panel.close, np.nan)
    seen = panel if prices == "intraday" else Panel(panel.symbols, panel.ts, panel.spacing_ns, panel.close, nothing,
                                                    nothing, nothing)
    loss = worst_losses(seen, 1, (payoff,)).loss[:, 0]
    return np.asarray(loss[(panel.ts >= first) & (panel.ts < last)], np.float64)


def _rows(margins: list[Margin], reading: str) -> list[Row]:
    """How many of a reading's combinations come out at the published pair, and the nearest of each payoff.

    Held to the hypothesis that the published figures are per block, of an inverse contract.
    """
    of_reading = [m for m in margins if m.reading == reading]
    hits = [m for m in of_reading if m.consistent]
    wanted = reading == "per block"
    rows = [Row(f"1 % {reading}: combinations of {len(of_reading)} consistent with the published pair",
                float(len(hits)), f"long {PUBLISHED['long']:.0%}, short {PUBLISHED['short']:.0%}",
                f"{'at least one' if wanted else 'none'} within {TOLERANCE:.0%} on both sides", bool(hits) == wanted)]
    best = {payoff: min((m for m in of_reading if m.payoff is payoff), key=lambda m: m.distance)
            for payoff in (Payoff.INVERSE, Payoff.LINEAR)}
    for payoff, nearest in best.items():
        if not wanted:
            tolerance, holds = f"beyond {TOLERANCE:.0%}", not nearest.consistent
        elif payoff is Payoff.INVERSE:
            tolerance, holds = f"within {TOLERANCE:.0%}", nearest.consistent
        else:
            tolerance, holds = "farther than the nearest inverse", nearest.distance > best[Payoff.INVERSE].distance
        rows.append(Row(f"1 % {reading}: relative distance of the farther side, nearest {payoff.value}",
                        nearest.distance,
                        f"{nearest.words}: long {nearest.margin['long']:.1%}, short {nearest.margin['short']:.1%}",
                        tolerance, holds))
    return rows


def _elsewhere(margins: list[Margin], source: str) -> Row:
    """The same count on another file: more consistent combinations per block than per day."""
    counts = {reading: sum(m.consistent for m in margins if m.source == source and m.reading == reading)
              for reading in READINGS}
    tried = sum(m.source == source for m in margins) // len(READINGS)
    return Row(f"{source}: consistent per block of {tried} combinations", float(counts["per block"]),
               f"per day {counts['per day']}", "at least as many per block", counts["per block"] >= counts["per day"])


def _verdict(margins: list[Margin]) -> Row:
    """The reading of "1 %" under which the published pair comes out of an inverse contract, and the other does not."""
    inverse = {reading: [m for m in margins if m.reading == reading and m.payoff is Payoff.INVERSE and m.consistent]
               for reading in READINGS}
    blocks = sorted({m.days_per_block for m in inverse["per block"]})
    return Row("inverse contract: consistent readings of 1 %, per block less per day",
               float(len(inverse["per block"]) - len(inverse["per day"])),
               f"consistent block lengths {blocks or 'none'} days per block, "
               f"{sorted({m.days_per_block for m in inverse['per day']}) or 'none'} per day",
               "per block only", bool(inverse["per block"]) and not inverse["per day"])
