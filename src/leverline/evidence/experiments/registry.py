"""The named experiments, and the form in which each gives its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from leverline.evidence.experiments import (
    aave_configs,
    adl_deficit_audit,
    adl_oct10,
    apc_frontier,
    book_costs,
    breakers_oct10,
    caps_oct10,
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
    "aave-configs": Named("which of 218 real lending reserves look too loose or too tight against their own price "
                          "record, and how far from ours are they?", aave_configs.run),
    "adl-deficit-audit": Named("how do three published deficits of one deleveraging, 100.06, 109.29 and 23.19 million, "
                               "go together, and what bounds the first?", adl_deficit_audit.run),
    "adl-oct10": Named("do the published totals of the deleveraging of 2025-10-10 add up, and what would other rules "
                       "have taken from the winners?", adl_oct10.run),
    "apc-frontier": Named("is a governed margin steadier than historical, filtered and EMIR-tooled ones at no more "
                          "than 5 % more cost, and does its buffer last through the crashes?", apc_frontier.run),
    "book-costs": Named("do past order books foretell what walking the next minute's book costs, better than the last "
                        "snapshot and than the square-root law?", book_costs.run),
    "breakers-oct10": Named("what did breakers with two pairs of eyes avoid and cause in one market on 2025-10-10, "
                            "and did each halt end?", breakers_oct10.run),
    "caps-oct10": Named("do caps on open interest, set before 2025-10-10, keep that day's bad debt within the fund?",
                        caps_oct10.run),
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
