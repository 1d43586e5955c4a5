"""A small venue with breakers and three sources, for the tests of the oracle, the breakers and the incidents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from leverline.enforce.breaker_terms import BreakerTerms
from leverline.enforce.effects import Breaker, BreakerTransition, Effect, LiquidationOrder
from leverline.enforce.events import OracleUpdate
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.terms import MarketTerms
from leverline.enforce.venue import OUTSIDE_MARKET, Venue
from tests.enforce.worlds import ANN, BTC, SECOND, World, terms

SOURCES = ("one", "two", "three")
__all__ = ["SECOND", "SOURCES", "WatchedWorld"]


@dataclass
class WatchedWorld(World):
    """A :class:`World` whose book has breakers."""

    @classmethod
    def of_breakers(cls, breakers: BreakerTerms | None = BreakerTerms(), *markets: MarketTerms) -> WatchedWorld:  # noqa: B008 - frozen
        return cls(Venue(replace(terms(*markets), breakers=breakers), LEVERLINE))

    def see(self, name: str, *prices: int, after_s: float = 0.0, sources: Sequence[str] = SOURCES,
            ) -> tuple[Effect, ...]:
        """All sources speak at one time: one price for all, or one for each."""
        effects: tuple[Effect, ...] = ()
        said = prices * len(sources) if len(prices) == 1 else prices
        for i, (source, price) in enumerate(zip(sources, said, strict=True)):
            now = self.venue.state.now_ns + (int(after_s * SECOND) if i == 0 else 0)
            effects += self.must(OracleUpdate(name, source, price, 0, now), after_s if i == 0 else 0.0)
        return effects

    def long_position(self, *, lots: int, price: int, cash: int) -> None:
        """Ann buys from the outside market at a price that all sources see."""
        self.see(BTC, price)
        self.open(ANN, cash)
        self.trade(ANN, OUTSIDE_MARKET, lots, price)

    def mark(self, name: str = BTC) -> int | None:
        return self.venue.state.markets[name].mark

    def breaker(self, name: str = BTC) -> Breaker:
        return self.venue.state.markets[name].breaker


def transitions(effects: Sequence[Effect]) -> list[BreakerTransition]:
    return [e for e in effects if isinstance(e, BreakerTransition)]


def orders(effects: Sequence[Effect]) -> list[LiquidationOrder]:
    return [e for e in effects if isinstance(e, LiquidationOrder)]
