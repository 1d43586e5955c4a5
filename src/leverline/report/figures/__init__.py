"""All figures, and the only place that draws. Each function takes what :mod:`leverline.report.content` holds.

Figures are drawn in the light colours of :mod:`leverline.report.theme`. Nothing is said by colour alone: long is a
solid line and a triangle that points down (the price falls), short is dashed and points up. Rates are drawn in percent.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from leverline.report.beside.content import ImpliedPath, LiquidationCost
from leverline.report.content import (
    CrashDay,
    MarginSeries,
    MethodPoint,
    RequirementCurve,
    TailFit,
    VolatilityPath,
)
from leverline.report.figures.comparison import crashes, methods
from leverline.report.figures.drawing import POINTS
from leverline.report.figures.limits import margin_period, requirement, requirement_parts
from leverline.report.figures.line import (
    MOST_LOSERS,
    MOST_ROWS,
    cap_bounds,
    collateral,
    factor,
    fund,
    offsets,
    taker_fees,
)
from leverline.report.figures.liquidity import liquidation_cost
from leverline.report.figures.replay import (
    replay,
    replay_accounts,
    replay_closed,
    replay_funds,
    replay_losses,
    replay_price,
)
from leverline.report.figures.results import book_change, breach_rates, ladders
from leverline.report.figures.series import BREACH_SYMBOL, coverage, largest_rise, margins
from leverline.report.figures.tails import implied, tail, volatility
from leverline.report.line.content import FactorPath, FeeCurve, FundPicture, MarketBounds
from leverline.report.replay.content import PricePicture, ReplayPicture

__all__ = [
    "BREACH_SYMBOL",
    "MOST_LOSERS",
    "MOST_ROWS",
    "POINTS",
    "book_change",
    "breach_rates",
    "cap_bounds",
    "collateral",
    "coverage",
    "crashes",
    "factor",
    "fund",
    "implied",
    "ladders",
    "largest_rise",
    "liquidation_cost",
    "margin_period",
    "margins",
    "methods",
    "offsets",
    "replay",
    "replay_accounts",
    "replay_closed",
    "replay_funds",
    "replay_losses",
    "replay_price",
    "requirement",
    "requirement_parts",
    "show",
    "tail",
    "taker_fees",
    "volatility",
]


def show(thing: object) -> go.Figure:
    """Draw one piece of the page's content; tails, methods and crash days also several, as a sequence."""
    many = tuple(thing) if isinstance(thing, Sequence) else (thing,)
    match many:
        case (RequirementCurve() as curve,):
            return requirement(curve, ())
        case (VolatilityPath() as path,):
            return volatility(path)
        case (ImpliedPath() as path,):
            return implied(path)
        case (LiquidationCost() as cost,):
            return liquidation_cost(cost)
        case (MarginSeries() as series,):
            return coverage(series)
        case (FeeCurve() as fee,):
            return taker_fees(fee)
        case (FundPicture() as picture,):
            return fund(picture)
        case (FactorPath() as steps,):
            return factor(steps)
        case (ReplayPicture() as course,):
            return replay(course)
        case (PricePicture() as price,):
            return replay_price(price)
        case (MarketBounds(), *_):
            return cap_bounds(many)
        case (TailFit(), *_):
            return tail(many)
        case (MethodPoint(), *_):
            return methods(many)
        case (CrashDay(), *_):
            return crashes(many)
    raise TypeError(f"there is no figure of {type(thing).__name__}")
