"""Small venues for the tests of this folder: two markets, one collateral asset, three traders."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from leverline.enforce.effects import Effect, Rejected
from leverline.enforce.events import Body, Deposit, Event, Fill, OpenPool, OracleUpdate, PoolKey
from leverline.enforce.policies import VenuePolicies
from leverline.enforce.policy_presets import LEVERLINE
from leverline.enforce.terms import AssetTerms, MarketTerms, TierTerms, VenueTerms
from leverline.enforce.venue import Venue
from leverline.model.accounts import Mode

SECOND = 10**9
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
ANN, BOB, CAT, DAN = PoolKey("ann"), PoolKey("bob"), PoolKey("cat"), PoolKey("dan")


def market(symbol: str, *, initial_ppm: int = 100_000, maintenance_ppm: int = 50_000, penalty_ppm: int = 1_000,
           value: int = 100, **rest: object) -> MarketTerms:
    """A market with one tier; by default a lot of 0.001 coins at a tick of 0.1: 100 units a lot and tick."""
    figures: dict[str, object] = {"position_cap": None, "open_interest_cap": None, "owner_share_ppm": None,
                                  "growth_ppm_per_day": None, "price_band_ppm": None, "profit_cap": None,
                                  "account_classes": None, "tiers": (TierTerms(0, initial_ppm, maintenance_ppm, 0),),
                                  **rest}
    return MarketTerms(symbol=symbol, tick=Fraction(1, 10), lot=Fraction(value, 100_000), value=value,
                       penalty_ppm=penalty_ppm, **figures)  # type: ignore[arg-type]


def terms(*markets: MarketTerms) -> VenueTerms:
    """A book of the markets given (default: two), with one collateral asset at a 10 % haircut."""
    chosen = markets or (market(BTC), market(ETH))
    coin = AssetTerms("COIN", (0,), (800_000,), (900_000,), None)
    return VenueTerms("a book", "USDT", {m.symbol: m for m in chosen}, {"COIN": coin})


@dataclass
class World:
    """A venue and the numbering of its events."""

    venue: Venue
    log: list[Event] = field(default_factory=list)
    effects: tuple[Effect, ...] = ()  # that a test's beginning wants looked at

    @classmethod
    def of(cls, policies: VenuePolicies = LEVERLINE, *markets: MarketTerms) -> World:
        return cls(Venue(terms(*markets), policies))

    def do(self, body: Body, after_s: float = 0.0) -> tuple[Effect, ...]:
        """Apply one event ``after_s`` seconds later."""
        state = self.venue.state
        event = Event(state.seq + 1, state.now_ns + int(after_s * SECOND), f"event {len(self.log)}", body)
        self.log.append(event)
        return tuple(self.venue.apply(event))

    def must(self, body: Body, after_s: float = 0.0) -> tuple[Effect, ...]:
        """The same for an event that a test relies on."""
        effects = self.do(body, after_s)
        assert not effects or not isinstance(effects[0], Rejected), effects
        return effects

    def open(self, key: PoolKey, cash: int = 0) -> int:
        self.must(OpenPool(key, key.account, Mode.CROSS if not key.subaccount else Mode.SEGREGATED))
        if cash:
            self.must(Deposit(key, "USDT", cash))
        return self.venue.state.number[key]

    def price(self, name: str, price: int, after_s: float = 0.0) -> tuple[Effect, ...]:
        return self.must(OracleUpdate(name, "one", price, 0, self.venue.state.now_ns), after_s)

    def trade(self, buyer: PoolKey, seller: PoolKey, lots: int, price: int, name: str = BTC) -> tuple[Effect, ...]:
        return self.must(Fill(name, buyer, seller, lots, price))

    def cash(self, key: PoolKey) -> int:
        return self.venue.state.ledger.cash[self.venue.state.number[key]]

    def lots(self, key: PoolKey, name: str = BTC) -> int:
        return self.venue.state.positions.lots[self.venue.state.number[key]].get(name, 0)

    def fund(self, account: str = "fund") -> int:
        return self.venue.state.ledger.balance(account, "USDT")


def kinds(effects: tuple[Effect, ...]) -> list[str]:
    """Names of effects in order."""
    return [type(effect).__name__ for effect in effects]
