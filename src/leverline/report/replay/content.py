"""What a replay looks like: step functions of time, and when breakers stood open.

Prices are in the settlement currency for one coin, amounts in settlement currency, times ns UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from leverline.enforce.effects import Breaker
from leverline.ground.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Steps:
    """A step function: ``value`` holds from ``ts`` on, shape (n,) each, ending at the end of the run.

    It had ``changes``; where that is more than its points, each ``stride`` of them left their first, lowest, highest
    and last.
    """

    name: str
    ts: IntArray
    value: FloatArray
    changes: int
    stride: int = 1


@dataclass(frozen=True, slots=True)
class Interruption:
    """A market or the whole venue was not in normal operation, for ``reason``."""

    start_ns: int
    end_ns: int
    state: Breaker
    reason: str


@dataclass(frozen=True, slots=True)
class PricePicture:
    """One market's mark and the interruptions that it felt."""

    symbol: str
    mark: Steps
    interruptions: tuple[Interruption, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayPicture:
    """The course of a run.

    ``closed`` has the notional closed so far by stage; ``bad_debt`` what funds and others paid of what accounts could
    not, with what is still unpaid as its last step; accounts are counted at every ``accounts_every``-th price.
    """

    settlement: str
    started_ns: int
    ended_ns: int
    prices: tuple[PricePicture, ...]
    markets_left_out: tuple[str, ...]
    closed: tuple[Steps, ...]
    funds: tuple[Steps, ...]
    bad_debt: Steps
    deleveraged: Steps
    open_accounts: Steps
    underwater: Steps
    accounts_every: int = 1
