"""Pieces that sections are made of: a titled part, figures with places and captions, figures side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from leverline.report import figures
from leverline.report.markup import Content, Markup, join, tag

FULL_DETAIL_MARKETS = 4
"""Up to so many markets every line has all its points; beyond, they share the same number among them."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page, reached as ``#anchor``."""

    anchor: str
    title: str
    body: Markup


class Gallery:
    """Collects figures as the sections are written; each is a numbered place in the page and a specification."""

    def __init__(self, n_markets: int) -> None:
        self.specifications: list[str] = []
        self.points = max(160, min(figures.POINTS, figures.POINTS * FULL_DETAIL_MARKETS // max(1, n_markets)))

    def hang(self, title: str, figure: go.Figure, caption: str) -> Markup:
        """Give ``figure`` a place, with ``title`` over it and ``caption`` under it."""
        number = len(self.specifications)
        self.specifications.append(figure.to_json())
        height = figure.layout.height
        return tag("figure",
                   tag("p", title, class_="title"),
                   tag("div", class_="plot", id=f"figure-{number}", data_spec=f"specification-{number}", role="img",
                       aria_describedby=f"caption-{number}", aria_label=title, style=f"min-height:{height}px"),
                   tag("figcaption", caption, id=f"caption-{number}"))


def pairs(drawn: Sequence[Markup]) -> Markup:
    """Figures two by two where there is room; the odd one out has the whole width."""
    return join(tag("div", *two, class_="pair") if len(two) == 2 else two[0]
                for two in (drawn[i:i + 2] for i in range(0, len(drawn), 2)))


def section_of(anchor: str, title: str, blocks: Iterable[Content], lead: str | None = None) -> Section | None:
    """A section of ``blocks``, or None where all of them are empty."""
    filled = [block for block in blocks if block]
    if not filled:
        return None
    return Section(anchor, title, join([tag("p", lead, class_="lead") if lead else None, *filled]))
