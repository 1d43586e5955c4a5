"""A synthetic book of accounts: leverage, deposits and entries drawn from stated distributions, by a seed.

Nothing here is measured. It says what would happen to such a crowd, and the crowd is written in a file that one reads
in a minute. The stream is Python's Mersenne Twister read as uniforms only, which is the same on every version; accounts
are drawn one after another, so that the first hundred of a thousand are the hundred of the same seed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Annotated, Self

from pydantic import Field, model_validator

from leverline.enforce.terms import MarketTerms
from leverline.ground.errors import require
from leverline.model.noun_files import read_noun, shipped_noun
from leverline.model.quantities import UNITS_PER_ONE, Noun

SHARES_SUM_WITHIN = 1e-9
LARGEST_POPULATION = 1_000_000

Positive = Annotated[float, Field(gt=0)]


class DepositSizes(Noun):
    """Lognormal, settlement currency, cut at ``largest``."""

    median: Positive
    log_sigma: Annotated[float, Field(ge=0, le=10)]
    largest: Annotated[float, Field(gt=0, le=1e12)]


class EntryPrices(Noun):
    """Entry over the first price: lognormal with median 1."""

    log_sigma: Annotated[float, Field(ge=0, le=1)]


class LeverageBand(Noun):
    """Accounts that asked for leverage ``from`` to ``to``, log-uniform inside."""

    lowest: Positive = Field(alias="from")
    highest: Annotated[float, Field(gt=0, le=1_000)] = Field(alias="to")
    share: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.highest < self.lowest:
            raise ValueError("a band of leverage goes up")
        return self


class Population(Noun):
    """How a synthetic book is drawn; see ``population.toml``, which ships."""

    name: str
    why: str
    long_share: Annotated[float, Field(ge=0, le=1)]
    deposit: DepositSizes
    entry: EntryPrices
    leverage: tuple[LeverageBand, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(math.fsum(band.share for band in self.leverage) - 1.0) > SHARES_SUM_WITHIN:
            raise ValueError("shares of leverage sum to 1")
        return self

    @classmethod
    def shipped(cls) -> Self:
        """The one that ships with leverline."""
        return shipped_noun(cls, "leverline.enforce", "population.toml")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file; refuse (exit 2) unknown keys, missing keys and values out of range."""
        return read_noun(cls, path, remedy="start from the population that ships")


@dataclass(frozen=True, slots=True)
class DrawnAccount:
    """One account: ``deposit`` in units, signed ``lots`` (0: none fit) of ``market`` entered at ``entry`` ticks."""

    name: str
    market: str
    deposit: int
    lots: int
    entry: int
    leverage: float  # asked for; what limits allow may be less
    capped: bool = False  # the open-interest cap left it less than its own margin allows


def draw_population(spec: Population, size: int, seed: int, markets: Sequence[MarketTerms], first: dict[str, int],
                    ) -> list[DrawnAccount]:
    """``size`` accounts in ``markets``, each in one, at the first marks ``first`` (ticks, by symbol).

    Who asked for more than the limits allow holds the most that they allow: initial margin covered at entry,
    maintenance at the first mark (others would be gone already), position cap kept. Accounts come one after another:
    who comes when open interest, the larger of all longs and all shorts at the first mark, is at its cap holds nothing.
    """
    require(0 < size <= LARGEST_POPULATION, f"a population has 1 to {LARGEST_POPULATION:,} accounts", got=size)
    require(bool(markets), "a population trades some market")
    stream, width = Random(seed), len(str(size - 1))  # noqa: S311 - a simulation, not a secret
    drawn = (_draw(spec, stream, f"account-{i:0{width}}", markets, first) for i in range(size))
    return _within_interest(drawn, {terms.symbol: terms for terms in markets}, first)


def _within_interest(drawn: Iterable[DrawnAccount], markets: dict[str, MarketTerms], first: dict[str, int],
                     ) -> list[DrawnAccount]:
    """Positions cut to what the cap on open interest leaves on their side, as the ledger counts it."""
    held: Counter[tuple[str, bool]] = Counter()
    kept = []
    for account in drawn:
        terms, side = markets[account.market], (account.market, account.lots > 0)
        size = abs(account.lots)
        if terms.open_interest_cap is not None:
            room = terms.open_interest_cap // terms.notional(1, first[account.market]) - held[side]
            if size > room:
                size = max(0, room)
                account = replace(account, lots=size if side[1] else -size, capped=True)
        held[side] += size
        kept.append(account)
    return kept


def _draw(spec: Population, stream: Random, name: str, markets: Sequence[MarketTerms], first: dict[str, int],
          ) -> DrawnAccount:
    where, side, of_band, in_band = (stream.random() for _ in range(4))
    terms = markets[int(where * len(markets))]
    sign = 1 if side < spec.long_share else -1
    amount = min(spec.deposit.largest, spec.deposit.median * math.exp(spec.deposit.log_sigma * _normal(stream)))
    deposit = max(1, round(amount * UNITS_PER_ONE))
    band = _band(spec.leverage, of_band)
    leverage = band.lowest * (band.highest / band.lowest) ** in_band
    mark = first[terms.symbol]
    entry = max(1, round(mark * math.exp(spec.entry.log_sigma * _normal(stream))))
    wanted = int(deposit * leverage) // (entry * terms.value)
    return DrawnAccount(name, terms.symbol, deposit, sign * _allowed(terms, deposit, sign, wanted, entry, mark), entry,
                        leverage)


def _normal(stream: Random) -> float:
    """Standard normal by inversion of one uniform."""
    return NormalDist().inv_cdf(min(max(stream.random(), 2.0**-53), 1.0 - 2.0**-53))


def _band(bands: Sequence[LeverageBand], uniform: float) -> LeverageBand:
    below = 0.0
    for band in bands:
        below += band.share
        if uniform < below:
            return band
    return next(band for band in reversed(bands) if band.share)  # shares sum to 1 within rounding


def _allowed(terms: MarketTerms, deposit: int, sign: int, wanted: int, entry: int, mark: int) -> int:
    """The most lots up to ``wanted`` that the limits let this account have opened and still hold, by bisection."""

    def fits(lots: int) -> bool:
        opened, held = terms.notional(lots, entry), terms.notional(lots, mark)
        equity = deposit + sign * (held - opened)
        capped = terms.position_cap is None or max(opened, held) <= terms.position_cap
        return capped and deposit >= terms.initial(opened) and equity >= terms.maintenance(held)

    low, high = 0, wanted
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
