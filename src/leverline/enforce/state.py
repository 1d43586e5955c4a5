"""Everything a venue knows, in plain integers: pools, positions, prices, limits, breakers, work in progress.

The state is a projection of the events: the same events give the same state, byte for byte. Containers are changed
through :class:`Undo` only, so that a rejected event can be taken back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from leverline.enforce.digest import digest_of
from leverline.enforce.effects import Breaker
from leverline.enforce.events import PoolKey
from leverline.enforce.ledger import Ledger
from leverline.enforce.terms import VenueTerms
from leverline.enforce.undo import Undo
from leverline.model.accounts import Mode

ROOMS = ("decay", "calls", "orders", "auctions", "resting", "numbers", "cooling", "pending", "owing", "offered",
         "committed", "staged", "sources", "breakers", "growth", "depth", "opening")
"""Parts of the venue that keep records of their own."""

KEYS_KEPT = 1 << 18
"""Idempotency keys remembered, one an event. At a thousand events a second that is more than four minutes, longer than
senders go on repeating themselves, and some 40 MB; whoever repeats an older event with its number is out of order."""


OUTSIDE_POOL = 0
"""Number of the outside market, which every venue opens first."""


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """Who stands behind a pool, and how its losses are bounded. ``external``: the outside market, never margined."""

    key: PoolKey
    owner: str
    mode: Mode
    account_class: str
    external: bool = False


@dataclass(slots=True)
class Positions:
    """Open positions: pool ``i`` holds ``lots[i][market]`` (signed, never 0) at a signed ``cost[i][market]`` in units.

    Cost is what the open lots were bought for, with sign: value at a price less cost is unrealised profit. A partial
    close releases cost in proportion, rounded toward zero; what rounding leaves stays with the open lots.
    """

    lots: list[dict[str, int]] = field(default_factory=list)
    cost: list[dict[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MarketState:
    """One market: prices in ticks, one-sided open interest in lots, and its breaker. Replaced, never changed."""

    mark: int | None = None  # None until a valid price came
    marked_ns: int = 0
    open_interest: int = 0  # lots of one side
    breaker: Breaker = Breaker.NORMAL
    breaker_since_ns: int = 0
    paused: bool = False  # by an operator

    def at(self, mark: int, now_ns: int) -> MarketState:
        """The same market at another price."""
        return MarketState(mark, now_ns, self.open_interest, self.breaker, self.breaker_since_ns, self.paused)

    def trades_otherwise(self, before: MarketState) -> bool:
        """Whether its price or its halt is another; open interest alone moves nobody's margin."""
        return self.mark != before.mark or self.breaker is not before.breaker or self.paused != before.paused

    def grown(self, lots: int) -> MarketState:
        """The same market with ``lots`` (signed) more of open interest."""
        return MarketState(self.mark, self.marked_ns, self.open_interest + lots, self.breaker, self.breaker_since_ns,
                           self.paused)


@dataclass(slots=True)
class VenueState:
    """The whole state. Lists are indexed by pool number, given in the order in which pools were opened."""

    book: dict[str, VenueTerms]  # under "now"; a dictionary, so that adopting another book can be taken back
    ledger: Ledger
    undo: Undo
    pools: list[PoolRecord] = field(default_factory=list)
    number: dict[PoolKey, int] = field(default_factory=dict)
    owners: dict[str, dict[int, None]] = field(default_factory=dict)  # owner to its pools
    positions: Positions = field(default_factory=Positions)
    markets: dict[str, MarketState] = field(default_factory=dict)
    asset_price: dict[str, int] = field(default_factory=dict)  # units of settlement for one whole asset
    holders: dict[str, dict[int, None]] = field(default_factory=dict)  # market to the pools that hold it
    rooms: dict[str, dict[Any, Any]] = field(default_factory=dict)  # each part's own records, by the part's name
    seq: int = 0
    now_ns: int = 0
    seen: dict[str, int] = field(default_factory=dict)  # idempotency keys to the event that used them
    keys: list[str] = field(default_factory=list)  # the same as a ring: of event ``seq`` at ``(seq - 1) % KEYS_KEPT``

    @classmethod
    def of(cls, terms: VenueTerms) -> VenueState:
        """An empty venue under ``terms``."""
        undo = Undo()
        return cls({"now": terms}, Ledger(terms.settlement, undo), undo,
                   markets={symbol: MarketState() for symbol in terms.markets},
                   holders={symbol: {} for symbol in terms.markets}, rooms={name: {} for name in ROOMS})

    @property
    def terms(self) -> VenueTerms:
        """The limits in force for new risk."""
        return self.book["now"]

    def room(self, name: str) -> dict[Any, Any]:
        """A part's own records, one of ``ROOMS``: frozen values, hashed with the rest."""
        return self.rooms[name]

    def digest(self) -> str:
        """SHA-256 over the whole state in canonical order: equal states, equal digests, on any machine."""
        return digest_of(self)

    def remember(self, key: str, seq: int) -> None:
        """Note that event ``seq``, which stands, used ``key``; the oldest key of a full ring is forgotten."""
        place = (seq - 1) % KEYS_KEPT
        if place == len(self.keys):
            self.keys.append(key)
        else:
            del self.seen[self.keys[place]]
            self.keys[place] = key
        self.seen[key] = self.seq = seq
