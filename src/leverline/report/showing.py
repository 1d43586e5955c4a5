"""The figure that suits a result, for a quant at a prompt: one function, whatever came back."""

from __future__ import annotations

import plotly.graph_objects as go

from leverline.calibrate.book import Calibration
from leverline.calibrate.diff import BookDiff
from leverline.enforce.replaying import Replay
from leverline.evidence.backtest import BacktestResult
from leverline.evidence.method_comparison import Comparison
from leverline.ground.errors import require
from leverline.model import LimitBook
from leverline.report import figures
from leverline.report.build import coverage_row, method_point, requirement_curve
from leverline.report.replay.build import picture_of


def show(thing: object) -> go.Figure:
    """Draw a result or a piece of the page's content.

    A calibration or book of one market is its requirement, of several their leverage ladders; a backtest the breached
    share of every market and side at its loosest confidence; a diff the leverages that changed; a comparison the
    methods side by side at its loosest confidence; a replay its course through time. A piece of content is drawn as
    :func:`leverline.report.figures.show` says.

    Raises
    ------
    TypeError
        There is no figure of such a thing.
    UsageError
        There is nothing in it to draw.
    """
    match thing:
        case Calibration():
            return _calibration(thing)
        case LimitBook():
            return _book(thing)
        case BacktestResult():
            return _backtest(thing)
        case BookDiff():
            return figures.book_change(thing.curves, thing.settlement)
        case Comparison():
            require(bool(thing.scores), "a comparison to draw has methods")
            loosest = min(score.confidence for score in thing.scores)
            return figures.methods([method_point(s) for s in thing.scores if s.confidence == loosest])
        case Replay():
            require(bool(thing.tally.events), "a replay to draw has events")
            return figures.replay(picture_of(thing))
    return figures.show(thing)


def _calibration(made: Calibration) -> go.Figure:
    if len(made.markets) > 1:
        return _book(made.book)
    (market,) = made.markets
    return figures.requirement(requirement_curve(market), market.limits.tiers, made.book.settlement)


def _book(book: LimitBook) -> go.Figure:
    require(bool(book.instruments), "a book to draw has instruments")
    if len(book.instruments) > 1:
        return figures.ladders({symbol: each.tiers for symbol, each in book.instruments.items()}, book.settlement)
    (listed,) = book.instruments.values()
    return figures.requirement(None, listed.tiers, book.settlement)


def _backtest(tested: BacktestResult) -> go.Figure:
    require(bool(tested.results), "a backtest to draw has rows")
    first = min(tested.results, key=lambda row: (row.horizon_s, row.confidence))
    return figures.breach_rates([coverage_row(row) for row in tested.results
                                 if (row.horizon_s, row.confidence) == (first.horizon_s, first.confidence)])
