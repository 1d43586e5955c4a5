"""Figures and the report for a risk committee."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["show"]


def show(thing: object) -> go.Figure:
    """Draw a result: see :func:`leverline.report.showing.show`. The drawing library is imported on the first call."""
    from leverline.report import showing

    return showing.show(thing)
