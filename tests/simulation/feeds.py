"""Prices as they come in: several sources around one true price, late, twice, out of order, stale, absurd, or not."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from random import Random

from leverline.enforce.events import Body, OracleUpdate
from tests.enforce.worlds import SECOND
from tests.simulation.books import COINS, FIRST_PRICE, MARKETS

SOURCES = ("a", "b", "c", "d", "e")
NAMES = (*MARKETS, *COINS)
LATEST_S = 120


@dataclass
class Feeds:
    """What the sources see and send. ``honest`` ones are off by noise; the others, fewer than half, say anything."""

    stream: Random
    sigma: float  # of a step of the true price
    jumps: float  # how often a step is a jump
    trouble: float  # how often a message is late, twice, lost or absurd
    sources: tuple[str, ...] = SOURCES
    honest: tuple[str, ...] = SOURCES
    true: dict[str, float] = field(default_factory=lambda: {name: float(p) for name, p in FIRST_PRICE.items()})
    on_the_way: list[tuple[int, int, Body]] = field(default_factory=list)
    sent: int = 0
    silent_until_ns: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, stream: Random) -> Feeds:
        """One to five sources; up to two of five lie."""
        sources = SOURCES[:stream.choice((1, 3, 3, 5, 5))]
        liars = stream.randrange((len(sources) + 1) // 2)
        return cls(stream, stream.choice((0.001, 0.003, 0.01)), stream.choice((0.005, 0.02, 0.06)),
                   stream.choice((0.02, 0.1, 0.3)), sources, sources[liars:])

    def step(self, now_ns: int) -> None:
        """One price moves, and every source that is awake says so."""
        draw = self.stream
        name = NAMES[int(draw.random() ** 1.5 * len(NAMES))]
        move = draw.gauss(0.0, self.sigma)
        if draw.random() < self.jumps:
            move += draw.choice((-1, -1, 1)) * draw.uniform(0.03, 0.4)
        first = FIRST_PRICE[name]
        price = min(max(self.true[name] * (1 + max(move, -0.6)), first / 20), first * 20)
        self.true[name] = price + (first - price) * 0.02  # back to where it began, so that a world goes on
        if draw.random() < 0.01:
            self.silent_until_ns[name] = now_ns + draw.randrange(600) * SECOND
        if self.silent_until_ns.get(name, 0) <= now_ns:
            for source in self.sources:
                self._say(name, source, now_ns)
        if name == "PEG" and draw.random() < 0.5:
            self._send(OracleUpdate(name, "redemption", FIRST_PRICE[name], 0, now_ns), now_ns)

    def due(self, now_ns: int) -> Body | None:
        """The next message that has arrived."""
        if self.on_the_way and self.on_the_way[0][0] <= now_ns:
            return heapq.heappop(self.on_the_way)[2]
        return None

    def _say(self, name: str, source: str, now_ns: int) -> None:
        draw = self.stream
        price = max(1, round(self.true[name] * (1 + draw.uniform(-0.002, 0.002))))
        if source not in self.honest:
            price = max(1, round(price * draw.choice((0.1, 0.5, 0.97, 1.0, 1.03, 2.0, 10.0))))
        message: Body = OracleUpdate(name, source, price, price // draw.choice((20, 200, 2_000)), now_ns)
        if draw.random() >= self.trouble:
            self._send(message, now_ns + draw.randrange(SECOND // 5))
            return
        wrong = draw.random()
        if wrong < 0.2:
            return  # lost
        if wrong < 0.4:
            self._send(message, now_ns)  # twice
        elif wrong < 0.6:
            message = absurd(draw, name, source, price, now_ns)
        self._send(message, now_ns + draw.randrange(LATEST_S * SECOND))

    def _send(self, message: Body, when_ns: int) -> None:
        self.sent += 1
        heapq.heappush(self.on_the_way, (when_ns, self.sent, message))


def absurd(draw: Random, name: str, source: str, price: int, now_ns: int) -> OracleUpdate:
    """What a sender with a bug, or without scruples, sends. Those that are rejected outright stand first."""
    wrong: object = draw.choice((0, -price, True, False, 1.5, 2**63, 2**62, 2**200, None, str(price)))
    match draw.randrange(8):
        case 0:
            return OracleUpdate(name, source, price, -1, now_ns)
        case 1:
            return OracleUpdate(name, source, price, 2**63, now_ns)
        case 2:
            return OracleUpdate("nothing", source, price, 0, now_ns)
        case 3:
            return OracleUpdate(name, source, price, 0, now_ns + 10**15)
        case 4:
            return OracleUpdate(name, source, price * 10, 0, now_ns)
        case 5:
            return OracleUpdate(name, source, max(1, price // 10), 0, now_ns)
        case _:
            return OracleUpdate(name, source, wrong, 0, now_ns)  # type: ignore[arg-type]
