"""Colours and type of page and figures, each colour once, as a role with a light and a dark value.

Figures are drawn with the light values; in the page a script swaps them for the dark ones by exact match, so every
light value is used by one role only. The hues are those of Okabe and Ito (Color Universal Design, 2008), darkened on
paper and lightened on black until text and thin lines keep a contrast of 4.5 to 1.
"""

from __future__ import annotations

import json
from typing import Any

ROLES: dict[str, tuple[str, str]] = {
    "page": ("#fdfdfc", "#12161c"),
    "panel": ("#f4f5f3", "#1a2029"),
    "ink": ("#1b2430", "#e6e9ee"),
    "muted": ("#56606d", "#a3adba"),
    "rule": ("#c9ced4", "#3a4452"),
    "grid": ("#e6e8ea", "#29313c"),
    "long": ("#005f99", "#6cb8ec"),
    "short": ("#9a5b00", "#eeb04d"),
    "breach": ("#b8400a", "#ff8f5c"),
    "calibrated": ("#3d4855", "#c3cbd5"),
    "good": ("#00694c", "#4fc9a0"),
    "caution": ("#8a5a02", "#e9b455"),
    "bad": ("#a8380b", "#ff9466"),
    "part_1": ("#2f7fb5", "#35719c"),
    "part_2": ("#d8921c", "#a8782a"),
    "part_3": ("#2e9c7c", "#2c7f66"),
    "part_4": ("#b0658f", "#96648a"),
    "part_5": ("#8a93a0", "#5c6674"),
    "book": ("#00735a", "#4fd0a6"),
    "bands": ("#7b3f93", "#cc9be0"),
    "volume": ("#5b6673", "#a0abb9"),
    "band": ("rgba(0,95,153,0.22)", "rgba(108,184,236,0.26)"),
    "reduce_only": ("rgba(138,90,2,0.16)", "rgba(233,180,85,0.2)"),
    "halted": ("rgba(168,56,11,0.34)", "rgba(255,148,102,0.38)"),
}
"""Role: (light, dark)."""

SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
PARTS = ("part_1", "part_2", "part_3", "part_4", "part_5")


def colour(role: str) -> str:
    """The light value of a role: what figures are drawn with."""
    return ROLES[role][0]


def css_variables() -> str:
    """Style rules that set ``--role`` for light, for dark by preference, and for either by choice."""
    light = "".join(f"--{role.replace('_', '-')}:{pair[0]};" for role, pair in ROLES.items())
    dark = "".join(f"--{role.replace('_', '-')}:{pair[1]};" for role, pair in ROLES.items())
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )


def dark_map() -> str:
    """JSON object from each light value to its dark one, for the script in the page."""
    return json.dumps(dict(ROLES.values()), sort_keys=True)


def axis(**changes: Any) -> dict[str, Any]:
    """An axis of a figure: hairline, light grid, ticks outside."""
    return {
        "gridcolor": colour("grid"), "linecolor": colour("rule"), "showline": True, "ticks": "outside", "ticklen": 4,
        "tickcolor": colour("rule"), "zeroline": False, "automargin": True, "title": {"standoff": 8},
    } | changes


def layout(**changes: Any) -> dict[str, Any]:
    """The layout all figures share: transparent on the page, legend above the plot, system type."""
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SANS, "size": 12, "color": colour("ink")},
        "margin": {"l": 56, "r": 14, "t": 12, "b": 44},
        "height": 340,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom",
                   "bgcolor": "rgba(0,0,0,0)", "font": {"size": 12}},
        "hoverlabel": {"font": {"family": SANS, "size": 12, "color": colour("ink")}, "bgcolor": colour("panel"),
                       "bordercolor": colour("rule")},
        "hovermode": "closest",
    } | changes
