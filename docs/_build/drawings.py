"""Pictures that are drawn from the rules: ``python docs/_build/drawings.py`` writes them into ``docs/recorded``.

A page includes them as inline SVG; so they take its colours in light and dark, and need no script.
"""

from __future__ import annotations

from pathlib import Path

from leverline.margin.rulebooks.dydx_v4 import PPM, LiquidityTier, initial_rate_ppm, maintenance_rate_ppm

RECORDED = Path(__file__).parents[1] / "recorded"
MILLION = 10**12
"""A million USDC in quote quantums."""
MID_CAP = LiquidityTier(50_000, 600_000, 40 * MILLION, 100 * MILLION)
MOST_OPEN = 120
"""Right end of the picture, million USDC of open interest."""

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 44


def across(millions: float) -> float:
    """Pixels from the left for an open interest."""
    return LEFT + millions / MOST_OPEN * (WIDTH - LEFT - RIGHT)


def down(rate: float) -> float:
    """Pixels from the top for a rate of notional."""
    return TOP + (1.0 - rate) * (HEIGHT - TOP - BOTTOM)


def line(rates: list[tuple[int, float]], style: str) -> str:
    """A line through (open interest in millions, rate of notional)."""
    points = " ".join(f"{across(millions):.1f},{down(rate):.1f}" for millions, rate in rates)
    return f'<polyline points="{points}" fill="none" {style}/>'


def text(x: float, y: float, said: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{said}</text>'


def axes() -> list[str]:
    """Ticks and names of both axes."""
    drawn = []
    for percent in (0, 25, 50, 75, 100):
        y = down(percent / 100)
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" '
                     'stroke-opacity="0.2"/>')
        drawn.append(text(LEFT - 6, y + 4, f"{percent} %", "end"))
    for millions in range(0, MOST_OPEN + 1, 20):
        drawn.append(text(across(millions), HEIGHT - BOTTOM + 18, str(millions), "middle"))
    drawn.append(text(across(MOST_OPEN / 2), HEIGHT - 6, "open interest, million USDC", "middle"))
    return drawn


def open_interest() -> str:
    """Rates of notional that dYdX's mid-cap tier asks as open interest grows."""
    grid = range(0, MOST_OPEN + 1, 5)
    initial = [(m, initial_rate_ppm(MID_CAP, m * MILLION) / PPM) for m in grid]
    maintenance = maintenance_rate_ppm(MID_CAP) / PPM
    base = MID_CAP.initial_margin_ppm / PPM
    ends = (0, MOST_OPEN)
    return "\n".join([
        "<figure>",
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="initial margin rises from 5 % at 40 million to '
        '100 % at 100 million of open interest; maintenance margin stays at 3 %" font-size="12" fill="currentColor" '
        'style="width: 100%; max-width: 40rem">',
        *axes(),
        line(initial, 'stroke="var(--md-accent-fg-color)" stroke-width="2.5"'),
        line([(m, base) for m in ends], 'stroke="currentColor" stroke-width="1.5" stroke-dasharray="6 4"'),
        line([(m, maintenance) for m in ends], 'stroke="currentColor" stroke-width="1.5" stroke-dasharray="1 3"'),
        text(across(66), down(0.56), "initial margin", "end"),
        text(across(MOST_OPEN), down(base) - 6,
             f"base rate {100 * base:.0f} % (dashed) and maintenance {100 * maintenance:.0f} % (dotted)", "end"),
        "</svg>",
        "<figcaption>What a position must post to be opened on dYdX's mid-cap tier, as a share of its notional. An engine "
        "that reads the base rate alone stays on the dashed line.</figcaption>",
        "</figure>",
    ]) + "\n"


DRAWINGS = {"dydx-open-interest.svg": open_interest}


if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        (RECORDED / name).write_text(draw(), encoding="utf-8")
