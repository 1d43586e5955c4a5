"""Breakers on prices from bars: one source, a few prices a bar, and nothing known in between.

Of the eyes that leaves age, the jump that must stand, and the average; of the breakers the price band and the fund.
Agreement, latency, depth and open interest need what bars do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from leverline.enforce.breaker_terms import KEYS, SECOND_NS, BreakerTerms, breaker_terms
from leverline.enforce.oracle import feed_of, fit_to_liquidate, unfit_for_ns
from leverline.enforce.state import VenueState
from leverline.ground.errors import UsageError

PRICES_A_BAR = 4
AGE_IN_BARS = 3
"""A price is stale when two bars are missing after its own."""


def settings_for_bars(settings: Mapping[str, float] | None, spacing_ns: int) -> dict[str, float]:
    """A book's breakers as bars of ``spacing_ns`` allow them, in the book's own keys (:func:`single_source`).

    Raises
    ------
    UsageError
        Where the book has no breakers, or a quarter of a bar outlasts their average: what moved within it is gone.
    """
    terms = breaker_terms(settings)
    if settings is None or terms is None:
        raise UsageError("the limits have no breakers", remedy="set venue.breakers in the book, {} for the defaults")
    if spacing_ns > PRICES_A_BAR * terms.average_ns:
        longest = PRICES_A_BAR * terms.average_ns / SECOND_NS
        raise UsageError(f"breakers need bars of at most {longest:g} s; these are of {spacing_ns / SECOND_NS:g} s",
                         remedy="give shorter bars, or leave out --breakers")
    chosen = single_source(terms, spacing_ns)
    return {**settings, **{key: getattr(chosen, name) / scale for key, (name, scale) in KEYS.items()
                           if getattr(chosen, name) != getattr(terms, name)}}


def single_source(terms: BreakerTerms, spacing_ns: int) -> BreakerTerms:
    """The same for one source that speaks at least every ``spacing_ns``; what it cannot feed is off."""
    age_ns = max(terms.margin_age_ns, AGE_IN_BARS * spacing_ns)
    return replace(terms, quorum=1, opening_quorum=1, margin_age_ns=age_ns, opening_age_ns=age_ns, latency_ns=0,
                   depth_ppm=0, growth_ppm=0)


def next_look_ns(state: VenueState) -> int | None:
    """When the first price that is unfit now would trip its breaker if nothing more came; None where all are fit."""
    terms = state.terms.breakers
    if terms is None:
        return None
    feeds = [feed for market in state.terms.markets if (feed := feed_of(state, market)) is not None]
    late = [unfit_for_ns(feed, state.now_ns)[0] for feed in feeds if not fit_to_liquidate(feed, state.now_ns)]
    soon = [terms.notice_ns + 1 - gone for gone in late if gone <= terms.notice_ns]
    return state.now_ns + min(soon) if soon else None
