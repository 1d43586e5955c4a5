r"""Leverage decay: new risk meets a tighter line at once, open positions along an announced straight line.

.. math:: M(t) = M_0 + (M_1 - M_0)\, \frac{t - t_0}{t_1 - t_0}

Only maintenance decays: initial margin is what new risk meets. Lending vaults lower liquidation LTVs this way and
borrowing LTVs at once (Euler v2). A further tightening on the way announces a new line from where the old one stands;
until it has ended nothing loosens.
"""

from __future__ import annotations

from fractions import Fraction

from leverline.calibrate.tier_steps import common_curves, curve_of, envelope, mixed, published
from leverline.ground.errors import require
from leverline.market.bars import NS_PER_S
from leverline.model.limitbook import Tier
from leverline.model.policy import Announcement


def announced(tiers: tuple[Tier, ...], now_ns: int, decay_s: float) -> Announcement:
    """A line that starts now and reaches ``tiers`` after ``decay_s`` seconds."""
    require(decay_s >= 0, "a decay takes no negative time", got=decay_s)
    return Announcement(tiers, now_ns, now_ns + round(decay_s * NS_PER_S))


def share_by(announcement: Announcement, now_ns: int) -> Fraction:
    """Part of what is left of the line that lies behind at ``now_ns``, in [0, 1]."""
    require(now_ns >= announcement.since_ns, "time does not run back")
    if now_ns >= announcement.until_ns:
        return Fraction(1)
    return Fraction(now_ns - announcement.since_ns, announcement.until_ns - announcement.since_ns)


def in_force(held: tuple[Tier, ...], announcement: Announcement, now_ns: int) -> tuple[Tier, ...]:
    """Tiers at ``now_ns``: initial rates as announced, maintenance on its way from that of ``held``."""
    share = share_by(announcement, now_ns)
    if share == 1:
        return announcement.tiers
    before, after = common_curves(held, announcement.tiers)
    after = envelope(before, after)  # what is announced asks more everywhere, but for rounding
    initial = curve_of(announcement.tiers, after.edges)
    return published(mixed(before, after, share), initial, announcement.tiers[-1].notional_cap)
