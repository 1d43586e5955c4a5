"""The named experiments, and the form in which each gives its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from leverline.evidence.experiments import (
    book_costs,
    cold_start,
    coverage,
    evt_margin_btc,
    implied_blend,
    tiers_vs_binance,
    tiers_with_books,
    volatility_race,
)
from leverline.evidence.experiments.verdicts import Experiment
from leverline.ground.errors import UsageError


@dataclass(frozen=True, slots=True)
class Named:
    """An experiment and what it asks."""

    description: str
    run: Callable[[Path], Experiment]


EXPERIMENTS = MappingProxyType({
    "book-costs": Named("do past order books foretell what walking the next minute's book costs, better than the last "
                        "snapshot and than the square-root law?", book_costs.run),
    "cold-start": Named("do rates pooled with peers hold in a coin's first year, and does anything simpler do as well?",
                        cold_start.run),
    "coverage": Named("does the default loss model cover 99 %, 99.5 % and 99.9 % on daily and hourly markets, and is "
                      "any rival better?", coverage.run),
    "evt-margin-btc": Named("under which reading of 1 % do extremes of bitcoin give the published margin of 33 % long "
                            "and 20 % short?", evt_margin_btc.run),
    "implied-blend": Named("does an implied volatility index improve the forecast of bitcoin's variance, a day and a "
                           "week ahead?", implied_blend.run),
    "tiers-vs-binance": Named("how do our ladders compare with the exchange's, in level and in rank?",
                              tiers_vs_binance.run),
    "tiers-with-books": Named("what do order books change in the limits of BTC and ETH, and do they change anything "
                              "else?", tiers_with_books.run),
    "volatility-race": Named("which volatility forecast is best by QLIKE: EWMA, HAR, ranges, GARCH, GJR?",
                             volatility_race.run),
})


def named_experiment(name: str) -> Named:
    """The experiment called ``name``; an unknown name is refused with the known ones."""
    if name not in EXPERIMENTS:
        raise UsageError(f"there is no experiment {name!r}", remedy=f"choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def run_experiment(name: str, folder: Path) -> Experiment:
    """Run the experiment called ``name`` on the data in ``folder``."""
    return named_experiment(name).run(folder)
